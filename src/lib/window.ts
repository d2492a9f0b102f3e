/** How long content of a delivery can be disputed with the arbiter once it was asked, in seconds (PROTOCOL §8). */
export const MIN_WINDOW = 60;
export const MAX_WINDOW = 90 * 86_400;
/** Three days. */
export const DEFAULT_WINDOW = 72 * 3600;

/**
 * How long a receiver waits for the key before it asks the arbiter, in ms. The sender may have asked at once, so a receiver with
 * more patience than the window would come too late to dispute anything: three quarters are left for comparing and complaining.
 */
export function patienceWithin(window: number, patienceMs: number): number {
  return window === 0 ? patienceMs : Math.min(patienceMs, window * 250);
}
