/** Contents of containers, hashed as they pass: in pieces of any size, with the salts of the leaf that they belong to. */
import { CHUNK_BYTES, contentLeaf, createRoot, saltOf } from '../crypto/content.ts';

export interface ContentHash {
  add(bytes: Uint8Array): void;
  root(): Uint8Array;
}

export function createContentHash(salt: Uint8Array): ContentHash {
  const root = createRoot('content');
  const rest = new Uint8Array(CHUNK_BYTES);
  let used = 0;
  let index = 0;
  const chunk = (bytes: Uint8Array): void => {
    root.add(contentLeaf(index, saltOf(salt, index), bytes));
    index += 1;
  };
  return {
    add(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (used === 0 && bytes.length - at >= CHUNK_BYTES) {
          chunk(bytes.subarray(at, at + CHUNK_BYTES));
          at += CHUNK_BYTES;
          continue;
        }
        const part = bytes.subarray(at, at + CHUNK_BYTES - used);
        rest.set(part, used);
        used += part.length;
        at += part.length;
        if (used < CHUNK_BYTES) continue;
        chunk(rest);
        used = 0;
      }
    },
    root() {
      // Nothing has one empty chunk.
      if (used > 0 || index === 0) chunk(rest.subarray(0, used));
      used = 0;
      return root.root();
    },
  };
}
