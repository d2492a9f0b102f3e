/**
 * The arbiter's machine, one instance per xid (PROTOCOL §7). A request reaches it after its checks (`requests.ts`):
 * canonical, ours, certificates different, signed by the party named, template built from X.
 *
 * Guarantees: from `none` exactly one of `aborted` and `resolved` is ever reached, and stays; nothing signed is answered
 * from `none` (expiry is stored too); a resolve opens both escrows before anything is decided and decides only if the state
 * is still `none` when they are open; the answer to a request is a function of the stored state and the role that asks.
 * For content (PROTOCOL §8) what was resolved is pending until a window is over, in which a proof of wrong content voids it; the
 * key goes to its receiver at once. With a full check the ciphertext has to be here before anything is opened, and what it opens
 * to decides at once: there is no window.
 */
import { findRow, type Row } from './machine.ts';

export const ARBITER_PHASES = ['none', 'aborted', 'resolved', 'pending', 'voided'] as const;
export type ArbiterPhase = (typeof ARBITER_PHASES)[number];

export interface ArbiterState<V> {
  readonly phase: ArbiterPhase;
  /** `aborted`, `voided`: the stored token, re-sent for ever. */
  readonly token: V | null;
  readonly cause: 'request' | 'expired' | null;
  /** `resolved`, `pending`: the stored answer, which carries both signatures. */
  readonly answer: V | null;
  /** `pending`: when it becomes final; seconds. */
  readonly until: number | null;
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
  /** Seconds in which content can be disputed; 0 without content. */
  readonly window?: number;
  /** Both give content: each gets the other's key at once, and each may prove the other's wrong. */
  readonly bothGive?: boolean;
  /** All of the content is compared before anything is decided; then there is no window. */
  readonly full?: boolean;
}

/** `by` is the party of X whose key signed the request; `now` is the arbiter's own clock at receipt, in seconds. */
export type ArbiterInput<V> =
  | { readonly kind: 'abort'; readonly by: ArbiterRole; readonly now: number }
  /** `uploaded`: for a full check, whether the ciphertext is here. */
  | { readonly kind: 'resolve'; readonly by: ArbiterRole; readonly uploaded?: boolean; readonly now: number }
  | { readonly kind: 'status'; readonly by: ArbiterRole; readonly now: number }
  /** `valid`: the enclosed proof of wrong content holds (checked before; it needs no secret). */
  | { readonly kind: 'misbehaviour'; readonly by: ArbiterRole; readonly valid: boolean; readonly now: number }
  /**
   * Result of `open`: the answer with both signatures, or null if either escrow did not open. `content`: for a full check, what the
   * key makes of the ciphertext (counts with an answer only), or that it is not here any more.
   */
  | {
      readonly kind: 'opened';
      readonly by: ArbiterRole;
      readonly answer: V | null;
      readonly content?: 'right' | 'wrong' | 'missing';
      readonly now: number;
    };

export type ArbiterEffect<V> =
  | { readonly kind: 'record'; readonly state: ArbiterState<V> }
  /** Open the requester's escrow, then the peer's; answer with `opened`. No lock is held meanwhile. */
  | { readonly kind: 'open'; readonly by: ArbiterRole }
  | {
      readonly kind: 'answer';
      readonly to: ArbiterRole;
      readonly verdict: 'resolved' | 'aborted' | 'voided';
      readonly value: V;
    }
  /** Pending: the receiver gets the sender's part of the answer, the sender the time. */
  | { readonly kind: 'released'; readonly to: ArbiterRole; readonly value: V }
  | { readonly kind: 'pending'; readonly to: ArbiterRole; readonly until: number }
  /** Unsigned: the ciphertext has to be brought first. It depends on X and on what was brought, on nothing else. */
  | { readonly kind: 'wanted'; readonly to: ArbiterRole }
  /** The one unsigned refusal, which says nothing. */
  | { readonly kind: 'refuse'; readonly to: ArbiterRole }
  | { readonly kind: 'unknown'; readonly to: ArbiterRole }
  /** Status of an undecided exchange: unsigned, and no promise of anything. */
  | { readonly kind: 'undecided'; readonly to: ArbiterRole };

const ARBITER_EFFECTS = ['record', 'open', 'answer', 'wanted', 'refuse', 'unknown', 'undecided'] as const;
type EffectName = (typeof ARBITER_EFFECTS)[number];
type Guard =
  | 'forgotten'
  | 'expired'
  | 'byOriginator'
  | 'bothOpened'
  | 'proven'
  | 'windowOver'
  | 'missing'
  | 'foundRight'
  | 'foundWrong';
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

/** With a full check these stand before what the rows of a window do with what is opened. */
const FULL_CHECK: readonly ArbiterRow[] = [
  row('none', 'opened', 'none', ['wanted'], 'the ciphertext is not here any more', 'missing'),
  row('none', 'opened', 'voided', ['record', 'answer'], 'a part of it is wrong: nobody gets anything', 'foundWrong'),
  row('none', 'opened', 'resolved', ['record', 'answer'], 'all of it is what was promised', 'foundRight'),
];

