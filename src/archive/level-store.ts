/**
 * The store port on disk, by LevelDB.
 *
 * Guarantees beside the port's: one process at a time (`daemon-running`); every batch is one synchronous write, and batches
 * asked for meanwhile share the next one; a log that was damaged is refused at opening, before LevelDB would silently drop
 * what follows the damage (`archive-corrupt`); a batch that fails because the disk is full leaves no trace, reads go on, and
 * batches succeed again once there is space. Values are not compressed: they are ciphertext.
 */
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Level } from 'level';
import { present } from '../lib/assert.ts';
import { fromInt, toInt } from '../lib/bytes.ts';
import { createGroupCommit } from './group-commit.ts';
import { checkKey, checkList, checkOps } from './keys.ts';
import { closedError, corrupt, lockedError, storeError } from './level-errors.ts';
import { checkLogs } from './level-log.ts';
import { SPACES, type Space, type Store, type StoreOp } from './store.ts';

type Database = Level<string, Uint8Array>;
type Put = { readonly type: 'put'; readonly key: string; readonly value: Uint8Array };
type Del = { readonly type: 'del'; readonly key: string };

interface Asked {
  readonly key: string;
  readonly resolve: (value: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** NUL occurs in no key, and sorts before every character of one. */
const SEPARATOR = '\0';
const AFTER_SEPARATOR = '\u0001';
/** Counts the writes, outside all spaces: tells after a failed write whether the disk holds it. */
const WRITES_KEY = '\0writes';
/** Space that must be free before a failed log is given up for a new one: LevelDB then writes the log anew as a table. */
const PROBE_BYTES = 8 << 20;

/** A list reads ahead this far, whichever comes first. */
const READ_RECORDS = 256;
const READ_BYTES = 256 * 1024;

const levelKey = (space: Space, key: string): string => `${space}${SEPARATOR}${key}`;

/**
 * Throws `archive-corrupt` for a folder with parts of a database but not the file that names its current state: LevelDB
 * would begin a new database there and delete those parts.
 */
async function checkBegun(path: string): Promise<void> {
  const names = await readdir(path);
  if (!names.includes('CURRENT') && names.some((name) => /\.(log|ldb|sst)$|^MANIFEST-/.test(name)))
    throw corrupt('a file of the archive is missing');
}

async function openDatabase(path: string): Promise<Database> {
  const database: Database = new Level<string, Uint8Array>(path, { valueEncoding: 'view', compression: false });
  try {
    await database.open();
    return database;
  } catch (error) {
    throw storeError(error);
  }
}

/** Throws `disk-full` unless the disk takes as many bytes as a new log and a table may need. */
async function probe(path: string): Promise<void> {
  const file = join(path, 'probe.tmp');
  try {
    const handle = await open(file, 'w', 0o600);
    try {
      await handle.writeFile(new Uint8Array(PROBE_BYTES));
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storeError(error);
  } finally {
    await rm(file, { force: true });
  }
}

const writesOf = async (database: Database): Promise<bigint> =>
  toInt((await database.get(WRITES_KEY)) ?? new Uint8Array());

/** LevelDB gives Buffers. */
const plain = (value: Uint8Array): Uint8Array => new Uint8Array(value.buffer, value.byteOffset, value.length);

/**
 * Folders open in this process. LevelDB's own check of this closes the lock file once more, and with that POSIX gives up the
 * process's lock: another process could then enter. So a second opening must not get as far as LevelDB.
 */
const openHere = new Set<string>();

/** Throws `FitError`: `daemon-running`, `archive-corrupt`, `disk-full` or `disk-failed`. */
export async function openLevelStore(folder: string): Promise<Store> {
  const path = resolve(folder);
  if (openHere.has(path)) throw lockedError();
  openHere.add(path);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await checkBegun(path);
    await checkLogs(path);
    return await openChecked(path);
  } catch (error) {
    openHere.delete(path);
    throw storeError(error);
  }
}

async function openChecked(path: string): Promise<Store> {
  let database = await openDatabase(path);
  let writes = await writesOf(database);
  let closed = false;
  let closing: Promise<void> | undefined;
  /** Set after a failed write, whose log must not be appended to: how to take the write back if the disk holds it after all. */
  let failed: { readonly undo: readonly (Put | Del)[]; readonly error: unknown } | undefined;
  /** Reads wait while the database is opened again. */
  let reopening: Promise<void> | undefined;

  /** What restores the keys of `ops` to what they are now. */
  async function undoOf(ops: readonly (Put | Del)[]): Promise<(Put | Del)[]> {
    const keys = [...new Set(ops.map((op) => op.key))];
    const values = await database.getMany(keys);
    return keys.map((key, i) => {
      const value = values[i];
      return value === undefined ? { type: 'del', key } : { type: 'put', key, value };
    });
  }

  async function commit(ops: readonly (Put | Del)[]): Promise<void> {
    const count = fromInt(writes + 1n, 8);
    await database.batch([...ops, { type: 'put', key: WRITES_KEY, value: count }], { sync: true });
    writes += 1n;
  }

  /** A log whose write failed may end in half a record, after which LevelDB would lose everything: so a new log. */
  async function recover(undo: readonly (Put | Del)[]): Promise<void> {
    await probe(path);
    if (database.status !== 'closed') await database.close();
    database = await openDatabase(path);
    const confirmed = writes;
    writes = await writesOf(database);
    try {
      if (writes > confirmed) await commit(undo);
    } catch (error) {
      // Still to be taken back at the next attempt.
      writes = confirmed;
      throw error;
    }
    failed = undefined;
  }

  async function write(ops: readonly StoreOp[]): Promise<void> {
    if (failed !== undefined) {
      reopening = recover(failed.undo);
      try {
        await reopening;
      } catch (error) {
        failed = { ...failed, error: storeError(error) };
        throw failed.error;
      } finally {
        reopening = undefined;
      }
    }
    const wanted = ops.map((op): Put | Del => {
      const key = levelKey(op.space, op.key);
      return op.kind === 'put' ? { type: 'put', key, value: op.value } : { type: 'del', key };
    });
    try {
      await commit(wanted);
    } catch (error) {
      // LevelDB shows what was before, also if the disk took the write and only did not confirm it.
      failed = { undo: [], error: storeError(error) };
      failed = { ...failed, undo: await undoOf(wanted) };
      throw failed.error;
    }
  }

  const commits = createGroupCommit<StoreOp>(write);

  const isReadable = (): boolean => reopening === undefined && !closed && database.status === 'open';

  /** The database, when it can be read: it cannot while the disk is too full even for opening it again. */
  async function readable(): Promise<Database> {
    await reopening?.catch(() => undefined);
    if (closed) throw closedError();
    if (database.status !== 'open') throw failed?.error ?? closedError();
    return database;
  }

  let asked: Asked[] = [];

  /** Answers everything asked for in one turn by one call: a call costs LevelDB's thread more than the reading. */
  async function answer(): Promise<void> {
    const questions = asked;
    asked = [];
    try {
      const from = isReadable() ? database : await readable();
      const values = await from.getMany(questions.map(({ key }) => key));
      for (const [i, { resolve }] of questions.entries()) {
        const value = values[i];
        resolve(value === undefined ? undefined : plain(value));
      }
    } catch (error) {
      for (const { reject } of questions) reject(storeError(error));
    }
  }

  return {
    async get(space, key) {
      checkKey(key);
      return new Promise((resolve, reject) => {
        asked.push({ key: levelKey(space, key), resolve, reject });
        if (asked.length === 1) queueMicrotask(() => void answer());
      });
    },

    list(space, options = {}) {
      checkList(options);
      const { from = '', to, reverse = false, limit = -1 } = options;
      const open = (source: Database) =>
        source.iterator({
          gte: levelKey(space, from),
          lt: to === undefined ? `${space}${AFTER_SEPARATOR}` : levelKey(space, to),
          reverse,
          limit,
          highWaterMarkBytes: READ_BYTES,
        });
      // Opened in this call, so that it shows the state of this moment.
      let iterator = isReadable() ? open(database) : undefined;
      let read: readonly [string, Uint8Array][] = [];
      let at = 0;
      let done = false;
      return {
        [Symbol.asyncIterator]: () => ({
          async next() {
            try {
              if (closed) throw closedError();
              if (done) return { done: true, value: undefined };
              iterator ??= open(await readable());
              if (at === read.length) {
                read = await iterator.nextv(READ_RECORDS);
                at = 0;
              }
              const entry = read[at];
              at += 1;
              if (entry !== undefined)
                return { done: false, value: [entry[0].slice(space.length + 1), plain(entry[1])] };
              done = true;
              await iterator.close();
              return { done: true, value: undefined };
            } catch (error) {
              throw storeError(error);
            }
          },
          async return() {
            done = true;
            await iterator?.close();
            return { done: true, value: undefined };
          },
        }),
      };
    },

    async batch(ops) {
      checkOps(ops);
      for (const op of ops) present(SPACES.includes(op.space) ? op.space : undefined, 'space');
      if (closed) throw closedError();
      // Copied: the write may wait, and what the caller does to its bytes meanwhile must not be stored.
      const taken = ops.map((op) => (op.kind === 'put' ? { ...op, value: op.value.slice() } : op));
      await commits.add({ build: () => taken });
    },

    close() {
      closing ??= (async () => {
        closed = true;
        await commits.idle();
        await database.close();
        openHere.delete(path);
      })();
      return closing;
    },
  };
}
