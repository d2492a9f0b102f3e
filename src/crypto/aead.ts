/**
 * Encryption of what a daemon keeps: values of the archive, and secrets under the passphrase.
 * AES-256-GCM with a random nonce in front; a key may seal 2^32 values. The passphrase goes through scrypt with the
 * parameters of the key files (N = 2^14, r = 8, p = 5: the most that OpenSSL's memory limit lets `openssl pkey` read).
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { concat, utf8 } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_BYTES = 16;
/** Longest wrapped secret: a bundle of keys, not a file. */
const WRAPPED_MAX_BYTES = 1 << 16;
/** First byte of a wrapped secret: names this layout and these scrypt parameters. */
const WRAP_VERSION = 1;
const SCRYPT = { N: 2 ** 14, r: 8, p: 5, maxmem: 64 * 2 ** 20 } as const;
const WRAP_DOMAIN = utf8('fit wrapped secret v1\0');

/** nonce(12) ‖ ciphertext ‖ tag(16), bound to `aad`. */
export function sealAes(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  assert(key.length === KEY_BYTES, 'an AES-256 key has 32 bytes');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  cipher.final();
  return concat(nonce, body, cipher.getAuthTag());
}

function open(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new RangeError('shorter than nonce and tag');
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return concat(decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final());
}

/** Opens what `sealAes` made; throws `FitError('archive-corrupt')` if a byte, the key or `aad` differs. */
export function openAes(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  assert(key.length === KEY_BYTES, 'an AES-256 key has 32 bytes');
  try {
    return open(key, sealed, aad);
  } catch (error) {
    throw new FitError('archive-corrupt', 'an encrypted value was altered or belongs elsewhere', { cause: error });
  }
}

/** Off the event loop, in the thread pool: some 120 ms. */
function stretch(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, KEY_BYTES, SCRYPT, (error, key) => (error ? reject(error) : resolve(new Uint8Array(key))));
  });
}

/** version(1) ‖ salt(16) ‖ nonce(12) ‖ ciphertext ‖ tag(16); the secret is at most 64 KiB. */
export async function wrapSecret(passphrase: string, secret: Uint8Array): Promise<Uint8Array> {
  assert(secret.length <= WRAPPED_MAX_BYTES, 'a secret to wrap is short');
  const header = concat(Uint8Array.of(WRAP_VERSION), randomBytes(SALT_BYTES));
  const key = await stretch(passphrase, header.subarray(1));
  return concat(header, sealAes(key, secret, concat(WRAP_DOMAIN, header)));
}

/**
 * Opens what `wrapSecret` made. Throws `FitError('wrong-passphrase')` — also if the bytes were altered, which cannot be
 * told from it — and `FitError('archive-corrupt')` if they cannot be a wrapped secret at all.
 */
export async function unwrapSecret(passphrase: string, wrapped: Uint8Array): Promise<Uint8Array> {
  const least = 1 + SALT_BYTES + NONCE_BYTES + TAG_BYTES;
  if (wrapped.length < least || wrapped.length > least + WRAPPED_MAX_BYTES || wrapped[0] !== WRAP_VERSION)
    throw new FitError('archive-corrupt', 'not a wrapped secret');
  const header = wrapped.subarray(0, 1 + SALT_BYTES);
  const key = await stretch(passphrase, header.subarray(1));
  try {
    return open(key, wrapped.subarray(header.length), concat(WRAP_DOMAIN, header));
  } catch (error) {
    throw new FitError('wrong-passphrase', 'wrong passphrase', { cause: error });
  }
}
