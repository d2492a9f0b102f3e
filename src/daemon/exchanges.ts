/**
 * The exchange driver: the thin shell around the two party machines (exchange/party.ts).
 *
 * It verifies what arrives before it becomes an input, makes signatures, proofs and requests, and performs effects in order:
 * one `record` and the messages it justifies are one atomic write (state, journal, consent, outbox), and nothing leaves
 * before that write is durable. Inputs of one exchange are taken one at a time. The arbiter is asked until it answers.
 */

import type { Journal, NewEntry } from '../archive/journal.ts';
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import type { EscrowPool } from '../crypto/escrow-pool.ts';
import { generateKem } from '../crypto/kem.ts';
import { complete, decodeDelivery, keyIn } from '../exchange/completion.ts';
import type { Parties } from '../exchange/contract.ts';
import { decodeMessage, type ExchangeMessage } from '../exchange/messages.ts';
import { encodeMisbehaviour } from '../exchange/misbehaviour.ts';
import { begin, isFinal, type PartyEffect, type PartyInput, type PartyState, step } from '../exchange/party.ts';
import { checkRelease, witnessIn } from '../exchange/promise.ts';
import { type ExchangeRecord, xidOf } from '../exchange/record.ts';
import { AssertionFailed, present, unreachable } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { createMutex } from '../lib/mutex.ts';
import type { Link, Remote } from '../p2p/link.ts';
import type { Ciphertexts } from './ciphertexts.ts';
import type { ContentOfExchanges } from './deliveries.ts';
import { answerKeyOf, doneKey, letter, letterFor, openKey, otherRole, storedOps, summary } from './exchange-effects.ts';
import { courseOf, decodeExchange, type Exchange } from './exchange-record.ts';
import { createExchangeTimers, RETRY_MS, type Timed } from './exchange-timers.ts';
import { type ArbiterTrouble, createInquiry, type Subject } from './inquiry.ts';
import type { Keyring } from './keyring.ts';
import type { Ack, Letter, Outbox } from './outbox.ts';
import { createPromising, type Made } from './promising.ts';
import { decodeSpooled } from './spool.ts';

/** What the responder's side of the deal says to message 1. */
export type Admission =
  | {
      readonly kind: 'welcome';
      readonly parties: Parties;
      readonly arbiter: Exchange['arbiter'];
      readonly consent: string;
      check(record: ExchangeRecord): void;
    }
  | { readonly kind: 'no'; readonly why: string };

export interface ExchangePorts {
  readonly archive: Archive;
  readonly journal: () => Journal;
  readonly keyring: Keyring;
  readonly pool: EscrowPool;
  readonly outbox: Outbox;
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds. */
  readonly patienceMs: number;
  admit(from: Remote, record: ExchangeRecord): Promise<Admission>;
  /** Message 0: the receiver of content that we offered accepts it, and holds it. */
  ready(from: Remote, deal: string, document: Uint8Array): Promise<Ack>;
  /** Runs alone among everything that changes this deal. */
  exclusive<T>(deal: string, task: () => Promise<T>): Promise<T>;
  /** Whether the consent stands now: not withdrawn, expired or used. */
  consentStands(id: string): boolean;
  /** Of exchanges of content: the key of what we send, and the comparison of what we got. */
  readonly content: ContentOfExchanges & Ciphertexts;
  /** What else belongs into the write of this state: the deal, the consent's use. Called again when it is durable. */
  recording(
    exchange: Exchange,
    state: PartyState<Uint8Array>,
    consume: boolean,
  ): {
    readonly ops: readonly StoreOp[];
    readonly entries: readonly NewEntry[];
    readonly audit: readonly NewEntry[];
    readonly done: () => void;
  };
}

export interface NewExchange {
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  readonly peer: string;
  readonly arbiter: Exchange['arbiter'];
  readonly consent: string;
}

export interface Prepared {
  readonly exchange: Exchange;
  readonly ops: readonly StoreOp[];
}

