/**
 * Packs files into a container (fit-container(5)). Every file is read once, in blocks: the sizes of all records follow from names
 * and sizes, so contents go to their place while they are hashed and the tree is written before them at the end.
 *
 * Guarantees: the container appears whole under its name or not at all; a file that changes while it is packed ends the packing;
 * what a folder asks for is done, or nothing is packed.
 */
import { closeSync, fsyncSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CHUNK_BYTES, contentLeaf, createRoot, saltOf } from '../crypto/content.ts';
import {
  type Attribute,
  createEntries,
  encodeHead,
  encodeRecord,
  encodeSeal,
  framed,
  HEAD_BYTES,
  MAX_TREE_BYTES,
  type Package,
  RECORD_SALT_BYTES,
  recordHash,
} from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { concat, toHex } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { systemRng } from '../lib/rng.ts';
import {
  BLOCK_BYTES,
  createAppender,
  createNew,
  createTurns,
  existsAlready,
  fileError,
  isThere,
  openPlain,
  putInPlace,
  readAt,
  type Work,
  withTemporary,
  writeAt,
} from './container-io.ts';
import type { Planned } from './container-plan.ts';

export interface Packed {
  /** Hex. */
  readonly root: string;
  readonly leaves: number;
  readonly bytes: number;
}

/** Does what a folder asks for. `time`: seconds since 1970. */
export type Sealer = (
  attribute: Attribute,
  about: Package,
) => Promise<{ readonly time: number; readonly bytes: Uint8Array }>;

const ZEROS = new Uint8Array(32);

function encoded(node: Planned, salt: Uint8Array, root: Uint8Array): Uint8Array {
  const { name, bytes } = node;
  switch (node.kind) {
    case 'file':
      return encodeRecord({ kind: 'file', salt, name, bytes, root });
    case 'statement':
      return encodeRecord({ kind: 'statement', salt, name, text: Buffer.from(node.inline ?? ZEROS).toString('utf8') });
    case 'credential':
      return encodeRecord({ kind: 'credential', salt, name, der: present(node.inline, 'credential') });
    case 'folder': {
      const { attributes, count, leaves } = node;
      return encodeRecord({ kind: 'folder', salt, name, attributes, count, root, leaves, bytes });
    }
  }
}

function changed(source: string): FitError {
  return new FitError('file-changed', `${source} changed while it was packed`, { hint: 'pack it again' });
}

/** Copies one file's content and gives the root of its chunks. */
async function copyContent(
  node: Planned,
  salt: Uint8Array,
  block: Uint8Array,
  write: (bytes: Uint8Array) => void,
  done: (bytes: number) => Promise<void>,
): Promise<Uint8Array> {
  const { fd, bytes } = openPlain(node.source);
  try {
    if (bytes !== node.bytes) throw changed(node.source);
    const root = createRoot('content');
    let index = 0;
    let at = 0;
    do {
      const part = readAt(fd, block.subarray(0, Math.min(block.length, bytes - at)), at);
      if (part.length === 0 && at < bytes) throw changed(node.source);
      for (let from = 0; from === 0 || from < part.length; from += CHUNK_BYTES, index += 1)
        root.add(contentLeaf(index, saltOf(salt, index), part.subarray(from, from + CHUNK_BYTES)));
      write(part);
      at += part.length;
      await done(part.length);
    } while (at < bytes);
    if (readAt(fd, block.subarray(0, 1), at).length > 0) throw changed(node.source);
    return root.root();
  } finally {
    closeSync(fd);
  }
}

export async function pack(
  nodes: readonly Planned[],
  out: string,
  seal: Sealer,
  work: Work,
  mode = 0o666,
): Promise<Packed> {
  if (isThere(out)) throw existsAlready(out);
  const turn = createTurns();
  const offsets = new Float64Array(nodes.length + 1);
  for (const [index, node] of nodes.entries()) {
    offsets[index + 1] = (offsets[index] ?? 0) + 4 + encoded(node, ZEROS, ZEROS).length;
    await turn();
  }
  const treeBytes = offsets[nodes.length] ?? 0;
  if (treeBytes > MAX_TREE_BYTES)
    throw new FitError('bad-file', `names and statements of more than ${MAX_TREE_BYTES / 1024 ** 2} MiB together`);
  const tree = new Uint8Array(treeBytes);
  const salts = systemRng(nodes.length * RECORD_SALT_BYTES);
  const saltAt = (index: number) => salts.subarray(index * RECORD_SALT_BYTES, (index + 1) * RECORD_SALT_BYTES);
  const hashes = new Map<number, Uint8Array>();
  const open: { readonly index: number; left: number; readonly entries: ReturnType<typeof createEntries> }[] = [];

  /** Writes a record to its place, and whatever folders end with it. */
  const settle = (index: number, contentRoot: Uint8Array): void => {
    let [at, root] = [index, contentRoot];
    for (;;) {
      const node = present(nodes[at], 'node');
      const record = encoded(node, saltAt(at), root);
      tree.set(framed(record), offsets[at]);
      const hash = recordHash(record);
      if (node.attributes.length > 0 || at === 0) hashes.set(at, hash);
      const into = open.at(-1);
      if (into === undefined) return;
      into.entries.add(hash, 1, present(nodes[into.index], 'folder').count);
      into.left -= 1;
      if (into.left > 0) return;
      open.pop();
      [at, root] = [into.index, into.entries.root()];
    }
  };

  const part = join(dirname(out), `.${basename(out)}.part-${process.pid}`);
  return withTemporary(part, async () => {
    let fd: number | undefined;
    try {
      fd = createNew(part, mode);
      const content = createAppender(fd, HEAD_BYTES + treeBytes);
      const block = new Uint8Array(BLOCK_BYTES);
      for (const [index, node] of nodes.entries()) {
        if (node.kind === 'folder' && node.count > 0) open.push({ index, left: node.count, entries: createEntries() });
        else if (node.kind === 'folder') settle(index, createEntries().root());
        else if (node.kind === 'file') {
          const root = await copyContent(node, saltAt(index), block, content.write, async (bytes) => {
            work.bytes += bytes;
            await turn();
          });
          settle(index, root);
        } else settle(index, ZEROS);
        work.entries += 1;
      }
      const sealsAt = content.flush();
      const root = present(hashes.get(0), 'root');
      const seals: Uint8Array[] = [];
      for (const [index, node] of nodes.entries()) {
        if (node.attributes.length === 0) continue;
        const hash = present(hashes.get(index), 'folder');
        const { leaves, bytes } = node;
        const about = { container: toHex(root), path: plannedPath(nodes, index), folder: toHex(hash), leaves, bytes };
        for (const attribute of node.attributes) {
          const made = await seal(attribute, about);
          seals.push(framed(encodeSeal({ folder: hash, attribute, ...made })));
        }
      }
      const sealed = concat(...seals);
      writeAt(fd, sealed, sealsAt);
      const contentBytes = sealsAt - HEAD_BYTES - treeBytes;
      writeAt(fd, concat(encodeHead({ root, treeBytes, contentBytes, sealsBytes: sealed.length }), tree), 0);
      fsyncSync(fd);
      const { leaves, bytes } = present(nodes[0], 'container');
      putInPlace(part, out, false);
      return { root: toHex(root), leaves, bytes };
    } catch (error) {
      throw fileError(error, out);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  });
}

function plannedPath(nodes: readonly Planned[], index: number): string {
  const names: string[] = [];
  for (let node = nodes[index]; node !== undefined && node.parent >= 0; node = nodes[node.parent])
    names.push(node.name);
  return names.reverse().join('/');
}
