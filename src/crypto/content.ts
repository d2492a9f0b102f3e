/**
 * Content as deliveries exchange it (PROTOCOL §8): files one after the other, cut into chunks, each salted and encrypted under
 * a key of its own; one tree over the salted chunks, one over the ciphertext; the proof that a chunk is wrong.
 *
 * Guarantees: a leaf says its index and which tree it is of, and nodes can be read as no leaf; a path is accepted only with
 * exactly the length that (index, count) has; there is no tag on a chunk, because the trees authenticate it: whatever
 * does not open to its leaf is wrong, also by its length. Keys come from x, which is new for every exchange, and its point.
 *
 * PROTOCOL §8 salts the chunk keys with the xid. That is circular, since X contains the root of the ciphertext; the point,
 * which is as new as x, stands in its place.
 */
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { assert, present } from '../lib/assert.ts';
import { concat, equal, utf8 } from '../lib/bytes.ts';
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { H } from './hash.ts';
import { isPrivateScalar, publicPoint } from './p256.ts';

/** Bytes of a chunk; the last one of a content is shorter. */
export const CHUNK_BYTES = 65_536;
/** Random bytes in front of each chunk, without which a leaf would tell what can be guessed. */
export const SALT_BYTES = 16;
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + SALT_BYTES;
/** 1 TiB: indexes and paths stay small. */
export const MAX_CONTENT_BYTES = 2 ** 40;
export const HASH_BYTES = 32;

/** Empty content is one empty chunk. */
export function chunksOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / CHUNK_BYTES));
}

/** Bytes of chunk `index` of content of `bytes` bytes. */
export function chunkLength(bytes: number, index: number): number {
  return Math.min(CHUNK_BYTES, Math.max(0, bytes - index * CHUNK_BYTES));
}

export function sealedLength(bytes: number, index: number): number {
  return chunkLength(bytes, index) + SALT_BYTES;
}

/** Bytes of the whole ciphertext. */
export function sealedBytes(bytes: number): number {
  return bytes + SALT_BYTES * chunksOf(bytes);
}

function be64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

const SALT_TAG = utf8('fit salt v1\0');

/** The salt of chunk `index`, 16 bytes, from 32 random bytes that belong to the content. */
export function saltOf(seed: Uint8Array, index: number): Uint8Array {
  return createHash('sha256').update(SALT_TAG).update(seed).update(be64(index)).digest().subarray(0, SALT_BYTES);
}

export type Tree = 'content' | 'sealed';
const LEAF: Readonly<Record<Tree, Uint8Array>> = { content: Uint8Array.of(0), sealed: Uint8Array.of(2) };
const NODE: Readonly<Record<Tree, Uint8Array>> = { content: Uint8Array.of(1), sealed: Uint8Array.of(3) };

function leafOf(tree: Tree, index: number, bytes: Uint8Array): Uint8Array {
  return createHash('sha256')
    .update(concat(LEAF[tree], be64(index)))
    .update(bytes)
    .digest();
}

/** The leaf of a chunk that stands behind its salt. */
export function saltedLeaf(index: number, salted: Uint8Array): Uint8Array {
  return leafOf('content', index, salted);
}

export function contentLeaf(index: number, salt: Uint8Array, chunk: Uint8Array): Uint8Array {
  return saltedLeaf(index, concat(salt, chunk));
}

export function sealedLeaf(index: number, sealed: Uint8Array): Uint8Array {
  return leafOf('sealed', index, sealed);
}

function node(tree: Tree, left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(NODE[tree]).update(left).update(right).digest();
}

