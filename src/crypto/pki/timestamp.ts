/**
 * RFC 3161 timestamps: what is asked of an authority, and what an authority of our own answers (P-256, SHA-256). Built as DER
 * directly, like contracts; `openssl ts` reads both. What others answer is verified in timestamp-verify.ts.
 * Guarantee: whatever a request is, there is an answer to it: a token over its hash, or a refusal that says why.
 */
import type { KeyObject } from 'node:crypto';
import { assert } from '../../lib/assert.ts';
import { equal } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import { rawToDer, signP256 } from '../ecdsa.ts';
import { sha256 } from '../hash.ts';
import { type Certificate, isCertificateOf } from './certificate.ts';
import {
  assertDer,
  contextTag,
  DerReader,
  integer,
  malformed,
  octetString,
  oid,
  readAll,
  sequence,
  setOf,
  TAG,
  tlv,
} from './der.ts';
import { ECDSA_SHA256 } from './signature.ts';
import { attribute, OID, SHA256 } from './signed-data.ts';
import { generalizedTime } from './time.ts';
import { isSha256, NONCE_MAX_BYTES, nonceDer, SHA256_NULL, TST_INFO } from './timestamp-verify.ts';

export {
  TIMESTAMP_MAX_BYTES,
  type Timestamp,
  type TimestampExpectation,
  type TimestampFault,
  type TimestampResult,
  verifyTimestamp,
} from './timestamp-verify.ts';

export const REQUEST_MAX_BYTES = 1024;
/** Bits of PKIFailureInfo. */
const FAILURE = {
  badAlgorithm: 0,
  badRequest: 2,
  badDataFormat: 5,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
} as const;

/** TimeStampReq over a SHA-256 digest; the authority's certificate is asked for. The nonce: 8 to 20 random bytes. */
export function timestampRequest(digest: Uint8Array, nonce: Uint8Array): Uint8Array {
  assert(digest.length === 32, 'SHA-256 of what is stamped');
  assert(nonce.length >= 8 && nonce.length <= NONCE_MAX_BYTES, 'a nonce of 8 to 20 bytes');
  const imprint = sequence(SHA256_NULL, octetString(digest));
  return sequence(integer(1), imprint, nonceDer(nonce), Uint8Array.of(TAG.boolean, 1, 0xff));
}

interface TimestampRequest {
  /** MessageImprint as it came: the token repeats it. */
  readonly imprint: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly digest: Uint8Array;
  /** OBJECT IDENTIFIER with its header. */
  readonly policy: Uint8Array | null;
  /** INTEGER with its header. */
  readonly nonce: Uint8Array | null;
  readonly wantsCertificate: boolean;
  readonly hasExtensions: boolean;
}

/** Throws PeerFault: 'oversized' or 'malformed'. */
function readRequest(bytes: Uint8Array): TimestampRequest {
  if (bytes.length > REQUEST_MAX_BYTES) throw new PeerFault('oversized', 'timestamp request');
  assertDer(bytes, 'timestamp request');
  return readAll(bytes, TAG.sequence, 'timestamp request', (body) => {
    if (body.smallInteger('version') !== 1) malformed('timestamp request: not version 1');
    const imprint = body.whole(TAG.sequence, 'message imprint');
    const [algorithm, digest] = readAll(imprint, TAG.sequence, 'message imprint', (inner) => [
      inner.whole(TAG.sequence, 'hash algorithm'),
      inner.content(TAG.octetString, 'hash'),
    ]) as [Uint8Array, Uint8Array];
    const policy = body.tag === TAG.oid ? body.whole(TAG.oid, 'policy') : null;
    const nonce = body.tag === TAG.integer ? body.whole(TAG.integer, 'nonce') : null;
    if (nonce !== null) new DerReader(nonce).integer(NONCE_MAX_BYTES + 1, 'nonce');
    const wantsCertificate = body.defaultFalse('certReq');
    const hasExtensions = body.tag === contextTag(0);
    if (hasExtensions) body.whole(contextTag(0), 'extensions');
    return { imprint, algorithm, digest, policy, nonce, wantsCertificate, hasExtensions };
  });
}

function failureOf(request: TimestampRequest, policy: string): keyof typeof FAILURE | null {
  if (!isSha256(request.algorithm)) return 'badAlgorithm';
  if (request.digest.length !== 32) return 'badDataFormat';
  if (request.policy !== null && !equal(request.policy, oid(policy))) return 'unacceptedPolicy';
  return request.hasExtensions ? 'unacceptedExtension' : null;
}

/** PKIStatusInfo { rejection, failInfo } without a token. */
function refusal(failure: keyof typeof FAILURE): Uint8Array {
  const bit = FAILURE[failure];
  const bits = new Uint8Array((bit >> 3) + 2);
  bits[0] = 7 - (bit & 7);
  bits[bits.length - 1] = 0x80 >> (bit & 7);
  return sequence(sequence(integer(2), tlv(TAG.bitString, bits)));
}

/** TimeStampResp to a request that is not served; null if it is. Never throws for what the bytes are. */
export function timestampRefusal(request: Uint8Array, policy: string): Uint8Array | null {
  try {
    const failure = failureOf(readRequest(request), policy);
    return failure === null ? null : refusal(failure);
  } catch (error) {
    if (error instanceof PeerFault) return refusal('badRequest');
    throw error;
  }
}

export interface TimestampAuthority {
  /** P-256. */
  readonly key: KeyObject;
  /** Of this key, as `selfSignedTimestamping` makes them or an authority issues them. */
  readonly certificate: Certificate;
  /** Dotted. */
  readonly policy: string;
}

/** TimeStampResp: a token for `time` (seconds since 1970) under a serial number that is never used again, or the refusal. */
export function timestampResponse(
  request: Uint8Array,
  authority: TimestampAuthority & { readonly serial: number; readonly time: number },
): Uint8Array {
  const { key, certificate, policy, serial, time } = authority;
  assert(isCertificateOf(certificate, key), 'the certificate of the timestamping key');
  const refused = timestampRefusal(request, policy);
  if (refused !== null) return refused;
  const { imprint, nonce, wantsCertificate } = readRequest(request);
  const info = sequence(
    integer(1),
    oid(policy),
    imprint,
    integer(serial),
    generalizedTime(time),
    ...(nonce === null ? [] : [nonce]),
  );
  const attributes = setOf(
    attribute(OID.contentType, TST_INFO),
    attribute(OID.messageDigest, octetString(sha256(info))),
    attribute(OID.signingCertificateV2, sequence(sequence(sequence(octetString(certificate.hash))))),
  );
  const implicit = attributes.slice();
  implicit[0] = contextTag(0);
  const signerInfo = sequence(
    integer(1),
    sequence(certificate.issuerDer, certificate.serialDer),
    SHA256,
    implicit,
    ECDSA_SHA256,
    octetString(rawToDer(signP256(key, attributes))),
  );
  const signedData = sequence(
    integer(3),
    tlv(TAG.set, SHA256),
    sequence(TST_INFO, tlv(contextTag(0), octetString(info))),
    ...(wantsCertificate ? [tlv(contextTag(0), certificate.der)] : []),
    tlv(TAG.set, signerInfo),
  );
  return sequence(sequence(integer(0)), sequence(OID.signedData, tlv(contextTag(0), signedData)));
}
