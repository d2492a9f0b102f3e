/**
 * The signing key: P-256, kept as encrypted PKCS#8 that `openssl pkey` reads (DESIGN §5). Changing the passphrase is
 * decrypting and encrypting again. Wrong passphrases are FitError('wrong-passphrase'), other defects FitError('bad-key').
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { FitError } from '../lib/errors.ts';
import { isP256 } from './ecdsa.ts';
import { decryptPbes2, encryptPbes2 } from './pki/pbes2.ts';
import { fromPem, toPem } from './pki/pem.ts';

const LABEL = 'ENCRYPTED PRIVATE KEY';

/** A new P-256 private key from OpenSSL's generator; `createPublicKey` of it is the public one. */
export function generateSigningKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** PEM `ENCRYPTED PRIVATE KEY`: PBES2, scrypt N=2^14 r=8 p=5, AES-256-CBC. About 120 ms beside the event loop. */
export async function encryptPkcs8(key: KeyObject, passphrase: string): Promise<string> {
  if (passphrase === '') throw new FitError('usage', 'the passphrase is empty');
  const plain = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
  try {
    return toPem(LABEL, await encryptPbes2(plain, passphrase));
  } finally {
    plain.fill(0);
  }
}

/** The P-256 private key of the one block in `pem`. */
export async function decryptPkcs8(pem: string, passphrase: string): Promise<KeyObject> {
  const [der, ...more] = fromPem(pem, LABEL);
  if (der === undefined || more.length > 0) throw new FitError('bad-key', 'the key file has no single encrypted key');
  const plain = await decryptPbes2(der, passphrase);
  try {
    return requireP256(privateKeyOf(plain));
  } finally {
    plain.fill(0);
  }
}

/** The same key under another passphrase. */
export async function changePassphrase(pem: string, from: string, to: string): Promise<string> {
  return encryptPkcs8(await decryptPkcs8(pem, from), to);
}

/** Plain PKCS#8 after decryption: one wrong passphrase in some 256 gets past the padding and ends here. */
export function privateKeyOf(pkcs8: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new FitError('wrong-passphrase', 'wrong passphrase', { cause });
  }
}

export function requireP256(key: KeyObject): KeyObject {
  if (isP256(key)) return key;
  throw new FitError('bad-key', 'the key is not an ECDSA P-256 key', {
    hint: 'signatures that today’s openssl can check need P-256: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256',
  });
}
