/**
 * The four messages of the exchange, the acceptance of content before them, and the refusal, as they travel on `/fit/exchange/1` (PROTOCOL §6).
 *
 * Guarantees: versioned canonical arrays, every length bounded, roles in the kind so that no message can be replayed as the
 * other side's. Who sent it is for the link to know; whether it is true is for `contract.ts` and `promise.ts`.
 */
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import type { Role } from './items.ts';
import { PROMISE_MAX_BYTES, RELEASE_MAX_BYTES } from './promise.ts';
import { dealId, type ExchangeRecord, RECORD_MAX_BYTES, recordFromCbor, recordToCbor } from './record.ts';

export type ExchangeMessage =
  /** 0, where the sender of content is originator: its receiver accepts, and holds ciphertext and leaves. Unsigned. */
  | { readonly kind: 'ready'; readonly deal: string; readonly document: Uint8Array }
  /** 1: brings X. */
  | { readonly kind: 'promise'; readonly role: 'O'; readonly record: ExchangeRecord; readonly promise: Uint8Array }
  /** 2 */
  | { readonly kind: 'promise'; readonly role: 'R'; readonly xid: Uint8Array; readonly promise: Uint8Array }
  /** 3 and 4 */
  | { readonly kind: 'release'; readonly role: Role; readonly xid: Uint8Array; readonly release: Uint8Array }
  /** Unsigned: a hint that the sender will not go on. */
  | { readonly kind: 'declined'; readonly xid: Uint8Array };

const VERSION = 1;
export const MESSAGE_MAX_BYTES = RECORD_MAX_BYTES + PROMISE_MAX_BYTES + 64;

function toCbor(message: ExchangeMessage): readonly Cbor[] {
  switch (message.kind) {
    case 'promise':
      return message.role === 'O'
        ? ['promise-o', recordToCbor(message.record), message.promise]
        : ['promise-r', message.xid, message.promise];
    case 'release':
      return [message.role === 'O' ? 'release-o' : 'release-r', message.xid, message.release];
    case 'declined':
      return ['declined', message.xid];
    case 'ready':
      return ['ready', message.deal, message.document];
  }
}

export function encodeMessage(message: ExchangeMessage): Uint8Array {
  return enc(VERSION, ...toCbor(message));
}

/** Throws `PeerFault`. */
export function decodeMessage(bytes: Uint8Array): ExchangeMessage {
  const [version, kind, ...rest] = read.list(decode(bytes, MESSAGE_MAX_BYTES), 4, 'exchange message');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'exchange message: unknown version');
  const xid = (value: Cbor | undefined) => read.bytes(value, 32, 'xid');
  const promise = (value: Cbor | undefined) => read.blob(value, PROMISE_MAX_BYTES, 'promise');
  switch (kind) {
    case 'promise-o': {
      const [first, second] = read.array(rest, 2, 'message 1');
      return { kind: 'promise', role: 'O', record: recordFromCbor(first), promise: promise(second) };
    }
    case 'promise-r': {
      const [first, second] = read.array(rest, 2, 'message 2');
      return { kind: 'promise', role: 'R', xid: xid(first), promise: promise(second) };
    }
    case 'release-o':
    case 'release-r': {
      const [first, second] = read.array(rest, 2, 'release');
      const release = read.blob(second, RELEASE_MAX_BYTES, 'release');
      return { kind: 'release', role: kind === 'release-o' ? 'O' : 'R', xid: xid(first), release };
    }
    case 'ready': {
      const [deal, document] = read.array(rest, 2, 'message 0');
      return { kind: 'ready', deal: dealId(deal), document: read.bytes(document, 32, 'document digest') };
    }
    case 'declined':
      return { kind: 'declined', xid: xid(read.array(rest, 1, 'refusal')[0]) };
    default:
      throw new PeerFault('malformed', 'exchange message: unknown kind');
  }
}
