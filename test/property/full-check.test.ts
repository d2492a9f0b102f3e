// A ciphertext brought in pieces, and what the arbiter makes of it: only its own chunks fit, right content is right whatever its
// size, one changed bit of any chunk is wrong, and damage on the arbiter's own disk is neither.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  contentLeaf,
  merkleRoot,
  saltOf,
  sealChunk,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { judge } from '../../src/daemon/content-judging.ts';
import type { ContentWork } from '../../src/daemon/content-work.ts';
import { createUploads, type Limits } from '../../src/daemon/uploads.ts';
import type { ContentItem } from '../../src/exchange/items.ts';
import {
  decodePiece,
  decodePieceReply,
  encodePiece,
  encodePieceReply,
  fitsCiphertext,
  isCiphertext,
  isPiece,
  PIECE_REPLIES,
  piecesOf,
} from '../../src/exchange/pieces.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, fromInt } from '../../src/lib/bytes.ts';
import { silentLogger as log } from '../../src/lib/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';

interface Sent {
  readonly item: ContentItem;
  readonly ciphertext: Uint8Array;
  readonly x: Uint8Array;
}

/** A sender's content; `wrong`: the chunk of which it gives another one, with a ciphertext root to it. */
function sent(bytes: number, secret: number, wrong?: number): Sent {
  const x = fromInt(BigInt(secret), 32);
  const point = publicPoint(x);
  const keyOf = chunkKeys(x, point);
  const seed = new Uint8Array(32).fill(secret & 0xff);
  const data = Buffer.alloc(bytes, `content ${secret}`);
  const made = Array.from({ length: chunksOf(bytes) }, (_, index) => {
    const salt = saltOf(seed, index);
    const chunk = data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    const sealed = Uint8Array.from(sealChunk(keyOf(index), salt, chunk));
    if (index === wrong) sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
    return { sealed, leaf: contentLeaf(index, salt, chunk), sealedLeaf: sealedLeaf(index, sealed) };
  });
  const item: ContentItem = {
    kind: 'content',
    point,
    ciphertextRoot: merkleRoot('sealed', concat(...made.map((one) => one.sealedLeaf))),
    plaintextRoot: merkleRoot('content', concat(...made.map((one) => one.leaf))),
    bytes,
    chunks: made.length,
  };
  return { item, ciphertext: concat(...made.map((one) => one.sealed)), x };
}

const sizes = fc.oneof(
  fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1),
  fc.integer({ min: 0, max: 5 * CHUNK_BYTES }),
);
const secrets = fc.integer({ min: 1, max: 2 ** 31 });
const work: Pick<ContentWork, 'run'> = {
  run: async (name, job) => {
    assert.equal(name, 'judge');
    return judge(job as Parameters<typeof judge>[0]) as never;
  },
};
const xid = (n = 1): Uint8Array => new Uint8Array(32).fill(n);
const ROOMY: Limits = { bytes: 2 ** 30, count: 1000, bytesOfOne: 2 ** 30, countOfOne: 1000 };

test('⚔ a piece fits the ciphertext that it is of, at its own place, and nothing else does', () => {
  fc.assert(
    fc.property(sizes, secrets, fc.nat(), fc.nat(), (bytes, secret, chosen, bit) => {
      const { item, ciphertext } = sent(bytes, secret);
      const frames = [...piecesOf(xid(), bytes, ciphertext, 0)];
      assert.equal(frames.length, item.chunks);
      assert.ok(isCiphertext(item, ciphertext));
      for (const frame of frames) {
        assert.ok(isPiece(frame));
        assert.ok(fitsCiphertext(item, decodePiece(frame)));
      }
      const piece = decodePiece(present(frames[chosen % frames.length], 'a piece'));
      const flipped = Uint8Array.from(piece.sealed);
      const at = bit % (flipped.length * 8);
      flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7));
      for (const other of [
        { ...piece, sealed: flipped },
        { ...piece, sealed: piece.sealed.subarray(1) },
        { ...piece, index: piece.index + 1 },
        { ...piece, path: [...piece.path, new Uint8Array(32)] },
        ...(piece.path.length === 0 ? [] : [{ ...piece, path: piece.path.slice(1) }]),
      ])
        assert.ok(!fitsCiphertext(item, decodePiece(encodePiece(other))));
      assert.ok(!isCiphertext(item, ciphertext.subarray(1)));
      assert.ok(!isCiphertext(sent(bytes, secret + 1).item, ciphertext));
    }),
    { numRuns: 40 },
  );
});

test('what is no piece is a fault, and no sealed request looks like one', () => {
  const frame = present([...piecesOf(xid(), 10, sent(10, 7).ciphertext, 0)][0], 'a piece');
  for (let cut = 0; cut < frame.length; cut += 1)
    assert.throws(() => decodePiece(frame.subarray(0, cut)), { name: 'PeerFault' });
  const long = encodePiece({ ...decodePiece(frame), path: Array.from({ length: 9 }, () => new Uint8Array(32)) });
  assert.throws(() => decodePiece(long), { name: 'PeerFault' });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !isPiece(Uint8Array.of(0x83, ...bytes))));
  for (const reply of PIECE_REPLIES) assert.equal(decodePieceReply(encodePieceReply(reply)), reply);
  assert.throws(() => decodePieceReply(encodePieceReply('yes' as 'taken')), { name: 'PeerFault' });
});

