/**
 * Fetching one content: leaves, then ciphertext, a few replies under way at a time, written in order; goes on where the last
 * run stopped, because what is in the files is what was acknowledged.
 *
 * Guarantees: a stop keeps what was asked for before it; after a crash, a broken link or a full disk no more is asked for again
 * than was under way. What is in the files is whole units, whatever a write did.
 */
import { constants, type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { chunksOf, HASH_BYTES, SEALED_CHUNK_BYTES, sealedBytes, sealedLength } from '../crypto/content.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import { type BulkReply, type BulkRequest, CHUNKS_PER_REPLY, LEAVES_PER_REPLY } from './bulk.ts';

/** Replies under way at once: enough to keep both ends busy, and all that is held in memory. */
const UNDER_WAY = 4;

export interface FetchPorts {
  ask(request: BulkRequest): Promise<BulkReply>;
  /** True once the fetch is to stop; asked between replies. */
  stopped(): boolean;
  /** Waits as long as a limit of the rate asks for. */
  pace(bytes: number): Promise<void>;
  progress(bytes: number): void;
  /** What lay there already, before anything is asked for. */
  found(kind: Series['kind'], bytes: number): void;
}

/** The sender says that it does not have it, or not to us. */
export class NotThere extends Error {
  override name = 'NotThere' as const;
}

async function pull(ports: FetchPorts, request: BulkRequest, bytes: number): Promise<Uint8Array> {
  const reply = await ports.ask(request);
  if (reply.kind === 'no') throw new NotThere(reply.why);
  if (reply.kind !== 'data' || reply.data.length !== bytes)
    throw new PeerFault('malformed', 'the sender gives another amount than was asked for');
  return reply.data;
}

interface Series {
  readonly path: string;
  readonly kind: 'leaves' | 'chunks';
  readonly document: Uint8Array;
  /** Units in all, in one reply, and the bytes of a run of them. */
  readonly count: number;
  readonly perReply: number;
  bytesOf(from: number, count: number): number;
  /** Whole units in a file of so many bytes. */
  unitsIn(bytes: number): number;
}

/** All of it: a system may take less than it was given. */
async function writeAt(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done);
    if (bytesWritten === 0) throw new FitError('disk-failed', 'the disk takes no more and does not say why');
    done += bytesWritten;
  }
}

/** True when all of it is there; false if it was stopped. */
async function pullSeries(series: Series, ports: FetchPorts): Promise<boolean> {
  await mkdir(dirname(series.path), { recursive: true, mode: 0o700 });
  const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  const file = await open(series.path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    let done = Math.min(series.unitsIn((await file.stat()).size), series.count);
    await file.truncate(series.bytesOf(0, done));
    ports.found(series.kind, series.bytesOf(0, done));
    if (series.kind === 'chunks') ports.progress(series.bytesOf(0, done));
    let next = done;
    const underWay: { readonly count: number; readonly data: Promise<Uint8Array> }[] = [];
    while (done < series.count) {
      // Stopped, it still takes what it has asked for: that need not be sent again.
      while (!ports.stopped() && underWay.length < UNDER_WAY && next < series.count) {
        const count = Math.min(series.perReply, series.count - next);
        const request = { kind: series.kind, document: series.document, from: next, count };
        const data = pull(ports, request, series.bytesOf(next, count));
        // Of several that fail together the first is told.
        data.catch(() => {});
        underWay.push({ count, data });
        next += count;
      }
      const first = underWay.shift();
      if (first === undefined) break;
      const data = await first.data;
      await writeAt(file, data, series.bytesOf(0, done));
      done += first.count;
      if (series.kind === 'chunks') ports.progress(series.bytesOf(0, done));
      if (!ports.stopped()) await ports.pace(data.length);
    }
    await file.sync();
    return done === series.count;
  } finally {
    await file.close();
  }
}

export interface Fetched {
  readonly document: Uint8Array;
  readonly bytes: number;
  readonly leavesPath: string;
  readonly sealedPath: string;
}

/** True when leaves and ciphertext are there, not yet compared with their roots. Throws what `ask` throws, `PeerFault`, `NotThere`. */
export async function fetchContent(
  { document, bytes, leavesPath, sealedPath }: Fetched,
  ports: FetchPorts,
): Promise<boolean> {
  const count = chunksOf(bytes);
  const whole = sealedBytes(bytes);
  const leaves = await pullSeries(
    {
      path: leavesPath,
      kind: 'leaves',
      document,
      count,
      perReply: LEAVES_PER_REPLY,
      bytesOf: (_, units) => units * HASH_BYTES,
      unitsIn: (size) => Math.floor(size / HASH_BYTES),
    },
    ports,
  );
  if (!leaves) return false;
  return pullSeries(
    {
      path: sealedPath,
      kind: 'chunks',
      document,
      count,
      perReply: CHUNKS_PER_REPLY,
      bytesOf: (from, units) =>
        from + units === count && units > 0
          ? (units - 1) * SEALED_CHUNK_BYTES + sealedLength(bytes, count - 1)
          : units * SEALED_CHUNK_BYTES,
      unitsIn: (size) => (size >= whole ? count : Math.floor(size / SEALED_CHUNK_BYTES)),
    },
    ports,
  );
}
