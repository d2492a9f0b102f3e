/**
 * The machines of the two parties of an exchange (PROTOCOL §6, DESIGN §7), one table each, one interpreter for both.
 *
 * The machine decides; the shell proves, signs, verifies, stores and sends. What the machine is handed has been verified
 * against X: a peer promise whose escrow checks, a release that completes the promised signature, an arbiter's answer whose
 * contract verifies as CMS or whose token carries the arbiter's signature. `V` is whatever the shell uses for such values
 * (bytes in the daemon, terms in the explorer); the machine only keeps them and hands them on.
 *
 * A state is a plain value: the `record` effect stores it whole, in one atomic write with the consumption of the consent
 * (`consume`), and after a crash the shell continues from the last recorded state with the input `resumed`.
 */
import { findRow, type Row } from './machine.ts';

export type PartyRole = 'originator' | 'responder';

export const COURSES = ['contract', 'delivery', 'swap'] as const;
export type Course = (typeof COURSES)[number];

export const PARTY_PHASES = [
  'proving',
  'promised',
  'released',
  'aborting',
  'resolving',
  'opening',
  'complaining',
  'waiving',
  'contracted',
  'aborted',
  'dropped',
] as const;
export type PartyPhase = (typeof PARTY_PHASES)[number];

/** `contracted`, `aborted`, `dropped` are final. `dropped`: nothing of ours has left, so nothing needs the arbiter. */
export function isFinal(phase: PartyPhase): boolean {
  return phase === 'contracted' || phase === 'aborted' || phase === 'dropped';
}

export type PartyInput<V> =
  /** The slow work is done: our promise and release, and whether our consent still stands (not withdrawn, expired or used). */
  | {
      readonly kind: 'proved';
      readonly promise: V;
      readonly release: V;
      readonly resolve?: V;
      readonly consent: boolean;
      readonly now: number;
    }
  /** Originator: message 2, verified, with our resolve request over it already signed. */
  | { readonly kind: 'promise'; readonly promise: V; readonly resolve: V; readonly now: number }
  /** Message 3 or 4, verified against the promised nonce point; `contract` is the complete evidence. */
  | { readonly kind: 'release'; readonly contract: V; readonly now: number }
  /** The arbiter's verified answers. A refusal or silence is no input: the shell asks again. */
  | { readonly kind: 'resolved'; readonly contract: V; readonly now: number }
  /** Receiver: the arbiter hands out the key while the window is open; nothing is final yet. */
  | { readonly kind: 'key'; readonly contract: V; readonly now: number }
  | { readonly kind: 'token'; readonly token: V; readonly now: number }
  /** The arbiter's signed word that the content was proven wrong: the exchange is void. */
  | { readonly kind: 'void'; readonly token: V; readonly now: number }
  /** Receiver: every chunk is what X names; or one is not, and `proof` shows it. */
  | { readonly kind: 'right'; readonly now: number }
  | { readonly kind: 'wrong'; readonly proof: V; readonly now: number }
  /** The peer says, unsigned, that it will not go on: a hint, never a proof. */
  | { readonly kind: 'declined'; readonly now: number }
  /** Patience is over. For the originator it runs from the peer's acknowledgement of message 1. */
  | { readonly kind: 'patience'; readonly now: number }
  /** `notAfter − margin` has come. */
  | { readonly kind: 'deadline'; readonly now: number }
  /** A person's orders. */
  | { readonly kind: 'abort'; readonly now: number }
  | { readonly kind: 'resolve'; readonly now: number }
  | { readonly kind: 'resumed'; readonly now: number };

export type PartyInputKind = PartyInput<unknown>['kind'];

const PARTY_EFFECTS = [
  'record',
  'consume',
  'sendPromise',
  'sendRelease',
  'sendDeclined',
  'startPatience',
  'startDeadline',
  'askAbort',
  'askResolve',
  'checkContent',
  'complain',
] as const;
export type PartyEffectName = (typeof PARTY_EFFECTS)[number];

