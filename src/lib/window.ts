/** How long content of a delivery can be disputed with the arbiter once it was asked, in seconds (PROTOCOL §8). */
export const MIN_WINDOW = 60;
export const MAX_WINDOW = 90 * 86_400;
/** Three days. */
export const DEFAULT_WINDOW = 72 * 3600;
