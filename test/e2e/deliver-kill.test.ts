/**
 * A daemon is stopped at any recorded step of a delivery: both sides end completed with the same bytes, or both aborted, and
 * nobody types a command beyond the restart. The points are the writes of the exchange's state and of what is kept of the
 * content, before and after each; at random times is found what a list of points forgets (FIT_TEST_SEED repeats such a run).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test as nodeTest, type TestContext } from 'node:test';
import {
  consenting,
  contentOf,
  fileOf,
  move,
  offer,
  order,
  sameDelivery,
  start,
  WINDOW,
} from '../support/rogue-trio.ts';
import { endAll, introduce, Trader, temporary } from '../support/traders.ts';

const PATIENCE_MS = 1000;
/** Pairs that run at the same time. */
const PAIRS = 2;
const ENDED = ['completed', 'aborted'] as const;

/** What waits for something that never comes must fail, and not for ever. */
const test = (name: string, run: (t: TestContext) => Promise<void>): void => {
  nodeTest(name, { timeout: 60_000 }, run);
};

interface Pair {
  readonly sender: Trader;
  readonly receiver: Trader;
}
type Side = keyof Pair;
const other = (side: Side): Side => (side === 'sender' ? 'receiver' : 'sender');

const folder = temporary();
const notary = new Trader(folder, 'notary');
const everyone = [notary];
let ahead = 0;
/** For everybody. */
async function later(seconds: number): Promise<void> {
  ahead += seconds;
  await move(everyone, ahead);
}
const free: Pair[] = [];
const waiting: ((pair: Pair) => void)[] = [];

async function withPair<T>(use: (pair: Pair) => Promise<T>): Promise<T> {
  const pair = free.pop() ?? (await new Promise<Pair>((done) => waiting.push(done)));
  try {
    return await use(pair);
  } finally {
    for (const trader of [pair.sender, pair.receiver]) if (!trader.running) await start(trader);
    const next = waiting.shift();
    if (next === undefined) free.push(pair);
    else next(pair);
  }
}

before(async () => {
  const pairs = Array.from({ length: PAIRS }, (_, i) => ({
    sender: new Trader(folder, `sender${i}`),
    receiver: new Trader(folder, `receiver${i}`),
  }));
  everyone.push(...pairs.flatMap(({ sender, receiver }) => [sender, receiver]));
  await Promise.all(
    everyone.map((one) =>
      one.init({ patience: `${PATIENCE_MS / 1000}s`, ...(one === notary ? { role: 'arbiter' as const } : {}) }),
    ),
  );
  await Promise.all(everyone.map((one) => start(one)));
  for (const { sender, receiver } of pairs) await introduce([sender, receiver, notary]);
  free.push(...pairs);
});
after(endAll);

interface UnderWay {
  readonly deal: string;
  readonly data: Buffer;
  /** False if the call failed with the daemon. */
  readonly accepting: Promise<boolean>;
}

async function underWay({ sender, receiver }: Pair): Promise<UnderWay> {
  const { path, data } = fileOf(sender);
  const deal = await offer(sender, receiver.name, path);
  await receiver.waitFor(deal, ['offered']);
  const agent = await consenting(receiver);
  const accepting = agent.dealAccept({ deal }).then(
    () => true,
    () => false,
  );
  return { deal, data, accepting };
}

async function oneEnd(
  t: TestContext,
  { sender, receiver }: Pair,
  { deal, data }: UnderWay,
): Promise<(typeof ENDED)[number]> {
  const [one, two] = await Promise.all([sender.waitFor(deal, ENDED), receiver.waitFor(deal, ENDED)]);
  assert.equal(one, two, 'both sides end in the same state');
  const via = await Promise.all(
    [sender, receiver].map(async (trader) => (await (await trader.agent()).dealShow({ deal })).via),
  );
  t.diagnostic(`${one}, sender via ${via[0]}, receiver via ${via[1]}`);
  if (one === 'completed') await sameDelivery(sender, receiver, deal, data);
  assert.ok(one === 'completed' || one === 'aborted');
  return one;
}

interface Point {
  readonly side: Side;
  readonly space: 'exchanges' | 'deliveries';
  /** The nth time that something is written there, from the offer on. */
  readonly n: number;
  readonly when: 'before' | 'after';
  readonly what: string;
}

