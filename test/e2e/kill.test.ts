/**
 * A trader's daemon is stopped at any point of an exchange, the other one's restarted at any point: both end contracted or
 * both end aborted, with the same bytes, and nobody types a command beyond the restart.
 *
 * Every write of an exchange's state is a point, before and after; the daemons stop themselves there (crashing-fitd). Killed
 * at random times they find what a list of points forgets; FIT_TEST_SEED repeats such a run.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext } from 'node:test';
import {
  acceptAgain,
  accepting,
  crashPairs,
  disturb,
  numbers,
  oneState,
  ordered,
  PATIENCE_MS,
  type Point,
  pointsOf,
  seeds,
} from '../support/crash-pairs.ts';
import { test } from '../support/in-time.ts';
import { order, start } from '../support/rogue-trio.ts';
import { PASSPHRASE, sameContract, type Trader } from '../support/traders.ts';

/** Pairs that run at the same time. */
const PAIRS = 3;
const ENDED = ['contracted', 'aborted'] as const;

const { notary, withPair, other } = crashPairs(['author', 'signer'], PAIRS);

interface Pair {
  /** Proposed, so it is the responder of the exchange. */
  readonly author: Trader;
  /** Accepts, so it is the originator. */
  readonly signer: Trader;
}
type Side = keyof Pair;

/** An offer that has arrived, and its acceptance under way: the call may fail with the daemon. */
async function underWay({ author, signer }: Pair): Promise<{ deal: string; accepted: Promise<boolean> }> {
  const deal = await author.offer(signer);
  await signer.waitFor(deal, ['offered']);
  return { deal, ...(await accepting(signer, deal)) };
}

/** The victim has said that it will stop itself; a SIGCONT that came before the stop would be lost. */
async function frozen({ pid }: Trader): Promise<void> {
  const state = () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
  while (state() !== 'T') await new Promise((again) => setImmediate(again));
}

async function oneEnd(t: TestContext, { author, signer }: Pair, deal: string): Promise<(typeof ENDED)[number]> {
  const end = await oneState(t, [author, signer], deal, ENDED);
  if (end === 'contracted') await sameContract(author, signer, deal);
  return end;
}

const POINTS = pointsOf<Side>([
  ['signer', 'exchanges', ['the acceptance', 'message 1', 'message 3', 'the contract']],
  ['author', 'exchanges', ['message 2', 'the contract and message 4']],
]);
/** The other side has promised and can do without: it turns to the arbiter, or is done. */
const alone = ({ side, n }: Point<Side>): boolean => (side === 'signer' ? n >= 3 : n === 2);

describe('killed at a write', { concurrency: PAIRS }, () => {
  for (const point of POINTS) {
    test(`${point.side}, ${point.when} ${point.what}, restarted at once`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        order(victim, ordered(point));
        const { deal, accepted } = await underWay(pair);
        assert.equal(await victim.exited, 137);
        await start(victim);
        if (point.side === 'signer' && point.n === 1 && point.when === 'before') {
          assert.equal(await accepted, false);
          await acceptAgain([pair.author, pair.signer], pair.signer, deal);
        }
        await oneEnd(t, pair, deal);
      }));
  }

  for (const point of POINTS.filter(alone)) {
    test(`${point.side}, ${point.when} ${point.what}, restarted when the other is done`, (t) =>
      withPair(async (pair) => {
        const victim = pair[point.side];
        const survivor = pair[other(point.side)];
        order(victim, ordered(point));
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
        order(pair[point.side], ordered(point));
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

describe('killed at random times', { concurrency: PAIRS }, () => {
  for (const seed of seeds(6)) {
    test(`FIT_TEST_SEED=${seed}`, (t) =>
      withPair(async (pair) => {
        const { deal } = await underWay(pair);
        await disturb([pair.author, pair.signer], numbers(seed), 700);
        const states = await Promise.all(
          [pair.author, pair.signer].map(async (one) => (await (await one.agent()).dealShow({ deal })).state),
        );
        // Killed before the acceptance was recorded: it did not happen.
        if (states.every((state) => state === 'offered')) {
          t.diagnostic('nothing was accepted');
          await acceptAgain([pair.author, pair.signer], pair.signer, deal);
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
      const { deal, accepted } = await underWay(pair);
      const author = await pair.author.agent();
      await author.dealWithdraw({ deal }).catch((error) => assert.equal(error.code, 'wrong-state'));
      await accepted;
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
