/**
 * Transport keys: raw Ed25519 keys and the libp2p PeerIds made from them (identity multihash of the protobuf public key,
 * https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md). The public key can be read from the id.
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { concat, equal, toBase64Url } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';

/** Bytes of a PeerId: 00 24, then the protobuf 08 01 12 20 and the public key. */
export const PEER_ID_BYTES = 38;
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
/** PKCS#8 of an Ed25519 seed (RFC 8410 §7) up to the seed: unlike a JWK it needs no public key beside it. */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** Of 38 bytes that begin with 00 24. */
const PEER_TEXT = /^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/;

function privateKey(seed: Uint8Array) {
  assert(seed.length === 32, 'an Ed25519 seed has 32 bytes');
  return createPrivateKey({ key: Buffer.from(concat(PKCS8_PREFIX, seed)), format: 'der', type: 'pkcs8' });
}

function publicKey(peer: Uint8Array) {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(peer.subarray(PEER_ID_PREFIX.length)) };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

/** 38 bytes. */
export function peerIdOf(seed: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' });
  return concat(PEER_ID_PREFIX, spki.subarray(-32));
}

export function isPeerId(bytes: Uint8Array): boolean {
  return bytes.length === PEER_ID_BYTES && equal(bytes.subarray(0, PEER_ID_PREFIX.length), PEER_ID_PREFIX);
}

/** `12D3Koo…`, base58btc. */
export function peerIdText(peer: Uint8Array): string {
  assert(isPeerId(peer), 'a PeerId of an Ed25519 key');
  let rest = BigInt(`0x${Buffer.from(peer).toString('hex')}`);
  let digits = '';
  for (; rest > 0n; rest /= 58n) digits = `${BASE58[Number(rest % 58n)]}${digits}`;
  return `1${digits}`; // the leading zero byte
}

/** Throws `PeerFault('malformed')` unless `text` is the PeerId of an Ed25519 key. */
export function peerIdFromText(text: string): Uint8Array {
  if (PEER_TEXT.test(text)) {
    let value = 0n;
    for (const digit of text) value = value * 58n + BigInt(BASE58.indexOf(digit));
    const hex = value.toString(16).padStart(2 * PEER_ID_BYTES, '0');
    const peer = new Uint8Array(Buffer.from(hex, 'hex'));
    if (isPeerId(peer) && peerIdText(peer) === text) return peer;
  }
  throw new PeerFault('malformed', 'not the peer id of an Ed25519 key');
}

/** Raw Ed25519 signature, 64 bytes. */
export function signTransport(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, privateKey(seed)));
}

/** Whether the key of `peer` signed the message; false for anything ill-formed. */
export function verifyTransport(peer: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isPeerId(peer) || signature.length !== 64) return false;
  return verify(null, message, publicKey(peer), signature);
}
