/**
 * Jobs on content that a peer sends: keep and hash it as it comes, compare it, open it. They run in a worker thread
 * (content-worker.ts), so they may block; memory stays flat at any size.
 *
 * Guarantee: what a peer sent is opened only into files of our own, and is right only if every leaf and every file's digest is.
 */
import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, rmSync, writeSync } from 'node:fs';
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
  SEALED_CHUNK_BYTES,
  sealedLeaf,
  sealedLength,
  siblings,
  type Tree,
  type WrongChunk,
} from '../crypto/content.ts';
import { equal } from '../lib/bytes.ts';
import { syncFolder } from '../lib/disk.ts';
import { FitError } from '../lib/errors.ts';
import { CHUNKS_PER_REPLY, LEAVES_PER_REPLY } from './bulk.ts';
import { beside } from './content-beside.ts';
import {
  areLeavesOf,
  checkRange,
  createOwn,
  damaged,
  openLeaves,
  openOwn,
  type Progress,
  type Roots,
  readFully,
  type SourceFile,
  writeFully,
} from './content-files.ts';

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

/** Bytes between two syncs of a file that is still written. */
const SYNC_BYTES = 32 * 1024 * 1024;
const HASH_AT_ONCE = 256 * 1024;

/** The digest of one file of ours as it grows: `ready` is asked how much of it is there. Null if it is not to be finished. */
function digestOf({ path, size }: SourceFile, ready: (bytes: number) => boolean): Uint8Array | null {
  const digest = createHash('sha256');
  let fd: number | undefined;
  try {
    const buffer = new Uint8Array(HASH_AT_ONCE);
    for (let at = 0; at < size; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - at));
      if (!ready(at + part.length)) return null;
      fd ??= openOwn(path, 'the files of a content');
      if (readFully(fd, part, at) !== part.length) throw damaged('the files of a content');
      digest.update(part);
      // So that the last sync, for which somebody waits, finds little to do.
      if (at > 0 && at % SYNC_BYTES === 0) fdatasyncSync(fd);
    }
    return new Uint8Array(digest.digest());
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Beside `open`, in a thread of its own: the digests of the files that it writes, as it writes them. */
export function digests(job: { readonly files: readonly SourceFile[]; readonly shared: SharedArrayBuffer }): void {
  const first = beside(job.shared);
  const found: Uint8Array[] = [];
  let before = 0;
  for (const file of job.files) {
    const start = before;
    const digest = digestOf(file, (bytes) => first.waitFor(start + bytes));
    if (digest === null) return;
    found.push(digest);
    before += file.size;
  }
  first.give(found);
}

/** The outputs, one open at a time, each new. `shared`: where a second thread gives their digests; else they are computed here. */
function createOutputs(
  files: readonly (SourceFile & { readonly sha256: Uint8Array })[],
  shared: SharedArrayBuffer | undefined,
) {
  const second = shared === undefined ? undefined : beside(shared);
  const own = second === undefined ? files.map(() => createHash('sha256')) : undefined;
  let all = 0;
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
        own?.[file]?.update(part);
        written += part.length;
        at += part.length;
      }
      all += chunk.length;
      second?.reach(all);
    },
    /** The first file that is not what it should be; undefined if all are. Durable afterwards. */
    end(): number | undefined {
      settle();
      close();
      if (file < files.length) throw unfit();
      for (const folder of new Set(files.map(({ path }) => dirname(path)))) syncFolder(folder);
      const found =
        own?.map((digest) => new Uint8Array(digest.digest())) ??
        second?.take() ??
        files.map((one) => digestOf(one, () => true));
      const wrong = files.findIndex((one, index) => !equal(found[index] ?? new Uint8Array(), one.sha256));
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
      readonly shared?: SharedArrayBuffer;
    },
  progress: Progress,
): Opening {
  const { x, point, sealedRoot, contentRoot, bytes } = job;
  if (job.files.reduce((sum, { size }) => sum + size, 0) !== bytes) throw unfit();
  const chunks = chunksOf(bytes);
  const keyOf = chunkKeys(x, point);
  const outputs = createOutputs(job.files, job.shared);
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
