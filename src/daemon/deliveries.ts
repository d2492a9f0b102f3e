/**
 * Contents on their way (PROTOCOL §8): what is offered is hashed and sealed once and served to the peer that it is for; what is
 * accepted is fetched until it is there, compared with its roots, and told its sender as message 0; with the key it is opened.
 *
 * Guarantees: nothing is fetched without the consent to accept it, nothing served but to the other party of a deal that is open;
 * the sender gives its key to nobody here (that is the exchange's); what is opened is not shown before all of it is right.
 * Damage on our own disk is made good: leaves are made again from the files, what was fetched is fetched again. A deal that has
 * ended, or never began, leaves nothing here but opened files that nobody has taken.
 */
import { randomBytes } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import { basename, dirname, isAbsolute } from 'node:path';
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { isFinalState, openExchange } from '../commerce/deal.ts';
import { parseDocument } from '../commerce/document.ts';
import { chunksOf, HASH_BYTES, sealedBytes } from '../crypto/content.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../crypto/p256.ts';
import type { ContentItem } from '../exchange/items.ts';
import { encodeMessage } from '../exchange/messages.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import type { ContentTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, fromHex, toHex } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import { foldedName, isFileName } from '../lib/file-name.ts';
import { isPlainLine, MAX_TEXT_BYTES } from '../lib/lint.ts';
import type { Logger } from '../lib/log.ts';
import { createMutex } from '../lib/mutex.ts';
import type { Rng } from '../lib/rng.ts';
import type { Link, Remote } from '../p2p/link.ts';
import {
  type BulkReply,
  type BulkRequest,
  decodeBulkReply,
  decodeBulkRequest,
  encodeBulkReply,
  encodeBulkRequest,
} from './bulk.ts';
import type { Consent } from './consents.ts';
import type { Contacts } from './contacts.ts';
import type { ContentStore, Delivery, Incoming, Outgoing } from './content-store.ts';
import type { ContentWork } from './content-work.ts';
import type { DealStore } from './deal-store.ts';
import type { Events } from './events.ts';
import { fetchContent, NotThere } from './fetching.ts';
import type { Outbox } from './outbox.ts';

/** What exchanges need of contents. */
export interface ContentOfExchanges {
  /** The key of content that we give, 32 bytes. */
  key(record: ExchangeRecord): Promise<Uint8Array>;
  /** Opens what we got. */
  open(
    record: ExchangeRecord,
    key: Uint8Array,
  ): Promise<{ readonly kind: 'right' } | { readonly kind: 'wrong'; readonly proof: Uint8Array }>;
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
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;
const REPLY_TIMEOUT_MS = 120_000;
/** What a file system needs beside the content itself. */
const SPARE_BYTES = 16 * 1024 * 1024;

interface DeliveryParts {
  readonly archive: Archive;
  readonly store: Pick<DealStore, 'get' | 'fetch'>;
  readonly consents: { of(deal: string): readonly Pick<Consent, 'status'>[] };
  readonly contacts: Pick<Contacts, 'peerOf'>;
  readonly link: Pick<Link, 'request'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  readonly rng: Rng;
  readonly outbox: () => Pick<Outbox, 'post'>;
}

/** A fetch that runs. */
interface Running {
  stop: boolean;
  /** Bytes of the ciphertext that are here. */
  done: number;
  /** Something lay here before this run, which our own disk may have changed. */
  kept: boolean;
  readonly seen: Set<string>;
  /** What a person should know, also while a full disk keeps it from being stored. */
  trouble: string | null;
  /** Tries again now. */
  wake(): void;
  /** Ends a wait that keeps to a rate: only for a stop. */
  release(): void;
  ended: Promise<void>;
}

export type Deliveries = ReturnType<typeof createDeliveries>;

export function createDeliveries(parts: DeliveryParts, contents: ContentStore, work: ContentWork) {
  const { archive, store, consents, contacts, link, clock, log, events, rng } = parts;
  const locks = createMutex();
  const running = new Map<string, Running>();
  /** Leaves that are being made again, by document. */
  const mending = new Map<string, Promise<void>>();
  /** Folders of this run: their records may not be written yet. */
  const fresh = new Set<string>();
  let paused = true;

  /** What the text says of the content that goes out or comes in. */
  const termsOf = async (document: string, { kind, deal }: Delivery): Promise<ContentTerms> => {
    const { content, other, parties } = parseDocument(await store.fetch('document', document)).terms;
    const us = store.get(deal)?.us;
    const ours = us !== undefined && equal(parties[0].certificate, us) ? content : other;
    const theirs = ours === content ? other : content;
    return present(kind === 'out' ? ours : theirs, 'content that the text names');
  };

  const outgoing = async (document: string): Promise<Outgoing> => {
    return present(await contents.out(document), 'content of ours');
  };

  const incoming = async (document: string): Promise<Incoming> => {
    return present(await contents.in(document), 'content that we accepted');
  };

  const pause = (ms: number, wakeable?: (wake: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.at(clock.now() + ms, resolve);
      wakeable?.(() => {
        cancel();
        resolve();
      });
    });

  const update = async (document: string, change: Partial<Incoming>, more: readonly StoreOp[] = []): Promise<void> => {
    const before = await incoming(document);
    await archive.batch([contents.put(document, { ...before, ...change }), ...more]);
  };

  const ask = async (peer: string, request: BulkRequest): Promise<BulkReply> => {
    const at = contacts.peerOf(peer);
    if (at === undefined) throw new FitError('not-found', 'the sender is no longer a contact');
    const body = encodeBulkRequest(request);
    return decodeBulkReply(await link.request(at, peer, '/fit/bulk/1', body, { timeoutMs: REPLY_TIMEOUT_MS }));
  };

  /** Whether nothing can happen to it any more. */
  const isOver = (id: string): boolean => {
    const deal = store.get(id);
    return deal !== undefined && isFinalState(deal.state) && openExchange(deal) === undefined;
  };

  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(dirname(contents.root));
    return bavail * bsize;
  };

