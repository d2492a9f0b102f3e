/**
 * Password-based encryption of keys (PKCS#5 v2.1, PBES2). Written: scrypt N=2^14 r=8 p=5 with AES-256-CBC, the strongest
 * that OpenSSL 3.0 reads (its scrypt stops at 32 MiB). Read: scrypt and PBKDF2 with AES-CBC, costs bounded, derivation
 * off the event loop. CBC has no integrity: a wrong passphrase is told by padding or, rarely, by what comes out.
 */
import { createCipheriv, createDecipheriv, pbkdf2, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { concat } from '../../lib/bytes.ts';
import { FitError, PeerFault } from '../../lib/errors.ts';
import { type DerReader, integer, malformed, octetString, oid, readAll, sequence, TAG } from './der.ts';

const OID = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  scrypt: '1.3.6.1.4.1.11591.4.11',
} as const;

const CIPHERS: Readonly<Record<string, readonly [string, number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
};

const PRFS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

/** What a file may ask of us: about 128 MiB and ten seconds. */
const MAX_ITERATIONS = 20_000_000;
const MAX_SCRYPT_BLOCKS = 1 << 20;
const MAX_SCRYPT_PARALLEL = 16;

const WRITTEN = { N: 1 << 14, r: 8, p: 5 } as const;

type Derive = (passphrase: string, length: number) => Promise<Buffer>;

const scryptAsync: (
  passphrase: string,
  salt: Uint8Array,
  length: number,
  options: { N: number; r: number; p: number; maxmem: number },
) => Promise<Buffer> = promisify(scrypt);
const pbkdf2Async = promisify(pbkdf2);

function scryptKey(salt: Uint8Array, cost: { N: number; r: number; p: number }): Derive {
  return (passphrase, length) =>
    scryptAsync(passphrase, salt, length, { ...cost, maxmem: 128 * cost.r * (cost.N + cost.p + 2) });
}

/** EncryptedPrivateKeyInfo (RFC 5958) of the plain bytes. About 120 ms in a thread of libuv. */
export async function encryptPbes2(plain: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const salt = new Uint8Array(randomBytes(16));
  const iv = new Uint8Array(randomBytes(16));
  const cipher = createCipheriv('aes-256-cbc', await scryptKey(salt, WRITTEN)(passphrase, 32), iv);
  const { N, r, p } = WRITTEN;
  const kdf = sequence(oid(OID.scrypt), sequence(octetString(salt), integer(N), integer(r), integer(p), integer(32)));
  const scheme = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(iv));
  return sequence(
    sequence(oid(OID.pbes2), sequence(kdf, scheme)),
    octetString(concat(cipher.update(plain), cipher.final())),
  );
}

/** Decrypts an EncryptedPrivateKeyInfo; errors as `decryptWith`. */
export async function decryptPbes2(der: Uint8Array, passphrase: string): Promise<Uint8Array> {
  let parts: readonly [Uint8Array, Uint8Array];
  try {
    parts = readAll(der, TAG.sequence, 'encrypted key', (inner) => [
      inner.whole(TAG.sequence, 'encryption'),
      inner.content(TAG.octetString, 'encrypted key'),
    ]);
  } catch (cause) {
    throw badKey(cause);
  }
  return decryptWith(parts[0], parts[1], passphrase);
}

/**
 * FitError: 'wrong-passphrase' if it does not decrypt; 'bad-key' for a malformed, unknown or too costly algorithm.
 * `algorithm` is the AlgorithmIdentifier.
 */
export async function decryptWith(
  algorithm: Uint8Array,
  ciphertext: Uint8Array,
  passphrase: string,
): Promise<Uint8Array> {
  const { derive, cipher, keyBytes, iv } = readAlgorithm(algorithm);
  const decipher = createDecipheriv(cipher, await derive(passphrase, keyBytes), iv);
  try {
    return concat(decipher.update(ciphertext), decipher.final());
  } catch (cause) {
    throw new FitError('wrong-passphrase', 'wrong passphrase', { cause });
  }
}

function readAlgorithm(algorithm: Uint8Array): { derive: Derive; cipher: string; keyBytes: number; iv: Uint8Array } {
  try {
    return readAll(algorithm, TAG.sequence, 'encryption', (outer) => {
      if (outer.oid('encryption') !== OID.pbes2) throw unsupported();
      const inner = outer.enter(TAG.sequence, 'PBES2');
      const kdf = inner.enter(TAG.sequence, 'key derivation');
      const scheme = inner.enter(TAG.sequence, 'encryption scheme');
      inner.end('PBES2');
      const found = CIPHERS[scheme.oid('cipher')];
      if (found === undefined) throw unsupported();
      const [cipher, keyBytes] = found;
      const iv = scheme.content(TAG.octetString, 'initialisation vector');
      scheme.end('encryption scheme');
      if (iv.length !== 16) malformed('initialisation vector');
      const derive = readDerivation(kdf, keyBytes);
      kdf.end('key derivation');
      return { derive, cipher, keyBytes, iv };
    });
  } catch (error) {
    if (error instanceof PeerFault) throw badKey(error);
    throw error;
  }
}

function readDerivation(kdf: DerReader, keyBytes: number): Derive {
  const id = kdf.oid('key derivation');
  if (id !== OID.scrypt && id !== OID.pbkdf2) throw unsupported();
  const parameters = kdf.enter(TAG.sequence, 'key derivation parameters');
  const salt = parameters.content(TAG.octetString, 'salt').slice();
  const derive = id === OID.scrypt ? readScrypt(parameters, salt) : undefined;
  const iterations = derive === undefined ? parameters.smallInteger('iterations') : 0;
  if (parameters.tag === TAG.integer && parameters.smallInteger('key length') !== keyBytes) malformed('key length');
  if (derive !== undefined) {
    parameters.end('scrypt');
    return derive;
  }
  const hash = readPrf(parameters);
  parameters.end('PBKDF2');
  if (hash === undefined || iterations < 1 || iterations > MAX_ITERATIONS) throw unsupported();
  return (passphrase, length) => pbkdf2Async(passphrase, salt, iterations, length, hash);
}

function readScrypt(parameters: DerReader, salt: Uint8Array): Derive {
  const N = parameters.smallInteger('scrypt N');
  const r = parameters.smallInteger('scrypt r');
  const p = parameters.smallInteger('scrypt p');
  const isSane = N >= 2 && Number.isInteger(Math.log2(N)) && r >= 1 && p >= 1;
  if (!isSane || N * r > MAX_SCRYPT_BLOCKS || p > MAX_SCRYPT_PARALLEL) throw unsupported();
  return scryptKey(salt, { N, r, p });
}

/** The hash of the pseudo-random function, DEFAULT HMAC-SHA-1; undefined if unknown. */
function readPrf(parameters: DerReader): string | undefined {
  if (parameters.done) return 'sha1';
  const prf = parameters.enter(TAG.sequence, 'pseudo-random function');
  const hash = PRFS[prf.oid('pseudo-random function')];
  if (!prf.done) prf.content(TAG.null, 'pseudo-random function');
  prf.end('pseudo-random function');
  return hash;
}

function badKey(cause: unknown): FitError {
  return new FitError('bad-key', 'the encrypted key is damaged', { cause });
}

function unsupported(): FitError {
  return new FitError('bad-key', 'the key is encrypted in a way that is not supported', {
    hint: 'convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc',
  });
}
