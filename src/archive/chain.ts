/**
 * A hash chain of entries in one space of the archive: the journal and the audit log are two.
 *
 *   entry = enc(1, seq, hash of the entry before, time, kind, ref, payload)     hash = H(domain, entry)
 *
 * Guarantees: `seq` counts from 1 without gaps; an entry that is changed, missing, put in or in another place breaks the walk.
 * Reading and writing are the caller's: this module decides only what follows what.
 */
import { H } from '../crypto/hash.ts';
import { equal } from '../lib/bytes.ts';
import { decode, enc, encode, read } from '../lib/cbor.ts';
import { corrupt } from './level-errors.ts';
import type { StoreOp } from './store.ts';

export interface NewEntry {
  /** Seconds since 1970. */
  readonly time: number;
  /** What happened: a word of ours, at most 64 characters. */
  readonly kind: string;
  /** What it happened to: a deal id, a request's id, or an xid in hexadecimal; at most 128 characters. */
  readonly ref: string;
  /** At most `MAX_PAYLOAD_BYTES`. */
  readonly payload: Uint8Array;
}

export interface ChainEntry extends NewEntry {
  readonly seq: number;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

/** `seq` 0 and 32 zero bytes before the first entry. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: Uint8Array;
}

export interface ChainKind {
  readonly space: 'journal' | 'audit';
  /** In 'meta'. */
  readonly headKey: string;
  readonly domain: string;
  /** For messages. */
  readonly name: string;
}

export const JOURNAL: ChainKind = { space: 'journal', headKey: 'journal', domain: 'fit journal v1', name: 'journal' };
export const AUDIT: ChainKind = { space: 'audit', headKey: 'audit', domain: 'fit audit v1', name: 'audit log' };
export const CHAINS: readonly ChainKind[] = [JOURNAL, AUDIT];

const MAX_PAYLOAD_BYTES = 1 << 20;
const VERSION = 1;
const MAX_KIND = 64;
const MAX_REF = 128;
const MAX_ENTRY_BYTES = MAX_PAYLOAD_BYTES + 1024;
const MAX_HEAD_BYTES = 64;
/** Decimal digits of a key: enough for 2^53, so that the order of keys is that of numbers. */
const SEQ_DIGITS = 16;

export const START: ChainHead = { seq: 0, hash: new Uint8Array(32) };

export const entryKey = (seq: number): string => String(seq).padStart(SEQ_DIGITS, '0');

export const entryHash = (kind: ChainKind, entry: Uint8Array): Uint8Array => H(kind.domain, entry);

export function checkNew(entry: NewEntry): void {
  const { time, kind, ref, payload } = entry;
  const fits = kind.length <= MAX_KIND && ref.length <= MAX_REF && payload.length <= MAX_PAYLOAD_BYTES;
  if (!fits || kind === '' || !Number.isSafeInteger(time) || time < 0)
    throw new RangeError('an entry is out of its bounds');
}

/** Throws `FitError('archive-corrupt')`. */
export function decodeEntry(chain: ChainKind, key: string, bytes: Uint8Array): ChainEntry {
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
      hash: entryHash(chain, bytes),
    };
    if (entryKey(entry.seq) !== key) throw new RangeError('another place in the chain');
    return entry;
  } catch (error) {
    throw corrupt(`an entry of the ${chain.name} is malformed`, error);
  }
}

/** Checks that `entry` follows `before`. Throws `FitError('archive-corrupt')`. */
export function follow(chain: ChainKind, before: ChainHead, entry: ChainEntry): ChainHead {
  if (entry.seq !== before.seq + 1)
    throw corrupt(`records are missing: entry ${before.seq + 1} of the ${chain.name} is not there`);
  if (!equal(entry.previous, before.hash))
    throw corrupt(`entry ${entry.seq} of the ${chain.name} does not follow the one before`);
  return { seq: entry.seq, hash: entry.hash };
}

/** Throws `FitError('archive-corrupt')`. */
export function decodeHead(chain: ChainKind, bytes: Uint8Array): ChainHead {
  try {
    const [version, seq, hash] = read.array(decode(bytes, MAX_HEAD_BYTES), 3, 'head');
    read.literal(version, VERSION, 'head version');
    return { seq: read.uint(seq, 'seq'), hash: read.bytes(hash, 32, 'hash') };
  } catch (error) {
    throw corrupt(`the head of the ${chain.name} is malformed`, error);
  }
}

/** The writes that put `entries` behind `head`, the new head among them, and the heads after each. */
export function extend(
  chain: ChainKind,
  head: ChainHead,
  entries: readonly NewEntry[],
): { readonly ops: readonly StoreOp[]; readonly heads: readonly ChainHead[] } {
  let next = head;
  const heads: ChainHead[] = [];
  const puts = entries.map(({ time, kind, ref, payload }): StoreOp => {
    const seq = next.seq + 1;
    const value = enc(VERSION, seq, next.hash, time, kind, ref, payload);
    next = { seq, hash: entryHash(chain, value) };
    heads.push(next);
    return { kind: 'put', space: chain.space, key: entryKey(seq), value };
  });
  const value = encode([VERSION, next.seq, next.hash]);
  return { ops: [...puts, { kind: 'put', space: 'meta', key: chain.headKey, value }], heads };
}

/** A walk along a whole chain, for verifying: feed it every entry in order, then compare with the head. */
export function createWalk(chain: ChainKind): {
  step(key: string, value: Uint8Array): ChainEntry;
  end(head: ChainHead): void;
} {
  let at = START;
  return {
    step(key, value) {
      const entry = decodeEntry(chain, key, value);
      at = follow(chain, at, entry);
      return entry;
    },
    end(head) {
      if (at.seq < head.seq) throw corrupt(`records are missing: the ${chain.name} ends at ${at.seq} of ${head.seq}`);
      if (at.seq > head.seq || !equal(at.hash, head.hash)) throw corrupt(`the ${chain.name} does not end at its head`);
    },
  };
}
