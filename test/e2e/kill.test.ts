/**
 * A trader's daemon is stopped at any point of an exchange, the other one's restarted at any point: both end contracted or
 * both end aborted, with the same bytes, and nobody types a command beyond the restart.
 *
 * Every write of an exchange's state is a point, before and after; the daemons stop themselves there (crashing-fitd). Killed
 * at random times they find what a list of points forgets; FIT_TEST_SEED repeats such a run.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test as nodeTest, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Orders } from '../support/crashing-fitd.program.ts';
import { endAll, introduce, PASSPHRASE, sameContract, Trader, temporary } from '../support/traders.ts';

const PROGRAM = fileURLToPath(new URL('../support/crashing-fitd.program.js', import.meta.url));
const PATIENCE_MS = 1000;
/** Pairs that run at the same time. */
const PAIRS = 3;
const ENDED = ['contracted', 'aborted'] as const;

/** What waits for something that never comes must fail, and not for ever. */
const test = (name: string, run: (t: TestContext) => Promise<void>): void => {
  nodeTest(name, { timeout: 60_000 }, run);
};

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

/** The victim has said that it will stop itself; a SIGCONT that came before the stop would be lost. */
async function frozen({ pid }: Trader): Promise<void> {
  const state = () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
  while (state() !== 'T') await new Promise((again) => setImmediate(again));
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
        await frozen(victim);
        if (alone(point)) assert.equal(await survivor.waitFor(deal, ENDED), 'contracted');
        else await new Promise((done) => setTimeout(done, 1.5 * PATIENCE_MS));
        victim.signal('SIGCONT');
        await oneEnd(t, pair, deal);
      }));
  }
});

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
  const seeds = given > 0 ? [given] : Array.from({ length: 6 }, () => 1 + Math.floor(Math.random() * 1e9));
  for (const seed of seeds) {
    test(`FIT_TEST_SEED=${seed}`, (t) =>
      withPair(async (pair) => {
        const random = numbers(seed);
        const { deal } = await underWay(pair);
        const disturb = async (trader: Trader): Promise<void> => {
          // An undisturbed exchange takes less than half a second.
          await new Promise((done) => setTimeout(done, random() * 700));
          await trader.kill();
          if (random() < 0.5) await new Promise((done) => setTimeout(done, random() * 2 * PATIENCE_MS));
          await start(trader);
        };
        const victims = random() < 0.5 ? [pair.author, pair.signer] : [random() < 0.5 ? pair.author : pair.signer];
        await Promise.all(victims.map(disturb));
        const states = await Promise.all(
          [pair.author, pair.signer].map(async (one) => (await (await one.agent()).dealShow({ deal })).state),
        );
        // Killed before the acceptance was recorded: it did not happen.
        if (states.every((state) => state === 'offered')) {
          t.diagnostic('nothing was accepted');
          await (await pair.signer.consenting()).dealAccept({ deal });
        }
        await oneEnd(t, pair, deal);
      }));
  }
});

