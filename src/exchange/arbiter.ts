/**
 * The arbiter's machine, one instance per xid (PROTOCOL §7). A request reaches it after its checks (`requests.ts`):
 * canonical, ours, certificates different, signed by the party named, template built from X.
 *
 * Guarantees: from `none` exactly one of `aborted` and `resolved` is ever reached, and stays; nothing signed is answered
 * from `none` (expiry is stored too); a resolve opens both escrows before anything is decided and decides only if the state
 * is still `none` when they are open; the answer to a request is a function of the stored state and the role that asks.
 * The content-check phases of PROTOCOL §8 (pending, voided, final) join this table with content items.
 */
import { findRow, type Row } from './machine.ts';

export const ARBITER_PHASES = ['none', 'aborted', 'resolved'] as const;
export type ArbiterPhase = (typeof ARBITER_PHASES)[number];

export interface ArbiterState<V> {
  readonly phase: ArbiterPhase;
  /** `aborted`: the stored token, re-sent for ever. */
  readonly token: V | null;
  readonly cause: 'request' | 'expired' | null;
  /** `resolved`: the stored answer, which carries both signatures. */
  readonly answer: V | null;
}

export type ArbiterRole = 'O' | 'R';

export interface ArbiterTimes {
  readonly notAfter: number;
  /** Seconds after notAfter from which on the answer is "no longer known". */
  readonly retention: number;
  /**
   * The arbiter was restored from a backup and X is so old (signingTime < restore + skew) that it may have been decided
   * after that backup: unless it is recorded, it is "no longer known", not even expired (PROTOCOL §7).
   */
  readonly lost?: boolean;
}

/** `by` is the party of X whose key signed the request; `now` is the arbiter's own clock at receipt, in seconds. */
export type ArbiterInput<V> =
  | { readonly kind: 'abort'; readonly by: ArbiterRole; readonly now: number }
  | { readonly kind: 'resolve'; readonly by: ArbiterRole; readonly now: number }
  | { readonly kind: 'status'; readonly by: ArbiterRole; readonly now: number }
  /** Result of `open`: the answer with both signatures, or null if either escrow did not open. */
  | { readonly kind: 'opened'; readonly by: ArbiterRole; readonly answer: V | null; readonly now: number };

export type ArbiterEffect<V> =
  | { readonly kind: 'record'; readonly state: ArbiterState<V> }
  /** Open the requester's escrow, then the peer's; answer with `opened`. No lock is held meanwhile. */
  | { readonly kind: 'open'; readonly by: ArbiterRole }
  | { readonly kind: 'answer'; readonly to: ArbiterRole; readonly verdict: 'resolved' | 'aborted'; readonly value: V }
  /** The one unsigned refusal, which says nothing. */
  | { readonly kind: 'refuse'; readonly to: ArbiterRole }
  | { readonly kind: 'unknown'; readonly to: ArbiterRole }
  /** Status of an undecided exchange: unsigned, and no promise of anything. */
  | { readonly kind: 'undecided'; readonly to: ArbiterRole };

const ARBITER_EFFECTS = ['record', 'open', 'answer', 'refuse', 'unknown', 'undecided'] as const;
type EffectName = (typeof ARBITER_EFFECTS)[number];
type Guard = 'forgotten' | 'expired' | 'byOriginator' | 'bothOpened';
export type ArbiterRow = Row<ArbiterPhase, ArbiterInput<unknown>['kind'], Guard, EffectName>;

const row = (
  from: ArbiterPhase,
  on: ArbiterRow['on'],
  to: ArbiterPhase,
  effects: readonly EffectName[],
  why: string,
  when?: Guard,
): ArbiterRow => ({ from, on, to, effects, why, ...(when === undefined ? {} : { when }) });

