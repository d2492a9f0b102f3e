/**
 * The strict verifier of RFC 3161 timestamps, of whichever authority: P-256 and the larger NIST curves, RSA by PKCS#1 v1.5,
 * SHA-2, one signer. A token counts only under certificates that the caller names, and for the digest (and nonce) that the
 * caller expects. What is refused though RFC 3161 allows it: status grantedWithMods, imprints other than SHA-256, certificate
 * hashes by SHA-1 (RFC 2634), unsigned attributes, revocation lists inside, BER that is not DER.
 * Guarantee: no byte of a token can be changed without it being refused, be it in a certificate that nobody needs.
 */
import { createHash } from 'node:crypto';
import { assert } from '../../lib/assert.ts';
import { equal, toHex, toInt } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { buildChain, isIssuedBy } from './chain.ts';
import { assertDer, contextTag, DerReader, integer, oid, readAll, sequence, TAG, tlv } from './der.ts';
import { verifySigned } from './signature.ts';
import { OID, SHA256 } from './signed-data.ts';
import { readGeneralizedTime } from './time.ts';

export const TIMESTAMP_MAX_BYTES = 64 * 1024;
export const NONCE_MAX_BYTES = 20;
/** id-ct-TSTInfo. */
export const TST_INFO = oid('1.2.840.113549.1.9.16.1.4');
const NULL = tlv(TAG.null);
export const SHA256_NULL = sequence(oid('2.16.840.1.101.3.4.2.1'), NULL);

const MAX_CERTIFICATES = 8;
const MAX_ATTRIBUTES = 16;
/** RFC 3161 §2.4.2 asks clients for 160 bits; one byte more for the sign. */
const SERIAL_MAX_BYTES = 21;

/** What is wrong; stable, listed in fit-timestamp(1). */
export type TimestampFault =
  | 'oversized'
  | 'malformed'
  | 'not-granted'
  | 'not-a-timestamp'
  | 'wrong-digest'
  | 'wrong-nonce'
  | 'wrong-attributes'
  | 'wrong-certificate-hash'
  | 'wrong-authority'
  | 'unknown-algorithm'
  | 'unknown-signer'
  | 'unused-certificate'
  | 'bad-usage'
  | 'bad-signature'
  | 'untrusted';

export interface Timestamp {
  /** Seconds since 1970; a fraction is dropped. */
  readonly time: number;
  /** Lower-case hex of the INTEGER. */
  readonly serial: string;
  /** Dotted. */
  readonly policy: string;
  /** The signer's certificate first, a named one last. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** The ContentInfo alone, without the response around it: a view. */
  readonly token: Uint8Array;
}

export type TimestampResult =
  | { readonly ok: true; readonly timestamp: Timestamp }
  /** In our words, without text of the authority. */
  | { readonly ok: false; readonly code: TimestampFault; readonly message: string };

export interface TimestampExpectation {
  /** SHA-256 of what was stamped. */
  readonly digest: Uint8Array;
  /** As it was asked with; left out, the token may have any or none. */
  readonly nonce?: Uint8Array;
  /** Whom the caller trusts with timestamps: roots, or the signers' own certificates. */
  readonly authorities: readonly Certificate[];
}

/** SHA-256 without parameters or with NULL: both are written. */
export function isSha256(algorithm: Uint8Array): boolean {
  return equal(algorithm, SHA256) || equal(algorithm, SHA256_NULL);
}

/** The INTEGER of a nonce's bytes. */
export function nonceDer(nonce: Uint8Array): Uint8Array {
  return integer(toInt(nonce));
}

class Refusal extends Error {
  readonly code: TimestampFault;
  constructor(code: TimestampFault, message: string) {
    super(message);
    this.code = code;
  }
}

function refuse(code: TimestampFault, message: string): never {
  throw new Refusal(code, message);
}

/** A TimeStampResp or the token alone. Never throws for what the bytes are. */
export function verifyTimestamp(bytes: Uint8Array, expected: TimestampExpectation): TimestampResult {
  assert(expected.digest.length === 32, 'SHA-256 of what was stamped');
  try {
    if (bytes.length > TIMESTAMP_MAX_BYTES) refuse('oversized', 'more than 64 KiB');
    assertDer(bytes, 'timestamp');
    return { ok: true, timestamp: verifyToken(tokenIn(bytes), expected) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, code: error.code, message: error.message };
    if (error instanceof PeerFault)
      return { ok: false, code: error.code === 'oversized' ? 'oversized' : 'malformed', message: error.message };
    throw error;
  }
}

const STATUS = [
  'granted',
  'granted with changes',
  'rejected',
  'not done yet',
  'a revocation is near',
  'revoked',
] as const;

