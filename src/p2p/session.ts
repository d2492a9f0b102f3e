/**
 * One connection: the identity handshake (handshake.ts), then requests in both directions, none before it. A stream carries
 * one request after the other; one is opened when all others are busy, because opening costs several times a request.
 */
import './polyfill.ts';
import type { Connection, Stream } from '@libp2p/interface';
import { systemClock } from '../lib/clock.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import { FrameChannel } from './channel.ts';
import { timeoutSignal } from './deadline.ts';
import { decodeReply, decodeRequest, encodeRefusal, encodeRequest, type Reply } from './frames.ts';
import { hostOf } from './gate.ts';
import { runHandler } from './handling.ts';
import { gone, greet, IDENTITY_PROTOCOL, MAX_HELLO_BYTES, welcome } from './handshake.ts';
import { isPeerFault, type Lane, type LinkLimits, laneOf, type PeerAccount } from './limits.ts';
import { type Binder, framesOf, type Handler, type Protocol, type Remote } from './link.ts';
import { withResolvers } from './polyfill.ts';

/** Streams kept for the next request, per protocol, and for how long: less than the other end waits for it. */
const KEPT_STREAMS = 16;
const KEPT_MS = 20_000;
/** How long a goodbye may take. */
const CLOSE_MS = 500;

/** What a session needs of its link. */
export interface SessionHost {
  readonly limits: LinkLimits;
  readonly binder: Binder;
  account(peer: string): PeerAccount;
  handler(protocol: Protocol): Handler | undefined;
  onProven(session: Session): void;
  onClosed(session: Session): void;
  onFault(peer: string, fault: PeerFault): void;
}

/** The outcome of one request on this connection; `lost`: no reply, and whether another attempt is worth it. */
export type Exchanged =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'lost'; readonly stale: boolean };

export class Session {
  readonly peer: string;
  readonly connection: Connection;
  /** Settles when both identities are proven, or rejects with why they are not. */
  readonly proven: Promise<Remote>;
  readonly #host: SessionHost;
  readonly #account: PeerAccount;
  readonly #proof = withResolvers<Remote>();
  readonly #kept = new Map<Protocol, FrameChannel[]>();
  #remote: Remote | undefined;
  #handshaking = false;
  readonly #timer: NodeJS.Timeout;
  #closed = false;
  readonly #gone = withResolvers<void>();

  constructor(connection: Connection, host: SessionHost) {
    this.connection = connection;
    this.peer = connection.remotePeer.toString();
    this.#host = host;
    this.#account = host.account(this.peer);
    this.proven = this.#proof.promise;
    // Nobody may be waiting for it; whoever does sees the rejection.
    this.proven.catch(() => {});
    this.#timer = setTimeout(
      () => this.#fail(new FitError('peer-unreachable', 'the peer did not prove who it is in time')),
      host.limits.handshakeMs,
    );
    this.#timer.unref();
    connection.addEventListener('close', () => this.#onClose());
    if (connection.status !== 'open') this.#onClose();
    else if (connection.direction === 'outbound') this.#handshake(() => this.#dial());
  }

  get remote(): Remote | undefined {
    return this.#remote;
  }

  get open(): boolean {
    return !this.#closed && this.connection.status === 'open';
  }

  /** Takes a stream that the peer opened. Attaches its reader before returning; never throws. */
  identity(stream: Stream): void {
    const channel = new FrameChannel(stream, MAX_HELLO_BYTES);
    if (this.connection.direction === 'outbound' || this.#handshaking) {
      channel.abort('out of order');
      this.#blame(new PeerFault('out-of-order', 'an identity handshake out of turn'));
      return;
    }
    this.#handshake(() => this.#listen(channel));
  }

