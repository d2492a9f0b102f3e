/**
 * What goes out to one peer: no faster and no more at once than the other end takes, so that an honest link is never
 * refused for its rate. Requests beyond that wait their turn, within their own deadline.
 */
import type { Clock } from '../lib/clock.ts';
import { type Lane, type LaneLimits, type LinkLimits, outgoingLimits, TokenBucket } from './limits.ts';

/** Requests to one peer in one lane: at most so many under way, paced; those beyond wait their turn. */
export class Outgoing {
  readonly #free: { count: number };
  readonly #bucket: TokenBucket;
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #cancelTimer: (() => void) | undefined;

  constructor({ underWay, rate, burst }: LaneLimits, clock: Clock) {
    this.#free = { count: underWay };
    this.#bucket = new TokenBucket(rate, burst, clock);
    this.#clock = clock;
  }

  /** Resolves when the request may go; `leave` must follow. Rejects with the signal's reason if that aborts first. */
  async enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#free.count > 0 && this.#bucket.take()) {
      this.#free.count -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.push(go);
      this.#next();
    });
  }

  leave(): void {
    this.#free.count += 1;
    this.#next();
  }

  /** `work` in its turn. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.enter(signal);
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && this.#bucket.full;
  }

  #next(): void {
    while (this.#free.count > 0) {
      const go = this.#waiting[0];
      if (go === undefined) return;
      if (!this.#bucket.take()) {
        this.#cancelTimer ??= this.#clock.at(this.#clock.now() + this.#bucket.wait(), () => {
          this.#cancelTimer = undefined;
          this.#next();
        });
        return;
      }
      this.#free.count -= 1;
      this.#waiting.shift();
      go();
    }
  }
}

/** All that goes out to one peer: its lanes do not wait for each other. */
export function outgoingTo(limits: LinkLimits, clock: Clock): Readonly<Record<Lane, Outgoing>> {
  return {
    small: new Outgoing(outgoingLimits(limits, 'small'), clock),
    bulk: new Outgoing(outgoingLimits(limits, 'bulk'), clock),
  };
}
