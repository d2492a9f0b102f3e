/**
 * How much one contact may make this daemon keep. Offers, messages and cards of a contact are stored for good, so a contact
 * that sends them without end would fill the disk; who exceeds the allowance is told to try later, and loses nothing by it.
 */
import type { Clock } from '../lib/clock.ts';
import { TokenBucket } from '../p2p/limits.ts';

/** At once after a quiet time, and per second in the long run: some 16 000 short messages, then two a second. */
const BURST_BYTES = 128 * 1024 * 1024;
const BYTES_PER_SECOND = 16 * 1024;
/** What the shortest message costs: its transaction, its entry in the journal, its share of memory. */
const LEAST_BYTES = 8 * 1024;

export interface Allowance {
  /** Whether a message of `bytes` may be kept now. */
  take(certificate: string, bytes: number): boolean;
}

export function createAllowance(clock: Clock): Allowance {
  const buckets = new Map<string, TokenBucket>();
  return {
    take(certificate, bytes) {
      let bucket = buckets.get(certificate);
      if (bucket === undefined) {
        bucket = new TokenBucket(BYTES_PER_SECOND, BURST_BYTES, clock);
        buckets.set(certificate, bucket);
      }
      return bucket.take(Math.max(bytes, LEAST_BYTES));
    },
  };
}
