/** Words and numbers that the commands on containers share. */
import type { Work } from '../../evidence/container.ts';
import { seconds } from '../../lib/clock.ts';

export const now = (): number => seconds(Date.now());

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function size(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}

export const files = (count: number): string => `${count} ${count === 1 ? 'file' : 'files'}`;

export const progress = (what: string, work: Work) => (): string =>
  work.bytes > 0 ? `${what}: ${size(work.bytes)}` : `${what}: ${work.entries} entries`;
