/**
 * The link over js-libp2p: TCP, noise, yamux. No discovery, no relays, no identify: only addresses given by `learn` are
 * dialled, and nothing but PeerId and the binding is told to whoever connects.
 *
 * A request uses a proven connection of either direction, the youngest first; dials to one peer are joined; when a
 * connection breaks under a request, the request is made again on another, at last on a new one.
 */
import './polyfill.ts';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { assert } from '../lib/assert.ts';
import { systemClock } from '../lib/clock.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import { Deadline, stopController } from './deadline.ts';
import { Gate } from './gate.ts';
import { IDENTITY_PROTOCOL } from './handshake.ts';
import { transportKey } from './identity.ts';
import {
  Accounts,
  DEFAULT_LIMITS,
  incomingLimits,
  type Lane,
  type LinkLimits,
  laneOf,
  outgoingLimits,
  refusalError,
} from './limits.ts';
import {
  type Binder,
  framesOf,
  type Handler,
  type Link,
  PROTOCOLS,
  type Protocol,
  type Remote,
  type RequestOptions,
} from './link.ts';
import { createNode } from './node.ts';
import { type Outgoing, outgoingTo } from './pacing.ts';
import { Session, type SessionHost } from './session.ts';

/** Addresses kept per peer. */
const MAX_ADDRESSES = 8;

export interface Libp2pLinkOptions {
  /** Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array;
  /** Multiaddrs, `/ip4/127.0.0.1/tcp/0` for example. */
  readonly listen: readonly string[];
  readonly binder: Binder;
  readonly limits?: Partial<LinkLimits>;
  /** Told of every fault of a peer. */
  readonly onFault?: (peer: string, fault: PeerFault) => void;
}

export interface Libp2pLink extends Link {
  /** How often the peer broke the protocol lately. */
  faults(peer: string): number;
}

export function createLibp2pLink(options: Libp2pLinkOptions): Libp2pLink {
  return new Libp2pLinkImpl(options);
}

class Libp2pLinkImpl implements Libp2pLink, SessionHost {
  readonly peer: string;
  readonly limits: LinkLimits;
  readonly binder: Binder;
  readonly #options: Libp2pLinkOptions;
  readonly #key;
  readonly #accounts: Accounts;
  readonly #handlers = new Map<Protocol, Handler>();
  readonly #listeners: ((remote: Remote, up: boolean) => void)[] = [];
  readonly #addresses = new Map<string, readonly Multiaddr[]>();
  readonly #sessions = new Map<string, Session>();
  /** Proven sessions of each peer, the youngest last. */
  readonly #proven = new Map<string, Session[]>();
  readonly #dials = new Map<string, Promise<Session>>();
  readonly #outgoing = new Map<string, Readonly<Record<Lane, Outgoing>>>();
  #gate: Gate | undefined;
  #node: Libp2p | undefined;
  #stopped = stopController();

  constructor(options: Libp2pLinkOptions) {
    this.#options = options;
    this.binder = options.binder;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#key = transportKey(options.seed);
    this.peer = this.#key.publicKey.toString();
    this.#accounts = new Accounts(this.limits, systemClock);
  }

