/**
 * The evidence of a swap as plain files: the note, both statements of origin with their signatures, the record from which they
 * follow, certificates, how to check them. `fit verify` does not judge it; `openssl` does. Of a void swap: what the side signed
 * whose content was wrong, the proof, the arbiter's word. A key is only in that proof: it is of the content that was wrong.
 */

import { parseCertificate } from '../crypto/pki/certificate.ts';
import { signatureIn, statementOf, type Witnesses } from '../exchange/completion.ts';
import type { Parties } from '../exchange/frame.ts';
import { ROLES, type Role } from '../exchange/items.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { statementName } from '../exchange/statements.ts';
import { utf8 } from '../lib/bytes.ts';
import { enc } from '../lib/cbor.ts';
import { type EvidenceFile, FILE } from './bundle.ts';
import { certificatesFile } from './certificates.ts';

export interface SwapInput {
  readonly note: Uint8Array;
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  readonly witnesses: Witnesses;
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  /** The proof that content of `wrong` is, and the arbiter's word for it (an opened answer). */
  readonly voided?: { readonly wrong: Role; readonly answer: Uint8Array; readonly proof: Uint8Array };
}

const README = `This folder holds what both sides of a swap have signed about the files that the note
names: each, that its own files are those, and that their key opens them.

A statement counts against who signed it: its signature left them together with the
key. It does not show that they got the other side's key; that is what the statement
of the other side shows. If the arbiter named in the note has signed that this
exchange is void, files were proven wrong, and nothing here says that they were right.

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

const VOID_README = `This folder shows that a swap is void because the files that one side gave were
proven wrong.

  swap.md           the note that both agreed on
  NAME.txt          that side's statement of origin, with its signature NAME.p7s
  proof.cbor        its signature and key, and one part of its encrypted files that does not
                    open to what statement and record name
  answer.cbor       the arbiter's signed word that the exchange is void
  record.cbor       the record of the exchange
  certificates.pem  the certificates of both and of the arbiter

  openssl cms -verify -cades -binary -inform der -in NAME.p7s -content NAME.txt -CAfile certificates.pem

The proof holds the key of the files that were wrong: who has them encrypted can open
them with it.
`;

/** Throws `PeerFault` if the witnesses are not those of the record. */
export function buildSwap(input: SwapInput): readonly EvidenceFile[] {
  const { note, record, parties, witnesses, certificates, voided } = input;
  // Of a void swap nothing counts but what its cheat has signed.
  const signers = voided === undefined ? ROLES : [voided.wrong];
  const statements = signers.map((role) => statementOf(record, parties, role, signatureIn(witnesses[role])));
  const concerned = [record.originator, record.responder, record.arbiter];
  return [
    {
      name: 'README.txt',
      data: utf8(voided === undefined ? README : VOID_README.replaceAll('NAME', statementName(record, voided.wrong))),
    },
    { name: FILE.swap, data: note },
    ...statements.flatMap(({ name, text, p7s }) => [
      { name: `${name}.txt`, data: text },
      { name: `${name}.p7s`, data: p7s },
    ]),
    ...(voided === undefined
      ? []
      : [
          { name: 'proof.cbor', data: voided.proof },
          { name: FILE.answer, data: enc(encodeRecord(record), voided.answer) },
        ]),
    { name: 'record.cbor', data: encodeRecord(record) },
    { name: 'certificates.pem', data: certificatesFile(certificates.map(parseCertificate), concerned) },
  ];
}
