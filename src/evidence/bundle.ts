/**
 * The files of a contract's evidence (DESIGN §8, fit-evidence(5)), under the names they have in a folder. The same files in the
 * same order make the `.asics` container (asics.ts).
 *
 * Guarantees: everything but the inputs is derived, so that the verifier builds the files again from their own contents and
 * refuses any difference; the order of certificates given does not matter; those of nobody concerned are left out.
 */

import { sha256 } from '../crypto/hash.ts';
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { type Document, parseDocument } from '../exchange/document.ts';
import { formatLog, type LogEntry } from '../exchange/log.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { arbiterIn } from '../exchange/terms.ts';
import { equal } from '../lib/bytes.ts';
import { enc } from '../lib/cbor.ts';
import { FitError } from '../lib/errors.ts';
import { certificatesFile } from './certificates.ts';
import { readmeText } from './readme.ts';

export interface EvidenceFile {
  /** Relative, with forward slashes, plain ASCII. */
  readonly name: string;
  readonly data: Uint8Array;
}

/** What stands for the agreement: both parties' signatures, or the arbiter's statement of affidavit mode. */
export type Proof =
  | { readonly kind: 'contract'; readonly p7s: Uint8Array }
  | { readonly kind: 'affidavit'; readonly text: Uint8Array; readonly p7s: Uint8Array };

export interface EvidenceInput {
  readonly document: Uint8Array;
  readonly proof: Proof;
  /** DER: signers, their chains and roots, in any order; for an affidavit the parties and the arbiter. */
  readonly certificates: readonly Uint8Array[];
  readonly log?: readonly LogEntry[];
  /** Files that the document lists; those not at hand may be missing. */
  readonly attachments?: readonly EvidenceFile[];
  /** The arbiter's answer as opened, with the record that it answers, if it was asked. */
  readonly answer?: { readonly record: ExchangeRecord; readonly bytes: Uint8Array };
}

export const FILE = {
  document: 'contract.md',
  signature: 'contract.p7s',
  statement: 'affidavit.txt',
  statementSignature: 'affidavit.p7s',
  certificates: 'certificates.pem',
  log: 'log.jsonl',
  answer: 'answer.cbor',
  readme: 'README.txt',
  attachments: 'attachments/',
  // Of a delivery (delivery.ts).
  note: 'delivery.md',
  receipt: 'receipt.txt',
  receiptSignature: 'receipt.p7s',
  origin: 'origin.txt',
  originSignature: 'origin.p7s',
  record: 'record.cbor',
  // Of a swap (swap.ts).
  swap: 'swap.md',
  originO: 'origin-originator.txt',
  originOSignature: 'origin-originator.p7s',
  originR: 'origin-responder.txt',
  originRSignature: 'origin-responder.p7s',
  proof: 'proof.cbor',
  // Of a transfer (transfer.ts).
  transfer: 'transfer.md',
} as const;

/** Whose certificates the evidence carries, by hash, in the document's order, the arbiter last. */
function concerned({ terms }: Document, withArbiter: boolean): readonly Uint8Array[] {
  const hashes = terms.parties.map((party) => party.certificate);
  return withArbiter ? [...hashes, arbiterIn(terms).certificate] : hashes;
}

/**
 * The files in their fixed order. Throws `FitError('bad-document')` or `FitError('internal')` if the parts do not belong
 * together: evidence that does not verify is never written.
 */
export function buildEvidence(input: EvidenceInput): EvidenceFile[] {
  const document = parseDocument(input.document);
  const { proof } = input;
  const signed = verifySignedData(proof.p7s, proof.kind === 'contract' ? document.digest : sha256(proof.text));
  if (!signed.ok) throw new FitError('internal', `the evidence does not verify: ${signed.message}`);
  const certificates = certificatesFile(
    [...input.certificates.map(parseCertificate), ...signed.signers.map((signer) => signer.certificate)],
    concerned(document, proof.kind === 'affidavit' || input.answer !== undefined),
  );
  const attachments = [...(input.attachments ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  const strangers = attachments.filter(
    ({ name, data }) =>
      !document.terms.attachments.some(
        (listed) => listed.name === name && listed.size === data.length && equal(listed.sha256, sha256(data)),
      ),
  );
  if (strangers.length > 0) throw new FitError('internal', 'an attachment that the document does not list');
  const file = (name: string, data: Uint8Array): EvidenceFile => ({ name, data });
  return [
    file(FILE.document, input.document),
    ...(proof.kind === 'contract'
      ? [file(FILE.signature, proof.p7s)]
      : [file(FILE.statement, proof.text), file(FILE.statementSignature, proof.p7s)]),
    file(FILE.certificates, certificates),
    ...(input.log === undefined ? [] : [file(FILE.log, formatLog(input.log))]),
    ...(input.answer === undefined
      ? []
      : [file(FILE.answer, enc(encodeRecord(input.answer.record), input.answer.bytes))]),
    file(FILE.readme, readmeText(document, proof.kind, certificates)),
    ...attachments.map(({ name, data }) => file(`${FILE.attachments}${name}`, data)),
  ];
}
