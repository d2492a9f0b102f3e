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
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunkLength,
  chunksOf,
  contentLeaf,
  createRoot,
  encodeWrongChunk,
  HASH_BYTES,
  isRightChunk,
  merklePath,
  openChunk,
  SEALED_CHUNK_BYTES,
  saltOf,
  sealChunk,
  sealedLeaf,
  sealedLength,
} from '../crypto/content.ts';
import { equal } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';

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
  /** Every chunk is right, but a file is not what the note says of it: its sender described it wrongly, and no chunk proves it. */
  | { readonly kind: 'misdescribed'; readonly file: number };

export type Progress = (bytes: number) => void;

const changed = (path: string): FitError =>
  new FitError('file-changed', `${path} is not what it was when it was offered`, { hint: 'offer it again' });

/** Reads exactly `target.length` bytes at `position`, or fewer at the end of the file. */
function readFully(fd: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const got = readSync(fd, target, done, target.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

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
      fd = openSync(file.path, 'r');
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

/** Written beside and renamed: what has its name is whole. */
function writeWhole(path: string, write: (fd: number) => void): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(`${path}.tmp`, 'w', 0o600);
  try {
    write(fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.tmp`, path);
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
    const [content, sealed] = [createRoot('content'), createRoot('sealed')];
    const digests = job.files.map(() => createHash('sha256'));
    const ends = job.files.map((_, index) => job.files.slice(0, index + 1).reduce((sum, file) => sum + file.size, 0));
    let file = 0;
    writeWhole(job.leavesPath, (fd) => {
      for (let index = 0; index < chunks; index += 1) {
        const chunk = new Uint8Array(chunkLength(bytes, index));
        source.read(chunk, index * CHUNK_BYTES);
        for (let at = 0; at < chunk.length; ) {
          while (index * CHUNK_BYTES + at >= (ends[file] ?? 0)) file += 1;
          const part = chunk.subarray(at, (ends[file] ?? 0) - index * CHUNK_BYTES);
          digests[file]?.update(part);
          at += part.length;
        }
        const salt = saltOf(job.seed, index);
        const leaf = contentLeaf(index, salt, chunk);
        content.add(leaf);
        sealed.add(sealedLeaf(index, sealChunk(keyOf(index), salt, chunk)));
        writeSync(fd, leaf);
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

/** Sealed chunks `from` to `from + count - 1`, each made of what its leaf says. */
export function seal(
  job: {
    readonly files: readonly SourceFile[];
    readonly leavesPath: string;
    readonly from: number;
    readonly count: number;
  } & Sealing,
): Uint8Array {
  const source = openSources(job.files);
  const leavesFd = openSync(job.leavesPath, 'r');
  try {
    const { bytes } = source;
    const keyOf = chunkKeys(job.x, job.point);
    const last = Math.min(job.from + job.count, chunksOf(bytes));
    const lengths = Array.from({ length: Math.max(0, last - job.from) }, (_, at) => sealedLength(bytes, job.from + at));
    const out = new Uint8Array(lengths.reduce((sum, one) => sum + one, 0));
    let at = 0;
    for (let index = job.from; index < last; index += 1) {
      const chunk = new Uint8Array(chunkLength(bytes, index));
      source.read(chunk, index * CHUNK_BYTES);
      const salt = saltOf(job.seed, index);
      const leaf = new Uint8Array(HASH_BYTES);
      readFully(leavesFd, leaf, index * HASH_BYTES);
      if (!equal(leaf, contentLeaf(index, salt, chunk))) throw changed('a file of this delivery');
      const sealed = sealChunk(keyOf(index), salt, chunk);
      out.set(sealed, at);
      at += sealed.length;
    }
    return out;
  } finally {
    source.close();
    closeSync(leavesFd);
  }
}

/** Leaves of the content, 32 bytes each. */
export function leaves(job: {
  readonly leavesPath: string;
  readonly from: number;
  readonly count: number;
}): Uint8Array {
  const fd = openSync(job.leavesPath, 'r');
  try {
    const out = new Uint8Array(job.count * HASH_BYTES);
    return out.subarray(0, readFully(fd, out, job.from * HASH_BYTES));
  } finally {
    closeSync(fd);
  }
}

interface Received {
  readonly sealedPath: string;
  readonly leavesPath: string;
  readonly bytes: number;
}

/** Calls `each` with every chunk of a received ciphertext. */
function eachSealed(job: Received, each: (index: number, sealed: Uint8Array) => boolean): void {
  const fd = openSync(job.sealedPath, 'r');
  try {
    const buffer = new Uint8Array(SEALED_CHUNK_BYTES);
    for (let index = 0; index < chunksOf(job.bytes); index += 1) {
      const length = sealedLength(job.bytes, index);
      const got = readFully(fd, buffer.subarray(0, length), index * SEALED_CHUNK_BYTES);
      if (!each(index, buffer.subarray(0, got))) return;
    }
  } finally {
    closeSync(fd);
  }
}

/** Whether leaves and ciphertext as received are those of the roots; what is right is durable afterwards. */
export function compare(job: Received & Roots, progress: Progress): Comparison {
  const content = createRoot('content');
  const leaves = readFileSync(job.leavesPath);
  if (leaves.length !== chunksOf(job.bytes) * HASH_BYTES) return 'wrong-leaves';
  for (let at = 0; at < leaves.length; at += HASH_BYTES) content.add(leaves.subarray(at, at + HASH_BYTES));
  if (!equal(content.root(), job.contentRoot)) return 'wrong-leaves';
  const sealed = createRoot('sealed');
  eachSealed(job, (index, chunk) => {
    sealed.add(sealedLeaf(index, chunk));
    if (index % 256 === 0) progress(index * CHUNK_BYTES);
    return true;
  });
  if (!equal(sealed.root(), job.sealedRoot)) return 'wrong-ciphertext';
  for (const path of [job.sealedPath, job.leavesPath]) {
    const fd = openSync(path, 'r+');
    fdatasyncSync(fd);
    closeSync(fd);
  }
  return 'right';
}

/** The proof that chunk `index` is wrong: both paths. */
function proofOf(job: Received, index: number, wrong: Uint8Array): Uint8Array {
  const leaves = readFileSync(job.leavesPath);
  const sealedLeaves = new Uint8Array(leaves.length);
  eachSealed(job, (at, chunk) => {
    sealedLeaves.set(sealedLeaf(at, chunk), at * HASH_BYTES);
    return true;
  });
  return encodeWrongChunk({
    index,
    sealed: wrong,
    sealedPath: merklePath('sealed', sealedLeaves, index),
    leaf: leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
    leafPath: merklePath('content', leaves, index),
  });
}

/** Decrypts into the files, chunk by chunk, until one is wrong. */
export function open(
  job: Received & {
    readonly x: Uint8Array;
    readonly point: Uint8Array;
    readonly files: readonly (SourceFile & { readonly sha256: Uint8Array })[];
  },
  progress: Progress,
): Opening {
  const leaves = readFileSync(job.leavesPath);
  const keyOf = chunkKeys(job.x, job.point);
  const digests = job.files.map(() => createHash('sha256'));
  const fds = new Map<number, number>();
  /** One output at a time, each opened once. */
  const outputOf = (index: number): number => {
    const known = fds.get(index);
    if (known !== undefined) return known;
    for (const [other, fd] of fds) {
      fsyncSync(fd);
      closeSync(fd);
      fds.delete(other);
    }
    const path = job.files[index]?.path ?? '';
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, 'w', 0o600);
    fds.set(index, fd);
    return fd;
  };
  let file = 0;
  let written = 0;
  let wrong: { readonly index: number; readonly sealed: Uint8Array } | undefined;
  try {
    eachSealed(job, (index, sealed) => {
      const key = keyOf(index);
      const leaf = leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
      if (!isRightChunk(key, job.bytes, index, sealed, leaf)) {
        wrong = { index, sealed: Uint8Array.from(sealed) };
        return false;
      }
      let { chunk } = openChunk(key, sealed);
      while (chunk.length > 0) {
        while (written === (job.files[file]?.size ?? 0)) {
          outputOf(file);
          file += 1;
          written = 0;
        }
        const part = chunk.subarray(0, (job.files[file]?.size ?? 0) - written);
        writeSync(outputOf(file), part);
        digests[file]?.update(part);
        written += part.length;
        chunk = chunk.subarray(part.length);
      }
      if (index % 256 === 0) progress(index * CHUNK_BYTES);
      return true;
    });
    // Empty files, and the last one.
    for (; file < job.files.length; file += 1) outputOf(file);
  } finally {
    for (const fd of fds.values()) {
      fsyncSync(fd);
      closeSync(fd);
    }
  }
  if (wrong !== undefined) return { kind: 'wrong', proof: proofOf(job, wrong.index, wrong.sealed) };
  const misdescribed = job.files.findIndex(
    (one, index) => !equal(new Uint8Array(digests[index]?.digest() ?? []), one.sha256),
  );
  return misdescribed === -1 ? { kind: 'right' } : { kind: 'misdescribed', file: misdescribed };
}
