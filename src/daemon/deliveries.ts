/**
 * Contents on their way (PROTOCOL §8): what is offered is hashed and sealed once and served (content-serving.ts); what is
 * accepted is fetched until it is there, compared with its roots, and told its sender as message 0; with the key it is opened.
 *
 * Guarantees: nothing is fetched without the consent to accept it; the sender gives its key to nobody here (that is the
 * exchange's); what is opened is not shown before all of it is right. What was fetched and is damaged on our disk is fetched
 * again. A deal that has ended, or never began, leaves nothing here but opened files that nobody has taken.
 */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StoreOp } from '../archive/store.ts';
import { sealedBytes } from '../crypto/content.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../crypto/p256.ts';
import { isCredential, MAX_CREDENTIAL_BYTES } from '../exchange/credential.ts';
import type { ContentItem } from '../exchange/items.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { type ContentTerms, sameContent } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { createMutex } from '../lib/mutex.ts';
import type { Rng } from '../lib/rng.ts';
import { createCiphertexts } from './ciphertexts.ts';
import { createServing, type ServingParts } from './content-serving.ts';
import type { ContentStore, Incoming } from './content-store.ts';
import type { ContentWork } from './content-work.ts';
import type { DealStore } from './deal-store.ts';
import { checkNames, sourceOf } from './delivery-names.ts';
import { createDeliveryRecords } from './delivery-records.ts';
import { createRemains, type RemainsParts } from './delivery-remains.ts';
import { createFetches, type FetchesParts, NO_ROOM } from './fetches.ts';
import type { Lanes } from './lanes.ts';
import { createMeter } from './progress.ts';

/** What exchanges need of contents. */
export interface ContentOfExchanges {
  /** The key of content that we give, 32 bytes. */
  key(record: Pick<ExchangeRecord, 'document'>): Promise<Uint8Array>;
  /** Whether what was here is lost, and is fetched again. */
  isLost(document: string): Promise<boolean>;
  /** Opens what we got. `trouble`: it is what was sealed, and not what the note says of it. */
  open(
    record: Pick<ExchangeRecord, 'document'>,
    key: Uint8Array,
  ): Promise<
    { readonly kind: 'right'; readonly trouble: string | null } | { readonly kind: 'wrong'; readonly proof: Uint8Array }
  >;
}

type Chosen = Pick<ContentItem, 'point' | 'ciphertextRoot'>;

/** How far a content is. */
export interface DeliveryView {
  readonly direction: 'out' | 'in';
  readonly phase: 'offered' | Incoming['phase'];
  /** Bytes of the ciphertext that are here, of so many. */
  readonly done: number;
  readonly total: number;
  readonly trouble: string | null;
  /** Once it is opened: where each file lies. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly path: string | null }[];
  /** Where the salts lie that prove with the files that the note describes them wrongly; null if it does not. */
  readonly salts: string | null;
}

interface DeliveryParts extends FetchesParts, RemainsParts, ServingParts {
  readonly lanes: Lanes;
  readonly store: Pick<DealStore, 'get' | 'fetch'>;
  readonly rng: Rng;
}

const DAMAGED = 'it was damaged on this disk and is fetched again';
const CHANGED = 'a file of it is not what it was when it was offered: put it back as it was, or withdraw';

export type Deliveries = ReturnType<typeof createDeliveries>;

/** Whether what is opened is the credential that the note says, if it says one. */
async function isAsDescribed({ credential, bytes }: ContentTerms, path: string): Promise<boolean> {
  if (credential === null) return true;
  return bytes <= MAX_CREDENTIAL_BYTES && isCredential(await readFile(path), credential);
}

