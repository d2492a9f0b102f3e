/**
 * When an exchange waits no longer: for a silent peer, and for the last time at which the arbiter can be asked. Guarantee: a time
 * that has come is told the machine, again and again if what it does cannot be recorded.
 */
import { itemOf } from '../exchange/completion.ts';
import { windowOf } from '../exchange/items.ts';
import type { PartyInput } from '../exchange/party.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { patienceWithin } from '../lib/window.ts';
import { otherRole } from './exchange-effects.ts';
import type { Exchange } from './exchange-record.ts';

/** Until what is in the way (a full disk, a dead worker) is tried again. */
export const RETRY_MS = 10_000;

export interface Timed {
  readonly exchange: Exchange;
  readonly timers: Map<'patience' | 'deadline', () => void>;
  readonly gone: boolean;
}

export function createExchangeTimers<S extends Timed>(
  ports: {
    readonly clock: Clock;
    readonly log: Logger;
    /** Milliseconds. */
    readonly patienceMs: number;
    readonly stopping: AbortSignal;
  },
  feed: (entry: S, input: PartyInput<Uint8Array>) => Promise<boolean>,
) {
  const { clock, log, stopping } = ports;

  /**
   * Of a swap's originator, in ms: when its patience is over at the latest. The window can begin as soon as message 1 leaves, and
   * no acknowledgement and no restart begins it again.
   */
  const endOfPatience = ({ record, role }: Exchange): number | undefined => {
    if (role !== 'originator' || record.itemR.kind !== 'content') return undefined;
    // Whichever is first, so that a clock that was set back since makes it no later.
    const begun = Math.min(record.signingTime * 1000, clock.now());
    return begun + patienceWithin(windowOf(record.check), Number.POSITIVE_INFINITY);
  };

  const start = (entry: S, timer: 'patience' | 'deadline', atMs: number): void => {
    entry.timers.get(timer)?.();
    const fire = (): void => {
      feed(entry, { kind: timer, now: seconds(clock.now()) }).catch((error) => {
        log.error({ error }, 'an exchange could not go on');
        // A full disk, say: the time has come all the same.
        if (!entry.gone && !stopping.aborted) arm(clock.now() + RETRY_MS);
      });
    };
    const arm = (at: number): void => void entry.timers.set(timer, clock.at(at, fire));
    arm(atMs);
  };

  return {
    patience(entry: S): void {
      const { exchange } = entry;
      const getsContent = itemOf(exchange.record, otherRole(exchange.role)).kind === 'content';
      const window = getsContent ? windowOf(exchange.record.check) : 0;
      const ends = clock.now() + patienceWithin(window, ports.patienceMs);
      start(entry, 'patience', Math.min(ends, endOfPatience(exchange) ?? ends));
    },
    deadline(entry: S): void {
      const { notAfter, margin } = entry.exchange.record;
      start(entry, 'deadline', (notAfter - margin) * 1000);
      const end = endOfPatience(entry.exchange);
      // A peer that acknowledges nothing may have message 1 all the same, and what we give from the arbiter.
      if (end !== undefined && entry.exchange.machine.phase === 'promised') start(entry, 'patience', end);
    },
  };
}
