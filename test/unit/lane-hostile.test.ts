// Lanes with a cheat at one end, and strangers on the port: what they can hold up, and that nobody else waits for it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { SEALED_CHUNK_BYTES } from '../../src/crypto/content.ts';
import { decodeBulkReply, decodeBulkRequest, encodeBulkReply, encodeBulkRequest } from '../../src/daemon/bulk.ts';
import { recordLength } from '../../src/daemon/lane.ts';
import { createLanes } from '../../src/daemon/lanes.ts';
import { enc } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import { CHUNKS, holding, lanesFor, offered, portOf, pull, setting, taker } from '../support/lanes.ts';

const none = { acknowledged: () => {}, ended: () => {} };

/** What takes part in no lane, at a port of its own. */
async function service(t: TestContext, each: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    each(socket);
  });
  return portOf(t, server, sockets);
}

test('what a receiver says at a port that its sender chose is the receiver’s own, byte by byte', async (t) => {
  const id = new Uint8Array(randomBytes(16));
  const document = new Uint8Array(32);
  const asked = decodeBulkRequest(encodeBulkRequest({ kind: 'lane', document, from: 7, id }));
  assert.deepEqual(asked, { kind: 'lane', document, from: 7, id });
  const key = new Uint8Array(32).fill(3);
  const reply = { kind: 'lane', port: 6379, key, count: 64 } as const;
  assert.deepEqual(decodeBulkReply(encodeBulkReply(reply)), reply);
  const chosen = Buffer.from('FLUSHALL\r\nQUIT\r\n');
  assert.throws(() => decodeBulkReply(enc(1, 'lane', 6379, new Uint8Array(chosen), key, 64)), PeerFault);
  const it = await setting(t);
  const heard: Buffer[] = [];
  const port = await service(t, (socket) =>
    socket.on('data', (bytes) => {
      heard.push(bytes);
      socket.end('-ERR unknown command\r\n');
    }),
  );
  const ended = await pull(it, { port, key, id, count: CHUNKS }).ended;
  assert.deepEqual(ended, { kind: 'lost' });
  assert.deepEqual(Buffer.concat(heard), Buffer.from(id));
});

test('a sender that gives a byte now and then is given up', async (t) => {
  const it = await setting(t);
  const port = await service(t, (socket) => {
    const drip = setInterval(() => socket.write(Uint8Array.of(0)), 20);
    socket.on('close', () => clearInterval(drip));
  });
  const offer = { port, key: new Uint8Array(32), id: new Uint8Array(16), count: CHUNKS };
  assert.deepEqual(await pull(it, offer, { chunkMs: 300 }).ended, { kind: 'lost' });
});

test('a peer has eight lanes, and others still have theirs', async (t) => {
  const it = await setting(t);
  const made = await Promise.all(
    Array.from({ length: 12 }, () => it.sender.offer(taker({ peer: 'greedy' }), it.job, 0, CHUNKS, none)),
  );
  assert.equal(made.filter((one) => one !== null).length, 8);
  assert.deepEqual(await pull(it, (await offered(it, 0, { peer: 'patient' })).offer).ended, { kind: 'all' });
});

test('an id serves one offer', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  assert.equal(await it.sender.offer(taker({ peer: 'other', id: offer.id }), it.job, 0, CHUNKS, none), null);
  assert.deepEqual(await pull(it, offer).ended, { kind: 'all' });
});

test('asked again for a content, the lane before ends, taken or not', async (t) => {
  const it = await setting(t);
  const whose = { document: 'one' };
  const first = await offered(it, 0, whose);
  const second = await offered(it, 0, whose);
  assert.deepEqual(await first.ended, { kind: 'over' });
  assert.deepEqual(await pull(it, first.offer).ended, { kind: 'lost' });
  const port = await holding(t, second.offer.port, 20 * recordLength(SEALED_CHUNK_BYTES));
  const taken = pull(it, second.offer, { port });
  await taken.first;
  const third = await offered(it, 0, whose);
  assert.deepEqual(await second.ended, { kind: 'over' });
  assert.deepEqual(await taken.ended, { kind: 'lost' });
  assert.deepEqual(await pull(it, third.offer).ended, { kind: 'all' });
});

