/**
 * The journal: what happened, in order, each entry bound to all before it by a hash (DESIGN §8). Append-only.
 *
 *   entry = enc(1, seq, hash of the entry before, time, kind, ref, payload)     hash = H("fit journal v1", entry)
 *
 * Guarantees: entries, the head and whatever other operations belong to them become durable in one write or not at all;
 * `seq` counts from 1 without gaps. An entry that is changed, missing, or put in breaks the chain that `walk` follows.
 */
import { H } from '../crypto/hash.ts';
import { equal } from '../lib/bytes.ts';
import { decode, enc, encode, read } from '../lib/cbor.ts';
import { FitError } from '../lib/errors.ts';
import { corrupt } from './level-errors.ts';
import type { Archive } from './sealed-store.ts';
import type { StoreOp } from './store.ts';

export interface NewEntry {
  /** Seconds since 1970. */
  readonly time: number;
  /** What happened: a word of ours, at most 64 characters. */
  readonly kind: string;
  /** What it happened to: a deal id, or an xid in hexadecimal; at most 128 characters. */
  readonly ref: string;
  /** At most `MAX_PAYLOAD_BYTES`. */
  readonly payload: Uint8Array;
}

export interface JournalEntry extends NewEntry {
  readonly seq: number;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

/** `seq` 0 and 32 zero bytes before the first entry. */
export interface JournalHead {
  readonly seq: number;
  readonly hash: Uint8Array;
}

export interface Journal {
  readonly head: JournalHead;
  /** One atomic, durable write; returns the entries' positions. Rejects as `archive.batch` does, and then nothing was written. */
  append(entries: readonly NewEntry[], ops?: readonly StoreOp[]): Promise<readonly JournalHead[]>;
  /** In order, from `seq` on (default 1). Throws `locked` and `archive-corrupt`, also for a broken chain within what is read. */
  entries(from?: number): AsyncIterable<JournalEntry>;
}

const MAX_PAYLOAD_BYTES = 1 << 20;
const VERSION = 1;
const MAX_KIND = 64;
const MAX_REF = 128;
const MAX_ENTRY_BYTES = MAX_PAYLOAD_BYTES + 1024;
const MAX_HEAD_BYTES = 64;
/** In 'meta'. */
export const HEAD_KEY = 'journal';
/** Decimal digits of a key: enough for 2^53, so that the order of keys is that of numbers. */
const SEQ_DIGITS = 16;

export const START: JournalHead = { seq: 0, hash: new Uint8Array(32) };

export const journalKey = (seq: number): string => String(seq).padStart(SEQ_DIGITS, '0');

const hashOf = (entry: Uint8Array): Uint8Array => H('fit journal v1', entry);

function checkNew(entry: NewEntry): void {
  const { time, kind, ref, payload } = entry;
  const fits = kind.length <= MAX_KIND && ref.length <= MAX_REF && payload.length <= MAX_PAYLOAD_BYTES;
  if (!fits || kind === '' || !Number.isSafeInteger(time) || time < 0)
    throw new RangeError('a journal entry is out of its bounds');
}

/** Throws `FitError('archive-corrupt')`. */
function decodeEntry(key: string, bytes: Uint8Array): JournalEntry {
  try {
    const [version, seq, previous, time, kind, ref, payload] = read.array(decode(bytes, MAX_ENTRY_BYTES), 7, 'entry');
    read.literal(version, VERSION, 'entry version');
    const entry = {
      seq: read.uint(seq, 'seq'),
      previous: read.bytes(previous, 32, 'previous'),
      time: read.uint(time, 'time'),
      kind: read.text(kind, MAX_KIND, 'kind'),
      ref: read.text(ref, MAX_REF, 'ref'),
      payload: read.blob(payload, MAX_PAYLOAD_BYTES, 'payload'),
      hash: hashOf(bytes),
    };
    if (journalKey(entry.seq) !== key) throw new RangeError('another place in the journal');
    return entry;
  } catch (error) {
    throw corrupt('an entry of the journal is malformed', error);
  }
}

/** Checks that `entry` follows `before`. Throws `FitError('archive-corrupt')`. */
export function follow(before: JournalHead, entry: JournalEntry): JournalHead {
  if (entry.seq !== before.seq + 1)
    throw corrupt(`records are missing: entry ${before.seq + 1} of the journal is not there`);
  if (!equal(entry.previous, before.hash))
    throw corrupt(`entry ${entry.seq} of the journal does not follow the one before`);
  return { seq: entry.seq, hash: entry.hash };
}

/** Throws `FitError('archive-corrupt')`. */
export function decodeHead(bytes: Uint8Array): JournalHead {
  try {
    const [version, seq, hash] = read.array(decode(bytes, MAX_HEAD_BYTES), 3, 'journal head');
    read.literal(version, VERSION, 'journal head version');
    return { seq: read.uint(seq, 'seq'), hash: read.bytes(hash, 32, 'hash') };
  } catch (error) {
    throw corrupt('the head of the journal is malformed', error);
  }
}

/** A walk along the whole chain, for `verifyArchive`: feed it every entry, then compare with the head. */
export function createWalk(): { step(key: string, value: Uint8Array): void; end(head: JournalHead): void } {
  let at = START;
  return {
    step(key, value) {
      at = follow(at, decodeEntry(key, value));
    },
    end(head) {
      if (at.seq < head.seq) throw corrupt(`records are missing: the journal ends at ${at.seq} of ${head.seq}`);
      if (at.seq > head.seq || !equal(at.hash, head.hash)) throw corrupt('the journal does not end at its head');
    },
  };
}

async function* walkFrom(archive: Archive, from: number): AsyncGenerator<JournalEntry> {
  let before: JournalHead = START;
  for await (const [key, value] of archive.list('journal', { from: journalKey(from) })) {
    const entry = decodeEntry(key, value);
    // In the middle, the first one read is taken at its word for what stood before it.
    if (before.seq === 0 && from > 1) before = { seq: from - 1, hash: entry.previous };
    before = follow(before, entry);
    yield entry;
  }
}

/** Reads the head alone, so it works while locked. Throws `archive-corrupt` if, unlocked, the last entry is not the head's. */
export async function openJournal(archive: Archive): Promise<Journal> {
  const stored = await archive.get('meta', HEAD_KEY);
  let head = stored === undefined ? START : decodeHead(stored);
  /** The head after what is being written; falls back to `head` when that fails. */
  let next = head;

  if (!archive.locked && head.seq > 0) {
    const last = await archive.get('journal', journalKey(head.seq));
    if (last === undefined) throw corrupt(`records are missing: entry ${head.seq} of the journal is not there`);
    if (!equal(hashOf(last), head.hash)) throw corrupt('the journal does not end at its head');
  }

  return {
    get head() {
      return head;
    },

    async append(entries, ops = []) {
      for (const entry of entries) checkNew(entry);
      if (archive.locked) throw new FitError('locked', 'the archive is locked', { hint: 'fit unlock' });
      const heads: JournalHead[] = [];
      await archive.batch({
        build() {
          const puts = entries.map(({ time, kind, ref, payload }): StoreOp => {
            const seq = next.seq + 1;
            const value = enc(VERSION, seq, next.hash, time, kind, ref, payload);
            next = { seq, hash: hashOf(value) };
            heads.push(next);
            return { kind: 'put', space: 'journal', key: journalKey(seq), value };
          });
          const value = encode([VERSION, next.seq, next.hash]);
          return [...ops, ...puts, { kind: 'put', space: 'meta', key: HEAD_KEY, value }];
        },
        settled(durable) {
          if (durable) head = heads.at(-1) ?? head;
          else next = head;
        },
      });
      return heads;
    },

    entries: (from = 1) => walkFrom(archive, from),
  };
}
