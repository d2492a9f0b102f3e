// Deliveries over lanes: a lane is only for who may have the content, and only while it may.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SEALED_CHUNK_BYTES } from '../../src/crypto/content.ts';
import { decodeBulkReply, encodeBulkReply, encodeBulkRequest } from '../../src/daemon/bulk.ts';
import { encodeCount, LANE_AHEAD, recordLength } from '../../src/daemon/lane.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import { changeByte, MIB, offered, until } from '../support/delivery-sides.ts';
import { between, closed } from '../support/lanes.ts';

const CONTENT = new Uint8Array(randomBytes(8 * MIB));
const FOR_LANES = [CONTENT] as const;
const sides = (t: TestContext) => offered(t, FOR_LANES, undefined, true);
type Sides = Awaited<ReturnType<typeof sides>>;

async function lane(it: Sides, id = new Uint8Array(randomBytes(16))) {
  const reply = decodeBulkReply(await it.serve(encodeBulkRequest({ kind: 'lane', document: it.digest, from: 0, id })));
  return { reply, id };
}

test('all of a large content comes by a lane, and is right', async (t) => {
  const it = await sides(t);
  await it.accept();
  await until('it is here', async () => (await it.phase()) === 'fetched', it.clock);
  assert.equal(it.chunksAsked().length, 0);
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  assert.deepEqual(new Uint8Array((await it.files())[0] ?? []), CONTENT);
});

test('a lane ends with its deal, also one that its receiver has begun', async (t) => {
  for (const state of ['declined', 'withdrawn', 'expired', 'aborted'] as const) {
    const it = await sides(t);
    const { reply, id } = await lane(it);
    assert.equal(reply.kind, 'lane');
    const socket = connect(reply.kind === 'lane' ? reply.port : 0, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.on('error', () => {});
    let got = 0;
    const ahead = LANE_AHEAD * recordLength(SEALED_CHUNK_BYTES);
    const filled = withResolvers<void>();
    socket.on('data', (bytes) => {
      got += bytes.length;
      if (got === ahead) filled.resolve();
    });
    socket.write(id);
    await filled.promise;
    const cutOff = closed(socket);
    it.elm.set(state, it.digest);
    await until(`${state}: empty`, async () => (await it.elm.folders()).length === 0);
    // Whoever goes on asking gets no more.
    socket.write(encodeCount(16));
    await cutOff;
    assert.equal(got, ahead);
    assert.deepEqual((await lane(it)).reply, { kind: 'no', why: 'not-offered' });
  }
});

test('a receiver whose lane breaks amid it has the rest by another', async (t) => {
  const it = await sides(t);
  let lanes = 0;
  it.oak.wire.request = async (request, body) => {
    const reply = await it.serve(body);
    const found = request.kind === 'lane' ? decodeBulkReply(reply) : undefined;
    if (found?.kind !== 'lane') return reply;
    lanes += 1;
    if (lanes > 1) return reply;
    const cut = 40 * recordLength(SEALED_CHUNK_BYTES) + 99;
    const port = await between(t, found.port, (bytes, at, to) => {
      if (at + bytes.length < cut) to.write(bytes);
      else if (at < cut) to.end(bytes.subarray(0, cut - at));
    });
    return encodeBulkReply({ ...found, port });
  };
  await it.accept();
  await until('it is here', async () => (await it.phase()) === 'fetched', it.clock);
  assert.equal(lanes, 2);
  assert.equal(it.chunksAsked().length, 0);
  const [path = ''] = it.paths;
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  assert.deepEqual((await it.files())[0], await readFile(path));
});

test('a file that a long lane finds changed is looked at again after a minute, not after ten times as long', async (t) => {
  const it = await sides(t);
  const { reply, id } = await lane(it);
  // The lane has been open for an hour when it comes to what has changed.
  await it.clock.pass(3_600_000);
  await changeByte(it.paths[0] ?? '', 5);
  const socket = connect(reply.kind === 'lane' ? reply.port : 0, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(id);
  await until('it is told', () => it.elm.told.some(({ kind }) => kind === 'file-changed'));
  assert.deepEqual((await lane(it)).reply, { kind: 'no', why: 'file-changed' });
  await changeByte(it.paths[0] ?? '', 5);
  await it.clock.pass(60_000);
  assert.equal((await lane(it)).reply.kind, 'lane');
});
