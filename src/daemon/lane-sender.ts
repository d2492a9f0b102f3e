/**
 * The sender's end of lanes (lane.ts), in the lane worker: one listening socket, the grants that were given, a connection for each.
 *
 * Guarantees: a grant serves one connection, once, within half a minute, and has its place until that is closed; one that is revoked
 * serves no more; who does not name a grant gets not a byte, is gone in seconds, and keeps nobody out who names one; nothing is
 * held for a receiver that does not take it but what lies under way; each chunk is compared with its leaf before it leaves.
 */
import { createServer, type Socket } from 'node:net';
import { isFitError } from '../lib/errors.ts';
import { openSealer, type SealJob } from './content-sending.ts';
import { createReceiverWords, LANE_AHEAD, sealRecord } from './lane.ts';

export interface Grant {
  /** Hex. */
  readonly id: string;
  readonly key: Uint8Array;
  readonly job: SealJob;
  readonly from: number;
  readonly count: number;
}

/** How a grant ended: taken, not taken (wholly), or our own files are in the way. */
export type GrantEnd =
  | { readonly kind: 'over' }
  | { readonly kind: 'failed'; readonly code: 'file-changed' | 'archive-corrupt' | null; readonly message: string };

/** Connections that have not named a grant; the oldest makes room, since who has one names it at once. */
const MAX_UNNAMED = 32;
const ID_MS = 5_000;
const CLAIM_MS = 30_000;
/** A receiver that takes nothing for so long is gone. */
const STALLED_MS = 60_000;
const BUFFERED_BYTES = 1024 * 1024;
/** Chunks before others have their turn. */
const TURN = 16;

export interface SenderEvents {
  /** The receiver has stored the chunks before this one. */
  acknowledged(id: string, chunks: number): void;
  ended(id: string, end: GrantEnd): void;
}

export function createLaneSender({ acknowledged, ended }: SenderEvents) {
  const grants = new Map<string, { readonly grant: Grant; readonly timer: NodeJS.Timeout }>();
  const serving = new Map<string, Socket>();
  const unnamed = new Set<Socket>();

  const failure = (error: unknown): GrantEnd => {
    const code =
      isFitError(error) && (error.code === 'file-changed' || error.code === 'archive-corrupt') ? error.code : null;
    return { kind: 'failed', code, message: error instanceof Error ? error.message : String(error) };
  };

  const serve = async (
    socket: Socket,
    { key, job, from, count }: Grant,
    progress: { sent: number; readonly stored: () => number; readonly moved: () => Promise<void> },
  ): Promise<void> => {
    const sealer = openSealer(job);
    try {
      while (progress.sent < count && !socket.destroyed) {
        if (progress.sent - progress.stored() >= LANE_AHEAD || socket.writableLength > BUFFERED_BYTES) {
          await progress.moved();
          continue;
        }
        const index = from + progress.sent;
        const [bytes, tag] = sealRecord(key, index, sealer.sealed(index));
        socket.cork();
        socket.write(bytes);
        socket.write(tag);
        socket.uncork();
        progress.sent += 1;
        if (progress.sent % TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      socket.end();
    } finally {
      sealer.close();
    }
  };

  const connected = (socket: Socket): void => {
    const [oldest] = unnamed;
    if (oldest !== undefined && unnamed.size >= MAX_UNNAMED) {
      unnamed.delete(oldest);
      oldest.destroy();
    }
    unnamed.add(socket);
    let wake: (() => void) | undefined;
    const moved = (): void => {
      wake?.();
      wake = undefined;
    };
    let begun = false;
    let taken: Grant | undefined;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const words = createReceiverWords(() => progress.sent);
    const progress = {
      sent: 0,
      stored: () => words.stored,
      moved: () =>
        new Promise<void>((resolve) => {
          wake = resolve;
          if (socket.destroyed) moved();
        }),
    };
    socket.setNoDelay(true);
    socket.setTimeout(STALLED_MS, () => socket.destroy());
    const late = setTimeout(() => socket.destroy(), ID_MS);
    socket.on('error', () => socket.destroy());
    socket.on('drain', moved);
    socket.on('close', () => {
      clearTimeout(late);
      unnamed.delete(socket);
      moved();
    });
    socket.on('data', (bytes) => {
      const before = words.stored;
      if (!words.push(bytes)) socket.destroy();
      moved();
      if (taken !== undefined && words.stored > before) acknowledged(taken.id, taken.from + words.stored);
      if (begun || words.id === null) return;
      begun = true;
      unnamed.delete(socket);
      clearTimeout(late);
      const found = grants.get(words.id);
      if (found === undefined) {
        socket.destroy();
        return;
      }
      const { grant, timer } = found;
      grants.delete(grant.id);
      clearTimeout(timer);
      taken = grant;
      serving.set(grant.id, socket);
      const over = async (end: GrantEnd): Promise<void> => {
        await closed;
        serving.delete(grant.id);
        ended(grant.id, end);
      };
      void serve(socket, grant, progress).then(
        () => over({ kind: 'over' }),
        (error) => {
          socket.destroy();
          return over(failure(error));
        },
      );
    });
  };

  return {
    /** The port, or null if none can be had there. */
    listen(host: string, port: number): Promise<number | null> {
      return new Promise((resolve) => {
        const made = createServer({ allowHalfOpen: false }, connected);
        made.once('error', () => resolve(null));
        made.listen({ host, port, exclusive: true }, () => {
          made.on('error', () => {});
          const address = made.address();
          resolve(typeof address === 'object' && address !== null ? address.port : null);
        });
      });
    },
    give(grant: Grant): void {
      const timer = setTimeout(() => {
        grants.delete(grant.id);
        ended(grant.id, { kind: 'over' });
      }, CLAIM_MS);
      grants.set(grant.id, { grant, timer });
    },
    revoke(id: string): void {
      serving.get(id)?.destroy();
      const found = grants.get(id);
      if (found === undefined) return;
      clearTimeout(found.timer);
      grants.delete(id);
      ended(id, { kind: 'over' });
    },
  };
}
