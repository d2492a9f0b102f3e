/** The worlds that are explored. The state counts are asserted: a world that loses states silently proves less. */
import type { Exchange, Name } from './terms.ts';
import type { World } from './world.ts';

function exchange(xid: string, O: Name, R: Name, more: Partial<Exchange> = {}): Exchange {
  return { xid, O, R, T: 't', document: 'd1', fits: true, ...more };
}

const BASE: World = {
  name: '',
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
  variants: false,
};

/** X that do not follow from the text: an arbiter in the other side's hand, and the other side itself as arbiter. */
const misfits = (O: Name, R: Name, evil: Name): Exchange[] => [
  exchange('y1', O, R, { T: 'n', fits: false }),
  exchange('y2', O, R, { T: evil, fits: false }),
];

export const faultFree: World = {
  ...BASE,
  name: 'honest, no fault',
  clock: 'stopped',
  persons: 'none',
  patience: false,
};
export const honest: World = { ...BASE, name: 'honest, network, persons, clocks', persons: 'withdraw' };
export const honestCrash: World = {
  ...BASE,
  name: 'honest, crashes of everybody',
  crashes: { a: 1, b: 1, t: 1 },
};
export const corruptO: World = {
  ...BASE,
  name: 'corrupt originator, crashes',
  exchanges: [exchange('x1', 'm', 'b'), ...misfits('m', 'b', 'm')],
  honest: ['b'],
  crashes: { b: 1, t: 1 },
  variants: true,
};
export const corruptR: World = {
  ...BASE,
  name: 'corrupt responder, crashes',
  exchanges: [exchange('x1', 'a', 'm'), ...misfits('a', 'm', 'm')],
  honest: ['a'],
  crashes: { a: 1, t: 1 },
  variants: true,
};
