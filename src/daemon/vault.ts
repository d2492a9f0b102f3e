/**
 * What lies in `vault.sealed` (keyring.ts) and its bytes: the secrets of a trader besides its signing key.
 * Version 1 has no key for timestamps, version 2 has one; both are of before traders had a key that files are encrypted to.
 */
import type { KeyObject } from 'node:crypto';
import type { AgeKey } from '../crypto/age.ts';
import { privateKeyOf, requireP256 } from '../crypto/keys.ts';
import { CERTIFICATE_MAX_BYTES, type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { fromUtf8 } from '../lib/bytes.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';

export interface KemKey {
  readonly secret: Uint8Array;
  readonly public: Uint8Array;
}

/** Signs timestamps and nothing else: RFC 3161 wants a key of its own for that. */
export interface TimestampKey {
  readonly key: KeyObject;
  readonly certificate: Certificate;
}

export interface Vault {
  readonly archiveKey: Uint8Array;
  readonly verifier: { readonly secret: Uint8Array; readonly public: Uint8Array };
  /** The arbiter's, newest first; old ones are kept for exchanges that name them. */
  readonly kem: readonly KemKey[];
  /** Of a trader that was made with this role. */
  readonly timestamp: TimestampKey | null;
  /** What files are encrypted to, and opens them. */
  readonly age: AgeKey;
}

const AGE_SECRET_BYTES = 74;
const AGE_RECIPIENT_BYTES = 62;

export function encodeVault({ archiveKey, verifier, kem, timestamp, age }: Vault): Uint8Array {
  const pkcs8 = timestamp === null ? null : new Uint8Array(timestamp.key.export({ format: 'der', type: 'pkcs8' }));
  return encode([
    3,
    archiveKey,
    verifier.secret,
    verifier.public,
    kem.map((key) => [key.secret, key.public]),
    timestamp === null ? null : [pkcs8, timestamp.certificate.der],
    [age.secret, Buffer.from(age.recipient)],
  ]);
}

function decodeTimestampKey(value: Cbor | undefined): TimestampKey {
  const [pkcs8, certificate] = read.array(value, 2, 'timestamping key');
  return {
    key: requireP256(privateKeyOf(read.blob(pkcs8, 1024, 'timestamping key'))),
    certificate: parseCertificate(read.blob(certificate, CERTIFICATE_MAX_BYTES, 'timestamping certificate')),
  };
}

function decodeAge(value: Cbor | undefined): AgeKey {
  const [secret, recipient] = read.array(value, 2, 'age key');
  return {
    secret: read.bytes(secret, AGE_SECRET_BYTES, 'age identity'),
    recipient: fromUtf8(read.bytes(recipient, AGE_RECIPIENT_BYTES, 'age recipient')),
  };
}

/** `age` is null in a vault of before: its owner makes one. */
export function decodeVault(bytes: Uint8Array): Omit<Vault, 'age'> & { readonly age: AgeKey | null } {
  const fields = read.list(decode(bytes, 65_536), 7, 'vault');
  const [version, archiveKey, secret, open, kem, timestamp, age] = fields;
  read.literal(version, Math.max(fields.length, 5) - 4, 'vault version');
  return {
    archiveKey: read.bytes(archiveKey, 32, 'archive key'),
    verifier: { secret: read.bytes(secret, 32, 'verifier secret'), public: read.bytes(open, 33, 'verifier key') },
    kem: read.list(kem, 64, 'KEM keys').map((key: Cbor) => {
      const [hidden, shown] = read.array(key, 2, 'KEM key');
      return { secret: read.bytes(hidden, 32, 'KEM secret'), public: read.bytes(shown, 32, 'KEM key') };
    }),
    timestamp: timestamp === undefined || timestamp === null ? null : decodeTimestampKey(timestamp),
    age: age === undefined ? null : decodeAge(age),
  };
}

/** Overwrites the secrets that are bytes. */
export function wipeVault(vault: Vault): void {
  const { archiveKey, verifier, kem, age } = vault;
  for (const secret of [archiveKey, verifier.secret, ...kem.map((key) => key.secret), age.secret]) secret.fill(0);
}
