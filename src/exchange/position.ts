/** Where a trader stands in an exchange and under what circumstances: what `explain.ts` and the modules of other courses put into words. */
import { DEFAULT_MARGIN } from './frame.ts';
import type { Course, PartyPhase, PartyRole } from './party.ts';
import type { Mode } from './record.ts';

export interface Position {
  readonly role: PartyRole;
  readonly course: Course;
  /** `offered`: a text is on the table and no exchange has begun. */
  readonly phase: PartyPhase | 'offered';
  /** Whether the peer's verified promise is here; counts for an originator that is contracted or aborted. */
  readonly holdsPromise: boolean;
  readonly via: 'peer' | 'arbiter' | null;
  readonly mode: Mode;
  /** Content was found wrong: a receiver complained, or the arbiter has voided the exchange. */
  readonly wrong: boolean;
  /** A receiver has the key, and has lost the content on its own disk. */
  readonly lost?: boolean;
}

export interface Circumstances {
  /** How this trader calls the peer and the arbiter. */
  readonly them: string;
  readonly arbiter: string;
  readonly verified: boolean;
  /** End of the arbiter's help, as it is to be shown. */
  readonly until: string;
  /** When this daemon asks by itself at the latest (`notAfter − margin`), as it is to be shown. */
  readonly deadline: string;
  /** Seconds. */
  readonly margin: number;
  /** Seconds in which content can be disputed; 0 without content, and where the arbiter compares all of it. */
  readonly window: number;
  /** The arbiter has been asked and has not answered: not yet, or not before `notAfter`. */
  readonly arbiterSilent: 'no' | 'yet' | 'gone';
}

export interface Explanation {
  readonly youHold: string;
  readonly theyHold: string;
  readonly ifYouStop: string;
  readonly ifTheyStop: string;
  readonly whoCouldCheat: string;
  readonly notes: readonly string[];
}

/** Begun and not ended. */
export function isOpen({ phase }: Position): boolean {
  return !['offered', 'contracted', 'aborted', 'dropped'].includes(phase);
}

/**
 * Whether the peer's promise is here, where the phase leaves no choice: a deal whose exchange is closed (or never was) is
 * explained from its state alone.
 */
export function holdsPromise({ role, phase, holdsPromise }: Position): boolean {
  if (role === 'responder') return phase !== 'offered';
  // The key of a swap may come before the promise, from the arbiter.
  if (['contracted', 'aborted', 'opening', 'complaining'].includes(phase)) return holdsPromise;
  return phase === 'released' || phase === 'resolving';
}

/** Whole units, rounded down. */
export function hours(seconds: number): string {
  const whole = Math.floor(seconds / 3600);
  if (whole > 0) return `${whole} h`;
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

/** What there is to say whatever is exchanged: time, the arbiter's silence, who the peer is. */
export function commonNotes(position: Position, circumstances: Circumstances): readonly string[] {
  const { them, arbiter, verified, margin, arbiterSilent } = circumstances;
  const open = isOpen(position);
  const ahead = open || position.phase === 'offered';
  return [
    ...(ahead && margin < DEFAULT_MARGIN
      ? [`only ${hours(margin)} are kept for reaching ${arbiter} (usual: ${hours(DEFAULT_MARGIN)})`]
      : []),
    ...(open && arbiterSilent === 'yet' ? [`${arbiter} has not answered yet; your daemon keeps asking`] : []),
    ...(open && arbiterSilent === 'gone'
      ? [`arbiter gone: ${arbiter} has not answered in time, and without it nobody can tell whether ${them} is bound`]
      : []),
    ...(ahead && !verified ? [`${them} is not verified: who gave you the card could be someone else`] : []),
  ];
}
