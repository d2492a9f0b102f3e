/**
 * Puts the files of a delivery where a person wants them. Guarantees: under its final name a file is whole and verified; nothing
 * is overwritten; a name that is more than a name is refused.
 */
import { statSync } from 'node:fs';
import { constants, copyFile, link, lstat, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
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

const namesOf = (view: DeliveryResult): readonly string[] => [
  ...view.files.map(({ name }) => name),
  ...(view.salts === null ? [] : [saltsName(view)]),
];

/** Refuses a folder that cannot be one, before anything is waited for. */
export function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new FitError('file-exists', `${folder} is no folder`, { hint: 'name a folder; it is made if it is missing' });
}

/** Refuses before anything is signed what could not be put there afterwards. */
export async function checkPlace(folder: string, view: DeliveryResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { name } of view.files)
    if (!isFileName(name)) throw new FitError('bad-file', 'the delivery names a file as no file may be named');
  for (const name of namesOf(view)) {
    const there = await lstat(join(folder, name)).catch(() => undefined);
    if (there !== undefined)
      throw new FitError('file-exists', `${join(folder, name)} exists`, {
        hint: 'receive it into another folder with --to',
      });
  }
}

/** Puts a verified file in its place whole, and over nothing. */
async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
    return;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST')
      throw new FitError('file-exists', `${to} exists`, { hint: 'receive it into another folder with --to' });
  }
  // Another file system: copied beside, and linked when it is whole.
  const beside = `${to}.part-${process.pid}`;
  await copyFile(from, beside, constants.COPYFILE_EXCL);
  try {
    const handle = await open(beside, 'r+');
    await handle.sync();
    await handle.close();
    await link(beside, to);
  } finally {
    await unlink(beside);
  }
}

/** The daemon's own go next: the names must outlast a loss of power. A system that syncs no folders has done what it can. */
async function makeDurable(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync().catch(() => {});
  } finally {
    await handle.close();
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
  await checkPlace(folder, view);
  const placed: string[] = [];
  for (const { name, path } of view.files) {
    const to = join(folder, name);
    if (path !== null) await place(path, to);
    placed.push(to);
  }
  if (view.salts === null || view.trouble === null) {
    await makeDurable(folder);
    await agent.deliveryTaken({ deal });
    return { placed, trouble: view.trouble };
  }
  const salts = join(folder, saltsName(view));
  await place(view.salts, salts);
  await makeDurable(folder);
  await agent.deliveryTaken({ deal });
  return { placed, trouble: `${view.trouble}; keep ${salts}, which proves it: fit verify --content --salts` };
}
