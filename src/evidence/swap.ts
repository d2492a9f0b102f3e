/**
 * The evidence of a swap as plain files: the note, both statements of origin with their signatures, the record from which they
 * follow, certificates, how to check them. The keys are not in it. `fit verify` does not know it yet; `openssl` does.
 */

import { parseCertificate } from '../crypto/pki/certificate.ts';
import { signatureIn, statementOf, type Witnesses } from '../exchange/completion.ts';
import type { Parties } from '../exchange/frame.ts';
import { ROLES } from '../exchange/items.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { utf8 } from '../lib/bytes.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { certificatesFile } from './certificates.ts';

export interface SwapInput {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  readonly witnesses: Witnesses;
  /** DER. */
  readonly certificates: readonly Uint8Array[];
}

const README = `This folder proves a swap: each side gave the files that the note names.

  swap.md                 the note that both agreed on
  origin-originator.txt   statement of origin of who accepted it, with its signature .p7s
  origin-responder.txt    statement of origin of who offered it, with its signature .p7s
  record.cbor             the record of the exchange
  certificates.pem        the certificates of both and of the arbiter

Each signature is a detached CMS SignedData:

  openssl cms -verify -cades -binary -inform der -in origin-originator.p7s -content origin-originator.txt -CAfile certificates.pem
  openssl cms -verify -cades -binary -inform der -in origin-responder.p7s -content origin-responder.txt -CAfile certificates.pem

Both statements name the note by its SHA-256 (sha256sum swap.md), and the note names
each file by its own.
`;

/** Throws `PeerFault` if the witnesses are not those of the record. */
export function buildSwap({ note, record, parties, witnesses, certificates }: SwapInput): readonly EvidenceFile[] {
  const statements = ROLES.map((role) => statementOf(record, parties, role, signatureIn(witnesses[role])));
  const concerned = [record.originator, record.responder, record.arbiter];
  return [
    { name: 'README.txt', data: utf8(README) },
    { name: FILE.swap, data: note },
    ...statements.flatMap(({ name, text, p7s }) => [
      { name: `${name}.txt`, data: text },
      { name: `${name}.p7s`, data: p7s },
    ]),
    { name: 'record.cbor', data: encodeRecord(record) },
    { name: 'certificates.pem', data: certificatesFile(certificates.map(parseCertificate), concerned) },
  ];
}
