/**
 * What is done to the files of deliveries: hash and encrypt, compare, decrypt. Runs in a worker thread (content-worker.ts), so
 * it may block; memory stays flat at any size.
 *
 * Guarantees: a file that is not what it was is an error of its owner's and never a wrong chunk on the wire; what a peer sent
 * is opened only into files of our own, and is right only if every leaf and every file's digest is.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  createRoot,
  encodeWrongChunk,
  HASH_BYTES,
  openRight,
  provesWrong,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  saltedLeaf,
  saltOf,
  sealedLeaf,
  sealedLength,
  sealSalted,
  siblings,
  type Tree,
  type WrongChunk,
} from '../crypto/content.ts';
import { equal } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { CHUNKS_PER_REPLY, dataReply, LEAVES_PER_REPLY } from './bulk.ts';
import {
  createOwn,
  damaged,
  type Leaves,
  openLeaves,
  openOwn,
  readFully,
  syncFolder,
  writeFully,
  writeWhole,
} from './content-files.ts';

export interface SourceFile {
  readonly path: string;
  readonly size: number;
}

/** The key of a content and the seed of its salts, 32 bytes each; `point` = x·G. */
export interface Sealing {
  readonly x: Uint8Array;
  readonly point: Uint8Array;
  readonly seed: Uint8Array;
}

export interface Roots {
  readonly contentRoot: Uint8Array;
  readonly sealedRoot: Uint8Array;
}

export interface Prepared extends Roots {
  readonly bytes: number;
  readonly chunks: number;
  readonly sha256: readonly Uint8Array[];
}

export type Comparison = 'right' | 'wrong-leaves' | 'wrong-ciphertext';

export type Opening =
  | { readonly kind: 'right' }
  /** An encoded `WrongChunk`. */
  | { readonly kind: 'wrong'; readonly proof: Uint8Array }
  /**
   * Every chunk is right, but a file is not what the note says of it: its sender described it wrongly. No chunk proves it; the
   * files and the salts do, which give the root that the sender signed.
   */
  | { readonly kind: 'misdescribed'; readonly file: number };

export type Progress = (bytes: number) => void;

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

/** One pass: the digests of the files, both trees, and the leaves of the content into `leavesPath`. */
export function prepare(
  job: { readonly files: readonly SourceFile[]; readonly leavesPath: string } & Sealing,
  progress: Progress,
): Prepared {
  const source = openSources(job.files);
  try {
    const { bytes } = source;
    const chunks = chunksOf(bytes);
    const keyOf = chunkKeys(job.x, job.point);
    const saltedOf = saltedChunks(source, job.seed);
    const [content, sealed] = [createRoot('content'), createRoot('sealed')];
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
        sealed.add(sealedLeaf(index, sealSalted(keyOf(index), salted)));
        writeFully(fd, leaf);
        if (index % 256 === 0) progress(index * CHUNK_BYTES);
      }
    });
    return {
      bytes,
      chunks,
      contentRoot: content.root(),
      sealedRoot: sealed.root(),
      sha256: digests.map((digest) => new Uint8Array(digest.digest())),
    };
  } finally {
    source.close();
  }
}

/** What a reply may hold: of a range that is none nothing is read. */
function checkRange(from: number, count: number, chunks: number, most: number): void {
  const fits = Number.isSafeInteger(from) && from >= 0 && from <= chunks;
  if (!fits || !Number.isSafeInteger(count) || count < 1 || count > most)
    throw new FitError('usage', 'no such part of the content', { hint: `at most ${most} from 0 to ${chunks}` });
}

