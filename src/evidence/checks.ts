/** Checks that evidence of every kind passes. Each throws `Refused` for what is wrong. */
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { buildChain } from '../crypto/pki/chain.ts';
import { type Document, parseDocument } from '../exchange/document.ts';
import type { LogEntry } from '../exchange/log.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { isFitError, PeerFault } from '../lib/errors.ts';
import { type Known, Refused, refuse, type VerdictSigner, type VerifyOptions } from './verdict.ts';

/** `what`: as the message calls it, `a contract`. */
export function readDocument(bytes: Uint8Array, what: string): Document {
  try {
    return parseDocument(bytes);
  } catch (error) {
    if (isFitError(error)) refuse('bad-document', `the document is not ${what}: ${error.message}`);
    throw error;
  }
}

function trusted(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof PeerFault) refuse('bad-root', 'a certificate that was given as trusted cannot be read');
    throw error;
  }
}

function howKnown(leaf: Certificate, at: number, certificates: readonly Certificate[], options: VerifyOptions): Known {
  const roots = (options.roots ?? []).map((der) => trusted(der));
  const crls = options.crls ?? [];
  // Whatever vouches for it, the certificate must have been valid and not known to be revoked.
  const own = buildChain(leaf, [...certificates, ...roots], [leaf], { at, crls });
  if (!own.ok) refuse(own.code, `the certificate of a signer: ${own.message}`);
  if (roots.some((root) => equal(root.hash, leaf.hash))) return 'pinned';
  if (roots.length === 0) return 'embedded';
  const issued = buildChain(leaf, certificates, roots, { at, crls });
  if (issued.ok) return 'ca';
  // No path at all says nothing about the signer; a path that fails does.
  return issued.code === 'no-root' ? 'embedded' : refuse(issued.code, `the certificate of a signer: ${issued.message}`);
}

/** What the verdict says of a signer, its certificate checked. `signingTime` in seconds. */
export function signerOf(
  party: { readonly name: string; readonly role: string },
  certificate: Certificate,
  signingTime: number,
  certificates: readonly Certificate[],
  options: VerifyOptions,
): VerdictSigner {
  return {
    name: party.name,
    subject: certificate.subject,
    role: party.role,
    fingerprint: toHex(certificate.hash),
    signingTime: isoTime(signingTime),
    known: howKnown(certificate, options.at ?? signingTime, certificates, options),
  };
}

export function checkKnown(signers: readonly VerdictSigner[], require: VerifyOptions['require']): void {
  const enough: readonly Known[] = require === 'pinned' ? ['pinned'] : ['pinned', 'ca'];
  if (require !== undefined && signers.some((signer) => !enough.includes(signer.known)))
    refuse('not-known', `a signer is not known as ${require === 'pinned' ? 'pinned' : 'pinned or by a ca'}`);
}

export function checkLog(document: Document, log: readonly LogEntry[]): void {
  const offered = log.some(
    ({ by, payload }) =>
      equal(by, document.terms.parties[0].certificate) &&
      payload.some((value) => value instanceof Uint8Array && equal(value, document.digest)),
  );
  if (log.some((entry) => entry.deal !== document.terms.deal)) refuse('bad-log', 'the log is of another deal');
  if (!offered) refuse('bad-log', 'the log does not contain the offer of this document');
}

/** What was thrown about the evidence, as the verdict says it; anything else is thrown on. */
export function problemOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof Refused || error instanceof PeerFault) return { code: error.code, message: error.message };
  if (isFitError(error)) return { code: error.code, message: error.message };
  throw error;
}
