// The content worker under load: memory and the event loop, many leaves, two queues, its end.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHUNK_BYTES, SEALED_CHUNK_BYTES } from '../../src/crypto/content.ts';
import { createContentWork } from '../../src/daemon/content-work.ts';
import { present } from '../../src/lib/assert.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { delivery, isCode, pattern, sealing, served, worker } from '../support/content-work.ts';
import { temporaryFolder } from '../support/temporary.ts';

const MIB = 2 ** 20;

async function randomFile(path: string, size: number): Promise<Uint8Array> {
  const digest = createHash('sha256');
  const out = createWriteStream(path);
  for (let at = 0; at < size; at += MIB) {
    const part = randomBytes(MIB);
    digest.update(part);
    if (!out.write(part)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return digest.digest();
}

test('memory does not grow with the content, the event loop stays free, and progress is told', async (t) => {
  const folder = await temporaryFolder(t);
  const work = createContentWork(worker);
  t.after(() => work.close());
  let turns = 0;
  let most = 0;
  const sample = () => {
    turns += 1;
    most = Math.max(most, process.memoryUsage.rss());
  };

  async function pass(name: string, size: number): Promise<void> {
    const source = join(folder, `${name}-source`);
    const digest = await randomFile(source, size);
    const offer = { ...sealing, files: [{ path: source, size }], leavesPath: join(folder, `${name}-leaves`) };
    const told: number[] = [];
    const before = turns;
    const prepared = await work.run('prepare', offer, (bytes) => told.push(bytes));
    assert.ok(turns - before > 3, `${turns - before} turns of the event loop`);
    assert.ok(told.length > 1 && told.every((bytes, at) => bytes <= size && bytes >= (told[at - 1] ?? 0)), `${told}`);
    assert.equal(toHex(present(prepared.sha256[0], 'digest')), toHex(digest));
    const sealedPath = join(folder, `${name}-sealed`);
    const sealed = createWriteStream(sealedPath);
    for (let from = 0; from < prepared.chunks; from += 16)
      if (!sealed.write(await served(work, { ...offer, contentRoot: prepared.contentRoot, from, count: 16 })))
        await once(sealed, 'drain');
    sealed.end();
    await once(sealed, 'close');
    const job = { ...prepared, sealedPath, leavesPath: offer.leavesPath, saltsPath: join(folder, 'salts') };
    assert.equal(await work.run('compare', job), 'right');
    const files = [{ path: join(folder, `${name}-out`), size, sha256: digest }];
    assert.deepEqual(await work.run('open', { ...job, ...sealing, files }), { kind: 'right' });
  }

  const sampling = setInterval(sample, 5);
  t.after(() => clearInterval(sampling));
  // Three workers, their code and the garbage that they let lie cost the same at any size: some 100 MiB, which this pays first.
  await pass('small', 48 * MIB);
  const before = most;
  const large = 256 * MIB;
  await pass('large', large);
  t.diagnostic(`memory grew by ${Math.round((most - before) / MIB)} MiB`);
  assert.ok(most - before < large / 2, `memory grew by ${Math.round((most - before) / MIB)} MiB`);
});

test('leaves are read in blocks: those of 128 GiB take no memory', async (t) => {
  const folder = await temporaryFolder(t);
  const work = createContentWork(worker);
  t.after(() => work.close());
  const chunks = 2 ** 21;
  const leavesPath = join(folder, 'leaves');
  await writeFile(leavesPath, '');
  await truncate(leavesPath, chunks * 32);
  const roots = { contentRoot: new Uint8Array(32), sealedRoot: new Uint8Array(32) };
  const compare = (count: number) =>
    work.run('compare', { sealedPath: leavesPath, leavesPath, bytes: count * CHUNK_BYTES, ...roots });
  // The worker is there, and has been at it.
  await truncate(leavesPath, (chunks / 16) * 32);
  assert.equal(await compare(chunks / 16), 'wrong-leaves');
  await truncate(leavesPath, chunks * 32);
  const before = process.memoryUsage.rss();
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  t.after(() => clearInterval(sampling));
  assert.equal(await compare(chunks), 'wrong-leaves');
  t.diagnostic(`memory grew by ${Math.round((most - before) / MIB)} MiB`);
  assert.ok(most - before < (chunks * 32) / 2, `memory grew by ${Math.round((most - before) / MIB)} MiB`);
});

test('reads are answered while a long job runs', async (t) => {
  const one = await delivery(t, [pattern(CHUNK_BYTES, 3)]);
  await one.work.run('prepare', one.offer);
  const long = join(one.folder, 'long');
  await writeFile(long, new Uint8Array(64 * 2 ** 20));
  let ended = false;
  const preparing = one.work
    .run('prepare', {
      ...sealing,
      files: [{ path: long, size: 64 * 2 ** 20 }],
      leavesPath: join(one.folder, 'long-leaves'),
    })
    .then(() => {
      ended = true;
    });
  assert.equal((await served(one.work, { ...one.offer, from: 0, count: 1 })).length, SEALED_CHUNK_BYTES);
  assert.equal(ended, false);
  await preparing;
});

test('close rejects what runs and what waits, and what comes after it', async (t) => {
  const one = await delivery(t, [pattern(20 * CHUNK_BYTES, 3)]);
  const jobs = [one.work.run('prepare', one.offer), one.work.run('prepare', one.offer)];
  const rejected = jobs.map((job) => assert.rejects(job, isCode('interrupted')));
  await one.work.close();
  await Promise.all(rejected);
  await assert.rejects(one.work.run('prepare', one.offer), isCode('interrupted'));
});
