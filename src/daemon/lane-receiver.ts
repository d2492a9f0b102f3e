/**
 * The receiver's end of a lane (lane.ts), in the lane worker: what comes is opened, hashed and written where it belongs, and its
 * leaves are told.
 *
 * Guarantees: only whole chunks that were made under the grant's key are written, in order; a stop keeps what was written;
 * memory is one record, whatever the sender does; a sender that takes too long for a chunk is given up, as one that sends nothing.
 */
import { closeSync, fdatasync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { HASH_BYTES, SEALED_CHUNK_BYTES, sealedLeaf, sealedLength } from '../crypto/content.ts';
import { fromHex } from '../lib/bytes.ts';
import { isDiskFull } from '../lib/disk.ts';
import { openOwn, writeFully } from './content-files.ts';
import { encodeCount, LANE_STEP, MAX_RECORD_BYTES, openRecord, recordLength } from './lane.ts';

export interface LanePull {
  readonly host: string;
  readonly port: number;
  /** Hex. */
  readonly id: string;
  readonly key: Uint8Array;
  readonly sealedPath: string;
  /** Of the whole content. */
  readonly bytes: number;
  readonly from: number;
  readonly count: number;
  /** Bytes a second; null for no limit. */
  readonly rate: number | null;
  /** How long a chunk may take. */
  readonly chunkMs: number;
}

/** `changed`: something on the way is not what was sent. `failed`: our disk. */
export type PullEnd =
  | { readonly kind: 'all' | 'stopped' | 'lost' | 'changed' }
  | { readonly kind: 'failed'; readonly code: 'disk-full' | 'disk-failed'; readonly message: string };

const CONNECT_MS = 3_000;
const READ_BYTES = 256 * 1024;
/** 32 MiB. */
const SYNC_CHUNKS = 512;

/** `stored` is called with the leaves of chunks that are written, in order; `ended` once. Returns what stops it. */
export function pullLane(
  job: LanePull,
  stored: (leaves: Uint8Array) => void,
  ended: (end: PullEnd) => void,
): () => void {
  const { bytes, from, count, key, rate, chunkMs } = job;
  const record = new Uint8Array(MAX_RECORD_BYTES);
  const leaves = new Uint8Array(LANE_STEP * HASH_BYTES);
  let have = 0;
  let done = 0;
  let told = 0;
  let over = false;
  let how: PullEnd | undefined;
  let syncing = false;
  let fd: number | undefined;
  let paced: NodeJS.Timeout | undefined;
  let late: NodeJS.Timeout | undefined;
  const begun = performance.now();
  let moved = 0;

  const tell = (): void => {
    if (done === told) return;
    stored(leaves.slice(0, (done - told) * HASH_BYTES));
    told = done;
  };

  /** So that the sync at the end, for which the exchange waits, finds little to do. */
  const sync = (file: number): void => {
    if (syncing) return;
    syncing = true;
    // What fails here fails again where it counts.
    fdatasync(file, () => {
      syncing = false;
      if (over) finish();
    });
  };

  const finish = (): void => {
    if (fd !== undefined) closeSync(fd);
    tell();
    if (how !== undefined) ended(how);
  };

  const end = (as: PullEnd): void => {
    if (over) return;
    over = true;
    how = as;
    clearTimeout(paced);
    clearTimeout(late);
    socket.destroy();
    if (!syncing) finish();
  };

  /** Whoever sends has so long for what is waited for. */
  const within = (ms: number): void => {
    clearTimeout(late);
    late = setTimeout(() => end({ kind: 'lost' }), ms);
  };

  /** What is in `record` is one chunk. */
  const store = (): boolean => {
    const index = from + done;
    const sealed = openRecord(key, index, record.subarray(0, have));
    have = 0;
    if (sealed === null) {
      end({ kind: 'changed' });
      return false;
    }
    fd ??= openOwn(job.sealedPath, 'the parts of a content', true);
    writeFully(fd, sealed, writeSync, index * SEALED_CHUNK_BYTES);
    leaves.set(sealedLeaf(index, sealed), (done - told) * HASH_BYTES);
    done += 1;
    late?.refresh();
    if (done % SYNC_CHUNKS === 0) sync(fd);
    if (done - told === LANE_STEP || done === count) {
      tell();
      socket.write(encodeCount(done));
    }
    return true;
  };

  const take = (piece: Uint8Array): void => {
    for (let at = 0; at < piece.length && !over; ) {
      if (done === count) {
        end({ kind: 'changed' });
        return;
      }
      const length = recordLength(sealedLength(bytes, from + done));
      const part = piece.subarray(at, at + length - have);
      record.set(part, have);
      have += part.length;
      at += part.length;
      if (have === length && !store()) return;
    }
    if (done === count) end({ kind: 'all' });
  };

  /** Milliseconds that a limit of the rate asks for. */
  const due = (): number => (rate === null ? 0 : (moved / rate) * 1000 - (performance.now() - begun));

  const socket = connect({
    host: job.host,
    port: job.port,
    onread: {
      buffer: new Uint8Array(READ_BYTES),
      callback(length, buffer) {
        if (over) return false;
        try {
          take(buffer.subarray(0, length));
        } catch (error) {
          const code = isDiskFull(error) ? 'disk-full' : 'disk-failed';
          end({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) });
          return false;
        }
        moved += length;
        const wait = due();
        if (wait <= 1) return true;
        tell();
        if (over) return false;
        clearTimeout(late);
        paced = setTimeout(() => {
          within(chunkMs);
          socket.resume();
        }, wait);
        return false;
      },
    },
  });
  within(CONNECT_MS);
  socket.setNoDelay(true);
  socket.on('connect', () => {
    within(chunkMs);
    socket.write(fromHex(job.id));
  });
  socket.on('error', () => end({ kind: 'lost' }));
  socket.on('close', () => end({ kind: 'lost' }));
  return () => end({ kind: 'stopped' });
}