export function createDeliveries(parts: DeliveryParts, contents: ContentStore, work: ContentWork) {
  const { store, clock, log, events, rng } = parts;
  const records = createDeliveryRecords(parts.archive, store, contents);
  const { termsOf, outgoing, incoming, update, isOver } = records;
  const tell = createMeter(clock, events);
  const fetches = createFetches(parts, records, contents, work, tell);
  const locks = createMutex();
  /** Folders of this run: their records may not be written yet. */
  const fresh = new Set<string>();
  const { halt } = fetches;
  const revoke = (document: string): void => parts.lanes.revoke(document);
  const remains = createRemains(parts, records, contents, { locks, fresh, halt, revoke });
  const serving = createServing(parts, contents, work, tell);

  /** Opens what is here; damage of ours is made good first. Runs alone with the content. */
  const openHere = async (document: string, key: Uint8Array, again: boolean) => {
    const entry = await incoming(document);
    // A crash came between the comparison and what follows from it.
    if (entry.phase === 'opened' || entry.phase === 'taken') return { kind: 'right' as const, trouble: entry.trouble };
    if (isOver(entry.deal)) throw new FitError('wrong-state', 'the deal has ended');
    if (entry.phase === 'fetching') return 'fetching' as const;
    const content = await termsOf(document, entry);
    const sealed = present(entry.sealed, 'key point');
    try {
      const { deal } = entry;
      const told = { deal, direction: 'in', phase: 'opening', total: content.bytes } as const;
      const job = {
        leavesPath: contents.leaves(entry.folder),
        sealedPath: contents.sealed(entry.folder),
        saltsPath: contents.salts(entry.folder),
        bytes: content.bytes,
        x: key,
        point: sealed.point,
        contentRoot: content.root,
        sealedRoot: sealed.root,
        files: content.files.map(({ size, sha256 }, index) => ({
          path: contents.file(entry.folder, index),
          size,
          sha256,
        })),
      };
      const found = await work.run('open', job, (done) => tell({ ...told, done }));
      tell({ ...told, done: content.bytes });
      if (found.kind === 'wrong') {
        await update(document, { phase: 'failed', trouble: 'a part of it is not what its sender signed' });
        return found;
      }
      const trouble =
        found.kind === 'misdescribed'
          ? `${content.files[found.file]?.name ?? 'a file'} is what was sealed, but has another SHA-256 than the note says`
          : (await isAsDescribed(content, contents.file(entry.folder, 0)))
            ? null
            : 'it is what was sealed, but not the credential that the note describes';
      await update(document, { phase: 'opened', trouble });
      // The exchange need not wait for it; the sweep finds what stays.
      contents
        .discardSealed(entry.folder)
        .catch((error) => log.warn({ error }, 'a ciphertext could not be taken away'));
      return { kind: 'right' as const, trouble };
    } catch (error) {
      if (!isFitError(error)) throw error;
      if (error.code === 'disk-full') await update(document, { trouble: NO_ROOM }).catch(() => {});
      if (error.code !== 'archive-corrupt' || again) throw error;
      log.warn({ deal: entry.deal, error }, 'what was fetched is damaged on this disk and is fetched again');
      await contents.discard(entry.folder);
      await update(document, { phase: 'fetching', trouble: DAMAGED });
      return 'fetching' as const;
    }
  };

  const ciphertexts = createCiphertexts({
    contents,
    work,
    outgoing,
    incoming,
    damagedOurs: serving.mend,
    changedOurs: (document, { deal }, begun) => serving.foundChanged(document, deal, begun),
    async fetchAgain(document, { deal, folder }) {
      log.warn({ deal }, 'what was fetched is damaged on this disk and is fetched again');
      await contents.discard(folder);
      await update(document, { phase: 'fetching', trouble: DAMAGED });
      fetches.start(document);
    },
    now: () => clock.now(),
  });

  return {
    ...ciphertexts,
    /**
     * Hashes and seals files of ours for a deal (which may not be known yet); the terms of the note, and the write that keeps them
     * once the note is complete.
     */
    async make(deal: string, paths: readonly string[], names: readonly string[] = paths.map((path) => basename(path))) {
      checkNames(names);
      const files = await Promise.all(paths.map(sourceOf));
      const folder = toHex(rng(16));
      fresh.add(folder);
      const discard = async (): Promise<void> => {
        await contents.discard(folder);
        fresh.delete(folder);
      };
      const x = scalarBytes(scalarFromWide(new Uint8Array(randomBytes(48))));
      const sealing = { x, point: publicPoint(x), seed: rng(32) };
      const leavesPath = contents.leaves(folder);
      const told = {
        deal,
        direction: 'out',
        phase: 'reading',
        total: files.reduce((sum, { size }) => sum + size, 0),
      } as const;
      const made = await work
        .run('prepare', { files, leavesPath, ...sealing }, (done) => tell({ ...told, done }))
        .catch(async (error: unknown) => {
          await discard();
          throw error;
        });
      tell({ ...told, done: told.total });
      const terms: ContentTerms = {
        root: made.contentRoot,
        bytes: made.bytes,
        chunks: made.chunks,
        credential: null,
        files: files.map((file, index) => ({
          name: names[index] ?? '',
          size: file.size,
          sha256: made.sha256[index] ?? new Uint8Array(),
        })),
      };
      const { contentRoot, sealedRoot } = made;
      return {
        content: terms,
        keep: (document: string, deal: string): StoreOp =>
          contents.put(document, { kind: 'out', deal, folder, files, ...sealing, contentRoot, sealedRoot }),
        discard,
      };
    },

    /** Key points and ciphertexts for X: of what we give, and of what we fetched. */
    async sealedOf(document: string): Promise<{ readonly ours: Chosen | null; readonly theirs: Chosen | null }> {
      const out = await contents.out(document);
      const found = await contents.in(document);
      const fetched = found?.phase === 'fetched' ? found.sealed : null;
      return {
        ours: out === undefined ? null : { point: out.point, ciphertextRoot: out.sealedRoot },
        theirs: fetched === null ? null : { point: fetched.point, ciphertextRoot: fetched.root },
      };
    },

    /** Whether X names what we give. */
    async gives(document: string, item: ExchangeRecord['itemO']): Promise<boolean> {
      const out = await contents.out(document);
      return (
        item.kind === 'content' &&
        out !== undefined &&
        equal(out.point, item.point) &&
        equal(out.sealedRoot, item.ciphertextRoot)
      );
    },

    /**
     * Content of ours that another text of the deal names again, as we described it ourselves: what we sign says that the text
     * is right, and by another size a chunk of ours would be proven wrong. Undefined if there is none.
     */
    async again(document: string, deal: string, named: ContentTerms): Promise<StoreOp | undefined> {
      for await (const [ours, delivery] of contents.all())
        if (delivery.kind === 'out' && delivery.deal === deal && sameContent(await termsOf(ours, delivery), named))
          return contents.put(document, delivery);
      return undefined;
    },

    /** Whether X names what we fetched. */
    async holds(document: string, item: ExchangeRecord['itemO']): Promise<boolean> {
      const found = await contents.in(document);
      return (
        item.kind === 'content' &&
        found !== undefined &&
        (found.phase === 'fetched' || found.phase === 'opened') &&
        found.sealed !== null &&
        equal(found.sealed.point, item.point) &&
        equal(found.sealed.root, item.ciphertextRoot)
      );
    },

    checkRoom: fetches.checkRoom,

    /**
     * The write that an acceptance makes, and the beginning once it is durable. Accepted again (the consent before was withdrawn)
     * it goes on with what is here: a fetch may be under way.
     */
    async accept(
      document: string,
      deal: string,
      peer: string,
      rate: number | null,
    ): Promise<{ ops: readonly StoreOp[]; begin: () => void }> {
      const before = await contents.in(document);
      if (before?.phase === 'fetching' || before?.phase === 'fetched') {
        if (before.rate !== rate) await update(document, { rate });
        return { ops: [], begin: () => void (before.phase === 'fetching' && fetches.start(document)) };
      }
      const entry: Incoming = {
        kind: 'in',
        deal,
        folder: toHex(rng(16)),
        peer,
        phase: 'fetching',
        sealed: null,
        rate,
        trouble: null,
      };
      return { ops: [contents.put(document, entry)], begin: () => void fetches.start(document) };
    },

    /** What the other side of a swap gives for ours; its text was consented to when it was offered. */
    async fetch(document: string, deal: string, peer: string): Promise<void> {
      if ((await contents.in(document)) !== undefined) return;
      const { ops, begin } = await this.accept(document, deal, peer, null);
      await parts.archive.batch(ops);
      begin();
    },

    isLost: async (document: string): Promise<boolean> => (await contents.in(document))?.phase === 'fetching',

    async key(record: Pick<ExchangeRecord, 'document'>): Promise<Uint8Array> {
      return (await outgoing(toHex(record.document))).x;
    },

    async open(record: Pick<ExchangeRecord, 'document'>, key: Uint8Array) {
      const document = toHex(record.document);
      for (let again = false; ; again = true) {
        const found = await locks.run(document, () => openHere(document, key, again));
        if (found !== 'fetching') return found;
        await fetches.start(document).ended;
        if ((await incoming(document)).phase === 'fetching')
          throw new FitError('interrupted', 'the content is not yet here again');
      }
    },

    async view(document: string): Promise<DeliveryView | undefined> {
      const found = (await contents.in(document)) ?? (await contents.out(document));
      if (found === undefined) return undefined;
      const content = await termsOf(document, found);
      const total = sealedBytes(content.bytes);
      const files = content.files.map(({ name, size }, index) => ({
        name,
        size,
        path: found.kind === 'in' && found.phase === 'opened' ? contents.file(found.folder, index) : null,
      }));
      if (found.kind === 'out') {
        const trouble = serving.isKnownChanged(document) ? CHANGED : null;
        return { direction: 'out', phase: 'offered', done: total, total, trouble, files, salts: null };
      }
      const { phase } = found;
      const salts = contents.salts(found.folder);
      const state = fetches.of(document);
      const here = phase === 'fetching' ? (state?.done ?? 0) : phase === 'failed' ? 0 : total;
      return {
        direction: 'in',
        phase,
        done: here,
        total,
        trouble: state === undefined ? found.trouble : state.trouble,
        files,
        salts: phase === 'opened' && existsSync(salts) ? salts : null,
      };
    },

    /** What was opened is not what its note says, and is not taken: none of it stays. */
    reject: (document: string): Promise<void> =>
      locks.run(document, async () => {
        const { folder } = await incoming(document);
        await update(document, { phase: 'failed' });
        await contents.discard(folder);
      }),

    /** The opened files are where they belong: ours go. */
    async taken(document: string): Promise<void> {
      const found = await contents.in(document);
      if (found?.phase !== 'opened') return;
      await update(document, { phase: 'taken' });
      await contents.discard(found.folder);
    },

    serve: serving.serve,
    wake: fetches.wake,
    refused: remains.refused,

    async resume(): Promise<void> {
      fetches.resume();
      serving.resume();
      await remains.sweep().catch((error) => log.warn({ error }, 'what ended deals left could not be taken away'));
      for await (const [document, delivery] of contents.all())
        if (delivery.kind === 'in' && delivery.phase === 'fetching') fetches.start(document);
    },
    pause(): void {
      fetches.pause();
      serving.pause();
    },
  };
}
