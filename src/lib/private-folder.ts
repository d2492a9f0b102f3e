/**
 * Folders that only their owner may enter. The one in the temporary folder has a name that others can foresee, so before a
 * socket in it is used or made, it must be ours: a folder of another user, or a link, is refused.
 */
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { FitError } from './errors.ts';

const OTHERS = 0o077;

/** Throws `FitError('bad-config')` unless `folder` is a real folder of this user that nobody else may enter. */
export function checkPrivateFolder(folder: string): void {
  const found = lstatSync(folder);
  const owner = process.getuid?.() ?? found.uid;
  if (!found.isDirectory() || found.uid !== owner || (found.mode & OTHERS) !== 0)
    throw new FitError('bad-config', `${folder} must be a folder of yours that nobody else may enter`, {
      hint: `chmod 700 ${folder}, or set FIT_HOME to a folder of yours`,
    });
}

/** Makes the folder, 0700, or closes one of ours to others; parents that are missing are made 0700 too. */
export function ensurePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (found.isDirectory() && (found.mode & OTHERS) !== 0 && found.uid === process.getuid?.()) chmodSync(folder, 0o700);
  checkPrivateFolder(folder);
}
