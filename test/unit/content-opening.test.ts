// Opening content on the built worker: proofs of wrong chunks, files described otherwise, damage of our own, what appears and how.
import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  contentLeaf,
  createRoot,
  decodeWrongChunk,
  provesWrong,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  saltOf,
  sealChunk,
} from '../../src/crypto/content.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import {
  delivery,
  flip,
  held,
  isCode,
  outputs,
  pattern,
  pull,
  received,
  rootOfSealed,
  sealing,
  served,
  x,
} from '../support/content-work.ts';

test('a wrong chunk is found, and its proof convinces whoever knows the roots', async (t) => {
  const bytes = 5 * CHUNK_BYTES + 77;
  const one = await delivery(t, [pattern(CHUNK_BYTES + 5, 11), pattern(bytes - CHUNK_BYTES - 5, 13)]);
  // What the sender signs is the root of its leaves, and that of the ciphertext of something else.
  const { contentRoot } = await one.work.run('prepare', one.offer);
  const leaves = await readFile(one.offer.leavesPath);
  const right = await readFile(await pull(one, 3));
  for (const index of [0, 2, 5]) {
    const other = right.map((byte, at) => (at === index * SEALED_CHUNK_BYTES + 20 ? byte ^ 1 : byte));
    const sealedPath = join(one.folder, `sealed-${index}`);
    await writeFile(sealedPath, other);
    const sealedRoot = await rootOfSealed(sealedPath, chunksOf(bytes));
    const job = { ...received(one, sealedPath), contentRoot, sealedRoot };
    assert.equal(await one.work.run('compare', job), 'right');
    const opened = await one.work.run('open', { ...job, ...sealing, files: outputs(one) });
    assert.ok(opened.kind === 'wrong', opened.kind);
    const wrong = decodeWrongChunk(opened.proof);
    assert.equal(wrong.index, index);
    const facts = { x, point: sealing.point, contentRoot, sealedRoot, bytes, chunks: chunksOf(bytes) };
    assert.equal(provesWrong(facts, wrong), true);
    assert.equal(provesWrong({ ...facts, sealedRoot: contentRoot }, wrong), false);
  }
  assert.equal(toHex(await readFile(one.offer.leavesPath)), toHex(leaves));
});

test('right chunks of files that are described otherwise: the file is named, and no chunk is wrong', async (t) => {
  const one = await delivery(t, [pattern(10, 3), pattern(CHUNK_BYTES, 5), pattern(0, 1)]);
  const roots = await one.work.run('prepare', one.offer);
  const sealedPath = await pull(one, 8);
  const files = outputs(one).map((file, index) => (index === 1 ? { ...file, sha256: new Uint8Array(32) } : file));
  const opened = await one.work.run('open', {
    ...received(one, sealedPath),
    ...roots,
    ...sealing,
    files,
  });
  assert.deepEqual(opened, { kind: 'misdescribed', file: 1 });
  // With the salts the files have the root that was signed; of files that are described rightly no salts stay.
  const saltsPath = join(one.folder, 'salts');
  const salts = await readFile(saltsPath);
  const data = Buffer.concat(await Promise.all(files.map(({ path }) => readFile(path))));
  const root = createRoot('content');
  for (let index = 0; index * CHUNK_BYTES < data.length; index += 1)
    root.add(
      contentLeaf(
        index,
        salts.subarray(index * SALT_BYTES, (index + 1) * SALT_BYTES),
        data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
      ),
    );
  assert.equal(toHex(root.root()), toHex(roots.contentRoot));
  assert.equal((await stat(saltsPath)).mode & 0o777, 0o600);
  const described = { ...received(one, sealedPath), ...roots, ...sealing, files: outputs(one) };
  assert.deepEqual(await one.work.run('open', described), { kind: 'right' });
  await assert.rejects(stat(saltsPath), { code: 'ENOENT' });
});

