/** What deliveries look up and change: the record of a content, the terms of its note, whether its deal can still move. */
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { isFinalState, openExchange } from '../commerce/deal.ts';
import { parseDocument } from '../commerce/document.ts';
import type { ContentTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { createMutex } from '../lib/mutex.ts';
import type { ContentStore, Delivery, Incoming, Outgoing } from './content-store.ts';
import type { DealStore } from './deal-store.ts';

export type DeliveryRecords = ReturnType<typeof createDeliveryRecords>;

export function createDeliveryRecords(
  archive: Archive,
  store: Pick<DealStore, 'get' | 'fetch'>,
  contents: ContentStore,
) {
  /** What the text says of the content that goes out or comes in. */
  const termsOf = async (document: string, { kind, deal }: Delivery): Promise<ContentTerms> => {
    const { content, other, parties } = parseDocument(await store.fetch('document', document)).terms;
    const us = store.get(deal)?.us;
    const ours = us !== undefined && equal(parties[0].certificate, us) ? content : other;
    const theirs = ours === content ? other : content;
    return present(kind === 'out' ? ours : theirs, 'content that the text names');
  };

  const outgoing = async (document: string): Promise<Outgoing> =>
    present(await contents.out(document), 'content of ours');

  const incoming = async (document: string): Promise<Incoming> =>
    present(await contents.in(document), 'content that we accepted');

  const updates = createMutex();
  /** One after the other: who fetches, opens and accepts changes the same record. */
  const update = (document: string, change: Partial<Incoming>, more: readonly StoreOp[] = []): Promise<void> =>
    updates.run(document, async () => {
      const before = await incoming(document);
      await archive.batch([contents.put(document, { ...before, ...change }), ...more]);
    });

  /** Whether nothing can happen to it any more. */
  const isOver = (id: string): boolean => {
    const deal = store.get(id);
    return deal !== undefined && isFinalState(deal.state) && openExchange(deal) === undefined;
  };

  /** Whether somebody may be bound by an exchange of it. */
  const isBeingExchanged = (id: string): boolean => {
    const deal = store.get(id);
    return deal !== undefined && openExchange(deal) !== undefined;
  };

  return { termsOf, outgoing, incoming, update, isOver, isBeingExchanged };
}
