/** What the READMEs of evidence of content have in common: how openssl alone checks statements, and what it cannot know. */

import type { Document } from '../exchange/document.ts';
import { toHex } from '../lib/bytes.ts';

const VERIFY = 'openssl cms -verify -cades -binary -inform der';
const OWN = 'META-INF/fit/';

function command(signature: string, content: string, certificates: string): readonly string[] {
  return [`  ${VERIFY} -in ${signature} \\`, `    -content ${content} -CAfile ${certificates} -out /dev/null`];
}

/**
 * `note`: its file; `called`: as the statements call it. `statements`: names without ending; in a container the first one is
 * the object that is signed (ASiC-S), and the others lie with the rest.
 */
export function statementCommands(note: string, called: string, statements: readonly string[]): readonly string[] {
  return [
    'In a folder written by `fit deal export --dir`:',
    '',
    ...statements.flatMap((name) => command(`${name}.p7s`, `${name}.txt`, 'certificates.pem')),
    `  openssl dgst -sha256 ${note}`,
    '',
    'In a .asics file, after unpacking it with any ZIP program:',
    '',
    ...statements.flatMap((name, at) =>
      at === 0
        ? command('META-INF/signature.p7s', `${name}.txt`, `${OWN}certificates.pem`)
        : command(`${OWN}${name}.p7s`, `${OWN}${name}.txt`, `${OWN}certificates.pem`),
    ),
    `  openssl dgst -sha256 ${OWN}${note}`,
    '',
    'OpenSSL says "CAdES Verification successful" if a signature is good; the digest must be the',
    `one that the statements name as the ${called}. The note names each file by its SHA-256:`,
    '',
    '  openssl dgst -sha256 FILE',
  ];
}

/** Of a note from a sender to a receiver: which it is, under what, and whose certificates they have. */
export function noteLines({ terms, digest }: Document): readonly string[] {
  const [sender, receiver] = terms.parties;
  return [
    `deal      ${terms.deal}`,
    `note      SHA-256 ${toHex(digest)}`,
    ...terms.references.map((one) => `under     SHA-256 ${toHex(one)}`),
    `sender    certificate SHA-256 ${toHex(sender.certificate)}`,
    `receiver  certificate SHA-256 ${toHex(receiver.certificate)}`,
  ];
}

/** `first`: it is the object that a .asics file signs. */
const signatureLine = (first: boolean): string =>
  `its signature (CMS, CAdES)${first ? ', in META-INF/signature.p7s of a .asics file' : ''}`;

export const RECEIPT_FILES: readonly string[] = [
  "receipt.txt        the receiver's receipt for the files and their key",
  `receipt.p7s        ${signatureLine(true)}`,
];

export const originFiles = (first: boolean): readonly string[] => [
  "origin.txt         the sender's statement that the files are what the note says",
  `origin.p7s         ${signatureLine(first)}`,
];

export const COMMON_FILES: readonly string[] = [
  'certificates.pem   the certificates concerned, with their issuers as far as they are known',
  'log.jsonl          what went between the parties, each entry linked to what it answers',
];

export const README_END: readonly string[] = [
  '',
  'certificates.pem shows that the evidence is whole. Whose certificates they are, only you can',
  'know: compare the SHA-256 values above with those the parties gave you.',
  '',
  'OpenSSL checks certificates as of now. For certificates that have expired since, add',
  '`-attime SECONDS` with the signing time that the statements name.',
  '',
];
