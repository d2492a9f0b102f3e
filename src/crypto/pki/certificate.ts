/**
 * X.509 v3 certificates, parsed strictly and at most once: whatever is not DER, is larger than 8 KiB or is ill-formed is
 * refused, and parsed ones are kept by hash, because importing a key costs more than verifying with it.
 * A `Certificate` says what the bytes say; whether to trust it is for chain.ts and for the user's pins.
 */
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { concat, equal, toBase64Url, toHex } from '../../lib/bytes.ts';
import { FitError, PeerFault } from '../../lib/errors.ts';
import { sha256 } from '../hash.ts';
import { createLru } from '../lru.ts';
import {
  assertDer,
  bitString,
  contextTag,
  DerReader,
  integer,
  malformed,
  oid,
  readAll,
  sequence,
  TAG,
  tlv,
} from './der.ts';
import {
  type Constraints,
  identityExtensions,
  readConstraints,
  readExtensions,
  timestampingExtensions,
} from './extensions.ts';
import { commonName, nameText } from './name.ts';
import { ECDSA_SHA256, readSigned, type Signed, signBody } from './signature.ts';
import { encodeTime, readTime } from './time.ts';

export const CERTIFICATE_MAX_BYTES = 8 * 1024;

export interface Certificate extends Constraints {
  readonly der: Uint8Array;
  /** SHA-256 of `der`. */
  readonly hash: Uint8Array;
  /** Common name, else the first part of the name. Untrusted text. */
  readonly subject: string;
  readonly subjectDer: Uint8Array;
  readonly issuerDer: Uint8Array;
  /** The INTEGER with its header. */
  readonly serialDer: Uint8Array;
  /** Compressed P-256 point, 33 bytes; null for another kind of key. */
  readonly point: Uint8Array | null;
  readonly publicKey: KeyObject;
  /** Seconds since 1970, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Issuer and subject are the same name. */
  readonly selfIssued: boolean;
  readonly signed: Signed;
}

const P256_SPKI = sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7'));
/** CA/Browser practice and RFC 5280 §4.1.2.2: 20 bytes; one more for a sign byte that some add. */
const SERIAL_MAX_BYTES = 21;

const parsed = createLru<Certificate>(1024);

/** Throws PeerFault: 'oversized' above 8 KiB, else 'malformed'. The result is shared: treat its bytes as frozen. */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > CERTIFICATE_MAX_BYTES) throw new PeerFault('oversized', 'certificate: more than 8 KiB');
  const hash = sha256(der);
  const key = toHex(hash);
  const known = parsed.get(key);
  if (known !== undefined) return known;
  // A copy: the caller's buffer may be reused, the cached certificate may not change.
  const certificate = parse(new Uint8Array(der), hash);
  parsed.set(key, certificate);
  return certificate;
}

function parse(der: Uint8Array, hash: Uint8Array): Certificate {
  assertDer(der, 'certificate');
  const signed = readAll(der, TAG.sequence, 'certificate', (inner) => readSigned(inner, 'certificate'));
  return readAll(signed.body, TAG.sequence, 'certificate', (body) => {
    const version = body.enter(contextTag(0), 'certificate version');
    if (version.smallInteger('certificate version') !== 2) malformed('certificate: not version 3');
    version.end('certificate version');
    const serialDer = readSerial(body);
    if (!equal(body.whole(TAG.sequence, 'algorithm'), signed.algorithm)) malformed('certificate: two algorithms');
    const issuerDer = body.whole(TAG.sequence, 'issuer');
    const validity = body.enter(TAG.sequence, 'validity');
    const notBefore = readTime(validity, 'notBefore');
    const notAfter = readTime(validity, 'notAfter');
    validity.end('validity');
    const subjectDer = body.whole(TAG.sequence, 'subject');
    const key = readPublicKey(body.whole(TAG.sequence, 'public key'));
    const extensions = body.enter(contextTag(3), 'extensions');
    const list = extensions.enter(TAG.sequence, 'extensions');
    const constraints = readConstraints(readExtensions(list, 'extension'));
    extensions.end('extensions');
    nameText(issuerDer); // its structure is checked as well
    const selfIssued = equal(issuerDer, subjectDer);
    const subject = nameText(subjectDer);
    return {
      ...{ der, hash, subject, subjectDer, issuerDer, serialDer, ...key, notBefore, notAfter },
      ...{ selfIssued, signed, ...constraints },
    };
  });
}

