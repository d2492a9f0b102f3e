/**
 * A daemon is stopped at any recorded step of a swap, of a credential for a file (conditional access) and of a credential for a
 * receipt: both sides end completed with the same evidence and each other's bytes, or both aborted with neither; who was given
 * wrong content ends with the proof that it is void. Nobody types a command beyond the restart. The points are the writes of
 * the exchange's state and of what is kept of the content.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test as nodeTest, type TestContext } from 'node:test';
import { verifyFiles } from '../../src/evidence/verify.ts';
import type { DealResult } from '../../src/rpc/agent.ts';
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
  type Writes,
} from '../support/crash-pairs.ts';
import { test } from '../support/in-time.ts';
import { consenting, contentOf, fileOf, order, start, WINDOW } from '../support/rogue-trio.ts';
import type { Trader } from '../support/traders.ts';

/** Pairs that run at the same time. */
const PAIRS = 2;
const ENDED = ['completed', 'aborted'] as const;

const { notary, withPair, other, later } = crashPairs(['asker', 'answerer'], PAIRS);

interface Pair {
  /** Offers first and accepts the answer, so it is the originator. */
  readonly asker: Trader;
  readonly answerer: Trader;
}
type Side = keyof Pair;

interface Content {
  readonly path: string;
  readonly data: Buffer;
}

/** A licence key, described as what it is. */
function tokenOf(trader: Trader): Content {
  const folder = join(trader.folder, `token-${randomBytes(6).toString('hex')}`);
  mkdirSync(folder);
  const data = Buffer.from(`K3Y-${randomBytes(6).toString('hex')}\n`);
  const path = join(folder, 'licence.txt');
  writeFileSync(path, data);
  return { path, data };
}

const show = async (trader: Trader, deal: string): Promise<DealResult> => (await trader.agent()).dealShow({ deal });

/** What each of both gives; null: a receipt. */
interface Run {
  readonly deal: string;
  readonly gives: Readonly<Record<Side, Content | null>>;
}

async function ask({ asker, answerer }: Pair, { path }: Content): Promise<string> {
  const wanted = { to: answerer.name, arbiter: notary.name, window: WINDOW, swap: true, want: 'a plan' };
  return (await (await consenting(asker)).dealDeliver({ files: [path], ...wanted })).deal;
}

async function answer({ answerer }: Pair, deal: string, { path }: Content, credential = false): Promise<void> {
  await (await consenting(answerer)).dealDeliver({ files: [path], deal, swap: true, window: WINDOW, credential });
}

/** The answer has arrived: there is something to accept. */
async function answered({ asker }: Pair, deal: string): Promise<void> {
  for (let seen = -1; (await show(asker, deal)).version < 2; )
    ({ seq: seen } = await asker.event((event) => event.deal === deal && event.seq > seen));
}

/** A swap that its asker can accept; or the answerer gives a licence key. */
async function offered(pair: Pair, kind: 'files' | 'credential'): Promise<Run> {
  const isKey = kind === 'credential';
  const gives = { asker: fileOf(pair.asker), answerer: isKey ? tokenOf(pair.answerer) : fileOf(pair.answerer) };
  const deal = await ask(pair, gives.asker);
  await pair.answerer.waitFor(deal, ['offered']);
  await answer(pair, deal, gives.answerer, isKey);
  await answered(pair, deal);
  return { deal, gives };
}

/** A licence key for a receipt, which the asker can accept. */
async function granted({ asker, answerer }: Pair): Promise<Run> {
  const key = tokenOf(answerer);
  const given = { to: asker.name, arbiter: notary.name, window: WINDOW, credential: true };
  const { deal } = await (await consenting(answerer)).dealDeliver({ files: [key.path], ...given });
  await asker.waitFor(deal, ['offered']);
  return { deal, gives: { asker: null, answerer: key } };
}

const problemOf = (evidence: ReadonlyMap<string, Buffer>): string | undefined =>
  verifyFiles([...evidence].map(([name, data]) => ({ name, data }))).problem?.code;

/** One end for both; nothing for anybody, or what each gave and evidence that is the same at both sides, and good. */
async function oneEnd(t: TestContext, pair: Pair, { deal, gives }: Run): Promise<(typeof ENDED)[number]> {
  const { asker, answerer } = pair;
  const end = await oneState(t, [asker, answerer], deal, ENDED);
  for (const side of ['asker', 'answerer'] as const) {
    const given = gives[side];
    if (given === null) continue;
    const got = await contentOf(pair[other(side)], deal);
    if (end === 'completed') assert.deepEqual(got, given.data, `what the ${side} gave`);
    else assert.equal(got, undefined, `what the ${side} gave`);
  }
  if (end !== 'completed') return end;
  const [one, two] = await Promise.all([asker.evidence(deal), answerer.evidence(deal)]);
  for (const [name, data] of one)
    if (name !== 'log.jsonl') assert.deepEqual(data, two.get(name), `${name} of both sides`);
  for (const evidence of [one, two]) assert.equal(problemOf(evidence), undefined);
  return end;
}

