/**
 * The strict verifier of detached CMS SignedData. It accepts exactly the bytes that `assembleSignedData` makes and says of
 * everything else what is wrong first. Much of what it refuses, `openssl cms -verify -cades` accepts: other content types,
 * foreign certificate hashes, extra attributes, other encodings. No chain is built here: the caller decides whom to trust.
 */
import { assert } from '../../lib/assert.ts';
import { compare, equal } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import { derToRaw, isLowS, verifyP256 } from '../ecdsa.ts';
import { type Certificate, certificateConflict, parseCertificate } from './certificate.ts';
import { contextTag, DerReader, sequence, TAG } from './der.ts';
import { ECDSA_SHA256 } from './signature.ts';
import { assembleSignedData, MAX_SIGNERS, matchSignedAttributes, OID, P7S_MAX_BYTES, SHA256 } from './signed-data.ts';
import { parseUtcTime } from './time.ts';

/** What is wrong; stable, listed in fit-evidence(5). */
export type CmsFault =
  | 'oversized'
  | 'malformed'
  | 'trailing-bytes'
  | 'not-signed-data'
  | 'bad-version'
  | 'embedded-content'
  | 'wrong-content-type'
  | 'unknown-algorithm'
  | 'algorithm-parameters'
  | 'bad-certificates'
  | 'unused-certificate'
  | 'unexpected-crls'
  | 'bad-signers'
  | 'same-signer'
  | 'unsorted'
  | 'unknown-signer'
  | 'no-signed-attributes'
  | 'wrong-attributes'
  | 'wrong-digest'
  | 'wrong-certificate-hash'
  | 'unsigned-attributes'
  | 'high-s'
  | 'bad-signature';

export interface VerifiedSigner {
  readonly certificate: Certificate;
  /** Seconds since 1970. */
  readonly signingTime: number;
  /** Raw r‖s, low s. */
  readonly signature: Uint8Array;
  /** DER with the SET tag: what was signed. */
  readonly signedAttributes: Uint8Array;
}

export type CmsResult =
  /** In the order of the file, which is that of the encoded SignerInfos. */
  | { readonly ok: true; readonly signers: readonly VerifiedSigner[] }
  | { readonly ok: false; readonly code: CmsFault; readonly message: string };

class Refusal extends Error {
  readonly code: CmsFault;
  constructor(code: CmsFault, message: string) {
    super(message);
    this.code = code;
  }
}

function refuse(code: CmsFault, message: string): never {
  throw new Refusal(code, message);
}

/** `contentDigest` is the SHA-256 of the content. Never throws for what the bytes are. */
export function verifySignedData(p7s: Uint8Array, contentDigest: Uint8Array): CmsResult {
  assert(contentDigest.length === 32, 'SHA-256 of the content');
  try {
    const signers = readSignedData(p7s).map((info) => verifySigner(info, contentDigest));
    // Nothing else has these parts: whatever the checks above let through, other bytes are not accepted.
    if (!equal(assembleSignedData(signers), p7s)) refuse('malformed', 'not the canonical encoding');
    return { ok: true, signers };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, code: error.code, message: error.message };
    if (error instanceof PeerFault)
      return { ok: false, code: error.code === 'oversized' ? 'oversized' : 'malformed', message: error.message };
    throw error;
  }
}

interface SignerInfo {
  readonly certificate: Certificate;
  /** SET tag. */
  readonly attributes: Uint8Array;
  readonly signature: Uint8Array;
}

function readSignedData(p7s: Uint8Array): SignerInfo[] {
  if (p7s.length > P7S_MAX_BYTES) refuse('oversized', 'more than 64 KiB');
  const file = new DerReader(p7s);
  const contentInfo = file.enter(TAG.sequence, 'content info');
  if (!file.done) refuse('trailing-bytes', 'bytes after the signature');
  if (!equal(contentInfo.whole(TAG.oid, 'content type'), OID.signedData)) refuse('not-signed-data', 'not signed data');
  const explicit = contentInfo.enter(contextTag(0), 'signed data');
  contentInfo.end('content info');
  const signedData = explicit.enter(TAG.sequence, 'signed data');
  explicit.end('signed data');

  readVersion(signedData, 'signed data');
  const digests = signedData.enter(TAG.set, 'digest algorithms');
  readAlgorithm(digests, SHA256, 'digest algorithm');
  digests.end('digest algorithms');
  const content = signedData.enter(TAG.sequence, 'encapsulated content');
  if (!equal(content.whole(TAG.oid, 'content type'), OID.data)) refuse('wrong-content-type', 'content is not id-data');
  if (!content.done) refuse('embedded-content', 'the content is inside the signature file');
  const certificates = readCertificates(signedData);
  if (signedData.tag === contextTag(1)) refuse('unexpected-crls', 'revocation lists inside the signature file');
  const infos = readInOrder(signedData.enter(TAG.set, 'signers'), 'bad-signers', 'signers');
  signedData.end('signed data');

  const signers = infos.map((info) => readSignerInfo(info, certificates));
  for (const [index, { certificate }] of signers.entries()) {
    const conflict = signers.slice(0, index).map((other) => certificateConflict(other.certificate, certificate));
    const what = conflict.find((one) => one !== null);
    if (what !== undefined) refuse('same-signer', `two signers with ${what}`);
  }
  if (certificates.some((one) => !signers.some((signer) => signer.certificate === one)))
    refuse('unused-certificate', 'a certificate of no signer');
  return signers;
}

