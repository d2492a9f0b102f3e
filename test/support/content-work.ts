/** Contents of a sender and of its receiver on the built worker, for tests of its jobs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  CHUNK_BYTES,
  chunksOf,
  contentLeaf,
  createRoot,
  SEALED_CHUNK_BYTES,
  saltOf,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { decodeBulkReply } from '../../src/daemon/bulk.ts';
import { type ContentWork, createContentWork } from '../../src/daemon/content-work.ts';
import type { ContentJobs } from '../../src/daemon/content-worker.ts';
import { concat } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { temporaryFolder } from './temporary.ts';

export const worker = pathToFileURL(resolve('dist/content-worker.js'));
export const isCode = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;
export const x = new Uint8Array(32).fill(5);
export const sealing = { x, point: publicPoint(x), seed: new Uint8Array(32).fill(6) };

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

export async function delivery(t: TestContext, contents: readonly Uint8Array[]): Promise<Delivery> {
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

export const bytesOf = ({ files }: Delivery): number => files.reduce((sum, { size }) => sum + size, 0);

/** What a peer gets that asks for chunks. */
export async function served(work: ContentWork, job: Parameters<ContentJobs['seal']>[0]): Promise<Uint8Array> {
  const reply = decodeBulkReply(await work.run('seal', job));
  assert.ok(reply.kind === 'data');
  return reply.data;
}

/** Pulls the whole ciphertext as a receiver does, `count` chunks at a time. */
export async function pull(one: Delivery, count: number): Promise<string> {
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

export const received = (one: Delivery, sealedPath: string) => ({
  sealedPath,
  leavesPath: one.offer.leavesPath,
  saltsPath: join(one.folder, 'salts'),
  bytes: bytesOf(one),
});

export const outputs = (one: Delivery) =>
  one.files.map(({ size, sha256: digest }, index) => ({
    path: join(one.folder, 'out', `file-${index}`),
    size,
    sha256: digest,
  }));

export const pattern = (length: number, of: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * of + Math.floor(at / 251)) % 256);

export async function rootOfSealed(path: string, chunks: number): Promise<Uint8Array> {
  const sealed = await readFile(path);
  const root = createRoot('sealed');
  for (let index = 0; index < chunks; index += 1)
    root.add(sealedLeaf(index, sealed.subarray(index * SEALED_CHUNK_BYTES, (index + 1) * SEALED_CHUNK_BYTES)));
  return root.root();
}

/** A content of six chunks in two files, as its receiver holds it. */
export async function held(t: TestContext) {
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

export const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, place) => (place === at ? byte ^ 1 : byte));
