/**
 * The sender's end of lanes (lane.ts), in the lane worker: one listening socket, the grants that were given, a connection for each.
 *
 * Guarantees: a grant serves one connection, once, within half a minute; who does not name a grant gets not a byte and is gone in
 * seconds; nothing is held for a receiver that does not take it but what lies under way; each chunk is compared with its
 * leaf before it leaves.
 */
import { createServer, type Server, type Socket } from 'node:net';
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

const MAX_CONNECTIONS = 32;
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
  const sockets = new Set<Socket>();
  let server: Server | undefined;

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
    if (sockets.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    let wake: (() => void) | undefined;
    const moved = (): void => {
      wake?.();
      wake = undefined;
    };
    let begun = false;
    let serving: Grant | undefined;
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
      sockets.delete(socket);
      moved();
    });
    socket.on('data', (bytes) => {
      const before = words.stored;
      if (!words.push(bytes)) socket.destroy();
      moved();
      if (serving !== undefined && words.stored > before) acknowledged(serving.id, serving.from + words.stored);
      if (begun || words.id === null) return;
      begun = true;
      clearTimeout(late);
      const found = grants.get(words.id);
      if (found === undefined) {
        socket.destroy();
        return;
      }
      const { grant, timer } = found;
      grants.delete(grant.id);
      clearTimeout(timer);
      serving = grant;
      serve(socket, grant, progress).then(
        () => ended(grant.id, { kind: 'over' }),
        (error) => {
          socket.destroy();
          ended(grant.id, failure(error));
        },
      );
    });
  };

  return {
    /** The port, or null if none can be had there. */
    listen(host: string, port: number): Promise<number | null> {
      return new Promise((resolve) => {
        const made = createServer({ allowHalfOpen: false }, connected);
        server = made;
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
    close(): void {
      server?.close();
      for (const socket of sockets) socket.destroy();
      for (const { timer } of grants.values()) clearTimeout(timer);
      grants.clear();
    },
  };
}