test('⚔ brought whole in any order, right content is right and one changed bit is wrong; the key decides, not who brought it', async (t) => {
  const root = await temporaryFolder(t);
  const clock = new ManualClock();
  const uploads = createUploads({ root: join(root, 'brought'), clock, log, work }, ROOMY);
  await fc.assert(
    fc.asyncProperty(sizes, secrets, fc.nat(), fc.boolean(), async (bytes, secret, chosen, good) => {
      const wrong = chosen % chunksOf(bytes);
      const { item, ciphertext, x } = good ? sent(bytes, secret) : sent(bytes, secret, wrong);
      const notAfter = clock.now() / 1000 + 86_400;
      assert.equal(uploads.want({ xid: xid(), item, notAfter, account: 'a' }), 0);
      const pieces = [...piecesOf(xid(), bytes, ciphertext, 0)].map(decodePiece);
      const [first, ...rest] = chosen % 2 === 0 ? pieces : pieces.toReversed();
      assert.equal(await uploads.judge(xid(), x), 'missing');
      for (const piece of rest) assert.equal(await uploads.take(piece), 'taken');
      assert.ok(!uploads.isHere(xid()));
      assert.equal(await uploads.take(present(first, 'a piece')), 'taken');
      assert.ok(uploads.isHere(xid()));
      assert.equal(uploads.want({ xid: xid(), item, notAfter, account: 'a' }), item.chunks);
      assert.equal(await uploads.judge(xid(), null), 'whole');
      assert.equal(await uploads.judge(xid(), x), good ? 'right' : 'wrong');
      await uploads.drop(xid());
      assert.equal(await uploads.take(present(first, 'a piece')), 'not-wanted');
    }),
    { numRuns: 30 },
  );
  assert.equal(clock.timers, 0);
  assert.deepEqual(readdirSync(join(root, 'brought')), []);
});

test('⚔ damage on the arbiter’s disk makes no content wrong: it has to be brought again', async (t) => {
  const root = await temporaryFolder(t);
  const clock = new ManualClock();
  const uploads = createUploads({ root, clock, log, work }, ROOMY);
  const { item, ciphertext, x } = sent(3 * CHUNK_BYTES, 9);
  const bring = async (): Promise<string> => {
    uploads.want({ xid: xid(), item, notAfter: 10_000, account: 'a' });
    for (const frame of piecesOf(xid(), item.bytes, ciphertext, 0)) await uploads.take(decodePiece(frame));
    return join(root, present(readdirSync(root)[0], 'its file'));
  };
  const [path, bytes] = [await bring(), Buffer.from(ciphertext)];
  assert.deepEqual(readFileSync(path), bytes);
  for (const spoil of [bytes.with(100, (bytes[100] ?? 0) ^ 1), bytes.subarray(1), randomBytes(bytes.length)])
    for (const key of [x, null]) {
      writeFileSync(await bring(), spoil);
      assert.equal(await uploads.judge(xid(), key), 'missing');
      assert.ok(!uploads.isHere(xid()));
      assert.deepEqual(readdirSync(root), []);
    }
  await bring();
  assert.equal(await uploads.judge(xid(), x), 'right');
  await uploads.end();
  assert.deepEqual(readdirSync(root), []);
});

test('⚔ what lies here is bounded, of one address and in all; what nobody goes on with is taken away', async (t) => {
  const root = await temporaryFolder(t);
  const clock = new ManualClock();
  const size = sent(10, 3).ciphertext.length;
  const limits = { bytes: 4 * size, count: 3, bytesOfOne: 2 * size, countOfOne: 2 };
  const uploads = createUploads({ root, clock, log, work }, limits);
  const { item, ciphertext } = sent(10, 3);
  const [frame] = [...piecesOf(xid(), 10, ciphertext, 0)];
  const want = (n: number, account: string, end = 1e9) => uploads.want({ xid: xid(n), item, notAfter: end, account });
  const take = (n: number) => uploads.take({ ...decodePiece(present(frame, 'a piece')), xid: xid(n) });
  for (const n of [1, 2, 3]) want(n, 'a');
  assert.deepEqual([await take(1), await take(2), await take(3)], ['taken', 'taken', 'not-wanted']);
  want(3, 'b');
  want(4, 'c');
  assert.deepEqual([await take(3), await take(4)], ['taken', 'not-wanted']);
  // Asked for again by anybody it is the same one.
  assert.equal(want(1, 'c'), 1);
  assert.equal(readdirSync(root).length, 3);
  await clock.pass(1_800_000);
  want(1, 'a');
  want(5, 'd', clock.now() / 1000 + 60);
  await clock.pass(1_800_001);
  const left = async () => (await Promise.all([1, 2, 3].map(take))).join();
  assert.equal(await left(), 'taken,not-wanted,not-wanted');
  want(6, 'e', clock.now() / 1000 + 60);
  assert.equal(await take(6), 'taken');
  await clock.pass(60_000);
  assert.equal(await take(6), 'not-wanted', 'help is over');
  await uploads.end();
  assert.equal(clock.timers, 0);
  // A start finds nothing of an earlier run.
  writeFileSync(join(root, 'old'), 'x');
  await uploads.clear();
  assert.equal(await take(1), 'not-wanted');
});
