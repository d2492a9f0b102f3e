/**
 * Shows a part of a container alone: a container of its own under the same root, in which everything else is hidden. What is
 * encrypted is shown as it is, without a key.
 */
import { closeSync, fsyncSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { encodeHead, framed, HEAD_BYTES, pathOf, recordHash, show } from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { concat, toHex } from '../lib/bytes.ts';
import { syncFolder } from '../lib/disk.ts';
import { FitError } from '../lib/errors.ts';
import {
  BLOCK_BYTES,
  createAppender,
  createNew,
  createTurns,
  existsAlready,
  fileError,
  isThere,
  putInPlace,
  type Work,
  withTemporary,
  writeAt,
} from './container-io.ts';
import type { Taken } from './container-out.ts';
import { type Container, readLeaf } from './container-read.ts';

/**
 * Writes a container in which `target` is shown with its place and nothing else is, under the same root. What is refused in it
 * is not shown: throws `bad-file`.
 */
export async function showAs(container: Container, target: number, out: string, work: Work): Promise<Taken> {
  const { tree, verdicts, head, seals } = container;
  if (isThere(out)) throw existsAlready(out);
  const { records, of } = show(tree, target);
  const kept = of.filter((index) => index >= 0);
  const [bad] = kept.flatMap((index) => {
    const why = verdicts.refused.get(index);
    return why === undefined ? [] : [{ path: pathOf(tree.nodes, index) || '.', why }];
  });
  if (bad !== undefined) throw new FitError('bad-file', `${bad.path} is refused: ${bad.why}`);
  const folders = new Set(kept.map((index) => toHex(recordHash(present(tree.nodes[index], 'node').record))));
  const sealed = concat(
    ...seals.filter(({ seal }) => folders.has(toHex(seal.folder))).map(({ encoded }) => framed(encoded)),
  );
  const part = join(dirname(out), `.${basename(out)}.part-${process.pid}`);
  return withTemporary(part, async () => {
    let fd: number | undefined;
    try {
      fd = createNew(part);
      const appender = createAppender(fd, HEAD_BYTES);
      for (const record of records) appender.write(framed(record));
      const contentAt = appender.flush();
      const block = new Uint8Array(BLOCK_BYTES);
      const turn = createTurns();
      let [leaves, bytes] = [0, 0];
      for (const index of kept) {
        const node = present(tree.nodes[index], 'node');
        if (node.kind === 'folder') continue;
        leaves += 1;
        bytes += node.bytes;
        const write = node.kind === 'file' || node.kind === 'sealed' ? appender.write : () => {};
        const why = await readLeaf(container, index, block, write, async (count) => {
          work.bytes += count;
          await turn();
        });
        if (why !== null) throw new FitError('bad-file', `${pathOf(tree.nodes, index)} is refused: ${why}`);
      }
      appender.write(sealed);
      const contentBytes = appender.flush() - contentAt - sealed.length;
      const treeBytes = contentAt - HEAD_BYTES;
      writeAt(fd, encodeHead({ root: head.root, treeBytes, contentBytes, sealsBytes: sealed.length }), 0);
      fsyncSync(fd);
      putInPlace(part, out);
      syncFolder(dirname(out));
      return { leaves, bytes, names: [out], refused: [] };
    } catch (error) {
      throw fileError(error, out);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  });
}
