/**
 * Files that commands read and write. Reading is bounded, writing never replaces anything unless --force was given, and
 * then whole or not at all. `-` is standard input or output.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, isDiskFull } from '../lib/disk.ts';
import { FitError } from '../lib/errors.ts';
import type { FileContent } from '../rpc/agent.ts';
import type { Output } from './output.ts';

/** The largest file that is read as a contact card. */
export const MAX_CARD_BYTES = 64 * 1024;

async function readStdin(maxBytes: number): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    parts.push(chunk);
    size += chunk.length;
    if (size > maxBytes) throw tooLarge('standard input', maxBytes);
  }
  return Buffer.concat(parts, size);
}

function tooLarge(what: string, maxBytes: number): FitError {
  return new FitError('bad-file', `${what} is larger than ${maxBytes / 1024} KiB`);
}

function cannotRead(file: string, cause: unknown): FitError {
  const code = codeOf(cause);
  if (code === 'ENOENT') return new FitError('bad-file', `there is no file ${file}`, { cause });
  if (code === 'EISDIR') return new FitError('bad-file', `${file} is a folder`, { cause });
  return new FitError('bad-file', `cannot read ${file}`, { cause });
}

/** Reads at most `maxBytes`; a longer file is refused. Throws `bad-file`. */
export async function readInput(file: string, maxBytes: number): Promise<Uint8Array> {
  if (file === '-') return readStdin(maxBytes);
  try {
    const handle = await open(file, 'r');
    try {
      const buffer = new Uint8Array(maxBytes + 1);
      let size = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, size, buffer.length - size);
        size += bytesRead;
        if (size > maxBytes) throw tooLarge(file, maxBytes);
        if (bytesRead === 0) return buffer.slice(0, size);
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof FitError) throw error;
    throw cannotRead(file, error);
  }
}

function cannotWrite(file: string, cause: unknown): FitError {
  if (codeOf(cause) === 'EEXIST') {
    return new FitError('file-exists', `${file} exists already`, {
      hint: 'another name, or --force to replace it',
      cause,
    });
  }
  if (isDiskFull(cause)) return new FitError('disk-full', `no room for ${file}`, { cause });
  return new FitError('bad-file', `cannot write ${file}`, { cause });
}

function writeWhole(file: string, data: Uint8Array, flags: 'wx', mode: number): void {
  const descriptor = openSync(file, flags, mode);
  try {
    for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at);
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Throws `file-exists`, `disk-full` or `bad-file`. `mode` is 0600 for what contains a key. */
function writeFileSafely(file: string, data: Uint8Array, force: boolean, mode = 0o666): void {
  try {
    if (!force) {
      writeWhole(file, data, 'wx', mode);
      return;
    }
    const fresh = join(dirname(file), `.${basename(file)}.${process.pid}`);
    writeWhole(fresh, data, 'wx', mode);
    renameSync(fresh, file);
  } catch (error) {
    throw cannotWrite(file, error);
  }
}

/** To `file`, or to stdout for `-`. */
export async function writeOutput(
  out: Output,
  file: string,
  data: Uint8Array,
  options: { readonly force: boolean; readonly mode?: number },
): Promise<void> {
  if (file === '-') await out.bytes(data);
  else writeFileSafely(file, data, options.force, options.mode);
}

/** A name that stays where it is put: no control character, no backslash, neither `.` nor `..`. */
const SAFE_SEGMENT = /^(?!\.{1,2}$)[^\u0000-\u001f\u007f/\\]{1,255}$/;

/** Writes the files below `folder`, which is made if needed; nothing at all if one of them exists. */
export function writeFolder(folder: string, files: readonly FileContent[], force: boolean): readonly string[] {
  for (const { name } of files) {
    // The names are the daemon's; one that leaves the folder would be a bug, and must not become a hole.
    if (!name.split('/').every((segment) => SAFE_SEGMENT.test(segment)))
      throw new FitError('internal', 'a file name that leaves the folder');
  }
  const written: string[] = [];
  try {
    for (const { name, data } of files) {
      const file = join(folder, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSafely(file, Buffer.from(data, 'base64'), force);
      written.push(file);
    }
  } catch (error) {
    if (!force) for (const file of written) rmSync(file, { force: true });
    throw error instanceof FitError ? error : cannotWrite(folder, error);
  }
  return written;
}
