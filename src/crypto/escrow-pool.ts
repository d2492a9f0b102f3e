/**
 * Escrow proofs off the event loop: a bounded queue in front of worker threads.
 * A worker starts with the first job and is stopped after a minute without one (it costs some 10 MB); while idle it does not
 * keep the process alive. A worker that dies fails the job it had, and the next job starts another.
 */
import { Worker } from 'node:worker_threads';
import { assert, unreachable } from '../lib/assert.ts';
import { FitError, PeerFault, type PeerFaultCode } from '../lib/errors.ts';
import type { EscrowKeys, EscrowLabel } from './escrow-scheme.ts';

export interface EscrowPool {
  /** Draws the fresh bytes itself. Rejects as `prove` throws, or with `FitError('busy' | 'internal')`. */
  prove(label: EscrowLabel, witnesses: readonly Uint8Array[], keys: EscrowKeys): Promise<Uint8Array>;
  verify(label: EscrowLabel, proof: Uint8Array, keys: EscrowKeys): Promise<boolean>;
  /** Stops the workers; what has not been answered is rejected with `FitError('interrupted')`. */
  close(): Promise<void>;
}

export interface EscrowPoolOptions {
  /** The built worker entry. */
  readonly worker: URL;
  /** One by default: two on a two-core machine proved no faster. */
  readonly threads?: number;
  /** Jobs that may wait beside those running; further ones are refused with `FitError('busy')`. */
  readonly maxWaiting?: number;
  readonly idleMs?: number;
}

export type EscrowJob =
  | {
      readonly kind: 'prove';
      readonly label: EscrowLabel;
      readonly witnesses: readonly Uint8Array[];
      readonly keys: EscrowKeys;
    }
  | { readonly kind: 'verify'; readonly label: EscrowLabel; readonly proof: Uint8Array; readonly keys: EscrowKeys };

export type EscrowReply =
  | { readonly kind: 'proved'; readonly proof: Uint8Array }
  | { readonly kind: 'verified'; readonly valid: boolean }
  | { readonly kind: 'fault'; readonly code: PeerFaultCode; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

interface Pending {
  readonly job: EscrowJob;
  readonly resolve: (reply: EscrowReply) => void;
  readonly reject: (error: Error) => void;
}

interface Slot {
  worker: Worker | undefined;
  pending: Pending | undefined;
  idle: NodeJS.Timeout | undefined;
}

const MAX_WAITING = 256;
const IDLE_MS = 60_000;
const WORKER_HEAP_MB = 64;

function errorOf(reply: EscrowReply): Error {
  switch (reply.kind) {
    case 'fault':
      return new PeerFault(reply.code, reply.message);
    case 'failed':
      return new FitError('internal', `the escrow worker failed: ${reply.message}`);
    case 'proved':
    case 'verified':
      return new FitError('internal', 'the escrow worker answered another question');
    default:
      return unreachable(reply);
  }
}

/** A clone of a view would carry its whole buffer along. */
const compact = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);

export function createEscrowPool(options: EscrowPoolOptions): EscrowPool {
  const { worker: url, threads = 1, maxWaiting = MAX_WAITING, idleMs = IDLE_MS } = options;
  assert(threads >= 1, 'a pool has a thread');
  const slots: Slot[] = Array.from({ length: threads }, () => ({
    worker: undefined,
    pending: undefined,
    idle: undefined,
  }));
  const waiting: Pending[] = [];
  let closed = false;

  /** Ends what the slot was doing; the worker is gone or about to be. */
  function drop(slot: Slot, error: Error): void {
    const { pending } = slot;
    slot.worker = undefined;
    slot.pending = undefined;
    clearTimeout(slot.idle);
    pending?.reject(error);
    dispatch();
  }

  function start(slot: Slot): Worker {
    const worker = new Worker(url, {
      name: 'fit-escrow',
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    });
    worker.on('message', (reply: EscrowReply) => {
      const { pending } = slot;
      slot.pending = undefined;
      worker.unref();
      pending?.resolve(reply);
      dispatch();
    });
    const died = (why: string, cause?: unknown) => {
      if (slot.worker !== worker) return;
      drop(slot, new FitError('internal', `the escrow worker stopped: ${why}`, { cause }));
    };
    worker.on('error', (error) => died(error.message, error));
    worker.on('exit', (code) => died(`exit code ${code}`));
    slot.worker = worker;
    return worker;
  }

  function stopWhenIdle(slot: Slot): void {
    slot.idle = setTimeout(() => {
      const { worker } = slot;
      slot.worker = undefined;
      void worker?.terminate();
    }, idleMs).unref();
  }

  function dispatch(): void {
    for (const slot of slots) {
      if (slot.pending !== undefined || closed) continue;
      const next = waiting.shift();
      clearTimeout(slot.idle);
      if (next === undefined) {
        if (slot.worker !== undefined) stopWhenIdle(slot);
        continue;
      }
      slot.pending = next;
      const worker = slot.worker ?? start(slot);
      worker.ref();
      worker.postMessage(next.job);
    }
  }

  function run(job: EscrowJob): Promise<EscrowReply> {
    if (closed) return Promise.reject(new FitError('interrupted', 'the escrow workers are stopped'));
    if (waiting.length >= maxWaiting)
      return Promise.reject(new FitError('busy', 'too many proofs are waiting', { hint: 'try again in a moment' }));
    return new Promise((resolve, reject) => {
      waiting.push({ job, resolve, reject });
      dispatch();
    });
  }

  return {
    async prove(label, witnesses, keys) {
      const reply = await run({ kind: 'prove', label, witnesses: witnesses.map(compact), keys });
      if (reply.kind === 'proved') return reply.proof;
      throw errorOf(reply);
    },
    async verify(label, proof, keys) {
      const reply = await run({ kind: 'verify', label, proof: compact(proof), keys });
      if (reply.kind === 'verified') return reply.valid;
      throw errorOf(reply);
    },
    async close() {
      closed = true;
      const stopped = new FitError('interrupted', 'the escrow workers are stopped');
      for (const one of waiting.splice(0)) one.reject(stopped);
      const running = slots.map((slot) => {
        const { worker } = slot;
        drop(slot, stopped);
        return worker?.terminate();
      });
      await Promise.all(running);
    },
  };
}
