/**
 * The one canonical encoding: deterministic CBOR (RFC 8949 §4.2.1) of arrays, unsigned integers, byte strings, text
 * strings, booleans and null. Nothing else is ever encoded or accepted, so that a value has exactly one encoding.
 * `decode` re-encodes what it read and refuses any difference.
 */
import { decode as cborgDecode, encode as cborgEncode } from 'cborg';
import { equal } from './bytes.ts';
import { PeerFault } from './errors.ts';

export type Cbor = null | boolean | number | string | Uint8Array | readonly Cbor[];

const MAX_DEPTH = 16;

function check(value: unknown, depth: number): asserts value is Cbor {
  if (depth > MAX_DEPTH) throw new RangeError('nested too deeply');
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return;
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new RangeError('text with a lone surrogate');
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('not an unsigned integer');
    return;
  }
  if (!Array.isArray(value)) throw new RangeError('not an allowed CBOR type');
  for (const item of value) check(item, depth + 1);
}

/** Throws `RangeError` for a value outside the allowed types. */
export function encode(value: Cbor): Uint8Array {
  check(value, 0);
  return cborgEncode(value);
}

/** PROTOCOL §2: `enc(a, …)`, the encoding of the array of its arguments. */
export function enc(...items: readonly Cbor[]): Uint8Array {
  return encode(items);
}

/** The head of a byte string of so many bytes, in its shortest form. */
export function blobHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length);
  if (length < 0x100) return Uint8Array.of(0x58, length);
  if (length < 0x10000) return Uint8Array.of(0x59, length >>> 8, length & 0xff);
  return Uint8Array.of(0x5a, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
}

/**
 * Decodes at most `maxBytes` bytes. Throws `PeerFault('malformed')` for anything but the one canonical encoding.
 */
export function decode(bytes: Uint8Array, maxBytes: number): Cbor {
  if (bytes.length > maxBytes) throw new PeerFault('oversized', `more than ${maxBytes} bytes`);
  let value: unknown;
  try {
    value = cborgDecode(bytes, { strict: true, allowIndefinite: false, allowUndefined: false, allowNaN: false });
    check(value, 0);
    if (!equal(cborgEncode(value), bytes)) throw new RangeError('not the canonical encoding');
  } catch (error) {
    throw new PeerFault('malformed', 'not canonical CBOR', { cause: error });
  }
  return value;
}

/** Readers for decoded values: each throws `PeerFault('malformed')` unless the value is what it names. */
export const read = {
  array(value: Cbor | undefined, length: number, what: string): readonly Cbor[] {
    if (!Array.isArray(value) || value.length !== length)
      throw new PeerFault('malformed', `${what}: array of ${length}`);
    return value as readonly Cbor[];
  },
  list(value: Cbor | undefined, maxLength: number, what: string): readonly Cbor[] {
    if (!Array.isArray(value) || value.length > maxLength)
      throw new PeerFault('malformed', `${what}: list of at most ${maxLength}`);
    return value as readonly Cbor[];
  },
  bytes(value: Cbor | undefined, length: number, what: string): Uint8Array {
    if (!(value instanceof Uint8Array) || value.length !== length)
      throw new PeerFault('malformed', `${what}: ${length} bytes`);
    return value;
  },
  blob(value: Cbor | undefined, maxLength: number, what: string): Uint8Array {
    if (!(value instanceof Uint8Array) || value.length > maxLength)
      throw new PeerFault('malformed', `${what}: at most ${maxLength} bytes`);
    return value;
  },
  text(value: Cbor | undefined, maxLength: number, what: string): string {
    if (typeof value !== 'string' || value.length > maxLength)
      throw new PeerFault('malformed', `${what}: text of at most ${maxLength}`);
    return value;
  },
  uint(value: Cbor | undefined, what: string): number {
    if (typeof value !== 'number') throw new PeerFault('malformed', `${what}: unsigned integer`);
    return value;
  },
  literal<const T extends Cbor>(value: Cbor | undefined, expected: T, what: string): T {
    if (value !== expected) throw new PeerFault('malformed', `${what}: not ${String(expected)}`);
    return expected;
  },
  oneOf<const T extends string>(value: Cbor | undefined, allowed: readonly T[], what: string): T {
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw new PeerFault('malformed', `${what}: none of ${allowed.join(', ')}`);
    return found;
  },
};
