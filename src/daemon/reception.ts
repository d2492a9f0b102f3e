/**
 * What arrives from peers: taken at once, or kept as it came while the daemon is locked and read at the next unlock, and
 * acknowledged when it is durable.
 *
 * Guarantees: messages are taken in the order in which they came, those from before an unlock first; what a dishonest peer sends is
 * a fault and a refusal, what cannot be taken now is asked for again, and only a bug ends the daemon.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { decodeTransferMessage } from '../exchange/transfer-messages.ts';
import { AssertionFailed } from '../lib/assert.ts';
import { enc } from '../lib/cbor.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { isFitError, PeerFault } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Remote } from '../p2p/link.ts';
import type { Contacts } from './contacts.ts';
import type { Deals } from './deals.ts';
import type { Exchanges } from './exchanges.ts';
import { createInbox, type Unread } from './inbox.ts';
import { type Ack, encodeAck, type Outbox } from './outbox.ts';

/** A greeting: an empty message that only asks for an acknowledgement. */
export const HELLO = enc(1, 'hello');

/** Until what could not be stored is tried again. */
const RETRY_MS = 10_000;

export interface ReceptionPorts {
  readonly archive: Archive;
  readonly clock: Clock;
  readonly log: Logger;
  readonly contacts: Pick<Contacts, 'peerOf'>;
  readonly deals: Pick<Deals, 'receive' | 'transfers'>;
  readonly exchanges: Pick<Exchanges, 'handle'>;
  readonly outbox: Pick<Outbox, 'wake'>;
  /** Whether messages can be taken; an unlock that is under way. */
  isOpen(): boolean;
  unlocking(): Promise<void> | undefined;
  isLocked(): boolean;
  /** What is to be given up at the next lock. */
  untilLocked(cancel: () => void): void;
  onFault(peer: string, fault: PeerFault): void;
  crash(error: AssertionFailed): void;
}

export interface Reception {
  /** The acknowledgement of one message. */
  answer(protocol: Unread['protocol'], from: Remote, body: Uint8Array): Promise<Uint8Array>;
  /** Reads what came while locked, in the order in which it came. What cannot be taken yet (a full disk) stays for later. */
  drain(): Promise<void>;
}

export async function createReception(ports: ReceptionPorts): Promise<Reception> {
  const { archive, clock, log, contacts, deals, exchanges, outbox } = ports;

  const takeExchange = (from: Remote, body: Uint8Array): Promise<Ack> => {
    const transfer = decodeTransferMessage(body);
    return transfer === undefined ? exchanges.handle(from, body) : deals.transfers.handle(from, transfer);
  };
  const inbox = await createInbox(archive, clock);
  /** What is being put into the inbox at this moment. */
  const keeping = new Set<Promise<Ack>>();

  /** What an honest peer's message does; what a dishonest one's does is a fault and a refusal. */
  const take = async (protocol: Unread['protocol'], from: Remote, body: Uint8Array): Promise<Ack> => {
    try {
      return protocol === '/fit/message/1' ? await deals.receive(from, body) : await takeExchange(from, body);
    } catch (error) {
      if (error instanceof PeerFault) {
        ports.onFault(from.peer, error);
        return { kind: 'no', why: error.code };
      }
      if (isFitError(error) && (error.code === 'locked' || error.code === 'busy' || error.code === 'disk-full'))
        return { kind: 'later', why: error.code };
      if (error instanceof AssertionFailed) ports.crash(error);
      throw error;
    }
  };

  /** Locked: kept as it came, read at the next unlock. */
  const keepUnread = async (protocol: Unread['protocol'], from: Remote, body: Uint8Array): Promise<Ack> => {
    if (contacts.peerOf(from.certificate) === undefined) return { kind: 'later', why: 'unknown-sender' };
    if (!(await inbox.keep({ protocol, from, body }))) return { kind: 'later', why: 'full' };
    // Kept, in case the sender is away when somebody unlocks; but its patience is not to begin before we can answer.
    return protocol === '/fit/exchange/1' ? { kind: 'later', why: 'locked' } : { kind: 'ok' };
  };

  /** While the daemon opens, messages wait: what came before them is read first. */
  const ackTo = async (protocol: Unread['protocol'], from: Remote, body: Uint8Array): Promise<Ack> => {
    if (!ports.isOpen()) await ports.unlocking()?.catch(() => {});
    if (ports.isOpen()) return take(protocol, from, body);
    const kept = keepUnread(protocol, from, body);
    keeping.add(kept);
    try {
      return await kept;
    } finally {
      keeping.delete(kept);
    }
  };

  const drain = async (): Promise<void> => {
    await Promise.allSettled(keeping);
    let left = 0;
    for (const [key, { protocol, from, body }] of await inbox.unread()) {
      try {
        const ack = await take(protocol, from, body);
        if (ack.kind === 'later') left += 1;
        else await inbox.remove(key);
      } catch (error) {
        left += 1;
        log.warn({ error }, 'an unread message could not be taken');
      }
    }
    if (left === 0 || ports.isLocked()) return;
    ports.untilLocked(
      clock.at(clock.now() + RETRY_MS, () => {
        if (ports.isOpen()) void drain().catch((error) => log.error({ error }, 'unread messages could not be read'));
      }),
    );
  };

  return {
    async answer(protocol, from, body) {
      if (body.length === HELLO.length && Buffer.compare(body, HELLO) === 0) {
        // Whoever greets takes messages now, also what it did not take before.
        outbox.wake(from.certificate);
        return encodeAck({ kind: 'ok' }, seconds(clock.now()));
      }
      return encodeAck(await ackTo(protocol, from, body), seconds(clock.now()));
    },
    drain,
  };
}
