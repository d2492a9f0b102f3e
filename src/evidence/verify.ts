/**
 * The authority on evidence (DESIGN §8): says of an `.asics` container, of the files of a folder or of a plain signature with
 * its document whether it is a contract, who signed it, and what is wrong first. Offline, without keys, home or daemon.
 *
 * Guarantees: input of any kind gives a verdict, never an exception; `ok` only if both parties that the document names signed
 * these bytes, each with the certificate named, at one time before the deadline, valid at that time, and nothing in the
 * evidence differs from what it must be.
 */
import { sha256 } from '../crypto/hash.ts';
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { buildChain } from '../crypto/pki/chain.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { parseStatement, verifyAffidavit } from '../exchange/affidavit.ts';
import { verifyAnswer } from '../exchange/answers.ts';
import { asDescribed, type Parties } from '../exchange/contract.ts';
import { type Document, exchangeTerms, parseDocument } from '../exchange/document.ts';
import type { LogEntry } from '../exchange/log.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { isFitError, PeerFault } from '../lib/errors.ts';
import { readAsics, writeAsics } from './asics.ts';
import { buildEvidence, type EvidenceFile, type Proof } from './bundle.ts';
import { fileOf, type Parts, partsOf } from './parts.ts';
import {
  type Known,
  NOTHING,
  Refused,
  refuse,
  type Verdict,
  type VerdictSigner,
  type VerifyOptions,
} from './verdict.ts';

export type { Known, Verdict, VerdictSigner, VerifyOptions } from './verdict.ts';

function readDocument(bytes: Uint8Array): Document {
  try {
    return parseDocument(bytes);
  } catch (error) {
    if (isFitError(error)) refuse('bad-document', `the document is not a contract: ${error.message}`);
    throw error;
  }
}

function howKnown(leaf: Certificate, at: number, parts: Parts, options: VerifyOptions): Known {
  const roots = (options.roots ?? []).map((der) => trusted(der));
  const crls = options.crls ?? [];
  // Whatever vouches for it, the certificate must have been valid and not known to be revoked.
  const own = buildChain(leaf, [...parts.certificates, ...roots], [leaf], { at, crls });
  if (!own.ok) refuse(own.code, `the certificate of a signer: ${own.message}`);
  if (roots.some((root) => equal(root.hash, leaf.hash))) return 'pinned';
  if (roots.length === 0) return 'embedded';
  const issued = buildChain(leaf, parts.certificates, roots, { at, crls });
  if (issued.ok) return 'ca';
  // No path at all says nothing about the signer; a path that fails does.
  return issued.code === 'no-root' ? 'embedded' : refuse(issued.code, `the certificate of a signer: ${issued.message}`);
}

function trusted(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof PeerFault) refuse('bad-root', 'a certificate that was given as trusted cannot be read');
    throw error;
  }
}

function verifySigners(document: Document, parts: Parts, options: VerifyOptions): readonly VerdictSigner[] {
  const { proof } = parts;
  const content = proof.kind === 'contract' ? document.digest : sha256(proof.text);
  const cms = verifySignedData(proof.p7s, content);
  if (!cms.ok) refuse(cms.code, `the signature file: ${cms.message}`);
  const { parties, arbiter } = document.terms;
  const expected = proof.kind === 'contract' ? parties : [{ ...arbiter, role: 'arbiter' }];
  const found = expected.map((party) => {
    const signer = cms.signers.find((one) => equal(one.certificate.hash, party.certificate));
    if (signer === undefined) refuse('wrong-signers', 'somebody whom the document names has not signed it');
    return { party, signer };
  });
  if (cms.signers.length !== expected.length) refuse('wrong-signers', 'somebody else signed it too');
  const [first] = cms.signers;
  for (const { signingTime } of cms.signers) {
    if (signingTime !== first?.signingTime) refuse('signing-times', 'the parties did not sign for the same time');
    if (signingTime >= document.terms.notAfter) refuse('too-late', 'signed after the deadline of the document');
  }
  return found.map(({ party, signer }) => {
    const { certificate, signingTime } = signer;
    const known = howKnown(certificate, options.at ?? signingTime, parts, options);
    return {
      name: party.name,
      subject: certificate.subject,
      role: party.role,
      fingerprint: toHex(certificate.hash),
      signingTime: isoTime(signingTime),
      known,
    };
  });
}

