/**
 * The statements that evidence of content carries, and the arbiter's word about them. Guarantees: a statement is taken only if
 * it is the very text that the record makes, signed by the one who must sign it, alone and for the record's time; an answer of
 * the arbiter only if it is about this exchange and leads to these signatures.
 */
import { sha256 } from '../crypto/hash.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { verifyAnswer } from '../exchange/answers.ts';
import { itemOf, signatureIn } from '../exchange/completion.ts';
import { type Parties, signedText } from '../exchange/contract.ts';
import { ROLES, type Role } from '../exchange/items.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { statementName } from '../exchange/statements.ts';
import { equal } from '../lib/bytes.ts';
import type { EvidenceFile } from './bundle.ts';
import { type CommonParts, fileOf, neededFile } from './parts.ts';
import { refuse } from './verdict.ts';

export interface Signed {
  readonly text: Uint8Array;
  readonly p7s: Uint8Array;
}

/** `text` and `p7s`: names of files. null: the statement is not among the files. Throws `Refused` for half of one. */
export function signedIn(files: readonly EvidenceFile[], text: string, p7s: string): Signed | null {
  const found = fileOf(files, text);
  return found === undefined ? null : { text: found, p7s: neededFile(files, p7s) };
}

/** The raw signature. */
export function verifyStatement(
  record: ExchangeRecord,
  parties: Parties,
  role: Role,
  { text, p7s }: Signed,
): Uint8Array {
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

/** Of a statement that was found good. */
export function signatureOf({ text, p7s }: Signed): Uint8Array {
  const cms = verifySignedData(p7s, sha256(text));
  return cms.ok && cms.signers[0] !== undefined ? cms.signers[0].signature : refuse('altered', 'a signature');
}

/** An answer of the arbiter that is carried along must be its own and about this exchange. Whether it says `void`. */
export function verifyArbiterAnswer(
  record: ExchangeRecord,
  parties: Parties,
  carried: CommonParts['answer'],
  signatures: Record<Role, Uint8Array | null>,
): boolean {
  if (carried === null) return false;
  if (!equal(encodeRecord(carried.record), encodeRecord(record)))
    refuse('wrong-record', 'the answer of the arbiter is about another exchange');
  const answer = verifyAnswer(record, parties, carried.bytes);
  if (answer.kind === 'void') return true;
  const same = (role: Role, witness: Uint8Array): boolean => {
    const signature = signatures[role];
    return signature !== null && equal(signatureIn(witness), signature);
  };
  const fits =
    answer.kind === 'released'
      ? ROLES.some((role) => itemOf(record, role).kind === 'content' && same(role, answer.witness))
      : answer.kind === 'resolved' && answer.signed && ROLES.every((role) => same(role, answer.witnesses[role]));
  if (!fits) refuse('wrong-answer', "the arbiter's answer is not about this exchange, or not signed by it");
  return false;
}
