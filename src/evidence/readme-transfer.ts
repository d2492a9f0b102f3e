/** The README of a transfer's evidence: what each file is and how openssl alone checks it. Made as a contract's (readme.ts). */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import {
  COMMON_FILES,
  noteLines,
  originFiles,
  README_END,
  RECEIPT_FILES,
  statementCommands,
} from './readme-statements.ts';

interface Shown {
  readonly origin: boolean;
  readonly receipt: boolean;
  readonly wrong: boolean;
}

const WRONG = [
  'The receiver found that the content is not what the sender signed. proof.cbor holds the key',
  'of that content and one part of it as it came; `fit verify` checks it against the statement',
  'of origin. Who has the files encrypted can open them with that key.',
];

const WHOLE = ['The files themselves and the key are not in here. A transfer has no arbiter.'];

/** `certificates`: the file of that name. */
export function transferReadme(
  document: Document,
  { origin, receipt, wrong }: Shown,
  certificates: Uint8Array,
): Uint8Array {
  const lines = [
    wrong
      ? 'Evidence that what was sent is wrong, made with fit, the Fair Internet Trader'
      : 'Evidence of a transfer made with fit, the Fair Internet Trader',
    '',
    ...noteLines(document),
    `certificates.pem SHA-256 ${toHex(sha256(certificates))}`,
    '',
    'transfer.md        the note, which names the files',
    ...(receipt ? RECEIPT_FILES : []),
    ...(origin ? originFiles(!receipt) : []),
    ...(wrong ? ['proof.cbor         the key, and one part that is not what the statement names'] : []),
    'record.cbor        what the transfer is about, from which the statements were made',
    ...COMMON_FILES,
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
