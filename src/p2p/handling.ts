/** Running a handler for a peer's request. */
import type { Clock } from '../lib/clock.ts';

export interface Handling {
  readonly handlerMs: number;
  /** What a reply may hold. */
  readonly maxBytes: number;
  readonly clock: Clock;
  /** Gives back the place that the account admitted. */
  readonly release: () => void;
  /** Takes the reply; undefined if the handler threw, gave more than a frame holds, or took longer than `handlerMs`. */
  readonly deliver: (reply: Uint8Array | undefined) => Promise<void> | void;
}

/**
 * Resolves when the reply is delivered. The place is given back when both the handler, however late, and the delivery have
 * ended, so that neither slow handlers nor replies that the peer does not take can pile up.
 */
export async function runHandler(handler: () => Promise<Uint8Array>, handling: Handling): Promise<void> {
  const { handlerMs, maxBytes, clock, release, deliver } = handling;
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.at(clock.now() + handlerMs, () => resolve(undefined));
  });
  let ended = false;
  const handled = (async () => handler())()
    .catch(() => undefined)
    .finally(() => {
      ended = true;
    });
  const reply = await Promise.race([handled, late]);
  cancel();
  try {
    const delivering = deliver(reply !== undefined && reply.length <= maxBytes ? reply : undefined);
    if (delivering !== undefined) await delivering;
  } finally {
    // At once where it can be: the peer may ask again as soon as it has the reply.
    if (ended) release();
    else void handled.then(release);
  }
}
