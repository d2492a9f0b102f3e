// The file work of deliveries on the built worker: round trips, changed files, leaves and ranges, what is served.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { writeSync } from 'node:fs';
import { open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  CHUNK_BYTES,
  chunksOf,
  contentLeaf,
  merklePath,
  SEALED_CHUNK_BYTES,
  sealedBytes,
} from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { writeFully } from '../../src/daemon/content-files.ts';
import { createPath } from '../../src/daemon/content-receiving.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import {
  bytesOf,
  delivery,
  flip,
  isCode,
  outputs,
  pattern,
  pull,
  received,
  sealing,
  served,
} from '../support/content-work.ts';

test('several files come back as they were: empty ones, whole chunks, and borders in the middle of a chunk', async (t) => {
  const lists: readonly (readonly number[])[] = [
    [0],
    [0, 0],
    [1],
    [CHUNK_BYTES],
    [2 * CHUNK_BYTES, 0, CHUNK_BYTES],
    [0, 3, 0, CHUNK_BYTES - 3, 0],
    [CHUNK_BYTES + 1, 70_000, 0, 5, 3 * CHUNK_BYTES - 1],
  ];
  for (const sizes of lists) {
    const contents = sizes.map((size, index) => pattern(size, 7 + index));
    const one = await delivery(t, contents);
    const prepared = await one.work.run('prepare', one.offer);
    const { contentRoot, sealedRoot } = prepared;
    assert.deepEqual([prepared.bytes, prepared.chunks], [bytesOf(one), chunksOf(bytesOf(one))], `${sizes}`);
    assert.deepEqual(
      prepared.sha256.map(toHex),
      contents.map((content) => toHex(sha256(content))),
    );
    assert.equal((await stat(one.offer.leavesPath)).size, 32 * prepared.chunks);
    assert.ok(!(await readdir(one.folder)).includes('leaves.tmp'));

    const sealedPath = await pull(one, 2);
    assert.equal((await stat(sealedPath)).size, sealedBytes(prepared.bytes));
    const both = { ...received(one, sealedPath), contentRoot, sealedRoot };
    assert.equal(await one.work.run('compare', both), 'right');

    const files = outputs(one);
    assert.deepEqual(await one.work.run('open', { ...both, ...sealing, files }), { kind: 'right' });
    for (const [index, { path }] of files.entries()) {
      assert.equal(toHex(sha256(await readFile(path))), toHex(sha256(present(contents[index], 'content'))));
      assert.equal((await stat(path)).mode & 0o777, 0o600);
    }
  }
});

test('a read that goes past the end ends with the last chunk', async (t) => {
  const one = await delivery(t, [pattern(CHUNK_BYTES + 10, 3)]);
  await one.work.run('prepare', one.offer);
  const all = await served(one.work, { ...one.offer, from: 0, count: 16 });
  assert.equal(all.length, sealedBytes(CHUNK_BYTES + 10));
  const last = await served(one.work, { ...one.offer, from: 1, count: 1 });
  assert.equal(toHex(last), toHex(all.subarray(SEALED_CHUNK_BYTES)));
  assert.equal((await served(one.work, { ...one.offer, from: 2, count: 1 })).length, 0);
});

test('a file that is not what it was is an error, in preparing and in serving, and the worker goes on', async (t) => {
  const one = await delivery(t, [pattern(1000, 3), pattern(3 * CHUNK_BYTES, 5)]);
  const wrongSize = one.offer.files.map(({ path, size }, index) => ({ path, size: index === 1 ? size - 1 : size }));
  await assert.rejects(one.work.run('prepare', { ...one.offer, files: wrongSize }), isCode('file-changed'));
  assert.deepEqual(
    (await readdir(one.folder)).filter((name) => name === 'leaves'),
    [],
  );
  await one.work.run('prepare', one.offer);

  const [, second] = one.files;
  const path = present(second, 'file').path;
  const before = await served(one.work, { ...one.offer, from: 1, count: 1 });
  const file = await open(path, 'r+');
  // One byte in the second chunk of the content; the size stays.
  await file.write(Uint8Array.of(255), 0, 1, CHUNK_BYTES);
  await file.close();
  await assert.rejects(served(one.work, { ...one.offer, from: 0, count: 3 }), isCode('file-changed'));
  await assert.rejects(served(one.work, { ...one.offer, from: 1, count: 1 }), isCode('file-changed'));
  assert.equal((await served(one.work, { ...one.offer, from: 0, count: 1 })).length, before.length);
  await truncate(path, 3 * CHUNK_BYTES - 1);
  await assert.rejects(served(one.work, { ...one.offer, from: 2, count: 1 }), isCode('file-changed'));
  await rm(path);
  await assert.rejects(served(one.work, { ...one.offer, from: 2, count: 1 }), isCode('file-changed'));
});