export interface Exchanges {
  /** Continues every unfinished exchange; needs an unlocked keyring. */
  resume(): Promise<void>;
  /** As originator: the exchange, and the write that makes it known, for the caller's batch. */
  prepare(fresh: NewExchange): Prepared;
  /** Goes on when that batch is durable; resolves when message 1 is. */
  accept(prepared: Prepared): Promise<void>;
  handle(from: Remote, body: Uint8Array): Promise<Ack>;
  acknowledged(letter: Letter, ack: Ack): void;
  order(xid: string, order: 'abort' | 'resolve'): Promise<void>;
  get(xid: string): Exchange | undefined;
  /** Unfinished exchanges over a document digest (hex). */
  openOver(document: string): readonly Exchange[];
  finished(xid: string): Promise<Exchange | undefined>;
  arbiterTrouble(xid: string): ArbiterTrouble;
  /** The arbiter's signed completion (or its word that it is void) of a finished exchange, with the record that it answers. */
  answerTo(
    xid: string,
    kind?: 'resolved' | 'void',
  ): Promise<{ readonly record: ExchangeRecord; readonly bytes: Uint8Array } | undefined>;
  /** Puts everything away until the next `resume`. */
  pause(): void;
  stop(): void;
}

interface Live extends Subject, Timed {
  gone: boolean;
  /** Its content is being compared. */
  checking: boolean;
}

