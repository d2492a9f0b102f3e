/** What every store checks of keys and bounds before it uses them. */
import { compare, utf8 } from '../lib/bytes.ts';
import type { ListOptions, StoreOp } from './store.ts';

export const MAX_KEY_BYTES = 200;

/** Throws `RangeError` unless `key` is well-formed text of 1 to 200 bytes without NUL. */
export function checkKey(key: string): void {
  if (key === '' || key.includes('\0') || !key.isWellFormed() || Buffer.byteLength(key) > MAX_KEY_BYTES)
    throw new RangeError('a key is text of 1 to 200 bytes without NUL');
}

export function checkOps(ops: readonly StoreOp[]): void {
  for (const op of ops) checkKey(op.key);
}

/** Bounds may be any well-formed text: nothing is stored under them. */
export function checkList(options: ListOptions): void {
  if (options.from?.isWellFormed() === false || options.to?.isWellFormed() === false)
    throw new RangeError('a bound is well-formed text');
  if (options.limit !== undefined && (!Number.isSafeInteger(options.limit) || options.limit < 0))
    throw new RangeError('a limit is an unsigned integer');
}

/** The order of UTF-8 bytes, which differs from that of JavaScript's `<` beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  return compare(utf8(a), utf8(b));
}
