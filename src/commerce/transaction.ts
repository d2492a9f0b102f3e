/**
 * Transactions: what happened in a deal, hash-linked to what it answers (DESIGN §6).
 *
 * Ids are those of the log (`src/exchange/log.ts`). Payloads name documents and cards by digest, so that the log of a deal can be shown and checked without them.
 * `message` to `withdraw` travel and are the same at both sides; the others are what a side saw of an exchange.
 */
import { entryId, type LogEntry, type LogValue } from '../exchange/log.ts';
import { unreachable } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { ID_PATTERN } from '../lib/rng.ts';

export const NEGOTIATION_KINDS = ['message', 'offer', 'counter-offer', 'decline', 'withdraw'] as const;
export type NegotiationKind = (typeof NEGOTIATION_KINDS)[number];
/** `end`: an exchange that ended without contract and without token: nothing of it binds, nobody needs the arbiter. */
const EXCHANGE_KINDS = [
  'acceptance',
  'promise',
  'release',
  'abort',
  'resolve',
  'contract',
  'aborted',
  'end',
  // Of a delivery: the key is there; a chunk is wrong; content against receipt; void.
  'key',
  'complaint',
  'completion',
  'void',
] as const;
export type ExchangeKind = (typeof EXCHANGE_KINDS)[number];
const LOCAL_KINDS = ['expiry', 'failure'] as const;

/** Characters. Messages and reasons are shown through the sanitiser, never signed. */
export const MAX_MESSAGE = 4000;
export const MAX_VERSION = 1000;
/** 9999-12-31T23:59:59Z: later times have no text. */
const LAST_SECOND = 253_402_300_799;
const MAX_TRANSACTION_BYTES = 20 * 1024;

export type Payload =
  | { readonly kind: 'message'; readonly text: string }
  | {
      readonly kind: 'offer' | 'counter-offer';
      /** From 1; one more than the highest that its author knew. */
      readonly version: number;
      readonly document: Uint8Array;
      /** SHA-256 of the arbiter's card that came with it; null for a transfer, which has none. */
      readonly arbiterCard: Uint8Array | null;
      /** Seconds since 1970. */
      readonly offerUntil: number;
    }
  | { readonly kind: 'decline' | 'withdraw'; readonly document: Uint8Array; readonly text: string }
  | { readonly kind: ExchangeKind; readonly document: Uint8Array; readonly xid: Uint8Array }
  | { readonly kind: 'expiry'; readonly document: Uint8Array }
  | { readonly kind: 'failure'; readonly document: Uint8Array; readonly text: string };

export interface Transaction {
  readonly id: Uint8Array;
  readonly deal: string;
  readonly parent: Uint8Array | null;
  /** SHA-256 of the certificate of who did it. */
  readonly by: Uint8Array;
  /** Seconds since 1970, by the clock of who wrote it. */
  readonly time: number;
  readonly payload: Payload;
}

function payloadItems(payload: Payload): readonly LogValue[] {
  switch (payload.kind) {
    case 'message':
      return [payload.text];
    case 'offer':
    case 'counter-offer':
      return [payload.version, payload.document, payload.arbiterCard, payload.offerUntil];
    case 'decline':
    case 'withdraw':
    case 'failure':
      return [payload.document, payload.text];
    case 'acceptance':
    case 'promise':
    case 'release':
    case 'abort':
    case 'resolve':
    case 'contract':
    case 'aborted':
    case 'end':
    case 'key':
    case 'complaint':
    case 'completion':
    case 'void':
      return [payload.document, payload.xid];
    case 'expiry':
      return [payload.document];
    default:
      return unreachable(payload);
  }
}

/** Throws `PeerFault('malformed')` for a payload that is not of its kind. */
function readPayload(kind: Cbor | undefined, value: Cbor | undefined): Payload {
  const items = (length: number) => read.array(value, length, 'payload');
  const document = (item: Cbor | undefined) => read.bytes(item, 32, 'document');
  const known = read.oneOf(kind, [...NEGOTIATION_KINDS, ...EXCHANGE_KINDS, ...LOCAL_KINDS], 'kind');
  switch (known) {
    case 'message': {
      const text = read.text(items(1)[0], MAX_MESSAGE, 'text');
      if (text.trim() === '') throw new PeerFault('malformed', 'an empty message');
      return { kind: known, text };
    }
    case 'offer':
    case 'counter-offer': {
      const [number, digest, card, until] = items(4);
      const version = read.uint(number, 'version');
      if (version < 1 || version > MAX_VERSION) throw new PeerFault('malformed', 'version: out of range');
      return {
        kind: known,
        version,
        document: document(digest),
        arbiterCard: card === null ? null : read.bytes(card, 32, 'card'),
        offerUntil: read.uint(until, 'offer end'),
      };
    }
    case 'decline':
    case 'withdraw':
    case 'failure': {
      const [digest, text] = items(2);
      return { kind: known, document: document(digest), text: read.text(text, MAX_MESSAGE, 'reason') };
    }
    case 'acceptance':
    case 'promise':
    case 'release':
    case 'abort':
    case 'resolve':
    case 'contract':
    case 'aborted':
    case 'end':
    case 'key':
    case 'complaint':
    case 'completion':
    case 'void': {
      const [digest, xid] = items(2);
      return { kind: known, document: document(digest), xid: read.bytes(xid, 32, 'xid') };
    }
    case 'expiry':
      return { kind: known, document: document(items(1)[0]) };
    default:
      return unreachable(known);
  }
}

export function makeTransaction(fields: Omit<Transaction, 'id'>): Transaction {
  const { payload, ...rest } = fields;
  return { ...fields, id: entryId({ ...rest, kind: payload.kind, payload: payloadItems(payload) }) };
}

/** As the evidence log carries it. */
export function logEntryOf({ payload, ...rest }: Transaction): LogEntry {
  return { ...rest, kind: payload.kind, payload: payloadItems(payload) };
}

/** For the archive. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const { id, deal, parent, by, time, payload } = transaction;
  return encode([1, id, deal, parent, by, time, payload.kind, payloadItems(payload)]);
}

/** Throws `PeerFault('malformed')` also if the id is not the hash of the rest. */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  const [version, id, deal, parent, by, time, kind, items] = read.array(
    decode(bytes, MAX_TRANSACTION_BYTES),
    8,
    'transaction',
  );
  read.literal(version, 1, 'version');
  const transaction = makeTransaction({
    deal: readDealId(deal),
    parent: readParent(parent),
    by: read.bytes(by, 32, 'by'),
    time: readTime(time),
    payload: readPayload(kind, items),
  });
  if (!equal(transaction.id, read.bytes(id, 32, 'id')))
    throw new PeerFault('malformed', 'transaction: the id is not its hash');
  return transaction;
}

export function readDealId(value: Cbor | undefined): string {
  const deal = read.text(value, 12, 'deal');
  if (!ID_PATTERN.test(deal)) throw new PeerFault('malformed', 'deal: not a deal id');
  return deal;
}

/** Whatever the sender's clock says, as long as it can be written down. */
export function readTime(value: Cbor | undefined): number {
  const time = read.uint(value, 'time');
  if (time > LAST_SECOND) throw new PeerFault('malformed', 'time: after the year 9999');
  return time;
}

export function readParent(value: Cbor | undefined): Uint8Array | null {
  return value === null ? null : read.bytes(value, 32, 'parent');
}
