/**
 * Sealing to an X25519 key: requests to the arbiter and its answers (PROTOCOL §7).
 * Ephemeral-static X25519, HKDF-SHA-256, ChaCha20-Poly1305; both public keys and the context enter the key, the context is
 * also authenticated data. A key seals once, so the nonce is zero. Raw keys are imported as JWK: DER import costs ten times more.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { assert, present } from '../lib/assert.ts';
import { concat, fromBase64Url, toBase64Url, toHex } from '../lib/bytes.ts';
import { enc } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** What a sealed message is longer than its plaintext: the ephemeral key and the tag. */
export const SEAL_OVERHEAD_BYTES = KEY_BYTES + TAG_BYTES;
/** Longest plaintext: a resolve request with both chains and promises stays far below. */
export const SEAL_MAX_BYTES = 1 << 20;
const ZERO_NONCE = new Uint8Array(12);
/** OpenSSL derives the public key itself; JWK wants the member to be there. */
const NO_PUBLIC = toBase64Url(new Uint8Array(KEY_BYTES));

/**
 * All encodings of the points of low order, on the curve and its twist, with the ignored top bit clear: with them the shared
 * secret is zero for every key (RFC 7748 §6.1). A table costs nothing; asking OpenSSL costs a Diffie-Hellman.
 */
const LOW_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** Whether a public X25519 key (32 bytes) makes every shared secret zero. */
export function isLowOrder(publicBytes: Uint8Array): boolean {
  const masked = Uint8Array.from(publicBytes);
  masked[KEY_BYTES - 1] = (masked[KEY_BYTES - 1] ?? 0) & 0x7f;
  return LOW_ORDER.has(toHex(masked));
}

export function kemPrivateKey(secret: Uint8Array): KeyObject {
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d: toBase64Url(secret), x: NO_PUBLIC }, format: 'jwk' });
}

export function kemPublicKey(publicBytes: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: toBase64Url(publicBytes) }, format: 'jwk' });
}

/** The 32 public bytes that belong to either half of a key. */
export function kemPublicBytes(key: KeyObject): Uint8Array {
  return fromBase64Url(present(key.export({ format: 'jwk' }).x, 'public X25519 key'));
}

export function generateKem(): { readonly secret: Uint8Array; readonly public: Uint8Array } {
  // Not generateKeyPairSync: exporting a JWK of a key that Node has generated deadlocks if the collector frees the finished
  // job meanwhile (seen on Node 20.20; both take the key's mutex). Any 32 bytes are an X25519 secret.
  const secret = new Uint8Array(randomBytes(KEY_BYTES));
  return { secret, public: kemPublicBytes(kemPrivateKey(secret)) };
}

/** Throws for a low-order public key, whose shared secret would be zero. */
function sealingKey(
  ours: KeyObject,
  theirs: KeyObject,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
  context: Uint8Array,
) {
  const shared = diffieHellman({ privateKey: ours, publicKey: theirs });
  const info = enc('fit seal v1', ephemeral, recipient, context);
  return new Uint8Array(hkdfSync('sha256', shared, new Uint8Array(0), info, KEY_BYTES));
}

/**
 * Seals `plaintext` so that only the holder of the secret of `publicBytes` (32 bytes), given the same `context`, reads it.
 * Throws `PeerFault('malformed')` if the key is none or of low order.
 */
export function sealTo(publicBytes: Uint8Array, plaintext: Uint8Array, context: Uint8Array): Uint8Array {
  assert(plaintext.length <= SEAL_MAX_BYTES, 'the plaintext fits into one sealed message');
  const ephemeral = kemPrivateKey(randomBytes(KEY_BYTES));
  const shown = kemPublicBytes(ephemeral);
  let key: Uint8Array;
  try {
    if (publicBytes.length !== KEY_BYTES) throw new RangeError('not 32 bytes');
    key = sealingKey(ephemeral, kemPublicKey(publicBytes), shown, publicBytes, context);
  } catch (error) {
    throw new PeerFault('malformed', 'not a usable X25519 key', { cause: error });
  }
  const cipher = createCipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
  cipher.setAAD(context, { plaintextLength: plaintext.length });
  const body = cipher.update(plaintext);
  cipher.final();
  return concat(shown, body, cipher.getAuthTag());
}

/** Opens what `sealTo` made for this secret (32 bytes) and context; throws `PeerFault('malformed')` on anything else. */
export function openFrom(secret: Uint8Array, sealed: Uint8Array, context: Uint8Array): Uint8Array {
  assert(secret.length === KEY_BYTES, 'an X25519 secret has 32 bytes');
  if (sealed.length > SEAL_MAX_BYTES + SEAL_OVERHEAD_BYTES) throw new PeerFault('oversized', 'sealed message');
  if (sealed.length < SEAL_OVERHEAD_BYTES) throw new PeerFault('malformed', 'sealed message');
  const shown = sealed.subarray(0, KEY_BYTES);
  const body = sealed.subarray(KEY_BYTES, -TAG_BYTES);
  try {
    const ours = kemPrivateKey(secret);
    const key = sealingKey(ours, kemPublicKey(shown), shown, kemPublicBytes(ours), context);
    const decipher = createDecipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
    decipher.setAAD(context, { plaintextLength: body.length });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return concat(decipher.update(body), decipher.final());
  } catch (error) {
    throw new PeerFault('malformed', 'sealed message does not open', { cause: error });
  }
}
