/**
 * Asking the arbiter about one exchange until it has answered or the question is moot (PROTOCOL §7).
 *
 * Guarantees: one loop per exchange; an answer becomes an input only if it verifies; what the arbiter signed is kept, because
 * two answers that contradict each other prove that it broke its word (`contradiction`); for a full check it is brought the
 * ciphertext when it says that it wants it, and seldom again.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { openAnswer, verifyAnswer } from '../exchange/answers.ts';
import { complete } from '../exchange/completion.ts';
import { windowOf } from '../exchange/items.ts';
import type { PartyInput, PartyPhase } from '../exchange/party.ts';
import { witnessIn } from '../exchange/promise.ts';
import { xidOf } from '../exchange/record.ts';
import { makeRequest, type Promises, type RequestKind, sealRequest } from '../exchange/requests.ts';
import { present, unreachable } from '../lib/assert.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { PeerFault } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { createMutex } from '../lib/mutex.ts';
import type { Link } from '../p2p/link.ts';
import { bring } from './bringing.ts';
import { answerKeyOf, encodeAffidavit, ownRole } from './exchange-effects.ts';
import type { Exchange } from './exchange-record.ts';
import type { Keyring } from './keyring.ts';

const ARBITER_TIMEOUT_MS = 30_000;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;
/** After a ciphertext that was brought and is wanted again; then twice as long each time. */
const BRING_AGAIN_MS = 1_000;
/** The longest wait while a window is open, and until a ciphertext is brought again: a void is no worse for being heard of later. */
const WINDOW_RETRY_MS = 3_600_000;

export type ArbiterTrouble = 'unreachable' | 'refuses' | 'unknown' | null;

/** What an inquiry knows of an exchange that is under way. */
export interface Subject {
  readonly exchange: Exchange;
  asking: boolean;
  trouble: ArbiterTrouble;
  /** Put away (locked): the next `resume` reads it again. */
  gone: boolean;
}

export interface InquiryPorts {
  readonly archive: Archive;
  readonly keyring: Keyring;
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopping: AbortSignal;
  /** The whole ciphertext, for a full check. */
  ciphertext(exchange: Exchange): Promise<Uint8Array>;
}

const QUESTIONS: Readonly<Partial<Record<PartyPhase, RequestKind>>> = {
  aborting: 'abort',
  resolving: 'resolve',
  complaining: 'misbehaviour',
  waiving: 'resolve',
};

export type Inquiry<S extends Subject> = {
  /** The sealed request of a party of the exchange. */
  request(exchange: Exchange, kind: RequestKind, promises?: Promises | null): Uint8Array;
  ask(subject: S): Promise<void>;
  /** True if the arbiter's answer settles the exchange. */
  answered(subject: S, reply: Uint8Array): Promise<boolean>;
  pause(ms: number): Promise<void>;
};

