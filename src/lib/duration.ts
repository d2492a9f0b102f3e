/** Durations as people write them: `5s`, `2m`, `25h`, `7d`. Whole units only, at most ten years. */
import { FitError } from './errors.ts';

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const MAX_SECONDS = 10 * 366 * 86_400;

/** Seconds. Throws `FitError('usage')`. */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,9})([smhd])$/.exec(text);
  const seconds = match === null ? Number.NaN : Number(match[1]) * UNIT_SECONDS[match[2] as keyof typeof UNIT_SECONDS];
  if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
    throw new FitError('usage', `${text === '' ? 'nothing' : text} is not a duration`, {
      hint: 'write a number and s, m, h or d, for example 7d; ten years at the most',
    });
  }
  return seconds;
}

/** The shortest exact form. */
export function formatDuration(seconds: number): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    if (seconds > 0 && seconds % UNIT_SECONDS[unit] === 0) return `${seconds / UNIT_SECONDS[unit]}${unit}`;
  }
  return `${seconds}s`;
}
