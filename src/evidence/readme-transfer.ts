/** The README of a transfer's evidence: what each file is and how openssl alone checks it. Made as a contract's (readme.ts). */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { README_END, statementCommands } from './readme-statements.ts';

interface Shown {
  readonly origin: boolean;
  readonly receipt: boolean;
  readonly wrong: boolean;
}

const signature = (isFirst: boolean): string =>
  `its signature (CMS, CAdES)${isFirst ? ', in META-INF/signature.p7s of a .asics file' : ''}`;

const WRONG = [
  'The receiver found that the content is not what the sender signed. proof.cbor holds the key',
  'of that content and one part of it as it came; `fit verify` checks it against the statement',
  'of origin. Who has the files encrypted can open them with that key.',
];

const WHOLE = ['The files themselves and the key are not in here. A transfer has no arbiter.'];

/** `certificates`: the file of that name. */
export function transferReadme(
  { terms, digest }: Document,
  { origin, receipt, wrong }: Shown,
  certificates: Uint8Array,
): Uint8Array {
  const [sender, receiver] = terms.parties;
  const lines = [
    wrong
      ? 'Evidence that what was sent is wrong, made with fit, the Fair Internet Trader'
      : 'Evidence of a transfer made with fit, the Fair Internet Trader',
    '',
    `deal      ${terms.deal}`,
    `note      SHA-256 ${toHex(digest)}`,
    ...terms.references.map((one) => `under     SHA-256 ${toHex(one)}`),
    `sender    certificate SHA-256 ${toHex(sender.certificate)}`,
    `receiver  certificate SHA-256 ${toHex(receiver.certificate)}`,
    `certificates.pem SHA-256 ${toHex(sha256(certificates))}`,
    '',
    'transfer.md        the note, which names the files',
    ...(receipt
      ? [
          "receipt.txt        the receiver's receipt for the files and their key",
          `receipt.p7s        ${signature(true)}`,
        ]
      : []),
    ...(origin
      ? [
          "origin.txt         the sender's statement that the files are what the note says",
          `origin.p7s         ${signature(!receipt)}`,
        ]
      : []),
    ...(wrong ? ['proof.cbor         the key, and one part that is not what the statement names'] : []),
    'record.cbor        what the transfer is about, from which the statements were made',
    'certificates.pem   the certificates concerned, with their issuers as far as they are known',
    'log.jsonl          what went between the parties, each entry linked to what it answers',
    '',
    ...(wrong ? WRONG : WHOLE),
    '',
    'To check it without fit',
    '',
    ...statementCommands('transfer.md', 'note', [...(receipt ? ['receipt'] : []), ...(origin ? ['origin'] : [])]),
    ...README_END,
  ];
  return utf8(lines.join('\n'));
}