export type PartyEffect<V> =
  /** Store this state durably; with `consume`, in the same write mark the consent as used. */
  | { readonly kind: 'record'; readonly state: PartyState<V>; readonly consume: boolean }
  | { readonly kind: 'send'; readonly message: 'promise' | 'release'; readonly value: V }
  | { readonly kind: 'sendDeclined' }
  | { readonly kind: 'timer'; readonly timer: 'patience' | 'deadline' }
  /** Ask the arbiter until it answers. An abort request is signed when asked; a resolve request was signed before. */
  | { readonly kind: 'ask'; readonly request: 'abort' }
  | { readonly kind: 'ask'; readonly request: 'resolve'; readonly value: V }
  | { readonly kind: 'ask'; readonly request: 'misbehaviour'; readonly value: V }
  /** Open and compare every chunk; answer with `right` or `wrong`. */
  | { readonly kind: 'checkContent' };

/** Seconds since 1970, from X. */
export interface Times {
  readonly notAfter: number;
  readonly margin: number;
}

export interface PartyState<V> {
  readonly role: PartyRole;
  /** Signature against signature, or content (the originator's) against a receipt: which table holds. */
  readonly course: Course;
  readonly phase: PartyPhase;
  readonly times: Times;
  /** Own promise and release, from `proved` on. */
  readonly promise: V | null;
  readonly release: V | null;
  /** The peer's verified promise: responder from the start, originator from message 2 on. */
  readonly peerPromise: V | null;
  /** Own signed resolve request; there before our last message that binds us leaves. */
  readonly resolve: V | null;
  /** The complete evidence; while `opening` and `complaining` all but the check of the content. */
  readonly contract: V | null;
  /** The arbiter's word that it will not complete the exchange, or that it is void. */
  readonly token: V | null;
  readonly voided: boolean;
  /** Receiver: the proof of wrong content. */
  readonly proof: V | null;
  /** How a contract came about: the arbiter's help leaves no trace in the evidence itself. */
  readonly via: 'peer' | 'arbiter' | null;
}

type Guard = 'inTime' | 'late' | 'agreed' | 'notAgreed';
type PartyRow = Row<PartyPhase, PartyInputKind, Guard, PartyEffectName>;

const row = (
  from: PartyPhase,
  on: PartyInputKind,
  to: PartyPhase,
  effects: readonly PartyEffectName[],
  why: string,
  when?: Guard,
): PartyRow => ({ from, on, to, effects, why, ...(when === undefined ? {} : { when }) });

/** The originator: speaks first, may abort until message 3, resolves from then on. */
export const ORIGINATOR: readonly PartyRow[] = [
  row(
    'proving',
    'proved',
    'promised',
    ['consume', 'sendPromise', 'startDeadline'],
    'our promise is made and recorded',
    'agreed',
  ),
  row('proving', 'proved', 'dropped', ['record'], 'consent was withdrawn, or too little time is left', 'notAgreed'),
  row('proving', 'abort', 'dropped', ['record'], 'nothing has left yet'),
  row(
    'promised',
    'promise',
    'released',
    ['record', 'sendRelease', 'startPatience', 'startDeadline'],
    'both promises are there',
    'inTime',
  ),
  row(
    'promised',
    'promise',
    'resolving',
    ['record', 'askResolve'],
    'inside the margin message 3 could be too late for the arbiter',
    'late',
  ),
  row(
    'promised',
    'abort',
    'aborting',
    ['record', 'askAbort'],
    'a person stops; the peer could still resolve, so only the arbiter can',
  ),
  row('promised', 'patience', 'aborting', ['record', 'askAbort'], 'the peer has our promise and is silent'),
  row('promised', 'declined', 'aborting', ['record', 'askAbort'], 'the peer says no, which binds nobody'),
  row('promised', 'deadline', 'aborting', ['record', 'askAbort'], 'too late to release'),
  row('promised', 'resolved', 'contracted', ['record'], 'the peer had asked the arbiter'),
  row('promised', 'token', 'aborted', ['record'], 'the arbiter will not complete it, and nothing binding has left'),
  row('released', 'release', 'contracted', ['record'], 'both signatures are there'),
  row('released', 'patience', 'resolving', ['record', 'askResolve'], 'the peer has our signature and is silent'),
  row('released', 'resolve', 'resolving', ['record', 'askResolve'], 'a person will not wait'),
  row('released', 'declined', 'resolving', ['record', 'askResolve'], 'the peer has our signature and says no'),
  row('released', 'deadline', 'resolving', ['record', 'askResolve'], 'the arbiter helps until notAfter only'),
  row('released', 'resolved', 'contracted', ['record'], 'the peer had asked the arbiter'),
  row('resolving', 'release', 'contracted', ['record'], 'the peer answered after all'),
  row('resolving', 'resolved', 'contracted', ['record'], 'the arbiter completed the exchange'),
  row('resolving', 'token', 'aborted', ['record'], 'the arbiter will not complete it (expired)'),
  row('aborting', 'token', 'aborted', ['record'], 'the arbiter will not complete it'),
  row('aborting', 'resolved', 'contracted', ['record'], 'the peer had resolved before'),
];

