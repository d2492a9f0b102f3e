/**
 * The verdict on the evidence of a transfer. Guarantees: good only if every statement that the note asks for is there, is the
 * very text that the record makes, and is signed by the one who must sign it, alone, with the certificate that the note names,
 * valid at that time; and the record is the one that the note describes. Never good with a proof that the content is wrong: then
 * the verdict says whose signature the proof stands against.
 */
import { sha256 } from '../crypto/hash.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import type { Document } from '../exchange/document.ts';
import {
  decodeTransferRecord,
  provesTransferWrong,
  type TransferRecord,
  type TransferStatement,
  transferText,
} from '../exchange/transfer-record.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { checkKnown, checkLog, problemOf, readDocument, signerOf } from './checks.ts';
import { contentsIn } from './contents.ts';
import { type CommonParts, commonParts, fileOf, neededFile } from './parts.ts';
import { type Signed, signedIn } from './signed.ts';
import { buildTransfer } from './transfer.ts';
import { type EvidenceKind, refuse, type Verdict, type VerdictSigner, type VerifyOptions } from './verdict.ts';

interface Parts extends CommonParts {
  readonly note: Uint8Array;
  readonly record: TransferRecord;
  /** null: not among the files. */
  readonly origin: Signed | null;
  readonly receipt: Signed | null;
  readonly proof: Uint8Array | null;
}

function partsOf(files: readonly EvidenceFile[]): Parts {
  return {
    note: neededFile(files, FILE.transfer),
    record: decodeTransferRecord(neededFile(files, FILE.record)),
    origin: signedIn(files, FILE.origin, FILE.originSignature),
    receipt: signedIn(files, FILE.receipt, FILE.receiptSignature),
    proof: fileOf(files, FILE.proof) ?? null,
    ...commonParts(files),
  };
}

/** Whether the record is the one that the note describes, whatever key and ciphertext its sender chose. */
function checkRecord({ terms, digest }: Document, record: TransferRecord): void {
  const { content, parties } = terms;
  const described =
    content !== null &&
    record.deal === terms.deal &&
    equal(record.document, digest) &&
    equal(record.sender, parties[0].certificate) &&
    equal(record.receiver, parties[1].certificate) &&
    equal(record.content.plaintextRoot, content.root) &&
    record.content.bytes === content.bytes &&
    record.content.chunks === content.chunks;
  if (!described) refuse('wrong-record', 'the record of the transfer is not that of the note');
}

function signerIn(note: Document, parts: Parts, statement: TransferStatement, options: VerifyOptions): VerdictSigner {
  const { text, p7s } = parts[statement] ?? refuse('missing-file', `${FILE[statement]} is missing`);
  if (!equal(transferText(parts.record, statement), text))
    refuse('altered', `${statement}.txt is not what the record of the transfer makes it`);
  const cms = verifySignedData(p7s, sha256(text));
  if (!cms.ok) refuse(cms.code, `the signature on ${statement}.txt: ${cms.message}`);
  const party = note.terms.parties[statement === 'origin' ? 0 : 1];
  const [signer, ...others] = cms.signers;
  if (signer === undefined || others.length > 0 || !equal(signer.certificate.hash, party.certificate))
    refuse('wrong-signers', `${statement}.txt is not signed by who must sign it, and nobody else`);
  return signerOf(party, signer.certificate, signer.signingTime, parts.certificates, options);
}

function judge(base: Verdict, parts: Parts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: 'transfer', document: toHex(sha256(parts.note)) };
  try {
    const note = readDocument(parts.note, 'the note of a transfer');
    const { terms } = note;
    if (terms.transfer === null) refuse('bad-document', 'the document is not the note of a transfer');
    verdict = {
      ...verdict,
      title: terms.title,
      deal: terms.deal,
      missing: terms.attachments.map((file) => file.name),
      references: terms.references.map(toHex),
      ...contentsIn(terms),
    };
    checkRecord(note, parts.record);
    if (parts.answer !== null) refuse('altered', 'a transfer has no arbiter who could have answered');
    const { origin, receipt, proof } = parts;
    if (origin === null && receipt === null) refuse('missing-file', `${FILE.origin} is missing`);
    const there = (['origin', 'receipt'] as const).filter((one) => parts[one] !== null);
    const signers = there.map((one) => signerIn(note, parts, one, options));
    verdict = { ...verdict, signers };
    // Asked of what stands against a signer too: a name on a certificate is anybody's.
    checkKnown(signers, options.require);
    if (parts.log !== null) {
      checkLog(note, parts.log);
      verdict = { ...verdict, log: parts.log.length };
    }
    if (proof !== null) {
      if (origin === null || !provesTransferWrong(parts.record, origin.p7s, proof))
        refuse('wrong-proof', `${FILE.proof} does not prove that the content is wrong`);
      refuse('wrong-content', 'what was sent is not what its sender signed: the proof stands against that statement');
    }
    if (terms.transfer.origin && origin === null) refuse('missing-file', `${FILE.origin} is missing`);
    if (terms.transfer.receipt === 'asked' && receipt === null) refuse('missing-file', `${FILE.receipt} is missing`);
    return { ...verdict, ok: true };
  } catch (error) {
    return { ...verdict, problem: problemOf(error) };
  }
}

function rebuild(parts: Parts): readonly EvidenceFile[] {
  const { note, record, origin, receipt, proof, certificates, log } = parts;
  return buildTransfer({
    note,
    record,
    origin: origin === null ? null : origin.p7s,
    receipt: receipt === null ? null : receipt.p7s,
    proof,
    certificates: certificates.map((one) => one.der),
    ...(log === null ? {} : { log }),
  });
}

export const TRANSFER: EvidenceKind = {
  is: (files) => fileOf(files, FILE.transfer) !== undefined,
  judge(base, files, options) {
    const parts = partsOf(files);
    return { verdict: judge(base, parts, options), made: () => rebuild(parts) };
  },
};
