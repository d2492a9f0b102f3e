/**
 * The worlds and mutants of swaps: content for content. What the protocol does not give, and `fit deal explain` says: whoever
 * gets wrong content last has given its own already, and is left with a proof.
 */
import { ORIGINATOR, RESPONDER, SWAP_RESPONDER } from '../../src/exchange/party.ts';
import { changed, type ExploredMutant } from './mutants.ts';
import type { Content, Exchange } from './terms.ts';
import type { World } from './world.ts';
import { BASE, exchange } from './worlds.ts';

const swap = (O: Exchange['O'], R: Exchange['R'], content: Content, contentR: Content): Exchange =>
  exchange('x1', O, R, { content, contentR });

/** The corrupt side gives wrong content, the honest side right content. */
const AGAINST_O: Omit<World, 'name'> = { ...BASE, exchanges: [swap('a', 'm', 'right', 'wrong')], honest: ['a'] };
const AGAINST_R: Omit<World, 'name'> = { ...BASE, exchanges: [swap('m', 'b', 'wrong', 'right')], honest: ['b'] };

const faultFree: World = {
  ...BASE,
  name: 'swap, both honest, no fault',
  exchanges: [swap('a', 'b', 'right', 'right')],
  clock: 'stopped',
  persons: 'none',
  patience: false,
};
const honest: World = {
  ...BASE,
  name: 'swap, both honest: network, clocks, persons',
  exchanges: [swap('a', 'b', 'right', 'right')],
};
const againstO: World = { ...AGAINST_O, name: 'swap, corrupt responder with wrong content' };
const againstR: World = { ...AGAINST_R, name: 'swap, corrupt originator with wrong content' };
const rightR: World = {
  ...AGAINST_O,
  name: 'swap, corrupt responder with right content: crashes of O',
  exchanges: [swap('a', 'm', 'right', 'right')],
  crashes: { a: 1 },
};

const damagedR: World = {
  ...AGAINST_R,
  name: 'swap, corrupt originator with right content, that of the responder damaged on its disk',
  exchanges: [swap('m', 'b', 'right', 'wrong')],
};
const damagedO: World = {
  ...AGAINST_O,
  name: 'swap, corrupt responder with right content, that of the originator damaged on its disk',
  exchanges: [swap('a', 'm', 'wrong', 'right')],
};

export const SWAP_WORLDS: readonly World[] = [
  { ...AGAINST_O, name: 'swap, corrupt responder with wrong content: O restored from a backup', restores: 1 },
  faultFree,
  honest,
  againstO,
  rightR,
  againstR,
  damagedR,
  damagedO,
  {
    ...AGAINST_O,
    name: 'swap, corrupt responder with wrong content: crashes of O and the arbiter',
    crashes: { a: 1, t: 1 },
  },
  {
    ...AGAINST_R,
    name: 'swap, corrupt originator with wrong content: crashes of R and the arbiter',
    crashes: { b: 1, t: 1 },
  },
];

/** Either may be away while the window is open, and then take wrong content. */
export const awayO: World = {
  ...AGAINST_O,
  name: 'swap, corrupt responder with wrong content: O may be away while the window is open',
  crashes: { a: 1 },
  attends: false,
};
export const awayR: World = {
  ...AGAINST_R,
  name: 'swap, corrupt originator with wrong content: R may be away while the window is open',
  crashes: { b: 1 },
  attends: false,
};

export const SWAP_MUTANTS: readonly ExploredMutant[] = [
  {
    name: 'the originator of a swap takes what it has not compared',
    world: againstO,
    rules: { swapOriginator: ORIGINATOR },
    killedBy: ['W'],
  },
  {
    name: 'the responder of a swap takes what it has not compared',
    world: againstR,
    rules: { swapResponder: RESPONDER },
    killedBy: ['W'],
  },
  {
    name: 'the responder of a swap releases before it has compared',
    world: againstR,
    rules: {
      swapResponder: changed(SWAP_RESPONDER, (row) =>
        row.to === 'opening' ? { ...row, effects: ['record', 'sendRelease', 'checkContent'] } : row,
      ),
    },
    killedBy: ['10'],
  },
  {
    name: 'one who is honest is told void by an invented key of its content',
    world: rightR,
    rules: { proofNeedsOrigin: false },
    killedBy: ['12'],
  },
  {
    name: 'only the responder of a swap may complain',
    world: againstO,
    rules: { bothGive: false },
    killedBy: ['5'],
  },
  {
    name: 'the responder of a swap does not hear that its content was proven wrong',
    world: damagedR,
    rules: {
      swapResponder: changed(SWAP_RESPONDER, (row) => (row.on === 'void' && row.from !== 'complaining' ? null : row)),
    },
    killedBy: ['5'],
  },
];
