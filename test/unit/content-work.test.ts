// The file work of deliveries on the built worker: round trips, changed files, proofs of wrong chunks, memory, its end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, type writeSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  contentLeaf,
  createRoot,
  decodeWrongChunk,
  merklePath,
  provesWrong,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  saltOf,
  sealChunk,
  sealedBytes,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { decodeBulkReply } from '../../src/daemon/bulk.ts';
import { writeFully } from '../../src/daemon/content-files.ts';
import { createPath } from '../../src/daemon/content-receiving.ts';
import { type ContentWork, createContentWork } from '../../src/daemon/content-work.ts';
import type { ContentJobs } from '../../src/daemon/content-worker.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { temporaryFolder } from '../support/temporary.ts';

const worker = pathToFileURL(resolve('dist/content-worker.js'));
const isCode = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;
const x = new Uint8Array(32).fill(5);
const sealing = { x, point: publicPoint(x), seed: new Uint8Array(32).fill(6) };

interface Delivery {
  readonly folder: string;
  readonly work: ContentWork;
  readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: Uint8Array }[];
  readonly offer: Offer;
}

interface Offer {
  readonly x: Uint8Array;
  readonly point: Uint8Array;
  readonly seed: Uint8Array;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  readonly leavesPath: string;
  readonly contentRoot: Uint8Array;
}

/** The root of the content, computed without the worker. */
function rootOf(contents: readonly Uint8Array[]): Uint8Array {
  const all = concat(...contents);
  const root = createRoot('content');
  for (let index = 0; index < chunksOf(all.length); index += 1) {
    const chunk = all.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    root.add(contentLeaf(index, saltOf(sealing.seed, index), chunk));
  }
  return root.root();
}

async function delivery(t: TestContext, contents: readonly Uint8Array[]): Promise<Delivery> {
  const folder = await temporaryFolder(t);
  const work = createContentWork(worker);
  t.after(() => work.close());
  const files = await Promise.all(
    contents.map(async (content, index) => {
      const path = join(folder, `source-${index}`);
      await writeFile(path, content);
      return { path, size: content.length, sha256: sha256(content) };
    }),
  );
  const offer = {
    ...sealing,
    files: files.map(({ path, size }) => ({ path, size })),
    leavesPath: join(folder, 'leaves'),
    contentRoot: rootOf(contents),
  };
  return { folder, work, files, offer };
}

const bytesOf = ({ files }: Delivery): number => files.reduce((sum, { size }) => sum + size, 0);

/** What a peer gets that asks for chunks. */
async function served(work: ContentWork, job: Parameters<ContentJobs['seal']>[0]): Promise<Uint8Array> {
  const reply = decodeBulkReply(await work.run('seal', job));
  assert.ok(reply.kind === 'data');
  return reply.data;
}

/** Pulls the whole ciphertext as a receiver does, `count` chunks at a time. */
async function pull(one: Delivery, count: number): Promise<string> {
  const path = join(one.folder, 'sealed');
  const out = createWriteStream(path);
  for (let from = 0; from < chunksOf(bytesOf(one)); from += count) {
    const part = await served(one.work, { ...one.offer, from, count });
    if (!out.write(part)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return path;
}

const received = (one: Delivery, sealedPath: string) => ({
  sealedPath,
  leavesPath: one.offer.leavesPath,
  saltsPath: join(one.folder, 'salts'),
  bytes: bytesOf(one),
});

const outputs = (one: Delivery) =>
  one.files.map(({ size, sha256: digest }, index) => ({
    path: join(one.folder, 'out', `file-${index}`),
    size,
    sha256: digest,
  }));

const pattern = (length: number, of: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * of + Math.floor(at / 251)) % 256);

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
async function rootOfSealed(path: string, chunks: number): Promise<Uint8Array> {
  const sealed = await readFile(path);
  const root = createRoot('sealed');
  for (let index = 0; index < chunks; index += 1)
    root.add(sealedLeaf(index, sealed.subarray(index * SEALED_CHUNK_BYTES, (index + 1) * SEALED_CHUNK_BYTES)));
  return root.root();
}

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

/** A content of six chunks in two files, as its receiver holds it. */
async function held(t: TestContext) {
  const one = await delivery(t, [pattern(CHUNK_BYTES + 5, 11), pattern(4 * CHUNK_BYTES + 72, 13)]);
  const { contentRoot, sealedRoot } = await one.work.run('prepare', one.offer);
  const sealedPath = await pull(one, 3);
  const job = { ...received(one, sealedPath), contentRoot, sealedRoot };
  const out = join(one.folder, 'out');
  return {
    one,
    job,
    out,
    open: (more: object = {}) => one.work.run('open', { ...job, ...sealing, files: outputs(one), ...more }),
    left: async () => (await readdir(out).catch(() => [])).toSorted(),
  };
}

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, place) => (place === at ? byte ^ 1 : byte));

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
  // Two workers, their code and the garbage that they let lie cost the same at any size: some 100 MiB, which this pays first.
  await pass('small', 48 * MIB);
  const before = most;
  const large = 192 * MIB;
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
