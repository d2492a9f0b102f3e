/**
 * Worker entry (dist/escrow-worker.js): proves and verifies off the event loop. Jobs come one at a time from the pool.
 * A failed job answers with the error's kind and code, which structured cloning would lose; the worker stays.
 */
import { randomBytes } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { present } from '../lib/assert.ts';
import { PeerFault } from '../lib/errors.ts';
import { prove, verify } from './escrow.ts';
import type { EscrowJob, EscrowReply } from './escrow-pool.ts';

function perform(job: EscrowJob): EscrowReply {
  try {
    return job.kind === 'prove'
      ? { kind: 'proved', proof: prove(job.label, job.witnesses, job.keys, randomBytes(32)) }
      : { kind: 'verified', valid: verify(job.label, job.proof, job.keys) };
  } catch (error) {
    if (error instanceof PeerFault) return { kind: 'fault', code: error.code, message: error.message };
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

const port = present(parentPort, 'parent of the escrow worker');
port.on('message', (job: EscrowJob) => port.postMessage(perform(job)));
