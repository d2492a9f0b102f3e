/**
 * Content of ours for the peer that it is for: leaves, chunks and lanes, as `/fit/bulk/1` asks for them.
 *
 * Guarantees: nothing but to the other party of a deal that is open, and nothing made of another content than was offered: leaves of
 * ours that are damaged are made again, and a file that has changed is its owner's to know and no wrong chunk on the wire. A
 * peer may ask as often as it likes: what has changed is read again now and then only. No key is kept while we are locked.
 */
import { isFinalState } from '../commerce/deal.ts';
import { chunksOf, SEALED_CHUNK_BYTES, sealedBytes } from '../crypto/content.ts';
import { equal, toHex } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Remote } from '../p2p/link.ts';
import { type BulkRequest, decodeBulkRequest, encodeBulkReply } from './bulk.ts';
import type { SealJob } from './content-sending.ts';
import type { ContentStore, Outgoing } from './content-store.ts';
import type { ContentWork } from './content-work.ts';
import type { DealStore } from './deal-store.ts';
import type { Events } from './events.ts';
import type { Lanes } from './lanes.ts';
import type { Meter } from './progress.ts';

export interface ServingParts {
  readonly store: Pick<DealStore, 'get'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  readonly lanes: Pick<Lanes, 'offer' | 'pause' | 'resume'>;
}

/** A file that has changed is looked at again after this, and for at most one part in so many of the time. */
const LOOK_AGAIN_MS = 60_000;
const LOOK_SHARE = 10;

export function createServing(parts: ServingParts, contents: ContentStore, work: ContentWork, tell: Meter) {
  const { store, clock, log, events, lanes } = parts;
  /** The record that was served last. */
  let served: { readonly document: string; readonly found: Outgoing } | undefined;
  let paused = true;
  /** Leaves that are being made again, by document. */
  const mending = new Map<string, Promise<void>>();
  /** Files of ours that were found changed, by document: when (ms), and until when nobody looks again. */
  const changed = new Map<string, { readonly from: number; readonly until: number }>();

  const isKnownChanged = (document: string): boolean => {
    const found = changed.get(document);
    // A clock that was set back ends it too.
    return found !== undefined && found.from <= clock.now() && clock.now() < found.until;
  };

  const foundChanged = (document: string, deal: string, begun: number): void => {
    const from = clock.now();
    changed.set(document, { from, until: from + Math.max(LOOK_AGAIN_MS, LOOK_SHARE * (from - begun)) });
    events.emit({ kind: 'file-changed', deal });
  };

  const jobOf = ({ files, folder, x, point, seed, contentRoot }: Outgoing): SealJob => ({
    files,
    leavesPath: contents.leaves(folder),
    contentRoot,
    x,
    point,
    seed,
  });

  /** Makes the leaves of content of ours again: they follow from its files and what the record keeps. */
  const mend = (document: string, found: Outgoing): void => {
    if (mending.has(document)) return;
    const { deal, folder, contentRoot, sealedRoot } = found;
    const begun = clock.now();
    const mended = work
      .run('prepare', jobOf(found))
      .then(async (made) => {
        if (equal(made.contentRoot, contentRoot) && equal(made.sealedRoot, sealedRoot)) return;
        await contents.discardLeaves(folder);
        throw new FitError('file-changed', 'a file of this delivery is not what it was when it was offered');
      })
      .catch((error) => {
        log.warn({ deal, error }, 'the hashes of a content cannot be made again');
        if (isFitError(error) && error.code === 'file-changed') foundChanged(document, deal, begun);
      })
      .finally(() => mending.delete(document));
    mending.set(document, mended);
  };

  /** A receiver asks thousands of times for one content: its record is read once in a row. */
  const recordOf = async (document: string): Promise<Outgoing | undefined> => {
    if (served?.document === document) return served.found;
    const found = await contents.out(document);
    served = found === undefined || paused ? undefined : { document, found };
    return found;
  };

  const give = async (
    from: Remote,
    document: string,
    found: Outgoing,
    request: Exclude<BulkRequest, { kind: 'open' }>,
  ): Promise<Uint8Array> => {
    const { deal } = found;
    const job = jobOf(found);
    const bytes = found.files.reduce((sum, { size }) => sum + size, 0);
    const begun = clock.now();
    /** Whether it is a file that has changed. */
    const fault = (code: string | null, error: unknown, since = begun): boolean => {
      if (code === 'archive-corrupt') mend(document, found);
      if (code !== 'file-changed') return false;
      log.warn({ deal, error }, 'content is not what it was when it was offered');
      foundChanged(document, deal, since);
      return true;
    };
    /** So many chunks are there, as far as we know. */
    const serving = (count: number): void => {
      const done = count * SEALED_CHUNK_BYTES;
      tell({ deal, direction: 'out', phase: 'serving', done, total: sealedBytes(bytes) });
    };
    try {
      switch (request.kind) {
        case 'lane': {
          const chunks = chunksOf(bytes);
          if (request.from >= chunks) return encodeBulkReply({ kind: 'no', why: 'no-lane' });
          const claim = { peer: from.certificate, document, id: request.id };
          const offer = await lanes.offer(claim, job, request.from, chunks, {
            acknowledged: serving,
            ended: (end) => {
              // How long a lane was open says nothing about what it costs to look again.
              if (end.kind === 'failed' && !fault(end.code, end.message, clock.now()))
                log.warn({ deal, error: end.message }, 'a lane ended early');
            },
          });
          return encodeBulkReply(offer === null ? { kind: 'no', why: 'no-lane' } : { kind: 'lane', ...offer });
        }
        case 'chunks': {
          const reply = await work.run('seal', { ...job, from: request.from, count: request.count });
          serving(request.from + request.count);
          return reply;
        }
        case 'leaves': {
          const { leavesPath, contentRoot } = job;
          const part = { leavesPath, contentRoot, bytes, from: request.from, count: request.count };
          return encodeBulkReply({ kind: 'data', data: await work.run('leaves', part) });
        }
      }
    } catch (error) {
      if (!isFitError(error) || !fault(error.code, error)) throw error;
      return encodeBulkReply({ kind: 'no', why: 'file-changed' });
    }
  };

  return {
    mend,
    foundChanged,
    isKnownChanged,

    /** A request by `/fit/bulk/1`. */
    async serve(from: Remote, body: Uint8Array): Promise<Uint8Array> {
      const request = decodeBulkRequest(body);
      const document = toHex(request.document);
      const found = await recordOf(document);
      const deal = found === undefined ? undefined : store.get(found.deal);
      const open = deal !== undefined && (!isFinalState(deal.state) || deal.state === 'completed');
      if (found === undefined || !open || toHex(deal.them) !== from.certificate)
        return encodeBulkReply({ kind: 'no', why: 'not-offered' });
      if (request.kind === 'open') return encodeBulkReply({ kind: 'open', point: found.point, root: found.sealedRoot });
      if (mending.has(document)) throw new FitError('busy', 'the hashes of this content are being made again');
      if (isKnownChanged(document)) return encodeBulkReply({ kind: 'no', why: 'file-changed' });
      return give(from, document, found, request);
    },

    resume(): void {
      paused = false;
      lanes.resume();
    },
    pause(): void {
      paused = true;
      served = undefined;
      lanes.pause();
    },
  };
}
