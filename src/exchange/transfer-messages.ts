/**
 * The messages of a transfer after message 0 (`ready`, messages.ts), as they travel on `/fit/exchange/1`.
 *
 * Guarantees: versioned canonical arrays, every length bounded; each names deal, note and transfer, so that none can be replayed
 * as another's. Who sent it is for the link to know; whether it is true is for `transfer-record.ts`.
 */
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { MESSAGE_MAX_BYTES } from './messages.ts';
import { dealId } from './record.ts';
import { TOLD_FAULTS, type ToldFault } from './transfer.ts';
import { STATEMENT_MAX_BYTES } from './transfer-record.ts';

interface About {
  readonly deal: string;
  /** SHA-256 of the note. */
  readonly document: Uint8Array;
  readonly id: Uint8Array;
}

export type TransferMessage = About &
  (
    | { readonly kind: 'transfer-key'; readonly key: Uint8Array; readonly origin: Uint8Array | null }
    | { readonly kind: 'transfer-done'; readonly receipt: Uint8Array | null }
    /** Nothing was kept and nothing signed. */
    | { readonly kind: 'transfer-fault'; readonly fault: ToldFault }
  );

const VERSION = 1;
const KINDS = ['transfer-key', 'transfer-done', 'transfer-fault'] as const;

function rest(message: TransferMessage): readonly Cbor[] {
  switch (message.kind) {
    case 'transfer-key':
      return [message.key, message.origin];
    case 'transfer-done':
      return [message.receipt];
    case 'transfer-fault':
      return [message.fault];
  }
}

export function encodeTransferMessage(message: TransferMessage): Uint8Array {
  const { kind, deal, document, id } = message;
  return enc(VERSION, kind, deal, document, id, ...rest(message));
}

const statement = (value: Cbor | undefined, what: string): Uint8Array | null =>
  value === null ? null : read.blob(value, STATEMENT_MAX_BYTES, what);

/** Undefined for a message of an exchange. Throws `PeerFault`. */
export function decodeTransferMessage(bytes: Uint8Array): TransferMessage | undefined {
  const items = read.list(decode(bytes, MESSAGE_MAX_BYTES), 7, 'exchange message');
  const kind = KINDS.find((one) => one === items[1]);
  if (kind === undefined) return undefined;
  if (items[0] !== VERSION) throw new PeerFault('unknown-version', 'transfer message: unknown version');
  const about = {
    deal: dealId(items[2]),
    document: read.bytes(items[3], 32, 'document digest'),
    id: read.bytes(items[4], 32, 'transfer'),
  };
  switch (kind) {
    case 'transfer-key': {
      const [, , , , , key, origin] = read.array(items, 7, kind);
      return { ...about, kind, key: read.bytes(key, 32, 'key'), origin: statement(origin, 'origin') };
    }
    case 'transfer-done':
      return { ...about, kind, receipt: statement(read.array(items, 6, kind)[5], 'receipt') };
    case 'transfer-fault':
      return { ...about, kind, fault: read.oneOf(read.array(items, 6, kind)[5], TOLD_FAULTS, 'fault') };
  }
}
