/**
 * Signatures under a key that signs once and is forgotten: whoever made two things cannot be told by them.
 * Guarantee: what verifies has one encoding, a P-256 SPKI (91 bytes) and a raw signature with the low s (64 bytes).
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { concat, equal } from '../lib/bytes.ts';
import { isP256, signP256, verifyP256 } from './ecdsa.ts';

const SPKI_BYTES = 91;
const SIGNATURE_BYTES = 64;

const spkiOf = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ format: 'der', type: 'spki' }));

/** Public key and signature, 155 bytes. */
export function signOnce(message: Uint8Array): Uint8Array {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return concat(spkiOf(publicKey), signP256(privateKey, message));
}

function keyOf(spki: Uint8Array): KeyObject | null {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    return isP256(key) && equal(spkiOf(key), spki) ? key : null;
  } catch {
    return null;
  }
}

/** Never throws for what the bytes are. */
export function verifyOnce(message: Uint8Array, signed: Uint8Array): boolean {
  if (signed.length !== SPKI_BYTES + SIGNATURE_BYTES) return false;
  const key = keyOf(signed.subarray(0, SPKI_BYTES));
  return key !== null && verifyP256(key, message, signed.subarray(SPKI_BYTES));
}
