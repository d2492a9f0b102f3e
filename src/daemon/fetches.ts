/**
 * The contents that are being fetched: each goes on until it is here and of its roots, or its deal has ended, whatever comes
 * between; then its sender is told as message 0.
 *
 * Guarantees: one fetch of a content at a time; what is in the way (no sender, no room, no contact) is told and tried again; the
 * limit of a rate is kept. A sender is blamed only for what came in this run: what lay here before may be our own disk's fault.
 */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { chunksOf, HASH_BYTES, sealedBytes } from '../crypto/content.ts';
import { encodeMessage } from '../exchange/messages.ts';
import type { ContentTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, fromHex, movable, toHex } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import { codeOf, isDiskFull } from '../lib/disk.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Link } from '../p2p/link.ts';
import { type BulkReply, type BulkRequest, decodeBulkReply, encodeBulkRequest } from './bulk.ts';
import type { Contacts } from './contacts.ts';
import type { ContentStore, Incoming } from './content-store.ts';
import type { ContentWork } from './content-work.ts';
import type { DeliveryRecords } from './delivery-records.ts';
import type { Events } from './events.ts';
import { type Fetched, type FetchPorts, fetchContent, NotThere } from './fetching.ts';
import { LANE_LEAST } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Outbox } from './outbox.ts';
import type { Meter } from './progress.ts';

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;
const REPLY_TIMEOUT_MS = 120_000;
const USELESS_MS = 10 * 60_000;
/** Slower is no better than the link. */
const LANE_CHUNK_MS = 20_000;
/** What a file system needs beside the content itself. */
const SPARE_BYTES = 16 * 1024 * 1024;

export interface FetchesParts {
  readonly contacts: Pick<Contacts, 'peerOf'>;
  readonly link: Pick<Link, 'request'>;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  readonly outbox: () => Pick<Outbox, 'post'>;
}

/** What content of so many bytes takes until it is opened: ciphertext, hashes, files. */
const roomOf = (bytes: number): number => sealedBytes(bytes) + bytes + chunksOf(bytes) * HASH_BYTES;

type Kind = 'leaves' | 'chunks';

/** A fetch that runs. */
export interface Running {
  stop: boolean;
  /** Bytes of the ciphertext that are here. */
  done: number;
  /** What lay here before this run, and our own disk may have changed. */
  readonly kept: Set<Kind>;
  /** What this run has looked at. */
  readonly seen: Set<Kind>;
  /** What a person should know, also while a full disk keeps it from being stored. */
  trouble: string | null;
  /** Tries again now. */
  wake(): void;
  /** Ends a wait that keeps to a rate: only for a stop. */
  release(): void;
  ended: Promise<void>;
}

export type Fetches = ReturnType<typeof createFetches>;

