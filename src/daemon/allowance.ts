/**
 * How much others may make this daemon keep. What a contact sends (offers, messages, cards) and what an arbiter decides is
 * stored for good, so whoever sends without end would fill the disk; who exceeds its allowance is told to try later, and
 * loses nothing by it.
 */
import { isIP } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket } from '../p2p/limits.ts';

export interface Measure {
  /** At once after a quiet time, and per second in the long run. */
  readonly burst: number;
  readonly perSecond: number;
  /** What the smallest costs. */
  readonly least: number;
}

/** Bytes. Even the shortest message costs its transaction, its entry in the journal, its share of memory: some 16 000 at once. */
export const OF_A_CONTACT: Measure = { burst: 128 * 1024 * 1024, perSecond: 16 * 1024, least: 8 * 1024 };
/** Requests to an arbiter or a timestamp authority. Certificates and PeerIds are free, so the account is the address's (PROTOCOL §7). */
export const OF_AN_ADDRESS: Measure = { burst: 300, perSecond: 2, least: 1 };

/** Bytes of ciphertexts that an address brings to an arbiter for full checks: eight of the largest at once. */
export const OF_BROUGHT: Measure = { burst: 128 * 1024 * 1024, perSecond: 32 * 1024, least: 1024 };

/** Texts with one contact that rules refuse: each is a record and two entries of the audit log, for good. */
export const OF_REFUSED_TEXTS: Measure = { burst: 1000, perSecond: 0.1, least: 1 };

/**
 * Whose account a request from this address is on. IPv6 is given out by networks of 64 bits: whoever has one address there has as
 * many as it likes.
 */
export function accountOf(host: string): string {
  const [address = ''] = host.split('%');
  if (isIP(address) !== 6 || address.includes('.')) return host;
  const [front = '', back] = address.toLowerCase().split('::');
  const groups = front === '' ? [] : front.split(':');
  const rest = back === undefined || back === '' ? [] : back.split(':');
  const zeros = back === undefined ? 0 : 8 - groups.length - rest.length;
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...rest];
  // IPv4 in the clothes of IPv6 is one address.
  if (all.slice(0, 5).every((one) => Number.parseInt(one, 16) === 0) && all[5] === 'ffff') return all.join(':');
  return all
    .slice(0, 4)
    .map((one) => one.replace(/^0+(?=.)/, ''))
    .join(':');
}

export interface Allowance {
  /** Whether `amount` more may be taken from this account now. */
  take(account: string, amount: number): boolean;
}

/** Accounts that are full again are as good as new ones; looked for when there are so many. */
const KEPT_ACCOUNTS = 10_000;

export function createAllowance(clock: Clock, { burst, perSecond, least }: Measure): Allowance {
  const buckets = new Map<string, TokenBucket>();
  let sweepAt = KEPT_ACCOUNTS;
  return {
    take(account, amount) {
      let bucket = buckets.get(account);
      if (bucket === undefined) {
        if (buckets.size >= sweepAt) {
          for (const [key, one] of buckets) if (one.full) buckets.delete(key);
          sweepAt = buckets.size + KEPT_ACCOUNTS;
        }
        bucket = new TokenBucket(perSecond, burst, clock);
        buckets.set(account, bucket);
      }
      return bucket.take(Math.max(amount, least));
    },
  };
}
