/**
 * The arbiter's shell (PROTOCOL §7): opens, checks and answers requests around the machine in exchange/arbiter.ts.
 *
 * Guarantees: a decision is durable before it is answered; decisions of one xid are taken one after the other, while escrows
 * are opened outside that lock; the clock that decides never runs backwards, also across restarts; what failed before a
 * request was known to be authentic is told, everything after it is the machine's to answer.
 */

import type { Journal } from '../archive/journal.ts';
import type { Archive } from '../archive/sealed-store.ts';
import {
  decodeAnswer,
  encodeAnswer,
  makeResolved,
  makeToken,
  makeVoid,
  releasedOf,
  sealAnswer,
} from '../exchange/answers.ts';
import {
  ARBITER_PHASES,
  type ArbiterEffect,
  type ArbiterInput,
  type ArbiterState,
  initialArbiterState,
  stepArbiter,
} from '../exchange/arbiter.ts';
import { keyIn } from '../exchange/completion.ts';
import { otherRole, windowOf } from '../exchange/items.ts';
import { provesMisbehaviour } from '../exchange/misbehaviour.ts';
import { decodePiece, encodePieceReply, isPiece } from '../exchange/pieces.ts';
import { type ExchangeRecord, xidOf } from '../exchange/record.ts';
import { type ArbiterSelf, checkRequest, kemKeyOf, openRequest, type RequestOutcome } from '../exchange/requests.ts';
import { present } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import { decode, enc, encode, read } from '../lib/cbor.ts';
import { type Clock, isoTime, seconds } from '../lib/clock.ts';
import { PeerFault } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { createMutex } from '../lib/mutex.ts';
import type { CaseResult } from '../rpc/agent.ts';
import type { Events } from './events.ts';
import type { Keyring } from './keyring.ts';
import type { Uploads } from './uploads.ts';

export interface ArbiterPorts {
  readonly archive: Archive;
  readonly journal: () => Journal;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  /** Its own certificate, KEM keys and terms, as its card says. */
  readonly self: () => ArbiterSelf;
  /** Seconds. */
  readonly retention: number;
  /** Ciphertexts for full checks. */
  readonly uploads: Uploads;
}

export interface ArbiterRole {
  /** Reads the counter, which is there while locked. */
  load(): Promise<void>;
  /** Request frame → reply frame. Throws (no reply: ask again) while locked. `account`: the address that asks. */
  handle(body: Uint8Array, account: string): Promise<Uint8Array>;
  cases(): Promise<readonly CaseResult[]>;
  /** Requests received since the home was made. */
  readonly received: number;
}

interface Case {
  readonly state: ArbiterState<Uint8Array>;
  readonly originator: string;
  readonly responder: string;
  readonly decided: number;
}

const MAX_CASE_BYTES = 64 * 1024;
/** Seconds. */
const RETENTION_AFTER_WINDOW = 30 * 86_400;
const CLOCK_KEY = 'arbiter-clock';

function encodeCase({ state, originator, responder, decided }: Case): Uint8Array {
  const { phase, token, cause, answer, until } = state;
  return encode([2, phase, token, cause, answer, originator, responder, decided, until]);
}

function decodeCase(bytes: Uint8Array): Case {
  const fields = read.list(decode(bytes, MAX_CASE_BYTES), 9, 'case');
  const [version, phase, token, cause, answer, originator, responder, decided, until] = fields;
  // The first version knew no windows.
  if (version !== 1 || fields.length !== 8) read.literal(version, 2, 'case version');
  return {
    state: {
      phase: read.oneOf(phase, ARBITER_PHASES, 'phase'),
      token: token === null ? null : read.blob(token, MAX_CASE_BYTES, 'token'),
      cause: cause === null ? null : read.oneOf(cause, ['request', 'expired'], 'cause'),
      answer: answer === null ? null : read.blob(answer, MAX_CASE_BYTES, 'answer'),
      until: until === undefined || until === null ? null : read.uint(until, 'end of the window'),
    },
    originator: read.text(originator, 64, 'originator'),
    responder: read.text(responder, 64, 'responder'),
    decided: read.uint(decided, 'decided'),
  };
}