export function createExchanges(ports: ExchangePorts): Exchanges {
  const live = new Map<string, Live>();
  const locks = createMutex();
  const stopping = new AbortController();
  const now = (): number => seconds(ports.clock.now());

  const adopt = (exchange: Exchange): Live => {
    const entry: Live = { exchange, timers: new Map(), asking: false, checking: false, trouble: null, gone: false };
    live.set(exchange.xid, entry);
    return entry;
  };

  /** Performs the effects of one step in order. */
  const perform = async (
    entry: Live,
    after: PartyState<Uint8Array>,
    effects: readonly PartyEffect<Uint8Array>[],
  ): Promise<void> => {
    const { exchange } = entry;
    const ops: StoreOp[] = [];
    const entries: NewEntry[] = [];
    const audit: NewEntry[] = [];
    const durable: (() => void)[] = [];
    const ciphertext = await ports.content.ciphertextHere(exchange);
    for (const effect of effects) {
      if (effect.kind === 'record') {
        const more = ports.recording(exchange, effect.state, effect.consume);
        ops.push(...storedOps(exchange, effect.state, ciphertext), ...more.ops);
        entries.push(
          {
            time: now(),
            kind: `exchange-${effect.state.phase}`,
            ref: exchange.xid,
            payload: summary(exchange, effect.state),
          },
          ...more.entries,
        );
        audit.push(...more.audit);
        durable.push(() => {
          exchange.machine = effect.state;
        }, more.done);
      }
      const message = letterFor(exchange, effect);
      if (message !== undefined) {
        const { ops: letterOps, posted } = ports.outbox.post(message);
        ops.push(...letterOps);
        durable.push(posted);
      }
    }
    if (ops.length > 0 || entries.length > 0) await ports.journal().append(entries, ops, audit);
    exchange.machine = after;
    for (const then of durable) then();
    if (entry.gone) return;
    for (const effect of effects) {
      if (effect.kind === 'timer') timers[effect.timer](entry);
      else if (effect.kind === 'ask') void inquiry.ask(entry);
      else if (effect.kind === 'checkContent') void checkContent(entry);
    }
    if (isFinal(after.phase)) {
      for (const cancel of entry.timers.values()) cancel();
      live.delete(exchange.xid);
    }
  };

  /** One step, alone with the exchange and its deal: what the input says about consent holds when it is recorded. */
  const apply = (entry: Live, input: () => PartyInput<Uint8Array>): Promise<boolean> =>
    ports.exclusive(entry.exchange.deal, async () => {
      // Put away while it waited its turn: what is stored is taken up again at the next unlock, and the input comes again.
      if (entry.gone) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
      const [after, effects] = step(entry.exchange.machine, input());
      const taken = after !== entry.exchange.machine || effects.length > 0;
      await perform(entry, after, effects);
      return taken;
    });

  const feed = (entry: Live, input: PartyInput<Uint8Array>): Promise<boolean> =>
    locks.run(entry.exchange.xid, () => apply(entry, () => input));

  const { archive, keyring, link, clock, log } = ports;
  const { makePromise, verifyPromise } = createPromising(ports);
  const { ciphertext } = ports.content;
  const timers = createExchangeTimers<Live>(
    { clock, log, patienceMs: ports.patienceMs, stopping: stopping.signal },
    feed,
  );
  const inquiry = createInquiry<Live>(
    { archive, keyring, link, clock, log, stopping: stopping.signal, ciphertext },
    feed,
  );

  const isLost = ({ exchange }: Live): Promise<boolean> => ports.content.isLost(toHex(exchange.record.document));

  /** Every chunk against its leaf, off the event loop; again later if it cannot be done now. One comparison of it at a time. */
  const checkContent = async (entry: Live): Promise<void> => {
    if (entry.checking) return;
    entry.checking = true;
    const { exchange } = entry;
    const witness = decodeDelivery(present(exchange.machine.contract, 'key'))[otherRole(exchange.role)];
    for (;;) {
      const { phase } = exchange.machine;
      if (stopping.signal.aborted || entry.gone || (phase !== 'opening' && phase !== 'waiving')) break;
      try {
        const found = await ports.content.open(exchange.record, present(keyIn(witness), 'key'));
        await feed(
          entry,
          found.kind === 'right'
            ? { kind: 'right', now: now() }
            : { kind: 'wrong', proof: encodeMisbehaviour(witness, found.proof), now: now() },
        );
      } catch (error) {
        if (error instanceof AssertionFailed) throw error;
        ports.log.warn({ xid: exchange.xid, error }, 'the content cannot be compared yet');
        await inquiry.pause(RETRY_MS);
      }
    }
    entry.checking = false;
  };

  /** Takes the step that records what was made. Runs under the exchange's lock. */
  const recordPromise = async (entry: Live, { promise, release }: Made): Promise<void> => {
    const { exchange } = entry;
    const peerPromise = exchange.machine.peerPromise;
    const resolve = peerPromise === null ? {} : { resolve: resolveRequest(exchange, promise, peerPromise) };
    await apply(entry, () => ({
      kind: 'proved',
      promise,
      release,
      ...resolve,
      consent: ports.consentStands(exchange.consent),
      now: now(),
    }));
  };

  /**
   * Goes on with what is recorded: the promise of an acceptance, or where the last run of the daemon ended; now, or when what
   * is in the way (a dead worker, a full disk) has gone.
   */
  const goOn = async (entry: Live): Promise<void> => {
    const { exchange } = entry;
    try {
      if (exchange.machine.phase === 'proving') await recordPromise(entry, await makePromise(exchange));
      else await apply(entry, () => ({ kind: 'resumed', now: now() }));
    } catch (error) {
      if (error instanceof AssertionFailed) throw error;
      ports.log.warn({ xid: exchange.xid, error }, 'an exchange cannot go on yet');
      void inquiry.pause(RETRY_MS).then(async () => {
        if (stopping.signal.aborted || entry.gone || live.get(exchange.xid) !== entry) return;
        await locks
          .run(exchange.xid, () => goOn(entry))
          .catch((failure) => ports.log.error({ error: failure }, 'an exchange could not go on'));
      });
    }
  };

  const resolveRequest = (exchange: Exchange, own: Uint8Array, peer: Uint8Array): Uint8Array => {
    const promises = exchange.role === 'originator' ? { O: own, R: peer } : { O: peer, R: own };
    return inquiry.request(exchange, 'resolve', promises);
  };

  const receiveOfferPromise = async (from: Remote, record: ExchangeRecord, promise: Uint8Array): Promise<Ack> => {
    const xid = toHex(xidOf(record));
    return locks.run(xid, async (): Promise<Ack> => {
      if (live.has(xid) || (await ports.archive.get('exchanges', doneKey(xid))) !== undefined) return { kind: 'ok' };
      const admission = await ports.admit(from, record);
      if (admission.kind === 'no') return admission;
      admission.check(record);
      const exchange: Exchange = {
        xid,
        deal: record.deal,
        role: 'responder',
        record,
        parties: admission.parties,
        peer: from.certificate,
        arbiter: admission.arbiter,
        consent: admission.consent,
        answerKey: generateKem(),
        machine: begin('responder', { notAfter: record.notAfter, margin: record.margin }, promise, courseOf(record)),
      };
      const entry = adopt(exchange);
      try {
        // Side by side: our promise depends on X alone, and is dropped unseen if theirs does not verify.
        const [made] = await Promise.all([makePromise(exchange), verifyPromise(exchange, 'O', promise)]);
        await recordPromise(entry, made);
      } catch (error) {
        // Nothing of it is recorded: the originator's next attempt begins anew.
        if (exchange.machine.phase === 'proving') live.delete(xid);
        throw error;
      }
      return { kind: 'ok' };
    });
  };

  /** Whatever is said about a finished exchange changes nothing; a promise that comes too late is told so, to save its sender the wait. */
  const tellIfOver = async (from: Remote, message: ExchangeMessage): Promise<void> => {
    if (message.kind !== 'promise' || message.role !== 'R') return;
    const stored = await ports.archive.get('exchanges', doneKey(toHex(message.xid)));
    const exchange = stored === undefined ? undefined : decodeExchange(stored);
    if (exchange === undefined || exchange.peer !== from.certificate || exchange.machine.phase !== 'aborted') return;
    const { ops, posted } = ports.outbox.post(letter(exchange, { kind: 'declined', xid: message.xid }, 'declined'));
    await ports.archive.batch(ops);
    posted();
  };

  const receive = async (
    from: Remote,
    message: Exclude<ExchangeMessage, { kind: 'promise'; role: 'O' } | { kind: 'ready' }>,
  ): Promise<Ack> => {
    const xid = toHex(message.xid);
    const entry = live.get(xid);
    if (entry === undefined) {
      await tellIfOver(from, message);
      return { kind: 'ok' };
    }
    const { exchange } = entry;
    if (exchange.peer !== from.certificate)
      throw new PeerFault('out-of-order', 'a message for somebody else’s exchange');
    return locks.run(xid, async (): Promise<Ack> => {
      const { machine, record, parties } = exchange;
      const theirs = otherRole(exchange.role);
      if (message.kind !== 'declined' && message.role !== theirs)
        throw new PeerFault('out-of-order', 'a message in our own role');
      switch (message.kind) {
        case 'promise': {
          if (exchange.role !== 'originator' || machine.phase !== 'promised' || machine.promise === null) break;
          await verifyPromise(exchange, theirs, message.promise);
          const resolve = resolveRequest(exchange, machine.promise, message.promise);
          await apply(entry, () => ({ kind: 'promise', promise: message.promise, resolve, now: now() }));
          break;
        }
        case 'release': {
          if (machine.release === null) break;
          // A receipt before message 2: its giver has the key from the arbiter, who would give us the receipt after the window.
          const early = machine.peerPromise === null;
          if (early && (exchange.role !== 'originator' || record.itemR.kind !== 'statement')) break;
          const witness = checkRelease(record, theirs, message.release, machine.peerPromise, parties);
          const own = witnessIn(machine.release);
          const contract = complete(record, parties, theirs === 'O' ? { O: witness, R: own } : { O: own, R: witness });
          await apply(entry, () => ({ kind: early ? 'resolved' : 'release', contract, now: now() }));
          break;
        }
        case 'declined':
          await apply(entry, () => ({ kind: 'declined', now: now() }));
          break;
        default:
          unreachable(message);
      }
      return { kind: 'ok' };
    });
  };

  return {
    async resume() {
      for await (const [, value] of ports.archive.list('exchanges', { from: openKey(''), to: openKey('~') })) {
        const exchange = decodeExchange(value);
        if (isFinal(exchange.machine.phase) || live.has(exchange.xid)) continue;
        const entry = adopt(exchange);
        await locks.run(exchange.xid, () => goOn(entry));
      }
      for await (const [xid, value] of ports.archive.list('spool')) {
        const { answer } = decodeSpooled(value);
        const entry = live.get(xid);
        if (answer !== null && entry !== undefined)
          await inquiry
            .answered(entry, answer)
            .catch((error) => ports.log.warn({ xid, error }, 'an answer kept while locked is of no use'));
      }
    },
    prepare(fresh) {
      const { record } = fresh;
      const exchange: Exchange = {
        ...fresh,
        xid: toHex(xidOf(record)),
        deal: record.deal,
        role: 'originator',
        answerKey: generateKem(),
        machine: begin<Uint8Array>(
          'originator',
          { notAfter: record.notAfter, margin: record.margin },
          null,
          courseOf(record),
        ),
      };
      return { exchange, ops: storedOps(exchange, exchange.machine) };
    },
    async accept({ exchange }) {
      const entry = adopt(exchange);
      await locks.run(exchange.xid, () => goOn(entry));
    },
    async handle(from, body) {
      const message = decodeMessage(body);
      if (message.kind === 'ready') return ports.ready(from, message.deal, message.document);
      return message.kind === 'promise' && message.role === 'O'
        ? receiveOfferPromise(from, message.record, message.promise)
        : receive(from, message);
    },
    acknowledged(sent, ack) {
      const [kind, xid, what] = sent.ref.split('/');
      const entry = kind === 'x' && xid !== undefined ? live.get(xid) : undefined;
      if (entry === undefined || what !== 'promise' || entry.exchange.role !== 'originator') return;
      // Patience with a silent peer begins when its daemon has our promise; one that is away or locked is not silent.
      if (ack.kind === 'ok') timers.patience(entry);
      else if (ack.kind === 'no') {
        feed(entry, { kind: 'declined', now: now() }).catch((error) => {
          ports.log.error({ error }, 'an exchange could not go on');
          if (!entry.gone) timers.patience(entry);
        });
      }
    },
    async order(xid, order) {
      const entry = live.get(xid);
      const phase = entry?.exchange.machine.phase;
      // Asked before, and asked again and again until there is an answer: ordering it twice is one order.
      if (phase === (order === 'abort' ? 'aborting' : 'resolving') || (order === 'resolve' && phase === 'waiving'))
        return;
      if (entry !== undefined && order === 'resolve' && phase === 'opening' && !(await isLost(entry)))
        throw new FitError('wrong-state', 'the key is here and the content is being compared: that ends by itself', {
          hint: 'fit deal explain says what is possible',
        });
      if (entry === undefined || !(await feed(entry, { kind: order, now: now() }))) {
        throw new FitError(
          'wrong-state',
          order === 'abort' ? 'this exchange cannot be aborted any more' : 'there is nothing to resolve',
          {
            hint: 'fit deal explain says what is possible',
          },
        );
      }
    },
    get: (xid) => live.get(xid)?.exchange,
    openOver: (document) =>
      [...live.values()].map((entry) => entry.exchange).filter((one) => toHex(one.record.document) === document),
    async answerTo(xid, kind = 'resolved') {
      const bytes = await ports.archive.get('evidence', answerKeyOf(xid, kind));
      const stored = await ports.archive.get('exchanges', doneKey(xid));
      return bytes === undefined || stored === undefined ? undefined : { record: decodeExchange(stored).record, bytes };
    },
    async finished(xid) {
      const stored = await ports.archive.get('exchanges', doneKey(xid));
      return stored === undefined ? undefined : decodeExchange(stored);
    },
    arbiterTrouble: (xid) => live.get(xid)?.trouble ?? null,
    pause() {
      for (const entry of live.values()) {
        entry.gone = true;
        for (const cancel of entry.timers.values()) cancel();
      }
      live.clear();
    },
    stop() {
      stopping.abort();
      for (const entry of live.values()) for (const cancel of entry.timers.values()) cancel();
    },
  };
}
