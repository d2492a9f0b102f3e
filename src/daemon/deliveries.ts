/**
 * Contents on their way (PROTOCOL §8): what is offered is hashed and sealed once and served to the peer that it is for; what is
 * accepted is fetched until it is there, compared with its roots, and told its sender as message 0; with the key it is opened.
 *
 * Guarantees: nothing is fetched without the consent to accept it, nothing served but to the other party of a deal that is open;
 * the sender gives its key to nobody here (that is the exchange's); what is opened is not shown before all of it is right.
 */
import { randomBytes } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import { basename, dirname, isAbsolute } from 'node:path';
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { isFinalState } from '../commerce/deal.ts';
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
import type { Logger } from '../lib/log.ts';
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
  readonly store: DealStore;
  readonly contacts: Contacts;
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  readonly rng: Rng;
  readonly outbox: () => Outbox;
}

export type Deliveries = ReturnType<typeof createDeliveries>;

export function createDeliveries(parts: DeliveryParts, contents: ContentStore, work: ContentWork) {
  const { archive, store, contacts, link, clock, log, events, rng } = parts;
  /** Fetches that run, by document, with what they have. */
  const running = new Map<string, { stop: boolean; done: number; wake: () => void }>();
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

  /** One attempt. True when nothing is left to do. */
  const attempt = async (document: string, state: { stop: boolean; done: number }): Promise<boolean> => {
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
    const begun = clock.now();
    let moved = 0;
    const whole = await fetchContent(
      { document: fromHex(document), bytes: content.bytes, leavesPath, sealedPath },
      {
        ask: (request) => ask(entry.peer, request),
        stopped: () => state.stop,
        progress: (bytes) => {
          state.done = bytes;
        },
        pace: async (bytes) => {
          moved += bytes;
          const due = entry.rate === null ? 0 : (moved / entry.rate) * 1000 - (clock.now() - begun);
          if (due > 1) await pause(due);
        },
      },
    );
    if (!whole || state.stop) return false;
    const roots = { contentRoot: content.root, sealedRoot: sealed.root };
    const found = await work.run('compare', { leavesPath, sealedPath, bytes: content.bytes, ...roots });
    if (state.stop) return false;
    if (found !== 'right') {
      await contents.discard(entry.folder);
      await update(document, {
        phase: 'failed',
        trouble: 'what the sender gave is not what its note names; nothing was signed',
      });
      events.emit({ kind: 'peer-fault', deal: entry.deal, detail: found });
      return true;
    }
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
  const fetchLoop = async (document: string): Promise<void> => {
    if (running.has(document)) return;
    const state = { stop: false, done: 0, wake: () => {} };
    running.set(document, state);
    let retryMs = FIRST_RETRY_MS;
    try {
      while (!state.stop && !paused) {
        const before = state.done;
        try {
          const { deal } = await incoming(document);
          const found = store.get(deal);
          if (found === undefined || isFinalState(found.state)) return;
          if (await attempt(document, state)) return;
        } catch (error) {
          if (paused || state.stop) return;
          log.debug({ document, error }, 'a content cannot be fetched yet');
          const told = troubleOf(error);
          await update(document, { trouble: told }).catch(() => {});
        }
        if (state.done > before) retryMs = FIRST_RETRY_MS;
        await pause(retryMs, (wake) => {
          state.wake = wake;
        });
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    } finally {
      running.delete(document);
    }
  };

  const start = (document: string): void => {
    void fetchLoop(document).catch((error) => log.error({ document, error }, 'a content could not be fetched'));
  };

  return {
    /** Hashes and seals files of ours; the terms of the note, and the write that keeps them once the note is complete. */
    async make(paths: readonly string[], names: readonly string[] = paths.map((path) => basename(path))) {
      const files = await Promise.all(paths.map(sourceOf));
      checkNames(names);
      const folder = toHex(rng(16));
      const x = scalarBytes(scalarFromWide(new Uint8Array(randomBytes(48))));
      const sealing = { x, point: publicPoint(x), seed: rng(32) };
      const leavesPath = contents.leaves(folder);
      const made = await work.run('prepare', { files, leavesPath, ...sealing });
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
        discard: () => contents.discard(folder),
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
      const { bavail, bsize } = await statfs(dirname(contents.root));
      if (bavail * bsize < needed)
        throw new FitError('disk-full', `this needs ${needed} bytes, and ${bavail * bsize} are free`, {
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
      return { op: contents.put(document, entry), begin: () => start(document) };
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
      const entry = await incoming(document);
      // Compared before the daemon stopped: the ciphertext need not be there any more.
      if (entry.phase === 'opened' || entry.phase === 'taken') return { kind: 'right' as const };
      const content = await termsOf(document, entry);
      const sealed = present(entry.sealed, 'key point');
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
      const { phase, trouble } = found;
      const here = phase === 'fetching' ? (running.get(document)?.done ?? 0) : phase === 'failed' ? 0 : total;
      return { direction: 'in', phase, done: here, total, trouble, files };
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
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      try {
        const { from: first, count } = request;
        const data =
          request.kind === 'leaves'
            ? await work.run('leaves', { leavesPath, bytes, contentRoot, from: first, count })
            : await work.run('seal', { files, leavesPath, contentRoot, x, point, seed, from: first, count });
        return encodeBulkReply({ kind: 'data', data });
      } catch (error) {
        if (!isFitError(error) || error.code !== 'file-changed') throw error;
        log.warn({ deal: found.deal, error }, 'content is not what it was when it was offered');
        events.emit({ kind: 'file-changed', deal: found.deal });
        return encodeBulkReply({ kind: 'no', why: 'file-changed' });
      }
    },

    /** A peer is there again: what waits for it need not wait longer. */
    wake(): void {
      for (const state of running.values()) state.wake();
    },

    async resume(): Promise<void> {
      paused = false;
      for await (const [document, delivery] of contents.all())
        if (delivery.kind === 'in' && delivery.phase === 'fetching') start(document);
    },
    pause(): void {
      paused = true;
      for (const state of running.values()) {
        state.stop = true;
        state.wake();
      }
    },
  };
}

function troubleOf(error: unknown): string {
  if (error instanceof NotThere)
    return error.message === 'file-changed'
      ? 'the sender’s files are not what they were when they were offered'
      : 'the sender does not offer it any more';
  if (error instanceof PeerFault) return 'the sender broke the protocol';
  const full = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'disk-full');
  return full ? 'no space left here' : 'the sender is away';
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

function checkNames(names: readonly string[]): void {
  const bad = names.find((name) => !isFileName(name));
  if (bad !== undefined)
    throw new FitError('bad-file', 'a file has a name that not every system takes', { hint: 'give it another name' });
  if (new Set(names.map(foldedName)).size !== names.length)
    throw new FitError('bad-file', 'two files have one name on some systems', {
      hint: 'give one of them another name',
    });
}