const OF_ORIGINATOR = ['the beginning', 'message 1', 'message 3', 'their key', 'the completion'];
const OF_RESPONDER = ['message 2', 'their key', 'message 4'];
const OF_RECEIVER = ['the acceptance', 'the key point and root', 'message 0', 'the opened files'];
/** From the acceptance on. */
const SWAP_WRITES: readonly Writes<Side>[] = [
  ['asker', 'deliveries', OF_RECEIVER],
  ['asker', 'exchanges', OF_ORIGINATOR],
  ['answerer', 'deliveries', ['the beginning of the fetch', ...OF_RECEIVER.slice(1)]],
  ['answerer', 'exchanges', OF_RESPONDER],
];
const GRANT_WRITES: readonly Writes<Side>[] = [
  ['asker', 'deliveries', OF_RECEIVER],
  ['asker', 'exchanges', ['message 2', 'the key', 'the receipt']],
  ['answerer', 'exchanges', ['the beginning', 'message 1', 'message 3', 'the completion']],
];

/** The victim is stopped there, and started again at once. */
async function killedAt(t: TestContext, pair: Pair, point: Point<Side>, run: Run): Promise<void> {
  const victim = pair[point.side];
  order(victim, ordered(point));
  const { accepted } = await accepting(pair.asker, run.deal);
  assert.equal(await victim.exited, 137);
  await start(victim);
  if (point.what === 'the acceptance' && point.when === 'before') {
    assert.equal(await accepted, false);
    await acceptAgain([pair.asker, pair.answerer], pair.asker, run.deal);
  }
  assert.equal(await oneEnd(t, pair, run), 'completed');
}

describe('a swap: killed at a write', { concurrency: PAIRS }, () => {
  for (const point of pointsOf(SWAP_WRITES))
    test(`${point.side}, ${point.when} ${point.what}, restarted at once`, (t) =>
      withPair(async (pair) => killedAt(t, pair, point, await offered(pair, 'files'))));

  /** The other side has what its side of the exchange needs, or the arbiter has. */
  const alone = ({ side, space, n }: Point<Side>): boolean => space === 'exchanges' && n >= (side === 'asker' ? 3 : 2);
  for (const point of pointsOf(SWAP_WRITES).filter(alone))
    test(`${point.side}, ${point.when} ${point.what}, restarted when the other is done`, (t) =>
      withPair(async (pair) => {
        const run = await offered(pair, 'files');
        order(pair[point.side], ordered(point));
        await accepting(pair.asker, run.deal);
        assert.equal(await pair[point.side].exited, 137);
        assert.equal(await pair[other(point.side)].waitFor(run.deal, ENDED), 'completed');
        await start(pair[point.side]);
        assert.equal(await oneEnd(t, pair, run), 'completed');
      }));

  for (const point of pointsOf(SWAP_WRITES, ['after']).filter(({ what }) => /^message [123]$/.test(what)))
    test(`both, when the ${point.side} is after ${point.what}`, (t) =>
      withPair(async (pair) => {
        const run = await offered(pair, 'files');
        order(pair[point.side], ordered(point));
        await accepting(pair.asker, run.deal);
        await pair[point.side].exited;
        await pair[other(point.side)].kill();
        await Promise.all([start(pair.asker), start(pair.answerer)]);
        await oneEnd(t, pair, run);
      }));
});