/** The root of leaves that come one after the other, in O(log n) memory. The tree has the shape of RFC 6962 §2.1. */
export function createRoot(tree: Tree): { add(leaf: Uint8Array): void; root(): Uint8Array } {
  /** Whole subtrees from left to right, each larger than the next one. */
  const open: { readonly hash: Uint8Array; readonly leaves: number }[] = [];
  return {
    /** Keeps a copy, so that the caller may use its buffer again. */
    add(leaf) {
      let hash: Uint8Array = Uint8Array.from(leaf);
      let leaves = 1;
      for (let left = open.at(-1); left?.leaves === leaves; left = open.at(-1)) {
        hash = node(tree, left.hash, hash);
        leaves *= 2;
        open.pop();
      }
      open.push({ hash, leaves });
    },
    root() {
      const [last, ...before] = open.map(({ hash }) => hash).reverse();
      return before.reduce((right, left) => node(tree, left, right), present(last, 'a leaf of the tree'));
    },
  };
}

const leafAt = (leaves: Uint8Array, index: number): Uint8Array =>
  leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);

/** `leaves`: 32 bytes each, in order. */
export function merkleRoot(tree: Tree, leaves: Uint8Array): Uint8Array {
  const root = createRoot(tree);
  for (let index = 0; index * HASH_BYTES < leaves.length; index += 1) root.add(leafAt(leaves, index));
  return root.root();
}

/** The largest power of two below `count`: the leaves of the left subtree. */
function split(count: number): number {
  let left = 1;
  while (left * 2 < count) left *= 2;
  return left;
}

/** A subtree beside the way from a leaf to the root: the leaves `from` to `to` − 1. */
export interface Sibling {
  readonly side: 'left' | 'right';
  readonly from: number;
  readonly to: number;
}

/** The siblings of leaf `index` from the leaf up. None in a tree of one leaf. */
export function siblings(index: number, count: number, from = 0): readonly Sibling[] {
  if (count === 1) return [];
  const left = split(count);
  const [middle, to] = [from + left, from + count];
  return index < left
    ? [...siblings(index, left, from), { side: 'right', from: middle, to }]
    : [...siblings(index - left, count - left, middle), { side: 'left', from, to: middle }];
}

/** The hashes of the siblings of leaf `index`. */
export function merklePath(tree: Tree, leaves: Uint8Array, index: number): readonly Uint8Array[] {
  const count = leaves.length / HASH_BYTES;
  assert(Number.isInteger(count) && index >= 0 && index < count, 'a leaf of the tree');
  return siblings(index, count).map(({ from, to }) =>
    merkleRoot(tree, leaves.subarray(from * HASH_BYTES, to * HASH_BYTES)),
  );
}

/** The root that the path leads to, or null: an index outside of the tree, a path that is not as long as it has to be. */
export function rootOfPath(
  tree: Tree,
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): Uint8Array | null {
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) return null;
  const way = siblings(index, count);
  if (way.length !== path.length) return null;
  return path.reduce(
    (hash, sibling, level) => (way[level]?.side === 'left' ? node(tree, sibling, hash) : node(tree, hash, sibling)),
    leaf,
  );
}

const FIRST_BLOCK = Uint8Array.of(1);

/**
 * Derives the keys of all chunks of one content by HKDF-SHA-256 (RFC 5869), whose first half is the same for all of them.
 * `x`: 32 bytes, `point` = x·G, 33 bytes.
 */
export function chunkKeys(x: Uint8Array, point: Uint8Array): (index: number) => Uint8Array {
  const extracted = createHmac('sha256', H('fit content v1', point)).update(x).digest();
  return (index) =>
    createHmac('sha256', extracted)
      .update(concat(be64(index), FIRST_BLOCK))
      .digest();
}

const ZERO_IV = new Uint8Array(16);

/** AES-256-CTR; the zero IV is safe because a key serves one chunk. Opening is the same operation. */
function crypt(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createCipheriv('aes-256-ctr', key, ZERO_IV).update(bytes);
}

export function sealChunk(key: Uint8Array, salt: Uint8Array, chunk: Uint8Array): Uint8Array {
  return crypt(key, concat(salt, chunk));
}

/** The same of a chunk that stands behind its salt. */
export function sealSalted(key: Uint8Array, salted: Uint8Array): Uint8Array {
  return crypt(key, salted);
}