test('what is revoked is served no longer, and nothing else is touched', async (t) => {
  const it = await setting(t);
  const [one, other] = [await offered(it, 0, { document: 'one' }), await offered(it, 0, { document: 'other' })];
  const port = await holding(t, one.offer.port, 20 * recordLength(SEALED_CHUNK_BYTES));
  const taken = pull(it, one.offer, { port });
  await taken.first;
  it.sender.revoke('one');
  assert.deepEqual(await one.ended, { kind: 'over' });
  assert.deepEqual(await taken.ended, { kind: 'lost' });
  assert.deepEqual(await pull(it, other.offer).ended, { kind: 'all' });
});

test('a connection that its receiver does not close keeps its place', async (t) => {
  const it = await setting(t);
  const held: Socket[] = [];
  t.after(() => {
    for (const socket of held) socket.destroy();
  });
  const all = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { offer, ended } = await offered(it, CHUNKS - 1);
      const socket = connect({ port: offer.port, host: '127.0.0.1', allowHalfOpen: true });
      held.push(socket);
      socket.resume();
      socket.write(offer.id);
      await once(socket, 'end');
      return { socket, ended };
    }),
  );
  assert.equal(await it.sender.offer(taker(), it.job, 0, CHUNKS, none), null);
  const [first] = all;
  first?.socket.destroy();
  assert.deepEqual(await first?.ended, { kind: 'over' });
  assert.deepEqual(await pull(it, (await offered(it)).offer).ended, { kind: 'all' });
});

test('strangers who hold the port keep nobody out', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  const gone = withResolvers<void>();
  const strangers = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const socket = connect(offer.port, '127.0.0.1');
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      socket.on('close', () => gone.resolve());
      await once(socket, 'connect');
      // Half an id.
      socket.write(randomBytes(8));
      return socket;
    }),
  );
  await gone.promise;
  assert.ok(strangers.some(({ destroyed }) => !destroyed));
  assert.deepEqual(await pull(it, offer).ended, { kind: 'all' });
});

test('between a pause and the next start nothing is offered and nothing pulled', async (t) => {
  const it = await setting(t);
  const { offer } = await offered(it);
  it.receiver.pause();
  assert.deepEqual(await pull(it, offer).ended, { kind: 'lost' });
  const late = it.sender.offer(taker(), it.job, 0, CHUNKS, none);
  it.sender.pause();
  assert.equal(await late, null);
  assert.equal(await it.sender.offer(taker(), it.job, 0, CHUNKS, none), null);
  it.sender.resume();
  it.receiver.resume();
  assert.deepEqual(await pull(it, (await offered(it)).offer).ended, { kind: 'all' });
});

test('a port that was taken is tried again by who asks later', async (t) => {
  const it = await setting(t);
  const { promise: free, resolve: release } = withResolvers<void>();
  const blocker = createServer();
  blocker.listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address() as AddressInfo;
  const lanes = lanesFor(t, { host: '127.0.0.1', port });
  assert.equal(await lanes.offer(taker(), it.job, 0, CHUNKS, none), null);
  blocker.close(() => release());
  await free;
  assert.notEqual(await lanes.offer(taker(), it.job, 0, CHUNKS, none), null);
});

test('a worker that dies ends what was under way, and the next one starts another', async (t) => {
  const it = await setting(t);
  const file = join(it.folder, 'dies.mjs');
  // It listens, and dies of the first order.
  await writeFile(
    file,
    `import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ kind }) => {
  if (kind === 'listen') parentPort.postMessage({ kind: 'listening', port: 4242 });
  else throw new Error('out of memory');
});
`,
  );
  const place = { host: '127.0.0.1', port: 0 };
  const lanes = createLanes({ worker: pathToFileURL(file), place, rng: systemRng, link: { onPeer: () => {} } });
  t.after(() => lanes.pause());
  for (let again = 0; again < 2; again += 1) {
    const dies = { ...it, sender: lanes, receiver: lanes };
    const { offer, ended } = await offered(dies);
    assert.deepEqual(await ended, { kind: 'over' });
    assert.deepEqual(await pull(dies, offer).ended, { kind: 'lost' });
  }
});
