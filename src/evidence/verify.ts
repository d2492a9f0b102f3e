/**
 * The authority on evidence (DESIGN §8): says of an `.asics` container, of the files of a folder or of a plain signature with
 * its document whether it is a contract or a delivery, who signed it, and what is wrong first. Offline, without keys, home or daemon.
 *
 * Guarantees: input of any kind gives a verdict, never an exception; `ok` only if both parties that the document names signed
 * these bytes, each with the certificate named, at one time before the deadline, valid at that time, and nothing in the
 * evidence differs from what it must be.
 */
import { sha256 } from '../crypto/hash.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { parseStatement, verifyAffidavit } from '../exchange/affidavit.ts';
import { verifyAnswer } from '../exchange/answers.ts';
import type { Document } from '../exchange/document.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { readAsics, writeAsics } from './asics.ts';
import { buildEvidence, type EvidenceFile, FILE, type Proof } from './bundle.ts';
import { checkKnown, checkLog, problemOf, readDocument, signerOf } from './checks.ts';
import { checkRecord, partiesIn } from './parties.ts';
import { fileOf, type Parts, partsOf } from './parts.ts';
import { NOTHING, refuse, type Verdict, type VerdictSigner, type VerifyOptions } from './verdict.ts';
import { deliveryParts, isDelivery, judgeDelivery, rebuildDelivery } from './verify-delivery.ts';

export type { Known, Verdict, VerdictFile, VerdictSigner, VerifyOptions } from './verdict.ts';

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
    return signerOf(party, certificate, signingTime, parts.certificates, options);
  });
}

function verifyStatement(document: Document, parts: Parts): void {
  if (parts.proof.kind !== 'affidavit') return;
  if (document.terms.arbiter.mode !== 'affidavit') refuse('wrong-mode', 'the document does not allow an affidavit');
  const { text, p7s } = parts.proof;
  const { record } = parseStatement(text);
  checkRecord(document, record);
  const { O, R, T } = partiesIn(document, record, parts.certificates);
  const certificates = { O: O.certificate, R: R.certificate, T: T.certificate };
  verifyAffidavit({ text, signature: p7s }, document.digest, certificates);
}

/** An answer of the arbiter that is carried along must be its own and lead to this proof. */
function verifyArbiterAnswer(document: Document, parts: Parts): void {
  if (parts.answer === null) return;
  const { record, bytes } = parts.answer;
  checkRecord(document, record);
  const answer = verifyAnswer(record, partiesIn(document, record, parts.certificates), bytes);
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

function judge(base: Verdict, parts: Parts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: parts.proof.kind, document: toHex(sha256(parts.document)) };
  try {
    const document = readDocument(parts.document, 'a contract');
    if (document.terms.content !== null) refuse('bad-document', 'the document is not a contract but a delivery note');
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
      checkLog(document, parts.log);
      verdict = { ...verdict, log: parts.log.length };
    }
    checkKnown(signers, options.require);
    return { ...verdict, ok: true };
  } catch (error) {
    return { ...verdict, problem: problemOf(error) };
  }
}

/** The files of a contract's evidence as they follow from its parts. */
function rebuild({ document, proof, certificates, attachments, log, answer }: Parts): readonly EvidenceFile[] {
  return buildEvidence({
    document,
    proof,
    certificates: certificates.map((one) => one.der),
    attachments,
    ...(log === null ? {} : { log }),
    ...(answer === null ? {} : { answer }),
  });
}

/** Whether the evidence is what its own contents make: no other file, no other order, no other text. */
function checkFiles(files: readonly EvidenceFile[], container: Uint8Array | null, made: readonly EvidenceFile[]): void {
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
    if (fileOf(files, FILE.swap) !== undefined)
      refuse('not-judged', 'this is the evidence of a swap: its README.txt says how openssl checks it');
    let verdict: Verdict;
    let made: () => readonly EvidenceFile[];
    if (isDelivery(files)) {
      const parts = deliveryParts(files);
      verdict = judgeDelivery(base, parts, options);
      made = () => rebuildDelivery(parts);
    } else {
      const parts = partsOf(files);
      verdict = judge(base, parts, options);
      made = () => rebuild(parts);
    }
    if (!verdict.ok) return verdict;
    try {
      checkFiles(files, container, made());
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