  /** What was fetched is not of its roots. True when that is its sender's doing, and the end of it. */
  const mismatch = async (document: string, entry: Incoming, found: string, state: Running): Promise<boolean> => {
    const deal = store.get(entry.deal);
    const promised = deal !== undefined && openExchange(deal) !== undefined;
    if (state.kept || promised) {
      await (found === 'wrong-leaves' ? contents.discardLeaves(entry.folder) : contents.discardSealed(entry.folder));
      log.warn({ deal: entry.deal, found }, 'what lay here is fetched again');
      // From now on all of it is of this run, and what is wrong is wrong as it came.
      if (!state.kept) throw new NotThere('another-content');
      state.kept = false;
      state.done = 0;
      return false;
    }
    await contents.discard(entry.folder);
    await update(document, {
      phase: 'failed',
      trouble: 'what the sender gave is not what its note names; nothing was signed',
    });
    events.emit({ kind: 'peer-fault', deal: entry.deal, detail: found });
    return true;
  };

  /** One attempt. True when nothing is left to do. */
  const attempt = async (document: string, state: Running): Promise<boolean> => {
    let entry = await incoming(document);
    const content = await termsOf(document, entry);
    if (entry.sealed === null) {
      const reply = await ask(entry.peer, { kind: 'open', document: fromHex(document) });
      if (reply.kind !== 'open') throw new NotThere(reply.kind === 'no' ? reply.why : 'no answer');
      await update(document, { sealed: { point: reply.point, root: reply.root } });
      entry = await incoming(document);
    }
    const sealed = present(entry.sealed, 'key point and root');
    const [leavesPath, sealedPath] = [contents.leaves(entry.folder), contents.sealed(entry.folder)];
    // Nothing is asked for again and again that has no room.
    const needed = Math.min(sealedBytes(content.bytes) - state.done, SPARE_BYTES);
    if (state.trouble === NO_ROOM && needed > 0 && (await freeBytes()) < needed)
      throw new FitError('disk-full', 'there is no room for more of it');
    const begun = clock.now();
    let moved = 0;
    const whole = await fetchContent(
      { document: fromHex(document), bytes: content.bytes, leavesPath, sealedPath },
      {
        ask: (request) => ask(entry.peer, request),
        stopped: () => state.stop,
        found: (kind, bytes) => {
          if (bytes > 0 && !state.seen.has(kind)) state.kept = true;
          state.seen.add(kind);
        },
        progress: (bytes) => {
          state.done = bytes;
        },
        pace: async (bytes) => {
          moved += bytes;
          const due = entry.rate === null ? 0 : (moved / entry.rate) * 1000 - (clock.now() - begun);
          state.trouble = null;
          if (due > 1)
            await pause(due, (release) => {
              state.release = release;
            });
        },
      },
    );
    if (!whole || state.stop) return false;
    const roots = { contentRoot: content.root, sealedRoot: sealed.root };
    const found = await work.run('compare', { leavesPath, sealedPath, bytes: content.bytes, ...roots });
    if (state.stop) return false;
    if (found !== 'right') return mismatch(document, entry, found, state);
    const { ops, posted } = parts.outbox().post({
      to: entry.peer,
      protocol: '/fit/exchange/1',
      body: encodeMessage({ kind: 'ready', deal: entry.deal, document: fromHex(document) }),
      ref: `d/${entry.deal}`,
      until: null,
    });
    await update(document, { phase: 'fetched', trouble: null }, ops);
    posted();
    events.emit({ kind: 'fetched', deal: entry.deal });
    return true;
  };

