import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { answerHead, decodeReply, delimit, encodeAnswer } from '../../src/p2p/frames.ts';
import { runHandler } from '../../src/p2p/handling.ts';
import { peerOf } from '../../src/p2p/identity.ts';
import { Accounts, DEFAULT_LIMITS, PeerAccount, TokenBucket } from '../../src/p2p/limits.ts';
import { BULK_FRAME_BYTES } from '../../src/p2p/link.ts';
import { SmallFrames } from '../../src/p2p/muxer.ts';
import { Outgoing, outgoingTo } from '../../src/p2p/pacing.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';

test('a bucket gives its burst, then its rate, and nothing for a clock set back', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(10, 3, clock);
  assert.deepEqual([bucket.take(), bucket.take(), bucket.take(), bucket.take()], [true, true, true, false]);
  assert.equal(bucket.wait(), 100);
  await clock.pass(99);
  assert.equal(bucket.take(), false);
  await clock.pass(1);
  assert.equal(bucket.take(), true);
  clock.set(0);
  assert.equal(bucket.take(), false);
  await clock.pass(10_000);
  assert.equal(bucket.full, true);
  assert.equal(bucket.take(4), false);
  assert.equal(bucket.take(3), true);
});

test('small frames are limited by the second, and by content where there is much of it', async () => {
  const clock = new ManualClock();
  const idle = new SmallFrames(clock);
  assert.deepEqual([idle.take(10_000), idle.take(1)], [true, false]);
  await clock.pass(1_000);
  assert.deepEqual([idle.take(5_000), idle.take(1)], [true, false]);
  // What a peer that only talks moves by its small frames earns it next to nothing.
  for (let i = 0; i < 1_000; i += 1) idle.moved(12);
  assert.equal(idle.take(1), false);
  // 10 GiB at once, which is faster than any line, with more window updates than are ever seen for them.
  const pulled = new SmallFrames(clock);
  for (let mib = 0; mib < 10_240; mib += 1) {
    for (let frame = 0; frame < 16; frame += 1) {
      pulled.moved(65_536);
      assert.equal(pulled.take(1), true);
    }
  }
});

test('an account admits, refuses, strikes, bans and forgives', async () => {
  const clock = new ManualClock();
  const limits = { ...DEFAULT_LIMITS, underWay: 2, rate: 10, burst: 5, strikes: 41, forgiveness: 1, banMs: 1_000 };
  const account = new PeerAccount(limits, clock);
  assert.equal(account.settled, true);
  assert.deepEqual(
    [account.admit('small'), account.admit('small'), account.admit('small')],
    [undefined, undefined, 'busy'],
  );
  account.release('small');
  assert.deepEqual(
    [account.admit('small'), account.admit('small'), account.admit('small')],
    [undefined, 'busy', 'flood'],
  );
  assert.deepEqual([account.fault(), account.fault(), account.banned], [true, true, false]);
  assert.deepEqual([account.refused(), account.refused(), account.banned], [true, false, true]);
  assert.equal(account.faults, 2);
  await clock.pass(1_000);
  assert.deepEqual([account.banned, account.refused(), account.settled], [false, true, false]);
  account.release('small');
  account.release('small');
  await clock.pass(100_000);
  assert.equal(account.settled, true);
  for (let i = 0; i < DEFAULT_LIMITS.handshakeRate; i += 1) assert.equal(account.handshake(), true);
  assert.equal(account.handshake(), false);
});

test('settled accounts are forgotten, others are not', async () => {
  const clock = new ManualClock();
  const accounts = new Accounts(DEFAULT_LIMITS, clock);
  const bad = accounts.of('bad');
  bad.fault();
  const good = accounts.of('good');
  for (let i = 0; i < 2_000; i += 1) accounts.of(`peer ${i}`);
  assert.equal(accounts.of('bad'), bad);
  assert.notEqual(accounts.of('good'), good);
});

test('outgoing requests go in turn, paced; one that gives up leaves the queue', async () => {
  const clock = new ManualClock();
  const outgoing = new Outgoing({ underWay: 2, rate: 10, burst: 3 }, clock);
  const order: string[] = [];
  const enter = (name: string, signal = new AbortController().signal) =>
    outgoing.enter(signal).then(
      () => order.push(name),
      () => order.push(`${name} gave up`),
    );
  const controller = new AbortController();
  enter('a');
  enter('b');
  enter('c', controller.signal);
  enter('d');
  enter('e');
  await settled();
  assert.deepEqual(order, ['a', 'b']);
  controller.abort();
  outgoing.leave();
  await settled();
  assert.deepEqual(order, ['a', 'b', 'c gave up', 'd']);
  outgoing.leave();
  await clock.pass(99);
  assert.equal(order.includes('e'), false);
  await clock.pass(1);
  assert.equal(order.at(-1), 'e');
  enter('f', controller.signal);
  await settled();
  assert.equal(order.at(-1), 'f gave up');
});

