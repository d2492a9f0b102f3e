/**
 * The archive: a store whose values are encrypted, each under its space and key, and whose records are counted.
 *
 * Two 32-byte keys: the *spool* key, always there, for what a locked daemon must read and write; the *vault* key, only while
 * unlocked, for everything else. Guarantees: a changed value, or one moved to another key, is `archive-corrupt` when read; a
 * record that vanished or came back is found by `audit`; batches that vanished from the end are found at opening when there is a head file.
 * Values under one key stay far below 2^32, which random 96-bit nonces allow.
 */
import { openAes, sealAes } from '../crypto/aead.ts';
import { H } from '../crypto/hash.ts';
import { assert } from '../lib/assert.ts';
import { utf8 } from '../lib/bytes.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { addWeight, type Census, decodeCensus, EMPTY_CENSUS, encodeCensus, sameCensus, weight } from './census.ts';
import { createGroupCommit } from './group-commit.ts';
import { type HeadFile, openHeadFile } from './head-file.ts';
import { checkList, checkOps } from './keys.ts';
import { closedError, corrupt } from './level-errors.ts';
import { type ListOptions, SPACES, type Space, type Store, type StoreOp } from './store.ts';

/** Spaces under the spool key: readable and writable while locked. */
export const SPOOL_SPACES: readonly Space[] = ['meta', 'outbox', 'inbox', 'spool'];

/** Operations that depend on what the batches before left: see `Unit` of group-commit.ts. */
export interface LateOps {
  build(): readonly StoreOp[];
  settled?(durable: boolean): void;
}

export interface AuditResult {
  readonly records: number;
  readonly bytes: number;
}

/** Values are plaintext here. In a vault space `get`, `list` and `batch` reject with `FitError('locked')` while locked. */
export interface Archive extends Store {
  readonly locked: boolean;
  /** Takes a copy. The key is authenticated by its wrapping, not here. */
  unlock(vaultKey: Uint8Array): void;
  /** Refuses at once; batches accepted before are still written, then the key is overwritten. */
  lock(): void;
  /** All in one write. `LateOps` are for chains (journal.ts). */
  batch(ops: readonly StoreOp[] | LateOps): Promise<void>;
  /**
   * Decrypts every record of the state of this moment, in space and key order, and compares the census; writes go on meanwhile.
   * Throws `locked`, `archive-corrupt` (naming the space), or what `visit` throws.
   */
  audit(visit: (space: Space, key: string, value: Uint8Array) => void): Promise<AuditResult>;
}

export interface ArchiveOptions {
  readonly spoolKey: Uint8Array;
  /** A small file beside the store; see head-file.ts. */
  readonly headPath?: string;
}

const CENSUS_KEY = '\u{1}census';

const aadOf = (space: Space, key: string): Uint8Array => utf8(`fit archive v1\0${space}\0${key}`);

const vaultNeeded = (space: Space): boolean => !SPOOL_SPACES.includes(space);

function open(key: Uint8Array, space: Space, recordKey: string, sealed: Uint8Array): Uint8Array {
  try {
    return openAes(key, sealed, aadOf(space, recordKey));
  } catch (error) {
    if (isFitError(error)) throw corrupt(`a record in ${space} is damaged`, error);
    throw error;
  }
}

async function loadCensus(store: Store, spoolKey: Uint8Array): Promise<Census> {
  const sealed = await store.get('meta', CENSUS_KEY);
  if (sealed !== undefined) return decodeCensus(open(spoolKey, 'meta', CENSUS_KEY, sealed));
  for (const space of SPACES)
    for await (const _ of store.list(space, { limit: 1 })) throw corrupt('the census of the archive is missing');
  return EMPTY_CENSUS;
}

/** The head file may be behind (a crash before it was written), never ahead. */
async function compareHead(head: HeadFile, census: Census): Promise<void> {
  const witness = await head.read();
  if (witness !== undefined && witness.batches > census.batches)
    throw corrupt(`records are missing from the archive: its last ${witness.batches - census.batches} writes`);
  if (witness !== undefined && witness.batches === census.batches && !sameCensus(witness, census))
    throw corrupt('the archive is not the one that its head file belongs to');
  if (witness === undefined || witness.batches < census.batches) await head.write(census).catch(() => undefined);
}

