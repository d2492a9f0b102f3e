/**
 * The driver of transfers: the thin shell around the two machines of exchange/transfer.ts.
 *
 * Guarantees: what arrives is verified before it becomes an input; a step, the messages and the consent's use are one durable
 * write, and nothing leaves before it; every message may come twice; after a crash each side goes on from its last recorded
 * step. The key leaves only towards the certificate that the note names, on its word that it holds the ciphertext, and under a
 * consent that stands. A receipt is signed only once every chunk was compared, under the consent that accepted the note.
 */
import type { StoreOp } from '../archive/store.ts';
import { currentVersion, type Deal, isFinalState, type Version } from '../commerce/deal.ts';
import { type Document, parseDocument } from '../commerce/document.ts';
import {
  beginTransfer,
  isTransferFinal,
  stepTransfer,
  type TransferEffect,
  type TransferInput,
  type TransferSide,
  type TransferState,
} from '../exchange/transfer.ts';
import type { TransferMessage } from '../exchange/transfer-messages.ts';
import { encodeTransferProof, isTransferKey, transferId } from '../exchange/transfer-record.ts';
import { AssertionFailed, present, unreachable } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { Remote } from '../p2p/link.ts';
import type { Change, Consent } from './consents.ts';
import type { Contact } from './contacts.ts';
import type { DealWrites } from './deal-writes.ts';
import type { Ack, Letter } from './outbox.ts';
import type { Parts } from './parts.ts';
import { dealAfter, keyLetter, transferLetter } from './transfer-course.ts';
import { createTransferSigning } from './transfer-signing.ts';
import {
  decodeTransfer,
  documentOf,
  nameOf,
  OPEN_TRANSFERS,
  type Transfer,
  transferKeys,
  transferOps,
} from './transfer-store.ts';

/** Until what is in the way (a full disk, a dead worker) is tried again. */
const RETRY_MS = 10_000;

type State = TransferState<Uint8Array>;
type Input = TransferInput<Uint8Array>;

interface Live {
  readonly transfer: Transfer;
  /** Put away by a lock: its tasks stop. */
  gone: boolean;
}

/** What is on the table between us and a peer, if it is a transfer. */
interface Note {
  readonly deal: Deal;
  readonly contact: Contact;
  readonly version: Version;
  readonly document: Document;
}

export interface TransferPorts {
  /** Our consent for this text that stands now, or why there is none. */
  standing(deal: string, kind: 'offer' | 'acceptance', document: string): Consent | 'withdrawn' | 'expired';
}

export type Transfers = ReturnType<typeof createTransfers>;

