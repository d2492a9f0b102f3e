/**
 * The census: how many records there are and one 32-byte sum over all of them, updated with each batch and stored in it.
 * A record that vanished, came back or was exchanged for an older one leaves the rest valid, each value on its own being
 * well encrypted; the census is what no longer agrees. The sum is the XOR of a keyed hash per record, so a batch costs only
 * what it touches. It stands encrypted, so nobody without the key can compute or even see it.
 */
import { sha256 } from '../crypto/hash.ts';
import { concat, equal, fromInt, utf8 } from '../lib/bytes.ts';
import { decode, encode, read } from '../lib/cbor.ts';
import type { Space } from './store.ts';

export interface Census {
  /** Batches written so far: which of two states is the later one. */
  readonly batches: number;
  readonly records: number;
  readonly sum: Uint8Array;
}

export const EMPTY_CENSUS: Census = { batches: 0, records: 0, sum: new Uint8Array(32) };

const VERSION = 1;
const MAX_BYTES = 100;
/** Nonce and tag stand for the whole of an AES-GCM ciphertext: no other passes under the same key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What one stored record adds to the sum. `key` is the census's own, 32 bytes; it also works while the vault is locked. */
export function weight(key: Uint8Array, space: Space, recordKey: string, sealed: Uint8Array): Uint8Array {
  const name = utf8(`${space}\0${recordKey}`);
  const mark = concat(sealed.subarray(0, NONCE_BYTES), sealed.subarray(-TAG_BYTES));
  return sha256(concat(key, fromInt(BigInt(name.length), 2), name, mark));
}

/** Adds a weight to a sum, or takes it away: the same. Changes `sum`. */
export function addWeight(sum: Uint8Array, one: Uint8Array): void {
  for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) ^ (one[i] as number);
}

export function sameCensus(a: Census, b: Census): boolean {
  return a.batches === b.batches && a.records === b.records && equal(a.sum, b.sum);
}

export function encodeCensus(census: Census): Uint8Array {
  return encode([VERSION, census.batches, census.records, census.sum]);
}

/** Throws `PeerFault('malformed')`, as every decoder; its input was authenticated before. */
export function decodeCensus(bytes: Uint8Array): Census {
  const [version, batches, records, sum] = read.array(decode(bytes, MAX_BYTES), 4, 'census');
  read.literal(version, VERSION, 'census version');
  return {
    batches: read.uint(batches, 'batches'),
    records: read.uint(records, 'records'),
    sum: read.bytes(sum, 32, 'sum'),
  };
}
