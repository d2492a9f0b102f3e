/**
 * The arbiter's job on a ciphertext that was brought to it for a full check (PROTOCOL §8): open it and compare all of it, in the
 * worker (content-worker.ts), chunk by chunk; nothing of what it opens is kept or written.
 *
 * Guarantee: `wrong` is only what the ciphertext of X under the key of X opens to; damage on our own disk is told apart from it.
 */
import { closeSync } from 'node:fs';
import {
  chunkKeys,
  chunksOf,
  contentLeaf,
  createRoot,
  openChunk,
  SEALED_CHUNK_BYTES,
  sealedLeaf,
  sealedLength,
} from '../crypto/content.ts';
import { equal } from '../lib/bytes.ts';
import { isFitError } from '../lib/errors.ts';
import { openOwn, readFully } from './content-files.ts';

/** `whole`: it is the ciphertext, and no key was given to open it. `damaged`: it is not what was brought. */
export type Judgement = 'right' | 'wrong' | 'whole' | 'damaged';

export function judge(job: {
  readonly path: string;
  readonly bytes: number;
  readonly sealedRoot: Uint8Array;
  readonly opening: { readonly x: Uint8Array; readonly point: Uint8Array; readonly contentRoot: Uint8Array } | null;
}): Judgement {
  const { path, bytes, sealedRoot, opening } = job;
  const keyOf = opening === null ? null : chunkKeys(opening.x, opening.point);
  const [sealedTree, contentTree] = [createRoot('sealed'), createRoot('content')];
  const buffer = new Uint8Array(SEALED_CHUNK_BYTES);
  let fd: number;
  try {
    fd = openOwn(path, 'a ciphertext that was brought');
  } catch (error) {
    if (isFitError(error) && error.code === 'archive-corrupt') return 'damaged';
    throw error;
  }
  try {
    for (let index = 0; index < chunksOf(bytes); index += 1) {
      const sealed = buffer.subarray(0, sealedLength(bytes, index));
      if (readFully(fd, sealed, index * SEALED_CHUNK_BYTES) !== sealed.length) return 'damaged';
      sealedTree.add(sealedLeaf(index, sealed));
      if (keyOf === null) continue;
      const { salt, chunk } = openChunk(keyOf(index), sealed);
      contentTree.add(contentLeaf(index, salt, chunk));
    }
  } finally {
    closeSync(fd);
  }
  if (!equal(sealedTree.root(), sealedRoot)) return 'damaged';
  if (opening === null) return 'whole';
  return equal(contentTree.root(), opening.contentRoot) ? 'right' : 'wrong';
}
