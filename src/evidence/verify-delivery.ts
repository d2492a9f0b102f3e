/**
 * The verdict on the evidence of a delivery. Guarantees: good only if both statements are those that the record makes, the
 * record is the one that the note describes, sender and receiver signed them for one time before the deadline with the
 * certificates that the note names; never good with the arbiter's word that the exchange is void.
 */
import { CHUNK_BYTES, contentLeaf, createRoot, SALT_BYTES } from '../crypto/content.ts';
import { sha256 } from '../crypto/hash.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { verifyAnswer } from '../exchange/answers.ts';
import { signatureIn } from '../exchange/completion.ts';
import { type Parties, signedText } from '../exchange/contract.ts';
import { ROLES, type Role } from '../exchange/items.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { statementName } from '../exchange/statements.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { checkKnown, checkLog, problemOf, readDocument, signerOf } from './checks.ts';
import { buildDelivery } from './delivery.ts';
import { checkRecord, partiesIn } from './parties.ts';
import { type CommonParts, commonParts, fileOf, neededFile } from './parts.ts';
import { refuse, type Verdict, type VerifyOptions } from './verdict.ts';

interface Signed {
  readonly text: Uint8Array;
  readonly p7s: Uint8Array;
}

export interface DeliveryParts extends CommonParts {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  readonly origin: Signed;
  /** null: not among the files. */
  readonly receipt: Signed | null;
}

export function isDelivery(files: readonly EvidenceFile[]): boolean {
  return [FILE.note, FILE.receipt, FILE.origin].some((name) => fileOf(files, name) !== undefined);
}

/** Throws `Refused`, `PeerFault` or `FitError` for what is missing or malformed. */
export function deliveryParts(files: readonly EvidenceFile[]): DeliveryParts {
  const receipt = fileOf(files, FILE.receipt);
  return {
    note: neededFile(files, FILE.note),
    record: decodeRecord(neededFile(files, FILE.record)),
    origin: { text: neededFile(files, FILE.origin), p7s: neededFile(files, FILE.originSignature) },
    receipt: receipt === undefined ? null : { text: receipt, p7s: neededFile(files, FILE.receiptSignature) },
    ...commonParts(files),
  };
}

/** The raw signature. */
function verifyStatement(record: ExchangeRecord, parties: Parties, role: Role, { text, p7s }: Signed): Uint8Array {
  const name = statementName(record, role);
  const expected = signedText(record, role).text;
  if (expected === null || !equal(expected, text))
    refuse('altered', `${name}.txt is not what the record of the exchange makes it`);
  const cms = verifySignedData(p7s, sha256(text));
  if (!cms.ok) refuse(cms.code, `the signature on ${name}.txt: ${cms.message}`);
  const [signer, ...others] = cms.signers;
  if (signer === undefined || others.length > 0 || !equal(signer.certificate.hash, parties[role].certificate.hash))
    refuse('wrong-signers', `${name}.txt is not signed by who must sign it, and nobody else`);
  if (signer.signingTime !== record.signingTime)
    refuse('signing-times', `${name}.txt is not signed for the time that it names`);
  return signer.signature;
}

/** An answer of the arbiter that is carried along must be its own and about this exchange. Whether it says `void`. */
function verifyArbiterAnswer(
  parts: DeliveryParts,
  parties: Parties,
  signatures: Record<Role, Uint8Array | null>,
): boolean {
  if (parts.answer === null) return false;
  const { record, bytes } = parts.answer;
  if (!equal(encodeRecord(record), encodeRecord(parts.record)))
    refuse('wrong-record', 'the answer of the arbiter is about another exchange');
  const answer = verifyAnswer(record, parties, bytes);
  if (answer.kind === 'void') return true;
  const same = (role: Role, witness: Uint8Array): boolean => {
    const signature = signatures[role];
    return signature !== null && equal(signatureIn(witness), signature);
  };
  const fits =
    answer.kind === 'released'
      ? same('O', answer.witness)
      : answer.kind === 'resolved' && answer.signed && ROLES.every((role) => same(role, answer.witnesses[role]));
  if (!fits) refuse('wrong-answer', "the arbiter's answer is not about this delivery, or not signed by it");
  return false;
}