  async start(): Promise<void> {
    assert(this.#node === undefined, 'link started once');
    this.#stopped = stopController();
    const gate = new Gate(this.limits, (peer) => this.account(peer).banned);
    this.#gate = gate;
    const node = await createNode({ key: this.#key, listen: this.#options.listen, limits: this.limits, gate });
    this.#node = node;
    try {
      await node.handle(IDENTITY_PROTOCOL, (stream, connection) => this.#incoming(stream, connection), {
        maxInboundStreams: 2,
      });
      for (const protocol of PROTOCOLS) {
        const handler = (stream: Stream, connection: Connection) => this.#incoming(stream, connection, protocol);
        // Some more than may be under way: streams that are idle or closing count too.
        const lane = laneOf(protocol);
        await node.handle(protocol, handler, {
          maxInboundStreams: incomingLimits(this.limits, lane).underWay * 2,
          maxOutboundStreams: outgoingLimits(this.limits, lane).underWay * 2,
        });
      }
      node.addEventListener('connection:open', (event) => this.#onConnection(event.detail));
      await node.start();
    } catch (error) {
      this.#node = undefined;
      await node.stop();
      const taken = error instanceof Error && error.message.includes('EADDRINUSE');
      throw new FitError('bad-config', taken ? 'the address to listen on is taken' : 'cannot listen on that address', {
        hint: 'change listen in fit.toml',
        cause: error,
        data: taken ? { taken: true } : {},
      });
    }
  }

  async stop(): Promise<void> {
    const node = this.#node;
    if (node === undefined) return;
    this.#node = undefined;
    this.#stopped.abort();
    this.#gate?.close();
    // libp2p would cut off inbound connections with what is still to be sent on them.
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
    await node.stop();
  }

  addresses(): readonly string[] {
    return this.#node?.getMultiaddrs().map(String) ?? [];
  }

  learn(peer: string, addresses: readonly string[]): void {
    const parsed: Multiaddr[] = [];
    for (const text of addresses.slice(0, MAX_ADDRESSES)) {
      try {
        const address = multiaddr(text);
        const last = address.getComponents().at(-1);
        if (last?.name !== 'p2p') parsed.push(address.encapsulate(`/p2p/${peer}`));
        else if (last.value === peer) parsed.push(address);
      } catch {
        // Unparsable: ignored, as the port says.
      }
    }
    this.#addresses.set(peer, parsed);
  }

  handle(protocol: Protocol, handler: Handler): void {
    this.#handlers.set(protocol, handler);
  }

  connected(peer: string): boolean {
    return this.#proven.has(peer);
  }

  onPeer(listener: (remote: Remote, up: boolean) => void): void {
    this.#listeners.push(listener);
  }

  faults(peer: string): number {
    return this.account(peer).faults;
  }

  async request(
    peer: string,
    certificate: string,
    protocol: Protocol,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    assert(body.length <= framesOf(protocol).request, 'request within the largest frame');
    const deadline = new Deadline(options, this.#stopped.signal);
    try {
      return await this.#pace(peer, laneOf(protocol)).run(deadline.signal, () =>
        this.#attempt(peer, certificate, protocol, body, deadline),
      );
    } finally {
      deadline.clear();
    }
  }

  async #attempt(
    peer: string,
    certificate: string,
    protocol: Protocol,
    body: Uint8Array,
    deadline: Deadline,
  ): Promise<Uint8Array> {
    const tried = new Set<Session>();
    for (;;) {
      const existing = this.#youngest(peer, tried);
      const session = existing ?? (await deadline.race(this.#dial(peer)));
      if (session.remote?.certificate !== certificate)
        throw new PeerFault('bad-binding', 'the peer has proven another certificate than the one expected');
      const exchanged = await session.exchange(protocol, body, deadline.signal);
      if (exchanged.kind === 'reply') {
        if (exchanged.reply.kind === 'answer') return exchanged.reply.body;
        throw refusalError(exchanged.reply.code);
      }
      deadline.signal.throwIfAborted();
      if (!exchanged.stale || existing === undefined) throw new FitError('peer-unreachable', 'the peer gave no reply');
      tried.add(session);
    }
  }

  #pace(peer: string, lane: Lane): Outgoing {
    let outgoing = this.#outgoing.get(peer);
    if (outgoing === undefined) {
      outgoing = outgoingTo(this.limits, systemClock);
      this.#outgoing.set(peer, outgoing);
    }
    return outgoing[lane];
  }

  #youngest(peer: string, tried: ReadonlySet<Session>): Session | undefined {
    return this.#proven.get(peer)?.findLast((session) => session.open && !tried.has(session));
  }

  /** Joins a dial under way; it goes on when the request that began it is given up. */
  #dial(peer: string): Promise<Session> {
    const underWay = this.#dials.get(peer);
    if (underWay !== undefined) return underWay;
    const dial = this.#connect(peer).finally(() => this.#dials.delete(peer));
    this.#dials.set(peer, dial);
    return dial;
  }

  async #connect(peer: string): Promise<Session> {
    const addresses = this.#addresses.get(peer) ?? [];
    const node = this.#node;
    if (node === undefined) throw new FitError('peer-unreachable', 'this end is not connected to the network');
    if (addresses.length === 0) throw new FitError('peer-unreachable', 'no address of the peer is known');
    const deadline = new Deadline({ timeoutMs: this.limits.dialMs }, this.#stopped.signal);
    let connection: Connection;
    try {
      connection = await node.dial([...addresses], { signal: deadline.signal, force: true });
    } catch (error) {
      throw new FitError('peer-unreachable', 'cannot connect to the peer', { cause: error });
    } finally {
      deadline.clear();
    }
    const session = this.#sessions.get(connection.id);
    if (session === undefined) throw new FitError('peer-unreachable', 'the peer ended the connection');
    await session.proven;
    return session;
  }

  // What sessions need of their link.

  account(peer: string) {
    return this.#accounts.of(peer);
  }

  handler(protocol: Protocol): Handler | undefined {
    return this.#handlers.get(protocol);
  }

  onFault(peer: string, fault: PeerFault): void {
    this.#options.onFault?.(peer, fault);
  }

  onProven(session: Session): void {
    const { peer, remote, connection } = session;
    if (remote === undefined) return;
    this.#gate?.proven(connection.remoteAddr);
    const sessions = this.#proven.get(peer) ?? [];
    this.#proven.set(peer, sessions);
    sessions.push(session);
    this.#notify(remote, true);
  }

  onClosed(session: Session): void {
    const { peer, remote, connection } = session;
    this.#sessions.delete(connection.id);
    const left = (this.#proven.get(peer) ?? []).filter((other) => other !== session);
    if (remote === undefined) return;
    if (left.length > 0) {
      this.#proven.set(peer, left);
      return;
    }
    this.#proven.delete(peer);
    const outgoing = this.#outgoing.get(peer);
    if (outgoing?.small.idle === true && outgoing.bulk.idle) this.#outgoing.delete(peer);
    // What libp2p noted about the peer would stay for ever.
    this.#node?.peerStore.delete(peerIdFromString(peer)).catch(() => {});
    this.#notify(remote, false);
  }

  #notify(remote: Remote, up: boolean): void {
    for (const listener of this.#listeners) listener(remote, up);
  }

  #onConnection(connection: Connection): void {
    const session = new Session(connection, this);
    if (!session.open) return;
    this.#sessions.set(connection.id, session);
    const all = [...this.#sessions.values()].filter((other) => other.peer === session.peer);
    // The oldest goes: after a peer vanished and came back, that is the dead one.
    if (all.length > this.limits.connectionsPerPeer) all[0]?.abort('too many connections');
  }

  #incoming(stream: Stream, connection: Connection, protocol?: Protocol): void {
    const session = this.#sessions.get(connection.id);
    if (session === undefined) stream.abort(new Error('no session'));
    else if (protocol === undefined) session.identity(stream);
    else session.serve(stream, protocol);
  }
}
