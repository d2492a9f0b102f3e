// Deliveries between two traders over a link that tests break: damage made good, files that changed, accepting again.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { HASH_BYTES, SEALED_CHUNK_BYTES } from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { decodeBulkReply, encodeBulkRequest } from '../../src/daemon/bulk.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import { changeByte, isCode, MIB, offered, until } from '../support/delivery-sides.ts';

test('damage on our own disk while the key was on its way is made good: fetched again, and then it is right', async (t) => {
  const contents = [randomBytes(3 * MIB + 5), randomBytes(10)];
  const it = await offered(t, contents);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  const folder = await it.folderOf(it.oak);
  await changeByte(it.oak.contents.sealed(folder), 2 * SEALED_CHUNK_BYTES + 100);
  // The sender is away first.
  let away = true;
  it.oak.wire.request = async (_, body) => (away ? Promise.reject(new Error('away')) : it.serve(body));
  const opening = it.opened();
  await until('it is told', async () => (await it.view()).trouble === 'the sender is away', it.clock);
  assert.equal(await it.phase(), 'fetching');
  away = false;
  await until('again', async () => (await it.phase()) !== 'fetching', it.clock);
  assert.deepEqual(await opening, { kind: 'right', trouble: null });
  assert.deepEqual(
    (await it.files()).map((file) => toHex(sha256(file))),
    contents.map((content) => toHex(sha256(content))),
  );
  assert.equal(it.oak.told.filter((event) => event.kind === 'peer-fault').length, 0);
  // A crash before what follows from it: the same answer again, with nothing left to compare.
  assert.equal(existsSync(it.oak.contents.sealed(folder)), false);
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
});

test('accepted again while it is fetched, it goes on: one fetch, one folder, and the new rate', async (t) => {
  const it = await offered(t, [randomBytes(3 * MIB)]);
  const [first, hold] = [withResolvers<void>(), withResolvers<void>()];
  it.oak.wire.request = async (request, body) => {
    if (request.kind === 'chunks') {
      first.resolve();
      await hold.promise;
    }
    return it.serve(body);
  };
  await it.accept();
  await first.promise;
  const folder = await it.folderOf(it.oak);
  await it.accept(10 * MIB);
  hold.resolve();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  assert.equal(await it.folderOf(it.oak), folder);
  assert.deepEqual(await it.oak.folders(), [folder]);
  assert.equal((await it.oak.contents.in(it.document))?.rate, 10 * MIB);
  // And once it is here.
  await it.accept();
  assert.equal(await it.phase(), 'fetched');
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
});

test('a file that has changed since is looked at again now and then, however often the peer asks', async (t) => {
  const it = await offered(t, [randomBytes(300_000)]);
  await changeByte(it.paths[0] ?? '', 5);
  const told = () => it.elm.told.filter(({ kind }) => kind === 'file-changed').length;
  const ask = async (kind: 'leaves' | 'chunks') =>
    decodeBulkReply(await it.serve(encodeBulkRequest({ kind, document: it.digest, from: 0, count: 1 })));
  const no = { kind: 'no', why: 'file-changed' };
  assert.deepEqual(await ask('chunks'), no);
  for (let more = 0; more < 20; more += 1) assert.deepEqual(await ask('chunks'), no);
  assert.equal(told(), 1, 'one look, one word to its owner');
  assert.match((await it.view(it.elm)).trouble ?? '', /not what it was/);
  // Nor are the hashes made again each time that they are asked for.
  await it.clock.pass(60_000);
  await rm(it.elm.contents.leaves(await it.folderOf(it.elm)), { force: true });
  await assert.rejects(ask('leaves'));
  await until('it is told', () => told() === 2);
  for (let more = 0; more < 20; more += 1) assert.deepEqual(await ask('leaves'), no);
  assert.equal(told(), 2);
  // The right file in its place again is served again.
  await changeByte(it.paths[0] ?? '', 5);
  await it.clock.pass(600_000);
  await assert.rejects(ask('leaves'));
  await until('made again', async () => (await ask('leaves').catch(() => undefined))?.kind === 'data');
  assert.equal((await it.view(it.elm)).trouble, null);
});

