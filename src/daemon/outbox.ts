/**
 * The durable outbox (DESIGN §10): what is to be sent is stored in the same atomic write as the decision that justifies it,
 * and stays until the recipient's daemon has acknowledged it. Per recipient in order, repeated until then; the recipient
 * may see a message twice and takes it once, because every message names what it is about. One that has to wait for what only
 * it is about lets the others pass.
 */
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { decode, enc, read } from '../lib/cbor.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type Link, MAX_FRAME_BYTES, PROTOCOLS, type Protocol } from '../p2p/link.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;
/** A letter's deletion goes with the next write, at the latest after this. */
const FLUSH_AFTER_MS = 1000;
/** A recipient that never comes must not fill the disk. */
const MAX_WAITING_PER_PEER = 1000;

/** Reasons to wait that are of one message: the recipient takes others meanwhile. All else keeps the order. */
const OF_ONE_MESSAGE: ReadonlySet<string> = new Set(['not-fetched']);

/** The recipient's acknowledgement: taken, not now (try again), or never (dropped, with the reason told). */
export type Ack =
  | { readonly kind: 'ok' }
  | { readonly kind: 'later'; readonly why: string }
  | { readonly kind: 'no'; readonly why: string };

export function encodeAck(ack: Ack, nowSec: number): Uint8Array {
  return enc(1, ack.kind, ack.kind === 'ok' ? '' : ack.why, nowSec);
}

export function decodeAck(bytes: Uint8Array): Ack & { readonly peerTime: number } {
  const [version, kind, why, time] = read.array(decode(bytes, 256), 4, 'acknowledgement');
  read.literal(version, 1, 'acknowledgement version');
  const peerTime = read.uint(time, 'time');
  const reason = read.text(why, 64, 'reason');
  const word = read.oneOf(kind, ['ok', 'later', 'no'], 'acknowledgement');
  return word === 'ok' ? { kind: 'ok', peerTime } : { kind: word, why: reason, peerTime };
}

export interface Letter {
  /** Recipient's certificate hash, hex. */
  readonly to: string;
  readonly protocol: Protocol;
  readonly body: Uint8Array;
  /** What it is about, for whoever wants to know that it arrived. */
  readonly ref: string;
  /** Seconds since 1970: from then on it is not sent any more (PROTOCOL §6, message 3 inside the margin). */
  readonly until: number | null;
}

interface Waiting extends Letter {
  readonly key: string;
  /** Let the others pass until its timer fires: how to end that. */
  cancelPause: (() => void) | undefined;
  /** How long it waits the next time that it is told to. */
  pauseMs: number;
}

const waitingLetter = (key: string, letter: Letter): Waiting => ({
  ...letter,
  key,
  cancelPause: undefined,
  pauseMs: FIRST_RETRY_MS,
});

export interface OutboxPorts {
  readonly archive: Archive;
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Logger;
  /** PeerId of a certificate hash, if it is still known. */
  readonly peerOf: (certificate: string) => string | undefined;
  readonly onAck: (letter: Letter, ack: Ack & { readonly peerTime: number }) => void;
}

export interface Outbox {
  load(): Promise<void>;
  /** The write to put into the caller's batch, and what to call when that batch is durable. Throws `busy` if too much waits. */
  post(letter: Letter): { readonly ops: readonly StoreOp[]; readonly posted: () => void };
  /** The recipient is there: try now. */
  wake(certificate: string): void;
  waiting(): number;
  stop(): Promise<void>;
}

interface Queue {
  readonly letters: Waiting[];
  busy: boolean;
  retryMs: number;
  cancelTimer: (() => void) | undefined;
}

const encodeLetter = (letter: Letter): Uint8Array =>
  enc(1, letter.to, letter.protocol, letter.body, letter.ref, letter.until);

function decodeLetter(key: string, bytes: Uint8Array): Waiting {
  const [version, to, protocol, body, ref, until] = read.array(decode(bytes, MAX_FRAME_BYTES + 1024), 6, 'letter');
  read.literal(version, 1, 'letter version');
  return waitingLetter(key, {
    to: read.text(to, 64, 'recipient'),
    protocol: read.oneOf(protocol, PROTOCOLS, 'protocol'),
    body: read.blob(body, MAX_FRAME_BYTES, 'body'),
    ref: read.text(ref, 128, 'reference'),
    until: until === null ? null : read.uint(until, 'until'),
  });
}

