/**
 * The work on the files of deliveries off the event loop: long jobs in one worker thread, what is hashed beside them in a second one,
 * chunks for and from peers in a third, each one job at a time. A worker starts with its first job and ends after a minute without one.
 */
import { Worker } from 'node:worker_threads';
import { FitError } from '../lib/errors.ts';
import { BESIDE_LEAST_BYTES, beside, besideBuffer } from './content-beside.ts';
import type { Progress, SourceFile } from './content-files.ts';
import type { ContentJob, ContentJobName, ContentJobs, ContentReply } from './content-worker.ts';

export interface ContentWork {
  run<N extends ContentJobName>(
    name: N,
    job: Parameters<ContentJobs[N]>[0],
    progress?: Progress,
    /** Memory of the job's that goes over to the worker, and is not to be used again here. */
    gone?: readonly ArrayBuffer[],
  ): Promise<ReturnType<ContentJobs[N]>>;
  close(): Promise<void>;
}

/** What peers wait for, a mebibyte at a time at most; and an arbiter's full checks, which have a bound too. */
const SHORT: ReadonlySet<ContentJobName> = new Set(['seal', 'leaves', 'keep', 'judge'] as const);

const IDLE_MS = 60_000;
/** More wait only if a peer asks for more than it may have under way. */
const MAX_WAITING = 256;

interface Waiting {
  readonly job: ContentJob;
  readonly progress: Progress | undefined;
  readonly gone: readonly ArrayBuffer[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

function createQueue(url: URL) {
  const waiting: Waiting[] = [];
  let worker: Worker | undefined;
  let current: Waiting | undefined;
  let idle: NodeJS.Timeout | undefined;
  let closed = false;

  const end = (finish: (one: Waiting) => void): void => {
    const one = current;
    current = undefined;
    if (one !== undefined) finish(one);
    next();
  };

  const start = (): Worker => {
    // Chunks are garbage soon: a small space for what is young has their memory used again before there is much of it.
    const resourceLimits = { maxYoungGenerationSizeMb: 2 };
    const made = new Worker(url, { name: 'fit-content', env: {}, execArgv: [], resourceLimits });
    const died = (why: string): void => {
      if (worker !== made) return;
      worker = undefined;
      end((one) => one.reject(new FitError('internal', `the content worker stopped: ${why}`)));
    };
    made.on('message', (reply: ContentReply) => {
      if (reply.kind === 'progress') current?.progress?.(reply.bytes);
      else if (reply.kind === 'done') end((one) => one.resolve(reply.result));
      else {
        const { code, message, hint } = reply;
        end((one) => one.reject(new FitError(code ?? 'internal', message, hint === null ? {} : { hint })));
      }
    });
    made.on('error', (error) => died(error.message));
    made.on('exit', (code) => died(`exit code ${code}`));
    return made;
  };

  const next = (): void => {
    clearTimeout(idle);
    if (current !== undefined || closed) return;
    current = waiting.shift();
    if (current === undefined) {
      worker?.unref();
      idle = setTimeout(() => {
        const old = worker;
        worker = undefined;
        void old?.terminate();
      }, IDLE_MS).unref();
      return;
    }
    worker ??= start();
    worker.ref();
    worker.postMessage(current.job, current.gone);
  };

  return {
    run(job: ContentJob, progress: Progress | undefined, gone: readonly ArrayBuffer[] = []): Promise<unknown> {
      if (closed) return Promise.reject(new FitError('interrupted', 'the daemon is stopping'));
      if (waiting.length >= MAX_WAITING) return Promise.reject(new FitError('busy', 'too many chunks are asked for'));
      return new Promise((resolve, reject) => {
        waiting.push({ job, progress, gone, resolve, reject });
        next();
      });
    },
    async close(): Promise<void> {
      closed = true;
      clearTimeout(idle);
      const stopped = new FitError('interrupted', 'the daemon is stopping');
      for (const one of waiting.splice(0)) one.reject(stopped);
      const old = worker;
      worker = undefined;
      current?.reject(stopped);
      current = undefined;
      await old?.terminate();
    },
  };
}

/** The job beside another one, and for how many hashes: what is large is hashed by two threads at once. */
function companionOf(name: ContentJobName, job: object) {
  if (name !== 'prepare' && name !== 'open') return undefined;
  const { files } = job as { readonly files: readonly SourceFile[] };
  if (files.reduce((sum, { size }) => sum + size, 0) < BESIDE_LEAST_BYTES) return undefined;
  return name === 'prepare'
    ? ({ name: 'sealedRoot', hashes: 1 } as const)
    : ({ name: 'digests', hashes: files.length } as const);
}

/** `worker`: the built entry. */
export function createContentWork(worker: URL): ContentWork {
  const [long, second, short] = [createQueue(worker), createQueue(worker), createQueue(worker)];

  const runBoth = async (job: ContentJob, progress: Progress | undefined, other: ContentJobName, hashes: number) => {
    const shared = besideBuffer(hashes);
    const both = beside(shared);
    const together = { ...(job.job as object), shared };
    // Queued together, in one order: a second one waits for no first one that waits for another second one.
    const first = long.run({ name: job.name, job: together }, progress).finally(() => both.leave());
    const ended = second.run({ name: other, job: together }, undefined).then(
      () => both.abandon(),
      () => both.abandon(),
    );
    await Promise.allSettled([first, ended]);
    return first;
  };

  return {
    run: (name, job, progress, gone) => {
      const companion = companionOf(name, job);
      return (
        companion === undefined
          ? (SHORT.has(name) ? short : long).run({ name, job }, progress, gone)
          : runBoth({ name, job }, progress, companion.name, companion.hashes)
      ) as Promise<never>;
    },
    async close() {
      await Promise.all([long.close(), second.close(), short.close()]);
    },
  };
}
