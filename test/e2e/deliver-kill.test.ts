/**
 * A daemon is stopped at any recorded step of a delivery: both sides end completed with the same bytes, or both aborted, and
 * nobody types a command beyond the restart. The points are the writes of the exchange's state and of what is kept of the
 * content, before and after each; at random times is found what a list of points forgets (FIT_TEST_SEED repeats such a run).
 */
import assert from 'node:assert/strict';
import { describe, test as nodeTest, type TestContext } from 'node:test';
import {
  acceptAgain,
  accepting,
  crashPairs,
  disturb,
  numbers,
  oneState,
  ordered,
  type Point,
  pointsOf,
  seeds,
} from '../support/crash-pairs.ts';
import { test } from '../support/in-time.ts';
import { consenting, contentOf, fileOf, offer, order, sameDelivery, start, WINDOW } from '../support/rogue-trio.ts';
import type { Trader } from '../support/traders.ts';

/** Pairs that run at the same time. */
const PAIRS = 2;
const ENDED = ['completed', 'aborted'] as const;

const { notary, withPair, other, later } = crashPairs(['sender', 'receiver'], PAIRS);

interface Pair {
  readonly sender: Trader;
  readonly receiver: Trader;
}
type Side = keyof Pair;

interface UnderWay {
  readonly deal: string;
  readonly data: Buffer;
  readonly accepted: Promise<boolean>;
}

async function underWay({ sender, receiver }: Pair): Promise<UnderWay> {
  const { path, data } = fileOf(sender);
  const deal = await offer(sender, receiver.name, path);
  await receiver.waitFor(deal, ['offered']);
  return { deal, data, ...(await accepting(receiver, deal)) };
}

async function oneEnd(
  t: TestContext,
  { sender, receiver }: Pair,
  { deal, data }: Pick<UnderWay, 'deal' | 'data'>,
): Promise<(typeof ENDED)[number]> {
  const end = await oneState(t, [sender, receiver], deal, ENDED);
  if (end === 'completed') await sameDelivery(sender, receiver, deal, data);
  return end;
}

/** From the offer on. */
const POINTS = pointsOf<Side>([
  ['receiver', 'deliveries', ['the acceptance', 'the key point and root', 'message 0', 'the opened files']],
  ['receiver', 'exchanges', ['message 2', 'the key', 'the receipt']],
  ['sender', 'exchanges', ['the beginning', 'message 1', 'message 3', 'the completion']],
]);

/** The receiver has promised its receipt and can do without the sender. */
const receiverAlone = ({ side, space, n }: Point<Side>): boolean =>
  side === 'sender' && space === 'exchanges' && n >= 3;

describe('killed at a write', { concurrency: PAIRS }, () => {
  for (const point of POINTS) {
    test(`${point.side}, ${point.when} ${point.what}, restarted at once`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        const { path, data } = fileOf(pair.sender);
        const deal = await offer(pair.sender, pair.receiver.name, path);
        await pair.receiver.waitFor(deal, ['offered']);
        order(victim, ordered(point));
        const { accepted } = await accepting(pair.receiver, deal);
        assert.equal(await victim.exited, 137);
        await start(victim);
        if (point.what === 'the acceptance' && point.when === 'before') {
          assert.equal(await accepted, false);
          await acceptAgain([pair.sender, pair.receiver], pair.receiver, deal);
        }
        assert.equal(await oneEnd(t, pair, { deal, data }), 'completed');
      }));
  }

  for (const point of POINTS.filter(receiverAlone)) {
    test(`${point.side}, ${point.when} ${point.what}, restarted when the receiver is done`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        const survivor = pair[other(point.side)];
        order(victim, ordered(point));
        const run = await underWay(pair);
        assert.equal(await victim.exited, 137);
        assert.equal(await survivor.waitFor(run.deal, ENDED), 'completed');
        await start(victim);
        assert.equal(await oneEnd(t, pair, run), 'completed');
      }));
  }

  const both = POINTS.filter(({ what, when }) => when === 'after' && (what === 'message 2' || what === 'the key'));
  for (const point of both) {
    test(`both, when the ${point.side} is ${point.when} ${point.what}`, (t) =>
      withPair(async (pair) => {
        order(pair[point.side], ordered(point));
        const run = await underWay(pair);
        await pair[point.side].exited;
        await pair[other(point.side)].kill();
        await Promise.all([start(pair.sender), start(pair.receiver)]);
        await oneEnd(t, pair, run);
      }));
  }
});

