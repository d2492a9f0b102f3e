/** Clocks, medians and what Linux tells of a process. Everything is measured, nothing derived from nominal speeds. */
import { readFileSync } from 'node:fs';

/** Clock ticks of /proc/PID/stat: USER_HZ, 100 on every Linux that Node runs on. */
const TICK_MS = 10;

export const nowMs = (): number => performance.now();

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Median of the ratios of runs made in turn, which a machine's changing load disturbs least. */
export function medianRatio(over: readonly number[], under: readonly number[]): number {
  return median(over.map((value, i) => value / (under[i] ?? Number.NaN)));
}

/** User and system time of a process with all its threads, ended ones included, in milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export interface Memory {
  /** MB (10^6 bytes). */
  readonly rss: number;
  /** The part of it that is this process's own, not files' pages. */
  readonly own: number;
  readonly peak: number;
}

export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { rss: of('VmRSS'), own: of('RssAnon'), peak: of('VmHWM') };
}

/** Milliseconds that one run of `task` takes. */
export async function timed(task: () => unknown): Promise<number> {
  const start = nowMs();
  await task();
  return nowMs() - start;
}
