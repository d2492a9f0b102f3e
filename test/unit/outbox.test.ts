/** The outbox: in order and repeated, but what one message waits for holds up no other. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { type Ack, createOutbox, encodeAck, type Letter } from '../../src/daemon/outbox.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Link } from '../../src/p2p/link.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';

const OAK = 'ab'.repeat(32);
const letter = (ref: string, n: number): Letter => ({
  to: OAK,
  protocol: '/fit/exchange/1',
  body: Uint8Array.of(n),
  ref,
  until: null,
});

/** A recipient that answers as the test says; what it was sent, by the number in the body. */
async function setUp(t: TestContext) {
  const clock = new ManualClock();
  const archive = await createArchive(createMemoryStore(), { spoolKey: new Uint8Array(32) });
  const sent: number[] = [];
  const answers = new Map<number, Ack>();
  const open = () =>
    createOutbox({
      archive,
      clock,
      log: silentLogger,
      peerOf: () => 'peer',
      onAck: () => {},
      link: {
        request: async (_: string, __: string, ___: string, body: Uint8Array) => {
          const [n = 0] = body;
          sent.push(n);
          return encodeAck(answers.get(n) ?? { kind: 'ok' }, 0);
        },
      } as unknown as Link,
    });
  const outbox = open();
  t.after(() => outbox.stop());
  const post = async (...letters: readonly Letter[]): Promise<void> => {
    const posts = letters.map((one) => outbox.post(one));
    await archive.batch(posts.flatMap((one) => one.ops));
    for (const { posted } of posts) posted();
    for (let more = 0; more < 3 + letters.length; more += 1) await settled();
  };
  return { clock, archive, sent, answers, outbox, post, open };
}

test('a content that waits to be fetched holds up no other deal of the same peer, and comes again by itself', async (t) => {
  const { clock, sent, answers, outbox, post } = await setUp(t);
  answers.set(1, { kind: 'later', why: 'not-fetched' });
  await post(letter('d/aaaaaaaaaaaa', 1), letter('d/bbbbbbbbbbbb', 2), letter('x/00/release', 3));
  assert.deepEqual(sent, [1, 2, 3]);
  assert.equal(outbox.waiting(), 1);
  // Again and again, less and less often; the others do not wait for it.
  await clock.pass(700);
  assert.deepEqual(sent, [1, 2, 3, 1, 1]);
  await post(letter('d/cccccccccccc', 4));
  assert.deepEqual(sent.slice(5), [4]);
  answers.delete(1);
  await clock.pass(10_000);
  assert.deepEqual(sent.slice(6), [1]);
  assert.equal(outbox.waiting(), 0);
});

test('when the recipient greets, what waits is sent at once', async (t) => {
  const { sent, answers, outbox, post } = await setUp(t);
  answers.set(1, { kind: 'later', why: 'not-fetched' });
  await post(letter('d/aaaaaaaaaaaa', 1));
  answers.delete(1);
  outbox.wake(OAK);
  await settled();
  assert.deepEqual(sent, [1, 1]);
  assert.equal(outbox.waiting(), 0);
});

test('a recipient that takes nothing now, locked or full, keeps the order', async (t) => {
  const { clock, sent, answers, post } = await setUp(t);
  for (const why of ['locked', 'busy', 'disk-full', 'flood', 'unknown-sender']) {
    answers.set(1, { kind: 'later', why });
    sent.length = 0;
    await post(letter('d/aaaaaaaaaaaa', 1), letter('d/bbbbbbbbbbbb', 2));
    await clock.pass(10_000);
    assert.ok(sent.length > 1 && sent.every((one) => one === 1), why);
    answers.delete(1);
    await clock.pass(20_000);
    assert.deepEqual(sent.slice(-2), [1, 2], why);
  }
});

test('what waits for its content is still there after a restart', async (t) => {
  const { sent, answers, outbox, post, open } = await setUp(t);
  answers.set(1, { kind: 'later', why: 'not-fetched' });
  await post(letter('d/aaaaaaaaaaaa', 1), letter('d/bbbbbbbbbbbb', 2));
  await outbox.stop();
  answers.delete(1);
  const again = open();
  t.after(() => again.stop());
  await again.load();
  await settled();
  assert.deepEqual(sent, [1, 2, 1]);
  assert.equal(again.waiting(), 0);
});
