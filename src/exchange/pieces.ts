/**
 * The ciphertext as it is brought to an arbiter for a full check (PROTOCOL §8): one chunk at a time, on `/fit/arbiter/1` beside
 * the sealed requests.
 *
 * Guarantees: a piece proves by its path that it belongs to the ciphertext which X names, so it needs no signature, and a daemon
 * without its passphrase can bring it; whoever brings something else brings nothing. It says no more than the link shows anyway:
 * the ciphertext of an exchange that its bringer knows.
 */
import {
  chunksOf,
  createRoot,
  HASH_BYTES,
  merklePath,
  rootOfPath,
  SEALED_CHUNK_BYTES,
  sealedBytes,
  sealedLeaf,
  sealedLength,
} from '../crypto/content.ts';
import { concat, equal } from '../lib/bytes.ts';
import { decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { type ContentItem, MAX_FULL_BYTES } from './items.ts';

export interface Piece {
  readonly xid: Uint8Array;
  readonly index: number;
  readonly sealed: Uint8Array;
  /** From the leaf of `sealed` to the root of the ciphertext. */
  readonly path: readonly Uint8Array[];
}

/** What the arbiter says to a piece. Only `taken` is good; `not-wanted`: nobody waits for a full check of this exchange. */
export const PIECE_REPLIES = ['taken', 'not-wanted', 'busy', 'wrong'] as const;
export type PieceReply = (typeof PIECE_REPLIES)[number];

const VERSION = 1;
const MAX_PATH = Math.ceil(Math.log2(chunksOf(MAX_FULL_BYTES)));
const PIECE_MAX_BYTES = SEALED_CHUNK_BYTES + MAX_PATH * (HASH_BYTES + 2) + 128;
const REPLY_MAX_BYTES = 32;

export function encodePiece({ xid, index, sealed, path }: Piece): Uint8Array {
  return enc(VERSION, 'piece', xid, index, sealed, [...path]);
}

/** Array, version and kind: no sealed request begins like this. */
const START = encodePiece({ xid: new Uint8Array(), index: 0, sealed: new Uint8Array(), path: [] }).subarray(0, 8);

export function isPiece(frame: Uint8Array): boolean {
  return equal(frame.subarray(0, START.length), START);
}

/** Throws `PeerFault`. */
export function decodePiece(frame: Uint8Array): Piece {
  const [version, kind, xid, index, sealed, path] = read.array(decode(frame, PIECE_MAX_BYTES), 6, 'piece');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'piece: unknown version');
  read.literal(kind, 'piece', 'piece');
  return {
    xid: read.bytes(xid, 32, 'xid'),
    index: read.uint(index, 'index'),
    sealed: read.blob(sealed, SEALED_CHUNK_BYTES, 'chunk'),
    path: read.list(path, MAX_PATH, 'path').map((one) => read.bytes(one, HASH_BYTES, 'path')),
  };
}

export function encodePieceReply(reply: PieceReply): Uint8Array {
  return enc(VERSION, reply);
}

/** Throws `PeerFault`. */
export function decodePieceReply(bytes: Uint8Array): PieceReply {
  const [version, reply] = read.array(decode(bytes, REPLY_MAX_BYTES), 2, 'reply to a piece');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'reply to a piece: unknown version');
  return read.oneOf(reply, PIECE_REPLIES, 'reply to a piece');
}

type Sealed = Pick<ContentItem, 'bytes' | 'chunks' | 'ciphertextRoot'>;

/** Whether this is the chunk of that ciphertext at its place, with its length. */
export function fitsCiphertext({ bytes, chunks, ciphertextRoot }: Sealed, piece: Piece): boolean {
  const { index, sealed, path } = piece;
  if (index >= chunks || sealed.length !== sealedLength(bytes, index)) return false;
  const root = rootOfPath('sealed', sealedLeaf(index, sealed), index, chunks, path);
  return root !== null && equal(root, ciphertextRoot);
}

function leavesOf(bytes: number, ciphertext: Uint8Array): Uint8Array {
  return concat(
    ...Array.from({ length: chunksOf(bytes) }, (_, index) => sealedLeaf(index, chunkAt(bytes, ciphertext, index))),
  );
}

function chunkAt(bytes: number, ciphertext: Uint8Array, index: number): Uint8Array {
  const start = index * SEALED_CHUNK_BYTES;
  return ciphertext.subarray(start, start + sealedLength(bytes, index));
}

/** Whether these bytes are the whole ciphertext of that root. */
export function isCiphertext({ bytes, ciphertextRoot }: Omit<Sealed, 'chunks'>, ciphertext: Uint8Array): boolean {
  if (ciphertext.length !== sealedBytes(bytes)) return false;
  const root = createRoot('sealed');
  for (let index = 0; index < chunksOf(bytes); index += 1)
    root.add(sealedLeaf(index, chunkAt(bytes, ciphertext, index)));
  return equal(root.root(), ciphertextRoot);
}

/** The encoded pieces of a whole ciphertext from chunk `from` on. */
export function* piecesOf(xid: Uint8Array, bytes: number, ciphertext: Uint8Array, from: number): Iterable<Uint8Array> {
  const leaves = leavesOf(bytes, ciphertext);
  for (let index = from; index < chunksOf(bytes); index += 1)
    yield encodePiece({
      xid,
      index,
      sealed: chunkAt(bytes, ciphertext, index),
      path: merklePath('sealed', leaves, index),
    });
}