export function createFetches(
  parts: FetchesParts,
  records: DeliveryRecords,
  contents: ContentStore,
  work: ContentWork,
  tell: Meter,
) {
  const { contacts, link, clock, log, events } = parts;
  const { termsOf, incoming, update, isOver } = records;
  const running = new Map<string, Running>();
  /** Until when (ms) no lane of a peer is tried: what is in its way stays for a while. */
  const useless = new Map<string, number>();
  let paused = true;

  const pause = (ms: number, wakeable?: (wake: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.at(clock.now() + ms, resolve);
      wakeable?.(() => {
        cancel();
        resolve();
      });
    });

  const ask = async (peer: string, request: BulkRequest): Promise<BulkReply> => {
    const at = contacts.peerOf(peer);
    if (at === undefined) throw new FitError('not-found', 'the sender is no longer a contact');
    const body = encodeBulkRequest(request);
    return decodeBulkReply(await link.request(at, peer, '/fit/bulk/1', body, { timeoutMs: REPLY_TIMEOUT_MS }));
  };

  const freeBytes = async (): Promise<number> => {
    // Its folder may be on a file system of its own, and is made with the first content.
    const { bavail, bsize } = await statfs(contents.root).catch(() => statfs(dirname(contents.root)));
    return bavail * bsize;
  };

  /** What the other contents that were accepted before still need. */
  const promised = async (but: Uint8Array): Promise<number> => {
    let sum = 0;
    for await (const [document, one] of contents.all()) {
      if (one.kind === 'out' || isOver(one.deal)) continue;
      const { bytes, root } = await termsOf(document, one);
      if (equal(root, but)) continue;
      if (one.phase === 'fetching') sum += roomOf(bytes) - (running.get(document)?.done ?? 0);
      else if (one.phase === 'fetched') sum += bytes;
    }
    return sum;
  };

  /** What was fetched is not of its roots. True when that is its sender's doing, and the end of it. */
  const mismatch = async (
    document: string,
    entry: Incoming,
    found: 'wrong-leaves' | 'wrong-ciphertext',
    state: Running,
  ): Promise<boolean> => {
    const kind = found === 'wrong-leaves' ? 'leaves' : 'chunks';
    // From now on all of it is of this run, and what is wrong is wrong as it came.
    const kept = state.kept.delete(kind);
    if (kept || records.isBeingExchanged(entry.deal)) {
      await (kind === 'leaves' ? contents.discardLeaves(entry.folder) : contents.discardSealed(entry.folder));
      log.warn({ deal: entry.deal, found }, 'what lay here is fetched again');
      if (!kept) throw new NotThere('another-content');
      if (kind === 'chunks') state.done = 0;
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

  /** How many chunks came; zero if there is no lane, which is asked for again with the next attempt, or later if it was of no use. */
  const pullByLane = async (
    { document, sealedPath, bytes }: Pick<Fetched, 'document' | 'sealedPath' | 'bytes'>,
    { deal, peer, rate }: Incoming,
    state: Running,
    ...[from, count, written]: Parameters<FetchPorts['lane']>
  ): Promise<number> => {
    const { lanes } = parts;
    const at = contacts.peerOf(peer);
    const host = at === undefined ? undefined : lanes.hostOf(at);
    if (host === undefined || count < LANE_LEAST || (useless.get(peer) ?? 0) > clock.now()) return 0;
    const id = lanes.newId();
    const offer = await ask(peer, { kind: 'lane', document, from, id });
    if (offer.kind !== 'lane' || offer.count > count || state.stop) return 0;
    let came = 0;
    const { ended, stop: cut } = lanes.pull(
      {
        host,
        port: offer.port,
        id: toHex(id),
        key: offer.key,
        sealedPath,
        bytes,
        from,
        count: offer.count,
        rate,
        chunkMs: LANE_CHUNK_MS,
      },
      (leaves) => {
        came += leaves.length / HASH_BYTES;
        state.trouble = null;
        written(leaves);
      },
    );
    state.release = cut;
    const end = await ended;
    state.release = () => {};
    if (came > 0) log.info({ deal, from, came }, 'content came by a lane');
    if (end.kind === 'failed') throw new FitError(end.code, end.message);
    if (end.kind === 'changed')
      log.warn({ peer }, 'something on the way changes what a lane carries; the link is used');
    // A peer that went away is met again by the link.
    if (end.kind === 'changed' || (end.kind === 'lost' && came === 0)) useless.set(peer, clock.now() + USELESS_MS);
    return came;
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
    const fetched = { document: fromHex(document), bytes: content.bytes, leavesPath, sealedPath };
    const foundRoot = await fetchContent(fetched, {
      ask: (request) => ask(entry.peer, request),
      stopped: () => state.stop,
      keep: (from, data) => {
        const job = { sealedPath, bytes: content.bytes, from, sealed: data };
        return work.run('keep', job, undefined, movable(data));
      },
      lane: (...part) => pullByLane(fetched, entry, state, ...part),
      hash: (from, count) => work.run('hash', { sealedPath, bytes: content.bytes, from, count }),
      found: (kind, bytes) => {
        if (bytes > 0 && !state.seen.has(kind)) state.kept.add(kind);
        state.seen.add(kind);
      },
      progress: (bytes) => {
        state.done = bytes;
        tell({
          deal: entry.deal,
          direction: 'in',
          phase: 'fetching',
          done: bytes,
          total: sealedBytes(content.bytes),
        });
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
    });
    if (foundRoot === null || state.stop) return false;
    const roots = { contentRoot: content.root, sealedRoot: sealed.root };
    const found = await work.run('compare', { leavesPath, sealedPath, bytes: content.bytes, foundRoot, ...roots });
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
        if (isOver(deal)) return;
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
      kept: new Set(),
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

  return {
    start,
    halt,
    of: (document: string): Running | undefined => running.get(document),

    /** Refuses what has no room here. */
    async checkRoom({ bytes, root }: ContentTerms): Promise<void> {
      const needed = roomOf(bytes) + SPARE_BYTES;
      const free = (await freeBytes()) - (await promised(root));
      if (free < needed)
        throw new FitError('disk-full', `this needs ${needed} bytes, and ${Math.max(free, 0)} are free for it`, {
          hint: 'make room, then receive it again; nothing was signed',
        });
    },

    /** A peer is there again: what waits for it need not wait longer. */
    wake(): void {
      for (const state of running.values()) state.wake();
    },
    /** Nothing is fetched before, and after `pause`. */
    resume(): void {
      paused = false;
    },
    pause(): void {
      paused = true;
      for (const state of running.values()) stop(state);
    },
  };
}

export const NO_ROOM = 'no space left here; it goes on when there is room';

function troubleOf(error: unknown): string {
  if (error instanceof NotThere)
    return error.message === 'file-changed'
      ? 'the sender’s files are not what they were when they were offered'
      : error.message === 'another-content'
        ? 'the sender gives something else than before'
        : 'the sender does not offer it any more';
  if (error instanceof PeerFault) return 'the sender broke the protocol';
  return isDiskFull(error) || codeOf(error) === 'disk-full' ? NO_ROOM : 'the sender is away';
}