/** The responder: answers a promise with a promise, never aborts, resolves from then on. */
export const RESPONDER: readonly PartyRow[] = [
  row(
    'proving',
    'proved',
    'promised',
    ['consume', 'sendPromise', 'startPatience', 'startDeadline'],
    'our promise is made and recorded',
    'agreed',
  ),
  row(
    'proving',
    'proved',
    'dropped',
    ['record', 'sendDeclined'],
    'withdrawn, expired, used or too late: our promise never leaves',
    'notAgreed',
  ),
  row('proving', 'abort', 'dropped', ['record', 'sendDeclined'], 'nothing has left yet'),
  row('promised', 'release', 'contracted', ['record', 'sendRelease'], 'both signatures are there'),
  row('promised', 'patience', 'resolving', ['record', 'askResolve'], 'the originator is silent'),
  row('promised', 'resolve', 'resolving', ['record', 'askResolve'], 'a person will not wait'),
  row(
    'promised',
    'declined',
    'resolving',
    ['record', 'askResolve'],
    'the originator may have aborted; only the arbiter knows',
  ),
  row('promised', 'deadline', 'resolving', ['record', 'askResolve'], 'the arbiter helps until notAfter only'),
  row('promised', 'resolved', 'contracted', ['record', 'sendRelease'], 'the originator had asked the arbiter'),
  row(
    'promised',
    'token',
    'aborted',
    ['record'],
    'the originator aborted; the answer came while the daemon was locked',
  ),
  row('resolving', 'release', 'contracted', ['record', 'sendRelease'], 'the originator answered after all'),
  row(
    'resolving',
    'resolved',
    'contracted',
    ['record', 'sendRelease'],
    'the arbiter completed the exchange; our signature saves the originator the question',
  ),
  row('resolving', 'token', 'aborted', ['record'], 'the originator aborted, or the time was over'),
];

const VOID_ROWS = (['promised', 'released', 'aborting', 'resolving'] as const).map((phase) =>
  row(phase, 'void', 'aborted', ['record'], 'the content was proven wrong: nobody owes anything'),
);

/** The originator that gives content. */
export const SENDER: readonly PartyRow[] = [...ORIGINATOR, ...VOID_ROWS];

/** The rows of a side that gets content: what would be the contract is the key, and the content has yet to be compared. */
function receiving(table: readonly PartyRow[], releases: boolean): readonly PartyRow[] {
  return [
    ...table.flatMap((one) =>
      one.to !== 'contracted'
        ? [one]
        : (one.on === 'resolved' ? (['key', 'resolved'] as const) : [one.on]).map((on) =>
            row(one.from, on, 'opening', ['record', 'checkContent'], 'the key is there, the content not yet compared'),
          ),
    ),
    row('opening', 'right', 'contracted', releases ? ['record', 'sendRelease'] : ['record'], 'it is what was promised'),
    row('opening', 'wrong', 'complaining', ['record', 'complain'], 'a chunk is wrong: only the arbiter can void it'),
    row('complaining', 'void', 'aborted', ['record'], 'the arbiter found it wrong too'),
    row('complaining', 'token', 'aborted', ['record'], 'the sender had aborted, or the time was over'),
    row('complaining', 'resolved', 'contracted', ['record'], 'the window was over: what was signed stands'),
  ];
}

