/**
 * What travels on `/fit/message/1`: negotiation (offers, counter-offers, declines, withdrawals, messages) and card updates,
 * each one request with one reply.
 *
 *     request = [1, "negotiation", deal, parent | null, time, kind, payload]     payload of an offer: with the bytes of document and card (null without arbiter)
 *             | [1, "card", card]
 *     reply   = [1, "ok" | "later" | "no", reason | "", time]     an acknowledgement, as for every letter (daemon/outbox.ts)
 *
 * The sender is who the link has proven; it stands in no message. A request that was handled before is answered as before.
 * Guarantees: strict, canonical, bounded; encode and decode undo each other; only `PeerFault` is thrown.
 */
import { sha256 } from '../crypto/hash.ts';
import { unreachable } from '../lib/assert.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { MAX_TEXT_BYTES } from '../lib/lint.ts';
import { CARD_MAX_BYTES } from './card.ts';
import {
  MAX_MESSAGE,
  MAX_VERSION,
  makeTransaction,
  NEGOTIATION_KINDS,
  type Payload,
  readDealId,
  readParent,
  readTime,
  type Transaction,
} from './transaction.ts';

const VERSION = 1;
/** Of a request: a document, a card and little else. */
export const MESSAGE_MAX_BYTES = MAX_TEXT_BYTES + CARD_MAX_BYTES + 1024;

export type Body =
  | { readonly kind: 'message'; readonly text: string }
  | {
      readonly kind: 'offer' | 'counter-offer';
      readonly version: number;
      readonly document: Uint8Array;
      /** The arbiter's card in binary form (`Card.bytes`); null for a transfer. */
      readonly arbiterCard: Uint8Array | null;
      /** Seconds since 1970; equals the document's. */
      readonly offerUntil: number;
    }
  | {
      readonly kind: 'decline' | 'withdraw';
      /** SHA-256 of the document meant. */
      readonly document: Uint8Array;
      /** A reason, or nothing. */
      readonly text: string;
    };

export interface Negotiation {
  readonly kind: 'negotiation';
  readonly deal: string;
  /** Id of the transaction that this one answers; null for the first. */
  readonly parent: Uint8Array | null;
  /** Seconds since 1970, by the sender's clock. */
  readonly time: number;
  readonly body: Body;
}

export type Message = Negotiation | { readonly kind: 'card'; readonly card: Uint8Array };

function bodyItems(body: Body): readonly Cbor[] {
  switch (body.kind) {
    case 'message':
      return [body.text];
    case 'offer':
    case 'counter-offer':
      return [body.version, body.document, body.arbiterCard, body.offerUntil];
    case 'decline':
    case 'withdraw':
      return [body.document, body.text];
    default:
      return unreachable(body);
  }
}

export function encodeMessage(message: Message): Uint8Array {
  if (message.kind === 'card') return encode([VERSION, 'card', message.card]);
  const { deal, parent, time, body } = message;
  return encode([VERSION, 'negotiation', deal, parent, time, body.kind, bodyItems(body)]);
}

function readText(value: Cbor | undefined): string {
  return read.text(value, MAX_MESSAGE, 'text');
}

function readBody(value: Cbor | undefined, payload: Cbor | undefined): Body {
  const kind = read.oneOf(value, NEGOTIATION_KINDS, 'kind');
  const items = (length: number) => read.array(payload, length, kind);
  switch (kind) {
    case 'message': {
      const text = readText(items(1)[0]);
      if (text.trim() === '') throw new PeerFault('malformed', 'an empty message');
      return { kind, text };
    }
    case 'offer':
    case 'counter-offer': {
      const [number, document, card, until] = items(4);
      const version = read.uint(number, 'version');
      if (version < 1 || version > MAX_VERSION) throw new PeerFault('malformed', 'version: out of range');
      return {
        kind,
        version,
        document: read.blob(document, MAX_TEXT_BYTES, 'document'),
        arbiterCard: card === null ? null : read.blob(card, CARD_MAX_BYTES, 'card'),
        offerUntil: read.uint(until, 'offer end'),
      };
    }
    case 'decline':
    case 'withdraw': {
      const [document, text] = items(2);
      return { kind, document: read.bytes(document, 32, 'document'), text: readText(text) };
    }
    default:
      return unreachable(kind);
  }
}

function versioned(bytes: Uint8Array, maxBytes: number): readonly Cbor[] {
  const items = read.list(decode(bytes, maxBytes), 7, 'message');
  if (items[0] !== VERSION) throw new PeerFault('unknown-version', 'a message of another version');
  return items;
}

export function decodeMessage(bytes: Uint8Array): Message {
  const items = versioned(bytes, MESSAGE_MAX_BYTES);
  const kind = read.oneOf(items[1], ['negotiation', 'card'], 'message');
  if (kind === 'card') return { kind, card: read.blob(read.array(items, 3, 'card')[2], CARD_MAX_BYTES, 'card') };
  const [, , deal, parent, time, body, payload] = read.array(items, 7, 'message');
  return {
    kind,
    deal: readDealId(deal),
    parent: readParent(parent),
    time: readTime(time),
    body: readBody(body, payload),
  };
}

/** The transaction that a negotiation message is, at either side: `by` is the certificate hash of its sender. */
export function transactionOf(message: Negotiation, by: Uint8Array): Transaction {
  const { deal, parent, time, body } = message;
  const offered = body.kind === 'offer' || body.kind === 'counter-offer';
  const payload: Payload = offered
    ? { ...body, document: sha256(body.document), arbiterCard: body.arbiterCard && sha256(body.arbiterCard) }
    : body;
  return makeTransaction({ deal, parent, by, time, payload });
}