const FAILURES: ReadonlyMap<number, string> = new Map([
  [0, 'it does not know the hash algorithm'],
  [2, 'it does not serve such requests'],
  [5, 'it found the request ill-formed'],
  [14, 'its source of time is not available'],
  [15, 'it does not know the policy'],
  [16, 'it does not know an extension'],
  [17, 'it does not have what was asked for'],
  [25, 'it has a failure of its own'],
]);

function failureText(bits: Uint8Array): string {
  for (const [bit, text] of FAILURES) if ((((bits[1 + (bit >> 3)] ?? 0) << (bit & 7)) & 0x80) !== 0) return `: ${text}`;
  return '';
}

/** The token of a granted response, or the token that the bytes are already. */
function tokenIn(bytes: Uint8Array): Uint8Array {
  const outer = new DerReader(bytes).enter(TAG.sequence, 'timestamp');
  if (outer.tag !== TAG.sequence) return bytes;
  const info = outer.enter(TAG.sequence, 'status');
  const status = info.smallInteger('status');
  if (info.tag === TAG.sequence) info.whole(TAG.sequence, 'status text');
  const failure = info.tag === TAG.bitString ? failureText(info.content(TAG.bitString, 'failure')) : '';
  info.end('status');
  if (status !== 0) refuse('not-granted', `the authority’s answer is “${STATUS[status] ?? 'unknown'}”${failure}`);
  const token = outer.whole(TAG.sequence, 'token');
  outer.end('timestamp');
  return token;
}

function verifyToken(token: Uint8Array, expected: TimestampExpectation): Timestamp {
  const signed = readSignedData(token);
  const info = readInfo(signed.info);
  if (!isSha256(info.algorithm) || !equal(info.digest, expected.digest))
    refuse('wrong-digest', 'the timestamp is over something else');
  if (expected.nonce !== undefined && (info.nonce === null || !equal(info.nonce, nonceDer(expected.nonce))))
    refuse('wrong-nonce', 'the timestamp does not answer this request');

  const known = [...signed.certificates, ...expected.authorities];
  const candidates = new Map(
    known
      .filter((one) => equal(sequence(one.issuerDer, one.serialDer), signed.sid))
      .map((one) => [toHex(one.hash), one]),
  );
  const signer = [...candidates.values()].find((one) => isMeant(one, signed.attributes.certificate));
  if (signer === undefined) {
    if (candidates.size === 0) refuse('unknown-signer', 'the certificate of the signer is not at hand');
    refuse('wrong-certificate-hash', 'the signer signed for another certificate');
  }
  if (info.authority !== null && !equal(info.authority, tlv(contextTag(4), signer.subjectDer)))
    refuse('wrong-authority', 'the timestamp names another authority than its signer');
  const body = signed.attributes.der;
  if (!verifySigned({ body, algorithm: signed.algorithm, signature: signed.signature }, signer.publicKey))
    refuse('bad-signature', 'the signature does not verify');

  const { certificates } = signed;
  const options = { at: info.time, purpose: 'timestamps' } as const;
  const path = buildChain(signer, certificates, expected.authorities, options);
  if (!path.ok) refuse(path.code === 'bad-usage' ? 'bad-usage' : 'untrusted', path.message);
  const [leaf = signer, ...issuers] = path.chain;
  for (const one of certificates)
    if (!belongs(one, path.chain, known))
      refuse('unused-certificate', 'a certificate inside was issued by nobody at hand');
  return { time: info.time, serial: info.serial, policy: info.policy, chain: [leaf, ...issuers], token };
}

/** Public authorities send more than the path: roots and cross certificates. Each must be issued by one that is at hand. */
function belongs(one: Certificate, path: readonly Certificate[], known: readonly Certificate[]): boolean {
  return path.some((other) => equal(other.hash, one.hash)) || known.some((issuer) => isIssuedBy(one, issuer));
}

// ---- SignedData

const HASHES = [
  ['sha256', '2.16.840.1.101.3.4.2.1', '2', '11'],
  ['sha384', '2.16.840.1.101.3.4.2.2', '3', '12'],
  ['sha512', '2.16.840.1.101.3.4.2.3', '4', '13'],
] as const;
const RSA_ENCRYPTION = sequence(oid('1.2.840.113549.1.1.1'), NULL);

function hashNamed(algorithm: Uint8Array, what: string): (typeof HASHES)[number] {
  for (const hash of HASHES) {
    const id = oid(hash[1]);
    if (equal(algorithm, sequence(id)) || equal(algorithm, sequence(id, NULL))) return hash;
  }
  refuse('unknown-algorithm', `${what}: not SHA-2`);
}

