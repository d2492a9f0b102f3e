/**
 * What came while the daemon was locked, as it came: kept under the spool key, read at the next unlock in the order of arrival.
 *
 * Guarantees: the same message is kept once; one sender takes no more than its share of the room, so that it cannot keep the
 * others out; keeping a message costs the same however many there are.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { sha256 } from '../crypto/hash.ts';
import { toHex } from '../lib/bytes.ts';
import { decode, encode, read } from '../lib/cbor.ts';
import type { Clock } from '../lib/clock.ts';
import { MAX_FRAME_BYTES, type Remote } from '../p2p/link.ts';

const MAX_UNREAD = 1000;
const MAX_OF_ONE_SENDER = 100;
const INBOX_PROTOCOLS = ['/fit/message/1', '/fit/exchange/1'] as const;

export interface Unread {
  readonly protocol: (typeof INBOX_PROTOCOLS)[number];
  readonly from: Remote;
  readonly body: Uint8Array;
}

export interface Inbox {
  /** Durable when it resolves. False: there is no room for it. */
  keep(message: Unread): Promise<boolean>;
  /** Oldest first, by the key under which it can be removed. */
  unread(): Promise<readonly (readonly [key: string, message: Unread])[]>;
  remove(key: string): Promise<void>;
}

const encodeUnread = ({ protocol, from, body }: Unread): Uint8Array =>
  encode([protocol, from.peer, from.certificate, body]);

function decodeUnread(bytes: Uint8Array): Unread {
  const [protocol, peer, certificate, body] = read.array(decode(bytes, 2 * MAX_FRAME_BYTES), 4, 'unread message');
  return {
    protocol: read.oneOf(protocol, INBOX_PROTOCOLS, 'protocol'),
    from: { peer: read.text(peer, 128, 'peer'), certificate: read.text(certificate, 64, 'certificate') },
    body: read.blob(body, MAX_FRAME_BYTES, 'body'),
  };
}

export async function createInbox(archive: Archive, clock: Clock): Promise<Inbox> {
  /** Key → sender and what tells a repetition. */
  const kept = new Map<string, { readonly sender: string; readonly digest: string; readonly durable: Promise<void> }>();
  let last = 0;

  for await (const [key, value] of archive.list('inbox')) {
    const { from } = decodeUnread(value);
    kept.set(key, { sender: from.certificate, digest: toHex(sha256(value)), durable: Promise.resolve() });
    last = Math.max(last, Number(key.slice(0, 16)));
  }

  return {
    async keep(message) {
      const value = encodeUnread(message);
      const digest = toHex(sha256(value));
      const sender = message.from.certificate;
      const all = [...kept.values()];
      const same = all.find((one) => one.digest === digest);
      if (same !== undefined) {
        await same.durable;
        return true;
      }
      if (all.length >= MAX_UNREAD || all.filter((one) => one.sender === sender).length >= MAX_OF_ONE_SENDER)
        return false;
      // Rises also when the clock does not: the order of arrival is that of the keys.
      last = Math.max(last + 1, clock.now());
      const key = String(last).padStart(16, '0');
      const durable = archive.batch([{ kind: 'put', space: 'inbox', key, value }]);
      kept.set(key, { sender, digest, durable });
      try {
        await durable;
      } catch (error) {
        kept.delete(key);
        throw error;
      }
      return true;
    },
    async unread() {
      const found: (readonly [string, Unread])[] = [];
      for await (const [key, value] of archive.list('inbox')) found.push([key, decodeUnread(value)]);
      return found;
    },
    async remove(key) {
      await archive.batch([{ kind: 'delete', space: 'inbox', key }]);
      kept.delete(key);
    },
  };
}
