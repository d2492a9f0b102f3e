/**
 * The machines of the two sides of a one-way transfer (docs/protocols/transfer.md): content as ciphertext, its key to the named
 * receiver over the authenticated link, with a signed statement of origin and against a signed receipt where the note says so.
 * No arbiter and no fairness: the key leaves first.
 *
 * The machine decides; the shell signs, verifies, compares, stores and sends. What it is handed has been verified: a key that is
 * the logarithm of the point, statements that verify as CMS by whom the note names. `V` is whatever the shell uses for such
 * values. A state is a plain value: `record` stores it whole, in one write with the messages that follow it.
 */
import { findRow, type Row } from './machine.ts';

export type TransferSide = 'sender' | 'receiver';

export const TRANSFER_PHASES = ['ready', 'keyed', 'waiting', 'opening', 'completed', 'failed'] as const;
export type TransferPhase = (typeof TRANSFER_PHASES)[number];

export const TRANSFER_FINALS: readonly TransferPhase[] = ['completed', 'failed'];

/** Why a transfer failed. The first four are told the sender; the others are what the sender sees. */
export const TRANSFER_FAULTS = [
  'wrong-origin',
  'wrong-key',
  'wrong-content',
  'ended',
  'refused',
  'bad-receipt',
  'given-up',
] as const;
export type TransferFault = (typeof TRANSFER_FAULTS)[number];

/** What the receiver says when it keeps nothing and signs nothing. `ended`: its person gave it up, without blame. */
export const TOLD_FAULTS = ['wrong-origin', 'wrong-key', 'wrong-content', 'ended'] as const;
export type ToldFault = (typeof TOLD_FAULTS)[number];

export type TransferInput<V> =
  /** Sender: message 0 has come, the consent stands. `origin`: the signed statement, if the note has one. */
  | { readonly kind: 'accepted'; readonly key: V; readonly origin: V | null }
  /** Sender: acknowledged, with the verified receipt if the note asks for one. */
  | { readonly kind: 'acknowledged'; readonly receipt: V | null }
  /** Sender: acknowledged without the receipt that the note asks for, or with something that is none. */
  | { readonly kind: 'unreceipted' }
  /** Sender: the receiver's daemon takes no message about it, or says what is wrong with it. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'faulted'; readonly fault: ToldFault }
  /** A person will not wait any longer: the sender's for an answer, the receiver's for content that its disk has lost. */
  | { readonly kind: 'abort' }
  /** Receiver: the key of the point, with a statement of origin that verifies, if the note has one. */
  | { readonly kind: 'key'; readonly key: V; readonly origin: V | null }
  /** Receiver: a key that is another's, or a statement that does not verify. */
  | { readonly kind: 'junk'; readonly fault: ToldFault }
  /** Receiver: every chunk is what the roots name; our receipt, if one is asked for. Or a chunk is not. */
  | { readonly kind: 'right'; readonly receipt: V | null }
  /** `proof` is null if the chunks are what the roots name, and the note describes them wrongly. */
  | { readonly kind: 'wrong'; readonly proof: V | null }
  | { readonly kind: 'resumed' };

export type TransferInputKind = TransferInput<unknown>['kind'];

const TRANSFER_EFFECTS = ['record', 'consume', 'sendKey', 'checkContent', 'sendDone', 'sendFault'] as const;
export type TransferEffect = (typeof TRANSFER_EFFECTS)[number];

export interface TransferState<V> {
  readonly side: TransferSide;
  readonly phase: TransferPhase;
  readonly key: V | null;
  readonly origin: V | null;
  readonly receipt: V | null;
  /** Receiver: one wrong chunk. */
  readonly proof: V | null;
  readonly fault: TransferFault | null;
}

type TransferRow = Row<TransferPhase, TransferInputKind, never, TransferEffect>;

const row = (
  from: TransferPhase,
  on: TransferInputKind,
  to: TransferPhase,
  effects: readonly TransferEffect[],
  why: string,
): TransferRow => ({ from, on, to, effects, why });