test('damage on our own disk after the comparison is our damage: no proof, no file', async (t) => {
  const { one, job, open: openIt, left } = await held(t);
  const { sealedPath, leavesPath } = job;
  assert.equal(await one.work.run('compare', job), 'right');
  const [sealed, leaves] = await Promise.all([readFile(sealedPath), readFile(leavesPath)]);
  const damages: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['a byte of the ciphertext', () => writeFile(sealedPath, flip(sealed, 2 * SEALED_CHUNK_BYTES + 30))],
    ['a byte of the salts', () => writeFile(sealedPath, flip(sealed, 3))],
    ['ciphertext cut short', () => truncate(sealedPath, sealed.length - 1)],
    ['ciphertext without its last chunks', () => truncate(sealedPath, 4 * SEALED_CHUNK_BYTES)],
    ['no ciphertext', () => rm(sealedPath)],
    ['a leaf', () => writeFile(leavesPath, flip(leaves, 2 * 32 + 1))],
    ['leaves cut short', () => truncate(leavesPath, 5 * 32)],
    ['leaves cut amid one', () => truncate(leavesPath, 6 * 32 - 1)],
    ['one leaf more', () => writeFile(leavesPath, concat(leaves, new Uint8Array(32)))],
    ['no leaves', () => rm(leavesPath)],
    // A chunk and its leaf together, each right for the other: only the root tells.
    [
      'a chunk and its leaf',
      async () => {
        const other = pattern(CHUNK_BYTES, 99);
        const salt = saltOf(sealing.seed, 2);
        const chunk = sealChunk(chunkKeys(x, sealing.point)(2), salt, other);
        await writeFile(
          sealedPath,
          concat(sealed.subarray(0, 2 * SEALED_CHUNK_BYTES), chunk, sealed.subarray(3 * SEALED_CHUNK_BYTES)),
        );
        await writeFile(leavesPath, concat(leaves.subarray(0, 64), contentLeaf(2, salt, other), leaves.subarray(96)));
      },
    ],
  ];
  for (const [what, damage] of damages) {
    await damage();
    await assert.rejects(openIt(), isCode('archive-corrupt'), what);
    assert.deepEqual(await left(), [], what);
    await Promise.all([writeFile(sealedPath, sealed), writeFile(leavesPath, leaves)]);
  }
  assert.deepEqual(await openIt(), { kind: 'right' });
  assert.deepEqual(await left(), ['file-0', 'file-1']);
});

test('a wrong chunk leaves no file, and damage elsewhere takes its proof away', async (t) => {
  const { one, job, open: openIt, left } = await held(t);
  const wrong = flip(await readFile(job.sealedPath), SEALED_CHUNK_BYTES + 20);
  await writeFile(job.sealedPath, wrong);
  const sealedRoot = await rootOfSealed(job.sealedPath, 6);
  assert.equal(await one.work.run('compare', { ...job, sealedRoot }), 'right');
  assert.equal((await openIt({ sealedRoot })).kind, 'wrong');
  assert.deepEqual(await left(), []);
  await writeFile(job.sealedPath, flip(wrong, 4 * SEALED_CHUNK_BYTES));
  await assert.rejects(openIt({ sealedRoot }), isCode('archive-corrupt'));
});

test('sizes of files that are not those of the content are refused before anything is written', async (t) => {
  const { one, job, open: openIt, left } = await held(t);
  for (const by of [-1, 1, CHUNK_BYTES, -CHUNK_BYTES]) {
    const files = outputs(one).map((file, index) => (index === 1 ? { ...file, size: file.size + by } : file));
    await assert.rejects(openIt({ files }), isCode('bad-file'), `${by}`);
    assert.deepEqual(await left(), []);
  }
  await assert.rejects(openIt({ files: [] }), isCode('bad-file'));
  assert.equal(await one.work.run('compare', job), 'right');
});

test('opened files are new and ours: no link is followed, no mode kept, nothing of an earlier attempt', async (t) => {
  const { one, out, open: openIt } = await held(t);
  await mkdir(out, { mode: 0o700 });
  const victim = join(one.folder, 'victim');
  await writeFile(victim, 'mine', { mode: 0o644 });
  await symlink(victim, join(out, 'file-0'));
  await writeFile(join(out, 'file-1'), new Uint8Array(9 * CHUNK_BYTES), { mode: 0o666 });
  await chmod(join(out, 'file-1'), 0o666);
  assert.deepEqual(await openIt(), { kind: 'right' });
  assert.equal(await readFile(victim, 'utf8'), 'mine');
  for (const [index, { path, size }] of outputs(one).entries()) {
    const found = await lstat(path);
    assert.deepEqual([found.isFile(), found.mode & 0o777, found.size], [true, 0o600, size], `${index}`);
  }
  // The folder itself is no link either.
  await rename(out, join(one.folder, 'elsewhere'));
  await symlink(join(one.folder, 'elsewhere'), out);
  await assert.rejects(openIt(), isCode('bad-config'));
  // Nor what was received.
  await rename(one.offer.leavesPath, join(one.folder, 'moved'));
  await symlink(join(one.folder, 'moved'), one.offer.leavesPath);
  await assert.rejects(served(one.work, { ...one.offer, from: 0, count: 1 }), isCode('archive-corrupt'));
});
