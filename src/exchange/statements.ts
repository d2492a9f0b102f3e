/**
 * The short texts that the parties of a delivery or swap sign (PROTOCOL §2, §4, §8): who gives content, that it is theirs; who
 * gives a receipt, that they have it. Guarantee: each text is a pure function of X, so both sides and the arbiter build the
 * same bytes; a signature on one can be read as nothing else, because each says what it is and names exchange, parties and
 * content.
 */
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { type ContentCheck, type ContentItem, otherRole, type Role, windowOf } from './items.ts';
import { type ExchangeRecord, xidOf } from './record.ts';

/** The file name under which evidence carries a role's statement. */
export function statementName(record: ExchangeRecord, role: Role): string {
  const bothGive = record.itemO.kind === 'content' && record.itemR.kind === 'content';
  if (bothGive) return role === 'O' ? 'origin-originator' : 'origin-responder';
  return role === 'O' ? 'origin' : 'receipt';
}

/** `sender` gives the content. */
function facts(record: ExchangeRecord, sender: Role, content: ContentItem, note = 'delivery note'): string {
  const [from, to] = sender === 'O' ? [record.originator, record.responder] : [record.responder, record.originator];
  const lines: readonly (readonly [string, string])[] = [
    ['exchange', toHex(xidOf(record))],
    [note, toHex(record.document)],
    ['sender', toHex(from)],
    ['receiver', toHex(to)],
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

const voidUntil = (check: ContentCheck): string =>
  check === 'full'
    ? `void if the arbiter named below has signed that the exchange is void; it compares
all of the content before it completes the exchange.`
    : `void if the arbiter named below has signed that the exchange is void; for that
the receiver had ${windowOf(check)} seconds after the arbiter was first asked.`;

/** Both give, so neither's word stands once the arbiter has taken the exchange back, but as a part of the proof. */
const originInSwap = (window: number): string => `Statement of origin in a swap (fit, version 1)

I am the sender named below. The content named below is what the swap note says
that I give, and the key of its ciphertext is the discrete logarithm of the key
point. If it is not, this statement and one wrong chunk prove it. For anything
but that proof this statement is void if the arbiter named below has signed that
the exchange is void; for that each side had ${window} seconds after the arbiter was
first asked.

`;

const receipt = (check: ContentCheck): string => `Receipt (fit, version 1)

I am the receiver named below. I have received the content named below: its
ciphertext, and its key from the sender or from the arbiter. This receipt is
${voidUntil(check)}

`;

/** What `role` signs in an exchange of content: of its own content the origin, of the other's the receipt. */
export function contentStatement(record: ExchangeRecord, role: Role): Uint8Array | null {
  const [own, other] = role === 'O' ? [record.itemO, record.itemR] : [record.itemR, record.itemO];
  if (own.kind === 'content' && other.kind === 'content')
    return utf8(originInSwap(windowOf(record.check)) + facts(record, role, own, 'swap note'));
  if (own.kind === 'content') return utf8(ORIGIN + facts(record, role, own));
  if (own.kind === 'statement' && other.kind === 'content')
    return utf8(receipt(record.check) + facts(record, otherRole(role), other));
  return null;
}