export function createInquiry<S extends Subject>(
  ports: InquiryPorts,
  feed: (subject: S, input: PartyInput<Uint8Array>) => Promise<boolean>,
): Inquiry<S> {
  const { stopping } = ports;
  const now = (): number => seconds(ports.clock.now());

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = ports.clock.at(ports.clock.now() + ms, resolve);
      stopping.addEventListener(
        'abort',
        () => {
          cancel();
          resolve();
        },
        { once: true },
      );
    });

  const request = (exchange: Exchange, kind: RequestKind, promises: Promises | null = null): Uint8Array => {
    const { record, parties, answerKey, machine } = exchange;
    const certificates = { O: [parties.O.certificate.der], R: [parties.R.certificate.der] };
    const proof = kind === 'misbehaviour' ? present(machine.proof, 'proof of wrong content') : null;
    const by = ownRole(exchange.role);
    const body = { kind, record, by, certificates, promises, proof, answerKey: answerKey.public };
    return sealRequest(parties.T.kem, makeRequest(body, ports.keyring.secrets().signing));
  };

  const keepAnswer = async (exchange: Exchange, kind: string, answer: Uint8Array): Promise<void> => {
    const as = kind === 'affidavit' ? 'resolved' : kind;
    if (as !== 'token' && as !== 'void' && as !== 'resolved') return;
    await ports.archive.batch([{ kind: 'put', space: 'evidence', key: answerKeyOf(exchange.xid, as), value: answer }]);
  };

  /** When an open window is to be looked at again, in ms. */
  const windows = new Map<string, number>();
  /** What the arbiter has to be brought, from this chunk on. */
  const wanted = new Map<string, number>();

  const answered = async (subject: S, reply: Uint8Array): Promise<boolean> => {
    const { exchange } = subject;
    const { record, parties, answerKey, machine } = exchange;
    const opened = openAnswer(reply, xidOf(record), answerKey.secret);
    const answer = verifyAnswer(record, parties, opened);
    await keepAnswer(exchange, answer.kind, opened);
    windows.delete(exchange.xid);
    wanted.delete(exchange.xid);
    const settled = (input: PartyInput<Uint8Array>): Promise<boolean> => {
      subject.trouble = null;
      return feed(subject, input);
    };
    switch (answer.kind) {
      case 'resolved':
        return settled({ kind: 'resolved', contract: answer.contract, now: now() });
      case 'token':
        return settled({ kind: 'token', token: answer.token, now: now() });
      case 'void':
        return settled({ kind: 'void', token: answer.token, now: now() });
      case 'affidavit':
        return settled({ kind: 'resolved', contract: encodeAffidavit(answer.affidavit), now: now() });
      case 'released': {
        // The key is here: what is waited for is the end of the window, which is told to the sender alone.
        if (machine.phase === 'waiving') {
          subject.trouble = null;
          windows.set(exchange.xid, ports.clock.now() + windowOf(record.check) * 1000);
          return false;
        }
        const own = witnessIn(present(machine.release, 'own release'));
        const contract = complete(
          record,
          parties,
          exchange.role === 'responder' ? { O: answer.witness, R: own } : { O: own, R: answer.witness },
        );
        return settled({ kind: 'key', contract, now: now() });
      }
      case 'pending':
        subject.trouble = null;
        windows.set(exchange.xid, answer.until * 1000);
        return false;
      case 'refused':
      case 'failed':
        subject.trouble = 'refuses';
        return false;
      case 'unknown':
        subject.trouble = 'unknown';
        return false;
      case 'wanted':
        subject.trouble = null;
        wanted.set(exchange.xid, answer.from);
        return false;
      case 'undecided':
        return false;
      default:
        return unreachable(answer);
    }
  };

  /** One ciphertext at a time is held for each arbiter: one that takes it slowly keeps no other waiting. */
  const bringing = createMutex();

  /** Brings the ciphertext that was wanted. False if none was. */
  const bringWanted = (subject: S): Promise<boolean> =>
    wanted.has(subject.exchange.xid)
      ? bringing.run(subject.exchange.arbiter.certificate, () => bringNow(subject))
      : Promise.resolve(false);

  const bringNow = async ({ exchange }: S): Promise<boolean> => {
    const { arbiter, record, xid, machine } = exchange;
    const from = wanted.get(xid);
    const { itemO } = record;
    // What came while it waited its turn may have settled it.
    if (from === undefined || itemO.kind !== 'content' || machine.phase !== 'resolving') return false;
    const ciphertext = await ports.ciphertext(exchange).catch((error: unknown) => {
      ports.log.warn({ xid, error }, 'what the arbiter is to compare cannot be made now');
      return null;
    });
    if (ciphertext === null) return false;
    const { bytes, ciphertextRoot } = itemO;
    await bring(ports.link, arbiter, { xid: xidOf(record), bytes, ciphertextRoot, ciphertext, from }, stopping);
    return true;
  };

  const askOnce = async (subject: S, kind: RequestKind): Promise<boolean> => {
    const { exchange } = subject;
    const sealed = kind === 'resolve' ? present(exchange.machine.resolve, 'resolve request') : request(exchange, kind);
    const { arbiter } = exchange;
    ports.link.learn(arbiter.peer, arbiter.addresses);
    const options = { timeoutMs: ARBITER_TIMEOUT_MS, signal: stopping };
    const reply = await ports.link.request(arbiter.peer, arbiter.certificate, '/fit/arbiter/1', sealed, options);
    return answered(subject, reply);
  };

  return {
    request,
    answered,
    pause,
    async ask(subject) {
      if (subject.asking) return;
      subject.asking = true;
      const { exchange } = subject;
      let retryMs = FIRST_RETRY_MS;
      // Wrong content is complained about soon after the key is out, so at first the sender looks often.
      let windowMs = LONGEST_RETRY_MS;
      let bringMs = 0;
      try {
        for (;;) {
          const kind = QUESTIONS[exchange.machine.phase];
          if (stopping.aborted || subject.gone || kind === undefined) return;
          try {
            if (await askOnce(subject, kind)) continue;
            if (await bringWanted(subject)) {
              await pause(bringMs);
              bringMs = Math.min(Math.max(bringMs * 2, BRING_AGAIN_MS), WINDOW_RETRY_MS);
              continue;
            }
          } catch (error) {
            if (!(error instanceof PeerFault)) subject.trouble = 'unreachable';
            ports.log.debug({ xid: exchange.xid, error }, 'the arbiter did not answer');
          }
          const until = windows.get(exchange.xid);
          const left = until === undefined ? 0 : Math.min(until - ports.clock.now(), windowMs);
          if (until !== undefined) windowMs = Math.min(windowMs * 2, WINDOW_RETRY_MS);
          await pause(Math.max(retryMs, left));
          retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
        }
      } finally {
        subject.asking = false;
        windows.delete(exchange.xid);
        wanted.delete(exchange.xid);
      }
    },
  };
}