export function createOutbox(ports: OutboxPorts): Outbox {
  const queues = new Map<string, Queue>();
  const abort = new AbortController();
  let sequence = 0;

  const queueOf = (to: string): Queue => {
    let queue = queues.get(to);
    if (queue === undefined) {
      queue = { letters: [], busy: false, retryMs: FIRST_RETRY_MS, cancelTimer: undefined };
      queues.set(to, queue);
    }
    return queue;
  };

  const later = (to: string, queue: Queue): void => {
    queue.cancelTimer?.();
    queue.cancelTimer = ports.clock.at(ports.clock.now() + queue.retryMs, () => void run(to));
    queue.retryMs = Math.min(queue.retryMs * 2, LONGEST_RETRY_MS);
  };

  /** This one later, the others meanwhile. */
  const pause = (to: string, letter: Waiting): void => {
    letter.cancelPause = ports.clock.at(ports.clock.now() + letter.pauseMs, () => {
      letter.cancelPause = undefined;
      void run(to);
    });
    letter.pauseMs = Math.min(letter.pauseMs * 2, LONGEST_RETRY_MS);
  };

  /** Deletions of letters that are done with. Losing them in a crash only sends those again, so they wait for company. */
  let deletions: StoreOp[] = [];
  let cancelFlush: (() => void) | undefined;

  const takeDeletions = (): StoreOp[] => {
    cancelFlush?.();
    cancelFlush = undefined;
    const taken = deletions;
    deletions = [];
    return taken;
  };

  const flush = async (): Promise<void> => {
    const ops = takeDeletions();
    if (ops.length === 0) return;
    await ports.archive.batch(ops).catch((error) => {
      ports.log.warn({ error }, 'messages that are done with stay in the outbox');
    });
  };

  const remove = (queue: Queue, letter: Waiting): void => {
    queue.letters.splice(queue.letters.indexOf(letter), 1);
    deletions.push({ kind: 'delete', space: 'outbox', key: letter.key });
    cancelFlush ??= ports.clock.at(ports.clock.now() + FLUSH_AFTER_MS, () => void flush());
  };

  /** Sends what does not have to wait, in order, until nothing is left or the recipient cannot be reached. */
  const run = async (to: string): Promise<void> => {
    const queue = queueOf(to);
    if (queue.busy || abort.signal.aborted) return;
    queue.cancelTimer?.();
    queue.cancelTimer = undefined;
    queue.busy = true;
    try {
      for (;;) {
        const letter = queue.letters.find((one) => one.cancelPause === undefined);
        if (letter === undefined) return;
        if (letter.until !== null && seconds(ports.clock.now()) >= letter.until) {
          remove(queue, letter);
          continue;
        }
        const peer = ports.peerOf(to);
        if (peer === undefined) return;
        let ack: Ack & { readonly peerTime: number };
        try {
          const options = { timeoutMs: REQUEST_TIMEOUT_MS, signal: abort.signal };
          ack = decodeAck(await ports.link.request(peer, to, letter.protocol, letter.body, options));
        } catch (error) {
          if (abort.signal.aborted) return;
          ports.log.debug({ to, error }, 'not delivered yet');
          later(to, queue);
          return;
        }
        ports.onAck(letter, ack);
        if (ack.kind === 'later' && !OF_ONE_MESSAGE.has(ack.why)) {
          later(to, queue);
          return;
        }
        queue.retryMs = FIRST_RETRY_MS;
        if (ack.kind === 'later') {
          pause(to, letter);
          continue;
        }
        remove(queue, letter);
      }
    } finally {
      queue.busy = false;
    }
  };

  return {
    async load() {
      for await (const [key, value] of ports.archive.list('outbox')) {
        const letter = decodeLetter(key, value);
        queueOf(letter.to).letters.push(letter);
        sequence = Math.max(sequence, Number(key.slice(-16)) + 1);
      }
      for (const to of queues.keys()) void run(to);
    },
    post(letter) {
      const queue = queueOf(letter.to);
      // The same message again (after a restart) is the one that already waits.
      const waiting = queue.letters.some(
        (other) => other.ref === letter.ref && Buffer.compare(other.body, letter.body) === 0,
      );
      const full = queue.letters.length >= MAX_WAITING_PER_PEER;
      // What an exchange has to say is bounded by itself, and a newer card is told at the next change.
      if (full && letter.ref.startsWith('d/')) {
        throw new FitError('busy', 'too many messages wait for this contact', {
          hint: 'it has not taken them yet: fit contact show says whether it is online',
        });
      }
      if (waiting || (full && letter.ref === 'card')) return { ops: [], posted: () => void run(letter.to) };
      const key = `${letter.to}/${String(sequence++).padStart(16, '0')}`;
      return {
        ops: [...takeDeletions(), { kind: 'put', space: 'outbox', key, value: encodeLetter(letter) }],
        posted: () => {
          queue.letters.push(waitingLetter(key, letter));
          void run(letter.to);
        },
      };
    },
    wake(certificate) {
      const queue = queues.get(certificate);
      if (queue === undefined || queue.letters.length === 0) return;
      queue.retryMs = FIRST_RETRY_MS;
      for (const letter of queue.letters) {
        letter.cancelPause?.();
        letter.cancelPause = undefined;
        letter.pauseMs = FIRST_RETRY_MS;
      }
      void run(certificate);
    },
    waiting() {
      return [...queues.values()].reduce((sum, queue) => sum + queue.letters.length, 0);
    },
    async stop() {
      abort.abort();
      for (const queue of queues.values()) {
        queue.cancelTimer?.();
        for (const letter of queue.letters) letter.cancelPause?.();
      }
      await flush();
    },
  };
}
