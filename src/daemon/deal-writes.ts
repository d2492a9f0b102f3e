/**
 * How a deal changes on disk: its new transactions, the messages and consents that belong to them, their entries in journal
 * and audit log, all in one write; and who is told afterwards. Changes of one deal are made one at a time, under `locks`.
 */
import type { NewEntry } from '../archive/chain.ts';
import type { StoreOp } from '../archive/store.ts';
import { currentVersion, type Deal, isFinalState, reduce } from '../commerce/deal.ts';
import { encodeMessage, type Message } from '../commerce/messages.ts';
import type { Transaction } from '../commerce/transaction.ts';
import { present } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import { createMutex } from '../lib/mutex.ts';
import type { EventKind } from '../rpc/agent.ts';
import type { RequestState } from '../rpc/approvals.ts';
import type { Change } from './consents.ts';
import type { Letter } from './outbox.ts';
import type { Parts } from './parts.ts';
import { refusal } from './refusal.ts';

/** What belongs into a write beside the deal itself. */
export interface Also {
  readonly ops?: readonly StoreOp[];
  readonly changes?: readonly Change[];
  /** When it is durable. */
  readonly done?: readonly (() => void)[];
}

export type DealWrites = ReturnType<typeof createDealWrites>;

export function createDealWrites(parts: Parts) {
  const { store, consents, contacts, identity, clock, events } = parts;
  const locks = createMutex();
  const waiters = new Set<() => void>();
  const now = (): number => seconds(clock.now());
  const us = (): Uint8Array => identity.card().certificate.hash;

  /** A deal that is known to be there, unless `fit lock` came in between. */
  const held = (id: string): Deal => {
    if (parts.keyring.locked) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
    return present(store.get(id), 'deal');
  };

  const told = (deal: Deal, kind: EventKind): void => {
    const contact = contacts.of(toHex(deal.them))?.name;
    events.emit({ kind, deal: deal.id, state: deal.state, ...(contact === undefined ? {} : { contact }) });
    for (const waiter of [...waiters]) waiter();
  };

  const entriesOf = (before: Deal | undefined, after: Deal): NewEntry[] =>
    after.transactions.slice(before?.transactions.length ?? 0).map((one) => ({
      time: now(),
      kind: `deal-${one.payload.kind}`,
      ref: after.id,
      payload: one.id,
    }));

  /** Consents and requests of a deal that are about a text or a state which it has left behind. */
  const outdated = (deal: Deal, but?: string): Change[] => {
    const current = currentVersion(deal);
    const currentHex = current === undefined ? null : toHex(current.document);
    return consents
      .of(deal.id)
      .filter((one) => one.id !== but && (one.status === 'granted' || one.status === 'pending'))
      .filter((one) => {
        if (isFinalState(deal.state)) return true;
        const isDraft = one.kind === 'offer' && one.status === 'pending';
        return (isDraft ? one.base : one.document) !== currentHex;
      })
      .map((one) => consents.move(one, 'withdrawn', now()));
  };

  const tellWithdrawn = (changes: readonly Change[]): void => {
    for (const { consent } of changes) {
      const ends: Partial<Record<RequestState, EventKind>> = {
        granted: 'granted',
        refused: 'refused',
        expired: 'request-expired',
        withdrawn: 'request-withdrawn',
      };
      const kind = ends[consent.status];
      // What was asked for may have files, which nobody will offer now.
      if (kind !== undefined && kind !== 'granted') parts.deliveries.refused(consent.deal, consent.document);
      if (kind !== undefined && !consent.held)
        events.emit({ kind, request: consent.id, ...(consent.deal === '' ? {} : { deal: consent.deal }) });
    }
  };

  /** Stores a deal's new transactions with whatever belongs to them, in one write. */
  const commit = async (before: Deal | undefined, after: Deal, also: Also = {}): Promise<void> => {
    const { ops = [], changes = [], done = [] } = also;
    const saved = store.save(after);
    await parts.journal().append(
      entriesOf(before, after),
      [...saved.ops, ...changes.flatMap((one) => one.ops), ...ops],
      changes.flatMap((one) => one.audit),
    );
    saved.done();
    for (const change of changes) change.done();
    for (const then of done) then();
    tellWithdrawn(changes);
    told(after, present(after.transactions.at(-1), 'transaction').payload.kind);
  };

  /** Changes of consents alone. */
  const record = async (changes: readonly Change[], ops: readonly StoreOp[] = []): Promise<void> => {
    if (changes.length === 0) return;
    await parts.journal().append(
      [],
      [...changes.flatMap((one) => one.ops), ...ops],
      changes.flatMap((one) => one.audit),
    );
    for (const change of changes) change.done();
    tellWithdrawn(changes);
  };

  const take = (deal: Deal, transaction: Transaction, at: number): Deal => {
    const reduction = reduce(deal, transaction, at);
    if (!reduction.ok) throw refusal(reduction.code, deal.id);
    return reduction.deal;
  };

  const letterTo = (deal: Pick<Deal, 'id' | 'them'>, message: Message): Letter => ({
    to: toHex(deal.them),
    protocol: '/fit/message/1',
    body: encodeMessage(message),
    ref: `d/${deal.id}`,
    until: null,
  });

  return {
    locks,
    now,
    us,
    held,
    told,
    entriesOf,
    outdated,
    commit,
    record,
    take,
    letterTo,
    tellWithdrawn,
    onChange(listener: () => void): () => void {
      waiters.add(listener);
      return () => void waiters.delete(listener);
    },
  };
}
