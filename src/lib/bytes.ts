/**
 * Byte strings: comparison, joining and the text and number encodings that the formats use.
 * Guarantees: every decoder is strict (one text per value) and throws `RangeError` on anything else.
 */

const HEX = /^(?:[0-9a-f]{2})*$/;
const BASE64URL = /^[A-Za-z0-9_-]*$/;

const ENCODER = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** Strict UTF-8: throws `RangeError` on ill-formed input and keeps a byte-order mark as a character. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RangeError('not valid UTF-8');
  }
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Lower-case hexadecimal only. */
export function fromHex(text: string): Uint8Array {
  if (!HEX.test(text)) throw new RangeError('not lower-case hexadecimal');
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** Base64url without padding (RFC 4648 §5). */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

export function fromBase64Url(text: string): Uint8Array {
  const bytes = BASE64URL.test(text) ? new Uint8Array(Buffer.from(text, 'base64url')) : undefined;
  if (bytes === undefined || toBase64Url(bytes) !== text) throw new RangeError('not canonical base64url');
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * The memory under the bytes, to be moved to another thread instead of copied, if it is large and hardly more than theirs;
 * Node keeps many small arrays in one.
 */
export function movable({ buffer, byteLength }: Uint8Array): readonly ArrayBuffer[] {
  const own = buffer instanceof ArrayBuffer && byteLength >= 16_384 && buffer.byteLength <= byteLength + 1024;
  return own ? [buffer] : [];
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compare(a, b) === 0;
}

/** Lexicographic order of unsigned bytes, a shorter prefix first (DER SET OF order for complete encodings). */
export function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Big-endian unsigned integer of exactly `length` bytes; throws `RangeError` if it does not fit. */
export function fromInt(value: bigint, length: number): Uint8Array {
  const digits = value.toString(16);
  if (value < 0n || digits.length > length * 2) throw new RangeError('integer out of range');
  return new Uint8Array(Buffer.from(digits.padStart(length * 2, '0'), 'hex'));
}

export function toInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}