test('leaves gone, and damage that a restart finds half fetched again', async (t) => {
  const it = await offered(t, [randomBytes(3 * MIB)]);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  await rm(it.oak.contents.leaves(await it.folderOf(it.oak)));
  // One reply comes, then nothing; then the daemon ends.
  let replies = 0;
  it.oak.wire.request = async (_, body) => {
    replies += 1;
    return replies > 2 ? Promise.reject(new Error('away')) : it.serve(body);
  };
  const opening = it.opened();
  await until('one reply', async () => (await it.phase()) === 'fetching' && (await it.view()).done > 0, it.clock);
  it.oak.deliveries.pause();
  await assert.rejects(opening, isCode('interrupted'));
  it.oak.asked.length = 0;
  it.oak.wire.request = async (_, body) => it.serve(body);
  await it.oak.restart();
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  assert.equal(it.chunksAsked()[0]?.from, 16);
});

test('what lay here before a restart is not held against its sender, what came in one piece is', async (t) => {
  const it = await offered(t, [randomBytes(2 * MIB)]);
  let replies = 0;
  it.oak.wire.request = async (_, body) => {
    replies += 1;
    return replies > 3 ? Promise.reject(new Error('away')) : it.serve(body);
  };
  await it.accept();
  await until('half', async () => (await it.view()).done > 0, it.clock);
  it.oak.deliveries.pause();
  // Both: the leaves are found first, and fetching them again says nothing about the ciphertext.
  await changeByte(it.oak.contents.sealed(await it.folderOf(it.oak)), 77);
  await changeByte(it.oak.contents.leaves(await it.folderOf(it.oak)), 7);
  it.oak.wire.request = async (_, body) => it.serve(body);
  await it.oak.restart();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  assert.deepEqual(
    it.oak.told.filter((event) => event.kind === 'peer-fault'),
    [],
  );

  const other = await offered(t, [randomBytes(2 * MIB)]);
  other.oak.wire.request = async (request, body) => {
    const reply = await other.serve(body);
    if (request.kind === 'chunks') reply[reply.length - 5] = (reply.at(-5) ?? 0) ^ 1;
    return reply;
  };
  await other.accept();
  await until('failed', async () => (await other.phase()) === 'failed', other.clock);
  assert.match((await other.view()).trouble ?? '', /nothing was signed/);
  assert.deepEqual(
    other.oak.told.filter((event) => event.kind === 'peer-fault').map((event) => event.detail),
    ['wrong-ciphertext'],
  );
  assert.deepEqual(await other.oak.folders(), []);
});

test('leaves of the sender that are damaged are made again, and never given', async (t) => {
  const it = await offered(t, [randomBytes(2 * MIB)]);
  const leaves = it.elm.contents.leaves(await it.folderOf(it.elm));
  await changeByte(leaves, 3 * HASH_BYTES);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  await rm(leaves);
  const chunks = { ...it.chunksAsked()[0] };
  assert.equal(chunks.from, 0);
  it.oak.asked.length = 0;
  await rm(join(it.oak.root, await it.folderOf(it.oak)), { recursive: true });
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  const opening = it.opened();
  await until('again', async () => (await it.phase()) !== 'fetched' && (await it.phase()) !== 'fetching', it.clock);
  assert.deepEqual(await opening, { kind: 'right', trouble: null });
  assert.deepEqual(
    it.elm.told.filter((event) => event.kind === 'file-changed'),
    [],
  );

  // A changed file is one, whatever became of the leaves.
  await rm(leaves);
  await changeByte(it.paths[0] ?? '', 5);
  const request = it.oak.asked.find((one) => one.kind === 'chunks');
  assert.ok(request !== undefined);
  await assert.rejects(it.serve(encodeBulkRequest(request)), isCode('archive-corrupt'));
  await until('told', () => it.elm.told.some((event) => event.kind === 'file-changed'));
  assert.equal(existsSync(leaves), false);
});
