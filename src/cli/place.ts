/**
 * Puts the files of a delivery where a person wants them.
 *
 * Guarantees: under its final name a file is whole and verified; nothing is overwritten; a name that is more than a name is refused.
 * What was interrupted amid it is completed by the next time: what lies there already, byte for byte, is left, and nothing else of it stays.
 */
import { statSync } from 'node:fs';
import { constants, copyFile, type FileHandle, link, lstat, mkdir, open, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, isDiskFull, syncFolder } from '../lib/disk.ts';
import { FitError } from '../lib/errors.ts';
import { foldedName, isFileName } from '../lib/file-name.ts';
import type { Agent, DeliveryResult } from '../rpc/agent.ts';

/** The salts of what is described wrongly lie with the files, under a name that is none of theirs. */
function saltsName({ deal, files }: DeliveryResult): string {
  const taken = new Set(files.map(({ name }) => foldedName(name)));
  let name = `${deal}.salts`;
  while (taken.has(foldedName(name))) name = `${deal}-${name}`;
  return name;
}

/** What is put there, and where the daemon keeps it once it is opened. */
const piecesOf = (view: DeliveryResult): readonly { readonly name: string; readonly path: string | null }[] => [
  ...view.files,
  ...(view.salts === null ? [] : [{ name: saltsName(view), path: view.salts }]),
];

/** Refuses a folder that cannot be one, before anything is waited for. */
export function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new FitError('file-exists', `${folder} is no folder`, { hint: 'name a folder; it is made if it is missing' });
}

const COMPARED_BYTES = 1024 * 1024;

const openFile = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);

/** Whether `there` is a file with the very bytes of `path`. */
async function isSame(there: string, path: string): Promise<boolean> {
  const files: FileHandle[] = [];
  try {
    for (const one of [there, path]) files.push(await openFile(one));
    const [a, b] = files as [FileHandle, FileHandle];
    const [one, other] = [await a.stat(), await b.stat()];
    if (!one.isFile() || one.size !== other.size) return false;
    if (one.dev === other.dev && one.ino === other.ino) return true;
    const [left, right] = [Buffer.alloc(COMPARED_BYTES), Buffer.alloc(COMPARED_BYTES)];
    for (let at = 0; at < one.size; ) {
      const [{ bytesRead }, { bytesRead: others }] = [
        await a.read(left, 0, COMPARED_BYTES, at),
        await b.read(right, 0, COMPARED_BYTES, at),
      ];
      const read = Math.min(bytesRead, others);
      if (read === 0 || left.compare(right, 0, read, 0, read) !== 0) return false;
      at += read;
    }
    return true;
  } catch {
    return false;
  } finally {
    for (const file of files) await file.close();
  }
}

const exists = (path: string): FitError =>
  new FitError('file-exists', `${path} exists`, { hint: 'receive it into another folder with --to' });

/** Refuses before anything is signed what could not be put there afterwards. The names that are in their place already. */
export async function checkPlace(folder: string, view: DeliveryResult): Promise<ReadonlySet<string>> {
  await mkdir(folder, { recursive: true });
  for (const { name } of view.files)
    if (!isFileName(name)) throw new FitError('bad-file', 'the delivery names a file as no file may be named');
  const placed = new Set<string>();
  for (const { name, path } of piecesOf(view)) {
    const to = join(folder, name);
    const there = await lstat(to).catch(() => undefined);
    if (there === undefined) continue;
    if (path === null || !(await isSame(to, path))) throw exists(to);
    placed.add(name);
  }
  return placed;
}

/** Puts a verified file in its place whole, and over nothing. `beside`: a folder of this delivery's own, on the same file system. */
async function place(from: string, folder: string, name: string, beside: string): Promise<void> {
  const to = join(folder, name);
  try {
    await link(from, to);
    return;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw exists(to);
  }
  // Another file system: copied beside, and linked when it is whole.
  const part = join(beside, name);
  try {
    await mkdir(beside, { recursive: true, mode: 0o700 });
    await copyFile(from, part, constants.COPYFILE_EXCL);
    const handle = await open(part, 'r+');
    await handle.sync().finally(() => handle.close());
    await link(part, to);
    await unlink(part);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw exists(to);
    if (!isDiskFull(error)) throw error;
    throw new FitError('disk-full', `there is no room for ${name} in ${folder}`, {
      hint: 'make room, then receive it again: what is there already stays, and the daemon keeps the rest',
      cause: error,
    });
  }
}

/** Puts what has been opened into the folder, and lets the daemon's own go. Nothing if nothing has been. */
export async function takeFiles(
  agent: Agent,
  deal: string,
  folder: string,
): Promise<{ readonly placed: readonly string[]; readonly trouble: string | null }> {
  const view = await agent.deliveryShow({ deal });
  if (view.phase !== 'opened') return { placed: [], trouble: null };
  const there = await checkPlace(folder, view);
  // No file of a delivery begins with a dot: what an interrupted run has left here is nobody else's.
  const beside = join(folder, `.${deal}.part`);
  await rm(beside, { recursive: true, force: true });
  try {
    for (const { name, path } of piecesOf(view))
      if (path !== null && !there.has(name)) await place(path, folder, name, beside);
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  // The daemon's own go next: the names must outlast a loss of power.
  syncFolder(folder);
  await agent.deliveryTaken({ deal });
  const placed = view.files.map(({ name }) => join(folder, name));
  if (view.salts === null || view.trouble === null) return { placed, trouble: view.trouble };
  const salts = join(folder, saltsName(view));
  return { placed, trouble: `${view.trouble}; keep ${salts}, which proves it: fit verify --content --salts` };
}