export const ARBITER: readonly ArbiterRow[] = [
  row('none', 'abort', 'none', ['unknown'], 'retention is over: never answered as aborted', 'forgotten'),
  row('none', 'abort', 'aborted', ['record', 'answer'], 'time is over, stored before it is said', 'expired'),
  row('none', 'abort', 'aborted', ['record', 'answer'], 'the originator named in X stops', 'byOriginator'),
  row('none', 'abort', 'none', ['refuse'], 'nobody else may abort'),
  row('none', 'resolve', 'none', ['unknown'], 'retention is over', 'forgotten'),
  row('none', 'resolve', 'aborted', ['record', 'answer'], 'time is over', 'expired'),
  row('none', 'resolve', 'none', ['open'], 'both escrows must open first'),
  row(
    'none',
    'opened',
    'none',
    ['unknown'],
    'retention is over: a decision may have been forgotten meanwhile',
    'forgotten',
  ),
  row('none', 'opened', 'resolved', ['record', 'answer'], 'both signatures are in hand', 'bothOpened'),
  row('none', 'opened', 'none', ['refuse'], 'an escrow did not open: nothing changes, nothing is told'),
  row('none', 'status', 'none', ['unknown'], 'retention is over', 'forgotten'),
  row('none', 'status', 'aborted', ['record', 'answer'], 'due expiry is stored by whoever asks', 'expired'),
  row('none', 'status', 'none', ['undecided'], 'undecided'),
  ...(['aborted', 'resolved'] as const).flatMap((phase) =>
    (['abort', 'resolve', 'status', 'opened'] as const).flatMap((on) => [
      row(phase, on, phase, ['unknown'], 'retention is over', 'forgotten'),
      row(phase, on, phase, ['answer'], 'the stored answer, again'),
    ]),
  ),
];

export function initialArbiterState<V>(): ArbiterState<V> {
  return { phase: 'none', token: null, cause: null, answer: null };
}

/** What the shell lends: the arbiter's signature over (tag, xid, "will not be completed"), made once per xid. */
export interface ArbiterPorts<V> {
  token(): V;
}

function holds<V>(guard: Guard, times: ArbiterTimes, phase: ArbiterPhase, input: ArbiterInput<V>): boolean {
  switch (guard) {
    case 'forgotten':
      return input.now >= times.notAfter + times.retention || (phase === 'none' && times.lost === true);
    case 'expired':
      return input.now >= times.notAfter;
    case 'byOriginator':
      return input.by === 'O';
    case 'bothOpened':
      return input.kind === 'opened' && input.answer !== null;
  }
}

function effect<V>(name: EffectName, state: ArbiterState<V>, by: ArbiterRole): ArbiterEffect<V> {
  switch (name) {
    case 'record':
      return { kind: 'record', state };
    case 'open':
      return { kind: 'open', by };
    case 'answer':
      return state.phase === 'resolved'
        ? { kind: 'answer', to: by, verdict: 'resolved', value: state.answer as V }
        : { kind: 'answer', to: by, verdict: 'aborted', value: state.token as V };
    case 'refuse':
      return { kind: 'refuse', to: by };
    case 'unknown':
      return { kind: 'unknown', to: by };
    case 'undecided':
      return { kind: 'undecided', to: by };
  }
}

/** One step. `opened` is judged by the state now, not by the state when `open` began: the loser of the race answers from what is stored. */
export function stepArbiter<V>(
  ports: ArbiterPorts<V>,
  times: ArbiterTimes,
  state: ArbiterState<V>,
  input: ArbiterInput<V>,
  table: readonly ArbiterRow[] = ARBITER,
): readonly [ArbiterState<V>, readonly ArbiterEffect<V>[]] {
  const found = findRow(table, state.phase, input.kind, (guard) => holds(guard, times, state.phase, input));
  if (found === undefined) return [state, []];
  let after = state;
  if (found.to === 'aborted' && state.phase === 'none') {
    after = {
      ...state,
      phase: 'aborted',
      token: ports.token(),
      cause: input.now >= times.notAfter ? 'expired' : 'request',
    };
  } else if (found.to === 'resolved' && state.phase === 'none' && input.kind === 'opened') {
    after = { ...state, phase: 'resolved', answer: input.answer };
  }
  return [after, found.effects.map((name) => effect(name, after, input.by))];
}