  /** Until it is there, or its deal has ended. */
  const fetchLoop = async (document: string, state: Running): Promise<void> => {
    let retryMs = FIRST_RETRY_MS;
    if (!paused && !state.stop) state.trouble = (await incoming(document)).trouble;
    while (!state.stop && !paused) {
      const before = state.done;
      try {
        const { deal } = await incoming(document);
        if (store.get(deal) === undefined || isOver(deal)) return;
        if (await attempt(document, state)) return;
      } catch (error) {
        if (paused || state.stop) return;
        log.debug({ document, error }, 'a content cannot be fetched yet');
        state.trouble = troubleOf(error);
        await update(document, { trouble: state.trouble }).catch(() => {});
      }
      if (state.done > before) retryMs = FIRST_RETRY_MS;
      if (state.stop || paused) return;
      await pause(retryMs, (wake) => {
        state.wake = wake;
      });
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  };

  /** Fetches unless it is being fetched; after a stop, when the fetch before has let go of the files. */
  const start = (document: string): Running => {
    const before = running.get(document);
    if (before !== undefined && !before.stop) return before;
    const state: Running = {
      stop: false,
      done: 0,
      kept: false,
      seen: new Set(),
      trouble: null,
      wake: () => {},
      release: () => {},
      ended: Promise.resolve(),
    };
    running.set(document, state);
    state.ended = (before?.ended ?? Promise.resolve())
      .then(() => fetchLoop(document, state))
      .catch((error) => log.error({ document, error }, 'a content could not be fetched'))
      .then(() => {
        if (running.get(document) === state) running.delete(document);
      });
    return state;
  };

  const stop = (state: Running): void => {
    state.stop = true;
    state.wake();
    state.release();
  };

  const halt = async (document: string): Promise<void> => {
    const state = running.get(document);
    if (state === undefined) return;
    stop(state);
    await state.ended;
  };

  /** Takes away what a content has no use for any more. */
  const tidy = async (document: string): Promise<void> => {
    const seen = await contents.in(document);
    if (seen !== undefined && isOver(seen.deal)) await halt(document);
    await locks.run(document, async () => {
      for (const found of [await contents.in(document), await contents.out(document)])
        if (found !== undefined) await tidyOne(document, found);
    });
  };

  const tidyOne = async (document: string, found: Delivery): Promise<void> => {
    const { deal, folder } = found;
    if (store.get(deal) === undefined) {
      // Asked for and never offered: a request may still be granted.
      if (found.kind === 'in' || consents.of(deal).some((one) => one.status === 'pending')) return;
      await archive.batch([contents.remove(found.kind, document)]);
      await contents.discard(folder);
    } else if (isOver(deal)) {
      if (found.kind === 'in' && store.get(deal)?.state === 'completed') {
        if (found.phase !== 'opened') return;
        await contents.discardSealed(folder);
        await contents.discardLeaves(folder);
        return;
      }
      if (found.kind === 'in' && (found.phase === 'fetching' || found.phase === 'fetched'))
        await update(document, { phase: 'failed' });
      await contents.discard(folder);
    }
  };

  const tidyDeal = async (id: string): Promise<void> => {
    const documents = store.get(id)?.versions.map((one) => toHex(one.document));
    if (documents !== undefined) for (const document of documents) await tidy(document);
    else for await (const [document, one] of contents.all()) if (one.deal === id) await tidy(document);
  };

  /** A deal may have ended, or the request for one: what it leaves is taken away, now or at the next unlock. */
  const ended = (id: string): void => {
    if (store.get(id) !== undefined && !isOver(id)) return;
    tidyDeal(id).catch((error) => log.debug({ deal: id, error }, 'what a deal leaves stays until the next unlock'));
  };
  events.listen(undefined, ({ deal, state }) => {
    if (deal !== undefined && state !== undefined && isFinalState(state)) ended(deal);
  });

  /** What a crash, or an end while we were locked, left here. */
  const sweep = async (): Promise<void> => {
    const there = new Set(await contents.folders());
    const named = new Set(fresh);
    const over: string[] = [];
    for await (const [document, one] of contents.all()) {
      named.add(one.folder);
      if (store.get(one.deal) === undefined || (there.has(one.folder) && isOver(one.deal))) over.push(document);
    }
    for (const folder of there) if (!named.has(folder)) await contents.discard(folder);
    for (const document of over) await tidy(document);
  };

  /** Makes the leaves of content of ours again: they follow from its files and what the record keeps. */
  const mend = (document: string, { deal, folder, files, x, point, seed, contentRoot, sealedRoot }: Outgoing): void => {
    if (mending.has(document)) return;
    const leavesPath = contents.leaves(folder);
    const mended = work
      .run('prepare', { files, leavesPath, x, point, seed })
      .then(async (made) => {
        if (equal(made.contentRoot, contentRoot) && equal(made.sealedRoot, sealedRoot)) return;
        await contents.discardLeaves(folder);
        throw new FitError('file-changed', 'a file of this delivery is not what it was when it was offered');
      })
      .catch((error) => {
        log.warn({ deal, error }, 'the hashes of a content cannot be made again');
        if (isFitError(error) && error.code === 'file-changed') events.emit({ kind: 'file-changed', deal });
      })
      .finally(() => mending.delete(document));
    mending.set(document, mended);
  };

  /** Opens what is here; damage of ours is made good first. Runs alone with the content. */
  const openHere = async (document: string, key: Uint8Array, again: boolean) => {
    const entry = await incoming(document);
    // A crash came between the comparison and what follows from it.
    if (entry.phase === 'opened' || entry.phase === 'taken') return { kind: 'right' as const };
    if (isOver(entry.deal)) throw new FitError('wrong-state', 'the deal has ended');
    if (entry.phase === 'fetching') return 'fetching' as const;
    const content = await termsOf(document, entry);
    const sealed = present(entry.sealed, 'key point');
    try {
      const found = await work.run('open', {
        leavesPath: contents.leaves(entry.folder),
        sealedPath: contents.sealed(entry.folder),
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
      });
      if (found.kind === 'wrong') {
        await update(document, { phase: 'failed', trouble: 'a part of it is not what its sender signed' });
        return found;
      }
      const trouble =
        found.kind === 'misdescribed'
          ? `${content.files[found.file]?.name ?? 'a file'} is what was sealed, but has another SHA-256 than the note says`
          : null;
      await update(document, { phase: 'opened', trouble });
      await contents.discardSealed(entry.folder);
      return { kind: 'right' as const };
    } catch (error) {
      if (!isFitError(error)) throw error;
      if (error.code === 'disk-full') await update(document, { trouble: NO_ROOM }).catch(() => {});
      if (error.code !== 'archive-corrupt' || again) throw error;
      log.warn({ deal: entry.deal, error }, 'what was fetched is damaged on this disk and is fetched again');
      await contents.discard(entry.folder);
      await update(document, { phase: 'fetching', trouble: 'it was damaged on this disk and is fetched again' });
      return 'fetching' as const;
    }
  };

  return {
    /** Hashes and seals files of ours; the terms of the note, and the write that keeps them once the note is complete. */
    async make(paths: readonly string[], names: readonly string[] = paths.map((path) => basename(path))) {
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
      const made = await work.run('prepare', { files, leavesPath, ...sealing }).catch(async (error: unknown) => {
        await discard();
        throw error;
      });
      const terms: ContentTerms = {
        root: made.contentRoot,
        bytes: made.bytes,
        chunks: made.chunks,
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

    /** The same content of ours under another text of the deal that names it; undefined if there is none. */
    async again(document: string, deal: string, root: Uint8Array): Promise<StoreOp | undefined> {
      for await (const [, delivery] of contents.all())
        if (delivery.kind === 'out' && delivery.deal === deal && equal(delivery.contentRoot, root))
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

    /** Refuses what has no room here. */
    async checkRoom({ bytes }: ContentTerms): Promise<void> {
      const needed = sealedBytes(bytes) + bytes + chunksOf(bytes) * HASH_BYTES + SPARE_BYTES;
      const free = await freeBytes();
      if (free < needed)
        throw new FitError('disk-full', `this needs ${needed} bytes, and ${free} are free`, {
          hint: 'make room, then receive it again; nothing was signed',
        });
    },

    /** The write that an acceptance makes, and the beginning once it is durable. */
    accept(document: string, deal: string, peer: string, rate: number | null): { op: StoreOp; begin: () => void } {
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
      return { op: contents.put(document, entry), begin: () => void start(document) };
    },

    /** What the other side of a swap gives for ours; its text was consented to when it was offered. */
    async fetch(document: string, deal: string, peer: string): Promise<void> {
      if ((await contents.in(document)) !== undefined) return;
      const { op, begin } = this.accept(document, deal, peer, null);
      await archive.batch([op]);
      begin();
    },

    async key(record: ExchangeRecord): Promise<Uint8Array> {
      return (await outgoing(toHex(record.document))).x;
    },

    async open(record: ExchangeRecord, key: Uint8Array) {
      const document = toHex(record.document);
      for (let again = false; ; again = true) {
        const found = await locks.run(document, () => openHere(document, key, again));
        if (found !== 'fetching') return found;
        await start(document).ended;
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
      if (found.kind === 'out') return { direction: 'out', phase: 'offered', done: total, total, trouble: null, files };
      const { phase } = found;
      const state = running.get(document);
      const here = phase === 'fetching' ? (state?.done ?? 0) : phase === 'failed' ? 0 : total;
      return {
        direction: 'in',
        phase,
        done: here,
        total,
        trouble: state === undefined ? found.trouble : state.trouble,
        files,
      };
    },

    /** The opened files are where they belong: ours go. */
    async taken(document: string): Promise<void> {
      const found = await contents.in(document);
      if (found?.phase !== 'opened') return;
      await update(document, { phase: 'taken' });
      await contents.discard(found.folder);
    },

    /** A request by `/fit/bulk/1`. */
    async serve(from: Remote, body: Uint8Array): Promise<Uint8Array> {
      const request = decodeBulkRequest(body);
      const document = toHex(request.document);
      const found = await contents.out(document);
      const deal = found === undefined ? undefined : store.get(found.deal);
      const open = deal !== undefined && (!isFinalState(deal.state) || deal.state === 'completed');
      if (found === undefined || !open || toHex(deal.them) !== from.certificate)
        return encodeBulkReply({ kind: 'no', why: 'not-offered' });
      if (request.kind === 'open') return encodeBulkReply({ kind: 'open', point: found.point, root: found.sealedRoot });
      const { files, x, point, seed, folder, contentRoot } = found;
      const leavesPath = contents.leaves(folder);
      if (mending.has(document)) throw new FitError('busy', 'the hashes of this content are being made again');
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      try {
        const { from: first, count } = request;
        const data =
          request.kind === 'leaves'
            ? await work.run('leaves', { leavesPath, bytes, contentRoot, from: first, count })
            : await work.run('seal', { files, leavesPath, contentRoot, x, point, seed, from: first, count });
        return encodeBulkReply({ kind: 'data', data });
      } catch (error) {
        if (!isFitError(error)) throw error;
        if (error.code === 'archive-corrupt') mend(document, found);
        if (error.code !== 'file-changed') throw error;
        log.warn({ deal: found.deal, error }, 'content is not what it was when it was offered');
        events.emit({ kind: 'file-changed', deal: found.deal });
        return encodeBulkReply({ kind: 'no', why: 'file-changed' });
      }
    },

    /** A peer is there again: what waits for it need not wait longer. */
    wake(): void {
      for (const state of running.values()) state.wake();
    },

    ended,

    async resume(): Promise<void> {
      paused = false;
      await sweep().catch((error) => log.warn({ error }, 'what ended deals left could not be taken away'));
      for await (const [document, delivery] of contents.all())
        if (delivery.kind === 'in' && delivery.phase === 'fetching') start(document);
    },
    pause(): void {
      paused = true;
      for (const state of running.values()) stop(state);
    },
  };
}

const NO_ROOM = 'no space left here; it goes on when there is room';
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'disk-full']);

function troubleOf(error: unknown): string {
  if (error instanceof NotThere)
    return error.message === 'file-changed'
      ? 'the sender’s files are not what they were when they were offered'
      : error.message === 'another-content'
        ? 'the sender gives something else than before'
        : 'the sender does not offer it any more';
  if (error instanceof PeerFault) return 'the sender broke the protocol';
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && FULL.has(code) ? NO_ROOM : 'the sender is away';
}

async function sourceOf(path: string) {
  if (!isAbsolute(path) || Buffer.byteLength(path) > 4096)
    throw new FitError('usage', 'a file is named by its whole path');
  const stats = await stat(path).catch((error: unknown) => {
    throw new FitError('bad-file', `${path} cannot be read`, { cause: error });
  });
  if (!stats.isFile())
    throw new FitError('bad-file', `${path} is not a file`, { hint: 'deliver files, or one archive of a folder' });
  return { path, size: stats.size };
}

/** Characters: a line of a note that has also the size holds them. */
const MAX_NAME = 160;
const NAME_RULES =
  'give it another name: at most 160 characters and 200 bytes, none of / \\ : * ? " < > |, no control or invisible characters, no dot, hyphen or ' +
  'space in front, no dot or space at the end, accents in composed form, and no device of some system such as CON or nul.txt';

/** Names as the note may have them (front-matter.ts says the same of one that comes from a peer), before any file is read. */
function checkNames(names: readonly string[]): void {
  const bad = names.find(
    (name) => !isFileName(name) || !isPlainLine(name, 2 * MAX_NAME) || [...name].length > MAX_NAME,
  );
  if (bad !== undefined)
    throw new FitError('bad-file', `${shown(bad)} is a name that not every system takes`, { hint: NAME_RULES });
  const folded = new Map<string, string>();
  for (const name of names) {
    const other = folded.get(foldedName(name));
    if (other !== undefined)
      throw new FitError('bad-file', `${shown(other)} and ${shown(name)} are one name on some systems`, {
        hint: 'give one of them another name',
      });
    folded.set(foldedName(name), name);
  }
  const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name) + BYTES_OF_A_FILE, 0);
  if (bytes > MAX_TEXT_BYTES - BYTES_OF_A_NOTE)
    throw new FitError('bad-file', `a note has no room for the names of these ${names.length} files`, {
      hint: 'deliver one archive of them, or make several deliveries',
    });
}

/** What a file takes in a note beside its name, and the note beside its files. */
const BYTES_OF_A_FILE = 115;
const BYTES_OF_A_NOTE = 4096;

/** Of a name that a terminal may not take. */
const shown = (name: string): string =>
  JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name).replace(/[^\x20-\x7e…]/gu, (one) =>
    isPlainLine(one, 2) ? one : '?',
  );
