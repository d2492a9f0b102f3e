/**
 * The worlds and mutants of deliveries with a full check: the arbiter compares the content before it decides. Nobody has to be
 * there while a window is open, so in none of these worlds is it assumed that a receiver attends.
 */
import { CONTENT_ARBITER } from '../../src/exchange/arbiter.ts';
import { RECEIVER } from '../../src/exchange/party.ts';
import { changed, type ExploredMutant } from './mutants.ts';
import type { Content, Exchange } from './terms.ts';
import type { World } from './world.ts';
import { BASE, exchange, misfits } from './worlds.ts';

const delivery = (O: Exchange['O'], R: Exchange['R'], content: Content): Exchange =>
  exchange('x1', O, R, { content, full: true });

const FULL = { ...BASE, attends: false };
const AGAINST_SENDER: Omit<World, 'name'> = {
  ...FULL,
  exchanges: [delivery('a', 'm', 'right')],
  honest: ['a'],
  variants: true,
};
const AGAINST_RECEIVER: Omit<World, 'name'> = {
  ...FULL,
  exchanges: [
    delivery('m', 'b', 'wrong'),
    ...misfits('m', 'b', 'm').map((x) => ({ ...x, content: 'wrong', full: true }) as const),
  ],
  honest: ['b'],
  variants: true,
};

const damaged: World = {
  ...FULL,
  name: 'full check, both honest, the content damaged on the sender’s disk',
  exchanges: [delivery('a', 'b', 'wrong')],
};
const againstReceiver: World = { ...AGAINST_RECEIVER, name: 'full check, corrupt sender of wrong content' };
const crashesReceiver: World = {
  ...AGAINST_RECEIVER,
  name: 'full check, corrupt sender of wrong content: crashes of the receiver and of the arbiter',
  exchanges: [delivery('m', 'b', 'wrong')],
  crashes: { b: 1, t: 1 },
  variants: false,
};

export const FULL_WORLDS: readonly World[] = [
  {
    ...FULL,
    name: 'full check, both honest, no fault',
    exchanges: [delivery('a', 'b', 'right')],
    clock: 'stopped',
    persons: 'none',
    patience: false,
  },
  {
    ...FULL,
    name: 'full check, both honest: network, clocks, persons, withdrawal',
    exchanges: [delivery('a', 'b', 'right')],
    persons: 'withdraw',
  },
  damaged,
  { ...AGAINST_SENDER, name: 'full check, corrupt receiver' },
  {
    ...AGAINST_SENDER,
    name: 'full check, corrupt receiver: crashes of the sender and of the arbiter',
    crashes: { a: 1, t: 1 },
    variants: false,
  },
  {
    ...AGAINST_SENDER,
    name: 'full check, corrupt receiver: retention ends, records are pruned',
    clock: 'retention',
    variants: false,
  },
  {
    ...AGAINST_RECEIVER,
    name: 'full check, corrupt sender of right content',
    exchanges: [delivery('m', 'b', 'right')],
  },
  againstReceiver,
  crashesReceiver,
  {
    ...AGAINST_RECEIVER,
    name: 'full check, corrupt sender of wrong content: retention ends, records are pruned',
    exchanges: [delivery('m', 'b', 'wrong')],
    clock: 'retention',
    variants: false,
  },
];

export const FULL_MUTANTS: readonly ExploredMutant[] = [
  {
    name: 'a full check that does not look: what was brought is taken for right',
    world: againstReceiver,
    rules: { looks: false },
    killedBy: ['W'],
  },
  {
    name: 'a full check of nothing: what was not brought is taken for right',
    world: againstReceiver,
    rules: { needsCiphertext: false },
    killedBy: ['W'],
  },
  {
    name: 'a full check that finds a wrong chunk and completes the exchange',
    world: againstReceiver,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) => (row.when === 'foundWrong' ? { ...row, to: 'resolved' } : row)),
    },
    killedBy: ['W'],
  },
  {
    name: 'a window instead of a full check: a receiver that is away owes a receipt for wrong content',
    world: crashesReceiver,
    rules: { fullWithoutWindow: false },
    killedBy: ['W'],
  },
  {
    name: 'what a full check found wrong is answered, not stored',
    world: againstReceiver,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) =>
        row.when === 'foundWrong' ? { ...row, effects: ['answer'] } : row,
      ),
    },
    killedBy: ['10'],
  },
  {
    name: 'a receiver hears of a void only if it complained',
    world: againstReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) => (row.on === 'void' && row.from !== 'complaining' ? null : row)),
    },
    killedBy: ['5'],
  },
  {
    name: 'right content does not complete an exchange with a full check',
    world: { ...AGAINST_SENDER, name: 'full check, corrupt receiver' },
    rules: { contentArbiter: changed(CONTENT_ARBITER, (row) => (row.when === 'foundRight' ? null : row)) },
    killedBy: ['5'],
  },
];