const POINTS: readonly Point[] = (['before', 'after'] as const).flatMap((when): Point[] => [
  { side: 'receiver', space: 'deliveries', n: 1, when, what: 'the acceptance' },
  { side: 'receiver', space: 'deliveries', n: 2, when, what: 'the key point and root' },
  { side: 'receiver', space: 'deliveries', n: 3, when, what: 'message 0' },
  { side: 'receiver', space: 'exchanges', n: 1, when, what: 'message 2' },
  { side: 'receiver', space: 'exchanges', n: 2, when, what: 'the key' },
  { side: 'receiver', space: 'deliveries', n: 4, when, what: 'the opened files' },
  { side: 'receiver', space: 'exchanges', n: 3, when, what: 'the receipt' },
  { side: 'sender', space: 'exchanges', n: 1, when, what: 'the beginning' },
  { side: 'sender', space: 'exchanges', n: 2, when, what: 'message 1' },
  { side: 'sender', space: 'exchanges', n: 3, when, what: 'message 3' },
  { side: 'sender', space: 'exchanges', n: 4, when, what: 'the completion' },
]);

/** The receiver has promised its receipt and can do without the sender. */
const receiverAlone = ({ side, space, n }: Point): boolean => side === 'sender' && space === 'exchanges' && n >= 3;

const ordered = ({ space, n, when }: Point) => ({ space, n, when, signal: 'SIGKILL' }) as const;

/** Nothing was written, so nothing was accepted; and nothing stands in the way of the next attempt. */
async function acceptAgain({ sender, receiver }: Pair, deal: string): Promise<void> {
  for (const trader of [sender, receiver])
    assert.equal((await (await trader.agent()).dealShow({ deal })).state, 'offered');
  await (await consenting(receiver)).dealAccept({ deal });
}

describe('killed at a write', { concurrency: PAIRS }, () => {
  for (const point of POINTS) {
    test(`${point.side}, ${point.when} ${point.what}, restarted at once`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        const { path, data } = fileOf(pair.sender);
        const deal = await offer(pair.sender, pair.receiver.name, path);
        await pair.receiver.waitFor(deal, ['offered']);
        order(victim, ordered(point));
        const accepting = (await consenting(pair.receiver)).dealAccept({ deal }).then(
          () => true,
          () => false,
        );
        assert.equal(await victim.exited, 137);
        await start(victim);
        const accepted = await accepting;
        if (point.what === 'the acceptance' && point.when === 'before') {
          assert.equal(accepted, false);
          await acceptAgain(pair, deal);
        }
        assert.equal(await oneEnd(t, pair, { deal, data, accepting }), 'completed');
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
    const { deal, accepting } = await underWay(pair);
    const sender = await pair.sender.agent();
    await sender.dealWithdraw({ deal }).catch((error) => assert.equal(error.code, 'wrong-state'));
    await accepting;
    const states = [...ENDED, 'withdrawn'] as const;
    const [one, two] = await Promise.all([pair.sender, pair.receiver].map((side) => side.waitFor(deal, states)));
    assert.equal(one === 'completed', two === 'completed', `${one}, ${two}`);
  }));

/** Numbers in [0, 1) from a seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('killed at random times', { concurrency: PAIRS }, () => {
  const given = Number(process.env.FIT_TEST_SEED ?? 0);
  const seeds = given > 0 ? [given] : Array.from({ length: 2 }, () => 1 + Math.floor(Math.random() * 1e9));
  for (const seed of seeds) {
    test(`FIT_TEST_SEED=${seed}`, (t) =>
      withPair(async (pair) => {
        const random = numbers(seed);
        const run = await underWay(pair);
        const disturb = async (trader: Trader): Promise<void> => {
          // An undisturbed delivery takes less than half a second.
          await new Promise((done) => setTimeout(done, random() * 600));
          await trader.kill();
          if (random() < 0.5) await new Promise((done) => setTimeout(done, random() * 2 * PATIENCE_MS));
          await start(trader);
        };
        const victims = random() < 0.5 ? [pair.sender, pair.receiver] : [random() < 0.5 ? pair.sender : pair.receiver];
        await Promise.all(victims.map(disturb));
        const { phase } = await (await pair.receiver.agent()).deliveryShow({ deal: run.deal });
        // Killed before the acceptance was recorded: it did not happen.
        if (phase === 'waiting') await acceptAgain(pair, run.deal);
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
