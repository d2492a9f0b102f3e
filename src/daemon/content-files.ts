/**
 * The files under contents, as the worker reads and writes them: whole or an error, one block at a time, blocking.
 *
 * Guarantees: what is written under its name is whole and durable, and a write that fails leaves nothing behind; no file of ours
 * is reached through a link, and nobody else may read it. What is missing or cut of our own is `archive-corrupt`.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { createRoot, HASH_BYTES } from '../crypto/content.ts';
import { equal } from '../lib/bytes.ts';
import { codeOf, syncFolder } from '../lib/disk.ts';
import { FitError } from '../lib/errors.ts';
import { checkPrivateFolder } from '../lib/private-folder.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/** Our own copy is not what it was when it was compared. */
export const damaged = (what: string, cause?: unknown): FitError =>
  new FitError('archive-corrupt', `${what} on this disk are damaged or missing`, {
    hint: 'nothing was signed for it; it is made or fetched again by itself',
    cause,
  });

/** Reads exactly `target.length` bytes at `position`, or fewer at the end of the file. */
export function readFully(fd: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const got = readSync(fd, target, done, target.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Writes all of it, at `position` or behind what was written: a system may take less than it was given, and only the next write says why. */
export function writeFully(
  fd: number,
  bytes: Uint8Array,
  write: typeof writeSync = writeSync,
  position?: number,
): void {
  for (let done = 0; done < bytes.length; ) {
    const taken = write(fd, bytes, done, bytes.length - done, position === undefined ? null : position + done);
    if (taken === 0) throw new FitError('disk-failed', 'the disk takes no more and does not say why');
    done += taken;
  }
}

/** A new file, 0600, in a folder of ours, in the place of an earlier attempt. */
export function createOwn(path: string): number {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkPrivateFolder(folder);
  rmSync(path, { recursive: true, force: true });
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    fchmodSync(fd, 0o600);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** A file that we made; `what` is what it is called when it is not there. */
export function openOwn(path: string, what: string, writable = false): number {
  let fd: number;
  try {
    fd = openSync(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error))) throw damaged(what, error);
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw damaged(what);
}

/** Written beside and renamed: what has its name is whole. */
export function writeWhole(path: string, write: (fd: number) => void): void {
  const beside = `${path}.tmp`;
  const fd = createOwn(beside);
  try {
    try {
      write(fd);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

const BLOCK_LEAVES = 2048;

export interface Leaves {
  /** Throws `archive-corrupt` for one that is not there. Valid until the next call. */
  at(index: number): Uint8Array;
  readonly count: number;
  close(): void;
}

/** Leaves of a content, read in blocks: cheap in order, and never all at once. */
export function openLeaves(path: string): Leaves {
  const fd = openOwn(path, 'the hashes of a content');
  const { size } = fstatSync(fd);
  const block = new Uint8Array(BLOCK_LEAVES * HASH_BYTES);
  let first = 0;
  let held = 0;
  return {
    /** A file that ends amid a leaf has none of the leaves that it should have. */
    count: size % HASH_BYTES === 0 ? size / HASH_BYTES : 0,
    at(index) {
      if (index < first || index >= first + held) {
        first = index;
        held = Math.floor(readFully(fd, block, index * HASH_BYTES) / HASH_BYTES);
        if (held === 0) throw damaged('the hashes of a content');
      }
      return block.subarray((index - first) * HASH_BYTES, (index - first + 1) * HASH_BYTES);
    },
    close: () => closeSync(fd),
  };
}

export interface SourceFile {
  readonly path: string;
  readonly size: number;
}

export interface Roots {
  readonly contentRoot: Uint8Array;
  readonly sealedRoot: Uint8Array;
}

export type Progress = (bytes: number) => void;

/** Whether these are the leaves of that root. */
export function areLeavesOf(leaves: Leaves, chunks: number, contentRoot: Uint8Array): boolean {
  if (leaves.count !== chunks) return false;
  const root = createRoot('content');
  for (let index = 0; index < chunks; index += 1) root.add(leaves.at(index));
  return equal(root.root(), contentRoot);
}

/** What a reply may hold: of a range that is none nothing is read. */
export function checkRange(from: number, count: number, chunks: number, most: number): void {
  const fits = Number.isSafeInteger(from) && from >= 0 && from <= chunks;
  if (!fits || !Number.isSafeInteger(count) || count < 1 || count > most)
    throw new FitError('usage', 'no such part of the content', { hint: `at most ${most} from 0 to ${chunks}` });
}
