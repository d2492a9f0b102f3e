/**
 * What is brought to an arbiter for full checks: nothing unasked, nothing that does not fit, so much of one address and in all, and
 * nothing that stays when nobody goes on with it; what is compared is what was brought.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sealedBytes } from '../../src/crypto/content.ts';
import { judge } from '../../src/daemon/content-judging.ts';
import type { ContentWork } from '../../src/daemon/content-work.ts';
import { createUploads, type Limits } from '../../src/daemon/uploads.ts';
import type { ContentItem } from '../../src/exchange/items.ts';
import { decodePiece, type Piece, piecesOf } from '../../src/exchange/pieces.ts';
import { present } from '../../src/lib/assert.ts';
import { concat } from '../../src/lib/bytes.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { makeContent } from '../support/rogue-delivery.ts';
import { temporaryFolder } from '../support/temporary.ts';

const BYTES = 150_000;
const SIZE = sealedBytes(BYTES);
const HOUR = 3_600_000;
const content = makeContent({ bytes: BYTES });
const ciphertext = concat(...content.sealed);
const item: ContentItem = {
  kind: 'content',
  point: content.point,
  ciphertextRoot: content.sealedRoot,
  plaintextRoot: content.terms.root,
  bytes: BYTES,
  chunks: content.terms.chunks,
};
const xidOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const piecesFor = (n: number): readonly Piece[] => [...piecesOf(xidOf(n), BYTES, ciphertext, 0)].map(decodePiece);

async function make(t: TestContext, limits: Partial<Limits> = {}) {
  const root = join(await temporaryFolder(t), 'brought');
  const clock = new ManualClock();
  const work = {
    run: async (name: string, job: Parameters<typeof judge>[0]) => (name === 'judge' ? judge(job) : null),
  };
  const uploads = createUploads(
    { root, clock, log: silentLogger, work: work as unknown as Pick<ContentWork, 'run'> },
    { bytes: 10 * SIZE, count: 10, bytesOfOne: 10 * SIZE, countOfOne: 10, ...limits },
  );
  t.after(() => uploads.end());
  const want = (n: number, account = 'a', days = 20): number =>
    uploads.want({ xid: xidOf(n), item, notAfter: clock.now() / 1000 + days * 86_400, account });
  const first = (n: number) => uploads.take(present(piecesFor(n)[0], 'a piece'));
  const here = (): readonly string[] => (existsSync(root) ? readdirSync(root) : []);
  return { root, clock, uploads, want, first, here };
}

test('only what is wanted is taken, only at its place, and what was brought is what is compared', async (t) => {
  const { root, uploads, want, first, here } = await make(t);
  assert.equal(await first(1), 'not-wanted');
  assert.equal(want(1), 0);
  const pieces = piecesFor(1);
  for (const [at, piece] of pieces.entries()) {
    const other = present(pieces[(at + 1) % pieces.length], 'another piece');
    assert.equal(await uploads.take({ ...other, index: at }), 'wrong');
    assert.ok(!uploads.isHere(xidOf(1)));
    assert.equal(await uploads.take(piece), 'taken');
    assert.equal(want(1), at + 1);
  }
  assert.ok(uploads.isHere(xidOf(1)));
  assert.equal(await uploads.judge(xidOf(1), null), 'whole');
  assert.equal(await uploads.judge(xidOf(1), content.x), 'right');
  const other = { ...item, plaintextRoot: new Uint8Array(32) };
  uploads.want({ xid: xidOf(2), item: other, notAfter: 2_000_000, account: 'a' });
  for (const piece of piecesFor(2)) assert.equal(await uploads.take(piece), 'taken');
  assert.equal(await uploads.judge(xidOf(2), content.x), 'wrong');
  // Damage on the disk is nobody's wrong content: it has to be brought again.
  for (const name of here()) truncateSync(join(root, name), SIZE - 1);
  assert.equal(await uploads.judge(xidOf(1), content.x), 'missing');
  assert.equal(await uploads.judge(xidOf(2), content.x), 'missing');
  assert.deepEqual(here(), []);
  assert.equal(want(1), 0);
  assert.equal(await first(1), 'taken');
});

for (const [what, limits, more] of [
  ['count of one address', { countOfOne: 2 }, true],
  ['bytes of one address', { bytesOfOne: 3 * SIZE - 1 }, true],
  ['count in all', { count: 2 }, false],
  ['bytes in all', { bytes: 3 * SIZE - 1 }, false],
] as const) {
  test(`beyond the ${what} nothing more is wanted, until room is made`, async (t) => {
    const { uploads, want, first } = await make(t, limits);
    for (const n of [1, 2, 3]) assert.equal(want(n), 0);
    assert.deepEqual(await Promise.all([first(1), first(2), first(3)]), ['taken', 'taken', 'not-wanted']);
    want(4, 'b');
    assert.equal(await first(4), more ? 'taken' : 'not-wanted');
    // Who asks again for what lies here needs no more room.
    assert.equal(want(2), 1);
    await uploads.drop(xidOf(1));
    want(3);
    assert.equal(await first(3), 'taken');
  });
}

test('what nobody goes on with goes after an hour, and all of it at the end of help', async (t) => {
  const { clock, want, first, here } = await make(t);
  want(1);
  want(2, 'a', 0.05);
  assert.deepEqual(await Promise.all([first(1), first(2)]), ['taken', 'taken']);
  await clock.pass(HOUR - 1);
  assert.equal(here().length, 2);
  // Who asks, or brings a piece again, goes on with it.
  assert.equal(want(2), 1);
  await clock.pass(1);
  while (here().length > 1) await settled();
  assert.equal(await first(1), 'not-wanted');
  assert.equal(await first(2), 'taken');
  // 72 minutes, however often somebody asks.
  await clock.pass(0.05 * 24 * HOUR - HOUR);
  while (here().length > 0) await settled();
  assert.equal(await first(2), 'not-wanted');
  assert.equal(clock.timers, 0);
});
