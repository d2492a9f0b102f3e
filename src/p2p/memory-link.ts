/**
 * The link in memory, for tests and the simulator: same port, frames, handshake, limits and deadlines, no sockets. What
 * becomes of messages on the way is the network's (memory-network.ts).
 */
import { assert } from '../lib/assert.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import { Deadline, stopController } from './deadline.ts';
import { decodeReply, decodeRequest, encodeAnswer, encodeRefusal, encodeRequest, type Reply } from './frames.ts';
import { runHandler } from './handling.ts';
import { MAX_HELLO_BYTES } from './handshake.ts';
import { peerOf } from './identity.ts';
import { Accounts, DEFAULT_LIMITS, isPeerFault, type Lane, type LinkLimits, laneOf, refusalError } from './limits.ts';
import {
  type Binder,
  framesOf,
  type Handler,
  type Link,
  type Protocol,
  type Remote,
  type RequestOptions,
} from './link.ts';
import {
  breakWire,
  type End,
  type Envelope,
  type Fate,
  MemoryNetwork,
  type MessageKind,
  type Posted,
  type Wire,
} from './memory-network.ts';
import { type Outgoing, outgoingTo } from './pacing.ts';
import { withResolvers } from './polyfill.ts';

export type { Envelope, Fate, MessageKind };

export interface MemoryLinkOptions {
  readonly seed: Uint8Array;
  readonly binder: Binder;
  readonly limits?: Partial<LinkLimits>;
  readonly onFault?: (peer: string, fault: PeerFault) => void;
}

export interface MemoryLink extends Link {
  faults(peer: string): number;
}

/** A network with its own links: `network.link(…)` makes one that knows no other until it learns its address. */
export class LinkNetwork extends MemoryNetwork {
  link(options: MemoryLinkOptions): MemoryLink {
    return new MemoryEnd(this, options);
  }
}

export function createMemoryNetwork(options: { readonly clock?: Clock } = {}): LinkNetwork {
  return new LinkNetwork(options.clock ?? systemClock);
}

class MemoryEnd implements MemoryLink, End {
  readonly peer: string;
  readonly #network: MemoryNetwork;
  readonly #options: MemoryLinkOptions;
  readonly #limits: LinkLimits;
  readonly #accounts: Accounts;
  readonly #handlers = new Map<Protocol, Handler>();
  readonly #listeners: ((remote: Remote, up: boolean) => void)[] = [];
  readonly #known = new Map<string, readonly string[]>();
  readonly #wires = new Set<Wire>();
  readonly #dials = new Map<string, Promise<Wire>>();
  readonly #outgoing = new Map<string, Readonly<Record<Lane, Outgoing>>>();
  readonly #awaited = new Map<number, { wire: Wire; settle: (reply: Reply | PeerFault | undefined) => void }>();
  /** Remotes whose hello this end accepted and that have not accepted ours yet. */
  readonly #accepted = new Map<Wire, Remote>();
  readonly #watches = new Map<Wire, () => void>();
  #requests = 0;
  #address: string | undefined;
  #stopped = stopController();

  constructor(network: MemoryNetwork, options: MemoryLinkOptions) {
    this.#network = network;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#accounts = new Accounts(this.#limits, network.clock);
    this.peer = peerOf(options.seed);
  }

