/**
 * The verdict on the evidence of a delivery. Guarantees: good only if both statements are those that the record makes, the
 * record is the one that the note describes, sender and receiver signed them for one time before the deadline with the
 * certificates that the note names; never good with the arbiter's word that the exchange is void.
 */
import { sha256 } from '../crypto/hash.ts';
import { ROLES } from '../exchange/items.ts';
import { decodeRecord, type ExchangeRecord } from '../exchange/record.ts';
import { toHex } from '../lib/bytes.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { checkKnown, checkLog, problemOf, readDocument, signerOf } from './checks.ts';
import { contentsIn } from './contents.ts';
import { buildDelivery } from './delivery.ts';
import { checkRecord, partiesIn } from './parties.ts';
import { type CommonParts, commonParts, fileOf, neededFile } from './parts.ts';
import { type Signed, signatureOf, signedIn, verifyArbiterAnswer, verifyStatement } from './signed.ts';
import { type EvidenceKind, refuse, type Verdict, type VerifyOptions } from './verdict.ts';

interface Parts extends CommonParts {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  readonly origin: Signed;
  /** null: not among the files. */
  readonly receipt: Signed | null;
}

function partsOf(files: readonly EvidenceFile[]): Parts {
  return {
    note: neededFile(files, FILE.note),
    record: decodeRecord(neededFile(files, FILE.record)),
    origin: { text: neededFile(files, FILE.origin), p7s: neededFile(files, FILE.originSignature) },
    receipt: signedIn(files, FILE.receipt, FILE.receiptSignature),
    ...commonParts(files),
  };
}

function judge(base: Verdict, parts: Parts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: 'delivery', document: toHex(sha256(parts.note)) };
  try {
    const note = readDocument(parts.note, 'a delivery note');
    const { terms } = note;
    if (terms.format !== 'delivery/1') refuse('bad-document', 'the document is not a delivery note');
    verdict = {
      ...verdict,
      title: terms.title,
      deal: terms.deal,
      missing: terms.attachments.map((file) => file.name),
      references: terms.references.map(toHex),
      ...contentsIn(terms),
    };
    const { record, origin, receipt, certificates } = parts;
    checkRecord(note, record);
    const parties = partiesIn(note, record, certificates);
    const signatures = {
      O: verifyStatement(record, parties, 'O', origin),
      R: receipt === null ? null : verifyStatement(record, parties, 'R', receipt),
    };
    if (record.signingTime >= terms.notAfter) refuse('too-late', 'signed after the deadline of the delivery note');
    const signed = ROLES.filter((role) => signatures[role] !== null);
    // The note's author is the sender, whose role in the exchange is O.
    const signers = signed.map((role) => {
      const party = terms.parties[role === 'O' ? 0 : 1];
      return signerOf(party, parties[role].certificate, record.signingTime, certificates, options);
    });
    const isVoid = verifyArbiterAnswer(record, parties, parts.answer, signatures);
    verdict = { ...verdict, signers };
    // Asked of what stands against a signer too: a name on a certificate is anybody's.
    checkKnown(signers, options.require);
    if (parts.log !== null) {
      checkLog(note, parts.log);
      verdict = { ...verdict, log: parts.log.length };
    }
    if (isVoid) refuse('void', 'the arbiter has signed that the exchange is void: the content was proven wrong');
    if (receipt === null) refuse('missing-file', `${FILE.receipt} is missing`);
    return { ...verdict, ok: true };
  } catch (error) {
    return { ...verdict, problem: problemOf(error) };
  }
}

function rebuild(parts: Parts): readonly EvidenceFile[] {
  const { note, record, origin, receipt, certificates, log, answer } = parts;
  return buildDelivery({
    note,
    record,
    origin: signatureOf(origin),
    receipt: receipt === null ? null : signatureOf(receipt),
    certificates: certificates.map((one) => one.der),
    ...(log === null ? {} : { log }),
    ...(answer === null ? {} : { answer: answer.bytes }),
  });
}

export const DELIVERY: EvidenceKind = {
  is: (files) => [FILE.note, FILE.receipt, FILE.origin].some((name) => fileOf(files, name) !== undefined),
  judge(base, files, options) {
    const parts = partsOf(files);
    return { verdict: judge(base, parts, options), made: () => rebuild(parts) };
  },
};
