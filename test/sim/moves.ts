/** One step of a world: who takes it, what it is called in a trace, where it leads. */
import type { Rules } from './rules.ts';
import type { Name, RequestTerm, Term } from './terms.ts';
import type { State, World } from './world.ts';

export const ACTORS = ['own', 'person', 'arbiter', 'network', 'clock', 'crash', 'adversary', 'window'] as const;
/**
 * `own`: a party's daemon without outside help; `person`: someone orders it; `arbiter`: serves or answers that party;
 * `network`: delivers an honest party's message to it; `adversary`: everything that a corrupt party brings about; `window`: time
 * passes, and with it a window.
 */
export type Actor = (typeof ACTORS)[number];

export interface Step {
  readonly world: World;
  readonly rules: Rules;
  /** Rows that were taken, as `course machine from on to count-of-effects`. */
  readonly taken?: Set<string>;
  /** What corrupt parties can ask the arbiter, by what has been sent. */
  readonly requests: WeakMap<readonly Term[], readonly RequestTerm[]>;
  /** `whose`: the party that acts or is served, null for none. */
  emit(actor: Actor, whose: Name | null, label: () => string, next: State): void;
}
