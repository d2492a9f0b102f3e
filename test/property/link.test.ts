/** Frames and their boundaries, however they are cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, equal } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import {
  decodeReply,
  decodeRequest,
  delimit,
  encodeAnswer,
  encodeRefusal,
  encodeRequest,
  FRAME_OVERHEAD,
  FrameReader,
  REFUSALS,
} from '../../src/p2p/frames.ts';
import { FrameCounter } from '../../src/p2p/muxer.ts';

const MAX = 70_000;
const body = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 60_000, maxLength: MAX, size: 'max' }),
);
const numRuns = 150;

function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of [...lengths, bytes.length]) {
    pieces.push(bytes.subarray(at, at + length));
    at = Math.min(bytes.length, at + length);
  }
  return pieces.filter((piece) => piece.length > 0);
}

test('frames are what was encoded', () => {
  fc.assert(
    fc.property(body, fc.constantFrom(...REFUSALS), (bytes, code) => {
      assert.ok(equal(decodeRequest(encodeRequest(bytes), MAX), bytes));
      const reply = decodeReply(encodeAnswer(bytes), MAX);
      assert.ok(reply.kind === 'answer' && equal(reply.body, bytes));
      assert.deepEqual(decodeReply(encodeRefusal(code), MAX), { kind: 'refusal', code });
      assert.ok(encodeAnswer(bytes).length <= bytes.length + FRAME_OVERHEAD);
    }),
    { numRuns },
  );
});

test('a reader finds the frames however the bytes are cut, and refuses what lies behind one', () => {
  fc.assert(
    fc.property(
      body,
      fc.array(fc.nat(5_000), { maxLength: 20 }),
      fc.uint8Array({ minLength: 1, maxLength: 3 }),
      (bytes, lengths, rest) => {
        const frame = encodeRequest(bytes);
        const reader = new FrameReader(MAX + FRAME_OVERHEAD);
        for (let round = 0; round < 2; round += 1) {
          const pieces = cut(delimit(frame), lengths);
          const found = pieces.map((piece) => reader.push(piece));
          assert.ok(found.slice(0, -1).every((one) => one === undefined));
          assert.ok(equal(found.at(-1) ?? new Uint8Array(), frame));
          assert.equal(reader.empty, true);
        }
        assert.throws(() => reader.push(concat(delimit(frame), rest)), PeerFault);
      },
    ),
    { numRuns },
  );
});

test('a changed frame is refused or is another frame, and no other bytes decode to it', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (bytes, where, change) => {
        const frame = encodeRequest(bytes);
        const changed = frame.slice();
        const at = where % frame.length;
        changed[at] = (changed[at] ?? 0) ^ change;
        try {
          const decoded = decodeRequest(changed, MAX);
          assert.ok(equal(encodeRequest(decoded), changed));
          assert.ok(!equal(decoded, bytes));
        } catch (error) {
          assert.ok(error instanceof PeerFault);
        }
        assert.throws(() => decodeRequest(frame.subarray(0, -1), MAX), PeerFault);
      },
    ),
    { numRuns: 400 },
  );
});

test('any bytes are a frame of ours or a fault, for the reader too', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 12 }), { maxLength: 8 }), (pieces) => {
      const reader = new FrameReader(64);
      try {
        for (const piece of pieces) {
          const frame = reader.push(piece);
          if (frame === undefined) continue;
          assert.ok(frame.length > 0 && frame.length <= 64);
          decodeReply(frame, 64);
        }
      } catch (error) {
        assert.ok(error instanceof PeerFault);
      }
    }),
    { numRuns: 400 },
  );
});

test('small yamux frames are counted once, however they are cut', () => {
  const header = (type: number, length: number) =>
    Uint8Array.of(0, type, 0, 0, 0, 0, 0, 1, length >>> 24, length >>> 16, length >>> 8, length);
  const frame = fc.record({ type: fc.integer({ min: 0, max: 3 }), length: fc.oneof(fc.nat(600), fc.nat(3_000)) });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(900), { maxLength: 20 }), (frames, lengths) => {
      const bytes = concat(
        ...frames.map(({ type, length }) => concat(header(type, length), new Uint8Array(type === 0 ? length : 0))),
      );
      const counter = new FrameCounter();
      const counted = cut(bytes, lengths).reduce((sum, piece) => sum + counter.push(piece), 0);
      assert.equal(counted, frames.filter(({ type, length }) => type !== 0 || length < 512).length);
    }),
    { numRuns },
  );
  assert.ok(Number.isNaN(new FrameCounter().push(header(0, 256 * 1024 + 1))));
});
