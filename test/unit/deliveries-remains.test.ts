// What deliveries leave on either side's disk: nothing that nobody needs.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEAL, isCode, MIB, offered, until } from '../support/delivery-sides.ts';

test('a deal that ends leaves nothing on either side, also while it is fetched', async (t) => {
  for (const state of ['declined', 'withdrawn', 'expired', 'aborted'] as const) {
    const it = await offered(t, [randomBytes(2 * MIB)]);
    let first = true;
    it.oak.wire.request = async (request, body) => {
      if (request.kind === 'chunks' && !first) return Promise.reject(new Error('away'));
      first &&= request.kind !== 'chunks';
      return it.serve(body);
    };
    await it.accept();
    await until('half', async () => (await it.view()).done > 0, it.clock);
    assert.deepEqual([(await it.oak.folders()).length, (await it.elm.folders()).length], [1, 1]);
    for (const one of [it.elm, it.oak]) one.set(state, it.digest);
    for (const one of [it.elm, it.oak]) await until(`${state}: empty`, async () => (await one.folders()).length === 0);
    await until('failed', async () => (await it.phase()) === 'failed');
    await it.oak.restart();
    assert.deepEqual(await it.oak.folders(), []);
  }
});

test('a completed delivery leaves the opened files until they are taken, and nothing at its sender', async (t) => {
  const content = randomBytes(100_000);
  const it = await offered(t, [content]);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  for (const one of [it.elm, it.oak]) one.set('completed', it.digest);
  await until('sender', async () => (await it.elm.folders()).length === 0);
  const folder = join(it.oak.root, await it.folderOf(it.oak));
  await until('receiver', async () => (await readdir(folder)).join() === 'files');
  assert.deepEqual(await it.files(), [content]);
  await it.oak.restart();
  assert.deepEqual(await it.files(), [content]);
  await it.oak.deliveries.taken(it.document);
  assert.deepEqual(await it.oak.folders(), []);
  assert.equal(await it.phase(), 'taken');
});

test('a request that is refused leaves no files; one that waits keeps them; folders that no record names go at unlock', async (t) => {
  const it = await offered(t, [randomBytes(70_000)]);
  const kept = await it.elm.folders();
  const request = await it.elm.deliveries.make(DEAL, it.paths);
  const [asked, refused] = ['aaaaaaaaaaaa', 'bb'.repeat(32)];
  await it.elm.archive.batch([request.keep(refused, asked)]);
  it.elm.pending(asked, refused);
  it.elm.deliveries.refused(asked, refused);
  await it.elm.restart();
  assert.equal((await it.elm.folders()).length, 2);
  it.elm.pending(asked, undefined);
  it.elm.deliveries.refused(asked, refused);
  await until('gone', async () => (await it.elm.folders()).length === 1);
  assert.equal(await it.elm.contents.out(refused), undefined);

  // Refused while we were locked or ended: found at the unlock.
  const later = await it.elm.deliveries.make(DEAL, it.paths);
  await it.elm.archive.batch([later.keep(refused, asked)]);
  await mkdir(join(it.elm.root, 'f'.repeat(32)));
  await writeFile(join(it.elm.root, 'f'.repeat(32), 'leaves.tmp'), 'x');
  await mkdir(join(it.elm.root, 'not ours'));
  // What this run is making has no record yet.
  await it.elm.restart();
  const making = await it.elm.deliveries.make(DEAL, it.paths);
  await it.elm.deliveries.resume();
  const left = await it.elm.folders();
  assert.equal(left.length, 3, left.join());
  assert.ok(left.includes('not ours') && kept.every((one) => left.includes(one)));
  await making.discard();
  assert.deepEqual(await it.elm.folders(), [...kept, 'not ours'].toSorted());
  // What cannot be prepared leaves nothing either.
  await assert.rejects(it.elm.deliveries.make(DEAL, [join(it.elm.folder, 'missing')]), isCode('bad-file'));
  assert.deepEqual(await it.elm.folders(), [...kept, 'not ours'].toSorted());
});

test('a refused text beside an open deal takes its own files away, and those of another text stay', async (t) => {
  const it = await offered(t, [randomBytes(70_000)]);
  const kept = await it.elm.folders();
  const [same, own] = ['cc'.repeat(32), 'dd'.repeat(32)];
  const again = await it.elm.deliveries.again(same, DEAL, it.made.content);
  assert.ok(again !== undefined);
  const other = await it.elm.deliveries.make(DEAL, it.paths);
  await it.elm.archive.batch([again, other.keep(own, DEAL)]);
  assert.equal((await it.elm.folders()).length, 2);
  for (const document of [same, own]) {
    it.elm.deliveries.refused(DEAL, document);
    await until('no record', async () => (await it.elm.contents.out(document)) === undefined);
  }
  await until('its folder', async () => (await it.elm.folders()).length === 1);
  assert.deepEqual(await it.elm.folders(), kept);
  assert.ok((await it.elm.contents.out(it.document)) !== undefined);
  // Saying it of a text that is on offer changes nothing.
  it.elm.deliveries.refused(DEAL, it.document);
  await it.elm.restart();
  assert.deepEqual(await it.elm.folders(), kept);
});
