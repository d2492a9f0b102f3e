/** What the network in memory does to messages, on virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryNetwork, type Envelope, type MemoryLink } from '../../src/p2p/memory-link.ts';
import { binderOf, certificateOf, seedOf } from '../support/links.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';

const BODY = Uint8Array.of(1);

async function pair() {
  const clock = new ManualClock();
  const network = createMemoryNetwork({ clock });
  const make = async (number: number) => {
    const link = network.link({ seed: seedOf(number), binder: binderOf(number) });
    await link.start();
    return link;
  };
  const [a, b] = [await make(1), await make(2)];
  a.learn(b.peer, b.addresses());
  const handled: number[] = [];
  b.handle('/fit/message/1', async (_, body) => {
    handled.push(body[0] ?? 0);
    return body;
  });
  return { clock, network, a, b, handled };
}

/** The request's outcome once it has one: the reply's first byte or the error's code. */
function ask(from: MemoryLink, to: MemoryLink, byte = 1, timeoutMs = 1_000) {
  const seen: { outcome?: unknown } = {};
  from
    .request(to.peer, certificateOf(2), '/fit/message/1', Uint8Array.of(byte), { timeoutMs })
    .then(
      (body) => body[0],
      (error) => error.code,
    )
    .then((outcome) => {
      seen.outcome = outcome;
    });
  return seen;
}

test('without a fate that waits, no time passes and the same is sent every time', async () => {
  const runs: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const { network, a, b, clock } = await pair();
    const sent: string[] = [];
    network.fate = (message) => {
      sent.push(`${message.id} ${message.kind} ${message.from.slice(-4)} ${message.frame.length}`);
      return 'deliver';
    };
    const began = clock.now();
    const asked = [ask(a, b, 1), ask(a, b, 2)];
    await settled();
    assert.deepEqual(
      asked.map((one) => one.outcome),
      [1, 2],
    );
    assert.equal(clock.now(), began);
    runs.push(sent.join('\n'));
    await Promise.all([a.stop(), b.stop()]);
    assert.equal(clock.timers, 0);
  }
  assert.equal(runs[0], runs[1]);
  assert.match(runs[0] ?? '', /^1 hello .*\n2 welcome .*\n3 accepted .*\n4 request /);
});

test('a dropped request or reply ends by the deadline; the handler ran only if the request arrived', async () => {
  const { network, a, b, clock, handled } = await pair();
  for (const [kind, ran] of [
    ['request', 0],
    ['reply', 1],
  ] as const) {
    network.fate = (message) => (message.kind === kind ? 'drop' : 'deliver');
    const asked = ask(a, b);
    await clock.pass(999);
    assert.equal(asked.outcome, undefined);
    await clock.pass(1);
    assert.equal(asked.outcome, 'peer-unreachable');
    assert.equal(handled.length, ran);
  }
});

test('delayed, repeated and held messages', async () => {
  const { network, a, b, clock, handled } = await pair();
  network.fate = (message) => (message.kind === 'request' ? { delayMs: 300 } : 'deliver');
  const delayed = ask(a, b, 1);
  await clock.pass(299);
  assert.equal(delayed.outcome, undefined);
  await clock.pass(1);
  assert.equal(delayed.outcome, 1);

  network.fate = (message) => (message.kind === 'request' ? { copies: 3 } : { copies: 2 });
  const repeated = ask(a, b, 2);
  await settled();
  assert.equal(repeated.outcome, 2);
  assert.deepEqual(handled, [1, 2, 2, 2]);

  network.fate = (message) => (message.kind === 'request' ? 'hold' : 'deliver');
  const held = [ask(a, b, 3), ask(a, b, 4), ask(a, b, 5)];
  await settled();
  const ids = network.held().map((message: Envelope) => message.id);
  assert.equal(ids.length, 3);
  network.release(ids[2] ?? 0);
  network.release(ids[0] ?? 0);
  network.discard(ids[1] ?? 0);
  await settled();
  assert.deepEqual(
    held.map((one) => one.outcome),
    [3, undefined, 5],
  );
  assert.deepEqual(handled.slice(4), [5, 3]);
  assert.throws(() => network.release(ids[0] ?? 0));
});

test('a partition is noticed after a while by both, and a dial through it fails by its deadline', async () => {
  const { network, a, b, clock } = await pair();
  const seen: string[] = [];
  a.onPeer((_, up) => seen.push(`a ${up}`));
  b.onPeer((_, up) => seen.push(`b ${up}`));
  const first = ask(a, b);
  await settled();
  assert.equal(first.outcome, 1);
  network.partition(a.peer, b.peer);
  const lost = ask(a, b);
  await clock.pass(1_000);
  assert.equal(lost.outcome, 'peer-unreachable');
  await clock.pass(12_000);
  assert.deepEqual(seen, ['a true', 'b true', 'a false', 'b false']);
  const dialled = ask(a, b, 1, 60_000);
  await clock.pass(5_000);
  assert.equal(dialled.outcome, 'peer-unreachable');
  network.heal(a.peer, b.peer);
  const again = ask(a, b);
  await settled();
  assert.equal(again.outcome, 1);
  assert.deepEqual(BODY, Uint8Array.of(1));
});

test('a short partition loses messages and no connection', async () => {
  const { network, a, b, clock } = await pair();
  const first = ask(a, b);
  await settled();
  assert.equal(first.outcome, 1);
  network.partition(a.peer, b.peer);
  await clock.pass(3_000);
  network.heal(a.peer, b.peer);
  await clock.pass(20_000);
  assert.equal(a.connected(b.peer), true);
});
