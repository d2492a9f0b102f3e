/** Hashes by OpenSSL; `H` is the one way structured values are hashed (PROTOCOL §2). */
import { createHash } from 'node:crypto';
import { type Cbor, encode } from '../lib/cbor.ts';

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

/** `H(a, …) = SHA-256(enc(a, …))`, 32 bytes. */
export function H(...items: readonly Cbor[]): Uint8Array {
  return sha256(encode(items));
}

/** SHAKE256 output of `length` bytes. */
export function shake256(length: number, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: length }).update(bytes).digest());
}
