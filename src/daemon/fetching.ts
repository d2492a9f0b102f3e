/**
 * Fetching one content: leaves, then ciphertext, a few replies under way at a time, written in order; goes on where the last
 * run stopped, because what is in the files is what was acknowledged.
 *
 * Guarantees: a stop keeps what was asked for before it; after a crash, a broken link or a full disk no more is asked for again
 * than was under way. What is in the files is whole units, whatever a write did.
 */
import { constants, type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { chunksOf, createRoot, HASH_BYTES, SEALED_CHUNK_BYTES, sealedBytes, sealedLength } from '../crypto/content.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import { type BulkReply, type BulkRequest, CHUNKS_PER_REPLY, LEAVES_PER_REPLY } from './bulk.ts';

/** Replies under way at once: with the one that is being stored all that is held in memory. */
const UNDER_WAY = 4;

/** Chunks that are read in one job: 64 MiB, so that a stop need not wait long. */
const HASHED_AT_ONCE = 1024;

export interface FetchPorts {
  ask(request: BulkRequest): Promise<BulkReply>;
  /** True once the fetch is to stop; asked between replies. */
  stopped(): boolean;
  /** Waits as long as a limit of the rate asks for. */
  pace(bytes: number): Promise<void>;
  progress(bytes: number): void;
  /** Writes chunks from `from` on, and gives their leaves; the memory of `sealed` is not to be used again. */
  keep(from: number, sealed: Uint8Array): Promise<Uint8Array>;
  /** Leaves of chunks that lie there. */
  hash(from: number, count: number): Promise<Uint8Array>;
  /**
   * Chunks from `from` on by a lane, their leaves as they are written, in order; how many came. Zero if there is no lane, or it
   * broke: the link carries the rest.
   */
  lane(from: number, count: number, written: (leaves: Uint8Array) => void): Promise<number>;
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
  /** Looks at the units that lay there. False if it was stopped. */
  resume(count: number): Promise<boolean>;
  store(file: FileHandle, from: number, data: Uint8Array): Promise<void>;
  /** Units from `from` on by another way than replies, as they come, and how many came; zero when there is none. */
  beside(from: number, progress: (units: number) => void): Promise<number>;
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
    if (!(await series.resume(done))) return false;
    while (!ports.stopped() && done < series.count) {
      const came = await series.beside(done, (units) => ports.progress(series.bytesOf(0, units)));
      if (came === 0) break;
      done += came;
    }
    let next = done;
    const underWay: { readonly count: number; readonly data: Promise<Uint8Array> }[] = [];
    // Stopped, it asks for no more and still takes what it has asked for: that need not be sent again.
    const refill = (): void => {
      while (!ports.stopped() && underWay.length < UNDER_WAY && next < series.count) {
        const count = Math.min(series.perReply, series.count - next);
        const request = { kind: series.kind, document: series.document, from: next, count };
        const data = pull(ports, request, series.bytesOf(next, count));
        // Of several that fail together the first is told.
        data.catch(() => {});
        underWay.push({ count, data });
        next += count;
      }
    };
    while (done < series.count) {
      refill();
      const first = underWay.shift();
      if (first === undefined) break;
      const data = await first.data;
      const bytes = data.length;
      // The sender works on while this one is stored.
      refill();
      await series.store(file, done, data);
      done += first.count;
      if (series.kind === 'chunks') ports.progress(series.bytesOf(0, done));
      if (!ports.stopped()) await ports.pace(bytes);
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

/**
 * The root of the ciphertext when it is there with its leaves, neither compared with what was signed; null if it was stopped. It
 * is hashed as it comes, and only what lay there is read for it. Throws what `ask` throws, `PeerFault`, `NotThere`.
 */
export async function fetchContent(
  { document, bytes, leavesPath, sealedPath }: Fetched,
  ports: FetchPorts,
): Promise<Uint8Array | null> {
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
      resume: async () => true,
      store: (file, from, data) => writeAt(file, data, from * HASH_BYTES),
      beside: async () => 0,
    },
    ports,
  );
  if (!leaves) return null;
  const root = createRoot('sealed');
  const add = (hashes: Uint8Array): void => {
    for (let at = 0; at < hashes.length; at += HASH_BYTES) root.add(hashes.subarray(at, at + HASH_BYTES));
  };
  const chunks = await pullSeries(
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
      async resume(here) {
        for (let from = 0; from < here; from += HASHED_AT_ONCE) {
          if (ports.stopped()) return false;
          add(await ports.hash(from, Math.min(HASHED_AT_ONCE, here - from)));
        }
        return true;
      },
      store: async (_, from, data) => add(await ports.keep(from, data)),
      beside(from, progress) {
        let here = from;
        return ports.lane(from, count - from, (hashes) => {
          add(hashes);
          here += hashes.length / HASH_BYTES;
          progress(here);
        });
      },
    },
    ports,
  );
  return chunks ? root.root() : null;
}
