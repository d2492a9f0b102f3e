/**
 * CMS files that the product would never make: each part can be replaced, and the signatures over the result are real.
 * Built from DER pieces on its own, so that it also witnesses what the product builds.
 */
import { type KeyObject, sign } from 'node:crypto';
import { sha256 } from '../../src/crypto/hash.ts';
import { contextTag, integer, octetString, oid, sequence, TAG, tlv } from '../../src/crypto/pki/der.ts';
import { compare, concat, fromInt, toInt, utf8 } from '../../src/lib/bytes.ts';
import type { Identity } from './identities.ts';

export const OIDS = {
  data: oid('1.2.840.113549.1.7.1'),
  signedData: oid('1.2.840.113549.1.7.2'),
  tstInfo: oid('1.2.840.113549.1.9.16.1.4'),
  contentType: oid('1.2.840.113549.1.9.3'),
  messageDigest: oid('1.2.840.113549.1.9.4'),
  signingTime: oid('1.2.840.113549.1.9.5'),
  signingCertificate: oid('1.2.840.113549.1.9.16.2.12'),
  signingCertificateV2: oid('1.2.840.113549.1.9.16.2.47'),
  commitmentType: oid('1.2.840.113549.1.9.16.2.16'),
  timestamp: oid('1.2.840.113549.1.9.16.2.14'),
};
export const NULL = tlv(TAG.null);
export const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'));
export const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

export function attribute(type: Uint8Array, ...values: readonly Uint8Array[]): Uint8Array {
  return sequence(type, tlv(TAG.set, ...values));
}

export const CONTENT = utf8('I sell, you buy.\n');
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The four attributes, each replaceable. */
export function attributesOf(signer: Identity, content = CONTENT): Record<string, Uint8Array> {
  return {
    contentType: attribute(OIDS.contentType, OIDS.data),
    signingTime: attribute(OIDS.signingTime, tlv(TAG.utcTime, utf8('261120120000Z'))),
    messageDigest: attribute(OIDS.messageDigest, octetString(sha256(content))),
    signingCertificateV2: attribute(
      OIDS.signingCertificateV2,
      sequence(sequence(sequence(octetString(signer.certificate.hash)))),
    ),
  };
}

export interface ForgedSigner {
  readonly identity: Identity;
  /** In this order; null: signs the content itself. */
  readonly attributes?: readonly Uint8Array[] | null;
  readonly version?: number;
  readonly sid?: Uint8Array;
  readonly digestAlgorithm?: Uint8Array;
  readonly signatureAlgorithm?: Uint8Array;
  readonly hash?: string;
  /** Which of the two values of s; 'either' leaves OpenSSL's. */
  readonly s?: 'low' | 'high' | 'either';
  /** Content of `[1]`. */
  readonly unsigned?: readonly Uint8Array[];
  /** Changes the encoded signature. */
  readonly encodeSignature?: (der: Uint8Array) => Uint8Array;
}

export interface Forgery {
  readonly signers: readonly ForgedSigner[];
  readonly content?: Uint8Array;
  readonly version?: number;
  readonly digestAlgorithms?: readonly Uint8Array[];
  readonly encapsulated?: Uint8Array;
  /** null leaves the field out. */
  readonly certificates?: readonly Uint8Array[] | null;
  readonly crls?: readonly Uint8Array[];
  readonly order?: 'sorted' | 'signers reversed' | 'certificates reversed';
  readonly contentType?: Uint8Array;
}

export function sorted(parts: readonly Uint8Array[]): Uint8Array[] {
  return [...parts].sort(compare);
}

/** DER ECDSA signature with the chosen s. */
export function ecdsaDer(
  key: KeyObject,
  message: Uint8Array,
  s: 'low' | 'high' | 'either',
  hash = 'sha256',
): Uint8Array {
  if (s === 'either') return new Uint8Array(sign(hash, message, key));
  const raw = new Uint8Array(sign(hash, message, { key, dsaEncoding: 'ieee-p1363' }));
  const half = raw.length / 2;
  const value = toInt(raw.subarray(half));
  const isLow = value <= ORDER / 2n;
  const wanted = isLow === (s === 'low') ? value : ORDER - value;
  return sequence(integer(toInt(raw.subarray(0, half))), integer(toInt(fromInt(wanted, half))));
}

function signerInfo(signer: ForgedSigner, content: Uint8Array): Uint8Array {
  const { identity } = signer;
  const attributes =
    signer.attributes === undefined ? sorted(Object.values(attributesOf(identity, content))) : signer.attributes;
  const message = attributes === null ? content : tlv(TAG.set, ...attributes);
  const s = signer.s ?? (identity.certificate.point === null ? 'either' : 'low');
  const signature = ecdsaDer(identity.key, message, s, signer.hash);
  return sequence(
    integer(signer.version ?? 1),
    signer.sid ?? sequence(identity.certificate.issuerDer, identity.certificate.serialDer),
    signer.digestAlgorithm ?? SHA256,
    ...(attributes === null ? [] : [tlv(contextTag(0), ...attributes)]),
    signer.signatureAlgorithm ?? ECDSA_SHA256,
    octetString(signer.encodeSignature?.(signature) ?? signature),
    ...(signer.unsigned === undefined ? [] : [tlv(contextTag(1), ...signer.unsigned)]),
  );
}

export function forge(forgery: Forgery): Uint8Array {
  const content = forgery.content ?? CONTENT;
  const infos = sorted(forgery.signers.map((signer) => signerInfo(signer, content)));
  const all = forgery.signers.map((signer) => signer.identity.certificate.der);
  const certificates = forgery.certificates === undefined ? sorted(all) : forgery.certificates;
  if (forgery.order === 'signers reversed') infos.reverse();
  const listed =
    certificates !== null && forgery.order === 'certificates reversed' ? certificates.toReversed() : certificates;
  const signedData = sequence(
    integer(forgery.version ?? 1),
    tlv(TAG.set, ...(forgery.digestAlgorithms ?? [SHA256])),
    forgery.encapsulated ?? sequence(OIDS.data),
    ...(listed === null ? [] : [tlv(contextTag(0), ...listed)]),
    ...(forgery.crls === undefined ? [] : [tlv(contextTag(1), ...forgery.crls)]),
    tlv(TAG.set, ...infos),
  );
  return sequence(forgery.contentType ?? OIDS.signedData, tlv(contextTag(0), signedData));
}

/** The outermost value with a length of one byte more than needed. */
export function withLongLength(der: Uint8Array): Uint8Array {
  const bytes = (der[1] ?? 0) & 0x7f;
  return concat(der.subarray(0, 1), Uint8Array.of(0x80 | (bytes + 1), 0), der.subarray(2));
}

/** The outermost value with an indefinite length. */
export function withIndefiniteLength(der: Uint8Array): Uint8Array {
  const header = 2 + ((der[1] ?? 0) & 0x7f);
  return concat(der.subarray(0, 1), Uint8Array.of(0x80), der.subarray(header), Uint8Array.of(0, 0));
}
