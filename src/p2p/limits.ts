/**
 * What one peer may ask of a link, and what a link may ask of a peer. What exceeds a limit is refused at once; a peer that
 * keeps exceeding limits or breaking the protocol uses up its strikes, is disconnected and stays out for a while. Every
 * account is per PeerId, which the transport authenticates, so that no peer pays for another.
 */
import type { Clock } from '../lib/clock.ts';
import { FitError, PEER_FAULTS, type PeerFault } from '../lib/errors.ts';
import type { Refusal } from './frames.ts';
import type { Protocol } from './link.ts';

export interface LinkLimits {
  /** Requests of one peer under way here at once; per second in the long run; at once after a pause. */
  readonly underWay: number;
  readonly rate: number;
  readonly burst: number;
  /** The same for requests to one peer. They wait instead of being refused, so that an honest link never exceeds a limit. */
  readonly outUnderWay: number;
  readonly outRate: number;
  readonly outBurst: number;
  /**
   * The same for `/fit/bulk/1` alone, whose requests leave the others' places and rates untouched. The rate is above what one
   * connection carries; fewer go out than may be under way, because the other end still holds the places of those given up.
   */
  readonly bulkUnderWay: number;
  readonly bulkRate: number;
  readonly bulkBurst: number;
  readonly outBulkUnderWay: number;
  readonly outBulkRate: number;
  readonly outBulkBurst: number;
  /** Identity handshakes of one peer per second. */
  readonly handshakeRate: number;
  /** Strikes until a peer is disconnected, how many are forgiven per second, and how long it then stays out. */
  readonly strikes: number;
  readonly forgiveness: number;
  readonly banMs: number;
  /** Connections: together, of one peer, from one host, from one host without proven identity, new ones per host and second. */
  readonly connections: number;
  readonly connectionsPerPeer: number;
  readonly connectionsPerHost: number;
  readonly unprovenPerHost: number;
  readonly connectionRate: number;
  /** Deadlines: dialling, transport handshake, identity handshake, a frame from its first byte, the next frame, a handler. */
  readonly dialMs: number;
  readonly upgradeMs: number;
  readonly handshakeMs: number;
  readonly frameMs: number;
  readonly idleMs: number;
  readonly handlerMs: number;
  /** Silence after which a connection is probed, and how long the probe may take. */
  readonly quietMs: number;
  readonly probeMs: number;
}

export const DEFAULT_LIMITS: LinkLimits = {
  underWay: 16,
  rate: 200,
  burst: 400,
  outUnderWay: 16,
  outRate: 180,
  outBurst: 350,
  bulkUnderWay: 8,
  bulkRate: 1_000,
  bulkBurst: 2_000,
  outBulkUnderWay: 6,
  outBulkRate: 900,
  outBulkBurst: 1_800,
  handshakeRate: 10,
  strikes: 100,
  forgiveness: 5,
  banMs: 10_000,
  connections: 300,
  connectionsPerPeer: 4,
  connectionsPerHost: 64,
  unprovenPerHost: 16,
  connectionRate: 30,
  dialMs: 5_000,
  upgradeMs: 5_000,
  handshakeMs: 5_000,
  frameMs: 10_000,
  idleMs: 60_000,
  handlerMs: 60_000,
  quietMs: 4_000,
  probeMs: 4_000,
};

/** Protocols whose requests share places and rates. */
export const LANES = ['small', 'bulk'] as const;
export type Lane = (typeof LANES)[number];

export function laneOf(protocol: Protocol): Lane {
  return protocol === '/fit/bulk/1' ? 'bulk' : 'small';
}

export interface LaneLimits {
  readonly underWay: number;
  readonly rate: number;
  readonly burst: number;
}

/** What a peer may ask here. */
export function incomingLimits(limits: LinkLimits, lane: Lane): LaneLimits {
  return lane === 'small'
    ? { underWay: limits.underWay, rate: limits.rate, burst: limits.burst }
    : { underWay: limits.bulkUnderWay, rate: limits.bulkRate, burst: limits.bulkBurst };
}

/** What goes out to a peer. */
export function outgoingLimits(limits: LinkLimits, lane: Lane): LaneLimits {
  return lane === 'small'
    ? { underWay: limits.outUnderWay, rate: limits.outRate, burst: limits.outBurst }
    : { underWay: limits.outBulkUnderWay, rate: limits.outBulkRate, burst: limits.outBulkBurst };
}

