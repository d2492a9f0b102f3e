/**
 * The short texts that a delivery's parties sign (PROTOCOL §2, §4, §8): the sender that the content is theirs, the receiver
 * that they have it. Guarantee: each text is a pure function of X, so both sides and the arbiter build the same bytes; a
 * signature on one can be read as nothing else, because each says what it is and names exchange, parties and content.
 */
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import type { ContentItem, Role } from './items.ts';
import { windowOf } from './items.ts';
import { type ExchangeRecord, xidOf } from './record.ts';

/** The file names under which evidence carries them. */
export const STATEMENT_NAMES = { O: 'origin', R: 'receipt' } as const;

function facts(record: ExchangeRecord, content: ContentItem): string {
  const lines: readonly (readonly [string, string])[] = [
    ['exchange', toHex(xidOf(record))],
    ['delivery note', toHex(record.document)],
    ['sender', toHex(record.originator)],
    ['receiver', toHex(record.responder)],
    ['arbiter', toHex(record.arbiter)],
    ['content', toHex(content.plaintextRoot)],
    ['ciphertext', toHex(content.ciphertextRoot)],
    ['key point', toHex(content.point)],
    ['bytes', String(content.bytes)],
    ['chunks', String(content.chunks)],
    ['signing time', isoTime(record.signingTime)],
  ];
  return lines.map(([name, value]) => `${`${name}:`.padEnd(15)}${value}\n`).join('');
}

const ORIGIN = `Statement of origin (fit, version 1)

I am the sender named below. The content named below is what the delivery note
describes, and the key of its ciphertext is the discrete logarithm of the key
point. If it is not, this statement and one wrong chunk prove it.

`;

const receipt = (window: number): string => `Receipt (fit, version 1)

I am the receiver named below. I have received the content named below: its
ciphertext, and its key from the sender or from the arbiter. This receipt is
void if the arbiter named below has signed that the exchange is void; for that
the receiver had ${window} seconds after the arbiter was first asked.

`;

/** What `role` signs about an exchange of content. */
export function statementText(record: ExchangeRecord, role: Role, content: ContentItem): Uint8Array {
  return utf8((role === 'O' ? ORIGIN : receipt(windowOf(record.check))) + facts(record, content));
}
