/**
 * fit verify --content and --salts: the files that somebody has, held against those that evidence names. Guarantee: whatever is
 * given is compared or makes the verdict negative; a folder must hold all that one side gave.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  CREDENTIAL_ENOUGH,
  compareContent,
  type GivenFile,
  judgeCredential,
  judgeDescription,
  rootOfContent,
} from '../../evidence/contents.ts';
import type { Verdict } from '../../evidence/verify.ts';
import { present } from '../../lib/assert.ts';
import { FitError } from '../../lib/errors.ts';

/** What the evidence is held against. */
export interface Given {
  readonly content: readonly string[];
  readonly salts: string | undefined;
}

export function isFolder(file: string): boolean {
  try {
    return file !== '-' && statSync(file).isDirectory();
  } catch {
    return false;
  }
}

async function described(path: string): Promise<GivenFile> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(part);
    size += part.length;
  }
  return { name: basename(path), size, sha256: hash.digest('hex') };
}

async function* bytesOf(paths: readonly string[]): AsyncIterable<Uint8Array> {
  for (const path of paths) yield* createReadStream(path) as AsyncIterable<Buffer>;
}

/** Of files one after the other, with the salts of their chunks. */
async function rootOf(paths: readonly string[], saltsFile: string): Promise<Uint8Array> {
  const salts = await open(saltsFile);
  try {
    return await rootOfContent(bytesOf(paths), async (salt, position) => {
      await salts.read(salt, 0, salt.length, position);
    });
  } finally {
    await salts.close();
  }
}

const unreadable = (verdict: Verdict, path: string): Verdict => {
  return { ...verdict, ok: false, problem: { code: 'unreadable', message: `cannot read ${path}` } };
};

/** The names that each side gives, in the order of the note. */
const sidesOf = ({ contents, files }: Verdict): readonly (readonly string[])[] =>
  contents.map(({ from }) => files.filter((file) => file.from === from).map(({ name }) => name));

/** The files of a folder: of whichever sides it holds all; else those of the side of which it lacks the least. */
function inFolder(folder: string, sides: readonly (readonly string[])[]): readonly string[] {
  const found = sides
    .map((names) => names.map((name) => join(folder, name)))
    .map((paths) => ({ paths, lacking: paths.filter((path) => !existsSync(path)).length }))
    .sort((a, b) => a.lacking - b.lacking);
  const whole = found.filter(({ lacking }) => lacking === 0);
  return [...new Set((whole.length > 0 ? whole : found.slice(0, 1)).flatMap(({ paths }) => paths))];
}

/** A side's files, if all of them were given. */
function wholeSide(names: readonly string[], paths: readonly string[]): readonly string[] | null {
  const found = names.flatMap((name) => paths.find((path) => basename(path) === name) ?? []);
  return found.length === names.length ? found : null;
}

async function withSalts(verdict: Verdict, paths: readonly string[], salts: string): Promise<Verdict> {
  const sides = sidesOf(verdict).flatMap((names) => {
    const whole = wholeSide(names, paths);
    return whole === null ? [] : [whole];
  });
  if (sides.length === 0) throw new FitError('usage', '--salts needs all files that one side gave');
  try {
    for (const side of sides) {
      const judged = judgeDescription(verdict, await rootOf(side, salts));
      if (judged !== verdict) return judged;
    }
  } catch {
    return unreadable(verdict, salts);
  }
  return verdict;
}

async function beginningOf(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(CREDENTIAL_ENOUGH), 0, CREDENTIAL_ENOUGH, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Whether a file that was compared is the credential that its sender called it. */
async function withCredentials(
  verdict: Verdict,
  paths: readonly string[],
  given: readonly GivenFile[],
): Promise<Verdict> {
  let judged = verdict;
  for (const { from, credential } of verdict.contents) {
    const file = verdict.files.find((one) => one.from === from);
    if (credential === null || file?.compared !== true) continue;
    // Both sides may give a file of this name.
    const at = given.findIndex(({ name, sha256 }) => name === file.name && sha256 === file.sha256);
    const path = present(paths[at], 'a file that was compared');
    judged = judgeCredential(judged, from, await beginningOf(path));
  }
  return judged;
}

/** The verdict with the files compared that were given: each by itself, of a folder all that one side gave. */
export async function withContent(verdict: Verdict, { content, salts }: Given): Promise<Verdict> {
  if (content.length === 0 || !verdict.ok || verdict.type === 'p7s') return verdict;
  if (verdict.contents.length === 0) {
    throw new FitError('usage', '--content is for a .p7s file, a delivery or a swap', {
      hint: 'this evidence holds the document itself',
    });
  }
  const sides = sidesOf(verdict);
  const paths = content.flatMap((path) => (isFolder(path) ? inFolder(path, sides) : [path]));
  const given: GivenFile[] = [];
  for (const path of paths) {
    try {
      given.push(await described(path));
    } catch {
      return unreadable(verdict, path);
    }
  }
  const compared = compareContent(verdict, given);
  if (compared.ok) return withCredentials(compared, paths, given);
  return salts === undefined ? compared : withSalts(compared, paths, salts);
}
