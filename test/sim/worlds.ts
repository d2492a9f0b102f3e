/** The worlds that are explored. Their state counts are asserted: a world that loses states silently proves less. */
import type { Exchange, Name } from './terms.ts';
import type { World } from './world.ts';

export function exchange(xid: string, O: Name, R: Name, more: Partial<Exchange> = {}): Exchange {
  return { xid, O, R, T: 't', document: 'd1', fits: true, content: null, contentR: null, full: false, ...more };
}

export const BASE: Omit<World, 'name'> = {
  exchanges: [exchange('x1', 'a', 'b')],
  honest: ['a', 'b'],
  arbiter: 'honest',
  crashes: {},
  clock: 'expiry',
  punctual: 'answered',
  consentEnds: false,
  persons: 'orders',
  patience: true,
  consents: 1,
  parallel: false,
  restores: 0,
  attends: true,
  variants: false,
};

/** X that do not follow from the text: an arbiter in the other side's hand, and the other side itself as arbiter. */
export const misfits = (O: Name, R: Name, evil: Name): Exchange[] => [
  exchange('y1', O, R, { T: 'n', fits: false }),
  exchange('y2', O, R, { T: evil, fits: false }),
];

/** The corrupt originator names an arbiter of its own, or itself; R must see it. */
const AGAINST_R: Omit<World, 'name'> = {
  ...BASE,
  exchanges: [exchange('x1', 'm', 'b'), ...misfits('m', 'b', 'm')],
  honest: ['b'],
  variants: true,
};
const AGAINST_O: Omit<World, 'name'> = {
  ...BASE,
  exchanges: [exchange('x1', 'a', 'm')],
  honest: ['a'],
  variants: true,
};

export const faultFree: World = {
  ...BASE,
  name: 'both honest, no fault',
  clock: 'stopped',
  persons: 'none',
  patience: false,
};
export const honest: World = {
  ...BASE,
  name: 'both honest: network, clocks, persons, withdrawal',
  persons: 'withdraw',
};
export const againstO: World = { ...AGAINST_O, name: 'corrupt responder' };
export const againstR: World = { ...AGAINST_R, name: 'corrupt originator' };
export const crashesO: World = {
  ...AGAINST_O,
  name: 'corrupt responder: crashes of O and of the arbiter',
  crashes: { a: 1, t: 1 },
};
export const retentionO: World = {
  ...AGAINST_O,
  name: 'corrupt responder: retention ends, records are pruned',
  clock: 'retention',
};
export const restored: World = { ...AGAINST_O, name: 'corrupt responder: O restored from a backup', restores: 1 };
export const consentEnds: World = {
  ...AGAINST_R,
  name: 'corrupt originator: the consent is withdrawn or ends',
  consentEnds: true,
  persons: 'withdraw',
  variants: false,
};
export const sameTextR: World = {
  ...AGAINST_R,
  name: 'corrupt originator: two exchanges of one text, one consent',
  exchanges: [exchange('x1', 'm', 'b'), exchange('x2', 'm', 'b')],
  parallel: true,
  variants: false,
};
export const lying: World = {
  ...BASE,
  name: 'both honest, the arbiter lies',
  arbiter: 'lying',
  clock: 'stopped',
};

export const SIGNING_WORLDS: readonly World[] = [
  faultFree,
  honest,
  {
    ...BASE,
    name: 'both honest: crashes of each and of the arbiter',
    crashes: { a: 1, b: 1, t: 1 },
  },
  {
    ...BASE,
    name: 'both honest: a second attempt over the same text, a crash of O',
    crashes: { a: 1 },
    exchanges: [exchange('x1', 'a', 'b'), exchange('x2', 'a', 'b')],
    consents: 2,
  },
  {
    ...BASE,
    name: 'both honest: two exchanges in opposite roles',
    exchanges: [exchange('x1', 'a', 'b'), exchange('x2', 'b', 'a', { document: 'd2' })],
    clock: 'stopped',
  },
  againstO,
  crashesO,
  {
    ...AGAINST_O,
    name: 'corrupt responder: two crashes of O and of the arbiter',
    crashes: { a: 2, t: 2 },
    variants: false,
  },
  retentionO,
  restored,
  {
    ...AGAINST_O,
    name: 'corrupt responder: two exchanges of one text, two consents',
    exchanges: [exchange('x1', 'a', 'm'), exchange('x2', 'a', 'm')],
    consents: 2,
    variants: false,
  },
  againstR,
  {
    ...AGAINST_R,
    name: 'corrupt originator: crashes of R and of the arbiter',
    crashes: { b: 1, t: 1 },
  },
  {
    ...AGAINST_R,
    name: 'corrupt originator: retention ends, records are pruned',
    clock: 'retention',
  },
  consentEnds,
  sameTextR,
  {
    ...AGAINST_O,
    name: 'one corrupt: two exchanges of one text in opposite roles',
    exchanges: [exchange('x1', 'a', 'm'), exchange('x2', 'm', 'a')],
    consents: 2,
    parallel: true,
    variants: false,
  },
  lying,
];

/** The assumption on punctuality dropped, and weakened: what the fairness of the other worlds rests on. */
export const unpunctual: World = { ...AGAINST_O, name: 'corrupt responder: O may miss notAfter', punctual: 'none' };
export const received: World = {
  ...AGAINST_O,
  name: 'corrupt responder: O is received, not answered, before notAfter',
  punctual: 'received',
};