export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #at: number;

  /** `rate` tokens per second, at most `burst` of them saved. */
  constructor(rate: number, burst: number, clock: Clock) {
    this.#rate = rate;
    this.#burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#at = clock.now();
  }

  #refill(): void {
    const now = this.#clock.now();
    // A clock that was set back gives nothing and takes nothing.
    this.#tokens = Math.min(this.#burst, this.#tokens + (Math.max(0, now - this.#at) / 1000) * this.#rate);
    this.#at = now;
  }

  /** Takes `count` tokens if they are there. */
  take(count = 1): boolean {
    this.#refill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Adds `count` tokens. */
  give(count: number): void {
    this.#refill();
    this.#tokens = Math.min(this.#burst, this.#tokens + count);
  }

  /** Milliseconds until one token is there; 0 if it is. */
  wait(): number {
    this.#refill();
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#rate) * 1000);
  }

  get full(): boolean {
    this.#refill();
    return this.#tokens >= this.#burst;
  }
}

/** What a fault costs in strikes; a refused request costs one. */
const FAULT_STRIKES = 20;

/** The requests of one peer in one lane. */
class Places {
  readonly #most: number;
  readonly #requests: TokenBucket;
  #taken = 0;

  constructor({ underWay, rate, burst }: LaneLimits, clock: Clock) {
    this.#most = underWay;
    this.#requests = new TokenBucket(rate, burst, clock);
  }

  take(): Refusal | undefined {
    if (!this.#requests.take()) return 'flood';
    if (this.#taken >= this.#most) return 'busy';
    this.#taken += 1;
    return undefined;
  }

  giveBack(): void {
    this.#taken -= 1;
  }

  get settled(): boolean {
    return this.#taken === 0 && this.#requests.full;
  }
}

/** The account of one peer's requests to this link. */
export class PeerAccount {
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #places: Readonly<Record<Lane, Places>>;
  readonly #handshakes: TokenBucket;
  readonly #strikes: TokenBucket;
  #bannedUntil = 0;
  #faults = 0;

  constructor(limits: LinkLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#places = {
      small: new Places(incomingLimits(limits, 'small'), clock),
      bulk: new Places(incomingLimits(limits, 'bulk'), clock),
    };
    this.#handshakes = new TokenBucket(limits.handshakeRate, limits.handshakeRate, clock);
    this.#strikes = new TokenBucket(limits.forgiveness, limits.strikes, clock);
  }

  /** Undefined: the request may be handled, and `release` must follow. Otherwise why not. */
  admit(lane: Lane): Refusal | undefined {
    return this.#places[lane].take();
  }

  release(lane: Lane): void {
    this.#places[lane].giveBack();
  }

  handshake(): boolean {
    return this.#handshakes.take();
  }

  /** Counts a refusal; false when the peer has used up its strikes and is to be disconnected. */
  refused(): boolean {
    return this.#strike(1);
  }

  /** Counts a fault; false when the peer is to be disconnected. */
  fault(): boolean {
    this.#faults += 1;
    return this.#strike(FAULT_STRIKES);
  }

  #strike(count: number): boolean {
    if (this.#strikes.take(count)) return true;
    this.#bannedUntil = this.#clock.now() + this.#limits.banMs;
    return false;
  }

  get banned(): boolean {
    const left = this.#bannedUntil - this.#clock.now();
    return left > 0 && left <= this.#limits.banMs;
  }

  get faults(): number {
    return this.#faults;
  }

  /** Nothing would change if the account were opened anew. */
  get settled(): boolean {
    const { small, bulk } = this.#places;
    return small.settled && bulk.settled && !this.banned && this.#handshakes.full && this.#strikes.full;
  }
}

/** Accounts are forgotten when they are settled; this many are kept at least. */
const KEPT_ACCOUNTS = 1_000;

export class Accounts {
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #byPeer = new Map<string, PeerAccount>();
  #sweepAt = KEPT_ACCOUNTS;

  constructor(limits: LinkLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  of(peer: string): PeerAccount {
    let account = this.#byPeer.get(peer);
    if (account === undefined) {
      if (this.#byPeer.size >= this.#sweepAt) this.#sweep();
      account = new PeerAccount(this.#limits, this.#clock);
      this.#byPeer.set(peer, account);
    }
    return account;
  }

  #sweep(): void {
    for (const [peer, account] of this.#byPeer) if (account.settled) this.#byPeer.delete(peer);
    // The next sweep comes after as many new accounts, so that each costs a constant on average.
    this.#sweepAt = this.#byPeer.size + KEPT_ACCOUNTS;
  }
}

/** The requester's view of a refusal. */
export function refusalError(code: string): FitError {
  const hint = code === 'flood' || code === 'busy' ? { hint: 'try again later' } : {};
  return new FitError('peer-refused', `the peer refused the request (${code})`, { ...hint, data: { refusal: code } });
}

export function isPeerFault(error: unknown): error is PeerFault {
  return (
    error instanceof Error &&
    error.name === 'PeerFault' &&
    'code' in error &&
    PEER_FAULTS.some((code) => code === error.code)
  );
}