/**
 * Content that is lost here and not given again can be compared by nobody, and the arbiter has none of it: a person gives up waiting,
 * and the arbiter's last word ends it. What comes after all is compared as before.
 */
const WAIVE_ROWS: readonly PartyRow[] = [
  row(
    'opening',
    'resolve',
    'waiving',
    ['record', 'askResolve', 'checkContent'],
    'a person waits no longer for lost content',
  ),
  row('waiving', 'right', 'opening', ['record', 'checkContent'], 'the content came again, and is what was promised'),
  row('waiving', 'wrong', 'complaining', ['record', 'complain'], 'the content came again, and a chunk is wrong'),
  row('waiving', 'resolved', 'contracted', ['record'], 'the receipt is out, and the content lost here'),
  row('waiving', 'token', 'aborted', ['record'], 'the sender had aborted, or the time was over'),
  row('waiving', 'void', 'aborted', ['record'], 'the arbiter compared the content, and it is wrong'),
];

/**
 * The responder that gets content: the key is no contract yet. What it opens is compared chunk by chunk; one that is wrong is
 * told the arbiter at once, and also when the arbiter was never asked before, because the sender could still resolve (PROTOCOL §8).
 * Who complains ends on what is final only: the key of an open window may still be on its way when message 3 was faster.
 */
export const RECEIVER: readonly PartyRow[] = [
  ...receiving(RESPONDER, true),
  ...WAIVE_ROWS,
  ...(['promised', 'resolving'] as const).map((phase) =>
    row(phase, 'void', 'aborted', ['record'], 'the content is wrong: the arbiter compared it, or we forgot our proof'),
  ),
];

/**
 * Content for content (PROTOCOL §6: who accepts is originator). Who releases last can have released junk: then the other side
 * has the arbiter's signed word that it is void, and the proof, but its own content is out. `explain` says so.
 */
export const SWAP_ORIGINATOR: readonly PartyRow[] = [...receiving(ORIGINATOR, false), ...VOID_ROWS];
export const SWAP_RESPONDER: readonly PartyRow[] = [
  ...receiving(RESPONDER, true),
  ...(['promised', 'resolving'] as const).map((phase) =>
    row(phase, 'void', 'aborted', ['record'], 'our content was found wrong'),
  ),
];

/**
 * What a restarted shell does again in each phase. Messages and requests are idempotent. Only `released` inside the margin
 * is otherwise: `step` then takes the row of `deadline`.
 */
export const ON_RESUME: Readonly<Record<PartyRole, Readonly<Record<PartyPhase, readonly PartyEffectName[]>>>> = {
  originator: {
    proving: [],
    promised: ['sendPromise', 'startDeadline'],
    released: ['sendRelease', 'startPatience', 'startDeadline'],
    aborting: ['askAbort'],
    resolving: ['askResolve'],
    opening: ['checkContent'],
    complaining: ['complain'],
    waiving: [],
    contracted: [],
    aborted: [],
    dropped: [],
  },
  responder: {
    proving: [],
    promised: ['sendPromise', 'startPatience', 'startDeadline'],
    released: [],
    aborting: [],
    resolving: ['askResolve'],
    opening: ['checkContent'],
    complaining: ['complain'],
    waiving: ['askResolve', 'checkContent'],
    contracted: ['sendRelease'],
    aborted: [],
    dropped: ['sendDeclined'],
  },
};

