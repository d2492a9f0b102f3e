/** What the course of an exchange adds to the log of its deal. */
import { type Deal, tipOf } from '../commerce/deal.ts';
import { type ExchangeKind, makeTransaction, type Transaction } from '../commerce/transaction.ts';
import type { PartyState } from '../exchange/party.ts';
import { equal, fromHex } from '../lib/bytes.ts';
import type { Exchange } from './exchange-record.ts';

/** `time`: seconds since 1970. */
export function exchangeTransaction(
  deal: Deal,
  exchange: Exchange,
  kind: ExchangeKind,
  by: Uint8Array,
  time: number,
): Transaction {
  const { document } = exchange.record;
  const parent = deal.versions.find((version) => equal(version.document, document))?.transaction ?? tipOf(deal);
  return makeTransaction({
    deal: deal.id,
    parent,
    by,
    time,
    payload: { kind, document, xid: fromHex(exchange.xid) },
  });
}

/** The transactions that a recorded state of an exchange adds to its deal, each with its author; `own` is our certificate. */
export function course(
  exchange: Exchange,
  state: PartyState<Uint8Array>,
  own: Uint8Array,
): readonly (readonly [ExchangeKind, Uint8Array])[] {
  const peer = fromHex(exchange.peer);
  const arbiter = exchange.parties.T.certificate.hash;
  switch (state.phase) {
    case 'promised':
      return exchange.role === 'originator'
        ? [['promise', own]]
        : [
            ['acceptance', state.course === 'delivery' ? own : peer],
            ['promise', own],
          ];
    case 'released':
      return [['release', own]];
    case 'aborting':
      return [['abort', own]];
    case 'resolving':
      return [['resolve', own]];
    case 'opening':
      return [['key', state.via === 'arbiter' ? arbiter : peer]];
    case 'complaining':
      return [['complaint', own]];
    case 'waiving':
      return [['resolve', own]];
    case 'contracted': {
      const from = state.via === 'arbiter' ? arbiter : peer;
      if (state.course === 'contract') return [['contract', from]];
      // Nobody here opened it.
      if (exchange.machine.phase === 'waiving') return [['completion', arbiter]];
      // Whoever opened content has completed it: the key, and whose it is, went before.
      const opened = exchange.role === 'responder' || state.course !== 'delivery';
      return [['completion', opened ? own : from]];
    }
    case 'aborted':
      return [[state.voided ? 'void' : 'aborted', arbiter]];
    case 'dropped':
      return [['end', own]];
    case 'proving':
      return [];
  }
}
