/**
 * Files that containers are made of and from: read and written in blocks, with room for others between them.
 * Guarantees: no link is followed unless a person named it; nothing that exists is written over; what is half-made goes away with the program.
 */
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf, isDiskFull, syncFolder } from '../lib/disk.ts';
import { FitError, isFitError } from '../lib/errors.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** The largest block that is read or written at once. */
export const BLOCK_BYTES = 1024 * 1024;
const TURN_MS = 40;

/** What is done meanwhile, for whoever shows it. */
export interface Work {
  bytes: number;
  entries: number;
}

/** Lets others have a turn every few milliseconds: signals, the line that shows progress. */
export function createTurns(): () => Promise<void> {
  let last = Date.now();
  return async () => {
    if (Date.now() - last < TURN_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    last = Date.now();
  };
}

export function existsAlready(path: string, cause?: unknown): FitError {
  return new FitError('file-exists', `${path} exists already`, { hint: 'nothing is overwritten: name another', cause });
}

/** The system's errors as ours; `path` is what was read or written. */
export function fileError(error: unknown, path: string): unknown {
  if (isFitError(error)) return error;
  if (isDiskFull(error)) return new FitError('disk-full', `no room for ${path}`, { cause: error });
  switch (codeOf(error)) {
    case '':
      return error;
    case 'ENOENT':
      return new FitError('bad-file', `there is no file ${path}`, { cause: error });
    case 'ELOOP':
      return new FitError('bad-file', `${path} is a symbolic link`, { cause: error });
    case 'EISDIR':
      return new FitError('bad-file', `${path} is a folder`, { cause: error });
    case 'ENOTDIR':
      return new FitError('bad-file', `${path} is not a folder`, { cause: error });
    case 'EEXIST':
      return existsAlready(path, error);
    default:
      return new FitError('bad-file', `cannot read or write ${path}`, { cause: error });
  }
}

/** Opens a plain file, also behind links if they are to be followed; its size is that of now. */
export function openPlain(path: string, follows = false): { readonly fd: number; readonly bytes: number } {
  let fd: number | undefined;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK | (follows ? 0 : O_NOFOLLOW));
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new FitError('bad-file', `${path} is not a plain file`);
    return { fd, bytes: stat.size };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw fileError(error, path);
  }
}

/** Reads `target.length` bytes at `position`, or fewer at the end of the file. */
export function readAt(fd: number, target: Uint8Array, position: number): Uint8Array {
  let done = 0;
  while (done < target.length) {
    const got = readSync(fd, target, done, target.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return target.subarray(0, done);
}

export function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

export function createNew(path: string, mode = 0o666): number {
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

/** Writes at growing positions, small pieces together. */
export function createAppender(fd: number, from: number): { write(bytes: Uint8Array): void; flush(): number } {
  const block = new Uint8Array(BLOCK_BYTES);
  let used = 0;
  let at = from;
  const flush = (): number => {
    writeAt(fd, block.subarray(0, used), at);
    at += used;
    used = 0;
    return at;
  };
  return {
    write(bytes) {
      if (used + bytes.length > block.length) flush();
      if (bytes.length > block.length) {
        writeAt(fd, bytes, at);
        at += bytes.length;
        return;
      }
      block.set(bytes, used);
      used += bytes.length;
    },
    flush,
  };
}

export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Gives what is complete its name, over nothing. Both names are in one file system. */
export function putInPlace(from: string, to: string): void {
  if (isThere(to)) throw existsAlready(to);
  if (lstatSync(from).isDirectory()) {
    renameSync(from, to);
    return;
  }
  try {
    linkSync(from, to);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw existsAlready(to, error);
    // A file system without hard links.
    renameSync(from, to);
    return;
  }
  rmSync(from);
}

/** Makes a folder, and whatever is missing above it, durably. */
export function makeFolder(path: string): void {
  const whole = resolve(path);
  const first = mkdirSync(whole, { recursive: true });
  if (first === undefined) return;
  for (let at = whole; at.length >= first.length; at = dirname(at)) syncFolder(dirname(at));
}

/** Runs with a path that is gone afterwards, whatever happens, also when the program is interrupted. */
export async function withTemporary<T>(path: string, use: () => Promise<T>): Promise<T> {
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await use();
  } finally {
    process.off('exit', remove);
    remove();
  }
}
