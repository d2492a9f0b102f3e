// Two threads on one content: the same answers as by one, and nobody waits for one that has ended.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, open, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { CHUNK_BYTES, decodeWrongChunk } from '../../src/crypto/content.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { BESIDE_LEAST_BYTES, beside, besideBuffer } from '../../src/daemon/content-beside.ts';
import { digests, open as openContent } from '../../src/daemon/content-receiving.ts';
import { openSealer, prepare, sealedRoot } from '../../src/daemon/content-sending.ts';
import { createContentWork } from '../../src/daemon/content-work.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { temporaryFolder } from '../support/temporary.ts';

const x = new Uint8Array(32).fill(5);
const sealing = { x, point: publicPoint(x), seed: new Uint8Array(32).fill(6) };
const SIZES = [5 * CHUNK_BYTES + 9, 0, BESIDE_LEAST_BYTES, 1, 3 * CHUNK_BYTES - 10, 0];

async function made(t: TestContext) {
  const folder = await temporaryFolder(t);
  const work = createContentWork(pathToFileURL(resolve('dist/content-worker.js')));
  t.after(() => work.close());
  const files = await Promise.all(
    SIZES.map(async (size, index) => {
      const path = join(folder, `source-${index}`);
      const data = randomBytes(size);
      await writeFile(path, data);
      return { path, size, sha256: new Uint8Array(createHash('sha256').update(data).digest()) };
    }),
  );
  return { folder, work, files, job: { files, leavesPath: join(folder, 'leaves'), ...sealing } };
}

type Made = Awaited<ReturnType<typeof made>>;

/** Prepared by two threads, and all of the ciphertext where a receiver has it. */
async function received(it: Made) {
  const prepared = await it.work.run('prepare', it.job);
  const sealer = openSealer({ ...it.job, contentRoot: prepared.contentRoot });
  const sealedPath = join(it.folder, 'sealed');
  await writeFile(sealedPath, concat(...Array.from({ length: prepared.chunks }, (_, index) => sealer.sealed(index))));
  sealer.close();
  const { contentRoot, sealedRoot: root, bytes } = prepared;
  const outputs = it.files.map(({ size, sha256 }, index) => ({
    path: join(it.folder, 'out', `${index}`),
    size,
    sha256,
  }));
  const { leavesPath } = it.job;
  const saltsPath = join(it.folder, 'salts');
  const roots = { contentRoot, sealedRoot: root };
  return {
    prepared,
    job: { leavesPath, sealedPath, saltsPath, bytes, x, point: sealing.point, ...roots, files: outputs },
  };
}

const inHex = ({ contentRoot, sealedRoot: root, sha256 }: ReturnType<typeof prepare>): readonly string[] =>
  [contentRoot, root, ...sha256].map(toHex);

test('prepared by two threads it is what one makes of it', async (t) => {
  const it = await made(t);
  const both = await it.work.run('prepare', it.job);
  const leaves = await readFile(it.job.leavesPath);
  assert.deepEqual(inHex(both), inHex(prepare(it.job, () => {})));
  assert.deepEqual(await readFile(it.job.leavesPath), leaves);
  assert.deepEqual(
    both.sha256.map(toHex),
    it.files.map(({ sha256 }) => toHex(sha256)),
  );
});

test('opened by two threads the files are what they were', async (t) => {
  const it = await made(t);
  const { job } = await received(it);
  assert.deepEqual(await it.work.run('open', job), { kind: 'right' });
  for (const [index, { path }] of it.files.entries())
    assert.deepEqual(await readFile(join(it.folder, 'out', `${index}`)), await readFile(path));
});

test('a file that is described wrongly is found by the second thread, a wrong chunk by the first', async (t) => {
  const it = await made(t);
  const { job } = await received(it);
  const files = job.files.map((file, index) => (index === 2 ? { ...file, sha256: new Uint8Array(32) } : file));
  assert.deepEqual(await it.work.run('open', { ...job, files }), { kind: 'misdescribed', file: 2 });
  const file = await open(job.sealedPath, 'r+');
  await file.write(Uint8Array.of(0xff, 0xff), 0, 2, 100 * CHUNK_BYTES);
  await file.close();
  // The ciphertext is not of its root any more, which is damage of ours and no proof against anybody.
  await assert.rejects(
    it.work.run('open', job),
    (error) => error instanceof FitError && error.code === 'archive-corrupt',
  );
  assert.ok(!existsSync(join(it.folder, 'out', '0')));
});

test('a key that does not open it ends both at the first chunk', async (t) => {
  const it = await made(t);
  const { job } = await received(it);
  const other = await made(t);
  const { job: theirs } = await received(other);
  // Leaves and root of another content: the first chunk opens to none of them.
  const opened = await it.work.run('open', { ...job, leavesPath: theirs.leavesPath, contentRoot: theirs.contentRoot });
  assert.ok(opened.kind === 'wrong');
  assert.equal(decodeWrongChunk(opened.proof).index, 0);
  assert.deepEqual(await it.work.run('open', job), { kind: 'right' });
});

test('a file that is written to while two threads read it is no offer', async (t) => {
  const it = await made(t);
  let written: Promise<void> | undefined;
  const preparing = it.work.run('prepare', it.job, () => {
    written ??= appendFile(it.files[4]?.path ?? '', 'x');
  });
  await assert.rejects(preparing, (error) => error instanceof FitError && error.code === 'file-changed');
  await written;
});

test('without the second thread the first does its work', async (t) => {
  const it = await made(t);
  const { prepared, job } = await received(it);
  const shared = besideBuffer(SIZES.length);
  beside(shared).abandon();
  assert.deepEqual(inHex(prepare({ ...it.job, shared }, () => {})), inHex(prepared));
  assert.deepEqual(
    openContent({ ...job, shared }, () => {}),
    { kind: 'right' },
  );
});

test('when the first has left the second stops', async (t) => {
  const it = await made(t);
  const shared = besideBuffer(SIZES.length);
  beside(shared).leave();
  sealedRoot({ ...it.job, shared });
  digests({ files: it.files, shared });
  beside(shared).abandon();
  assert.equal(beside(shared).take(), null);
});

test('what the second gives is taken in order, once it is there', () => {
  const shared = besideBuffer(2);
  const [first, second] = [beside(shared), beside(shared)];
  first.reach(10);
  assert.ok(second.waitFor(10));
  second.give([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]);
  second.abandon();
  assert.deepEqual(first.take(), [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]);
  first.leave();
  first.reach(20);
  assert.equal(second.waitFor(20), false);
});
