/**
 * Jobs on content of ours: hash and seal it once, serve its leaves and sealed chunks. They run in a worker thread
 * (content-worker.ts), so they may block; memory stays flat at any size.
 *
 * Guarantee: a file that is not what it was is an error of its owner's and never a wrong chunk on the wire.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  createRoot,
  HASH_BYTES,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  saltedLeaf,
  saltOf,
  sealedLeaf,
  sealedLength,
  sealSalted,
} from '../crypto/content.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { CHUNKS_PER_REPLY, dataReply, LEAVES_PER_REPLY } from './bulk.ts';
import { beside } from './content-beside.ts';
import {
  areLeavesOf,
  checkRange,
  damaged,
  type Leaves,
  openLeaves,
  type Progress,
  type Roots,
  readFully,
  type SourceFile,
  writeFully,
  writeWhole,
} from './content-files.ts';

/** The key of a content and the seed of its salts, 32 bytes each; `point` = x·G. */
export interface Sealing {
  readonly x: Uint8Array;
  readonly point: Uint8Array;
  readonly seed: Uint8Array;
}

export interface Prepared extends Roots {
  readonly bytes: number;
  readonly chunks: number;
  readonly sha256: readonly Uint8Array[];
}

const changed = (path: string): FitError =>
  new FitError('file-changed', `${path} is not what it was when it was offered`, { hint: 'offer it again' });

/** The files one after the other as one sequence of bytes. */
function openSources(files: readonly SourceFile[]) {
  const starts: number[] = [];
  let bytes = 0;
  for (const file of files) {
    starts.push(bytes);
    bytes += file.size;
  }
  let open: { readonly index: number; readonly fd: number } | undefined;
  const fdOf = (index: number, file: SourceFile): number => {
    if (open?.index === index) return open.fd;
    if (open !== undefined) closeSync(open.fd);
    open = undefined;
    let fd: number;
    try {
      // What has become a pipe is opened without waiting for whoever writes into it, and is no file below.
      fd = openSync(file.path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      throw new FitError('file-changed', `${file.path} cannot be read`, {
        hint: 'see to its rights, or offer it again',
        cause: error,
      });
    }
    open = { index, fd };
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size !== file.size) throw changed(file.path);
    return fd;
  };
  return {
    bytes,
    /** Fills `target` from `position` on; a part that is not there is a changed file. */
    read(target: Uint8Array, position: number): void {
      let done = 0;
      files.forEach((file, index) => {
        const start = starts[index] ?? 0;
        const from = Math.max(position + done, start);
        const end = Math.min(position + target.length, start + file.size);
        if (from >= end || from !== position + done) return;
        const part = target.subarray(done, done + end - from);
        if (readFully(fdOf(index, file), part, from - start) !== part.length) throw changed(file.path);
        done += part.length;
      });
    },
    close(): void {
      if (open !== undefined) closeSync(open.fd);
    },
  };
}

/** The chunks of the files, each behind its salt, as both trees and the cipher take it; valid until the next one. */
function saltedChunks(source: ReturnType<typeof openSources>, seed: Uint8Array): (index: number) => Uint8Array {
  const buffer = new Uint8Array(SEALED_CHUNK_BYTES);
  return (index) => {
    const salted = buffer.subarray(0, sealedLength(source.bytes, index));
    salted.set(saltOf(seed, index));
    source.read(salted.subarray(SALT_BYTES), index * CHUNK_BYTES);
    return salted;
  };
}

export interface Preparing extends Sealing {
  readonly files: readonly SourceFile[];
  readonly leavesPath: string;
  /** Where a second thread gives the root of the ciphertext (`sealedRoot`); without one it is computed here. */
  readonly shared?: SharedArrayBuffer;
}

/** What changes when a file is written to. */
function stateOf(files: readonly SourceFile[]): string {
  return files
    .map(({ path }) => {
      const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true, throwIfNoEntry: false }) ?? {};
      return [ino, size, mtimeNs, ctimeNs].join();
    })
    .join(';');
}

/** The root of the ciphertext, from the files. */
function rootOfCiphertext(
  { files, x, point, seed }: Omit<Preparing, 'leavesPath'>,
  stopped: () => boolean,
): Uint8Array | null {
  const source = openSources(files);
  try {
    const keyOf = chunkKeys(x, point);
    const saltedOf = saltedChunks(source, seed);
    const root = createRoot('sealed');
    const chunks = chunksOf(source.bytes);
    for (let index = 0; index < chunks; index += 1) {
      if (index % 256 === 0 && stopped()) return null;
      root.add(sealedLeaf(index, sealSalted(keyOf(index), saltedOf(index))));
    }
    return root.root();
  } finally {
    source.close();
  }
}

/** Beside `prepare`, in a thread of its own. */
export function sealedRoot(job: Preparing): void {
  if (job.shared === undefined) return;
  const first = beside(job.shared);
  const root = rootOfCiphertext(job, () => first.left);
  if (root !== null) first.give([root]);
}

