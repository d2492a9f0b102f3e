/** What happened, for `fit events`, `deal wait` and the screens: numbered from the daemon's start, the last ones kept. */
import type { Clock } from '../lib/clock.ts';
import { isoTime, seconds } from '../lib/clock.ts';
import type { FitEvent } from '../rpc/agent.ts';

const KEPT = 1000;

export interface Events {
  emit(event: Omit<FitEvent, 'seq' | 'at'>): void;
  /** Events after `since` that are still kept, then every new one, until the returned function is called. */
  listen(since: number | undefined, listener: (event: FitEvent) => void): () => void;
  readonly seq: number;
}

export function createEvents(clock: Clock): Events {
  const kept: FitEvent[] = [];
  const listeners = new Set<(event: FitEvent) => void>();
  let seq = 0;
  return {
    get seq() {
      return seq;
    },
    emit(event) {
      seq += 1;
      const full: FitEvent = { seq, at: isoTime(seconds(clock.now())), ...event };
      // How far something was is of no use later, and would push out what is.
      if (event.kind !== 'progress') kept.push(full);
      if (kept.length > KEPT) kept.shift();
      for (const listener of [...listeners]) listener(full);
    },
    listen(since, listener) {
      if (since !== undefined) for (const event of kept) if (event.seq > since) listener(event);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
