/**
 * The verdict on the evidence of a swap. Guarantees: good only if both statements of origin are those that the record makes, the
 * record is the one that the note describes, and each side signed its own for one time before the deadline with the
 * certificate that the note names; never good with the arbiter's word that the exchange is void, or with a proof that content
 * is wrong.
 */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { ROLES, type Role } from '../exchange/items.ts';
import { provesMisbehaviour } from '../exchange/misbehaviour.ts';
import { decodeRecord, type ExchangeRecord } from '../exchange/record.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { checkKnown, checkLog, problemOf, readDocument, signerOf } from './checks.ts';
import { contentsIn } from './contents.ts';
import { checkRecord, partiesIn } from './parties.ts';
import { type CommonParts, commonParts, fileOf, neededFile } from './parts.ts';
import { type Signed, signatureOf, signedIn, verifyArbiterAnswer, verifyStatement } from './signed.ts';
import { buildSwap, ORIGIN_FILES } from './swap.ts';
import { type EvidenceKind, refuse, type Verdict, type VerifyOptions } from './verdict.ts';

interface Parts extends CommonParts {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  /** null: not among the files. */
  readonly origins: Readonly<Record<Role, Signed | null>>;
  readonly proof: Uint8Array | null;
}

function partsOf(files: readonly EvidenceFile[]): Parts {
  const origin = (role: Role) => signedIn(files, ORIGIN_FILES[role].text, ORIGIN_FILES[role].p7s);
  return {
    note: neededFile(files, FILE.swap),
    record: decodeRecord(neededFile(files, FILE.record)),
    origins: { O: origin('O'), R: origin('R') },
    proof: fileOf(files, FILE.proof) ?? null,
    ...commonParts(files),
  };
}

function partyOf({ terms }: Document, record: ExchangeRecord, role: Role): Document['terms']['parties'][number] {
  const certificate = role === 'O' ? record.originator : record.responder;
  return (
    terms.parties.find((party) => equal(party.certificate, certificate)) ??
    refuse('wrong-record', 'the record of the exchange is of other parties')
  );
}

function judge(base: Verdict, parts: Parts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: 'swap', document: toHex(sha256(parts.note)) };
  try {
    const note = readDocument(parts.note, 'the note of a swap');
    const { terms } = note;
    if (terms.format !== 'swap/1' || terms.other === null)
      refuse('bad-document', 'the document is not the note of a swap that names the content of both');
    verdict = {
      ...verdict,
      title: terms.title,
      deal: terms.deal,
      missing: terms.attachments.map((file) => file.name),
      references: terms.references.map(toHex),
      ...contentsIn(terms),
    };
    const { record, origins, proof, certificates } = parts;
    checkRecord(note, record);
    const parties = partiesIn(note, record, certificates);
    const verified = (role: Role): Uint8Array | null => {
      const signed = origins[role];
      return signed === null ? null : verifyStatement(record, parties, role, signed);
    };
    const signatures = { O: verified('O'), R: verified('R') };
    if (record.signingTime >= terms.notAfter) refuse('too-late', 'signed after the deadline of the note');
    const signed = ROLES.filter((role) => signatures[role] !== null);
    if (signed.length === 0) refuse('missing-file', `${FILE.originO} is missing`);
    const signers = signed.map((role) =>
      signerOf(partyOf(note, record, role), parties[role].certificate, record.signingTime, certificates, options),
    );
    const isVoid = verifyArbiterAnswer(record, parties, parts.answer, signatures);
    verdict = { ...verdict, signers };
    // Asked of what stands against a signer too: a name on a certificate is anybody's.
    checkKnown(signers, options.require);
    if (parts.log !== null) {
      checkLog(note, parts.log);
      verdict = { ...verdict, log: parts.log.length };
    }
    const wrong = proof === null ? null : ROLES.find((role) => provesMisbehaviour(record, parties, role, proof));
    if (wrong === undefined) refuse('wrong-proof', `${FILE.proof} does not prove that content is wrong`);
    if (wrong !== null && signatures[wrong] === null)
      refuse('missing-file', `${ORIGIN_FILES[wrong].text} is missing, and the proof is against who signed it`);
    const whose = wrong === null ? 'content was' : `what ${partyOf(note, record, wrong).role} gave was`;
    if (isVoid) refuse('void', `the arbiter has signed that the exchange is void: ${whose} proven wrong`);
    if (wrong !== null)
      refuse('proven-wrong', `${whose} proven wrong, though the arbiter has not signed that the exchange is void`);
    for (const role of ROLES)
      if (signatures[role] === null) refuse('missing-file', `${ORIGIN_FILES[role].text} is missing`);
    return { ...verdict, ok: true };
  } catch (error) {
    return { ...verdict, problem: problemOf(error) };
  }
}

function rebuild(parts: Parts): readonly EvidenceFile[] {
  const { note, record, origins, certificates, log, answer, proof } = parts;
  const signature = (signed: Signed | null) => (signed === null ? null : signatureOf(signed));
  return buildSwap({
    note,
    record,
    origins: { O: signature(origins.O), R: signature(origins.R) },
    certificates: certificates.map((one) => one.der),
    ...(log === null ? {} : { log }),
    ...(answer === null ? {} : { answer: answer.bytes }),
    ...(proof === null ? {} : { proof }),
  });
}

export const SWAP: EvidenceKind = {
  is: (files) => [FILE.swap, FILE.originO, FILE.originR].some((name) => fileOf(files, name) !== undefined),
  judge(base, files, options) {
    const parts = partsOf(files);
    return { verdict: judge(base, parts, options), made: () => rebuild(parts) };
  },
};