  async start(): Promise<void> {
    assert(this.#address === undefined, 'link started once');
    this.#stopped = stopController();
    this.#address = this.#network.listen(this);
  }

  async stop(): Promise<void> {
    if (this.#address === undefined) return;
    this.#network.unlisten(this.#address);
    this.#address = undefined;
    this.#stopped.abort();
    for (const wire of [...this.#wires]) breakWire(wire);
  }

  addresses(): readonly string[] {
    return this.#address === undefined ? [] : [`${this.#address}/p2p/${this.peer}`];
  }

  learn(peer: string, addresses: readonly string[]): void {
    this.#known.set(
      peer,
      addresses.flatMap((text) => /^(\/memory\/\d+)\/p2p\//.exec(text)?.[1] ?? []),
    );
  }

  handle(protocol: Protocol, handler: Handler): void {
    this.#handlers.set(protocol, handler);
  }

  connected(peer: string): boolean {
    return this.#provenWire(peer) !== undefined;
  }

  onPeer(listener: (remote: Remote, up: boolean) => void): void {
    this.#listeners.push(listener);
  }

  faults(peer: string): number {
    return this.#accounts.of(peer).faults;
  }

  async request(
    peer: string,
    certificate: string,
    protocol: Protocol,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    assert(body.length <= framesOf(protocol).request, 'request within the largest frame');
    const deadline = new Deadline(options, this.#stopped.signal, this.#network.clock);
    const outgoing = this.#outgoing.get(peer) ?? outgoingTo(this.#limits, this.#network.clock);
    this.#outgoing.set(peer, outgoing);
    try {
      return await outgoing[laneOf(protocol)].run(deadline.signal, () =>
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
    for (;;) {
      const existing = this.#provenWire(peer);
      const wire = existing ?? (await deadline.race(this.#dial(peer)));
      if (wire.remotes.get(this)?.certificate !== certificate)
        throw new PeerFault('bad-binding', 'the peer has proven another certificate than the one expected');
      const request = ++this.#requests;
      const answered = withResolvers<Reply | PeerFault | undefined>();
      this.#awaited.set(request, { wire, settle: answered.resolve });
      let reply: Reply | PeerFault | undefined;
      try {
        this.#network.post(wire, this, { kind: 'request', protocol, frame: encodeRequest(body), request });
        reply = await deadline.race(answered.promise);
      } finally {
        this.#awaited.delete(request);
      }
      if (isPeerFault(reply)) throw reply;
      if (reply?.kind === 'answer') return reply.body;
      if (reply?.kind === 'refusal') throw refusalError(reply.code);
      if (wire.open || existing === undefined) throw new FitError('peer-unreachable', 'the peer gave no reply');
    }
  }

  #provenWire(peer: string): Wire | undefined {
    return [...this.#wires].findLast((wire) => wire.open && wire.remotes.get(this)?.peer === peer);
  }

  #dial(peer: string): Promise<Wire> {
    const underWay = this.#dials.get(peer);
    if (underWay !== undefined) return underWay;
    const dial = this.#connect(peer).finally(() => this.#dials.delete(peer));
    this.#dials.set(peer, dial);
    return dial;
  }

  async #connect(peer: string): Promise<Wire> {
    const { clock } = this.#network;
    const listener = (this.#known.get(peer) ?? [])
      .map((address) => this.#network.at(address))
      .find((end) => end?.peer === peer);
    if (this.#address === undefined || listener === undefined || !listener.admits(this.peer))
      throw new FitError('peer-unreachable', 'cannot connect to the peer');
    const deadline = new Deadline({ timeoutMs: this.#limits.dialMs }, this.#stopped.signal, clock);
    const proof = withResolvers<Wire>();
    proof.promise.catch(() => {});
    const wire: Wire = { dialler: this, listener, proof, remotes: new Map(), open: true };
    try {
      for (const end of [this, listener]) end.attach(wire);
      this.#network.post(wire, this, message('hello', encodeRequest(this.#options.binder.hello())));
      return await deadline.race(proof.promise);
    } catch (error) {
      breakWire(wire);
      if (isPeerFault(error) || isFitError(error)) throw error;
      throw new FitError('peer-unreachable', 'no identities exchanged', { cause: error });
    } finally {
      deadline.clear();
    }
  }

  admits(peer: string): boolean {
    return !this.#accounts.of(peer).banned;
  }

  attach(wire: Wire): void {
    this.#wires.add(wire);
  }

  receive(message: Posted): void {
    this.#take(message).catch((error: unknown) => {
      if (isPeerFault(error)) this.#blame(message.from, error);
      const known = isPeerFault(error) || isFitError(error);
      const reason = new FitError('peer-unreachable', 'no identities exchanged', { cause: error });
      message.wire.proof.reject(known ? error : reason);
      if (message.kind !== 'request' && message.kind !== 'reply') breakWire(message.wire);
    });
  }

  async #take({ kind, wire, from, frame, protocol, request }: Posted): Promise<void> {
    const { binder } = this.#options;
    if (kind === 'reply' || kind === 'end') {
      const maxBytes = protocol === undefined ? 0 : framesOf(protocol).reply;
      this.#awaited.get(request)?.settle(kind === 'end' ? undefined : readReply(frame, maxBytes));
    } else if (kind === 'request' && protocol !== undefined) {
      const remote = wire.remotes.get(this);
      if (remote === undefined) throw new PeerFault('out-of-order', 'a request before the identity handshake');
      await this.#serve(wire, remote, protocol, decodeRequest(frame, framesOf(protocol).request), request);
    } else if (kind === 'hello' && this === wire.listener) {
      const hello = decodeRequest(frame, MAX_HELLO_BYTES);
      if (!this.#accounts.of(from).handshake()) throw new PeerFault('flood', 'too many identity handshakes');
      let certificate: string;
      try {
        certificate = await binder.accept(from, hello);
      } catch (error) {
        this.#network.post(wire, this, message('welcome', encodeRefusal('bad-binding')));
        if (isPeerFault(error)) this.#blame(from, error);
        return;
      }
      this.#accepted.set(wire, { peer: from, certificate });
      this.#network.post(wire, this, message('welcome', encodeAnswer(binder.hello())));
    } else if (kind === 'welcome' && this === wire.dialler) {
      const reply = decodeReply(frame, MAX_HELLO_BYTES);
      if (reply.kind === 'refusal') throw refusalError(reply.code);
      const certificate = await binder.accept(from, reply.body);
      this.#network.post(wire, this, message('accepted', encodeAnswer(new Uint8Array())));
      this.#prove(wire, { peer: from, certificate });
      wire.proof.resolve(wire);
    } else if (kind === 'accepted' && this === wire.listener) {
      const remote = this.#accepted.get(wire);
      if (remote === undefined) throw new PeerFault('out-of-order', 'an identity handshake out of turn');
      this.#prove(wire, remote);
    }
  }

  async #serve(wire: Wire, remote: Remote, protocol: Protocol, body: Uint8Array, request: number): Promise<void> {
    const account = this.#accounts.of(remote.peer);
    const handler = this.#handlers.get(protocol);
    const answer = (kind: 'reply' | 'end', frame: Uint8Array) =>
      this.#network.post(wire, this, { kind, protocol, frame, request });
    const lane = laneOf(protocol);
    const refusal = account.admit(lane);
    if (refusal !== undefined) {
      if (!account.refused()) throw new PeerFault('flood', 'too many requests');
      answer('reply', encodeRefusal(refusal));
    } else if (handler === undefined) {
      account.release(lane);
      answer('reply', encodeRefusal('unhandled'));
    } else {
      await runHandler(() => handler(remote, body), {
        handlerMs: this.#limits.handlerMs,
        maxBytes: framesOf(protocol).reply,
        clock: this.#network.clock,
        release: () => account.release(lane),
        deliver: (reply) =>
          reply === undefined ? answer('end', new Uint8Array()) : answer('reply', encodeAnswer(reply)),
      });
    }
  }

  #prove(wire: Wire, remote: Remote): void {
    if (!wire.open || wire.remotes.has(this)) return;
    wire.remotes.set(this, remote);
    for (const listener of this.#listeners) listener(remote, true);
    this.#watch(wire, remote.peer);
  }

  /** Notices a partition as the other version's probes do: when it lasted longer than silence and probe together. */
  #watch(wire: Wire, peer: string): void {
    const { clock } = this.#network;
    const { quietMs, probeMs } = this.#limits;
    let silentSince: number | undefined;
    const look = () => {
      if (!wire.open) return;
      if (!this.#network.cut(this.peer, peer)) silentSince = undefined;
      else silentSince ??= clock.now();
      if (silentSince !== undefined && clock.now() - silentSince >= probeMs) breakWire(wire);
      else cancel = clock.at(clock.now() + quietMs, look);
    };
    let cancel = clock.at(clock.now() + quietMs, look);
    this.#watches.set(wire, () => cancel());
  }

  #blame(peer: string, fault: PeerFault): void {
    this.#options.onFault?.(peer, fault);
    const account = this.#accounts.of(peer);
    account.fault();
    if (!account.banned) return;
    for (const wire of [...this.#wires]) if (wire.dialler.peer === peer || wire.listener.peer === peer) breakWire(wire);
  }

  broken(wire: Wire): void {
    this.#wires.delete(wire);
    this.#accepted.delete(wire);
    this.#watches.get(wire)?.();
    this.#watches.delete(wire);
    for (const awaited of [...this.#awaited.values()]) if (awaited.wire === wire) awaited.settle(undefined);
    const remote = wire.remotes.get(this);
    if (remote === undefined || this.#provenWire(remote.peer) !== undefined) return;
    for (const listener of this.#listeners) listener(remote, false);
  }
}

function message(kind: MessageKind, frame: Uint8Array) {
  return { kind, frame, protocol: undefined, request: 0 };
}

function readReply(frame: Uint8Array, maxBytes: number): Reply | PeerFault {
  try {
    return decodeReply(frame, maxBytes);
  } catch (error) {
    if (isPeerFault(error)) return error;
    throw error;
  }
}
