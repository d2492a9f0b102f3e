/** The README of a delivery's evidence: what each file is and how openssl alone checks it. Made as a contract's (readme.ts). */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { arbiterIn } from '../exchange/terms.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { README_END, statementCommands } from './readme-statements.ts';

/**
 * `received`: whether there is a receipt; without one the arbiter has signed that the exchange is void. `certificates`: the
 * file of that name.
 */
export function deliveryReadme({ terms, digest }: Document, received: boolean, certificates: Uint8Array): Uint8Array {
  const [sender, receiver] = terms.parties;
  const lines = [
    received
      ? 'Evidence of a delivery made with fit, the Fair Internet Trader'
      : 'Evidence of a delivery that is void, made with fit, the Fair Internet Trader',
    '',
    `deal      ${terms.deal}`,
    `note      SHA-256 ${toHex(digest)}`,
    ...terms.references.map((one) => `under     SHA-256 ${toHex(one)}`),
    `sender    certificate SHA-256 ${toHex(sender.certificate)}`,
    `receiver  certificate SHA-256 ${toHex(receiver.certificate)}`,
    `arbiter   certificate SHA-256 ${toHex(arbiterIn(terms).certificate)}`,
    `certificates.pem SHA-256 ${toHex(sha256(certificates))}`,
    `signed before ${isoTime(terms.notAfter)}`,
    '',
    'delivery.md        the delivery note, which names the files',
    ...(received
      ? [
          "receipt.txt        the receiver's receipt for the files and their key",
          'receipt.p7s        its signature (CMS, CAdES), in META-INF/signature.p7s of a .asics file',
          "origin.txt         the sender's statement that the files are what the note says",
          'origin.p7s         its signature (CMS, CAdES)',
        ]
      : [
          "origin.txt         the sender's statement that the files are what the note says",
          'origin.p7s         its signature (CMS, CAdES), in META-INF/signature.p7s of a .asics file',
          "answer.cbor        the arbiter's signed word that the exchange is void: the content was proven wrong",
        ]),
    'record.cbor        the record of the exchange, from which both statements were made',
    'certificates.pem   the certificates concerned, with their issuers as far as they are known',
    'log.jsonl          what went between the parties, each entry linked to what it answers',
    '',
    'The files themselves and the key are not in here.',
    ...(received
      ? ['The receipt is void if the arbiter has signed that the exchange is void: the receiver can show that.']
      : ["`fit verify` checks the arbiter's word and says that the delivery is void."]),
    '',
    'To check it without fit',
    '',
    ...statementCommands('delivery.md', 'delivery note', received ? ['receipt', 'origin'] : ['origin']),
    ...README_END,
  ];
  return utf8(lines.join('\n'));
}
