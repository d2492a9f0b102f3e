/**
 * The network under links in memory: connections, and messages with their fates. For tests and the simulator.
 *
 * Every message passes `fate`, which may deliver, drop, delay, repeat or hold it; partitions cut pairs of peers. Without a
 * fate that waits, delivery takes one microtask, so a run depends on nothing but its inputs and the clock given.
 */
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import type { Protocol, Remote } from './link.ts';

/** hello → welcome → accepted is the handshake, then requests and replies. `end`: a request will get no reply. */
export type MessageKind = 'hello' | 'welcome' | 'accepted' | 'request' | 'reply' | 'end';

/** One message on its way. */
export interface Envelope {
  readonly id: number;
  readonly from: string;
  readonly to: string;
  readonly kind: MessageKind;
  readonly protocol: Protocol | undefined;
  readonly frame: Uint8Array;
}

/** `copies`: delivered so often, which makes sense for requests and replies; others count once. */
export type Fate = 'deliver' | 'drop' | 'hold' | { readonly delayMs: number } | { readonly copies: number };

export interface Posted extends Envelope {
  readonly wire: Wire;
  /** Which request a reply belongs to. */
  readonly request: number;
}

/** One end of a connection, as the network sees it. */
export interface End {
  readonly peer: string;
  /** Whether it lets the peer in. */
  admits(peer: string): boolean;
  attach(wire: Wire): void;
  receive(message: Posted): void;
  broken(wire: Wire): void;
}

/** One connection. */
export interface Wire {
  readonly dialler: End;
  readonly listener: End;
  readonly proof: { readonly promise: Promise<Wire>; resolve(wire: Wire): void; reject(reason: unknown): void };
  readonly remotes: Map<End, Remote>;
  open: boolean;
}

export class MemoryNetwork {
  readonly clock: Clock;
  /** Decides what becomes of each message; may be replaced at any time. */
  fate: (message: Envelope) => Fate = () => 'deliver';
  readonly #listening = new Map<string, End>();
  readonly #held = new Map<number, Posted>();
  readonly #cuts = new Set<string>();
  #messages = 0;
  #addresses = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Messages held by `fate`, in the order in which they were sent. */
  held(): readonly Envelope[] {
    return [...this.#held.values()];
  }

  /** Delivers a held message now. */
  release(id: number): void {
    const message = this.#held.get(id);
    assert(message !== undefined, 'a held message');
    this.#held.delete(id);
    this.#arrive(message);
  }

  /** Forgets a held message. */
  discard(id: number): void {
    assert(this.#held.delete(id), 'a held message');
  }

  /** Cuts two peers off from each other. Their connections stay up until the silence is noticed. */
  partition(a: string, b: string): void {
    this.#cuts.add(pair(a, b));
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(pair(a, b));
  }

  cut(a: string, b: string): boolean {
    return this.#cuts.has(pair(a, b));
  }

  listen(end: End): string {
    this.#addresses += 1;
    const address = `/memory/${this.#addresses}`;
    this.#listening.set(address, end);
    return address;
  }

  unlisten(address: string): void {
    this.#listening.delete(address);
  }

  at(address: string): End | undefined {
    return this.#listening.get(address);
  }

  post(wire: Wire, from: End, message: Omit<Posted, 'id' | 'from' | 'to' | 'wire'>): void {
    const to = from === wire.dialler ? wire.listener : wire.dialler;
    this.#messages += 1;
    const posted: Posted = { ...message, wire, id: this.#messages, from: from.peer, to: to.peer };
    const fate = this.fate(posted);
    if (fate === 'drop') return;
    if (fate === 'hold') this.#held.set(posted.id, posted);
    else if (fate === 'deliver') queueMicrotask(() => this.#arrive(posted));
    else if ('delayMs' in fate) this.clock.at(this.clock.now() + fate.delayMs, () => this.#arrive(posted));
    else for (let copy = 0; copy < fate.copies; copy += 1) queueMicrotask(() => this.#arrive(posted));
  }

  #arrive(message: Posted): void {
    if (!message.wire.open || this.cut(message.from, message.to)) return;
    const { dialler, listener } = message.wire;
    (message.to === listener.peer ? listener : dialler).receive(message);
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** Both ends learn of it at once. */
export function breakWire(wire: Wire): void {
  if (!wire.open) return;
  wire.open = false;
  wire.proof.reject(new FitError('peer-unreachable', 'the peer ended the connection'));
  wire.dialler.broken(wire);
  wire.listener.broken(wire);
}
