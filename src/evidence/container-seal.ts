/**
 * Encrypted folders, prepared for packing: each becomes a container of its own that leaves this program as an age file.
 * Guarantees: no plaintext is written to a disk, so files are read twice: once for their hashes, once for what is encrypted; one
 * that changed in between ends the packing. What folders inside ask for is done for the container inside, and told to nobody else.
 */
import type { Lock } from '../crypto/age.ts';
import { encodeHead, HEAD_BYTES, MAX_SEALED, SEALED_NAME } from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { createContentHash } from './container-content.ts';
import { BLOCK_BYTES, createTurns, type Work } from './container-io.ts';
import { changed, contentOf, type Sealer } from './container-pack.ts';
import { type Planned, sumUp } from './container-plan.ts';
import { createRecords, plannedPath, sealAll } from './container-records.ts';

interface Inner {
  readonly root: Uint8Array;
  readonly bytes: number;
  /** All of it, read again. */
  parts(): AsyncIterable<Uint8Array>;
}

const ROOT_BYTES = 32;

async function prepare(nodes: readonly Planned[], seal: Sealer, work: Work): Promise<Inner> {
  const turn = createTurns();
  const records = await createRecords(nodes, turn);
  const roots = new Uint8Array(nodes.length * ROOT_BYTES);
  const block = new Uint8Array(BLOCK_BYTES);
  let contentBytes = 0;
  for (const [index, node] of nodes.entries()) {
    if (node.kind === 'file') {
      const hash = createContentHash(records.saltOf(index));
      for (const piece of contentOf(node, block)) {
        hash.add(piece);
        work.bytes += piece.length;
        await turn();
      }
      const root = hash.root();
      roots.set(root, index * ROOT_BYTES);
      records.add(index, root);
      contentBytes += node.bytes;
    } else records.add(index);
    await turn();
  }
  const { tree, root } = records.end();
  const seals = await sealAll(nodes, records, seal);
  const head = encodeHead({ root, treeBytes: tree.length, contentBytes, sealsBytes: seals.length });
  return {
    root,
    bytes: HEAD_BYTES + tree.length + contentBytes + seals.length,
    async *parts() {
      const pieces = new Uint8Array(BLOCK_BYTES);
      yield head;
      yield tree;
      for (const [index, node] of nodes.entries()) {
        if (node.kind !== 'file') continue;
        const hash = createContentHash(records.saltOf(index));
        for (const piece of contentOf(node, pieces)) {
          hash.add(piece);
          yield piece;
        }
        if (!equal(hash.root(), roots.subarray(index * ROOT_BYTES, (index + 1) * ROOT_BYTES)))
          throw changed(node.source);
      }
      yield seals;
    },
  };
}

/** The folder at `from` and what is in it, as a container that asks for nothing itself. */
function subtree(nodes: readonly Planned[], from: number, end: number): readonly Planned[] {
  const { depth } = present(nodes[from], 'folder');
  return nodes.slice(from, end).map((node, at) => ({
    ...node,
    parent: at === 0 ? -1 : node.parent - from,
    depth: node.depth - depth,
    ...(at === 0 ? { name: '', attributes: [] } : {}),
  }));
}

/** The plan with every encrypted folder sealed. `lockOf`: to whom, by the folder's path. */
export async function sealFolders(
  nodes: readonly Planned[],
  lockOf: (path: string) => Lock,
  seal: Sealer,
  work: Work,
): Promise<readonly Planned[]> {
  if (nodes.every(({ attributes }) => !attributes.includes('encrypted'))) return nodes;
  const { encrypt, encryptedBytes } = await import('../crypto/age.ts');
  const outer: Planned[] = [];
  const moved = new Map([[-1, -1]]);
  for (let index = 0; index < nodes.length; index += 1) {
    const node = present(nodes[index], 'node');
    const parent = present(moved.get(node.parent), 'parent');
    moved.set(index, outer.length);
    if (!node.attributes.includes('encrypted')) {
      outer.push({ ...node, parent });
      continue;
    }
    let end = index + 1;
    while ((nodes[end]?.depth ?? -1) > node.depth) end += 1;
    const lock = lockOf(plannedPath(nodes, index));
    const inner = await prepare(subtree(nodes, index, end), seal, work);
    const bytes = await encryptedBytes(lock, inner.bytes);
    outer.push({ ...node, parent, count: 1 });
    outer.push({
      kind: 'sealed',
      name: SEALED_NAME,
      parent: outer.length - 1,
      depth: node.depth + 1,
      source: '',
      bytes,
      count: 0,
      leaves: 1,
      attributes: [],
      inline: null,
      sealed: { inner: inner.root, open: () => encrypt(lock, inner.parts()) },
    });
    index = end - 1;
  }
  if (outer.filter(({ kind }) => kind === 'sealed').length > MAX_SEALED)
    throw new FitError('bad-file', `more than ${MAX_SEALED} encrypted folders`);
  sumUp(outer);
  return outer;
}