/** The same for content, of which the originator is the sender. */
export const CONTENT_ARBITER: readonly ArbiterRow[] = [
  ...ARBITER.flatMap((one) =>
    one.when === 'bothOpened'
      ? [
          ...FULL_CHECK,
          row(
            'none',
            'opened',
            'pending',
            ['record', 'answer'],
            'the key goes to the receiver, the window begins',
            'bothOpened',
          ),
        ]
      : one.effects.includes('open')
        ? [row('none', 'resolve', 'none', ['wanted'], 'a full check needs the ciphertext', 'missing'), one]
        : [one],
  ),
  row('none', 'misbehaviour', 'none', ['unknown'], 'retention is over', 'forgotten'),
  row('none', 'misbehaviour', 'aborted', ['record', 'answer'], 'time is over', 'expired'),
  row('none', 'misbehaviour', 'voided', ['record', 'answer'], 'wrong content, before anybody resolved', 'proven'),
  row('none', 'misbehaviour', 'none', ['refuse'], 'it proves nothing'),
  ...(['abort', 'resolve', 'status', 'opened', 'misbehaviour'] as const).flatMap((on) => [
    row('pending', on, 'resolved', ['record', 'answer'], 'the window is over', 'windowOver'),
    ...(on === 'misbehaviour'
      ? [row('pending', on, 'voided', ['record', 'answer'], 'wrong content, proven in time', 'proven')]
      : []),
    row('pending', on, 'pending', ['answer'], 'the window is open'),
    row('voided', on, 'voided', ['unknown'], 'retention is over', 'forgotten'),
    row('voided', on, 'voided', ['answer'], 'the stored answer, again'),
  ]),
  ...(['aborted', 'resolved'] as const).flatMap((phase) => [
    row(phase, 'misbehaviour', phase, ['unknown'], 'retention is over', 'forgotten'),
    row(phase, 'misbehaviour', phase, ['answer'], 'the stored answer, again'),
  ]),
];

export function initialArbiterState<V>(): ArbiterState<V> {
  return { phase: 'none', token: null, cause: null, answer: null, until: null };
}

/** What the shell lends: the arbiter's signature over (tag, xid, "will not be completed"), made once per xid. */
export interface ArbiterPorts<V> {
  token(): V;
  /** The same over (tag, xid, "void"): the content was proven wrong. */
  voidToken(): V;
}

function holds<V>(guard: Guard, times: ArbiterTimes, state: ArbiterState<V>, input: ArbiterInput<V>): boolean {
  const { phase } = state;
  switch (guard) {
    case 'proven':
      return input.kind === 'misbehaviour' && input.valid && (input.by === 'R' || times.bothGive === true);
    case 'windowOver':
      return input.now >= (state.until ?? 0);
    case 'forgotten':
      return input.now >= times.notAfter + times.retention || (phase === 'none' && times.lost === true);
    case 'expired':
      return input.now >= times.notAfter;
    case 'byOriginator':
      return input.by === 'O';
    case 'bothOpened':
      return input.kind === 'opened' && input.answer !== null && times.full !== true;
    case 'missing':
      return (
        times.full === true &&
        ((input.kind === 'resolve' && input.uploaded !== true) ||
          (input.kind === 'opened' && input.content === 'missing'))
      );
    case 'foundRight':
    case 'foundWrong':
      return (
        times.full === true &&
        input.kind === 'opened' &&
        input.answer !== null &&
        input.content === (guard === 'foundRight' ? 'right' : 'wrong')
      );
  }
}

function effect<V>(name: EffectName, times: ArbiterTimes, state: ArbiterState<V>, by: ArbiterRole): ArbiterEffect<V> {
  switch (name) {
    case 'record':
      return { kind: 'record', state };
    case 'open':
      return { kind: 'open', by };
    case 'answer':
      if (state.phase === 'resolved') return { kind: 'answer', to: by, verdict: 'resolved', value: state.answer as V };
      if (state.phase === 'pending')
        return by === 'R' || times.bothGive === true
          ? { kind: 'released', to: by, value: state.answer as V }
          : { kind: 'pending', to: by, until: state.until ?? 0 };
      return {
        kind: 'answer',
        to: by,
        verdict: state.phase === 'voided' ? 'voided' : 'aborted',
        value: state.token as V,
      };
    case 'wanted':
      return { kind: 'wanted', to: by };
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
  table: readonly ArbiterRow[] = (times.window ?? 0) > 0 || times.full === true ? CONTENT_ARBITER : ARBITER,
): readonly [ArbiterState<V>, readonly ArbiterEffect<V>[]] {
  const found = findRow(table, state.phase, input.kind, (guard) => holds(guard, times, state, input));
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
  } else if (found.to === 'pending' && state.phase === 'none' && input.kind === 'opened') {
    after = { ...state, phase: 'pending', answer: input.answer, until: input.now + (times.window ?? 0) };
  } else if (found.to === 'resolved' && state.phase === 'pending') {
    after = { ...state, phase: 'resolved', until: null };
  } else if (found.to === 'voided' && state.phase !== 'voided') {
    // The receipt is not kept: it counts for nothing.
    after = { ...state, phase: 'voided', token: ports.voidToken(), answer: null, until: null };
  }
  return [after, found.effects.map((name) => effect(name, times, after, input.by))];
}
