/**
 * Credentials as content: a certificate, or a token (access token, ticket, licence key). The manager of a credential says what
 * it is before it is offered, and after it was opened whether it is that.
 *
 * Guarantees: what the text says of a certificate is read from the certificate; one that ends before the arbiter's help does is
 * not offered and not accepted, so none expires between promise and release; a token is one short text and nothing is known of
 * it but its digest. What an arbiter can do for a credential is what it can for any content: hand out its key, void it.
 */
import { sha256 } from '../crypto/hash.ts';
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { fromPem } from '../crypto/pki/pem.ts';
import { equal, fromUtf8 } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { isPlainLine } from '../lib/lint.ts';

export const CREDENTIAL_KINDS = ['certificate', 'token'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

export interface CredentialTerms {
  readonly kind: CredentialKind;
  /** Of a certificate: subject, SHA-256 of its DER, end of its validity in seconds. */
  readonly certificate: {
    readonly subject: string;
    readonly fingerprint: Uint8Array;
    readonly validUntil: number;
  } | null;
}

export const MAX_CREDENTIAL_BYTES = 64 * 1024;
const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_SUBJECT = 160;

/** What the bytes of a file are as a credential. Throws `FitError('bad-file')`. */
export function describeCredential(bytes: Uint8Array): CredentialTerms {
  const bad = (message: string, cause?: unknown): FitError => new FitError('bad-file', message, { cause });
  if (bytes.length > MAX_CREDENTIAL_BYTES) throw bad('a credential has at most 64 KiB');
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch (error) {
    throw bad('a credential is a text: a certificate as PEM, or a token', error);
  }
  if (!text.includes('-----BEGIN ')) {
    if (text.trim() === '' || bytes.length > MAX_TOKEN_BYTES) throw bad('a token is a text of at most 16 KiB');
    return { kind: 'token', certificate: null };
  }
  if (/PRIVATE KEY-----/.test(text)) throw bad('this holds a private key: give a certificate, and never a key');
  try {
    const [leaf] = fromPem(text, 'CERTIFICATE').map(parseCertificate);
    if (leaf === undefined) throw bad('there is no certificate in it');
    const subject = isPlainLine(leaf.subject, MAX_SUBJECT) ? leaf.subject : 'a subject that cannot be shown';
    return {
      kind: 'certificate',
      certificate: { subject, fingerprint: sha256(leaf.der), validUntil: leaf.notAfter },
    };
  } catch (error) {
    if (error instanceof FitError) throw error;
    throw bad('not a certificate that can be read', error);
  }
}

/** Whether the opened bytes are the credential that the text describes. */
export function isCredential(bytes: Uint8Array, terms: CredentialTerms): boolean {
  try {
    const found = describeCredential(bytes);
    const [one, other] = [found.certificate, terms.certificate];
    if (found.kind !== terms.kind) return false;
    if (one === null || other === null) return one === other;
    return (
      one.subject === other.subject && one.validUntil === other.validUntil && equal(one.fingerprint, other.fingerprint)
    );
  } catch (error) {
    if (error instanceof FitError) return false;
    throw error;
  }
}

/** Throws `FitError('wrong-state')` for a certificate that ends before `notAfter` (seconds), the end of the arbiter's help. */
export function checkValidity(terms: CredentialTerms | null, notAfter: number): void {
  if (terms?.certificate == null || terms.certificate.validUntil >= notAfter) return;
  throw new FitError('wrong-state', 'the certificate that is given ends before the arbiter’s help does', {
    hint: 'give one that is valid for longer; nothing was signed',
  });
}
