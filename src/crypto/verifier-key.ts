/**
 * Verifier keys (PROTOCOL §1): the software P-256 key V for which a trader's peers make their escrow proofs.
 * Its proof of knowledge stands in the contact card: who showed a V without knowing its secret could claim that a proof
 * made for V convinces others too.
 */
import { createECDH } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { equal, toInt } from '../lib/bytes.ts';
import { enc } from '../lib/cbor.ts';
import { H, shake256 } from './hash.ts';
import {
  combine,
  decompress,
  isPrivateScalar,
  modOrder,
  ORDER,
  publicPoint,
  scalarBytes,
  scalarFromWide,
} from './p256.ts';

export function generateVerifierKey(): { readonly secret: Uint8Array; readonly public: Uint8Array } {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  // OpenSSL drops leading zeros of the scalar.
  const secret = scalarBytes(toInt(ecdh.getPrivateKey()));
  return { secret, public: publicPoint(secret) };
}

function challenge(certificateHash: Uint8Array, peerId: Uint8Array, verifier: Uint8Array, a: Uint8Array): bigint {
  return modOrder(toInt(H('fit verifier v1', certificateHash, peerId, verifier, a)));
}

/**
 * Schnorr proof (A = k·G, z = k + c·y) that the caller knows the secret, bound to certificate and PeerId.
 * `random` is 32 fresh bytes; the nonce is hashed from them and from all inputs, so that repeated bytes do not reveal the secret.
 */
export function proveVerifier(
  secret: Uint8Array,
  certificateHash: Uint8Array,
  peerId: Uint8Array,
  random: Uint8Array,
): { readonly a: Uint8Array; readonly z: Uint8Array } {
  assert(isPrivateScalar(secret) && random.length === 32, 'a verifier secret and 32 random bytes');
  const k = scalarFromWide(shake256(48, enc('fit verifier nonce v1', random, secret, certificateHash, peerId)));
  const a = publicPoint(scalarBytes(k));
  const c = challenge(certificateHash, peerId, publicPoint(secret), a);
  return { a, z: scalarBytes(modOrder(k + c * toInt(secret))) };
}

/** Whether (a, z) proves knowledge of the secret of `verifier`: z < ORDER, V and A points other than infinity, z·G = A + c·V. */
export function checkVerifier(
  certificateHash: Uint8Array,
  peerId: Uint8Array,
  verifier: Uint8Array,
  a: Uint8Array,
  z: Uint8Array,
): boolean {
  const point = decompress(verifier);
  if (point === null || a.length !== 33 || z.length !== 32 || toInt(z) >= ORDER) return false;
  const claimed = combine(toInt(z), -challenge(certificateHash, peerId, verifier, a), point);
  return claimed !== null && equal(claimed, a);
}