/** Owns `store` and closes it. Throws `archive-corrupt` when records are missing at the end, or for another spool key. */
export async function createArchive(store: Store, options: ArchiveOptions): Promise<Archive> {
  const spoolKey = options.spoolKey.slice();
  const censusKey = H('fit census v1', spoolKey);
  let census = await loadCensus(store, spoolKey);
  const head = options.headPath === undefined ? undefined : await openHeadFile(options.headPath, spoolKey);
  try {
    if (head !== undefined) await compareHead(head, census);
  } catch (error) {
    await head?.close();
    throw error;
  }
  let vault: Uint8Array | undefined;
  let closed = false;

  function keyFor(space: Space): Uint8Array {
    if (!vaultNeeded(space)) return spoolKey;
    if (vault === undefined) throw new FitError('locked', 'the archive is locked', { hint: 'fit unlock' });
    return vault;
  }

  /** Decrypts what was read before a pause, in which the key may have been locked away. */
  function openRead(key: Uint8Array, space: Space, recordKey: string, sealed: Uint8Array): Uint8Array {
    if (keyFor(space) !== key) throw new FitError('locked', 'the archive is locked', { hint: 'fit unlock' });
    return open(key, space, recordKey, sealed);
  }

  /** One write to the store: the group's final value of each record, and the census after it. */
  async function write(ops: readonly StoreOp[]): Promise<void> {
    const last = new Map(ops.map((op) => [`${op.space}\0${op.key}`, op]));
    const old = await Promise.all([...last.values()].map((op) => store.get(op.space, op.key)));
    const sum = census.sum.slice();
    let records = census.records;
    [...last.values()].forEach((op, i) => {
      const before = old[i];
      if (before !== undefined) {
        addWeight(sum, weight(censusKey, op.space, op.key, before));
        records -= 1;
      }
      if (op.kind === 'put') {
        addWeight(sum, weight(censusKey, op.space, op.key, op.value));
        records += 1;
      }
    });
    const next: Census = { batches: census.batches + 1, records, sum };
    const value = sealAes(spoolKey, encodeCensus(next), aadOf('meta', CENSUS_KEY));
    await store.batch([...last.values(), { kind: 'put', space: 'meta', key: CENSUS_KEY, value }]);
    census = next;
    // A witness that cannot be written now only testifies later: the batch itself is durable.
    await head?.write(next).catch(() => undefined);
  }

  const commits = createGroupCommit<StoreOp>(write);

  function sealOp(op: StoreOp, key: Uint8Array): StoreOp {
    assert(op.space !== 'meta' || op.key !== CENSUS_KEY, 'the census is the archive’s own');
    return op.kind === 'delete' ? op : { ...op, value: sealAes(key, op.value, aadOf(op.space, op.key)) };
  }

  async function* decrypted(
    space: Space,
    key: Uint8Array,
    limit: number,
    from: AsyncIterable<readonly [string, Uint8Array]>,
  ) {
    let left = limit;
    if (left === 0) return;
    for await (const [recordKey, sealed] of from) {
      if (space === 'meta' && recordKey === CENSUS_KEY) continue;
      yield [recordKey, openRead(key, space, recordKey, sealed)] as const;
      left -= 1;
      if (left === 0) return;
    }
  }

  function failing(error: unknown): AsyncIterable<never> {
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
  }

  function list(space: Space, options: ListOptions = {}): AsyncIterable<readonly [string, Uint8Array]> {
    try {
      checkList(options);
      const { limit = Number.POSITIVE_INFINITY } = options;
      // One more, for the census.
      const from = store.list(space, Number.isFinite(limit) ? { ...options, limit: limit + 1 } : options);
      return decrypted(space, keyFor(space), limit, from);
    } catch (error) {
      return failing(error);
    }
  }

  function lock(): void {
    const gone = vault;
    vault = undefined;
    void commits.idle().then(() => gone?.fill(0));
  }

  return {
    get locked() {
      return vault === undefined;
    },

    unlock(vaultKey) {
      assert(vaultKey.length === 32, 'a vault key is 32 bytes');
      assert(vault === undefined, 'already unlocked');
      vault = vaultKey.slice();
    },

    lock,

    async get(space, recordKey) {
      const key = keyFor(space);
      const sealed = await store.get(space, recordKey);
      return sealed === undefined ? undefined : openRead(key, space, recordKey, sealed);
    },

    list,

    async batch(ops) {
      if (closed) throw closedError();
      // The key of this moment: what was accepted before `lock` is written after it.
      const keys = new Map(SPACES.map((space) => [space, vaultNeeded(space) ? vault : spoolKey]));
      const seal = (built: readonly StoreOp[]): StoreOp[] => {
        checkOps(built);
        return built.map((op) => sealOp(op, keys.get(op.space) ?? keyFor(op.space)));
      };
      if ('build' in ops) {
        await commits.add({ build: () => seal(ops.build()), settled: (durable) => ops.settled?.(durable) });
      } else {
        const sealed = seal(ops);
        await commits.add({ build: () => sealed });
      }
    },

    async audit(visit) {
      for (const space of SPACES) keyFor(space);
      let state:
        | { census: Census; lists: (readonly [Space, AsyncIterable<readonly [string, Uint8Array]>])[] }
        | undefined;
      // Formed between two writes, so that the lists and the census show the same moment.
      await commits.add({
        build() {
          state = { census, lists: SPACES.map((space) => [space, store.list(space)] as const) };
          return [];
        },
      });
      assert(state !== undefined, 'audit state');
      const sum = new Uint8Array(32);
      let records = 0;
      let bytes = 0;
      for (const [space, sealedRecords] of state.lists) {
        const key = keyFor(space);
        for await (const [recordKey, sealed] of sealedRecords) {
          if (space === 'meta' && recordKey === CENSUS_KEY) continue;
          visit(space, recordKey, openRead(key, space, recordKey, sealed));
          addWeight(sum, weight(censusKey, space, recordKey, sealed));
          records += 1;
          bytes += sealed.length;
        }
      }
      if (!sameCensus({ ...state.census, records, sum }, state.census))
        throw corrupt(`records were lost or changed: ${records} are there, ${state.census.records} were written`);
      return { records, bytes };
    },

    async close() {
      closed = true;
      await commits.idle();
      lock();
      await head?.close();
      await store.close();
    },
  };
}