/** Whether the record is the one that the document describes, whatever its originator chose freely. */
function checkRecord(document: Document, record: ExchangeRecord): void {
  if (!equal(encodeRecord(asDescribed(record, exchangeTerms(document))), encodeRecord(record)))
    refuse('wrong-record', 'the record of the exchange is not that of the document');
}

function partiesOf(document: Document, record: ExchangeRecord, parts: Parts): Parties {
  const find = (hash: Uint8Array) =>
    parts.certificates.find((one) => equal(one.hash, hash)) ??
    refuse('bad-certificates', 'the certificate of somebody whom the document names is missing');
  const { arbiter } = document.terms;
  return {
    O: { certificate: find(record.originator), verifier: record.verifierO },
    R: { certificate: find(record.responder), verifier: record.verifierR },
    // The arbiter's KEM key has done its work; no check below needs it.
    T: { certificate: find(arbiter.certificate), kem: new Uint8Array(32), terms: arbiter.terms },
  };
}

function verifyStatement(document: Document, parts: Parts): void {
  if (parts.proof.kind !== 'affidavit') return;
  if (document.terms.arbiter.mode !== 'affidavit') refuse('wrong-mode', 'the document does not allow an affidavit');
  const { text, p7s } = parts.proof;
  const { record } = parseStatement(text);
  checkRecord(document, record);
  const { O, R, T } = partiesOf(document, record, parts);
  const certificates = { O: O.certificate, R: R.certificate, T: T.certificate };
  verifyAffidavit({ text, signature: p7s }, document.digest, certificates);
}

/** An answer of the arbiter that is carried along must be its own and lead to this proof. */
function verifyArbiterAnswer(document: Document, parts: Parts): void {
  if (parts.answer === null) return;
  const { record, bytes } = parts.answer;
  checkRecord(document, record);
  const answer = verifyAnswer(record, partiesOf(document, record, parts), bytes);
  const proven =
    answer.kind === 'resolved' ? answer.contract : answer.kind === 'affidavit' ? answer.affidavit.signature : null;
  if (proven === null || !equal(proven, parts.proof.p7s) || (answer.kind === 'resolved' && !answer.signed))
    refuse('wrong-answer', "the arbiter's answer is not about this contract, or not signed by it");
}

function checkAttachments(document: Document, attachments: readonly EvidenceFile[]): void {
  for (const { name, data } of attachments) {
    const listed = document.terms.attachments.find((one) => one.name === name);
    if (listed === undefined) refuse('altered', 'an attachment that the document does not list');
    if (listed.size !== data.length || !equal(listed.sha256, sha256(data)))
      refuse('altered', 'an attachment is not the one that the document lists');
  }
}

function verifyLog(document: Document, log: readonly LogEntry[]): void {
  const offered = log.some(
    ({ by, payload }) =>
      equal(by, document.terms.parties[0].certificate) &&
      payload.some((value) => value instanceof Uint8Array && equal(value, document.digest)),
  );
  if (log.some((entry) => entry.deal !== document.terms.deal)) refuse('bad-log', 'the log is of another deal');
  if (!offered) refuse('bad-log', 'the log does not contain the offer of this document');
}

