/**
 * Looks through LevelDB's logs before LevelDB does. When it opens a database, LevelDB drops a damaged log record and what
 * follows it in the same 32 KiB without a word (its paranoid checks are out of reach from Node), writes what is left anew
 * and deletes the log. So damage is found here, while the files are still as they were.
 *
 * Only the write that a crash interrupted may be damaged: it is the last, since the next one starts after it is durable.
 * Damage with a whole later batch behind it is therefore corruption; damage at the very end is left to the archive's census
 * and head file (sealed-store.ts), which know whether that batch was ever confirmed.
 * Format: LevelDB's doc/log_format.md. Cost: reads the logs once, at most some 8 MiB.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { corrupt } from './level-errors.ts';

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const;

/** CRC-32C (Castagnoli), reflected. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 255] as number);
  return ~crc >>> 0;
}

/** LevelDB stores checksums masked, because its data may hold checksums itself. */
function mask(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

interface Fragment {
  readonly type: number;
  readonly end: number;
}

/** The fragment that starts at `at`, if it is whole, stays in its block and its checksum agrees. */
function fragmentAt(log: Buffer, at: number): Fragment | undefined {
  const blockEnd = Math.min(log.length, at - (at % BLOCK_BYTES) + BLOCK_BYTES);
  if (at + HEADER_BYTES > blockEnd) return undefined;
  const type = log.readUInt8(at + 6);
  const end = at + HEADER_BYTES + log.readUInt16LE(at + 4);
  if (type < TYPE.full || type > TYPE.last || end > blockEnd) return undefined;
  return mask(crc32c(log.subarray(at + 6, end))) === log.readUInt32LE(at) ? { type, end } : undefined;
}

/** Where the next fragment starts: the last bytes of a block that hold no header are padding. */
function afterPadding(at: number): number {
  const left = BLOCK_BYTES - (at % BLOCK_BYTES);
  return left < HEADER_BYTES ? at + left : at;
}

const startsBatch = ({ type }: Fragment): boolean => type === TYPE.full || type === TYPE.first;

/** Whether another batch starts somewhere behind the damage at `from`: its length may be what is damaged, so every offset counts. */
function batchBehind(log: Buffer, from: number): boolean {
  for (let at = from + 1; at + HEADER_BYTES <= log.length; at += 1) {
    const found = fragmentAt(log, at);
    if (found !== undefined && startsBatch(found)) return true;
  }
  return false;
}

export type LogState = 'whole' | 'torn' | 'damaged';

/** `torn`: only the last batch is incomplete or damaged. */
export function logState(log: Buffer): LogState {
  let inBatch = false;
  let at = 0;
  while (at < log.length) {
    const found = fragmentAt(log, at);
    // A batch starts when none is open and goes on when one is.
    if (found === undefined || startsBatch(found) === inBatch) return batchBehind(log, at) ? 'damaged' : 'torn';
    inBatch = found.type === TYPE.first || found.type === TYPE.middle;
    at = afterPadding(found.end);
  }
  return inBatch ? 'torn' : 'whole';
}

/** Throws `FitError('archive-corrupt')`. A folder without logs is in order. */
export async function checkLogs(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => /^\d+\.log$/.test(name)).sort();
  let torn: string | undefined;
  for (const name of names) {
    const log = await readFile(join(folder, name));
    // A newer log is begun after the one before it is complete; an empty one may be left by a crash while opening.
    if (torn !== undefined && fragmentAt(log, 0) !== undefined) throw corrupt(`${torn} of the archive is damaged`);
    const state = logState(log);
    if (state === 'damaged') throw corrupt(`${name} of the archive is damaged`);
    if (state === 'torn') torn = name;
  }
}