/** The digests of the files, both roots, and the leaves of the content into `leavesPath`. */
export function prepare(job: Preparing, progress: Progress): Prepared {
  const before = stateOf(job.files);
  const source = openSources(job.files);
  try {
    const { bytes } = source;
    const chunks = chunksOf(bytes);
    const saltedOf = saltedChunks(source, job.seed);
    const content = createRoot('content');
    const digests = job.files.map(() => createHash('sha256'));
    const ends = job.files.map((_, index) => job.files.slice(0, index + 1).reduce((sum, file) => sum + file.size, 0));
    let file = 0;
    writeWhole(job.leavesPath, (fd) => {
      for (let index = 0; index < chunks; index += 1) {
        const salted = saltedOf(index);
        const chunk = salted.subarray(SALT_BYTES);
        for (let at = 0; at < chunk.length; ) {
          while (index * CHUNK_BYTES + at >= (ends[file] ?? 0)) file += 1;
          const part = chunk.subarray(at, (ends[file] ?? 0) - index * CHUNK_BYTES);
          digests[file]?.update(part);
          at += part.length;
        }
        const leaf = saltedLeaf(index, salted);
        content.add(leaf);
        writeFully(fd, leaf);
        if (index % 256 === 0) progress(index * CHUNK_BYTES);
      }
    });
    const [found] = (job.shared === undefined ? null : beside(job.shared).take()) ?? [
      rootOfCiphertext(job, () => false),
    ];
    // Two threads have read it, and both hashes are to be of the same bytes.
    if (stateOf(job.files) !== before) throw changed('a file of this delivery');
    return {
      bytes,
      chunks,
      contentRoot: content.root(),
      sealedRoot: present(found, 'root of the ciphertext'),
      sha256: digests.map((digest) => new Uint8Array(digest.digest())),
    };
  } finally {
    source.close();
  }
}

/** Leaves of ours that have been compared with their root, as they were then. */
const compared = new Map<string, string>();
const MAX_COMPARED = 64;

/** Leaves are served only as those of their root; compared once, and again when their file is another. */
function checkOwnLeaves(path: string, chunks: number, contentRoot: Uint8Array, leaves: Leaves): void {
  const { ino, size, mtimeMs, ctimeMs } = statSync(path);
  const state = [ino, size, mtimeMs, ctimeMs].join();
  if (compared.get(path) === state) return;
  if (!areLeavesOf(leaves, chunks, contentRoot)) throw damaged('the hashes of a content');
  const [oldest] = compared.keys();
  if (oldest !== undefined && compared.size >= MAX_COMPARED) compared.delete(oldest);
  compared.set(path, state);
}

export interface SealJob extends Sealing {
  readonly files: readonly SourceFile[];
  readonly leavesPath: string;
  readonly contentRoot: Uint8Array;
}

export interface Sealer {
  readonly bytes: number;
  readonly chunks: number;
  /** A sealed chunk, made of what its leaf says. Throws `file-changed`, and `archive-corrupt` if it is the leaf that is wrong. */
  sealed(index: number): Uint8Array;
  close(): void;
}

export function openSealer(job: SealJob): Sealer {
  const source = openSources(job.files);
  let leaves: Leaves;
  try {
    leaves = openLeaves(job.leavesPath);
  } catch (error) {
    source.close();
    throw error;
  }
  const { bytes } = source;
  const chunks = chunksOf(bytes);
  const keyOf = chunkKeys(job.x, job.point);
  const saltedOf = saltedChunks(source, job.seed);
  return {
    bytes,
    chunks,
    sealed(index) {
      const salted = saltedOf(index);
      if (!equal(leaves.at(index), saltedLeaf(index, salted))) {
        // One of the two is not what it was, and only the leaves have a root.
        if (!areLeavesOf(leaves, chunks, job.contentRoot)) throw damaged('the hashes of a content');
        throw changed('a file of this delivery');
      }
      return sealSalted(keyOf(index), salted);
    },
    close() {
      source.close();
      leaves.close();
    },
  };
}

/** The reply with the sealed chunks `from` to `from + count - 1`. */
export function seal(job: SealJob & { readonly from: number; readonly count: number }): Uint8Array {
  const sealer = openSealer(job);
  try {
    const { bytes, chunks } = sealer;
    checkRange(job.from, job.count, chunks, CHUNKS_PER_REPLY);
    const last = Math.min(job.from + job.count, chunks);
    const lengths = Array.from({ length: last - job.from }, (_, at) => sealedLength(bytes, job.from + at));
    const { reply, data } = dataReply(lengths.reduce((sum, one) => sum + one, 0));
    let at = 0;
    for (let index = job.from; index < last; index += 1) {
      const sealed = sealer.sealed(index);
      data.set(sealed, at);
      at += sealed.length;
    }
    return reply;
  } finally {
    sealer.close();
  }
}

/** Leaves of the content, 32 bytes each. */
export function leaves(job: {
  readonly leavesPath: string;
  readonly bytes: number;
  readonly contentRoot: Uint8Array;
  readonly from: number;
  readonly count: number;
}): Uint8Array {
  const chunks = chunksOf(job.bytes);
  checkRange(job.from, job.count, chunks, LEAVES_PER_REPLY);
  const own = openLeaves(job.leavesPath);
  try {
    checkOwnLeaves(job.leavesPath, chunks, job.contentRoot, own);
    const count = Math.min(job.count, chunks - job.from);
    const out = new Uint8Array(count * HASH_BYTES);
    for (let at = 0; at < count; at += 1) out.set(own.at(job.from + at), at * HASH_BYTES);
    return out;
  } finally {
    own.close();
  }
}
