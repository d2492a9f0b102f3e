/** Time as a port: the daemon uses the system's, the simulator and tests their own. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Calls back once at `atMs` or when as much time has passed as it is away now, up to a minute late; the returned function cancels. */
  at(atMs: number, callback: () => void): () => void;
}

/**
 * Longer waits are cut into pieces of this length, between which the clock is looked at: the system's timers stand still
 * while a machine sleeps, and a deadline of days must not come late by the nights between.
 */
const LONGEST_TIMER_MS = 60_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  at(atMs, callback) {
    let timer: NodeJS.Timeout;
    let left = Math.max(atMs - Date.now(), 0);
    const arm = () => {
      const piece = Math.min(left, LONGEST_TIMER_MS);
      timer = setTimeout(() => {
        left -= piece;
        // Whichever is first, so that no clock that is set back makes anything wait longer than it was to.
        if (left <= 0 || Date.now() >= atMs) callback();
        else arm();
      }, piece);
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
