/**
 * The evidence of a transfer (fit-evidence(5)), under the names its files have in a folder: the note, the statements that its
 * attributes ask for (origin, receipt) as signed texts of their own, the record from which both texts follow. The same files make
 * the `.asics` container; at its root lies the receipt, else the statement of origin. Of content that was wrong: the statement of
 * origin and the proof against it.
 *
 * Guarantees: everything but note, record, signatures, log and proof is derived, so that the verifier builds the files again and
 * refuses any difference; no key is in it but, in the proof, that of the content that was wrong.
 */
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { parseDocument } from '../exchange/document.ts';
import { formatLog, type LogEntry } from '../exchange/log.ts';
import { encodeTransferRecord, type TransferRecord, transferText } from '../exchange/transfer-record.ts';
import { FitError } from '../lib/errors.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { certificatesFile } from './certificates.ts';
import { transferReadme } from './readme-transfer.ts';

export interface TransferInput {
  readonly note: Uint8Array;
  readonly record: TransferRecord;
  /** Detached CMS over the texts that the record makes; null: there is none. */
  readonly origin: Uint8Array | null;
  readonly receipt: Uint8Array | null;
  /** That the content is wrong (exchange/transfer-record.ts); only with the statement of origin. */
  readonly proof: Uint8Array | null;
  /** DER: sender and receiver, their chains and roots, in any order. */
  readonly certificates: readonly Uint8Array[];
  readonly log?: readonly LogEntry[];
}

/** The files in their fixed order. Throws `FitError` or `PeerFault` if the parts do not belong together. */
export function buildTransfer(input: TransferInput): EvidenceFile[] {
  const { record, origin, receipt, proof, log } = input;
  if ((origin === null && (receipt === null || proof !== null)) || (proof !== null && receipt !== null))
    throw new FitError('internal', 'a transfer in which nobody signed what there is to show');
  const note = parseDocument(input.note);
  const pem = certificatesFile(input.certificates.map(parseCertificate), [record.sender, record.receiver]);
  const file = (name: string, data: Uint8Array): EvidenceFile => ({ name, data });
  return [
    file(FILE.transfer, input.note),
    ...(receipt === null
      ? []
      : [file(FILE.receipt, transferText(record, 'receipt')), file(FILE.receiptSignature, receipt)]),
    ...(origin === null ? [] : [file(FILE.origin, transferText(record, 'origin')), file(FILE.originSignature, origin)]),
    file(FILE.record, encodeTransferRecord(record)),
    file(FILE.certificates, pem),
    ...(log === undefined ? [] : [file(FILE.log, formatLog(log))]),
    ...(proof === null ? [] : [file(FILE.proof, proof)]),
    file(
      FILE.readme,
      transferReadme(note, { origin: origin !== null, receipt: receipt !== null, wrong: proof !== null }, pem),
    ),
  ];
}
