// Lanes on the built worker: what arrives and what does not, whoever is at the other end or in between.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  CHUNK_BYTES,
  chunksOf,
  HASH_BYTES,
  SEALED_CHUNK_BYTES,
  sealedBytes,
  sealedLeaf,
  sealedLength,
} from '../../src/crypto/content.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { openSealer, prepare, type SealJob } from '../../src/daemon/content-sending.ts';
import { createReceiverWords, encodeCount, LANE_AHEAD, type LaneOffer, recordLength } from '../../src/daemon/lane.ts';
import type { GrantEnd } from '../../src/daemon/lane-sender.ts';
import { createLanes, type Lanes, type LaneTaker } from '../../src/daemon/lanes.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import { temporaryFolder } from '../support/temporary.ts';

const worker = pathToFileURL(resolve('dist/lane-worker.js'));
const x = new Uint8Array(32).fill(5);
const BYTES = 100 * CHUNK_BYTES + 1234;
const CHUNKS = chunksOf(BYTES);

interface Setting {
  readonly folder: string;
  readonly job: SealJob;
  readonly path: string;
  readonly sender: Lanes;
  readonly receiver: Lanes;
  readonly sealedPath: string;
  /** The whole ciphertext. */
  readonly sealed: Uint8Array;
}

function lanesFor(
  t: TestContext,
  place: { host: string; port: number } | null = { host: '127.0.0.1', port: 0 },
): Lanes {
  const lanes = createLanes({ worker, place, rng: systemRng, link: { onPeer: () => {} } });
  t.after(() => lanes.pause());
  return lanes;
}

async function setting(t: TestContext): Promise<Setting> {
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

type Offer = LaneOffer & Pick<LaneTaker, 'id'>;

interface Offered {
  readonly offer: Offer;
  readonly ended: Promise<GrantEnd>;
  readonly acknowledged: number[];
}

let documents = 0;
/** A lane for a content of its own. */
function taker(fields: Partial<LaneTaker> = {}): LaneTaker {
  documents += 1;
  return { peer: 'oak', document: `content ${documents}`, id: new Uint8Array(randomBytes(16)), ...fields };
}

async function offered({ sender, job }: Setting, from = 0, fields: Partial<LaneTaker> = {}): Promise<Offered> {
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

function pull(it: Setting, offer: Offer, fields: PullFields = {}) {
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
async function holds(it: Setting, leaves: Uint8Array, from = 0): Promise<number> {
  const count = leaves.length / HASH_BYTES;
  assert.deepEqual(leaves, leavesOf(it.sealed, from, from + count));
  const start = from * SEALED_CHUNK_BYTES;
  const end = Math.min(start + count * SEALED_CHUNK_BYTES, it.sealed.length);
  assert.deepEqual((await readFile(it.sealedPath)).subarray(start, end), Buffer.from(it.sealed.subarray(start, end)));
  return count;
}

/** Somebody between the two, who sees every byte from the sender. */
async function between(
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
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('all of it arrives, and the sender knows how much is stored', async (t) => {
  const it = await setting(t);
  const { offer, ended, acknowledged } = await offered(it);
  assert.equal(offer.count, CHUNKS);
  const { ended: pulled, leaves } = pull(it, offer);
  assert.deepEqual(await pulled, { kind: 'all' });
  assert.equal(await holds(it, leaves()), CHUNKS);
  assert.equal((await stat(it.sealedPath)).size, sealedBytes(BYTES));
  assert.deepEqual(await ended, { kind: 'over' });
  assert.ok(acknowledged.length > 0);
  assert.deepEqual(
    acknowledged,
    acknowledged.toSorted((a, b) => a - b),
  );
});

test('a part from the middle goes where it belongs', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it, 70);
  assert.equal(offer.count, CHUNKS - 70);
  const { ended, leaves } = pull(it, offer, { from: 70 });
  assert.deepEqual(await ended, { kind: 'all' });
  assert.equal(await holds(it, leaves(), 70), CHUNKS - 70);
});

test('what is changed on the way is known before it is stored', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  const at = 40 * recordLength(SEALED_CHUNK_BYTES) + 77;
  const port = await between(t, offer.port, (bytes, from, to) => {
    if (from <= at && at < from + bytes.length) bytes[at - from] = (bytes[at - from] ?? 0) ^ 1;
    to.write(bytes);
  });
  const { ended, leaves } = pull(it, offer, { port });
  assert.deepEqual(await ended, { kind: 'changed' });
  assert.equal(await holds(it, leaves()), 40);
});

test('what somebody adds behind the last chunk changes nothing', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it, CHUNKS - 1);
  const port = await between(t, offer.port, (bytes, _, to) => to.write(Buffer.concat([bytes, Buffer.alloc(100)])));
  const { ended } = pull(it, offer, { port, from: CHUNKS - 1 });
  // A record in more pieces than one has foreign bytes in its middle.
  assert.ok(['all', 'changed'].includes((await ended).kind));
  assert.ok((await stat(it.sealedPath)).size <= sealedBytes(BYTES));
});

test('a lane that breaks leaves whole chunks, and the rest can be had by another', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  const cut = 30 * recordLength(SEALED_CHUNK_BYTES) + 5000;
  const port = await between(t, offer.port, (bytes, at, to) => {
    if (at + bytes.length < cut) to.write(bytes);
    else to.end(bytes.subarray(0, Math.max(0, cut - at)));
  });
  const { ended, leaves } = pull(it, offer, { port });
  assert.deepEqual(await ended, { kind: 'lost' });
  assert.equal(await holds(it, leaves()), 30);
  assert.equal((await stat(it.sealedPath)).size, 30 * SEALED_CHUNK_BYTES);
  const again = pull(it, (await offered(it, 30)).offer, { from: 30 });
  assert.deepEqual(await again.ended, { kind: 'all' });
  assert.deepEqual(await readFile(it.sealedPath), Buffer.from(it.sealed));
});