export function createTransfers(parts: Parts, writes: DealWrites, ports: TransferPorts) {
  const { archive, store, consents, contacts, keyring, clock, log, events } = parts;
  const { locks, now, held } = writes;
  const { sign, verifies } = createTransferSigning(keyring, now);
  const live = new Map<string, Live>();
  const stopping = new AbortController();

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.at(clock.now() + RETRY_MS, resolve);
      const end = (): void => {
        cancel();
        resolve();
      };
      stopping.signal.addEventListener('abort', end, { once: true });
    });

  const find = async (document: string): Promise<Transfer | undefined> => {
    const known = live.get(document)?.transfer;
    if (known !== undefined) return known;
    for (const key of transferKeys(document)) {
      const stored = await archive.get('exchanges', key);
      if (stored !== undefined) return decodeTransfer(stored);
    }
    return undefined;
  };

  const consentChanges = ({ consent: id, ...transfer }: Transfer, state: State, consume: boolean): Change[] => {
    const consent = consents.get(id);
    if (consent === undefined) return [];
    if (consume) return [consents.move(consent, 'used', now(), { xid: nameOf(transfer), usedAt: now() })];
    // A receiver that found wrong content has signed nothing; one that opened nothing needs its consent no more.
    if (state.side !== 'receiver' || state.phase !== 'failed') return [];
    if (consent.status === 'used') return [consents.move(consent, 'freed', now())];
    return consent.status === 'granted' ? [consents.move(consent, 'withdrawn', now())] : [];
  };

  /** One step with its effects. Runs under the deal's lock. False: the input changed nothing. */
  const apply = async (entry: Live, input: Input): Promise<boolean> => {
    // What is stored is taken up again at the next unlock, and the input comes again.
    if (entry.gone) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
    const { transfer } = entry;
    const [state, effects] = stepTransfer(transfer.machine, input);
    if (effects.length === 0) return false;
    await perform(entry, state, effects);
    return true;
  };

  const perform = async (entry: Live, state: State, effects: readonly TransferEffect[]): Promise<void> => {
    const { transfer } = entry;
    const { deal } = transfer.record;
    const ops: StoreOp[] = [];
    const done: (() => void)[] = [];
    for (const effect of effects)
      if (effect === 'sendKey' || effect === 'sendDone' || effect === 'sendFault') {
        const { ops: more, posted } = parts.outbox.post(transferLetter(transfer, state, effect));
        ops.push(...more);
        done.push(posted);
      }
    const consume = effects.includes('consume');
    if (consume || effects.includes('record')) {
      const before = held(deal);
      const after = dealAfter(before, transfer, state, now());
      const changes = [...consentChanges(transfer, state, consume), ...writes.outdated(after, transfer.consent)];
      ops.unshift(...transferOps({ ...transfer, machine: state }));
      done.unshift(() => {
        transfer.machine = state;
        if (isTransferFinal(state.phase)) live.delete(documentOf(transfer));
        else live.set(documentOf(transfer), entry);
      });
      await writes.commit(before, after, { ops, changes, done });
    } else {
      if (ops.length > 0) await archive.batch(ops);
      for (const then of done) then();
    }
    if (effects.includes('checkContent') && !entry.gone) void checkContent(entry);
  };

  /** Every chunk against its leaf, off the event loop; again later if it cannot be done now. */
  const checkContent = async (entry: Live): Promise<void> => {
    const { transfer } = entry;
    const { record, terms, machine } = transfer;
    const key = present(machine.key, 'key');
    for (;;) {
      if (stopping.signal.aborted || entry.gone || transfer.machine.phase !== 'opening') return;
      try {
        const found = await parts.deliveries.open(record, key);
        const isOther = found.kind === 'right' && found.trouble !== null;
        if (isOther) await parts.deliveries.reject(documentOf(transfer));
        await locks.run(record.deal, () => {
          if (found.kind === 'wrong')
            return apply(entry, { kind: 'wrong', proof: encodeTransferProof(key, found.proof) });
          // What was sealed, but not what the note says of it: no receipt for that note.
          if (isOther) return apply(entry, { kind: 'wrong', proof: null });
          return apply(entry, { kind: 'right', receipt: terms.receipt === 'asked' ? sign(record, 'receipt') : null });
        });
        return;
      } catch (error) {
        if (error instanceof AssertionFailed) throw error;
        log.warn({ deal: record.deal, error }, 'the content of a transfer cannot be compared yet');
        await pause();
      }
    }
  };

  /** The current text of a deal with this peer, if it is a transfer with this digest. */
  const noteOf = async (from: Remote, id: string, digest: Uint8Array): Promise<Note | undefined> => {
    const contact = contacts.of(from.certificate);
    const deal = store.get(id);
    const version = deal === undefined ? undefined : currentVersion(deal);
    if (contact === undefined || deal === undefined || version === undefined) return undefined;
    if (toHex(deal.them) !== from.certificate || !equal(version.document, digest)) return undefined;
    const document = parseDocument(await store.fetch('document', toHex(digest)));
    return document.terms.transfer === null ? undefined : { deal, contact, version, document };
  };

  const begin = (
    side: TransferSide,
    { deal, contact, document }: Note,
    sealed: { readonly point: Uint8Array; readonly ciphertextRoot: Uint8Array },
    consent: string,
  ): Live => {
    const { content, transfer: terms } = document.terms;
    const { root, bytes, chunks } = present(content, 'content');
    const own = present(keyring.chain[0], 'certificate').der;
    const theirs = contact.card.certificate.der;
    const transfer: Transfer = {
      record: {
        deal: deal.id,
        document: document.digest,
        sender: side === 'sender' ? deal.us : deal.them,
        receiver: side === 'sender' ? deal.them : deal.us,
        content: { ...sealed, plaintextRoot: root, bytes, chunks },
      },
      terms: present(terms, 'attributes of a transfer'),
      peer: toHex(deal.them),
      certificates: side === 'sender' ? [own, theirs] : [theirs, own],
      consent,
      machine: beginTransfer(side),
    };
    return { transfer, gone: false };
  };

  /** Message 0: the receiver holds the ciphertext and accepts, so the key may leave. */
  const takeReady = async (note: Note): Promise<Ack> => {
    const { deal, version } = note;
    const digest = toHex(version.document);
    // Said twice: the first time counts.
    if (deal.exchanges.some((one) => equal(one.document, version.document))) return { kind: 'ok' };
    if (!equal(version.by, deal.us)) throw new PeerFault('out-of-order', 'message 0 from the wrong side');
    if (isFinalState(deal.state)) return { kind: 'no', why: deal.state };
    if (now() >= version.offerUntil) return { kind: 'no', why: 'expired' };
    const consent = ports.standing(deal.id, 'offer', digest);
    if (typeof consent === 'string') return { kind: 'no', why: consent };
    const { ours } = await parts.deliveries.sealedOf(digest);
    if (ours === null) return { kind: 'later', why: 'not-fetched' };
    const entry = begin('sender', note, ours, consent.id);
    const { record, terms } = entry.transfer;
    const key = await parts.deliveries.key(record);
    await apply(entry, { kind: 'accepted', key, origin: terms.origin ? sign(record, 'origin') : null });
    return { kind: 'ok' };
  };

  type Message<K extends TransferMessage['kind']> = Extract<TransferMessage, { kind: K }>;

  const takeKey = async (from: Remote, message: Message<'transfer-key'>): Promise<Ack> => {
    const note = await noteOf(from, message.deal, message.document);
    if (note === undefined) return { kind: 'no', why: 'not-current' };
    const { deal, version } = note;
    const digest = toHex(version.document);
    if (!equal(version.by, deal.them)) throw new PeerFault('out-of-order', 'a key for content of ours');
    if (isFinalState(deal.state)) return { kind: 'no', why: deal.state };
    const consent = ports.standing(deal.id, 'acceptance', digest);
    if (typeof consent === 'string') return { kind: 'no', why: consent };
    const { theirs } = await parts.deliveries.sealedOf(digest);
    if (theirs === null) return { kind: 'later', why: 'not-fetched' };
    const entry = begin('receiver', note, theirs, consent.id);
    const { record, terms } = entry.transfer;
    if (!equal(transferId(record), message.id)) throw new PeerFault('bad-record', 'the key of another transfer');
    const junk = (fault: 'wrong-key' | 'wrong-origin'): Promise<boolean> => {
      events.emit({ kind: 'peer-fault', deal: deal.id, detail: fault });
      return apply(entry, { kind: 'junk', fault });
    };
    const { key } = message;
    const origin = terms.origin ? message.origin : null;
    if (!isTransferKey(record, key)) await junk('wrong-key');
    else if (terms.origin && (origin === null || !verifies(record, 'origin', origin, version.time)))
      await junk('wrong-origin');
    else await apply(entry, { kind: 'key', key, origin });
    return { kind: 'ok' };
  };

  /** What a message about a known transfer is for its machine. */
  const inputOf = (transfer: Transfer, message: TransferMessage): Input => {
    switch (message.kind) {
      // Said again: what it holds was verified, or found wrong, the first time.
      case 'transfer-key':
        return { kind: 'key', key: message.key, origin: message.origin };
      case 'transfer-fault':
        return { kind: 'faulted', fault: message.fault };
      case 'transfer-done': {
        const { record, terms } = transfer;
        if (terms.receipt === 'none') return { kind: 'acknowledged', receipt: null };
        const noted = held(record.deal).versions.find((one) => equal(one.document, record.document))?.time ?? 0;
        const { receipt } = message;
        return receipt !== null && verifies(record, 'receipt', receipt, noted)
          ? { kind: 'acknowledged', receipt }
          : { kind: 'unreceipted' };
      }
      default:
        return unreachable(message);
    }
  };

  const take = async (from: Remote, message: TransferMessage): Promise<Ack> => {
    const document = toHex(message.document);
    const known = await find(document);
    if (known === undefined)
      return message.kind === 'transfer-key' ? takeKey(from, message) : { kind: 'no', why: 'unknown-deal' };
    if (known.peer !== from.certificate || known.record.deal !== message.deal)
      throw new PeerFault('out-of-order', 'a message for somebody else’s transfer');
    if (!equal(transferId(known.record), message.id)) throw new PeerFault('bad-record', 'another transfer');
    if ((known.machine.side === 'receiver') !== (message.kind === 'transfer-key'))
      throw new PeerFault('out-of-order', 'a message in our own role');
    await apply(live.get(document) ?? { transfer: known, gone: false }, inputOf(known, message));
    return { kind: 'ok' };
  };

  const feed = async (deal: string, document: string, input: Input): Promise<boolean> =>
    locks.run(deal, async () => {
      const entry = live.get(document);
      return entry !== undefined && apply(entry, input);
    });

  return {
    find,

    handle: (from: Remote, message: TransferMessage): Promise<Ack> =>
      locks.run(message.deal, () => take(from, message)),

    /** Undefined: what has been fetched is no transfer's. */
    ready: (from: Remote, deal: string, digest: Uint8Array): Promise<Ack | undefined> =>
      locks.run(deal, async () => {
        const note = await noteOf(from, deal, digest);
        return note === undefined ? undefined : takeReady(note);
      }),

    acknowledged({ ref }: Letter, ack: Ack): void {
      const about = keyLetter(ref);
      if (about === undefined || ack.kind !== 'no') return;
      feed(about.deal, about.document, { kind: 'refused' }).catch((error) =>
        log.error({ error }, 'a transfer could not go on'),
      );
    },

    /** Whoever sent does not wait any longer; or whoever received, for content that its disk has lost. */
    async abort(deal: string, document: string): Promise<void> {
      const isComparing = live.get(document)?.transfer.machine.phase === 'opening';
      if (isComparing && !(await parts.deliveries.isLost(document)))
        throw new FitError('wrong-state', 'the key is here and the content is being compared: that ends by itself', {
          hint: `fit deal explain ${deal}`,
        });
      if (await feed(deal, document, { kind: 'abort' })) return;
      throw new FitError('wrong-state', 'there is nothing to wait for', { hint: `fit deal explain ${deal}` });
    },

    /** Continues every unfinished transfer; needs an unlocked keyring. */
    async resume(): Promise<void> {
      for await (const [document, value] of archive.list('exchanges', OPEN_TRANSFERS)) {
        const transfer = decodeTransfer(value);
        if (live.has(documentOf(transfer))) continue;
        const entry: Live = { transfer, gone: false };
        live.set(documentOf(transfer), entry);
        await locks
          .run(transfer.record.deal, () => apply(entry, { kind: 'resumed' }))
          .catch((error) => log.warn({ document, error }, 'a transfer cannot go on yet'));
      }
    },

    /** Puts everything away until the next `resume`. */
    pause(): void {
      for (const entry of live.values()) entry.gone = true;
      live.clear();
    },
    stop(): void {
      stopping.abort();
    },
  };
}
