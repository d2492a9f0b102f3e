/**
 * Credentials as content: a certificate, an attribute certificate, or a short text (access token, ticket, licence key). The manager
 * of a credential says what it is before it is offered, and after it was opened whether it is that.
 *
 * Guarantees: what the text says of a certificate is read from the certificate; one that ends before the arbiter's help does is
 * not offered and not accepted, so none expires between promise and release; an attribute certificate beside its issuer's has
 * that issuer's signature; of a text nothing is said that it does not say itself, and no signature in it is checked. What an
 * arbiter can do for a credential is what it can for any content: hand out its key, void it.
 */
import { isAttributeCertificateOf, parseAttributeCertificate } from '../crypto/pki/attribute-certificate.ts';
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { pemBlocks } from '../crypto/pki/pem.ts';
import { equal, fromBase64Url, fromUtf8, toHex } from '../lib/bytes.ts';
import { encode } from '../lib/cbor.ts';
import { isoTime } from '../lib/clock.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import { isPlainLine } from '../lib/lint.ts';

export const TEXT_KINDS = ['token', 'ticket', 'licence'] as const;
/** Kinds that only their owner can tell apart. */
export type TextKind = (typeof TEXT_KINDS)[number];
export const CREDENTIAL_KINDS = ['certificate', 'attribute-certificate', ...TEXT_KINDS] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

export interface CredentialTerms {
  readonly kind: CredentialKind;
  /** Of a certificate: subject (the holder of attributes), SHA-256 of its DER, end of its validity in seconds. */
  readonly certificate: {
    readonly subject: string;
    readonly fingerprint: Uint8Array;
    readonly validUntil: number;
  } | null;
  /** Of an attribute certificate besides: who says so, SHA-256 of what is said, and of the issuer's certificate beside it. */
  readonly attributes?: {
    readonly issuer: string;
    readonly digest: Uint8Array;
    readonly validFrom: number;
    readonly issuerFingerprint: Uint8Array | null;
  };
  /** Of a ticket that is a JSON Web Token: its own `nbf` and `exp` in seconds, as far as it has them. */
  readonly times?: { readonly validFrom: number | null; readonly validUntil: number | null };
}

export const MAX_CREDENTIAL_BYTES = 64 * 1024;
const MAX_TEXT_BYTES = 16 * 1024;
const MAX_LICENCE = 1024;
const MAX_SUBJECT = 160;
const MAX_CERTIFICATES = 5;

const bad = (message: string, cause?: unknown): FitError => new FitError('bad-file', message, { cause });

/** A name from a certificate, as it may stand in a text. */
const shown = (name: string): string => (isPlainLine(name, MAX_SUBJECT) ? name : 'a name that cannot be shown');

function describeCertificate({ subject, hash, notAfter }: Certificate): CredentialTerms {
  return { kind: 'certificate', certificate: { subject: shown(subject), fingerprint: hash, validUntil: notAfter } };
}

/** With its issuer's certificate beside it, it has to be signed with that. */
function describeAttributes(der: Uint8Array, beside: readonly Uint8Array[]): CredentialTerms {
  const one = parseAttributeCertificate(der);
  const issuers = beside.map(parseCertificate).filter((each) => equal(each.subjectDer, one.issuerDer));
  const issuer = issuers.find((each) => isAttributeCertificateOf(one, each));
  if (issuer === undefined && issuers.length > 0)
    throw bad('the attribute certificate is not signed with the certificate of its issuer that stands beside it');
  return {
    kind: 'attribute-certificate',
    certificate: { subject: shown(one.holder), fingerprint: one.hash, validUntil: one.notAfter },
    attributes: {
      issuer: shown(one.issuer),
      digest: one.attributes,
      validFrom: one.notBefore,
      issuerFingerprint: issuer?.hash ?? null,
    },
  };
}

function describePem(text: string): CredentialTerms {
  if (/PRIVATE KEY-----/.test(text)) throw bad('this holds a private key: give a certificate, and never a key');
  try {
    const blocks = pemBlocks(text);
    const [one, ...more] = blocks.filter(({ label }) => label === 'ATTRIBUTE CERTIFICATE');
    const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ der }) => der);
    if (certificates.length > MAX_CERTIFICATES) throw bad(`more than ${MAX_CERTIFICATES} certificates`);
    if (more.length > 0) throw bad('more than one attribute certificate: each is a credential of its own');
    if (one !== undefined) return describeAttributes(one.der, certificates);
    const [leaf] = certificates.map(parseCertificate);
    if (leaf === undefined) throw bad('there is no certificate in it');
    return describeCertificate(leaf);
  } catch (error) {
    if (error instanceof PeerFault) throw bad('not a certificate that can be read', error);
    throw error;
  }
}