function judge(base: Verdict, parts: Parts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: parts.proof.kind, document: toHex(sha256(parts.document)) };
  try {
    const document = readDocument(parts.document);
    const { title, deal, attachments } = document.terms;
    const carried = new Set(parts.attachments.map((file) => file.name));
    const missing = attachments.map((file) => file.name).filter((name) => !carried.has(name));
    verdict = { ...verdict, title, deal, missing: base.type === 'p7s' ? [] : missing };
    const signers = verifySigners(document, parts, options);
    verifyStatement(document, parts);
    verifyArbiterAnswer(document, parts);
    checkAttachments(document, parts.attachments);
    verdict = { ...verdict, signers };
    if (parts.log !== null) {
      verifyLog(document, parts.log);
      verdict = { ...verdict, log: parts.log.length };
    }
    const enough: readonly Known[] = options.require === 'pinned' ? ['pinned'] : ['pinned', 'ca'];
    if (options.require !== undefined && signers.some((signer) => !enough.includes(signer.known)))
      refuse('not-known', `a signer is not known as ${options.require === 'pinned' ? 'pinned' : 'pinned or by a ca'}`);
    return { ...verdict, ok: true };
  } catch (error) {
    return { ...verdict, problem: problemOf(error) };
  }
}

function problemOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof Refused || error instanceof PeerFault) return { code: error.code, message: error.message };
  if (isFitError(error)) return { code: error.code, message: error.message };
  throw error;
}

/** Whether the evidence is what its own contents make: no other file, no other order, no other text. */
function checkFiles(files: readonly EvidenceFile[], container: Uint8Array | null, parts: Parts): void {
  const { document, proof, log, attachments, answer } = parts;
  const made = buildEvidence({
    document,
    proof,
    certificates: parts.certificates.map((one) => one.der),
    attachments,
    ...(log === null ? {} : { log }),
    ...(answer === null ? {} : { answer }),
  });
  for (const { name, data } of made) {
    const found = fileOf(files, name);
    if (found === undefined || !equal(found, data)) refuse('altered', `${name} is not what it must be`);
  }
  if (made.length !== files.length) refuse('altered', 'there are files that do not belong to the evidence');
  if (container !== null && !equal(writeAsics(made), container)) refuse('altered', 'the container is altered');
}

/** The verdict on the files of a folder, by their names in it (those in `FILE`, and attachments). */
export function verifyFiles(files: readonly EvidenceFile[], options: VerifyOptions = {}): Verdict {
  return verifyAll({ ...NOTHING, type: 'files' }, files, null, options);
}

function verifyAll(
  base: Verdict,
  files: readonly EvidenceFile[],
  container: Uint8Array | null,
  options: VerifyOptions,
): Verdict {
  try {
    const parts = partsOf(files);
    const verdict = judge(base, parts, options);
    if (!verdict.ok) return verdict;
    try {
      checkFiles(files, container, parts);
    } catch (error) {
      return { ...verdict, ok: false, problem: problemOf(error) };
    }
    return verdict;
  } catch (error) {
    return { ...base, problem: problemOf(error) };
  }
}

/** The verdict on a file: a container, or a signature with `options.content`. */
export function verifyEvidence(bytes: Uint8Array, options: VerifyOptions = {}): Verdict {
  const problem = (code: string, message: string) => ({ problem: { code, message } });
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    const base: Verdict = { ...NOTHING, type: 'asics' };
    const files = readAsics(bytes);
    return files === null
      ? { ...base, ...problem('altered', 'the container is incomplete or altered') }
      : verifyAll(base, files, bytes, options);
  }
  if (bytes[0] !== 0x30)
    return { ...NOTHING, ...problem('unknown-type', 'neither evidence of a deal nor a signature') };
  const base: Verdict = { ...NOTHING, type: 'p7s' };
  const { content } = options;
  if (content === undefined)
    return { ...base, ...problem('no-content', 'a signature alone proves nothing: the signed document is needed') };
  const proof: Proof = { kind: 'contract', p7s: bytes };
  const parts: Parts = { document: content, proof, certificates: [], log: null, attachments: [], answer: null };
  return judge(base, parts, options);
}
