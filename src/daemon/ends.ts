/** Ends what runs out (offers, requests) when its time comes: one timer, for the earliest end that is known. */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { EventKind } from '../rpc/agent.ts';
import type { Deals } from './deals.ts';
import type { Events } from './events.ts';

/** What brings an end with it that may be earlier than all that are known. */
const SETS_AN_END: ReadonlySet<EventKind> = new Set(['offer', 'counter-offer', 'request']);

export interface Ends {
  /** Ends what has run out, and looks again at the next end. */
  sweep(): Promise<void>;
  /** No more looks until the next sweep. */
  sleep(): void;
  stop(): void;
}

export function createEnds(ports: {
  readonly deals: Pick<Deals, 'sweep' | 'endOf'>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  isLocked(): boolean;
}): Ends {
  const { deals, events, clock, log } = ports;
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancelWake = (): void => {};

  const sleep = (): void => {
    cancelWake();
    wakeAt = Number.POSITIVE_INFINITY;
  };
  const wakeBy = (ms: number | undefined): void => {
    if (ms === undefined || ms >= wakeAt || ports.isLocked()) return;
    cancelWake();
    wakeAt = ms;
    cancelWake = clock.at(ms, () => {
      wakeAt = Number.POSITIVE_INFINITY;
      void sweep().catch((error) => log.error({ error }, 'offers could not be ended'));
    });
  };
  const sweep = async (): Promise<void> => {
    if (!ports.isLocked()) wakeBy(await deals.sweep());
  };
  const stop = events.listen(undefined, ({ kind, deal }) => {
    if (deal !== undefined && SETS_AN_END.has(kind)) wakeBy(deals.endOf(deal));
  });
  return { sweep, sleep, stop };
}
