/**
 * X.509 attribute certificates, version 2 (RFC 5755), parsed strictly: what an issuer says of a holder, for a time. Guarantee: what
 * is returned is what the bytes say; whether the issuer may say so, and what its attributes mean, is for whoever relies on it.
 */
import { equal, toHex } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import { sha256 } from '../hash.ts';
import type { Certificate } from './certificate.ts';
import { assertDer, contextTag, type DerReader, malformed, readAll, TAG } from './der.ts';
import { readExtensions } from './extensions.ts';
import { nameText } from './name.ts';
import { readSigned, type Signed, verifySigned } from './signature.ts';
import { readGeneralizedTime } from './time.ts';

export const ATTRIBUTE_CERTIFICATE_MAX_BYTES = 16 * 1024;
const MAX_ATTRIBUTES = 64;
const SERIAL_MAX_BYTES = 21;

export interface AttributeCertificate {
  /** SHA-256 of its DER. */
  readonly hash: Uint8Array;
  /** Who has the attributes: a name, or serial number and issuer of a certificate. Untrusted text. */
  readonly holder: string;
  /** Untrusted text. */
  readonly issuer: string;
  readonly issuerDer: Uint8Array;
  /** SHA-256 of the attributes, as they are encoded. */
  readonly attributes: Uint8Array;
  /** Seconds since 1970, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly signed: Signed;
}

const DIRECTORY_NAME = contextTag(4);

/** The one directoryName that GeneralNames have to be here (RFC 5755 §4.2): its DER. */
function directoryName(names: DerReader, what: string): Uint8Array {
  const choice = names.enter(DIRECTORY_NAME, what);
  const name = choice.whole(TAG.sequence, what);
  choice.end(what);
  names.end(what);
  nameText(name); // its structure is checked as well
  return name;
}

function readSerial(reader: DerReader): string {
  const content = reader.integer(SERIAL_MAX_BYTES, 'serial number');
  if ((content[0] ?? 0) >= 0x80) malformed('serial number: negative');
  return toHex(content);
}

/** By one of the two forms that name somebody; a digest of an object names nobody. */
function readHolder(holder: DerReader): string {
  if (holder.tag === contextTag(0)) {
    const base = holder.enter(contextTag(0), 'holder');
    const issuer = nameText(directoryName(base.enter(TAG.sequence, 'holder'), 'holder'));
    const serial = readSerial(base);
    base.end('holder');
    if (holder.done) return `certificate ${serial} of ${issuer}`;
  }
  const name = nameText(directoryName(holder.enter(contextTag(1), 'holder'), 'holder'));
  holder.end('holder');
  return name;
}

function readAttributes(list: Uint8Array): void {
  readAll(list, TAG.sequence, 'attributes', (attributes) => {
    let count = 0;
    while (!attributes.done) {
      count += 1;
      if (count > MAX_ATTRIBUTES) malformed('attributes: too many');
      const attribute = attributes.enter(TAG.sequence, 'attribute');
      attribute.oid('attribute type');
      const values = attribute.enter(TAG.set, 'attribute values');
      if (values.done) malformed('attribute: without a value');
      while (!values.done) values.whole(undefined, 'attribute value');
      attribute.end('attribute');
    }
    if (count === 0) malformed('attributes: none');
  });
}

/** Throws PeerFault: 'oversized' above 16 KiB, else 'malformed'. */
export function parseAttributeCertificate(der: Uint8Array): AttributeCertificate {
  const what = 'attribute certificate';
  if (der.length > ATTRIBUTE_CERTIFICATE_MAX_BYTES) throw new PeerFault('oversized', `${what}: more than 16 KiB`);
  assertDer(der, what);
  const signed = readAll(der, TAG.sequence, what, (inner) => readSigned(inner, what));
  return readAll(signed.body, TAG.sequence, what, (body) => {
    if (body.smallInteger(`${what} version`) !== 1) malformed(`${what}: not version 2`);
    const holder = readHolder(body.enter(TAG.sequence, 'holder'));
    const form = body.enter(contextTag(0), 'issuer');
    const issuerDer = directoryName(form.enter(TAG.sequence, 'issuer'), 'issuer');
    form.end('issuer');
    if (!equal(body.whole(TAG.sequence, 'algorithm'), signed.algorithm)) malformed(`${what}: two algorithms`);
    readSerial(body);
    const validity = body.enter(TAG.sequence, 'validity');
    const notBefore = readGeneralizedTime(validity, 'notBefore');
    const notAfter = readGeneralizedTime(validity, 'notAfter');
    validity.end('validity');
    if (notAfter < notBefore) malformed(`${what}: it ends before it begins`);
    const attributes = body.whole(TAG.sequence, 'attributes');
    readAttributes(attributes);
    if (body.tag === TAG.bitString) body.whole(TAG.bitString, 'unique identifier');
    if (!body.done) readExtensions(body.enter(TAG.sequence, 'extensions'), 'extension');
    const issuer = nameText(issuerDer);
    const known = { hash: sha256(der), attributes: sha256(attributes) };
    return { ...known, holder, issuer, issuerDer, notBefore, notAfter, signed };
  });
}

/** Whether it is signed by the key of this certificate, which has the issuer's name. */
export function isAttributeCertificateOf(one: AttributeCertificate, issuer: Certificate): boolean {
  return equal(one.issuerDer, issuer.subjectDer) && verifySigned(one.signed, issuer.publicKey);
}
