/**
 * The content worker of a sender that cheats, in place of the product's (crashing-fitd.program.ts names it, FIT_TEST_CHEAT
 * says how): everything it gives is consistent with what its note and X name, but for one thing.
 */
import { parentPort } from 'node:worker_threads';
import { createRoot, HASH_BYTES, SEALED_CHUNK_BYTES, sealedLeaf } from '../../src/crypto/content.ts';
import { decodeBulkReply } from '../../src/daemon/bulk.ts';
import { compare, hash, keep, open } from '../../src/daemon/content-receiving.ts';
import { leaves, prepare, seal } from '../../src/daemon/content-sending.ts';
import { assert, present } from '../../src/lib/assert.ts';

/**
 * `chunk`: one chunk of the ciphertext does not open to its leaf; both roots are right. `leaves`: a leaf is not in the tree that
 * the note names. `ciphertext`: a chunk is not in the tree that the sender names.
 */
export type Cheat = 'chunk' | 'leaves' | 'ciphertext';

/** The chunk that is wrong. */
const BAD = 1;

const port = present(parentPort, 'parent of the content worker');
const cheat = present(process.env.FIT_TEST_CHEAT, 'a cheat') as Cheat;

function spoil(data: Uint8Array, at: number): Uint8Array {
  if (at >= 0 && at < data.length) data[at] = (data[at] ?? 0) ^ 1;
  return data;
}

type Sealing = Parameters<typeof seal>[0];

/** The chunks in a reply, where they lie. */
function chunksIn(reply: Uint8Array): Uint8Array {
  const read = decodeBulkReply(reply);
  assert(read.kind === 'data', 'a reply with chunks');
  return read.data;
}

function sealWrong(job: Sealing): Uint8Array {
  const reply = seal(job);
  spoil(chunksIn(reply), (BAD - job.from) * SEALED_CHUNK_BYTES + 20);
  return reply;
}

function prepareWrong(job: Parameters<typeof prepare>[0]): ReturnType<typeof prepare> {
  const made = prepare(job, () => {});
  if (cheat !== 'chunk') return made;
  const { contentRoot } = made;
  const root = createRoot('sealed');
  for (let from = 0; from < made.chunks; from += 1)
    root.add(sealedLeaf(from, chunksIn(sealWrong({ ...job, contentRoot, from, count: 1 }))));
  return { ...made, sealedRoot: root.root() };
}

const JOBS = {
  keep,
  hash,
  compare,
  open,
  prepare: prepareWrong,
  seal: cheat === 'leaves' ? seal : sealWrong,
  leaves: (job: Parameters<typeof leaves>[0]) =>
    cheat === 'leaves' ? spoil(leaves(job), (BAD - job.from) * HASH_BYTES) : leaves(job),
};

port.on('message', ({ name, job }: { readonly name: keyof typeof JOBS; readonly job: unknown }) => {
  try {
    const run = JOBS[name] as (job: unknown, progress: () => void) => unknown;
    port.postMessage({ kind: 'done', result: run(job, () => {}) });
  } catch (error) {
    port.postMessage({ kind: 'failed', code: null, message: String(error), hint: null });
  }
});