/** The elements of a SET OF, sorted, 1 to 16. */
function readInOrder(set: DerReader, code: CmsFault, what: string): Uint8Array[] {
  const elements: Uint8Array[] = [];
  while (!set.done) {
    if (elements.length === MAX_SIGNERS) refuse(code, `${what}: more than ${MAX_SIGNERS}`);
    const element = set.whole(TAG.sequence, what);
    const before = elements.at(-1);
    if (before !== undefined && compare(before, element) > 0) refuse('unsorted', `${what}: not in DER order`);
    elements.push(element);
  }
  if (elements.length === 0) refuse(code, `${what}: none`);
  return elements;
}

function readCertificates(signedData: DerReader): Certificate[] {
  if (signedData.tag !== contextTag(0)) refuse('bad-certificates', 'no certificates');
  const list = readInOrder(signedData.enter(contextTag(0), 'certificates'), 'bad-certificates', 'certificates');
  const certificates = list.map(parseCertificate);
  for (const [index, one] of certificates.entries()) {
    if (certificates.indexOf(one) !== index) refuse('bad-certificates', 'a certificate twice');
  }
  return certificates;
}

function readVersion(reader: DerReader, what: string): void {
  if (reader.smallInteger(`${what} version`) !== 1) refuse('bad-version', `${what}: not version 1`);
}

/** The identifier must be `expected`, whole: absent parameters are not the same as NULL. */
function readAlgorithm(reader: DerReader, expected: Uint8Array, what: string): void {
  const found = reader.whole(TAG.sequence, what);
  if (equal(found, expected)) return;
  const id = new DerReader(found).enter(TAG.sequence, what);
  const isKnown = equal(id.whole(TAG.oid, what), expected.subarray(2));
  if (isKnown) refuse('algorithm-parameters', `${what}: with parameters`);
  refuse('unknown-algorithm', `${what}: not the expected one`);
}

function readSignerInfo(bytes: Uint8Array, certificates: readonly Certificate[]): SignerInfo {
  const info = new DerReader(bytes).enter(TAG.sequence, 'signer');
  readVersion(info, 'signer');
  const sid = info.whole(TAG.sequence, 'signer identifier');
  const candidates = certificates.filter((one) => equal(sidOf(one), sid));
  const [certificate] = candidates;
  if (certificate === undefined) refuse('unknown-signer', 'a signer without certificate');
  if (candidates.length > 1) refuse('same-signer', 'two certificates with the same issuer and serial number');
  if (certificate.point === null) refuse('unknown-algorithm', 'a signer whose key is not P-256');
  readAlgorithm(info, SHA256, 'digest algorithm of a signer');
  if (info.tag !== contextTag(0)) refuse('no-signed-attributes', 'a signer without signed attributes');
  const attributes = info.whole(contextTag(0), 'signed attributes').slice();
  attributes[0] = TAG.set;
  readAlgorithm(info, ECDSA_SHA256, 'signature algorithm');
  const signature = derToRaw(info.content(TAG.octetString, 'signature'));
  if (info.tag === contextTag(1)) refuse('unsigned-attributes', 'a signer with unsigned attributes');
  info.end('signer');
  return { certificate, attributes, signature };
}

const sids = new WeakMap<Certificate, Uint8Array>();

/** The issuerAndSerialNumber that names a certificate. */
function sidOf(certificate: Certificate): Uint8Array {
  let sid = sids.get(certificate);
  if (sid === undefined) {
    sid = sequence(certificate.issuerDer, certificate.serialDer);
    sids.set(certificate, sid);
  }
  return sid;
}

function verifySigner(info: SignerInfo, contentDigest: Uint8Array): VerifiedSigner {
  const { certificate, attributes, signature } = info;
  const match = matchSignedAttributes(attributes);
  if (match === null) refuse('wrong-attributes', 'other signed attributes than the four, each once, in DER order');
  if (!equal(match.digest, contentDigest)) refuse('wrong-digest', 'the signature is over another content');
  if (!equal(match.certificateHash, certificate.hash))
    refuse('wrong-certificate-hash', 'the signer signed for another certificate');
  const signingTime = parseUtcTime(match.time, 'signing time');
  if (signingTime < 0) refuse('malformed', 'signing time: before 1970');
  if (!isLowS(signature)) refuse('high-s', 'the signature does not have the low s');
  if (!verifyP256(certificate.publicKey, attributes, signature))
    refuse('bad-signature', 'the signature does not verify');
  return { certificate, signingTime, signature, signedAttributes: attributes };
}
