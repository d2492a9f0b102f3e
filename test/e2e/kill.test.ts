/**
 * A trader's daemon is stopped at any point of an exchange, the other one's restarted at any point: both end contracted or
 * both end aborted, with the same bytes, and nobody types a command beyond the restart.
 *
 * Every write of an exchange's state is a point, before and after; the daemons stop themselves there (crashing-fitd). Killed
 * at random times they find what a list of points forgets; FIT_TEST_SEED repeats such a run.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Orders } from '../support/crashing-fitd.program.ts';
import { endAll, introduce, sameContract, Trader, temporary } from '../support/traders.ts';

const PROGRAM = fileURLToPath(new URL('../support/crashing-fitd.program.js', import.meta.url));
const PATIENCE_MS = 1000;
/** Pairs that run at the same time. */
const PAIRS = 3;
const ENDED = ['contracted', 'aborted'] as const;

interface Pair {
  /** Proposed, so it is the responder of the exchange. */
  readonly author: Trader;
  /** Accepts, so it is the originator. */
  readonly signer: Trader;
}
type Side = keyof Pair;
const other = (side: Side): Side => (side === 'author' ? 'signer' : 'author');

const ordersOf = (trader: Trader): string => join(trader.folder, `${trader.name}.orders`);

function start(trader: Trader): Promise<void> {
  return trader.start({ program: PROGRAM, env: { FIT_TEST_DAEMON: JSON.stringify({ orders: ordersOf(trader) }) } });
}

function order(trader: Trader, orders: Orders): void {
  writeFileSync(ordersOf(trader), JSON.stringify(orders));
}

const folder = temporary();
const notary = new Trader(folder, 'notary');
const free: Pair[] = [];
const waiting: ((pair: Pair) => void)[] = [];

async function withPair<T>(use: (pair: Pair) => Promise<T>): Promise<T> {
  const pair = free.pop() ?? (await new Promise<Pair>((done) => waiting.push(done)));
  try {
    return await use(pair);
  } finally {
    for (const trader of [pair.author, pair.signer]) if (!trader.running) await start(trader);
    const next = waiting.shift();
    if (next === undefined) free.push(pair);
    else next(pair);
  }
}

before(async () => {
  const pairs = Array.from({ length: PAIRS }, (_, i) => ({
    author: new Trader(folder, `author${i}`),
    signer: new Trader(folder, `signer${i}`),
  }));
  const everyone = [notary, ...pairs.flatMap(({ author, signer }) => [author, signer])];
  await Promise.all(
    everyone.map((one) =>
      one.init({ patience: `${PATIENCE_MS / 1000}s`, ...(one === notary ? { role: 'arbiter' as const } : {}) }),
    ),
  );
  await Promise.all(everyone.map(start));
  for (const { author, signer } of pairs) await introduce([author, signer, notary]);
  free.push(...pairs);
});
after(endAll);

/** An offer that has arrived, and its acceptance under way: the call may fail with the daemon. */
async function underWay({ author, signer }: Pair): Promise<{ deal: string; accepting: Promise<boolean> }> {
  const deal = await author.offer(signer);
  await signer.waitFor(deal, ['offered']);
  const agent = await signer.consenting();
  const accepting = agent.dealAccept({ deal }).then(
    () => true,
    () => false,
  );
  return { deal, accepting };
}

/** Waits for both ends, which must be one. */
async function oneEnd(t: TestContext, { author, signer }: Pair, deal: string): Promise<'contracted' | 'aborted'> {
  const [one, two] = await Promise.all([author.waitFor(deal, ENDED), signer.waitFor(deal, ENDED)]);
  assert.equal(one, two, 'both sides end in the same state');
  const via = await Promise.all(
    [author, signer].map(async (trader) => (await (await trader.agent()).dealShow({ deal })).via),
  );
  t.diagnostic(`${one}, author via ${via[0]}, signer via ${via[1]}`);
  if (one === 'contracted') await sameContract(author, signer, deal);
  assert.ok(one === 'contracted' || one === 'aborted');
  return one;
}

