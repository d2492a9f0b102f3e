/**
 * A daemon is stopped at any recorded step of a transfer: both sides end completed, the receiver with the same bytes and both with
 * the same statements, and nobody types a command beyond the restart. The points are the writes of a transfer's state and of
 * what is kept of its content, before and after each.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import {
  acceptAgain,
  accepting,
  crashPairs,
  oneState,
  ordered,
  type Pair,
  type Point,
  pointsOf,
} from '../support/crash-pairs.ts';
import { test } from '../support/in-time.ts';
import { consenting, contentOf, fileOf, order, start } from '../support/rogue-trio.ts';

const SIDES = ['sender', 'receiver'] as const;
type Side = (typeof SIDES)[number];
/** Pairs that run at the same time. */
const PAIRS = 2;
const ENDED = ['completed', 'failed', 'declined', 'withdrawn', 'expired'] as const;

const { notary, withPair, other } = crashPairs(SIDES, PAIRS);

const POINTS = pointsOf<Side>([
  ['receiver', 'deliveries', ['the acceptance', 'the key point and root', 'message 0', 'the opened files']],
  ['receiver', 'exchanges', ['the key', 'the receipt']],
  ['sender', 'exchanges', ['the key', 'the completion']],
]);

interface UnderWay {
  readonly deal: string;
  readonly data: Buffer;
}

async function offered({ sender, receiver }: Pair<Side>): Promise<UnderWay> {
  const { path, data } = fileOf(sender);
  const agent = await consenting(sender);
  const transfer = { origin: true, receipt: 'asked' } as const;
  const { deal } = await agent.dealDeliver({ files: [path], to: receiver.name, transfer });
  await receiver.waitFor(deal, ['offered']);
  return { deal, data };
}

async function completed(t: TestContext, { sender, receiver }: Pair<Side>, { deal, data }: UnderWay): Promise<void> {
  assert.equal(await oneState(t, [sender, receiver], deal, ENDED), 'completed');
  assert.deepEqual(await contentOf(receiver, deal), data);
  const [mine, theirs] = await Promise.all([sender.evidence(deal), receiver.evidence(deal)]);
  for (const name of ['transfer.md', 'origin.txt', 'origin.p7s', 'receipt.txt', 'receipt.p7s'])
    assert.deepEqual(mine.get(name), theirs.get(name), `${name} of both sides`);
  for (const trader of [sender, receiver]) {
    const { transactions } = await (await trader.agent()).dealShow({ deal });
    for (const kind of ['acceptance', 'completion'])
      assert.equal(transactions.filter((one) => one.kind === kind).length, 1, `${kind} once at ${trader.name}`);
    assert.ok((await (await trader.agent()).auditVerify()).ok);
  }
  assert.equal((await (await notary.agent()).status()).received.arbiter, 0);
}

/** What happens to the other side meanwhile, until the one that was killed is there again. */
const runs: Readonly<Record<string, (pair: Pair<Side>, point: Point<Side>) => Promise<void>>> = {
  'restarted at once': async () => {},
  'the other side restarts too': async (pair, { side }) => {
    const survivor = pair[other(side)];
    await survivor.kill();
    await start(survivor);
  },
};

describe('killed at a write', { concurrency: PAIRS }, () => {
  for (const point of POINTS)
    for (const [how, meanwhile] of Object.entries(runs))
      test(`${point.side}, ${point.when} ${point.what}, ${how}`, (t) =>
        withPair(async (pair) => {
          const victim = pair[point.side];
          const run = await offered(pair);
          order(victim, ordered(point));
          const { accepted } = await accepting(pair.receiver, run.deal);
          assert.equal(await victim.exited, 137);
          const isAccepted = await accepted;
          await meanwhile(pair, point);
          await start(victim);
          if (point.what === 'the acceptance' && point.when === 'before') {
            assert.equal(isAccepted, false);
            await acceptAgain([pair.sender, pair.receiver], pair.receiver, run.deal);
          }
          await completed(t, pair, run);
        }));
});

describe('both at once', { concurrency: PAIRS }, () => {
  for (const point of POINTS.filter(({ when, space }) => when === 'after' && space === 'exchanges'))
    test(`when the ${point.side} is after ${point.what}`, (t) =>
      withPair(async (pair) => {
        const run = await offered(pair);
        order(pair[point.side], ordered(point));
        await accepting(pair.receiver, run.deal);
        await pair[point.side].exited;
        await pair[other(point.side)].kill();
        await Promise.all([start(pair.sender), start(pair.receiver)]);
        await completed(t, pair, run);
      }));
});