export function tableOf(role: PartyRole, course: Course = 'contract'): readonly PartyRow[] {
  if (course === 'delivery') return role === 'originator' ? SENDER : RECEIVER;
  if (course === 'swap') return role === 'originator' ? SWAP_ORIGINATOR : SWAP_RESPONDER;
  return role === 'originator' ? ORIGINATOR : RESPONDER;
}

/** The state in which the shell begins to prove. A responder starts from the originator's verified promise. */
export function begin<V>(
  role: PartyRole,
  times: Times,
  peerPromise: V | null,
  course: Course = 'contract',
): PartyState<V> {
  return {
    role,
    course,
    phase: 'proving',
    times,
    promise: null,
    release: null,
    peerPromise,
    resolve: null,
    contract: null,
    token: null,
    voided: false,
    proof: null,
    via: null,
  };
}

function holds<V>(guard: Guard, state: PartyState<V>, input: PartyInput<V>): boolean {
  const inTime = input.now < state.times.notAfter - state.times.margin;
  switch (guard) {
    case 'inTime':
      return inTime;
    case 'late':
      return !inTime;
    case 'agreed':
      return inTime && input.kind === 'proved' && input.consent;
    case 'notAgreed':
      return !(inTime && input.kind === 'proved' && input.consent);
  }
}

function next<V>(state: PartyState<V>, input: PartyInput<V>, phase: PartyPhase): PartyState<V> {
  switch (input.kind) {
    case 'proved':
      return phase === 'promised'
        ? { ...state, phase, promise: input.promise, release: input.release, resolve: input.resolve ?? null }
        : { ...state, phase };
    case 'promise':
      return { ...state, phase, peerPromise: input.promise, resolve: input.resolve };
    case 'release':
      return { ...state, phase, contract: input.contract, via: 'peer' };
    case 'resolved':
    case 'key':
      return { ...state, phase, contract: input.contract, via: 'arbiter' };
    case 'token':
      return { ...state, phase, token: input.token };
    case 'void':
      return { ...state, phase, token: input.token, voided: true };
    case 'wrong':
      return { ...state, phase, proof: input.proof };
    default:
      return { ...state, phase };
  }
}

function effect<V>(name: PartyEffectName, state: PartyState<V>): PartyEffect<V> {
  switch (name) {
    case 'record':
      return { kind: 'record', state, consume: false };
    case 'consume':
      return { kind: 'record', state, consume: true };
    case 'sendPromise':
      return { kind: 'send', message: 'promise', value: state.promise as V };
    case 'sendRelease':
      return { kind: 'send', message: 'release', value: state.release as V };
    case 'sendDeclined':
      return { kind: 'sendDeclined' };
    case 'startPatience':
      return { kind: 'timer', timer: 'patience' };
    case 'startDeadline':
      return { kind: 'timer', timer: 'deadline' };
    case 'askAbort':
      return { kind: 'ask', request: 'abort' };
    case 'askResolve':
      return { kind: 'ask', request: 'resolve', value: state.resolve as V };
    case 'checkContent':
      return { kind: 'checkContent' };
    case 'complain':
      return { kind: 'ask', request: 'misbehaviour', value: state.proof as V };
  }
}

/** One step. `table` is the role's own; the explorer hands in mutated ones. */
export function step<V>(
  state: PartyState<V>,
  input: PartyInput<V>,
  table: readonly PartyRow[] = tableOf(state.role, state.course),
): readonly [PartyState<V>, readonly PartyEffect<V>[]] {
  if (input.kind === 'resumed') {
    // Message 3 may not have left before the crash, and it may not leave for the first time inside the margin.
    const late = state.phase === 'released' && holds('late', state, input);
    if (late) return step(state, { kind: 'deadline', now: input.now }, table);
    return [state, ON_RESUME[state.role][state.phase].map((name) => effect(name, state))];
  }
  const row = findRow(table, state.phase, input.kind, (guard) => holds(guard, state, input));
  if (row === undefined) return [state, []];
  const after = next(state, input, row.to);
  return [after, row.effects.map((name) => effect(name, after))];
}
