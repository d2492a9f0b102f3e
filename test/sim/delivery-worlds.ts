/**
 * The worlds of certified delivery: the originator sends content, right or wrong, and the responder owes a receipt. The receiver
 * attends, that is, it comes to its end while the window is open; what follows if it does not is `away`.
 */
import type { World } from './world.ts';
import { BASE, exchange, misfits } from './worlds.ts';

const right = { content: 'right' } as const;
const wrong = { content: 'wrong' } as const;

/** A corrupt receiver; an honest sender's content is right. */
const AGAINST_SENDER: Omit<World, 'name'> = {
  ...BASE,
  exchanges: [exchange('x1', 'a', 'm', right)],
  honest: ['a'],
  variants: true,
};
/** A corrupt sender, which may give wrong content, name its own arbiter, or itself. */
const AGAINST_RECEIVER: Omit<World, 'name'> = {
  ...BASE,
  exchanges: [exchange('x1', 'm', 'b', wrong), ...misfits('m', 'b', 'm').map((x) => ({ ...x, ...wrong }))],
  honest: ['b'],
  variants: true,
};

export const faultFree: World = {
  ...BASE,
  name: 'delivery, both honest, no fault',
  exchanges: [exchange('x1', 'a', 'b', right)],
  clock: 'stopped',
  persons: 'none',
  patience: false,
};
export const honest: World = {
  ...BASE,
  name: 'delivery, both honest: network, clocks, persons, withdrawal',
  exchanges: [exchange('x1', 'a', 'b', right)],
  persons: 'withdraw',
};
export const damaged: World = {
  ...honest,
  name: 'delivery, both honest, the content damaged on the sender’s disk',
  exchanges: [exchange('x1', 'a', 'b', wrong)],
};
export const againstSender: World = { ...AGAINST_SENDER, name: 'delivery, corrupt receiver' };
export const crashesSender: World = {
  ...AGAINST_SENDER,
  name: 'delivery, corrupt receiver: crashes of the sender and of the arbiter',
  crashes: { a: 1, t: 1 },
  variants: false,
};
export const retentionSender: World = {
  ...AGAINST_SENDER,
  name: 'delivery, corrupt receiver: retention ends, records are pruned',
  clock: 'retention',
  variants: false,
};
export const againstReceiver: World = { ...AGAINST_RECEIVER, name: 'delivery, corrupt sender of wrong content' };
export const crashesReceiver: World = {
  ...AGAINST_RECEIVER,
  name: 'delivery, corrupt sender of wrong content: crashes of the receiver and of the arbiter',
  exchanges: [exchange('x1', 'm', 'b', wrong)],
  crashes: { b: 1, t: 1 },
  variants: false,
};
export const retentionReceiver: World = {
  ...AGAINST_RECEIVER,
  name: 'delivery, corrupt sender of wrong content: retention ends, records are pruned',
  exchanges: [exchange('x1', 'm', 'b', wrong)],
  clock: 'retention',
  variants: false,
};
/** What it has forgotten may be its own complaint, which the arbiter has decided. */
export const restoredReceiver: World = {
  ...AGAINST_RECEIVER,
  name: 'delivery, corrupt sender of wrong content: the receiver restored from a backup',
  exchanges: [exchange('x1', 'm', 'b', wrong)],
  restores: 1,
  variants: false,
};
/** What is proved of x2, which the honest one never began, is tried on x1. */
export const foreignProof: World = {
  ...AGAINST_SENDER,
  name: 'delivery, corrupt receiver: it has proofs of wrong content of its own',
  exchanges: [exchange('x1', 'a', 'm', right), exchange('x2', 'm', 'a', { ...wrong, fits: false, document: 'd2' })],
  variants: false,
};
export const lying: World = {
  ...BASE,
  name: 'delivery, both honest, the arbiter lies',
  exchanges: [exchange('x1', 'a', 'b', right)],
  arbiter: 'lying',
  clock: 'stopped',
};

export const DELIVERY_WORLDS: readonly World[] = [
  faultFree,
  honest,
  damaged,
  {
    ...BASE,
    name: 'delivery, both honest: crashes of each and of the arbiter',
    exchanges: [exchange('x1', 'a', 'b', right)],
    crashes: { a: 1, b: 1, t: 1 },
  },
  againstSender,
  crashesSender,
  retentionSender,
  {
    ...AGAINST_SENDER,
    name: 'delivery, corrupt receiver: the sender restored from a backup',
    restores: 1,
    variants: false,
  },
  {
    ...AGAINST_RECEIVER,
    name: 'delivery, corrupt sender of right content',
    exchanges: [exchange('x1', 'm', 'b', right)],
  },
  againstReceiver,
  crashesReceiver,
  {
    ...AGAINST_RECEIVER,
    name: 'delivery, corrupt sender of wrong content: two crashes of the receiver',
    exchanges: [exchange('x1', 'm', 'b', wrong)],
    crashes: { b: 2 },
    variants: false,
  },
  retentionReceiver,
  restoredReceiver,
  foreignProof,
  lying,
];

/** The assumption on attendance dropped: what the fairness of receivers rests on. */
export const away: World = {
  ...AGAINST_RECEIVER,
  name: 'delivery, corrupt sender of wrong content: the receiver may be away while the window is open',
  exchanges: [exchange('x1', 'm', 'b', wrong)],
  crashes: { b: 1 },
  attends: false,
  variants: false,
};