test('an offer serves once, and a stranger gets nothing', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  assert.deepEqual(await pull(it, offer).ended, { kind: 'all' });
  const again = pull(it, offer);
  assert.deepEqual(await again.ended, { kind: 'lost' });
  assert.equal(again.leaves().length, 0);
  const stranger = connect(offer.port, '127.0.0.1');
  stranger.write(randomBytes(16));
  stranger.on('error', () => {});
  stranger.on('data', () => assert.fail('a stranger was given something'));
  await once(stranger, 'close');
});

test('who stores nothing is sent no more than may be under way', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  const ahead = LANE_AHEAD * recordLength(SEALED_CHUNK_BYTES);
  const socket = connect(offer.port, '127.0.0.1');
  t.after(() => socket.destroy());
  let got = 0;
  let acknowledged = false;
  const more = withResolvers<void>();
  const filled = withResolvers<void>();
  socket.on('data', (bytes) => {
    got += bytes.length;
    assert.ok(acknowledged || got <= ahead);
    if (got === ahead) filled.resolve();
    if (got > ahead) more.resolve();
  });
  socket.write(offer.id);
  await filled.promise;
  acknowledged = true;
  socket.write(encodeCount(16));
  await more.promise;
});

test('a receiver that claims what was not sent is cut off', async (t) => {
  const it = await setting(t);
  const { offer, ended } = await offered(it);
  const socket = connect(offer.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(concat(offer.id, encodeCount(CHUNKS + 1)));
  await once(socket, 'close');
  assert.deepEqual(await ended, { kind: 'over' });
});

test('what a receiver says is read in whatever pieces it comes', () => {
  const words = createReceiverWords(() => 50);
  const id = Uint8Array.from({ length: 16 }, (_, at) => at);
  for (const byte of concat(id, encodeCount(16), encodeCount(50))) assert.ok(words.push(Uint8Array.of(byte)));
  assert.equal(words.id, toHex(id));
  assert.equal(words.stored, 50);
  assert.equal(words.push(encodeCount(50)), false);
  assert.equal(words.push(encodeCount(51)), false);
});

test('a file that is not what it was ends the lane, and its owner knows why', async (t) => {
  const it = await setting(t);
  const file = await open(it.path, 'r+');
  await file.write(randomBytes(8), 0, 8, 20 * CHUNK_BYTES);
  await file.close();
  const { offer, ended } = await offered(it);
  const { ended: pulled, leaves } = pull(it, offer);
  assert.deepEqual(await pulled, { kind: 'lost' });
  const end = await ended;
  assert.ok(end.kind === 'failed' && end.code === 'file-changed');
  assert.ok((await holds(it, leaves())) <= 20);
});

/** Lets so many bytes through, and then holds everything back. */
function holding(t: TestContext, port: number, bytes: number): Promise<number> {
  return between(t, port, (piece, at, to) => {
    if (at < bytes) to.write(piece.subarray(0, bytes - at));
  });
}

test('a stop keeps what was written', async (t) => {
  const it = await setting(t);
  const { offer, ended } = await offered(it);
  const port = await holding(t, offer.port, 20 * recordLength(SEALED_CHUNK_BYTES));
  const { ended: pulled, stop, leaves, first } = pull(it, offer, { port });
  await first;
  stop();
  assert.deepEqual(await pulled, { kind: 'stopped' });
  const count = await holds(it, leaves());
  assert.equal((await stat(it.sealedPath)).size, count * SEALED_CHUNK_BYTES);
  assert.ok(count >= 16 && count <= 20);
  assert.deepEqual(await ended, { kind: 'over' });
});

test('a stop ends a lane that a rate holds back', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  const { promise: begun, resolve: begin } = withResolvers<void>();
  const port = await between(t, offer.port, (bytes, _, to) => {
    to.write(bytes);
    begin();
  });
  // So slow that all of it takes an hour.
  const { ended: pulled, stop, leaves } = pull(it, offer, { port, rate: 2000 });
  await begun;
  stop();
  assert.deepEqual(await pulled, { kind: 'stopped' });
  assert.ok((await holds(it, leaves())) < CHUNKS);
});

test('a pause ends what is under way and forgets what was offered', async (t) => {
  const it = await setting(t);
  const { offer, ended } = await offered(it);
  const port = await holding(t, offer.port, 20 * recordLength(SEALED_CHUNK_BYTES));
  const { ended: pulled, first } = pull(it, offer, { port });
  await first;
  it.receiver.pause();
  assert.deepEqual(await pulled, { kind: 'lost' });
  it.sender.pause();
  assert.deepEqual(await ended, { kind: 'over' });
  const late = pull(it, offer);
  assert.deepEqual(await late.ended, { kind: 'lost' });
});

test('without a place to listen there is no lane', async (t) => {
  const it = await setting(t);
  const events = { acknowledged: () => {}, ended: () => {} };
  assert.equal(await lanesFor(t, null).offer(taker(), it.job, 0, CHUNKS, events), null);
  const { offer } = await offered(it);
  const taken = lanesFor(t, { host: '127.0.0.1', port: offer.port });
  assert.equal(await taken.offer(taker(), it.job, 0, CHUNKS, events), null);
});