/** The content that is to be brought and compared. */
function fullItem({ check, itemO }: ExchangeRecord) {
  return check === 'full' && itemO.kind === 'content' ? itemO : null;
}

type Authentic = Extract<RequestOutcome, { kind: 'authentic' }>;

export function createArbiterRole(ports: ArbiterPorts): ArbiterRole {
  const locks = createMutex();
  let received = 0;
  let highWater = 0;

  /** Seconds; never less than at any decision before. */
  const now = (): number => Math.max(seconds(ports.clock.now()), highWater);

  let mark: Promise<number> | undefined;
  /** Under the vault key: whoever could write it without the passphrase could let every exchange expire. */
  const storedMark = (): Promise<number> => {
    mark ??= ports.archive.get('evidence', CLOCK_KEY).then(
      (stored) => (stored === undefined ? 0 : read.uint(read.array(decode(stored, 16), 1, 'clock')[0], 'clock')),
      (error) => {
        mark = undefined;
        throw error;
      },
    );
    return mark;
  };

  const load = async (xid: string): Promise<ArbiterState<Uint8Array>> => {
    const stored = await ports.archive.get('cases', xid);
    return stored === undefined ? initialArbiterState() : decodeCase(stored).state;
  };

  /** Takes one input under the xid's lock and makes its decision durable. Returns what is left to do. */
  const decide = (
    authentic: Authentic,
    input: ArbiterInput<Uint8Array>,
  ): Promise<readonly ArbiterEffect<Uint8Array>[]> => {
    const xid = toHex(authentic.xid);
    const { record } = authentic.request;
    return locks.run(xid, async () => {
      const { signing } = ports.keyring.secrets();
      const words = {
        token: () => makeToken(authentic.xid, signing),
        voidToken: () => makeVoid(authentic.xid, signing),
      };
      const window = windowOf(record.check);
      // Nothing is forgotten while it can still be disputed.
      const retention = Math.max(ports.retention, window + RETENTION_AFTER_WINDOW);
      const [, effects] = stepArbiter(
        words,
        {
          notAfter: record.notAfter,
          retention,
          window,
          bothGive: record.itemR.kind === 'content',
          full: record.check === 'full',
        },
        await load(xid),
        input,
      );
      for (const effect of effects) {
        if (effect.kind !== 'record') continue;
        const decided = {
          state: effect.state,
          originator: toHex(record.originator),
          responder: toHex(record.responder),
          decided: input.now,
        };
        highWater = Math.max(highWater, input.now);
        await ports.journal().append(
          [{ time: input.now, kind: `case-${effect.state.phase}`, ref: xid, payload: enc(effect.state.cause) }],
          [
            { kind: 'put', space: 'cases', key: xid, value: encodeCase(decided) },
            { kind: 'put', space: 'evidence', key: CLOCK_KEY, value: enc(highWater) },
          ],
        );
        ports.events.emit({ kind: 'case', detail: effect.state.phase });
        await ports.uploads.drop(authentic.xid);
      }
      return effects;
    });
  };

  /** Openings that began before notAfter, by xid: an expiry stored meanwhile must not overtake them. */
  const openings = new Map<string, Set<Promise<unknown>>>();

  const answer = async (authentic: Authentic, kemSecret: Uint8Array, account: string): Promise<Uint8Array> => {
    const at = now();
    const xid = toHex(authentic.xid);
    if (at >= authentic.request.record.notAfter) {
      await Promise.allSettled(openings.get(xid) ?? []);
      return settle(authentic, kemSecret, at, account);
    }
    const settled = settle(authentic, kemSecret, at, account);
    const under = (openings.get(xid) ?? new Set()).add(settled);
    openings.set(xid, under);
    try {
      return await settled;
    } finally {
      under.delete(settled);
      if (under.size === 0) openings.delete(xid);
    }
  };

  /** What is found when the answer is `opened`; null if nothing is compared. */
  const comparison = async ({ request, xid }: Authentic, opened: Uint8Array | null) => {
    if (fullItem(request.record) === null) return {};
    const answer = opened === null ? null : decodeAnswer(opened);
    const key = answer?.kind === 'resolved' ? keyIn(answer.witnesses.O) : null;
    const content = await ports.uploads.judge(xid, key);
    return content === 'whole' ? {} : { content };
  };

  const settle = async (
    authentic: Authentic,
    kemSecret: Uint8Array,
    at: number,
    account: string,
  ): Promise<Uint8Array> => {
    const { request, parties, xid } = authentic;
    const { record, by, proof = null } = request;
    let input: ArbiterInput<Uint8Array> =
      request.kind === 'misbehaviour'
        ? {
            kind: 'misbehaviour',
            by,
            valid: proof !== null && provesMisbehaviour(record, parties, otherRole(by), proof),
            now: at,
          }
        : request.kind === 'resolve'
          ? { kind: request.kind, by, uploaded: ports.uploads.isHere(xid), now: at }
          : { kind: request.kind, by, now: at };
    for (;;) {
      const effects = await decide(authentic, input);
      const last = present(effects.at(-1), 'effect of an authentic request');
      switch (last.kind) {
        case 'open': {
          const keys = { signing: ports.keyring.secrets().signing, kemSecret };
          const promises = present(request.promises, 'promises of a resolve request');
          const opened = makeResolved(request.record, parties, promises, request.by, keys, at);
          const compared = await comparison(authentic, opened);
          // The present time: an opening that outlasts the retention decides nothing any more.
          input = { kind: 'opened', by: request.by, answer: opened, ...compared, now: now() };
          continue;
        }
        case 'answer':
          return last.value;
        case 'released':
          return releasedOf(last.value, last.to);
        case 'pending':
          return encodeAnswer({ kind: 'pending', until: last.until });
        case 'wanted': {
          const item = present(fullItem(record), 'content of a full check');
          const from = ports.uploads.want({ xid, item, notAfter: record.notAfter, account });
          return encodeAnswer({ kind: 'wanted', from });
        }
        case 'refuse':
          return encodeAnswer({ kind: 'refused' });
        case 'unknown':
          return encodeAnswer({ kind: 'unknown' });
        case 'undecided':
          return encodeAnswer({ kind: 'undecided' });
        case 'record':
          throw new RangeError('a decision without an answer');
      }
    }
  };

  return {
    get received() {
      return received;
    },
    async load() {
      const counted = await ports.archive.get('meta', 'arbiter-requests');
      if (counted !== undefined) received = read.uint(read.array(decode(counted, 16), 1, 'counter')[0], 'counter');
    },
    async handle(body, account) {
      // A part of the request that it is brought for, which was counted.
      if (isPiece(body)) return encodePieceReply(await ports.uploads.take(decodePiece(body)));
      received += 1;
      ports.events.emit({ kind: 'arbiter-request' });
      await ports.archive.batch([{ kind: 'put', space: 'meta', key: 'arbiter-requests', value: enc(received) }]);
      const { kem } = ports.keyring.secrets();
      highWater = Math.max(highWater, await storedMark());
      let opened: ReturnType<typeof openRequest>;
      try {
        opened = openRequest(body, kem);
      } catch (error) {
        if (!(error instanceof PeerFault)) throw error;
        return sealAnswer(null, encodeAnswer({ kind: 'failed', reason: 'malformed' }));
      }
      const outcome = checkRequest(opened.request, ports.self(), now());
      if (outcome.kind === 'failed')
        return sealAnswer(outcome.to, encodeAnswer({ kind: 'failed', reason: outcome.reason }));
      const to = { answerKey: outcome.request.answerKey, xid: xidOf(outcome.request.record) };
      // The key that the promises were made to: after a rotation it need not be the one that the request is sealed to.
      const key = present(kemKeyOf(outcome.request.record, kem), 'KEM key of an accepted record');
      return sealAnswer(to, await answer(outcome, key.secret, account));
    },
    async cases() {
      const cases: CaseResult[] = [];
      for await (const [xid, value] of ports.archive.list('cases')) {
        const { state, originator, responder, decided } = decodeCase(value);
        if (state.phase === 'none') continue;
        cases.push({ xid, state: state.phase, cause: state.cause, originator, responder, decided: isoTime(decided) });
      }
      return cases;
    },
  };
}
