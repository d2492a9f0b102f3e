/**
 * Signatures on certificates, requests and certificate revocation lists. Traders' keys are P-256; the authorities above
 * them may use RSA (PKCS#1 v1.5 or PSS), ECDSA on the larger NIST curves or Ed25519, with SHA-2. An algorithm identifier is compared
 * as a whole, so that parameters cannot say anything unexpected.
 */
import { constants, type KeyObject, type SigningOptions, sign, verify } from 'node:crypto';
import { toHex } from '../../lib/bytes.ts';
import { contextTag, type DerReader, integer, oid, sequence, TAG, tlv } from './der.ts';

/** `SIGNED{}` of X.509: what is signed, with which algorithm identifier, and the signature. All DER views. */
export interface Signed {
  readonly body: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

interface Algorithm {
  readonly hash: string | null;
  readonly keys: readonly string[];
  readonly options?: SigningOptions;
}

export const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const NULL = tlv(TAG.null);
const HASHES = [
  ['sha256', '2.16.840.1.101.3.4.2.1', 32, '2', '11'],
  ['sha384', '2.16.840.1.101.3.4.2.2', 48, '3', '12'],
  ['sha512', '2.16.840.1.101.3.4.2.3', 64, '4', '13'],
] as const;

function* algorithms(): Generator<readonly [Uint8Array, Algorithm]> {
  yield [sequence(oid('1.3.101.112')), { hash: null, keys: ['ed25519'] }];
  for (const [hash, id, length, ecdsa, rsa] of HASHES) {
    yield [sequence(oid(`1.2.840.10045.4.3.${ecdsa}`)), { hash, keys: ['ec'] }];
    yield [sequence(oid(`1.2.840.113549.1.1.${rsa}`), NULL), { hash, keys: ['rsa'] }];
    // RFC 4055 §2.1: the hash parameters may be absent or NULL; salt as long as the hash, as everyone writes it.
    for (const hashId of [sequence(oid(id)), sequence(oid(id), NULL)]) {
      const parameters = sequence(
        tlv(contextTag(0), hashId),
        tlv(contextTag(1), sequence(oid('1.2.840.113549.1.1.8'), hashId)),
        tlv(contextTag(2), integer(length)),
      );
      const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: length };
      yield [sequence(oid('1.2.840.113549.1.1.10'), parameters), { hash, keys: ['rsa', 'rsa-pss'], options }];
    }
  }
}

const KNOWN: ReadonlyMap<string, Algorithm> = new Map(
  [...algorithms()].map(([identifier, algorithm]) => [toHex(identifier), algorithm]),
);

const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Not too weak to trust, nor so large that verifying costs a second. */
function isFitKey(key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'ec':
      return CURVES.includes(details?.namedCurve ?? '');
    case 'rsa':
    case 'rsa-pss': {
      const bits = details?.modulusLength ?? 0;
      return bits >= 2048 && bits <= 8192 && (details?.publicExponent ?? 0n) < 1n << 33n;
    }
    case 'ed25519':
      return true;
    default:
      return false;
  }
}

/** Reads `SEQUENCE { body, algorithm, BIT STRING }` from inside. */
export function readSigned(reader: DerReader, what: string): Signed {
  const body = reader.whole(TAG.sequence, what);
  const algorithm = reader.whole(TAG.sequence, `${what} signature algorithm`);
  return { body, algorithm, signature: reader.octetsOfBits(`${what} signature`) };
}

/** False for unknown or weak algorithms and unfit keys too. */
export function verifySigned(signed: Signed, key: KeyObject): boolean {
  const algorithm = KNOWN.get(toHex(signed.algorithm));
  if (!algorithm?.keys.includes(key.asymmetricKeyType ?? '') || !isFitKey(key)) return false;
  try {
    return verify(algorithm.hash, signed.body, { key, ...algorithm.options }, signed.signature);
  } catch {
    return false; // an rsa-pss key whose own parameters forbid this signature
  }
}

/** `SEQUENCE { body, ecdsa-with-SHA256, BIT STRING }` by a P-256 private key. */
export function signBody(body: Uint8Array, key: KeyObject): Uint8Array {
  const signature = sign('sha256', body, key);
  return sequence(body, ECDSA_SHA256, tlv(TAG.bitString, Uint8Array.of(0), signature));
}
