/** Which files a delivery may have, and under which names: told before any of them is read. */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { FitError } from '../lib/errors.ts';
import { foldedName, isFileName } from '../lib/file-name.ts';
import { isPlainLine, MAX_TEXT_BYTES } from '../lib/lint.ts';
import type { SourceFile } from './content-files.ts';

export async function sourceOf(path: string): Promise<SourceFile> {
  if (!isAbsolute(path) || Buffer.byteLength(path) > 4096)
    throw new FitError('usage', 'a file is named by its whole path');
  const stats = await stat(path).catch((error: unknown) => {
    throw new FitError('bad-file', `${path} cannot be read`, { cause: error });
  });
  if (!stats.isFile())
    throw new FitError('bad-file', `${path} is not a file`, { hint: 'deliver files, or folders, which are packed' });
  return { path, size: stats.size };
}

/** Characters: a line of a note that has also the size holds them. */
const MAX_NAME = 160;
const NAME_RULES =
  'give it another name: at most 160 characters and 200 bytes, none of / \\ : * ? " < > |, no control or invisible characters, no dot, hyphen or ' +
  'space in front, no dot or space at the end, accents in composed form, and no device of some system such as CON or nul.txt';

/** Names as the note may have them (front-matter.ts says the same of one that comes from a peer), before any file is read. */
export function checkNames(names: readonly string[]): void {
  const bad = names.find(
    (name) => !isFileName(name) || !isPlainLine(name, 2 * MAX_NAME) || [...name].length > MAX_NAME,
  );
  if (bad !== undefined)
    throw new FitError('bad-file', `${shown(bad)} is a name that not every system takes`, { hint: NAME_RULES });
  const folded = new Map<string, string>();
  for (const name of names) {
    const other = folded.get(foldedName(name));
    if (other !== undefined)
      throw new FitError('bad-file', `${shown(other)} and ${shown(name)} are one name on some systems`, {
        hint: 'give one of them another name',
      });
    folded.set(foldedName(name), name);
  }
  const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name) + BYTES_OF_A_FILE, 0);
  if (bytes > MAX_TEXT_BYTES - BYTES_OF_A_NOTE)
    throw new FitError('bad-file', `a note has no room for the names of these ${names.length} files`, {
      hint: 'deliver one archive of them, or make several deliveries',
    });
}

/** What a file takes in a note beside its name, and the note beside its files. */
const BYTES_OF_A_FILE = 115;
const BYTES_OF_A_NOTE = 4096;

/** Of a name that a terminal may not take. */
const shown = (name: string): string =>
  JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name).replace(/[^\x20-\x7e…]/gu, (one) =>
    isPlainLine(one, 2) ? one : '?',
  );
