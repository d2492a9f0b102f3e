/** The evidence of a delivery as plain files: the note, both statements with their signatures, certificates, how to check them. */
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { toPem } from '../crypto/pki/pem.ts';
import type { StatementFiles } from '../exchange/completion.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import type { EvidenceFile } from './bundle.ts';

const README = `This folder proves a delivery. Nothing here needs fit to be checked.

  delivery.md        the delivery note: what was delivered, by whom, to whom
  origin.txt         the sender's statement of origin, origin.p7s its signature
  receipt.txt        the receiver's receipt, receipt.p7s its signature
  certificates.pem   the certificates of both and of the arbiter

Each signature is a detached CMS SignedData:

  openssl cms -verify -cades -binary -inform der -in receipt.p7s -content receipt.txt -CAfile certificates.pem
  openssl cms -verify -cades -binary -inform der -in origin.p7s -content origin.txt -CAfile certificates.pem

Both statements name the note by its SHA-256 (sha256sum delivery.md), and the note
names each file by its own. The receipt is void if the arbiter has signed that the
exchange is void.
`;

/** `certificates`: DER, those of sender, receiver and arbiter among them; each once. */
export function deliveryEvidence(
  note: Uint8Array,
  statements: readonly StatementFiles[],
  certificates: readonly Uint8Array[],
): readonly EvidenceFile[] {
  const once = new Map(certificates.map((der) => [toHex(parseCertificate(der).hash), der]));
  const pem = [...once.values()].map((der) => toPem('CERTIFICATE', der)).join('');
  return [
    { name: 'README.txt', data: utf8(README) },
    { name: 'delivery.md', data: note },
    ...statements.flatMap(({ name, text, p7s }) => [
      { name: `${name}.txt`, data: text },
      { name: `${name}.p7s`, data: p7s },
    ]),
    { name: 'certificates.pem', data: utf8(pem) },
  ];
}
