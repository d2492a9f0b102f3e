/**
 * What an exchange's recorded states and messages are on disk and in the outbox. No decisions: those are the machine's.
 */
import type { StoreOp } from '../archive/store.ts';
import type { Affidavit } from '../exchange/affidavit.ts';
import { type ExchangeMessage, encodeMessage } from '../exchange/messages.ts';
import { isFinal, type PartyEffect, type PartyRole, type PartyState } from '../exchange/party.ts';
import { xidOf } from '../exchange/record.ts';
import { enc } from '../lib/cbor.ts';
import type { SpooledCiphertext } from './ciphertexts.ts';
import { type Exchange, encodeExchange } from './exchange-record.ts';
import type { Letter } from './outbox.ts';
import { encodeSpooled } from './spool.ts';

export const otherRole = (role: PartyRole): 'O' | 'R' => (role === 'originator' ? 'R' : 'O');
export const ownRole = (role: PartyRole): 'O' | 'R' => (role === 'originator' ? 'O' : 'R');

/** Finished exchanges lie apart: a start reads the open ones only. */
export const openKey = (xid: string): string => `open/${xid}`;
export const doneKey = (xid: string): string => `done/${xid}`;

/** Where an arbiter's answer is kept: a token apart from a completion. */
export const answerKeyOf = (xid: string, kind: 'token' | 'void' | 'resolved'): string => `answer/${xid}/${kind}`;

/** For the journal: what happened, without anything secret. */
export function summary(exchange: Exchange, state: PartyState<Uint8Array>): Uint8Array {
  return enc(exchange.deal, exchange.role, state.phase, state.via);
}

/** What stands for the contract when the arbiter's statement does (PROTOCOL §9). */
export function encodeAffidavit(affidavit: Affidavit): Uint8Array {
  return enc('affidavit', affidavit.text, affidavit.signature);
}

/** The reference under which a message waits in the outbox. */
const letterRef = (xid: string, what: string): string => `x/${xid}/${what}`;

export const letter = (
  exchange: Exchange,
  message: ExchangeMessage,
  what: string,
  until: number | null = null,
): Letter => ({
  to: exchange.peer,
  protocol: '/fit/exchange/1',
  body: encodeMessage(message),
  ref: letterRef(exchange.xid, what),
  until,
});

export const letterFor = (exchange: Exchange, effect: PartyEffect<Uint8Array>): Letter | undefined => {
  const { record } = exchange;
  const xid = xidOf(record);
  switch (effect.kind) {
    case 'send':
      if (effect.message === 'release') {
        // Message 3 must not leave for the first time inside the margin, also not from a queue (PROTOCOL §6).
        const until = exchange.role === 'originator' ? record.notAfter - record.margin : null;
        const message = { kind: 'release', role: ownRole(exchange.role), xid, release: effect.value } as const;
        return letter(exchange, message, 'release', until);
      }
      return exchange.role === 'originator'
        ? letter(exchange, { kind: 'promise', role: 'O', record, promise: effect.value }, 'promise')
        : letter(exchange, { kind: 'promise', role: 'R', xid, promise: effect.value }, 'promise');
    case 'sendDeclined':
      return letter(exchange, { kind: 'declined', xid }, 'declined');
    default:
      return undefined;
  }
};

/** The request that a locked daemon can still send, readable without the passphrase (PROTOCOL §6). */
const spoolOps = (
  exchange: Exchange,
  state: PartyState<Uint8Array>,
  ciphertext: SpooledCiphertext | null,
): readonly StoreOp[] => {
  if (isFinal(state.phase) || state.resolve === null) return [{ kind: 'delete', space: 'spool', key: exchange.xid }];
  const due = exchange.record.notAfter - exchange.record.margin;
  return [
    {
      kind: 'put',
      space: 'spool',
      key: exchange.xid,
      value: encodeSpooled({ ...exchange.arbiter, due, request: state.resolve, answer: null, ciphertext }),
    },
  ];
};

/**
 * The writes of a recorded state: the exchange itself, and the request that a locked daemon could send for it, with where the
 * ciphertext lies that it could bring.
 */
export function storedOps(
  exchange: Exchange,
  state: PartyState<Uint8Array>,
  ciphertext: SpooledCiphertext | null = null,
): readonly StoreOp[] {
  const value = encodeExchange(exchange, state);
  const { xid } = exchange;
  const stored: readonly StoreOp[] = isFinal(state.phase)
    ? [
        { kind: 'delete', space: 'exchanges', key: openKey(xid) },
        { kind: 'put', space: 'exchanges', key: doneKey(xid), value },
      ]
    : [{ kind: 'put', space: 'exchanges', key: openKey(xid), value }];
  return [...stored, ...spoolOps(exchange, state, ciphertext)];
}