test('a handler keeps its place until it ends, even when its time is over', async () => {
  const clock = new ManualClock();
  const account = new PeerAccount({ ...DEFAULT_LIMITS, underWay: 1 }, clock);
  assert.equal(account.admit('small'), undefined);
  let end = (_: Uint8Array) => {};
  const slow = () =>
    new Promise<Uint8Array>((resolve) => {
      end = resolve;
    });
  const replies: (Uint8Array | undefined)[] = [];
  const handling = {
    handlerMs: 1_000,
    maxBytes: 8,
    clock,
    release: () => account.release('small'),
    deliver: (reply: Uint8Array | undefined) => void replies.push(reply),
  };
  const replied = runHandler(slow, handling);
  await clock.pass(1_000);
  await replied;
  assert.deepEqual(replies, [undefined]);
  assert.equal(account.admit('small'), 'busy');
  end(Uint8Array.of(1));
  await settled();
  assert.equal(account.admit('small'), undefined);
  await runHandler(() => Promise.reject(new FitError('locked', 'locked')), handling);
  await runHandler(async () => new Uint8Array(9), { ...handling, release: () => {} });
  await runHandler(async () => new Uint8Array(8), { ...handling, release: () => {} });
  assert.deepEqual(replies, [undefined, undefined, undefined, new Uint8Array(8)]);
  assert.equal(account.admit('small'), undefined);
  assert.equal(clock.timers, 0);
});

test('the lanes of an account have places and rates of their own', async () => {
  const clock = new ManualClock();
  const limits = { ...DEFAULT_LIMITS, underWay: 1, rate: 1, burst: 9, bulkUnderWay: 2, bulkRate: 1, bulkBurst: 4 };
  const account = new PeerAccount(limits, clock);
  const admitted = Array.from({ length: 5 }, () => account.admit('bulk'));
  assert.deepEqual(admitted, [undefined, undefined, 'busy', 'busy', 'flood']);
  assert.deepEqual([account.admit('small'), account.admit('small')], [undefined, 'busy']);
  account.release('small');
  await clock.pass(100_000);
  assert.equal(account.settled, false);
  assert.equal(account.admit('bulk'), 'busy');
  account.release('bulk');
  assert.equal(account.admit('bulk'), undefined);
  account.release('bulk');
  account.release('bulk');
  await clock.pass(100_000);
  assert.equal(account.settled, true);
});

test('what goes out by one lane does not wait for the other', async () => {
  const clock = new ManualClock();
  const { small, bulk } = outgoingTo({ ...DEFAULT_LIMITS, outUnderWay: 1, outBulkUnderWay: 1 }, clock);
  const { signal } = new AbortController();
  await small.enter(signal);
  await bulk.enter(signal);
  const order: string[] = [];
  void small.enter(signal).then(() => order.push('small'));
  void bulk.enter(signal).then(() => order.push('bulk'));
  await settled();
  assert.deepEqual(order, []);
  bulk.leave();
  await settled();
  assert.deepEqual(order, ['bulk']);
});

test('the place of a request is given back when its reply is delivered, not before', async () => {
  const clock = new ManualClock();
  const account = new PeerAccount({ ...DEFAULT_LIMITS, bulkUnderWay: 1 }, clock);
  assert.equal(account.admit('bulk'), undefined);
  let taken = () => {};
  const handling = {
    handlerMs: 1_000,
    maxBytes: 8,
    clock,
    release: () => account.release('bulk'),
    deliver: () =>
      new Promise<void>((resolve) => {
        taken = resolve;
      }),
  };
  const handled = runHandler(async () => new Uint8Array(), handling);
  await settled();
  assert.equal(account.admit('bulk'), 'busy');
  taken();
  await handled;
  assert.equal(account.admit('bulk'), undefined);
});

test('the head of an answer and its body are the answer, at every length of their heads', () => {
  for (const bytes of [0, 1, 23, 24, 122, 123, 124, 255, 256, 16_377, 16_378, 65_535, 65_536, BULK_FRAME_BYTES]) {
    const body = new Uint8Array(bytes).fill(7);
    assert.deepEqual(concat(answerHead(bytes), body), delimit(encodeAnswer(body)), `${bytes} bytes`);
    assert.deepEqual(decodeReply(encodeAnswer(body), bytes), { kind: 'answer', body });
    if (bytes > 0) assert.throws(() => decodeReply(encodeAnswer(body), bytes - 1), { name: 'PeerFault' });
  }
});

test('an answer has one encoding: no byte of its head can be another, no length written longer', () => {
  for (const bytes of [0, 1, 23, 24, 255, 256, 65_535, 65_536]) {
    const frame = encodeAnswer(new Uint8Array(bytes).fill(0x40));
    const headBytes = frame.length - bytes;
    for (let at = 0; at < headBytes; at += 1)
      for (let change = 1; change < 256; change += 1) {
        const changed = frame.slice();
        changed[at] = (changed[at] ?? 0) ^ change;
        assert.throws(() => decodeReply(changed, 70_000), { name: 'PeerFault' }, `${bytes} bytes: ${at} ^ ${change}`);
      }
    const longer = concat(frame.subarray(0, 3), Uint8Array.of(0x5b, 0, 0, 0, 0, 0, bytes >>> 16, bytes >>> 8, bytes));
    assert.throws(() => decodeReply(concat(longer, frame.subarray(headBytes)), 70_000), { name: 'PeerFault' });
    assert.throws(() => decodeReply(concat(frame, Uint8Array.of(0)), 70_000), { name: 'PeerFault' });
    assert.throws(() => decodeReply(frame.subarray(0, -1), 70_000), { name: 'PeerFault' });
  }
});

test('PeerIds follow from seeds', () => {
  // The PeerId of an all-zero seed, whose public key is RFC 8032's 3b6a27bc….
  assert.equal(peerOf(new Uint8Array(32)), '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN');
  assert.throws(() => peerOf(new Uint8Array(31)));
});
