/**
 * The evidence of a swap (fit-evidence(5)), under the names its files have in a folder: the note, both statements of origin as
 * signed texts, the record of the exchange from which both follow. The same files make the `.asics` container; at its root lies
 * the statement of who accepted. Of a void swap: what the side signed whose content was wrong, the proof, the arbiter's word.
 *
 * Guarantees: everything but note, record, signatures, log, answer and proof is derived, so that the verifier builds the files
 * again and refuses any difference; no key is in it but, in the proof, that of the content that was wrong.
 */
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { decodeAnswer } from '../exchange/answers.ts';
import { statementOf } from '../exchange/completion.ts';
import { parseDocument } from '../exchange/document.ts';
import { ROLES, type Role } from '../exchange/items.ts';
import { formatLog, type LogEntry } from '../exchange/log.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { enc } from '../lib/cbor.ts';
import { FitError } from '../lib/errors.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { certificatesFile } from './certificates.ts';
import { partiesIn } from './parties.ts';
import { swapReadme } from './readme-swap.ts';

export interface SwapInput {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  /** Raw signatures, 64 bytes each. null: the arbiter voided the exchange, and `answer` shows it. */
  readonly origins: Readonly<Record<Role, Uint8Array | null>>;
  /** DER: both sides and the arbiter, their chains and roots, in any order. */
  readonly certificates: readonly Uint8Array[];
  readonly log?: readonly LogEntry[];
  /** What the arbiter answered, opened. */
  readonly answer?: Uint8Array;
  /** That content of one side is wrong (exchange/misbehaviour.ts). */
  readonly proof?: Uint8Array;
}

/** Statement and signature of each role. */
export const ORIGIN_FILES: Readonly<Record<Role, { readonly text: string; readonly p7s: string }>> = {
  O: { text: FILE.originO, p7s: FILE.originOSignature },
  R: { text: FILE.originR, p7s: FILE.originRSignature },
};

/** The files in their fixed order. Throws `FitError` or `PeerFault` if the parts do not belong together. */
export function buildSwap(input: SwapInput): EvidenceFile[] {
  const { record, origins, answer, proof, log } = input;
  const note = parseDocument(input.note);
  const certificates = input.certificates.map(parseCertificate);
  const parties = partiesIn(note, record, certificates);
  const isVoid = answer !== undefined && decodeAnswer(answer).kind === 'void';
  const signed = ROLES.flatMap((role) => {
    const signature = origins[role];
    return signature === null ? [] : [{ role, ...statementOf(record, parties, role, signature) }];
  });
  if (signed.length === 0 || (signed.length < ROLES.length && !isVoid))
    throw new FitError('internal', 'a swap that lacks a statement and is not void');
  const pem = certificatesFile(certificates, [record.originator, record.responder, record.arbiter]);
  const file = (name: string, data: Uint8Array): EvidenceFile => ({ name, data });
  return [
    file(FILE.swap, input.note),
    ...signed.flatMap(({ role, text, p7s }) => [
      file(ORIGIN_FILES[role].text, text),
      file(ORIGIN_FILES[role].p7s, p7s),
    ]),
    file(FILE.record, encodeRecord(record)),
    file(FILE.certificates, pem),
    ...(log === undefined ? [] : [file(FILE.log, formatLog(log))]),
    ...(answer === undefined ? [] : [file(FILE.answer, enc(encodeRecord(record), answer))]),
    ...(proof === undefined ? [] : [file(FILE.proof, proof)]),
    file(
      FILE.readme,
      swapReadme(
        note,
        signed.map(({ role }) => role),
        pem,
      ),
    ),
  ];
}