describe('others', { concurrency: PAIRS }, () => {
  test('stopped so long that connections are given up: it goes on soon after', (t) =>
    withPair(async (pair) => {
      const stopped = pair.author.speaks();
      order(pair.author, { space: 'exchanges', n: 1, when: 'before', signal: 'SIGSTOP' });
      const { deal } = await underWay(pair);
      await stopped;
      await pair.signer.event((event) => event.kind === 'offline' && event.contact === pair.author.name);
      pair.author.signal('SIGCONT');
      const began = performance.now();
      assert.equal(await oneEnd(t, pair, deal), 'contracted');
      const tookMs = Math.round(performance.now() - began);
      t.diagnostic(`${tookMs} ms after SIGCONT`);
      assert.ok(tookMs < 12_000);
    }));

  test('a peer that never comes back: nothing is aborted unasked, and an abort that is asked for works', () =>
    withPair(async (pair) => {
      const deal = await pair.author.offer(pair.signer);
      await pair.signer.waitFor(deal, ['offered']);
      await pair.author.kill();
      const agent = await pair.signer.consenting();
      assert.equal((await agent.dealAccept({ deal })).state, 'signing');
      await assert.rejects(agent.dealWait({ deal, for: [...ENDED], timeoutMs: 2 * PATIENCE_MS }), {
        code: 'timed-out',
      });
      const { exchange } = await agent.dealShow({ deal });
      assert.equal(exchange?.phase, 'promised');
      await agent.dealAbort({ deal });
      assert.equal(await pair.signer.waitFor(deal, ENDED), 'aborted');
      // Whoever comes back later cannot make a contract of it any more.
      await start(pair.author);
      assert.equal(await pair.author.waitFor(deal, ENDED), 'aborted');
    }));

  test('the author withdraws what is being accepted: never a contract on one side only', () =>
    withPair(async (pair) => {
      const { deal, accepting } = await underWay(pair);
      const author = await pair.author.agent();
      await author.dealWithdraw({ deal }).catch((error) => assert.equal(error.code, 'wrong-state'));
      await accepting;
      const states = ['contracted', 'aborted', 'withdrawn'] as const;
      const [one, two] = await Promise.all([pair.author, pair.signer].map((side) => side.waitFor(deal, states)));
      assert.equal(one === 'contracted', two === 'contracted', `${one}, ${two}`);
    }));

  for (const side of ['author', 'signer'] as const) {
    test(`the ${side} stops its daemon in order amid an exchange`, (t) =>
      withPair(async (pair) => {
        const { deal } = await underWay(pair);
        await pair[side].event((event) => event.deal === deal && event.state === 'signing');
        await (await pair[side].agent()).stop();
        assert.equal(await pair[side].exited, 0);
        await start(pair[side]);
        await oneEnd(t, pair, deal);
      }));

    test(`the ${side} locks its daemon amid an exchange`, (t) =>
      withPair(async (pair) => {
        const stopped = pair[side].speaks();
        const n = side === 'signer' ? 2 : 1;
        order(pair[side], { space: 'exchanges', n, when: 'before', signal: 'SIGSTOP' });
        const { deal } = await underWay(pair);
        await stopped;
        await frozen(pair[side]);
        const agent = await pair[side].agent();
        const locking = agent.lock();
        pair[side].signal('SIGCONT');
        assert.equal((await locking).locked, true);
        await agent.unlock({ passphrase: PASSPHRASE });
        // What was proven before a lock counts no more; others use this connection after us.
        await agent.prove({ passphrase: PASSPHRASE });
        await oneEnd(t, pair, deal);
      }));
  }
});

describe('the arbiter', { concurrency: false }, () => {
  for (const when of ['before', 'after'] as const) {
    for (const request of ['resolve', 'abort'] as const) {
      test(`killed ${when} it recorded what a ${request} is answered, restarted: it answers the same`, (t) =>
        withPair(async (pair) => {
          order(notary, { space: 'cases', n: 1, when, signal: 'SIGKILL' });
          const cases = async () => (await (await notary.agent()).arbiterCases()).cases;
          const known = (await cases()).length;
          let deal: string;
          if (request === 'resolve') {
            order(pair.signer, { space: 'exchanges', n: 3, when: 'before', signal: 'SIGKILL' });
            ({ deal } = await underWay(pair));
            await pair.signer.exited;
          } else {
            deal = await pair.author.offer(pair.signer);
            await pair.signer.waitFor(deal, ['offered']);
            await pair.author.kill();
            const agent = await pair.signer.consenting();
            await agent.dealAccept({ deal });
            await agent.dealAbort({ deal });
          }
          assert.equal(await notary.exited, 137);
          await start(notary);
          assert.equal((await cases()).length, known + (when === 'after' ? 1 : 0));
          const survivor = request === 'resolve' ? pair.author : pair.signer;
          const end = await survivor.waitFor(deal, ENDED);
          assert.equal(end, request === 'resolve' ? 'contracted' : 'aborted');
          for (const trader of [pair.author, pair.signer]) if (!trader.running) await start(trader);
          assert.equal(await oneEnd(t, pair, deal), end);
          const decided = await cases();
          assert.equal(decided.length, known + 1);
        }));
    }
  }
});
