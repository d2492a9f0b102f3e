/**
 * Packs files into a container (fit-container(5)). Contents go to their place while they are hashed, and the tree is written
 * before them at the end; what folders are encrypted was prepared before (container-seal.ts).
 *
 * Guarantees: the container appears whole and durable under its name or not at all; a file that changes while it is packed ends
 * the packing; what a folder asks for is done, or nothing is packed.
 */
import { closeSync, fsyncSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Attribute, encodeHead, HEAD_BYTES, type Package } from '../exchange/container.ts';
import { assert, present } from '../lib/assert.ts';
import { concat, toHex } from '../lib/bytes.ts';
import { syncFolder } from '../lib/disk.ts';
import { FitError } from '../lib/errors.ts';
import { createContentHash } from './container-content.ts';
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
import { createRecords, sealAll } from './container-records.ts';

export interface Packed {
  /** Hex. */
  readonly root: string;
  readonly leaves: number;
  readonly bytes: number;
}

/** Does what a folder asks for. `time`: seconds since 1970. */
export type Sealer = (
  attribute: Exclude<Attribute, 'receipt' | 'encrypted'>,
  about: Package,
) => Promise<{ readonly time: number; readonly bytes: Uint8Array }>;

export function changed(source: string): FitError {
  return new FitError('file-changed', `${source} changed while it was packed`, { hint: 'pack it again' });
}

/** The content of a file in pieces, which are valid until the next one. Throws `file-changed` if it is not as large as planned. */
export function* contentOf(node: Planned, block: Uint8Array): Generator<Uint8Array> {
  const { fd, bytes } = openPlain(node.source);
  try {
    if (bytes !== node.bytes) throw changed(node.source);
    for (let at = 0; at < bytes; ) {
      const part = readAt(fd, block.subarray(0, Math.min(block.length, bytes - at)), at);
      if (part.length === 0) throw changed(node.source);
      yield part;
      at += part.length;
    }
    if (readAt(fd, block.subarray(0, 1), bytes).length > 0) throw changed(node.source);
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
  const records = await createRecords(nodes, turn);
  const { treeBytes } = records;
  const part = join(dirname(out), `.${basename(out)}.part-${process.pid}`);
  return withTemporary(part, async () => {
    let fd: number | undefined;
    try {
      fd = createNew(part, mode);
      const content = createAppender(fd, HEAD_BYTES + treeBytes);
      const block = new Uint8Array(BLOCK_BYTES);
      for (const [index, node] of nodes.entries()) {
        if (node.kind === 'file' || node.kind === 'sealed') {
          const hash = createContentHash(records.saltOf(index));
          const parts = node.kind === 'file' ? contentOf(node, block) : present(node.sealed, 'sealed').open();
          let bytes = 0;
          for await (const piece of parts) {
            hash.add(piece);
            content.write(piece);
            bytes += piece.length;
            work.bytes += piece.length;
            await turn();
          }
          assert(bytes === node.bytes, 'contents as large as they were to be');
          records.add(index, hash.root());
        } else records.add(index);
        work.entries += 1;
        await turn();
      }
      const sealsAt = content.flush();
      const { tree, root } = records.end();
      const sealed = await sealAll(nodes, records, seal);
      writeAt(fd, sealed, sealsAt);
      const contentBytes = sealsAt - HEAD_BYTES - treeBytes;
      writeAt(fd, concat(encodeHead({ root, treeBytes, contentBytes, sealsBytes: sealed.length }), tree), 0);
      fsyncSync(fd);
      putInPlace(part, out);
      syncFolder(dirname(out));
      const { leaves, bytes } = present(nodes[0], 'container');
      return { root: toHex(root), leaves, bytes };
    } catch (error) {
      throw fileError(error, out);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  });
}
