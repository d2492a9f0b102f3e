/** Time as a port: the daemon uses the system's, the simulator and tests their own. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Calls back once at or after `atMs`; the returned function cancels. */
  at(atMs: number, callback: () => void): () => void;
}

/** setTimeout's limit; longer waits are cut into pieces of this length. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  at(atMs, callback) {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const left = atMs - Date.now();
      timer = setTimeout(left > LONGEST_TIMER_MS ? arm : callback, Math.min(Math.max(left, 0), LONGEST_TIMER_MS));
    };
    arm();
    return () => clearTimeout(timer);
  },
};

/** Seconds since 1970, as X and certificates count. */
export function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** `2026-11-20T12:00:00Z`: UTC, whole seconds (JSON, documents). */
export function isoTime(sec: number): string {
  return new Date(sec * 1000).toISOString().replace('.000Z', 'Z');
}