interface Point {
  readonly side: Side;
  /** The nth time that the state of the exchange is written. */
  readonly n: number;
  readonly when: 'before' | 'after';
  readonly what: string;
}

const POINTS: readonly Point[] = [
  ...(['before', 'after'] as const).flatMap((when): Point[] => [
    { side: 'signer', n: 1, when, what: 'the acceptance' },
    { side: 'signer', n: 2, when, what: 'message 1' },
    { side: 'signer', n: 3, when, what: 'message 3' },
    { side: 'signer', n: 4, when, what: 'the contract' },
    { side: 'author', n: 1, when, what: 'message 2' },
    { side: 'author', n: 2, when, what: 'the contract and message 4' },
  ]),
];
/** The other side has promised and can do without: it turns to the arbiter, or is done. */
const alone = ({ side, n }: Point): boolean => (side === 'signer' ? n >= 3 : n === 2);

const ordered = (point: Point, signal: Orders['signal']): Orders => ({
  space: 'exchanges',
  n: point.n,
  when: point.when,
  signal,
});

describe('killed at a write', { concurrency: PAIRS }, () => {
  for (const point of POINTS) {
    test(`${point.side}, ${point.when} ${point.what}, restarted at once`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        order(victim, ordered(point, 'SIGKILL'));
        const { deal, accepting } = await underWay(pair);
        assert.equal(await victim.exited, 137);
        await start(victim);
        const accepted = await accepting;
        if (point.side === 'signer' && point.n === 1 && point.when === 'before') {
          assert.equal(accepted, false);
          // Nothing was written, so nothing was accepted; and nothing stands in the way of the next attempt.
          for (const trader of [pair.author, pair.signer])
            assert.equal((await (await trader.agent()).dealShow({ deal })).state, 'offered');
          await (await pair.signer.consenting()).dealAccept({ deal });
        }
        await oneEnd(t, pair, deal);
      }));
  }

  for (const point of POINTS.filter(alone)) {
    test(`${point.side}, ${point.when} ${point.what}, restarted when the other is done`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        const survivor = pair[other(point.side)];
        order(victim, ordered(point, 'SIGKILL'));
        const { deal } = await underWay(pair);
        assert.equal(await victim.exited, 137);
        assert.equal(await survivor.waitFor(deal, ENDED), 'contracted');
        const { via } = await (await survivor.agent()).dealShow({ deal });
        assert.equal(via, point.side === 'signer' && point.n === 4 ? 'peer' : 'arbiter');
        await start(victim);
        assert.equal(await oneEnd(t, pair, deal), 'contracted');
      }));
  }

  for (const point of POINTS.filter(({ n, side }) => n === (side === 'signer' ? 3 : 1))) {
    test(`both, when the ${point.side} is ${point.when} ${point.what}`, (t) =>
      withPair(async (pair) => {
        order(pair[point.side], ordered(point, 'SIGKILL'));
        const { deal } = await underWay(pair);
        await pair[point.side].exited;
        await pair[other(point.side)].kill();
        await Promise.all([start(pair.author), start(pair.signer)]);
        await oneEnd(t, pair, deal);
      }));
  }
});

describe('stopped at a write for longer than patience', { concurrency: PAIRS }, () => {
  for (const point of POINTS.filter(({ side, n }) => side === 'author' || n > 1)) {
    test(`${point.side}, ${point.when} ${point.what}`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        const survivor = pair[other(point.side)];
        const stopped = victim.speaks();
        order(victim, ordered(point, 'SIGSTOP'));
        const { deal } = await underWay(pair);
        await stopped;
        if (alone(point)) assert.equal(await survivor.waitFor(deal, ENDED), 'contracted');
        else await new Promise((done) => setTimeout(done, 1.5 * PATIENCE_MS));
        victim.signal('SIGCONT');
        await oneEnd(t, pair, deal);
      }));
  }
});