test('leaves or ciphertext other than the roots name are told apart', async (t) => {
  const one = await delivery(t, [pattern(3 * CHUNK_BYTES + 9, 11)]);
  const { contentRoot, sealedRoot } = await one.work.run('prepare', one.offer);
  const sealedPath = await pull(one, 4);
  const [leaves, sealed] = await Promise.all([readFile(one.offer.leavesPath), readFile(sealedPath)]);
  const compare = () => one.work.run('compare', { ...received(one, sealedPath), contentRoot, sealedRoot });
  const put = async (path: string, bytes: Uint8Array, at: number) =>
    writeFile(
      path,
      bytes.map((byte, place) => (place === at ? byte ^ 1 : byte)),
    );

  await put(one.offer.leavesPath, leaves, 40);
  assert.equal(await compare(), 'wrong-leaves');
  await writeFile(one.offer.leavesPath, leaves.subarray(32));
  assert.equal(await compare(), 'wrong-leaves');
  await writeFile(one.offer.leavesPath, leaves);
  for (const at of [0, SEALED_CHUNK_BYTES - 1, SEALED_CHUNK_BYTES, sealed.length - 1]) {
    await put(sealedPath, sealed, at);
    assert.equal(await compare(), 'wrong-ciphertext', `byte ${at}`);
  }
  await writeFile(sealedPath, sealed.subarray(0, -1));
  assert.equal(await compare(), 'wrong-ciphertext');
  await writeFile(sealedPath, sealed);
  assert.equal(await compare(), 'right');
});

test('a pipe in the place of a file is a changed file, and nobody waits for who writes into it', {
  timeout: 20_000,
}, async (t) => {
  const one = await delivery(t, [pattern(100, 3)]);
  await one.work.run('prepare', one.offer);
  const path = one.offer.files[0]?.path ?? assert.fail('a file');
  await rm(path);
  execFileSync('mkfifo', [path]);
  await assert.rejects(one.work.run('seal', { ...one.offer, from: 0, count: 1 }), isCode('file-changed'));
  await assert.rejects(one.work.run('prepare', one.offer), isCode('file-changed'));
});

/** The root of whatever ciphertext lies there. */
test('a preparation that fails leaves nothing behind', async (t) => {
  const one = await delivery(t, [pattern(3 * CHUNK_BYTES, 3), pattern(10, 5)]);
  const before = (await readdir(one.folder)).toSorted();
  const files = one.offer.files.map((file, index) => (index === 1 ? { ...file, size: file.size + 1 } : file));
  await assert.rejects(one.work.run('prepare', { ...one.offer, files }), isCode('file-changed'));
  assert.deepEqual((await readdir(one.folder)).toSorted(), before);
});

test('leaves of ours that are damaged or gone are not a changed file, and are never served', async (t) => {
  const one = await delivery(t, [pattern(3 * CHUNK_BYTES + 1, 3)]);
  await one.work.run('prepare', one.offer);
  const { leavesPath, contentRoot } = one.offer;
  const asked = { leavesPath, contentRoot, bytes: bytesOf(one), from: 0, count: 4 };
  const leaves = await readFile(leavesPath);
  assert.equal(toHex(await one.work.run('leaves', asked)), toHex(leaves));
  const seal = () => served(one.work, { ...one.offer, from: 0, count: 2 });
  for (const damage of [
    () => writeFile(leavesPath, flip(leaves, 40)),
    () => truncate(leavesPath, 32),
    () => rm(leavesPath),
  ]) {
    await damage();
    await assert.rejects(seal(), isCode('archive-corrupt'));
    await assert.rejects(one.work.run('leaves', asked), isCode('archive-corrupt'));
    await writeFile(leavesPath, leaves);
  }
  assert.equal((await seal()).length, 2 * SEALED_CHUNK_BYTES);
  assert.equal(toHex(await one.work.run('leaves', { ...asked, from: 2 })), toHex(leaves.subarray(64)));
});

test('a range that is none, or larger than a reply, is refused', async (t) => {
  const one = await delivery(t, [pattern(3 * CHUNK_BYTES, 3)]);
  await one.work.run('prepare', one.offer);
  const { leavesPath, contentRoot } = one.offer;
  for (const [from, count] of [
    [-1, 1],
    [4, 1],
    [2 ** 53, 1],
    [Number.NaN, 1],
    [0.5, 1],
    [0, 0],
    [0, -1],
    [0, 32_769],
    [0, 1.5],
    [0, Number.POSITIVE_INFINITY],
  ] as const) {
    await assert.rejects(served(one.work, { ...one.offer, from, count }), isCode('usage'), `${from} ${count}`);
    const leaves = { leavesPath, contentRoot, bytes: bytesOf(one), from, count };
    await assert.rejects(one.work.run('leaves', leaves), isCode('usage'), `${from} ${count}`);
  }
  await assert.rejects(served(one.work, { ...one.offer, from: 0, count: 17 }), isCode('usage'));
});

test('a path made from leaves in order is the path made from all of them', () => {
  for (let count = 1; count <= 35; count += 1) {
    const leaves = Array.from({ length: count }, (_, at) => contentLeaf(at, new Uint8Array(16), Uint8Array.of(at)));
    for (let index = 0; index < count; index += 1)
      for (const tree of ['content', 'sealed'] as const) {
        const path = createPath(tree, index, count);
        leaves.forEach((leaf, at) => void path.add(at, leaf));
        assert.deepEqual(path.path(), merklePath(tree, concat(...leaves), index), `${index} of ${count}`);
      }
  }
});

test('a system that takes less than it was given gets the rest, and one that takes nothing is an error', () => {
  const taken: number[] = [];
  const write = ((_: number, bytes: Uint8Array, from: number, length: number) => {
    const some = bytes.subarray(from, from + Math.min(7, length));
    taken.push(...some);
    return some.length;
  }) as typeof writeSync;
  const bytes = pattern(100, 3);
  writeFully(1, bytes, write);
  assert.deepEqual(taken, [...bytes]);
  assert.throws(() => writeFully(1, bytes, (() => 0) as typeof writeSync), isCode('disk-failed'));
});