/** The one identifier under which verifySigned knows it. CMS may name the key's kind alone, and the hash beside it. */
function signatureAlgorithm(found: Uint8Array, [, , ecdsa, rsa]: (typeof HASHES)[number]): Uint8Array {
  const byEcdsa = sequence(oid(`1.2.840.10045.4.3.${ecdsa}`));
  const byRsa = sequence(oid(`1.2.840.113549.1.1.${rsa}`), NULL);
  if (equal(found, byEcdsa)) return byEcdsa;
  if (equal(found, byRsa) || equal(found, RSA_ENCRYPTION)) return byRsa;
  refuse('unknown-algorithm', 'signature algorithm: neither ECDSA nor RSA with the digest’s hash');
}

interface MeantCertificate {
  readonly hash: (typeof HASHES)[number][0];
  readonly digest: Uint8Array;
  /** IssuerSerial, whole. */
  readonly name: Uint8Array | null;
}

interface SignedToken {
  /** TSTInfo. */
  readonly info: Uint8Array;
  readonly certificates: readonly Certificate[];
  /** IssuerAndSerialNumber, whole. */
  readonly sid: Uint8Array;
  readonly attributes: { readonly der: Uint8Array; readonly certificate: MeantCertificate };
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

function readSignedData(token: Uint8Array): SignedToken {
  const contentInfo = new DerReader(token).enter(TAG.sequence, 'token');
  if (!equal(contentInfo.whole(TAG.oid, 'content type'), OID.signedData)) refuse('not-a-timestamp', 'not signed data');
  const explicit = contentInfo.enter(contextTag(0), 'signed data');
  contentInfo.end('token');
  const data = explicit.enter(TAG.sequence, 'signed data');
  explicit.end('signed data');

  if (data.smallInteger('signed data version') !== 3) refuse('not-a-timestamp', 'signed data: not version 3');
  const digests = data.enter(TAG.set, 'digest algorithms');
  const digest = digests.whole(TAG.sequence, 'digest algorithm');
  digests.end('digest algorithms');
  const content = data.enter(TAG.sequence, 'content');
  if (!equal(content.whole(TAG.oid, 'content type'), TST_INFO)) refuse('not-a-timestamp', 'not a timestamp inside');
  const wrapped = content.enter(contextTag(0), 'content');
  content.end('content');
  const info = wrapped.content(TAG.octetString, 'content');
  wrapped.end('content');
  const certificates = data.tag === contextTag(0) ? readCertificates(data.enter(contextTag(0), 'certificates')) : [];
  const signers = data.enter(TAG.set, 'signers');
  const signer = signers.enter(TAG.sequence, 'signer');
  signers.end('signers: more than one');
  data.end('signed data');

  if (signer.smallInteger('signer version') !== 1)
    refuse('unknown-signer', 'the signer is not named by its certificate');
  const sid = signer.whole(TAG.sequence, 'signer identifier');
  const hash = hashNamed(signer.whole(TAG.sequence, 'digest algorithm'), 'digest algorithm');
  if (hashNamed(digest, 'digest algorithm') !== hash) refuse('unknown-algorithm', 'two digest algorithms');
  if (signer.tag !== contextTag(0)) refuse('wrong-attributes', 'no signed attributes');
  const attributes = readAttributes(signer.whole(contextTag(0), 'signed attributes'), info, hash[0]);
  const algorithm = signatureAlgorithm(signer.whole(TAG.sequence, 'signature algorithm'), hash);
  const signature = signer.content(TAG.octetString, 'signature');
  signer.end('signer: unsigned attributes');
  return { info, certificates, sid, attributes, algorithm, signature };
}

function readCertificates(list: DerReader): Certificate[] {
  const certificates: Certificate[] = [];
  while (!list.done) {
    if (certificates.length === MAX_CERTIFICATES)
      refuse('malformed', `more than ${MAX_CERTIFICATES} certificates inside`);
    const one = parseCertificate(list.whole(TAG.sequence, 'certificate'));
    if (certificates.includes(one)) refuse('malformed', 'a certificate twice');
    certificates.push(one);
  }
  return certificates;
}

/** Each kind once, each with one value; those that are not known are signed as well and left alone. */
function readAttributes(implicit: Uint8Array, info: Uint8Array, hash: string): SignedToken['attributes'] {
  const der = implicit.slice();
  der[0] = TAG.set;
  assertDer(der, 'signed attributes');
  const values = new Map<string, Uint8Array>();
  readAll(der, TAG.set, 'signed attributes', (set) => {
    while (!set.done) {
      const one = set.enter(TAG.sequence, 'attribute');
      const id = toHex(one.whole(TAG.oid, 'attribute type'));
      const value = one.enter(TAG.set, 'attribute value');
      one.end('attribute');
      if (values.has(id) || values.size === MAX_ATTRIBUTES)
        refuse('wrong-attributes', 'an attribute twice, or too many');
      values.set(id, value.whole(undefined, 'attribute value'));
      value.end('attribute value');
    }
  });
  const only = (id: Uint8Array): Uint8Array =>
    values.get(toHex(id)) ?? refuse('wrong-attributes', 'a signed attribute that every timestamp has is missing');
  if (!equal(only(OID.contentType), TST_INFO)) refuse('wrong-attributes', 'content type: not a timestamp');
  const digest = tlv(TAG.octetString, createHash(hash).update(info).digest());
  if (!equal(only(OID.messageDigest), digest)) refuse('wrong-attributes', 'the signature is over another content');
  return { der, certificate: readMeant(only(OID.signingCertificateV2)) };
}

/** SigningCertificateV2 (RFC 5035 §3): the first one is the signer's. */
function readMeant(value: Uint8Array): MeantCertificate {
  return readAll(value, TAG.sequence, 'signing certificate', (inner) => {
    const list = inner.enter(TAG.sequence, 'signing certificates');
    const first = list.enter(TAG.sequence, 'signing certificate');
    const hash =
      first.tag === TAG.sequence
        ? hashNamed(first.whole(TAG.sequence, 'hash algorithm'), 'certificate hash')[0]
        : 'sha256';
    const digest = first.content(TAG.octetString, 'certificate hash');
    const name = first.done ? null : first.whole(TAG.sequence, 'issuer and serial');
    first.end('signing certificate');
    while (!list.done) list.whole(TAG.sequence, 'signing certificate');
    if (!inner.done) inner.whole(TAG.sequence, 'policies');
    return { hash, digest, name };
  });
}

function isMeant(certificate: Certificate, { hash, digest, name }: MeantCertificate): boolean {
  const names = sequence(tlv(contextTag(4), certificate.issuerDer));
  if (name !== null && !equal(name, sequence(names, certificate.serialDer))) return false;
  return equal(createHash(hash).update(certificate.der).digest(), digest);
}

// ---- TSTInfo

interface Info {
  readonly policy: string;
  readonly algorithm: Uint8Array;
  readonly digest: Uint8Array;
  readonly serial: string;
  readonly time: number;
  /** INTEGER with its header. */
  readonly nonce: Uint8Array | null;
  /** GeneralName with its header. */
  readonly authority: Uint8Array | null;
}

function readInfo(bytes: Uint8Array): Info {
  assertDer(bytes, 'timestamp');
  return readAll(bytes, TAG.sequence, 'timestamp', (body) => {
    if (body.smallInteger('version') !== 1) refuse('not-a-timestamp', 'timestamp: not version 1');
    const policy = body.oid('policy');
    const imprint = body.enter(TAG.sequence, 'message imprint');
    const algorithm = imprint.whole(TAG.sequence, 'hash algorithm');
    const digest = imprint.content(TAG.octetString, 'hash');
    imprint.end('message imprint');
    const serial = toHex(body.integer(SERIAL_MAX_BYTES, 'serial number'));
    const time = readGeneralizedTime(body, 'time');
    if (body.tag === TAG.sequence) readAccuracy(body.enter(TAG.sequence, 'accuracy'));
    body.defaultFalse('ordering');
    const nonce = body.tag === TAG.integer ? body.whole(TAG.integer, 'nonce') : null;
    if (nonce !== null) new DerReader(nonce).integer(NONCE_MAX_BYTES + 1, 'nonce');
    let authority: Uint8Array | null = null;
    if (body.tag === contextTag(0)) {
      const name = body.enter(contextTag(0), 'authority');
      authority = name.whole(undefined, 'authority');
      name.end('authority');
    }
    if (body.tag === contextTag(1)) readExtensionList(body.enter(contextTag(1), 'extensions'));
    return { policy, algorithm, digest, serial, time, nonce, authority };
  });
}

/** Seconds, milliseconds, microseconds: well-formed is enough, nothing here compares times that closely. */
function readAccuracy(accuracy: DerReader): void {
  if (accuracy.tag === TAG.integer) accuracy.smallInteger('accuracy');
  if (accuracy.tag === 0x80) accuracy.content(0x80, 'accuracy');
  if (accuracy.tag === 0x81) accuracy.content(0x81, 'accuracy');
  accuracy.end('accuracy');
}

function readExtensionList(list: DerReader): void {
  while (!list.done) {
    const one = list.enter(TAG.sequence, 'extension');
    one.oid('extension');
    if (one.defaultFalse('extension')) refuse('malformed', 'the timestamp has an extension that is not known here');
    one.content(TAG.octetString, 'extension');
    one.end('extension');
  }
}
