/** The README of a swap's evidence: what each file is and how openssl alone checks it. Made as a contract's (readme.ts). */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import type { Role } from '../exchange/items.ts';
import { arbiterIn } from '../exchange/terms.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { README_END, statementCommands } from './readme-statements.ts';

const NAMES: Readonly<Record<Role, { readonly name: string; readonly who: string }>> = {
  O: { name: 'origin-originator', who: 'who accepted' },
  R: { name: 'origin-responder', who: 'who wrote the note' },
};

function statementLines(role: Role, isFirst: boolean): readonly string[] {
  const { name, who } = NAMES[role];
  return [
    `${`${name}.txt`.padEnd(22)} the statement of origin of ${who}`,
    `${`${name}.p7s`.padEnd(22)} its signature (CMS, CAdES)${isFirst ? ', in META-INF/signature.p7s of a .asics file' : ''}`,
  ];
}

const WHOLE = [
  'Each side has signed that its own files are those that the note names, and that their key',
  'opens them. A statement counts against who signed it: the signature left them together with',
  "the key. That they got the other side's key is what the other statement shows.",
  '',
  'Both statements are void if the arbiter has signed that the exchange is void: who was given',
  'wrong files can show that.',
  '',
  'The files themselves and their keys are not in here.',
];

const VOID = [
  'The statement counts for nothing but against who signed it: the proof holds its signature',
  'and its key, and one part of the encrypted files that does not open to what it names.',
  'Who has the files encrypted can open them with that key. No other key is in here.',
  "`fit verify` checks the proof and the arbiter's word and says that the swap is void.",
];

/** `signed`: whose statements there are; if not both, the arbiter has signed that the exchange is void. `certificates`: the file. */
export function swapReadme({ terms, digest }: Document, signed: readonly Role[], certificates: Uint8Array): Uint8Array {
  const [author, addressee] = terms.parties;
  const isWhole = signed.length > 1;
  const lines = [
    isWhole
      ? 'Evidence of a swap made with fit, the Fair Internet Trader'
      : 'Evidence of a swap that is void, made with fit, the Fair Internet Trader',
    '',
    `deal      ${terms.deal}`,
    `note      SHA-256 ${toHex(digest)}`,
    ...terms.references.map((one) => `under     SHA-256 ${toHex(one)}`),
    `author    certificate SHA-256 ${toHex(author.certificate)}`,
    `accepted  certificate SHA-256 ${toHex(addressee.certificate)}`,
    `arbiter   certificate SHA-256 ${toHex(arbiterIn(terms).certificate)}`,
    `certificates.pem SHA-256 ${toHex(sha256(certificates))}`,
    `signed before ${isoTime(terms.notAfter)}`,
    '',
    'swap.md                the note that both agreed on, which names the files of each',
    ...signed.flatMap((role, at) => statementLines(role, at === 0)),
    ...(isWhole
      ? []
      : [
          "answer.cbor            the arbiter's signed word that the exchange is void",
          'proof.cbor             the proof that files were wrong',
        ]),
    'record.cbor            the record of the exchange, from which the statements were made',
    'certificates.pem       the certificates concerned, with their issuers as far as they are known',
    'log.jsonl              what went between the parties, each entry linked to what it answers',
    '',
    ...(isWhole ? WHOLE : VOID),
    '',
    'To check it without fit',
    '',
    ...statementCommands(
      'swap.md',
      'swap note',
      signed.map((role) => NAMES[role].name),
    ),
    ...README_END,
  ];
  return utf8(lines.join('\n'));
}