function readSerial(body: DerReader): Uint8Array {
  const serial = body.whole(TAG.integer, 'serial number');
  const content = new DerReader(serial).integer(SERIAL_MAX_BYTES, 'serial number');
  if ((content[0] ?? 0) >= 0x80) malformed('serial number: negative');
  return serial;
}

function readPublicKey(spki: Uint8Array): Pick<Certificate, 'publicKey' | 'point'> {
  const [algorithm, bits] = readAll(spki, TAG.sequence, 'public key', (inner) => [
    inner.whole(TAG.sequence, 'key algorithm'),
    inner.octetsOfBits('public key'),
  ]);
  try {
    if (algorithm === undefined || bits === undefined || !equal(algorithm, P256_SPKI))
      return { publicKey: createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }), point: null };
    return readPoint(bits);
  } catch (cause) {
    throw new PeerFault('malformed', 'certificate: unusable public key', { cause });
  }
}

/** Uncompressed form only, the one that everyone writes; by JWK, which is twice as fast as SPKI. */
function readPoint(bits: Uint8Array): Pick<Certificate, 'publicKey' | 'point'> {
  if (bits.length !== 65 || bits[0] !== 0x04) malformed('public key: not an uncompressed point');
  const x = bits.subarray(1, 33);
  const y = bits.subarray(33);
  const jwk = { kty: 'EC', crv: 'P-256', x: toBase64Url(x), y: toBase64Url(y) };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  return { publicKey, point: concat(Uint8Array.of(0x02 | ((y[31] ?? 0) & 1)), x) };
}

/** Uncompressed point of a P-256 key, private or public: 65 bytes. */
function uncompressedPoint(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })).slice(-65);
}

/** Whether the certificate is for this private (or public) P-256 key. */
export function isCertificateOf(certificate: Certificate, key: KeyObject): boolean {
  const point = uncompressedPoint(key);
  return (
    certificate.point !== null &&
    equal(certificate.point.subarray(1), point.subarray(1, 33)) &&
    certificate.point[0] === (0x02 | ((point[64] ?? 0) & 1))
  );
}

/** SubjectPublicKeyInfo, 91 bytes. */
export function p256Spki(key: KeyObject): Uint8Array {
  return sequence(P256_SPKI, bitString(uncompressedPoint(key)));
}

export interface SelfSigned {
  readonly key: KeyObject;
  readonly name: string;
  /** Seconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * A new self-signed identity: CN = name, digitalSignature and nonRepudiation, not an authority, no extended key usage,
 * key identifiers by RFC 7093 §2 (1), 16 random bytes of serial number.
 */
export async function selfSigned(options: SelfSigned): Promise<Uint8Array> {
  return signedByItself(options, identityExtensions);
}

/** The same for a timestamp authority, whose key signs nothing else. */
export function selfSignedTimestamping(options: SelfSigned): Uint8Array {
  return signedByItself(options, timestampingExtensions);
}

function signedByItself(options: SelfSigned, extensions: (keyId: Uint8Array) => Uint8Array): Uint8Array {
  const { key, name, notBefore, notAfter } = options;
  if (notAfter < notBefore) throw new FitError('usage', 'a certificate cannot end before it begins');
  const serial = new Uint8Array(randomBytes(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const subject = commonName(name);
  const body = sequence(
    tlv(contextTag(0), integer(2)),
    tlv(TAG.integer, serial),
    ECDSA_SHA256,
    subject,
    sequence(encodeTime(notBefore), encodeTime(notAfter)),
    subject,
    p256Spki(key),
    tlv(contextTag(3), extensions(sha256(uncompressedPoint(key)).slice(0, 20))),
  );
  return signBody(body, key);
}

/**
 * Why two parties' certificates cannot stand in one contract, or null. Besides equal keys: equal issuer and serial number
 * (a SignerInfo names its certificate by these), and equal subject with equal or missing key identifier (path builders that
 * look issuers up by name, OpenSSL's among them, could take one self-signed certificate for the other).
 */
export function certificateConflict(a: Certificate, b: Certificate): string | null {
  if (equal(a.hash, b.hash)) return 'the same certificate';
  if (a.point !== null && b.point !== null && equal(a.point, b.point)) return 'the same key';
  if (equal(a.issuerDer, b.issuerDer) && equal(a.serialDer, b.serialDer)) return 'the same issuer and serial number';
  const ids = [a.subjectKeyId, b.subjectKeyId];
  if (equal(a.subjectDer, b.subjectDer) && (ids[0] == null || ids[1] == null || equal(ids[0], ids[1])))
    return 'the same name and key identifier';
  return null;
}
