/**
 * How far contents are, told as events while they are read, fetched, served and opened.
 *
 * Guarantee: at most two in a second for each content and direction, whatever a peer asks for and however fast a disk is. They
 * are told to whoever listens at the moment and kept for nobody (events.ts).
 */
import type { Clock } from '../lib/clock.ts';
import type { ProgressPhase } from '../rpc/agent.ts';
import type { Events } from './events.ts';

const INTERVAL_MS = 1000;
/** More are looked through for those that may be forgotten. */
const MANY = 256;

export interface Step {
  readonly deal: string;
  readonly direction: 'out' | 'in';
  readonly phase: ProgressPhase;
  /** Bytes, of so many. */
  readonly done: number;
  readonly total: number;
}

export type Meter = ReturnType<typeof createMeter>;

export function createMeter(clock: Clock, events: Pick<Events, 'emit'>) {
  const told = new Map<string, { readonly at: number; readonly phase: ProgressPhase; readonly ended: boolean }>();

  const isRecent = (at: number, now: number): boolean => at <= now && now < at + INTERVAL_MS;

  return (step: Step): void => {
    const { deal, direction, phase, done, total } = step;
    const key = `${direction}/${deal}`;
    const now = clock.now();
    const before = told.get(key);
    const ended = done >= total;
    if (before !== undefined && before.phase === phase && isRecent(before.at, now) && (before.ended || !ended)) return;
    if (told.size >= MANY) for (const [one, { at }] of told) if (!isRecent(at, now)) told.delete(one);
    told.set(key, { at: now, phase, ended });
    events.emit({ kind: 'progress', deal, direction, phase, done: Math.min(done, total), total });
  };
}
