/**
 * The verdict on the evidence of a contract: signed by both parties, or, in affidavit mode, stated by the arbiter. Guarantee: good
 * only if all that the document names signed these bytes, each with the certificate named, at one time before the deadline.
 */
import { sha256 } from '../crypto/hash.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { parseStatement, verifyAffidavit } from '../exchange/affidavit.ts';
import { verifyAnswer } from '../exchange/answers.ts';
import type { Document } from '../exchange/document.ts';
import { arbiterIn } from '../exchange/terms.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { buildEvidence, type EvidenceFile } from './bundle.ts';
import { checkKnown, checkLog, problemOf, readDocument, signerOf } from './checks.ts';
import { checkRecord, partiesIn } from './parties.ts';
import { type Parts, partsOf } from './parts.ts';
import { type EvidenceKind, refuse, type Verdict, type VerdictSigner, type VerifyOptions } from './verdict.ts';

function verifySigners(document: Document, parts: Parts, options: VerifyOptions): readonly VerdictSigner[] {
  const { proof } = parts;
  const content = proof.kind === 'contract' ? document.digest : sha256(proof.text);
  const cms = verifySignedData(proof.p7s, content);
  if (!cms.ok) refuse(cms.code, `the signature file: ${cms.message}`);
  const { parties } = document.terms;
  const expected = proof.kind === 'contract' ? parties : [{ ...arbiterIn(document.terms), role: 'arbiter' }];
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
  if (arbiterIn(document.terms).mode !== 'affidavit') refuse('wrong-mode', 'the document does not allow an affidavit');
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

export function judgeContract(base: Verdict, parts: Parts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: parts.proof.kind, document: toHex(sha256(parts.document)) };
  try {
    const document = readDocument(parts.document, 'a contract');
    if (document.terms.format !== 'contract/1') refuse('bad-document', 'the document is not a contract but a note');
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

/** What no other kind claims is read as a contract. */
export const CONTRACT: EvidenceKind = {
  is: () => true,
  judge(base, files, options) {
    const parts = partsOf(files);
    return { verdict: judgeContract(base, parts, options), made: () => rebuild(parts) };
  },
};
