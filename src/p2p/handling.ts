/** Running a handler for a peer's request. */
import { type Clock, systemClock } from '../lib/clock.ts';
import type { PeerAccount } from './limits.ts';

/**
 * The handler's reply, or undefined if it threw, gave more than a frame holds, or took longer than `handlerMs`. The place
 * that the account admitted is given back when the handler ends, however late, so that slow handlers cannot pile up.
 */
export async function runHandler(
  handler: () => Promise<Uint8Array>,
  account: PeerAccount,
  handlerMs: number,
  maxBytes: number,
  clock: Clock = systemClock,
): Promise<Uint8Array | undefined> {
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.at(clock.now() + handlerMs, () => resolve(undefined));
  });
  const handled = (async () => handler())()
    .catch(() => undefined)
    .finally(() => account.release());
  const reply = await Promise.race([handled, late]);
  cancel();
  return reply !== undefined && reply.length <= maxBytes ? reply : undefined;
}
