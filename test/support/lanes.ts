/** Lanes between two sides on the built worker, and somebody in between, for tests of lanes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  CHUNK_BYTES,
  chunksOf,
  HASH_BYTES,
  SEALED_CHUNK_BYTES,
  sealedLeaf,
  sealedLength,
} from '../../src/crypto/content.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { openSealer, prepare, type SealJob } from '../../src/daemon/content-sending.ts';
import type { LaneOffer } from '../../src/daemon/lane.ts';
import type { GrantEnd } from '../../src/daemon/lane-sender.ts';
import { createLanes, type Lanes, type LaneTaker } from '../../src/daemon/lanes.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import { temporaryFolder } from './temporary.ts';

const worker = pathToFileURL(resolve('dist/lane-worker.js'));
const x = new Uint8Array(32).fill(5);
export const BYTES = 100 * CHUNK_BYTES + 1234;
export const CHUNKS = chunksOf(BYTES);

export interface Setting {
  readonly folder: string;
  readonly job: SealJob;
  readonly path: string;
  readonly sender: Lanes;
  readonly receiver: Lanes;
  readonly sealedPath: string;
  /** The whole ciphertext. */
  readonly sealed: Uint8Array;
}

export function lanesFor(
  t: TestContext,
  place: { host: string; port: number } | null = { host: '127.0.0.1', port: 0 },
): Lanes {
  const lanes = createLanes({ worker, place, rng: systemRng, link: { onPeer: () => {} } });
  t.after(() => lanes.pause());
  return lanes;
}

export async function setting(t: TestContext): Promise<Setting> {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'source');
  await writeFile(path, randomBytes(BYTES));
  const files = [{ path, size: BYTES }];
  const sealing = { x, point: publicPoint(x), seed: new Uint8Array(32).fill(6) };
  const leavesPath = join(folder, 'leaves');
  const { contentRoot } = prepare({ files, leavesPath, ...sealing }, () => {});
  const job = { files, leavesPath, contentRoot, ...sealing };
  const sealer = openSealer(job);
  const sealed = concat(...Array.from({ length: CHUNKS }, (_, index) => sealer.sealed(index)));
  sealer.close();
  const sealedPath = join(folder, 'sealed');
  closeSync(openSync(sealedPath, 'w', 0o600));
  return { folder, job, path, sender: lanesFor(t), receiver: lanesFor(t), sealedPath, sealed };
}

export type Offer = LaneOffer & Pick<LaneTaker, 'id'>;

export interface Offered {
  readonly offer: Offer;
  readonly ended: Promise<GrantEnd>;
  readonly acknowledged: number[];
}

let documents = 0;
/** A lane for a content of its own. */
export function taker(fields: Partial<LaneTaker> = {}): LaneTaker {
  documents += 1;
  return { peer: 'oak', document: `content ${documents}`, id: new Uint8Array(randomBytes(16)), ...fields };
}

export async function offered({ sender, job }: Setting, from = 0, fields: Partial<LaneTaker> = {}): Promise<Offered> {
  const acknowledged: number[] = [];
  const { promise: ended, resolve: end } = withResolvers<GrantEnd>();
  const whose = taker(fields);
  const offer = await sender.offer(whose, job, from, CHUNKS, {
    acknowledged: (chunks) => acknowledged.push(chunks),
    ended: end,
  });
  return { offer: { ...present(offer, 'offer'), id: whose.id }, ended, acknowledged };
}

interface PullFields {
  readonly port?: number;
  readonly from?: number;
  readonly rate?: number;
  readonly chunkMs?: number;
}

export function pull(it: Setting, offer: Offer, fields: PullFields = {}) {
  const leaves: Uint8Array[] = [];
  const { port = offer.port, from = 0, rate = null, chunkMs = 20_000 } = fields;
  const job = {
    host: '127.0.0.1',
    port,
    id: toHex(offer.id),
    key: offer.key,
    sealedPath: it.sealedPath,
    bytes: BYTES,
    from,
    count: offer.count,
    rate,
    chunkMs,
  };
  const first = withResolvers<void>();
  const { ended, stop } = it.receiver.pull(job, (more) => {
    leaves.push(more);
    first.resolve();
  });
  return { ended, stop, first: first.promise, leaves: () => concat(...leaves) };
}

const leavesOf = (sealed: Uint8Array, from: number, to: number): Uint8Array =>
  concat(
    ...Array.from({ length: to - from }, (_, at) => {
      const start = (from + at) * SEALED_CHUNK_BYTES;
      return sealedLeaf(from + at, sealed.subarray(start, start + sealedLength(BYTES, from + at)));
    }),
  );

/** What is told as written is there, and is what was sent. */
export async function holds(it: Setting, leaves: Uint8Array, from = 0): Promise<number> {
  const count = leaves.length / HASH_BYTES;
  assert.deepEqual(leaves, leavesOf(it.sealed, from, from + count));
  const start = from * SEALED_CHUNK_BYTES;
  const end = Math.min(start + count * SEALED_CHUNK_BYTES, it.sealed.length);
  assert.deepEqual((await readFile(it.sealedPath)).subarray(start, end), Buffer.from(it.sealed.subarray(start, end)));
  return count;
}

/** Until it is closed, with an error or without: who is cut off while it writes has either. */
export const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

/** Where the server listens until the test ends; then its sockets go too. */
export async function portOf(t: TestContext, server: Server, sockets: readonly Socket[]): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Somebody between the two, who sees every byte from the sender. */
export async function between(
  t: TestContext,
  port: number,
  each: (bytes: Buffer, at: number, to: Socket) => void,
): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    sockets.push(near, far);
    let at = 0;
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      each(bytes, at, near);
      at += bytes.length;
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  });
  return portOf(t, server, sockets);
}

/** Lets so many bytes through, and then holds everything back. */
export function holding(t: TestContext, port: number, bytes: number): Promise<number> {
  return between(t, port, (piece, at, to) => {
    if (at < bytes) to.write(piece.subarray(0, bytes - at));
  });
}