export interface OpenedChunk {
  readonly salt: Uint8Array;
  readonly chunk: Uint8Array;
}

function apart(salted: Uint8Array): OpenedChunk {
  return { salt: salted.subarray(0, SALT_BYTES), chunk: salted.subarray(SALT_BYTES) };
}

export function openChunk(key: Uint8Array, sealed: Uint8Array): OpenedChunk {
  return apart(crypt(key, sealed));
}

/** What a chunk of the ciphertext opens to, or null if that is not what its leaf says. */
export function openRight(
  key: Uint8Array,
  bytes: number,
  index: number,
  sealed: Uint8Array,
  leaf: Uint8Array,
): OpenedChunk | null {
  if (sealed.length !== sealedLength(bytes, index)) return null;
  const salted = crypt(key, sealed);
  return equal(saltedLeaf(index, salted), leaf) ? apart(salted) : null;
}

/** One chunk of the ciphertext and the leaf that it should open to, each with its path. */
export interface WrongChunk {
  readonly index: number;
  readonly sealed: Uint8Array;
  readonly sealedPath: readonly Uint8Array[];
  readonly leaf: Uint8Array;
  readonly leafPath: readonly Uint8Array[];
}

/** Levels of a tree over `MAX_CONTENT_BYTES`. */
const MAX_PATH = 24;
export const WRONG_CHUNK_MAX_BYTES = SEALED_CHUNK_BYTES + 2 * (MAX_PATH * (HASH_BYTES + 2) + 2) + HASH_BYTES + 32;

export function encodeWrongChunk(wrong: WrongChunk): Uint8Array {
  return enc(1, wrong.index, wrong.sealed, [...wrong.sealedPath], wrong.leaf, [...wrong.leafPath]);
}

/** Throws `PeerFault('malformed')`, and `PeerFault('oversized')` for what is longer than any proof. */
export function decodeWrongChunk(bytes: Uint8Array): WrongChunk {
  const [version, index, sealed, sealedPath, leaf, leafPath] = read.array(
    decode(bytes, WRONG_CHUNK_MAX_BYTES),
    6,
    'wrong chunk',
  );
  read.literal(version, 1, 'wrong chunk version');
  const path = (value: Cbor | undefined) =>
    read.list(value, MAX_PATH, 'path').map((one) => read.bytes(one, HASH_BYTES, 'path'));
  return {
    index: read.uint(index, 'index'),
    sealed: read.blob(sealed, SEALED_CHUNK_BYTES, 'chunk'),
    sealedPath: path(sealedPath),
    leaf: read.bytes(leaf, HASH_BYTES, 'leaf'),
    leafPath: path(leafPath),
  };
}

export interface ContentFacts {
  readonly x: Uint8Array;
  readonly point: Uint8Array;
  readonly sealedRoot: Uint8Array;
  readonly contentRoot: Uint8Array;
  readonly bytes: number;
  readonly chunks: number;
}

/**
 * Whether the chunk shows that the ciphertext is not that of the content: both leaves are in the trees, and the one does not
 * open to the other under x. False for everything else that somebody can hand in.
 */
export function provesWrong(facts: ContentFacts, wrong: WrongChunk): boolean {
  const { x, point, sealedRoot, contentRoot, bytes, chunks } = facts;
  const { index, sealed, sealedPath, leaf, leafPath } = wrong;
  if (chunks !== chunksOf(bytes) || !isPrivateScalar(x) || !equal(publicPoint(x), point)) return false;
  const inSealed = rootOfPath('sealed', sealedLeaf(index, sealed), index, chunks, sealedPath);
  const inContent = rootOfPath('content', leaf, index, chunks, leafPath);
  if (inSealed === null || inContent === null) return false;
  if (!equal(inSealed, sealedRoot) || !equal(inContent, contentRoot)) return false;
  return openRight(chunkKeys(x, point)(index), bytes, index, sealed, leaf) === null;
}
