/** Times, states and digests as commands take them. */
import { parseDuration } from '../lib/duration.ts';
import { FitError } from '../lib/errors.ts';
import { DEAL_STATES, type DealStateName } from '../rpc/agent.ts';

/** Longest that `dealWait` takes: ten years, which is never. */
const NEVER_MS = 10 * 366 * 24 * 3600 * 1000;

/** `60` (seconds), `90s`, `2m`, `0`; never without one. Milliseconds. */
export function parseTimeoutMs(text: string | undefined): number {
  if (text === undefined) return NEVER_MS;
  if (/^[0-9]{1,8}(\.[0-9]{1,3})?$/.test(text)) return Math.round(Number(text) * 1000);
  return parseDuration(text) * 1000;
}

export function parseStates(text: string): readonly DealStateName[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name) => {
    const state = DEAL_STATES.find((one) => one === name);
    if (state === undefined) {
      throw new FitError('usage', `no state is called ${name === '' ? '(empty)' : name}`, {
        hint: `the states are ${DEAL_STATES.join(', ')}`,
      });
    }
    return state;
  });
}

export function parseNumber(text: string, what: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new FitError('usage', `${what} must be a whole number`);
  return Number(text);
}

/** `what`: the option that names a SHA-256. */
export function checkDigest(text: string | undefined, what: string): void {
  if (text !== undefined && !/^[0-9a-f]{64}$/.test(text))
    throw new FitError('usage', `${what} takes 64 lower-case hexadecimal digits`);
}

/** The states in which nothing more happens by itself. */
export const FINAL_STATES = DEAL_STATES.filter((state) => state !== 'offered' && state !== 'signing');
