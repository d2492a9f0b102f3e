// Lanes on the built worker: what arrives and what does not, whoever is at the other end or in between.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { CHUNK_BYTES, SEALED_CHUNK_BYTES, sealedBytes } from '../../src/crypto/content.ts';
import { createReceiverWords, encodeCount, LANE_AHEAD, recordLength } from '../../src/daemon/lane.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import {
  BYTES,
  between,
  CHUNKS,
  closed,
  holding,
  holds,
  lanesFor,
  offered,
  pull,
  setting,
  taker,
} from '../support/lanes.ts';

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
    else if (at < cut) to.end(bytes.subarray(0, cut - at));
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
  await closed(stranger);
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
  await closed(socket);
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
