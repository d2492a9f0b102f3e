/**
 * The requests and replies of `/fit/bulk/1`: a receiver pulls the content of a delivery note from its sender.
 *
 * Guarantees: every reply is whole or an error; a count is bounded by what a frame holds; the receiver asks for what it does not
 * have, so that a transfer goes on where it stopped, and its pace is the receiver's.
 */
import { HASH_BYTES, SEALED_CHUNK_BYTES } from '../crypto/content.ts';
import { concat, equal } from '../lib/bytes.ts';
import { blobHead, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { BULK_FRAME_BYTES } from '../p2p/link.ts';
import { LANE_CHUNKS, LANE_ID_BYTES, LANE_KEY_BYTES, type LaneOffer } from './lane.ts';

export const CHUNKS_PER_REPLY = 16;
export const LEAVES_PER_REPLY = 32_768;

export type BulkRequest =
  /** Key point and root of the ciphertext. */
  | { readonly kind: 'open'; readonly document: Uint8Array }
  /** A lane (lane.ts) for the chunks from `from` on, for whoever says this id there. */
  | { readonly kind: 'lane'; readonly document: Uint8Array; readonly from: number; readonly id: Uint8Array }
  | {
      readonly kind: 'leaves' | 'chunks';
      readonly document: Uint8Array;
      readonly from: number;
      readonly count: number;
    };

export type BulkReply =
  | { readonly kind: 'open'; readonly point: Uint8Array; readonly root: Uint8Array }
  | { readonly kind: 'data'; readonly data: Uint8Array }
  | ({ readonly kind: 'lane' } & LaneOffer)
  | { readonly kind: 'no'; readonly why: string };

const REQUEST_MAX_BYTES = 256;

export function encodeBulkRequest(request: BulkRequest): Uint8Array {
  switch (request.kind) {
    case 'open':
      return enc(1, 'open', request.document);
    case 'lane':
      return enc(1, 'lane', request.document, request.from, request.id);
    default:
      return enc(1, request.kind, request.document, request.from, request.count);
  }
}

/** Throws `PeerFault`. */
export function decodeBulkRequest(bytes: Uint8Array): BulkRequest {
  const fields = read.list(decode(bytes, REQUEST_MAX_BYTES), 5, 'bulk request');
  if (fields[0] !== 1) throw new PeerFault('unknown-version', 'bulk request: unknown version');
  const kind = read.oneOf(fields[1], ['open', 'lane', 'leaves', 'chunks'], 'bulk request');
  const document = read.bytes(fields[2], 32, 'document');
  if (kind === 'open') {
    read.array(fields, 3, 'bulk request');
    return { kind, document };
  }
  if (kind === 'lane') {
    const [, , , from, id] = read.array(fields, 5, 'bulk request');
    return { kind, document, from: read.uint(from, 'from'), id: read.bytes(id, LANE_ID_BYTES, 'id') };
  }
  const [, , , from, counted] = read.array(fields, 5, 'bulk request');
  const count = read.uint(counted, 'count');
  if (count < 1 || count > (kind === 'chunks' ? CHUNKS_PER_REPLY : LEAVES_PER_REPLY))
    throw new PeerFault('malformed', 'bulk request: count');
  return { kind, document, from: read.uint(from, 'from'), count };
}

/** Array, version and kind of a reply with data: what comes before the head of its data. */
const DATA_START = enc(1, 'data', new Uint8Array()).subarray(0, -1);

const beforeData = (bytes: number): Uint8Array => concat(DATA_START, blobHead(bytes));

/** A reply with so many bytes of data, and the place in it where they belong: large data is not copied to be encoded. */
export function dataReply(bytes: number): { readonly reply: Uint8Array; readonly data: Uint8Array } {
  const head = beforeData(bytes);
  const reply = new Uint8Array(head.length + bytes);
  reply.set(head);
  return { reply, data: reply.subarray(head.length) };
}

/**
 * The data inside a reply, if that is the one encoding of a reply with data, without the copies of decoding and encoding again.
 * All other replies are left to that.
 */
function dataOf(reply: Uint8Array): Uint8Array | undefined {
  // How long the head of a byte string is.
  for (const bytes of [1, 2, 3, 5]) {
    const at = DATA_START.length + bytes;
    if (at > reply.length) return undefined;
    if (equal(beforeData(reply.length - at), reply.subarray(0, at))) return reply.subarray(at);
  }
  return undefined;
}

const MOST_DATA = Math.max(CHUNKS_PER_REPLY * SEALED_CHUNK_BYTES, LEAVES_PER_REPLY * HASH_BYTES);

export function encodeBulkReply(reply: BulkReply): Uint8Array {
  switch (reply.kind) {
    case 'open':
      return enc(1, 'open', reply.point, reply.root);
    case 'data':
      return concat(beforeData(reply.data.length), reply.data);
    case 'lane':
      return enc(1, 'lane', reply.port, reply.key, reply.count);
    case 'no':
      return enc(1, 'no', reply.why);
  }
}

/** Throws `PeerFault`. Data is not copied. */
export function decodeBulkReply(bytes: Uint8Array): BulkReply {
  const data = dataOf(bytes);
  if (data !== undefined && data.length <= MOST_DATA) return { kind: 'data', data };
  const fields = read.list(decode(bytes, BULK_FRAME_BYTES), 5, 'bulk reply');
  if (fields[0] !== 1) throw new PeerFault('unknown-version', 'bulk reply: unknown version');
  const kind = read.oneOf(fields[1], ['open', 'data', 'lane', 'no'], 'bulk reply');
  switch (kind) {
    case 'open': {
      const [, , point, root] = read.array(fields, 4, 'bulk reply');
      return { kind, point: read.bytes(point, 33, 'point'), root: read.bytes(root, 32, 'root') };
    }
    case 'data':
      return { kind, data: read.blob(read.array(fields, 3, 'bulk reply')[2], MOST_DATA, 'data') };
    case 'lane': {
      const [, , given, key, counted] = read.array(fields, 5, 'bulk reply');
      const [port, count] = [read.uint(given, 'port'), read.uint(counted, 'count')];
      if (port < 1 || port > 65_535 || count < 1 || count > LANE_CHUNKS)
        throw new PeerFault('malformed', 'bulk reply: a lane');
      return { kind, port, key: read.bytes(key, LANE_KEY_BYTES, 'key'), count };
    }
    case 'no':
      return { kind, why: read.text(read.array(fields, 3, 'bulk reply')[2], 200, 'why') };
  }
}