export function judgeDelivery(base: Verdict, parts: DeliveryParts, options: VerifyOptions): Verdict {
  let verdict: Verdict = { ...base, proof: 'delivery', document: toHex(sha256(parts.note)) };
  try {
    const note = readDocument(parts.note, 'a delivery note');
    const { title, deal, attachments, content, references, notAfter } = note.terms;
    if (content === null) refuse('bad-document', 'the document is not a delivery note');
    const files = content.files.map(({ name, size, sha256: digest }) => {
      return { name, size, sha256: toHex(digest), compared: false };
    });
    const missing = attachments.map((file) => file.name);
    verdict = {
      ...verdict,
      title,
      deal,
      missing,
      files,
      content: toHex(content.root),
      references: references.map(toHex),
    };
    const { record, origin, receipt, certificates } = parts;
    checkRecord(note, record);
    const parties = partiesIn(note, record, certificates);
    const signatures = {
      O: verifyStatement(record, parties, 'O', origin),
      R: receipt === null ? null : verifyStatement(record, parties, 'R', receipt),
    };
    if (record.signingTime >= notAfter) refuse('too-late', 'signed after the deadline of the delivery note');
    const signed = ROLES.filter((role) => signatures[role] !== null);
    // The note's author is the sender, whose role in the exchange is O.
    const signers = signed.map((role) => {
      const party = note.terms.parties[role === 'O' ? 0 : 1];
      return signerOf(party, parties[role].certificate, record.signingTime, certificates, options);
    });
    const isVoid = verifyArbiterAnswer(parts, parties, signatures);
    verdict = { ...verdict, signers };
    if (parts.log !== null) {
      checkLog(note, parts.log);
      verdict = { ...verdict, log: parts.log.length };
    }
    if (isVoid) refuse('void', 'the arbiter has signed that the exchange is void: the content was proven wrong');
    if (receipt === null) refuse('missing-file', `${FILE.receipt} is missing`);
    checkKnown(signers, options.require);
    return { ...verdict, ok: true };
  } catch (error) {
    return { ...verdict, problem: problemOf(error) };
  }
}

/** The files as they follow from parts that were found good. */
export function rebuildDelivery(parts: DeliveryParts): readonly EvidenceFile[] {
  const signatureOf = ({ text, p7s }: Signed): Uint8Array => {
    const cms = verifySignedData(p7s, sha256(text));
    return cms.ok && cms.signers[0] !== undefined ? cms.signers[0].signature : refuse('altered', 'a signature');
  };
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

/** What was delivered, next to what the user has. */
export interface GivenFile {
  readonly name: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

/** The root of content and of the salts of its chunks, which `fill` reads from their file (PROTOCOL §8). */
export async function rootOfContent(
  content: AsyncIterable<Uint8Array>,
  fill: (salt: Uint8Array, position: number) => Promise<void>,
): Promise<Uint8Array> {
  const root = createRoot('content');
  const chunk = new Uint8Array(CHUNK_BYTES);
  let [index, filled] = [0, 0];
  const add = async (): Promise<void> => {
    const salt = new Uint8Array(SALT_BYTES);
    await fill(salt, index * SALT_BYTES);
    root.add(contentLeaf(index, salt, chunk.subarray(0, filled)));
    index += 1;
    filled = 0;
  };
  for await (const part of content)
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + CHUNK_BYTES - filled);
      chunk.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled === CHUNK_BYTES) await add();
    }
  if (filled > 0 || index === 0) await add();
  return root.root();
}

/**
 * The verdict on a sender that described its content wrongly: `root` is that of the files that its receiver has and of their
 * salts. The sender signed that root together with a note that names another digest of one of them.
 */
export function judgeDescription(verdict: Verdict, root: Uint8Array): Verdict {
  if (verdict.problem?.code !== 'other-content' || toHex(root) !== verdict.content) return verdict;
  const message = `the sender signed the root of exactly these files, and a note that says otherwise: ${verdict.problem.message}`;
  return { ...verdict, problem: { code: 'misdescribed', message } };
}

/** The verdict with these files compared: each must be one that the note names. */
export function compareContent(verdict: Verdict, given: readonly GivenFile[]): Verdict {
  if (!verdict.ok) return verdict;
  const other = given.find(
    (one) =>
      !verdict.files.some(
        ({ name, size, sha256: digest }) => name === one.name && size === one.size && digest === one.sha256,
      ),
  );
  const files = verdict.files.map((file) => {
    return { ...file, compared: other === undefined && given.some(({ name }) => name === file.name) };
  });
  if (other === undefined) return { ...verdict, files };
  const named = verdict.files.some(({ name }) => name === other.name);
  const message = named
    ? `${other.name} is not the file that the delivery note names`
    : `the delivery note names no file ${other.name}`;
  return { ...verdict, ok: false, files, problem: { code: 'other-content', message } };
}