/** Whether these are the leaves of that root. */
function areLeavesOf(leaves: Leaves, chunks: number, contentRoot: Uint8Array): boolean {
  if (leaves.count !== chunks) return false;
  const root = createRoot('content');
  for (let index = 0; index < chunks; index += 1) root.add(leaves.at(index));
  return equal(root.root(), contentRoot);
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

/** The reply with the sealed chunks `from` to `from + count - 1`, each made of what its leaf says. */
export function seal(
  job: {
    readonly files: readonly SourceFile[];
    readonly leavesPath: string;
    readonly contentRoot: Uint8Array;
    readonly from: number;
    readonly count: number;
  } & Sealing,
): Uint8Array {
  const source = openSources(job.files);
  const { bytes } = source;
  const chunks = chunksOf(bytes);
  checkRange(job.from, job.count, chunks, CHUNKS_PER_REPLY);
  let leaves: Leaves | undefined;
  try {
    leaves = openLeaves(job.leavesPath);
    const keyOf = chunkKeys(job.x, job.point);
    const saltedOf = saltedChunks(source, job.seed);
    const last = Math.min(job.from + job.count, chunks);
    const lengths = Array.from({ length: last - job.from }, (_, at) => sealedLength(bytes, job.from + at));
    const { reply, data } = dataReply(lengths.reduce((sum, one) => sum + one, 0));
    let at = 0;
    for (let index = job.from; index < last; index += 1) {
      const salted = saltedOf(index);
      if (!equal(leaves.at(index), saltedLeaf(index, salted))) {
        // One of the two is not what it was, and only the leaves have a root.
        if (!areLeavesOf(leaves, chunks, job.contentRoot)) throw damaged('the hashes of a content');
        throw changed('a file of this delivery');
      }
      const sealed = sealSalted(keyOf(index), salted);
      data.set(sealed, at);
      at += sealed.length;
    }
    return reply;
  } finally {
    source.close();
    leaves?.close();
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

interface Received {
  readonly sealedPath: string;
  readonly leavesPath: string;
  readonly bytes: number;
}

/** Calls `each` with every chunk of a received ciphertext, the last ones short if it is, or of the part that is asked for. */
function eachSealed(
  job: Pick<Received, 'sealedPath' | 'bytes'>,
  each: (index: number, sealed: Uint8Array) => boolean,
  from = 0,
  to = chunksOf(job.bytes),
): void {
  const fd = openOwn(job.sealedPath, 'the parts of a content');
  try {
    const buffer = new Uint8Array(SEALED_CHUNK_BYTES);
    for (let index = from; index < to; index += 1) {
      const length = sealedLength(job.bytes, index);
      const got = readFully(fd, buffer.subarray(0, length), index * SEALED_CHUNK_BYTES);
      if (!each(index, buffer.subarray(0, got))) return;
    }
  } finally {
    closeSync(fd);
  }
}

/** Chunks as they came go where they belong, and their leaves come back: what is hashed on its way is not read again for that. */
export function keep(job: {
  readonly sealedPath: string;
  readonly bytes: number;
  readonly from: number;
  readonly sealed: Uint8Array;
}): Uint8Array {
  const { sealedPath, bytes, from, sealed } = job;
  const count = Math.ceil(sealed.length / SEALED_CHUNK_BYTES);
  checkRange(from, count, chunksOf(bytes), CHUNKS_PER_REPLY);
  const fd = openOwn(sealedPath, 'the parts of a content', true);
  try {
    writeFully(fd, sealed, writeSync, from * SEALED_CHUNK_BYTES);
  } finally {
    closeSync(fd);
  }
  const out = new Uint8Array(count * HASH_BYTES);
  for (let at = 0; at < count; at += 1)
    out.set(
      sealedLeaf(from + at, sealed.subarray(at * SEALED_CHUNK_BYTES, (at + 1) * SEALED_CHUNK_BYTES)),
      at * HASH_BYTES,
    );
  return out;
}

/** The leaves of chunks that lie there, 32 bytes each. */
export function hash(job: {
  readonly sealedPath: string;
  readonly bytes: number;
  readonly from: number;
  readonly count: number;
}): Uint8Array {
  const chunks = chunksOf(job.bytes);
  checkRange(job.from, job.count, chunks, LEAVES_PER_REPLY);
  const to = Math.min(job.from + job.count, chunks);
  const out = new Uint8Array((to - job.from) * HASH_BYTES);
  const each = (index: number, chunk: Uint8Array): boolean => {
    out.set(sealedLeaf(index, chunk), (index - job.from) * HASH_BYTES);
    return true;
  };
  eachSealed(job, each, job.from, to);
  return out;
}

/** The root of a ciphertext that lies there. */
function rootOfSealed(job: Received, progress: Progress): Uint8Array {
  const root = createRoot('sealed');
  eachSealed(job, (index, chunk) => {
    root.add(sealedLeaf(index, chunk));
    if (index % 256 === 0) progress(index * CHUNK_BYTES);
    return true;
  });
  return root.root();
}

/**
 * Whether leaves and ciphertext as received are those of the roots; what is right is durable afterwards. `foundRoot`: that of the
 * ciphertext, if it was hashed as it was written; else it is read.
 */
export function compare(job: Received & Roots & { readonly foundRoot?: Uint8Array }, progress: Progress): Comparison {
  const received = openLeaves(job.leavesPath);
  try {
    if (!areLeavesOf(received, chunksOf(job.bytes), job.contentRoot)) return 'wrong-leaves';
  } finally {
    received.close();
  }
  if (!equal(job.foundRoot ?? rootOfSealed(job, progress), job.sealedRoot)) return 'wrong-ciphertext';
  for (const path of [job.sealedPath, job.leavesPath]) {
    const fd = openOwn(path, 'the parts of a content', true);
    try {
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncFolder(dirname(path));
  }
  return 'right';
}

/** The path of one leaf from all leaves in order, in memory that grows with the depth of the tree. */
export function createPath(tree: Tree, index: number, count: number) {
  const beside = siblings(index, count).map(({ from, to }) => ({ from, to, root: createRoot(tree) }));
  const inOrder = beside.toSorted((a, b) => a.from - b.from);
  let now = 0;
  return {
    add(at: number, leaf: Uint8Array): void {
      if (at === index) return;
      while (at >= (inOrder[now]?.to ?? Number.POSITIVE_INFINITY)) now += 1;
      inOrder[now]?.root.add(leaf);
    },
    path: (): readonly Uint8Array[] => beside.map(({ root }) => root.root()),
  };
}

/** The proof that chunk `index` is wrong: both paths. */
function proofOf(job: Received, index: number, sealed: Uint8Array): WrongChunk {
  const chunks = chunksOf(job.bytes);
  const [content, ciphertext] = [createPath('content', index, chunks), createPath('sealed', index, chunks)];
  const received = openLeaves(job.leavesPath);
  try {
    eachSealed(job, (at, chunk) => {
      ciphertext.add(at, sealedLeaf(at, chunk));
      content.add(at, received.at(at));
      return true;
    });
    return {
      index,
      sealed,
      sealedPath: ciphertext.path(),
      leaf: Uint8Array.from(received.at(index)),
      leafPath: content.path(),
    };
  } finally {
    received.close();
  }
}

/** The outputs, one open at a time, each new. */
function createOutputs(files: readonly (SourceFile & { readonly sha256: Uint8Array })[]) {
  const digests = files.map(() => createHash('sha256'));
  let current: { readonly index: number; readonly fd: number } | undefined;
  let file = 0;
  let written = 0;
  const close = (): void => {
    const before = current;
    current = undefined;
    if (before === undefined) return;
    try {
      fsyncSync(before.fd);
    } finally {
      closeSync(before.fd);
    }
  };
  const fdOf = (index: number, path: string): number => {
    if (current?.index === index) return current.fd;
    close();
    const fd = createOwn(path);
    current = { index, fd };
    return fd;
  };
  /** Goes over files that are full, which makes empty ones. */
  const settle = (): void => {
    for (let one = files[file]; one !== undefined && written === one.size; one = files[file]) {
      fdOf(file, one.path);
      file += 1;
      written = 0;
    }
  };
  return {
    write(chunk: Uint8Array): void {
      for (let at = 0; at < chunk.length; ) {
        settle();
        const one = files[file];
        if (one === undefined) throw unfit();
        const part = chunk.subarray(at, at + one.size - written);
        writeFully(fdOf(file, one.path), part);
        digests[file]?.update(part);
        written += part.length;
        at += part.length;
      }
    },
    /** The first file that is not what it should be; undefined if all are. Durable afterwards. */
    end(): number | undefined {
      settle();
      close();
      if (file < files.length) throw unfit();
      for (const folder of new Set(files.map(({ path }) => dirname(path)))) syncFolder(folder);
      const wrong = files.findIndex((one, index) => !equal(new Uint8Array(digests[index]?.digest() ?? []), one.sha256));
      return wrong === -1 ? undefined : wrong;
    },
    /** Nothing of it stays. */
    discard(): void {
      if (current !== undefined) closeSync(current.fd);
      current = undefined;
      for (const { path } of files) rmSync(path, { force: true });
    },
  };
}

const unfit = (): FitError =>
  new FitError('bad-file', 'the sizes of the files are not those of the content', {
    hint: 'nothing was signed for it',
  });

/**
 * Decrypts into the files, chunk by chunk, until one is wrong. Then, and after any failure, no file stays. `wrong` only with a
 * proof that holds: throws `archive-corrupt` if what does not fit is damage on our own disk.
 */
export function open(
  job: Received &
    Roots & {
      readonly x: Uint8Array;
      readonly point: Uint8Array;
      /** Where the salts of all chunks are put if the content is misdescribed. */
      readonly saltsPath: string;
      readonly files: readonly (SourceFile & { readonly sha256: Uint8Array })[];
    },
  progress: Progress,
): Opening {
  const { x, point, sealedRoot, contentRoot, bytes } = job;
  if (job.files.reduce((sum, { size }) => sum + size, 0) !== bytes) throw unfit();
  const chunks = chunksOf(bytes);
  const keyOf = chunkKeys(x, point);
  const outputs = createOutputs(job.files);
  const root = createRoot('content');
  let wrong: { readonly index: number; readonly sealed: Uint8Array } | undefined;
  let right = false;
  let misdescribed: number | undefined;
  const received = openLeaves(job.leavesPath);
  let salts: number | undefined;
  try {
    const into = createOwn(job.saltsPath);
    salts = into;
    eachSealed(job, (index, sealed) => {
      const leaf = received.at(index);
      const opened = openRight(keyOf(index), bytes, index, sealed, leaf);
      if (opened === null) {
        wrong = { index, sealed: Uint8Array.from(sealed) };
        return false;
      }
      root.add(leaf);
      outputs.write(opened.chunk);
      writeFully(into, opened.salt);
      if (index % 256 === 0) progress(index * CHUNK_BYTES);
      return true;
    });
    if (wrong !== undefined) {
      const proof = proofOf(job, wrong.index, wrong.sealed);
      if (!provesWrong({ x, point, sealedRoot, contentRoot, bytes, chunks }, proof))
        throw damaged('the parts of a content');
      return { kind: 'wrong', proof: encodeWrongChunk(proof) };
    }
    // Every chunk is what its leaf says; the leaves are what was signed only if they have its root.
    if (received.count !== chunks || !equal(root.root(), contentRoot)) throw damaged('the hashes of a content');
    misdescribed = outputs.end();
    if (misdescribed !== undefined) {
      fsyncSync(into);
      syncFolder(dirname(job.saltsPath));
    }
    right = true;
    return misdescribed === undefined ? { kind: 'right' } : { kind: 'misdescribed', file: misdescribed };
  } finally {
    received.close();
    if (salts !== undefined) closeSync(salts);
    if (misdescribed === undefined) rmSync(job.saltsPath, { force: true });
    if (!right) outputs.discard();
  }
}
