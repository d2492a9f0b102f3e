/**
 * The records of a container that is being made: their sizes follow from names and sizes, so their places are known before any
 * content was read; their hashes go up as soon as a folder is complete.
 */
import {
  createEntries,
  encodeRecord,
  encodeSeal,
  framed,
  MAX_TREE_BYTES,
  RECORD_SALT_BYTES,
  recordHash,
} from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { concat, toHex } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { systemRng } from '../lib/rng.ts';
import type { Sealer } from './container-pack.ts';
import type { Planned } from './container-plan.ts';

const ZEROS = new Uint8Array(32);

function encoded(node: Planned, salt: Uint8Array, root: Uint8Array): Uint8Array {
  const { name, bytes } = node;
  switch (node.kind) {
    case 'file':
      return encodeRecord({ kind: 'file', salt, name, bytes, root });
    case 'sealed':
      return encodeRecord({ kind: 'sealed', salt, name, bytes, root, inner: present(node.sealed, 'sealed').inner });
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

export interface Records {
  readonly treeBytes: number;
  saltOf(index: number): Uint8Array;
  /** Every node in its order; `contentRoot` of what has content. */
  add(index: number, contentRoot?: Uint8Array): void;
  /** When all are added. */
  end(): { readonly tree: Uint8Array; readonly root: Uint8Array };
  /** Of the container and of folders that ask for something, when all are added. */
  hashOf(index: number): Uint8Array;
}

export async function createRecords(nodes: readonly Planned[], turn: () => Promise<void>): Promise<Records> {
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
  const saltOf = (index: number) => salts.subarray(index * RECORD_SALT_BYTES, (index + 1) * RECORD_SALT_BYTES);
  const hashes = new Map<number, Uint8Array>();
  const open: { readonly index: number; left: number; readonly entries: ReturnType<typeof createEntries> }[] = [];

  /** Writes a record to its place, and whatever folders end with it. */
  const settle = (index: number, contentRoot: Uint8Array): void => {
    let [at, root] = [index, contentRoot];
    for (;;) {
      const node = present(nodes[at], 'node');
      const record = encoded(node, saltOf(at), root);
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

  const hashOf = (index: number): Uint8Array => present(hashes.get(index), 'folder');
  return {
    treeBytes,
    saltOf,
    add(index, contentRoot = ZEROS) {
      const { kind, count } = present(nodes[index], 'node');
      if (kind !== 'folder') settle(index, contentRoot);
      else if (count === 0) settle(index, createEntries().root());
      else open.push({ index, left: count, entries: createEntries() });
    },
    end: () => ({ tree, root: hashOf(0) }),
    hashOf,
  };
}

/** What folders ask for, done: the seals, in the order of the tree. */
export async function sealAll(nodes: readonly Planned[], records: Records, seal: Sealer): Promise<Uint8Array> {
  const container = toHex(records.end().root);
  const seals: Uint8Array[] = [];
  for (const [index, { attributes, leaves, bytes }] of nodes.entries()) {
    for (const attribute of attributes) {
      // The one is done by the receiver, the other by what is in the folder.
      if (attribute === 'receipt' || attribute === 'encrypted') continue;
      const folder = records.hashOf(index);
      const made = await seal(attribute, {
        container,
        path: plannedPath(nodes, index),
        folder: toHex(folder),
        leaves,
        bytes,
      });
      seals.push(framed(encodeSeal({ folder, attribute, ...made })));
    }
  }
  return concat(...seals);
}

/** Names from the container down, joined by slashes; empty for the container itself. */
export function plannedPath(nodes: readonly Planned[], index: number): string {
  const names: string[] = [];
  for (let node = nodes[index]; node !== undefined && node.parent >= 0; node = nodes[node.parent])
    names.push(node.name);
  return names.reverse().join('/');
}