describe('what comes before it: killed at a write', { concurrency: PAIRS }, () => {
  const writes: readonly Writes<Side>[] = [
    ['asker', 'deals', ['the offer']],
    ['answerer', 'deals', ['the offer that arrives']],
    ['answerer', 'deals', ['the answer']],
    ['asker', 'deals', ['the answer that arrives']],
  ];
  for (const point of pointsOf(writes))
    test(`${point.side}, ${point.when} ${point.what}`, (t) =>
      withPair(async (pair) => {
        const gives = { asker: fileOf(pair.asker), answerer: fileOf(pair.answerer) };
        const stopAt = (what: string): void => {
          if (point.what.startsWith(what)) order(pair[point.side], ordered(point));
        };
        /** The daemon of who did it is gone: what was not written did not happen, and is done again. */
        const redone = async (what: string, happened: () => Promise<boolean>): Promise<boolean> => {
          if (!point.what.startsWith(what)) return false;
          assert.equal(await pair[point.side].exited, 137);
          await start(pair[point.side]);
          if (point.what !== what) return false;
          assert.equal(await happened(), point.when === 'after');
          return point.when === 'before';
        };
        const open = async (): Promise<string | undefined> => {
          const { deals } = await (await pair.asker.agent()).dealList();
          return deals.find(({ kind, state }) => kind === 'swap' && state === 'offered')?.deal;
        };
        stopAt('the offer');
        const asked = await ask(pair, gives.asker).catch(() => undefined);
        const again = await redone('the offer', async () => (await open()) !== undefined);
        const deal = again ? await ask(pair, gives.asker) : (asked ?? (await open()) ?? assert.fail('an offer'));
        await pair.answerer.waitFor(deal, ['offered']);
        stopAt('the answer');
        const answering = () => answer(pair, deal, gives.answerer);
        await answering().catch((error) => assert.equal(point.what, 'the answer', String(error)));
        if (await redone('the answer', async () => (await show(pair.answerer, deal)).version === 2)) await answering();
        await answered(pair, deal);
        await (await consenting(pair.asker)).dealAccept({ deal });
        assert.equal(await oneEnd(t, pair, { deal, gives }), 'completed');
      }));
});

describe('a credential for a file: killed at a write', { concurrency: PAIRS }, () => {
  for (const point of pointsOf(SWAP_WRITES, ['after']))
    test(`${point.side}, after ${point.what}`, (t) =>
      withPair(async (pair) => killedAt(t, pair, point, await offered(pair, 'credential'))));
});

describe('a credential for a receipt: killed at a write', { concurrency: PAIRS }, () => {
  for (const point of pointsOf(GRANT_WRITES, ['after']))
    test(`${point.side}, after ${point.what}`, (t) =>
      withPair(async (pair) => killedAt(t, pair, point, await granted(pair))));
});

describe('a swap: killed at random times', { concurrency: PAIRS }, () => {
  for (const seed of seeds(2))
    test(`FIT_TEST_SEED=${seed}`, (t) =>
      withPair(async (pair) => {
        const run = await offered(pair, 'files');
        await accepting(pair.asker, run.deal);
        await disturb([pair.asker, pair.answerer], numbers(seed), 900);
        const { phase } = await (await pair.asker.agent()).deliveryShow({ deal: run.deal });
        // Killed before the acceptance was recorded: it did not happen.
        if (phase === 'waiting') await acceptAgain([pair.asker, pair.answerer], pair.asker, run.deal);
        await oneEnd(t, pair, run);
      }));
});

for (const cheat of ['asker', 'answerer'] as const) {
  const cheated = other(cheat);
  const before = cheated === 'asker' ? 4 : 2;
  nodeTest(`wrong content of the ${cheat}: void, whoever is killed`, { timeout: 180_000 }, (t) =>
    withPair(async (pair) => {
      await pair[cheat].kill();
      await start(pair[cheat], 'chunk');
      const where = [
        { victim: pair[cheated], space: 'deliveries', n: 4, what: 'what is wrong' },
        { victim: pair[cheated], space: 'exchanges', n: before + 1, what: 'the complaint' },
        { victim: pair[cheated], space: 'exchanges', n: before + 2, what: 'that it is void' },
        { victim: notary, space: 'cases', n: 1, what: 'that it is void' },
      ] as const;
      for (const { victim, space, n, what } of where)
        for (const when of cheated === 'asker' ? (['before', 'after'] as const) : (['before'] as const))
          await t.test(`${victim.name}, ${when} ${what}`, async () => {
            const { deal } = await offered(pair, 'files');
            order(victim, { space, n, when, signal: 'SIGKILL' });
            await (await consenting(pair.asker)).dealAccept({ deal });
            assert.equal(await victim.exited, 137);
            await start(victim);
            assert.equal(await pair[cheated].waitFor(deal, ENDED), 'aborted');
            // Whose patience was over meanwhile hears of it when it looks again, at the end of the window.
            await later(WINDOW + 1);
            const end = await pair[cheat].waitFor(deal, ENDED);
            assert.equal(await contentOf(pair[cheated], deal), undefined);
            const evidence = await pair[cheated].evidence(deal);
            assert.equal(problemOf(evidence), 'void');
            // What it got was right, so it may call the swap completed: not to anybody who is shown the arbiter's word.
            if (end === 'completed') {
              const shown = await pair[cheat].evidence(deal);
              assert.equal(
                problemOf(new Map([...shown, ['answer.cbor', evidence.get('answer.cbor') ?? assert.fail()]])),
                'void',
              );
            }
          });
      await pair[cheat].kill();
      await start(pair[cheat]);
    }),
  );
}
