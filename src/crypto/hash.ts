/**
 * Hashes by OpenSSL; `H` is the one way structured values are hashed (PROTOCOL §2).
 * The escrow makes about a thousand small hashes per proof, so the cheapest native call is used for each:
 * the one-shot for SHA-256, and copies of a prepared state for SHAKE256 (fetching the algorithm costs more than hashing).
 */
import { createHash, type Hash, hash } from 'node:crypto';
import { type Cbor, encode } from '../lib/cbor.ts';

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer'));
}

/** `H(a, …) = SHA-256(enc(a, …))`, 32 bytes. */
export function H(...items: readonly Cbor[]): Uint8Array {
  return sha256(encode(items));
}

let shake: Hash | undefined;

/** SHAKE256 output of `length` bytes. */
export function shake256(length: number, bytes: Uint8Array): Uint8Array {
  shake ??= createHash('shake256', { outputLength: 32 });
  return new Uint8Array(shake.copy({ outputLength: length }).update(bytes).digest());
}