nodeTest('wrong content: void for both, whoever is killed', { timeout: 180_000 }, (t) =>
  withPair(async (pair) => {
    const { sender, receiver } = pair;
    await sender.kill();
    await start(sender, 'chunk');
    const where = [
      { victim: receiver, space: 'deliveries', n: 4, what: 'what is wrong' },
      { victim: receiver, space: 'exchanges', n: 3, what: 'the complaint' },
      { victim: receiver, space: 'exchanges', n: 4, what: 'that it is void' },
      { victim: notary, space: 'cases', n: 1, what: 'that it is void' },
    ] as const;
    for (const when of ['before', 'after'] as const) {
      for (const { victim, space, n, what } of where) {
        await t.test(`${victim.name}, ${when} ${what}`, async () => {
          const { path } = fileOf(sender);
          const deal = await offer(sender, receiver.name, path);
          await receiver.waitFor(deal, ['offered']);
          order(victim, { space, n, when, signal: 'SIGKILL' });
          await (await consenting(receiver)).dealAccept({ deal });
          assert.equal(await victim.exited, 137);
          await start(victim);
          assert.equal(await receiver.waitFor(deal, ENDED), 'aborted');
          // Whose patience was over meanwhile hears of it when it looks again, at the end of the window.
          await later(WINDOW + 1);
          assert.equal(await sender.waitFor(deal, ENDED), 'aborted');
          for (const one of [sender, receiver])
            assert.equal((await (await one.agent()).dealShow({ deal })).transactions.at(-1)?.kind, 'void');
          assert.equal(await contentOf(receiver, deal), undefined);
        });
      }
    }
    await sender.kill();
    await start(sender);
  }),
);

test('the sender withdraws what is being accepted: never a receipt on one side only', () =>
  withPair(async (pair) => {
    const { deal, accepted } = await underWay(pair);
    const sender = await pair.sender.agent();
    await sender.dealWithdraw({ deal }).catch((error) => assert.equal(error.code, 'wrong-state'));
    await accepted;
    const states = [...ENDED, 'withdrawn'] as const;
    const [one, two] = await Promise.all([pair.sender, pair.receiver].map((side) => side.waitFor(deal, states)));
    assert.equal(one === 'completed', two === 'completed', `${one}, ${two}`);
  }));

describe('killed at random times', { concurrency: PAIRS }, () => {
  for (const seed of seeds(2)) {
    test(`FIT_TEST_SEED=${seed}`, (t) =>
      withPair(async (pair) => {
        const run = await underWay(pair);
        await disturb([pair.sender, pair.receiver], numbers(seed), 600);
        const { phase } = await (await pair.receiver.agent()).deliveryShow({ deal: run.deal });
        // Killed before the acceptance was recorded: it did not happen.
        if (phase === 'waiting') await acceptAgain([pair.sender, pair.receiver], pair.receiver, run.deal);
        await oneEnd(t, pair, run);
      }));
  }
});

describe('the arbiter', { concurrency: false }, () => {
  for (const when of ['before', 'after'] as const) {
    test(`killed ${when} it recorded what a resolve is answered, restarted: it answers the same`, (t) =>
      withPair(async (pair) => {
        const cases = async () => (await (await notary.agent()).arbiterCases()).cases.length;
        const known = await cases();
        order(notary, { space: 'cases', n: 1, when, signal: 'SIGKILL' });
        order(pair.sender, { space: 'exchanges', n: 3, when: 'before', signal: 'SIGKILL' });
        const run = await underWay(pair);
        await pair.sender.exited;
        assert.equal(await notary.exited, 137);
        await start(notary);
        assert.equal(await cases(), known + (when === 'after' ? 1 : 0));
        assert.equal(await pair.receiver.waitFor(run.deal, ENDED), 'completed');
        await start(pair.sender);
        assert.equal(await oneEnd(t, pair, run), 'completed');
        assert.equal(await cases(), known + 1);
      }));
  }
});
