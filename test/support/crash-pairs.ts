/**
 * Pairs of traders with one arbiter, whose daemons stop themselves where a test says (crashing-fitd.program.ts): what the tests
 * share that kill daemons at every step of an exchange. A pair is lent to one test at a time and comes back with both running.
 */
import assert from 'node:assert/strict';
import { after, before, type TestContext } from 'node:test';
import type { DealStateName } from '../../src/rpc/agent.ts';
import type { Orders } from './crashing-fitd.program.ts';
import { consenting, move, start } from './rogue-trio.ts';
import { endAll, introduce, Trader, temporary } from './traders.ts';

/** How long everybody waits for the other side before it asks the arbiter. */
export const PATIENCE_MS = 1000;

export type Pair<Side extends string> = Readonly<Record<Side, Trader>>;

/** Made before the tests of the file that calls it and ended after them; `count` pairs run at the same time. */
export function crashPairs<Side extends string>(sides: readonly [Side, Side], count: number) {
  const folder = temporary();
  const notary = new Trader(folder, 'notary');
  const everyone = [notary];
  const free: Pair<Side>[] = [];
  const waiting: ((pair: Pair<Side>) => void)[] = [];
  let ahead = 0;

  before(async () => {
    const pairs = Array.from({ length: count }, (_, at) => {
      const [one, two] = sides.map((side) => new Trader(folder, `${side}${at}`));
      return { [sides[0]]: one, [sides[1]]: two } as Pair<Side>;
    });
    everyone.push(...pairs.flatMap((pair) => sides.map((side) => pair[side])));
    const patience = `${PATIENCE_MS / 1000}s`;
    await Promise.all(
      everyone.map((one) => one.init({ patience, ...(one === notary ? { role: 'arbiter' as const } : {}) })),
    );
    await Promise.all(everyone.map((one) => start(one)));
    for (const pair of pairs) await introduce([pair[sides[0]], pair[sides[1]], notary]);
    free.push(...pairs);
  });
  after(endAll);

  return {
    notary,

    async withPair<T>(use: (pair: Pair<Side>) => Promise<T>): Promise<T> {
      const pair = free.pop() ?? (await new Promise<Pair<Side>>((done) => waiting.push(done)));
      try {
        return await use(pair);
      } finally {
        for (const side of sides) if (!pair[side].running) await start(pair[side]);
        const next = waiting.shift();
        if (next === undefined) free.push(pair);
        else next(pair);
      }
    },

    other: (side: Side): Side => (side === sides[0] ? sides[1] : sides[0]),

    /** For everybody it is so much later. */
    async later(seconds: number): Promise<void> {
      ahead += seconds;
      await move(everyone, ahead);
    },
  };
}

/** A write of a daemon: the nth time that something is put into this space of its archive, from the order on. */
export interface Point<Side extends string> {
  readonly side: Side;
  readonly space: string;
  readonly n: number;
  readonly when: Orders['when'];
  readonly what: string;
}

/** `[side, space, what was written first, second, …]`. */
export type Writes<Side extends string> = readonly [side: Side, space: string, what: readonly string[]];

export function pointsOf<Side extends string>(
  writes: readonly Writes<Side>[],
  whens: readonly Orders['when'][] = ['before', 'after'],
): readonly Point<Side>[] {
  return whens.flatMap((when) =>
    writes.flatMap(([side, space, whats]) => whats.map((what, at) => ({ side, space, n: at + 1, when, what }))),
  );
}

export const ordered = ({ space, n, when }: Point<string>, signal: Orders['signal'] = 'SIGKILL'): Orders => {
  return { space, n, when, signal };
};

/** Accepts; false if the call failed with the daemon. */
export async function accepting(trader: Trader, deal: string): Promise<{ readonly accepted: Promise<boolean> }> {
  const agent = await consenting(trader);
  return {
    accepted: agent.dealAccept({ deal }).then(
      () => true,
      () => false,
    ),
  };
}

/** Nothing was written, so nothing was accepted; and nothing stands in the way of the next attempt. */
export async function acceptAgain(traders: readonly Trader[], by: Trader, deal: string): Promise<void> {
  for (const trader of traders) assert.equal((await (await trader.agent()).dealShow({ deal })).state, 'offered');
  await (await consenting(by)).dealAccept({ deal });
}

/** Waits for both ends, which must be one; says by whose help each came to it. */
export async function oneState<State extends DealStateName>(
  t: TestContext,
  traders: readonly [Trader, Trader],
  deal: string,
  ended: readonly State[],
): Promise<State> {
  const [one, two] = await Promise.all([traders[0].waitFor(deal, ended), traders[1].waitFor(deal, ended)]);
  assert.equal(one, two, 'both sides end in the same state');
  const via = await Promise.all(traders.map(async (trader) => (await (await trader.agent()).dealShow({ deal })).via));
  t.diagnostic(`${one}, ${traders.map((trader, at) => `${trader.name} via ${via[at]}`).join(', ')}`);
  const end = ended.find((state) => state === one);
  assert.ok(end !== undefined, one);
  return end;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** That of FIT_TEST_SEED alone, which repeats a run; else so many new ones. */
export function seeds(count: number): readonly number[] {
  const given = Number(process.env.FIT_TEST_SEED ?? 0);
  return given > 0 ? [given] : Array.from({ length: count }, () => 1 + Math.floor(Math.random() * 1e9));
}

/** Kills and restarts one of both, or both, within `spanMs`: about as long as an undisturbed exchange takes. */
export async function disturb(traders: readonly [Trader, Trader], random: () => number, spanMs: number): Promise<void> {
  const one = async (trader: Trader): Promise<void> => {
    await new Promise((done) => setTimeout(done, random() * spanMs));
    await trader.kill();
    if (random() < 0.5) await new Promise((done) => setTimeout(done, random() * 2 * PATIENCE_MS));
    await start(trader);
  };
  const victims = random() < 0.5 ? traders : [random() < 0.5 ? traders[0] : traders[1]];
  await Promise.all(victims.map(one));
}
