/**
 * What a daemon stores of a transfer, whole, at every recorded step: what it is about, under which consent, and the machine's
 * state. It holds the key of content, so it lies under the archive key.
 */
import type { StoreOp } from '../archive/store.ts';
import { TRANSFER_RECEIPTS, type TransferTerms } from '../exchange/terms.ts';
import { isTransferFinal, TRANSFER_FAULTS, TRANSFER_PHASES, type TransferState } from '../exchange/transfer.ts';
import {
  decodeTransferRecord,
  encodeTransferRecord,
  STATEMENT_MAX_BYTES,
  TRANSFER_PROOF_MAX_BYTES,
  type TransferRecord,
  transferId,
} from '../exchange/transfer-record.ts';
import { toHex } from '../lib/bytes.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';

const MAX_BYTES = 256 * 1024;
const MAX_CERTIFICATE = 8 * 1024;

export interface Transfer {
  readonly record: TransferRecord;
  readonly terms: TransferTerms;
  /** Certificate of the other side, SHA-256, hex; and both sides' as DER, the sender's first. */
  readonly peer: string;
  readonly certificates: readonly [Uint8Array, Uint8Array];
  /** Id of the consent that it uses up. */
  readonly consent: string;
  machine: TransferState<Uint8Array>;
}

export const nameOf = ({ record }: Pick<Transfer, 'record'>): string => toHex(transferId(record));
export const documentOf = ({ record }: Pick<Transfer, 'record'>): string => toHex(record.document);

/** One transfer of a note; those that have ended lie apart, so that a start reads the open ones alone. */
const openKey = (document: string): string => `transfer/open/${document}`;
const doneKey = (document: string): string => `transfer/done/${document}`;
export const OPEN_TRANSFERS = { from: openKey(''), to: openKey('~') };
export const transferKeys = (document: string): readonly string[] => [openKey(document), doneKey(document)];
export const isTransferKeyName = (key: string): boolean => key.startsWith('transfer/');

export function encodeTransfer({ record, terms, peer, certificates, consent, machine }: Transfer): Uint8Array {
  const { side, phase, key, origin, receipt, proof, fault } = machine;
  return encode([
    1,
    encodeTransferRecord(record),
    [terms.origin, terms.receipt],
    peer,
    [...certificates],
    consent,
    [side, phase, key, origin, receipt, proof, fault],
  ]);
}

const optional = (value: Cbor | undefined, max: number, what: string): Uint8Array | null =>
  value === null ? null : read.blob(value, max, what);

export function decodeTransfer(bytes: Uint8Array): Transfer {
  const [version, record, terms, peer, certificates, consent, machine] = read.array(
    decode(bytes, MAX_BYTES),
    7,
    'transfer',
  );
  read.literal(version, 1, 'transfer version');
  const [signed, asked] = read.array(terms, 2, 'attributes');
  const [first, second] = read.array(certificates, 2, 'certificates');
  const [side, phase, key, origin, receipt, proof, fault] = read.array(machine, 7, 'machine');
  return {
    record: decodeTransferRecord(read.blob(record, 512, 'transfer record')),
    terms: { origin: signed === true, receipt: read.oneOf(asked, TRANSFER_RECEIPTS, 'receipt') },
    peer: read.text(peer, 64, 'peer'),
    certificates: [read.blob(first, MAX_CERTIFICATE, 'certificate'), read.blob(second, MAX_CERTIFICATE, 'certificate')],
    consent: read.text(consent, 64, 'consent'),
    machine: {
      side: read.oneOf(side, ['sender', 'receiver'], 'side'),
      phase: read.oneOf(phase, TRANSFER_PHASES, 'phase'),
      key: optional(key, 32, 'key'),
      origin: optional(origin, STATEMENT_MAX_BYTES, 'origin'),
      receipt: optional(receipt, STATEMENT_MAX_BYTES, 'receipt'),
      proof: optional(proof, TRANSFER_PROOF_MAX_BYTES, 'proof'),
      fault: fault === null ? null : read.oneOf(fault, TRANSFER_FAULTS, 'fault'),
    },
  };
}

/** The writes of a recorded state. */
export function transferOps(transfer: Transfer): readonly StoreOp[] {
  const document = documentOf(transfer);
  const value = encodeTransfer(transfer);
  if (!isTransferFinal(transfer.machine.phase))
    return [{ kind: 'put', space: 'exchanges', key: openKey(document), value }];
  return [
    { kind: 'delete', space: 'exchanges', key: openKey(document) },
    { kind: 'put', space: 'exchanges', key: doneKey(document), value },
  ];
}
