/**
 * Transport identity: the Ed25519 seed of a trader, the PeerId that follows from it, and PeerIds as bytes and text.
 */
import './polyfill.ts';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { assert } from '../lib/assert.ts';
import { concat, fromHex } from '../lib/bytes.ts';

const SEED_BYTES = 32;

/** PKCS#8 of an Ed25519 key up to the seed (RFC 8410 §7). */
const PKCS8_HEAD = fromHex('302e020100300506032b657004220420');

/** Throws `AssertionFailed` unless the seed has 32 bytes. */
export function transportKey(seed: Uint8Array): Ed25519PrivateKey {
  assert(seed.length === SEED_BYTES, 'transport seed of 32 bytes');
  const der = Buffer.from(concat(PKCS8_HEAD, seed));
  const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'der',
    type: 'spki',
  });
  const key = privateKeyFromRaw(concat(seed, new Uint8Array(spki.subarray(-32))));
  assert(key.type === 'Ed25519', 'transport key');
  return key;
}

/** The PeerId of a 32-byte seed, as text (`12D3Koo…`). */
export function peerOf(seed: Uint8Array): string {
  return peerIdFromPrivateKey(transportKey(seed)).toString();
}
