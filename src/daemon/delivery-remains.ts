/**
 * What deliveries leave on the disk: leaves at the sender, ciphertext at the receiver, opened files that nobody takes.
 *
 * Guarantees: a deal that has ended, or that was asked for and never offered, leaves nothing but opened files of a completed one
 * until they are taken; at once, or at the next unlock if something came between. Nothing is taken away that an open deal or
 * request needs, nor what is not ours.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { toHex } from '../lib/bytes.ts';
import type { Logger } from '../lib/log.ts';
import type { Mutex } from '../lib/mutex.ts';
import type { Consent } from './consents.ts';
import type { ContentStore, Delivery } from './content-store.ts';
import type { DealStore } from './deal-store.ts';
import type { DeliveryRecords } from './delivery-records.ts';
import type { Events } from './events.ts';

const LOST = 'it was lost on this disk, and its sender did not give it again before the receipt was out';

export interface RemainsParts {
  readonly archive: Archive;
  readonly store: Pick<DealStore, 'get'>;
  readonly consents: { of(deal: string): readonly Pick<Consent, 'status' | 'document'>[] };
  readonly log: Logger;
  readonly events: Events;
}

interface RemainsPorts {
  /** Held while a content is opened. */
  readonly locks: Mutex;
  /** Folders of this run: their records may not be written yet. */
  readonly fresh: ReadonlySet<string>;
  /** Ends a fetch, and waits until it has let go of the files. */
  halt(document: string): Promise<void>;
  /** Ends what is being given. */
  revoke(document: string): void;
}

export function createRemains(
  { archive, store, consents, log, events }: RemainsParts,
  { update, isOver }: DeliveryRecords,
  contents: ContentStore,
  { locks, fresh, halt, revoke }: RemainsPorts,
) {
  /** Whether a text of this deal names it. */
  const isOffered = (document: string, { deal }: Delivery): boolean =>
    store.get(deal)?.versions.some((one) => toHex(one.document) === document) ?? false;

  const isAskedFor = (document: string, { deal }: Delivery): boolean =>
    consents.of(deal).some((one) => one.status === 'pending' && one.document === document);

  /** A new text of a deal may name the content of the one before. */
  const isShared = async (folder: string): Promise<boolean> => {
    for await (const [, one] of contents.all()) if (one.folder === folder) return true;
    return false;
  };

  const tidyOne = async (document: string, found: Delivery): Promise<void> => {
    const { deal, folder } = found;
    if (!isOffered(document, found)) {
      if (found.kind === 'in' || isAskedFor(document, found)) return;
      await archive.batch([contents.remove('out', document)]);
      if (!(await isShared(folder))) await contents.discard(folder);
      return;
    }
    if (!isOver(deal)) return;
    const state = store.get(deal)?.state;
    if (found.kind === 'in' && (state === 'completed' || state === 'contracted')) {
      if (found.phase === 'fetching' || found.phase === 'fetched') {
        await update(document, { phase: 'failed', trouble: LOST });
        await contents.discard(folder);
      }
      if (found.phase !== 'opened') return;
      await contents.discardSealed(folder);
      await contents.discardLeaves(folder);
      return;
    }
    if (found.kind === 'in' && (found.phase === 'fetching' || found.phase === 'fetched'))
      await update(document, { phase: 'failed' });
    await contents.discard(folder);
  };

  /** Takes away what a content has no use for any more. */
  const tidy = async (document: string): Promise<void> => {
    const seen = await contents.in(document);
    if (seen !== undefined && isOver(seen.deal)) await halt(document);
    const given = await contents.out(document);
    if (given !== undefined && isOver(given.deal)) revoke(document);
    await locks.run(document, async () => {
      for (const found of [await contents.in(document), await contents.out(document)])
        if (found !== undefined) await tidyOne(document, found);
    });
  };

  const later = (deal: string, task: Promise<void>): void => {
    task.catch((error) => log.debug({ deal, error }, 'what a deal leaves stays until the next unlock'));
  };

  const tidyDeal = async (id: string): Promise<void> => {
    for await (const [document, one] of contents.all()) if (one.deal === id) await tidy(document);
  };

  events.listen(undefined, ({ kind, deal }) => {
    if (kind !== 'progress' && deal !== undefined && isOver(deal)) later(deal, tidyDeal(deal));
  });

  return {
    /** A text was asked for, and will not be offered. */
    refused: (deal: string, document: string): void => later(deal, tidy(document)),

    /** What a crash, or an end while we were locked, left here. Nothing is being offered meanwhile. */
    async sweep(): Promise<void> {
      const there = new Set(await contents.folders());
      const named = new Set(fresh);
      const over: string[] = [];
      for await (const [document, one] of contents.all()) {
        named.add(one.folder);
        if (!isOffered(document, one) || (there.has(one.folder) && isOver(one.deal))) over.push(document);
      }
      for (const folder of there) if (!named.has(folder)) await contents.discard(folder);
      for (const document of over) await tidy(document);
    },
  };
}