function jsonPart(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(fromUtf8(fromBase64Url(part)));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

/** Seconds up to the last year that can be written, else nothing that could be said; what was before 1970 is over like 1970. */
const timeOf = (value: unknown): number | null =>
  typeof value === 'number' && value < 253_402_300_800 ? Math.max(0, Math.floor(value)) : null;

/** What a signed JSON Web Token (RFC 7519) says of its own time; null for another text, and for one that says nothing. */
function jwtTimes(text: string): NonNullable<CredentialTerms['times']> | null {
  const [, header = '', payload = ''] = /^([\w-]+)\.([\w-]+)\.[\w-]+\s*$/.exec(text) ?? [];
  const [head, claims] = [jsonPart(header), jsonPart(payload)];
  if (typeof head?.alg !== 'string' || claims === null) return null;
  const times = { validFrom: timeOf(claims.nbf), validUntil: timeOf(claims.exp) };
  return times.validFrom === null && times.validUntil === null ? null : times;
}

function describeText(text: string, kind: TextKind): CredentialTerms {
  if (text.trim() === '') throw bad(`a ${kind} is not empty`);
  if (kind === 'licence' && !isPlainLine(text.replace(/\r?\n$/, ''), MAX_LICENCE))
    throw bad(`a licence key is one plain line of at most ${MAX_LICENCE} characters`);
  const times = kind === 'ticket' ? jwtTimes(text) : null;
  return { kind, certificate: null, ...(times === null ? {} : { times }) };
}

/**
 * What the bytes of a file are as a credential. `as`: what a text is, which cannot be seen from it (a token, if nothing is said).
 * Throws `FitError('bad-file')`.
 */
export function describeCredential(bytes: Uint8Array, as?: TextKind): CredentialTerms {
  if (bytes.length > MAX_CREDENTIAL_BYTES) throw bad('a credential has at most 64 KiB');
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch (error) {
    throw bad('a credential is a text: a certificate as PEM, a token, a ticket or a licence key', error);
  }
  if (text.includes('-----BEGIN ')) {
    if (as !== undefined) throw bad(`this is a certificate, or a key, and no ${as}`);
    return describePem(text);
  }
  const kind = as ?? 'token';
  if (bytes.length > MAX_TEXT_BYTES) throw bad(`a ${kind} is a text of at most 16 KiB`);
  return describeText(text, kind);
}

/** What a text is called in its terms; undefined for what is seen from the bytes. */
export const textKindOf = ({ kind }: Pick<CredentialTerms, 'kind'>): TextKind | undefined =>
  TEXT_KINDS.find((one) => one === kind);

/** All that is said of it, in one encoding. */
function encoded({ kind, certificate, attributes, times }: CredentialTerms): Uint8Array {
  return encode([
    kind,
    certificate === null ? null : [certificate.subject, certificate.fingerprint, certificate.validUntil],
    attributes === undefined
      ? null
      : [attributes.issuer, attributes.digest, attributes.validFrom, attributes.issuerFingerprint],
    times === undefined ? null : [times.validFrom, times.validUntil],
  ]);
}

/** Whether the opened bytes are the credential that the text describes. */
export function isCredential(bytes: Uint8Array, terms: CredentialTerms): boolean {
  try {
    return equal(encoded(describeCredential(bytes, textKindOf(terms))), encoded(terms));
  } catch (error) {
    if (error instanceof FitError) return false;
    throw error;
  }
}

/** Throws `FitError('wrong-state')` for one that ends before `notAfter` (seconds), the end of the arbiter's help. */
export function checkValidity(terms: CredentialTerms | null, notAfter: number, last = 'the arbiter’s help does'): void {
  const end = terms?.certificate?.validUntil ?? terms?.times?.validUntil ?? null;
  if (end === null || end >= notAfter) return;
  const what = terms?.certificate === null ? 'ticket' : 'certificate';
  throw new FitError('wrong-state', `the ${what} that is given ends before ${last}`, {
    hint: 'give one that is valid for longer; nothing was signed',
  });
}

/** A credential as JSON shows it: hashes in hex, times in ISO 8601, UTC; null where its kind has no such thing. */
export interface CredentialView {
  readonly kind: CredentialKind;
  readonly subject: string | null;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string | null;
  /** Of an attribute certificate, as the two that follow: SHA-256 of the issuer's certificate and of the attributes. */
  readonly issuer: string | null;
  readonly issuerFingerprint: string | null;
  readonly attributes: string | null;
  readonly validFrom: string | null;
  readonly validUntil: string | null;
}

export function credentialView({ kind, certificate, attributes, times }: CredentialTerms): CredentialView {
  const hex = (bytes: Uint8Array | null | undefined): string | null => (bytes == null ? null : toHex(bytes));
  const time = (seconds: number | null | undefined): string | null => (seconds == null ? null : isoTime(seconds));
  return {
    kind,
    subject: certificate?.subject ?? null,
    fingerprint: hex(certificate?.fingerprint),
    issuer: attributes?.issuer ?? null,
    issuerFingerprint: hex(attributes?.issuerFingerprint),
    attributes: hex(attributes?.digest),
    validFrom: time(attributes?.validFrom ?? times?.validFrom),
    validUntil: time(certificate?.validUntil ?? times?.validUntil),
  };
}