export const TRANSFER_SENDER: readonly TransferRow[] = [
  row('ready', 'accepted', 'keyed', ['consume', 'sendKey'], 'the receiver agreed and holds the ciphertext'),
  row('keyed', 'acknowledged', 'completed', ['record'], 'it is there, and the receipt if one was asked for'),
  row('keyed', 'unreceipted', 'failed', ['record'], 'the key is out, and what came is not the receipt'),
  row('keyed', 'faulted', 'failed', ['record'], 'the receiver keeps nothing and signs nothing'),
  row('keyed', 'refused', 'failed', ['record'], 'the receiver takes the key no more'),
  row('keyed', 'abort', 'failed', ['record'], 'a person will not wait: the key is out all the same'),
  row('failed', 'acknowledged', 'completed', ['record'], 'a receipt counts whenever it comes'),
];

export const TRANSFER_RECEIVER: readonly TransferRow[] = [
  row('waiting', 'key', 'opening', ['consume', 'checkContent'], 'the key fits and the sender has signed for it'),
  row('waiting', 'junk', 'failed', ['record', 'sendFault'], 'nothing of it is opened'),
  row('opening', 'right', 'completed', ['record', 'sendDone'], 'every chunk is what the roots name'),
  row('opening', 'wrong', 'failed', ['record', 'sendFault'], 'the chunk stays as a proof, no file and no receipt'),
  row('opening', 'abort', 'failed', ['record', 'sendFault'], 'the content was lost here, and nobody waits for it'),
  row('completed', 'key', 'completed', ['sendDone'], 'said again: answered as before'),
  row('failed', 'key', 'failed', ['sendFault'], 'said again: answered as before'),
];

/** What a restarted shell does again. Messages are idempotent, and those of a final state wait in the outbox. */
export const ON_TRANSFER_RESUME: Readonly<Partial<Record<TransferPhase, readonly TransferEffect[]>>> = {
  keyed: ['sendKey'],
  opening: ['checkContent'],
};

export function transferTable(side: TransferSide): readonly TransferRow[] {
  return side === 'sender' ? TRANSFER_SENDER : TRANSFER_RECEIVER;
}

export function isTransferFinal(phase: TransferPhase): boolean {
  return TRANSFER_FINALS.includes(phase);
}

export function beginTransfer<V>(side: TransferSide): TransferState<V> {
  const phase = side === 'sender' ? 'ready' : 'waiting';
  return { side, phase, key: null, origin: null, receipt: null, proof: null, fault: null };
}

function next<V>(state: TransferState<V>, input: TransferInput<V>, phase: TransferPhase): TransferState<V> {
  if (state.phase === phase) return state;
  switch (input.kind) {
    case 'accepted':
    case 'key':
      return { ...state, phase, key: input.key, origin: input.origin };
    case 'acknowledged':
      return { ...state, phase, receipt: input.receipt, fault: null };
    case 'right':
      return { ...state, phase, receipt: input.receipt };
    case 'wrong':
      return { ...state, phase, proof: input.proof, fault: 'wrong-content' };
    case 'junk':
    case 'faulted':
      return { ...state, phase, fault: input.fault };
    case 'unreceipted':
      return { ...state, phase, fault: 'bad-receipt' };
    case 'refused':
      return { ...state, phase, fault: 'refused' };
    case 'abort':
      return { ...state, phase, fault: state.side === 'sender' ? 'given-up' : 'ended' };
    case 'resumed':
      return state;
  }
}

/** One step. An input that no row takes changes nothing. */
export function stepTransfer<V>(
  state: TransferState<V>,
  input: TransferInput<V>,
  table: readonly TransferRow[] = transferTable(state.side),
): readonly [TransferState<V>, readonly TransferEffect[]] {
  if (input.kind === 'resumed') return [state, ON_TRANSFER_RESUME[state.phase] ?? []];
  const found = findRow(table, state.phase, input.kind, () => true);
  return found === undefined ? [state, []] : [next(state, input, found.to), found.effects];
}
