/**
 * The evidence of a delivery (fit-evidence(5)), under the names its files have in a folder: the note, the receipt and the
 * statement of origin as signed texts of their own, the record of the exchange from which both texts follow. The same files
 * make the `.asics` container: what ASiC-S wants at its root is what is signed, so that is the receipt, not the note.
 *
 * Guarantees: everything but note, record, signatures, log and answer is derived, so that the verifier builds the files again
 * and refuses any difference; the key of the content is not in it; a receipt that the arbiter voided is never written.
 */
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { decodeAnswer } from '../exchange/answers.ts';
import { statementOf } from '../exchange/completion.ts';
import { parseDocument } from '../exchange/document.ts';
import type { LogEntry } from '../exchange/log.ts';
import { formatLog } from '../exchange/log.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { enc } from '../lib/cbor.ts';
import { FitError } from '../lib/errors.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { certificatesFile } from './certificates.ts';
import { partiesIn } from './parties.ts';
import { deliveryReadme } from './readme-delivery.ts';

export interface DeliveryInput {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  /** Raw, 64 bytes each. */
  readonly origin: Uint8Array;
  /** null: the arbiter voided the exchange, and `answer` shows it. */
  readonly receipt: Uint8Array | null;
  /** DER: sender, receiver and arbiter, their chains and roots, in any order. */
  readonly certificates: readonly Uint8Array[];
  readonly log?: readonly LogEntry[];
  /** What the arbiter answered, opened. */
  readonly answer?: Uint8Array;
}

/** The files in their fixed order. Throws `FitError` or `PeerFault` if the parts do not belong together. */
export function buildDelivery(input: DeliveryInput): EvidenceFile[] {
  const { record, receipt, answer, log } = input;
  const note = parseDocument(input.note);
  const certificates = input.certificates.map(parseCertificate);
  const parties = partiesIn(note, record, certificates);
  const isVoid = answer !== undefined && decodeAnswer(answer).kind === 'void';
  if (receipt === null && !isVoid) throw new FitError('internal', 'a delivery without receipt that is not void');
  const origin = statementOf(record, parties, 'O', input.origin);
  const received = receipt === null ? null : statementOf(record, parties, 'R', receipt);
  const pem = certificatesFile(certificates, [record.originator, record.responder, record.arbiter]);
  const file = (name: string, data: Uint8Array): EvidenceFile => ({ name, data });
  return [
    file(FILE.note, input.note),
    ...(received === null ? [] : [file(FILE.receipt, received.text), file(FILE.receiptSignature, received.p7s)]),
    file(FILE.origin, origin.text),
    file(FILE.originSignature, origin.p7s),
    file(FILE.record, encodeRecord(record)),
    file(FILE.certificates, pem),
    ...(log === undefined ? [] : [file(FILE.log, formatLog(log))]),
    ...(answer === undefined ? [] : [file(FILE.answer, enc(encodeRecord(record), answer))]),
    file(FILE.readme, deliveryReadme(note, received !== null, pem)),
  ];
}