  serve(stream: Stream, protocol: Protocol): void {
    const channel = new FrameChannel(stream, framesOf(protocol).request);
    const remote = this.#remote;
    if (remote === undefined) {
      channel.abort('no identity');
      this.#fail(new PeerFault('out-of-order', 'a request before the identity handshake'));
      return;
    }
    this.#answer(channel, protocol, remote).catch((error) => {
      channel.abort('failed');
      if (isPeerFault(error)) this.#blame(error);
    });
  }

  /** One request. Rejects with `PeerFault` if the reply is malformed; the signal's abort gives `lost`. */
  async exchange(protocol: Protocol, request: Uint8Array, signal: AbortSignal): Promise<Exchanged> {
    const limits = framesOf(protocol);
    let channel = this.#keptChannel(protocol);
    try {
      channel ??= new FrameChannel(await this.connection.newStream(protocol, { signal }), limits.reply);
    } catch {
      return { kind: 'lost', stale: !signal.aborted };
    }
    const used = channel;
    const stop = () => used.abort('given up');
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) stop();
      const { handlerMs } = this.#host.limits;
      const frameMs = this.#host.limits.frameMs * limits.patience;
      const frame = used.send(encodeRequest(request)) ? await used.read(handlerMs + frameMs, frameMs) : undefined;
      if (frame === undefined) {
        const { reset } = used;
        used.abort('no reply');
        // A reset says that the peer did not want to reply; anything else, that it or its connection went away.
        return { kind: 'lost', stale: !signal.aborted && !(reset && this.open) };
      }
      const reply = decodeReply(frame, limits.reply);
      this.#keep(protocol, used);
      return { kind: 'reply', reply };
    } catch (error) {
      used.abort('fault');
      if (isPeerFault(error)) this.#blame(error);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Ends the connection at once. */
  abort(why: string): void {
    this.connection.abort(new Error(why));
    this.#onClose();
  }

  /** Ends the connection after what was sent, or after half a second. Never rejects. */
  async close(): Promise<void> {
    const closing = this.connection.close({ signal: timeoutSignal(CLOSE_MS) }).catch(() => {});
    await Promise.race([closing, this.#gone.promise]);
    this.abort('closed');
  }

  #handshake(run: () => Promise<Remote>): void {
    this.#handshaking = true;
    run().then(
      (remote) => {
        clearTimeout(this.#timer);
        if (!this.open) {
          this.#proof.reject(gone());
          return;
        }
        this.#remote = remote;
        this.#host.onProven(this);
        this.#proof.resolve(remote);
      },
      (error: unknown) => {
        clearTimeout(this.#timer);
        this.#fail(error);
      },
    );
  }

  #remoteWith(certificate: string): Remote {
    return { peer: this.peer, certificate, host: hostOf(this.connection.remoteAddr) };
  }

  async #dial(): Promise<Remote> {
    const signal = timeoutSignal(this.#host.limits.handshakeMs);
    const stream = await this.connection.newStream(IDENTITY_PROTOCOL, { signal });
    const channel = new FrameChannel(stream, MAX_HELLO_BYTES);
    return this.#remoteWith(await greet(channel, this.peer, this.#host));
  }

  async #listen(channel: FrameChannel): Promise<Remote> {
    const welcomed = await welcome(channel, this.peer, this.#host, this.#account);
    if (typeof welcomed === 'string') return this.#remoteWith(welcomed);
    // The refusal is to arrive before the connection goes.
    await channel.end(CLOSE_MS);
    await this.close();
    throw welcomed;
  }

  async #answer(channel: FrameChannel, protocol: Protocol, remote: Remote): Promise<void> {
    const { limits } = this.#host;
    const frames = framesOf(protocol);
    const lane = laneOf(protocol);
    const replyMs = limits.frameMs * frames.patience;
    let idleMs = limits.frameMs;
    for (;;) {
      const frame = await channel.read(idleMs, limits.frameMs, replyMs);
      if (frame === undefined) break;
      const body = decodeRequest(frame, frames.request);
      const handler = this.#host.handler(protocol);
      const refusal = this.#account.admit(lane);
      if (refusal !== undefined) {
        if (!this.#account.refused()) {
          this.#fail(new PeerFault('flood', 'too many requests'));
          return;
        }
        channel.send(encodeRefusal(refusal));
      } else if (handler === undefined) {
        this.#account.release(lane);
        channel.send(encodeRefusal('unhandled'));
      } else {
        await runHandler(() => handler(remote, body), {
          handlerMs: limits.handlerMs,
          maxBytes: frames.reply,
          clock: systemClock,
          release: () => this.#account.release(lane),
          deliver: (reply) => this.#deliver(channel, lane, reply, replyMs),
        });
      }
      idleMs = limits.idleMs;
    }
    await channel.end(limits.frameMs);
  }

  async #deliver(channel: FrameChannel, lane: Lane, reply: Uint8Array | undefined, ms: number): Promise<void> {
    if (reply === undefined) channel.abort('no reply');
    else if (await channel.answer(reply, ms)) return;
    else if (lane === 'small') return;
    // Each has cost a handler's work and a mebibyte read; whoever asks on and on without taking it is stopped.
    else if (!this.#account.refused()) this.#fail(new PeerFault('flood', 'replies asked for and not taken'));
  }

  #keptChannel(protocol: Protocol): FrameChannel | undefined {
    const channel = this.#kept.get(protocol)?.pop();
    if (channel === undefined) return undefined;
    channel.take();
    return channel.open ? channel : this.#keptChannel(protocol);
  }

  #keep(protocol: Protocol, channel: FrameChannel): void {
    const kept = this.#kept.get(protocol) ?? [];
    this.#kept.set(protocol, kept);
    if (!channel.open) return;
    if (kept.length >= KEPT_STREAMS) {
      void channel.end(this.#host.limits.frameMs);
      return;
    }
    kept.push(channel);
    channel.keep(KEPT_MS, (fault) => {
      kept.splice(kept.indexOf(channel), 1);
      if (fault !== undefined) this.#blame(fault);
    });
  }

  /** A fault of the peer that ended no more than a stream; too many end the connection. */
  #blame(fault: PeerFault): void {
    this.#host.onFault(this.peer, fault);
    if (!this.#account.fault()) this.abort('too many faults');
  }

  /** Ends the connection for a reason. */
  #fail(error: unknown): void {
    if (isPeerFault(error)) this.#blame(error);
    const known = isPeerFault(error) || isFitError(error);
    this.#proof.reject(known ? error : new FitError('peer-unreachable', 'no identities exchanged', { cause: error }));
    this.abort(error instanceof Error ? error.message : 'failed');
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gone.resolve();
    // A handshake under way ends by itself and knows better why: its last frame may have come with the end.
    if (!this.#handshaking) {
      clearTimeout(this.#timer);
      this.#proof.reject(gone());
    }
    this.#host.onClosed(this);
  }
}
