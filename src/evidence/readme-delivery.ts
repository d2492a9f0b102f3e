/** The README of a delivery's evidence: what each file is and how openssl alone checks it. Made as a contract's (readme.ts). */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';

const VERIFY = 'openssl cms -verify -cades -binary -inform der';

type Statement = 'receipt' | 'origin';

function command(signature: string, content: string, certificates: string): readonly string[] {
  return [`  ${VERIFY} -in ${signature} \\`, `    -content ${content} -CAfile ${certificates} -out /dev/null`];
}

/** In a container the first statement is the object that it signs (ASiC-S); the other lies with the rest. */
function commands(statements: readonly Statement[]): readonly string[] {
  const own = 'META-INF/fit/';
  return [
    'In a folder written by `fit deal export --dir`:',
    '',
    ...statements.flatMap((name) => command(`${name}.p7s`, `${name}.txt`, 'certificates.pem')),
    '  openssl dgst -sha256 delivery.md',
    '',
    'In a .asics file, after unpacking it with any ZIP program:',
    '',
    ...statements.flatMap((name, at) =>
      at === 0
        ? command('META-INF/signature.p7s', `${name}.txt`, `${own}certificates.pem`)
        : command(`${own}${name}.p7s`, `${own}${name}.txt`, `${own}certificates.pem`),
    ),
    `  openssl dgst -sha256 ${own}delivery.md`,
    '',
    'OpenSSL says "CAdES Verification successful" if a signature is good; the digest must be the',
    'one that the statements name as the delivery note. The note names each file by its SHA-256:',
    '',
    '  openssl dgst -sha256 FILE',
  ];
}

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
    `arbiter   certificate SHA-256 ${toHex(terms.arbiter.certificate)}`,
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
    ...commands(received ? ['receipt', 'origin'] : ['origin']),
    '',
    'certificates.pem shows that the evidence is whole. Whose certificates they are, only you can',
    'know: compare the SHA-256 values above with those the parties gave you.',
    '',
    'OpenSSL checks certificates as of now. For certificates that have expired since, add',
    '`-attime SECONDS` with the signing time that the statements name.',
    '',
  ];
  return utf8(lines.join('\n'));
}
