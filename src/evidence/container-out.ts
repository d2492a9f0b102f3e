/**
 * Takes files out of a container. Guarantees: only what was compared with the tree gets a name in the folder that it is taken out
 * to, over nothing, and is durable when that is said; until then it lies in a folder of its own beside it, which goes away.
 */
import { closeSync, fsyncSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endOf, pathOf } from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { syncFolder } from '../lib/disk.ts';
import {
  BLOCK_BYTES,
  createNew,
  createTurns,
  existsAlready,
  fileError,
  isThere,
  makeFolder,
  putInPlace,
  type Work,
  withTemporary,
  writeAt,
} from './container-io.ts';
import { type Container, readLeaf } from './container-read.ts';

export interface Refused {
  readonly path: string;
  readonly why: string;
}

/** What is refused for itself: what is in it is not told again. */
export function refusals({ tree, verdicts }: Container, from = 0, end = tree.nodes.length): Refused[] {
  const found: Refused[] = [];
  for (let index = from; index < end; index += 1) {
    const why = verdicts.refused.get(index);
    const isTop = index === from || !verdicts.refused.has(tree.nodes[index]?.parent ?? -1);
    if (why !== undefined && isTop) found.push({ path: pathOf(tree.nodes, index) || '.', why });
  }
  return found;
}

export interface Taken {
  readonly leaves: number;
  readonly bytes: number;
  /** What is new in the folder. */
  readonly names: readonly string[];
  readonly refused: readonly Refused[];
}

/** What is written meanwhile. */
interface Staging {
  readonly work: Work;
  readonly block: Uint8Array;
  readonly turn: () => Promise<void>;
  readonly refused: Refused[];
  /** Made by us, and durable when their entries are. */
  readonly folders: string[];
  leaves: number;
  bytes: number;
  /** For the words of an error. */
  at: string;
}

/** `path` in something that was sealed in `outer`: both with a dot, or nothing, for all of it. */
export function pathIn(outer: string, path: string): string {
  const names = [outer, path].filter((one) => one !== '' && one !== '.');
  return names.length === 0 ? '.' : names.join('/');
}

/** Writes `target`, and what is in it, as entries of `folder`, where it lies at `depth`. `outer`: what it is sealed in. */
async function stage(
  container: Container,
  target: number,
  depth: number,
  folder: string,
  outer: string,
  staging: Staging,
): Promise<void> {
  const { tree, verdicts, opened } = container;
  const { nodes } = tree;
  const { refused, work, turn } = staging;
  const end = endOf(nodes, target);
  refused.push(...refusals(container, target, end).map(({ path, why }) => ({ path: pathIn(outer, path), why })));
  const folders: string[] = [];
  for (let index = target; index < end; index += 1) {
    const node = present(nodes[index], 'node');
    if (node.kind === 'hidden' || verdicts.refused.has(index)) continue;
    const at = node.depth < depth ? folder : join(folders[node.depth - 1] ?? folder, node.name);
    staging.at = at;
    if (node.kind === 'folder') {
      folders[node.depth] = at;
      if (at !== folder) {
        mkdirSync(at);
        staging.folders.push(at);
      }
    } else if (node.kind === 'sealed' && index !== target) {
      const inner = opened.get(index) ?? 'it is encrypted, and was not opened';
      const into = dirname(at);
      const path = pathIn(outer, pathOf(nodes, node.parent));
      const why = typeof inner === 'string' ? inner : inner.verdicts.refused.get(0);
      if (why !== undefined) {
        refused.push({ path, why });
        if (into !== folder) drop(into, staging);
      } else if (typeof inner !== 'string') await stage(inner, 0, 1, into, path, staging);
    } else {
      const why = await writeLeaf(container, index, at, staging);
      if (why === null) {
        staging.leaves += 1;
        staging.bytes += node.bytes;
      } else refused.push({ path: pathIn(outer, pathOf(nodes, index)), why });
    }
    work.entries += 1;
    await turn();
  }
}

/** A folder whose content does not open does not appear. */
function drop(folder: string, staging: Staging): void {
  rmSync(folder, { recursive: true });
  staging.folders.splice(staging.folders.indexOf(folder), 1);
}

async function writeLeaf(container: Container, index: number, path: string, staging: Staging): Promise<string | null> {
  const fd = createNew(path);
  let why: string | null;
  try {
    let at = 0;
    const write = (bytes: Uint8Array): void => {
      writeAt(fd, bytes, at);
      at += bytes.length;
    };
    why = await readLeaf(container, index, staging.block, write, async (count) => {
      staging.work.bytes += count;
      await staging.turn();
    });
    if (why === null) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (why !== null) rmSync(path);
  return why;
}

/** The entries that will be new in the folder. */
function topsOf({ tree, opened }: Container, target: number): readonly string[] {
  const { nodes } = tree;
  const depth = present(nodes[target], 'node').depth + (target === 0 ? 1 : 0);
  const end = endOf(nodes, target);
  const tops: string[] = [];
  for (let index = target; index < end; index += 1) {
    const node = nodes[index];
    if (node?.depth !== depth || node.kind === 'hidden') continue;
    const inner = opened.get(index);
    if (node.kind !== 'sealed' || index === target) tops.push(node.name);
    else if (inner !== undefined && typeof inner !== 'string') tops.push(...topsOf(inner, 0));
  }
  return tops;
}

/** Takes `target`, with all that is in it, out to a folder. */
export async function takeOut(container: Container, target: number, to: string, work: Work): Promise<Taken> {
  const depth = present(container.tree.nodes[target], 'node').depth + (target === 0 ? 1 : 0);
  const tops = topsOf(container, target);
  const part = join(to, `.fit-unpack-${process.pid}`);
  const staging: Staging = {
    work,
    block: new Uint8Array(BLOCK_BYTES),
    turn: createTurns(),
    refused: [],
    folders: [],
    leaves: 0,
    bytes: 0,
    at: to,
  };
  return withTemporary(part, async () => {
    try {
      makeFolder(to);
      for (const name of tops) if (isThere(join(to, name))) throw existsAlready(join(to, name));
      mkdirSync(part, { mode: 0o700 });
      await stage(container, target, depth, part, '', staging);
      for (const folder of staging.folders) {
        syncFolder(folder);
        await staging.turn();
      }
      const names: string[] = [];
      for (const name of tops) {
        staging.at = join(to, name);
        if (!isThere(join(part, name))) continue;
        putInPlace(join(part, name), join(to, name));
        names.push(name);
      }
      syncFolder(to);
      const { leaves, bytes, refused } = staging;
      return { leaves, bytes, names, refused };
    } catch (error) {
      throw fileError(error, staging.at);
    }
  });
}
