/** The README of a delivery's evidence: what each file is and how openssl alone checks it. Made as a contract's (readme.ts). */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { arbiterIn } from '../exchange/terms.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import {
  COMMON_FILES,
  noteLines,
  originFiles,
  README_END,
  RECEIPT_FILES,
  statementCommands,
} from './readme-statements.ts';

/**
 * `received`: whether there is a receipt; without one the arbiter has signed that the exchange is void. `certificates`: the
 * file of that name.
 */
export function deliveryReadme(document: Document, received: boolean, certificates: Uint8Array): Uint8Array {
  const { terms } = document;
  const lines = [
    received
      ? 'Evidence of a delivery made with fit, the Fair Internet Trader'
      : 'Evidence of a delivery that is void, made with fit, the Fair Internet Trader',
    '',
    ...noteLines(document),
    `arbiter   certificate SHA-256 ${toHex(arbiterIn(terms).certificate)}`,
    `certificates.pem SHA-256 ${toHex(sha256(certificates))}`,
    `signed before ${isoTime(terms.notAfter)}`,
    '',
    'delivery.md        the delivery note, which names the files',
    ...(received
      ? [...RECEIPT_FILES, ...originFiles(false)]
      : [
          ...originFiles(true),
          "answer.cbor        the arbiter's signed word that the exchange is void: the content was proven wrong",
        ]),
    'record.cbor        the record of the exchange, from which both statements were made',
    ...COMMON_FILES,
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
