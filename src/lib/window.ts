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

/** Bytes a second that any receiver is trusted to open and compare: a slow disk with other work to do. */
const COMPARED_PER_SECOND = 16 * 1024 * 1024;

/**
 * The shortest window, in seconds, for content of so many bytes. Half of it must suffice to compare everything: a quarter may pass
 * before the receiver asks, and a wrong chunk at the very end has yet to reach the arbiter.
 */
export function leastWindow(bytes: number): number {
  return Math.max(MIN_WINDOW, Math.ceil((2 * bytes) / COMPARED_PER_SECOND));
}
