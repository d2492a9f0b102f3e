/** Worker entry (dist/content-worker.js): the jobs of content-sending.ts, -receiving.ts and -judging.ts, one at a time; progress between. */
import { parentPort } from 'node:worker_threads';
import { assert, present } from '../lib/assert.ts';
import { movable } from '../lib/bytes.ts';
import { isDiskFull } from '../lib/disk.ts';
import { type FitError, isFitError } from '../lib/errors.ts';
import { judge } from './content-judging.ts';
import { compare, digests, hash, keep, open } from './content-receiving.ts';
import { leaves, prepare, seal, sealedRoot } from './content-sending.ts';

const JOBS = { prepare, sealedRoot, seal, leaves, keep, hash, compare, open, digests, judge } as const;
export type ContentJobs = typeof JOBS;
export type ContentJobName = keyof ContentJobs;

export interface ContentJob {
  readonly name: ContentJobName;
  readonly job: unknown;
}

export type ContentReply =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'done'; readonly result: unknown }
  | {
      readonly kind: 'failed';
      readonly code: FitError['code'] | null;
      readonly message: string;
      readonly hint: string | null;
    };

const port = present(parentPort, 'parent of the content worker');

function failure(error: unknown): ContentReply {
  if (isFitError(error)) return { kind: 'failed', code: error.code, message: error.message, hint: error.hint ?? null };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', code: isDiskFull(error) ? 'disk-full' : null, message, hint: null };
}

port.on('message', ({ name, job }: ContentJob) => {
  try {
    const run = JOBS[name] as (job: unknown, progress: (bytes: number) => void) => unknown;
    assert(run !== undefined, 'a job that there is');
    const result = run(job, (bytes) => port.postMessage({ kind: 'progress', bytes } satisfies ContentReply));
    port.postMessage(
      { kind: 'done', result } satisfies ContentReply,
      result instanceof Uint8Array ? movable(result) : [],
    );
  } catch (error) {
    port.postMessage(failure(error));
  }
});
