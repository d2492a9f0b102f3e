/**
 * Detached CMS SignedData (RFC 5652) in the one form that contracts have (PROTOCOL §2), built as DER directly: pkijs is
 * seventeen times slower. Every byte follows from the signers' certificates, the digest, the time and the signatures, so
 * that both traders and the arbiter build equal bytes, in whatever order they name the signers.
 * `openssl cms -verify -cades -binary` accepts the result; cms-verify.ts accepts nothing else.
 */
import { assert } from '../../lib/assert.ts';
import { compare, concat } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import { lowS, rawToDer } from '../ecdsa.ts';
import type { Certificate } from './certificate.ts';
import { contextTag, integer, octetString, oid, sequence, setOf, TAG, tlv } from './der.ts';
import { ECDSA_SHA256 } from './signature.ts';
import { utcTimeText } from './time.ts';

export const P7S_MAX_BYTES = 64 * 1024;
export const MAX_SIGNERS = 16;

export const OID = {
  data: oid('1.2.840.113549.1.7.1'),
  signedData: oid('1.2.840.113549.1.7.2'),
  contentType: oid('1.2.840.113549.1.9.3'),
  messageDigest: oid('1.2.840.113549.1.9.4'),
  signingTime: oid('1.2.840.113549.1.9.5'),
  signingCertificateV2: oid('1.2.840.113549.1.9.16.2.47'),
} as const;

/** id-sha256 without parameters (RFC 5754 §2). */
export const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'));

/** One attribute with one value. */
export function attribute(type: Uint8Array, value: Uint8Array): Uint8Array {
  return sequence(type, tlv(TAG.set, value));
}

/**
 * signedAttrs never differ except in three places of fixed length, so they are a template: 165 bytes with the time at 46,
 * the document's digest at 76 and the certificate's hash at 133. Its four attributes are in DER order already.
 */
const TEMPLATE = setOf(
  attribute(OID.contentType, OID.data),
  attribute(OID.signingTime, tlv(TAG.utcTime, new Uint8Array(13))),
  attribute(OID.messageDigest, octetString(new Uint8Array(32))),
  // SigningCertificateV2 { certs { ESSCertIDv2 { certHash } } }: SHA-256 is the default, issuerSerial optional (RFC 5035).
  attribute(OID.signingCertificateV2, sequence(sequence(sequence(octetString(new Uint8Array(32)))))),
);
const TIME_AT = 46;
const DIGEST_AT = 76;
const HASH_AT = 133;

/**
 * What is signed: DER with the SET tag, 165 bytes. `digest` is the content's SHA-256, `certificateHash` the signer's.
 * signingTime in seconds; PeerFault('malformed') for one outside 1970 to 2049, because after 2049 CMS writes another type.
 */
export function signedAttributes(options: {
  readonly digest: Uint8Array;
  readonly signingTime: number;
  readonly certificateHash: Uint8Array;
}): Uint8Array {
  const { digest, signingTime, certificateHash } = options;
  assert(digest.length === 32 && certificateHash.length === 32, 'SHA-256 hashes have 32 bytes');
  const attributes = TEMPLATE.slice();
  attributes.set(utcTimeText(signingTime), TIME_AT);
  attributes.set(digest, DIGEST_AT);
  attributes.set(certificateHash, HASH_AT);
  return attributes;
}

/** The three variable parts of signedAttrs (SET tag) that have exactly this form, as views; null for any other form. */
export function matchSignedAttributes(
  attributes: Uint8Array,
): { readonly time: Uint8Array; readonly digest: Uint8Array; readonly certificateHash: Uint8Array } | null {
  if (attributes.length !== TEMPLATE.length) return null;
  for (const [from, to] of FIXED) {
    if (Buffer.compare(attributes.subarray(from, to), TEMPLATE.subarray(from, to)) !== 0) return null;
  }
  return {
    time: attributes.subarray(TIME_AT, TIME_AT + 13),
    digest: attributes.subarray(DIGEST_AT, DIGEST_AT + 32),
    certificateHash: attributes.subarray(HASH_AT, HASH_AT + 32),
  };
}

const FIXED = [
  [0, TIME_AT],
  [TIME_AT + 13, DIGEST_AT],
  [DIGEST_AT + 32, HASH_AT],
] as const;

export interface Signer {
  readonly certificate: Certificate;
  /** As `signedAttributes` made them. */
  readonly signedAttributes: Uint8Array;
  /** Raw r‖s; of a high s the low one is written. */
  readonly signature: Uint8Array;
}

const VERSION_1 = integer(1);
const HEAD = concat(VERSION_1, tlv(TAG.set, SHA256), sequence(OID.data));

function signerInfo(signer: Signer): Uint8Array {
  const { certificate, signedAttributes: attributes, signature } = signer;
  assert(matchSignedAttributes(attributes) !== null, 'signed attributes of our own form');
  const implicit = attributes.slice();
  implicit[0] = contextTag(0);
  return sequence(
    VERSION_1,
    sequence(certificate.issuerDer, certificate.serialDer),
    SHA256,
    implicit,
    ECDSA_SHA256,
    octetString(rawToDer(lowS(signature))),
  );
}

/**
 * The detached ContentInfo over 1 to 16 signers with P-256 certificates. Signatures are not verified here.
 * PeerFault('oversized') if certificates make it larger than 64 KiB.
 */
export function assembleSignedData(signers: readonly Signer[]): Uint8Array {
  assert(signers.length >= 1 && signers.length <= MAX_SIGNERS, 'one to sixteen signers');
  assert(
    signers.every((signer) => signer.certificate.point !== null),
    'signers have P-256 keys',
  );
  const certificates = signers.map((signer) => signer.certificate.der).sort(compare);
  const signedData = sequence(HEAD, tlv(contextTag(0), ...certificates), setOf(...signers.map(signerInfo)));
  const contentInfo = sequence(OID.signedData, tlv(contextTag(0), signedData));
  if (contentInfo.length > P7S_MAX_BYTES) throw new PeerFault('oversized', 'signed data: more than 64 KiB');
  return contentInfo;
}
