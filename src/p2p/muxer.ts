/**
 * Yamux with a watch on each connection:
 * - a connection that was silent is probed, and dropped when the probe is not answered, so that a peer that vanished
 *   without a word is noticed (TCP alone takes minutes);
 * - streams begin with the selection of one of our protocols and nothing else (selection.ts);
 * - a peer that sends more small frames than any use of the link needs, or that makes us owe it more bytes than it takes,
 *   is dropped: yamux answers every ping and keeps the answers in memory without limit.
 */
import './polyfill.ts';
import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import { type Clock, systemClock } from '../lib/clock.ts';
import { type LinkLimits, TokenBucket } from './limits.ts';
import { expectSelection } from './selection.ts';

/** Frames with less content than this count as small: pings, window updates, stream starts and ends, crumbs. */
const SMALL_BYTES = 512;
const SMALL_FRAMES_PER_SECOND = 5_000;
const SMALL_FRAMES_AT_ONCE = 10_000;
/** Content of either direction that lets one more pass: yamux answers every frame of content with a window update. */
const BYTES_PER_SMALL_FRAME = 16 * 1024;
/** Sixteen replies and sixteen requests of 256 KiB, and a window of each of eight bulk replies; a fifth more. */
const MAX_OWED_BYTES = 12 * 1024 * 1024;
/** Streams per connection: three protocols with sixteen requests each, six of bulk, the handshake, and some just closing. */
const MAX_STREAMS = 64;
const HEADER_BYTES = 12;
/** Yamux's smallest window, and here its largest: a data frame is collected whole before yamux looks at its length. */
const WINDOW_BYTES = 256 * 1024;

/** Follows the boundaries of yamux frames in what arrives and counts the small ones. */
export class FrameCounter {
  #header: number[] = [];
  #content = 0;

  /** The number of small frames whose header ends in this piece; NaN if a frame claims more than a window. */
  push(piece: Uint8Array): number {
    let small = 0;
    let at = 0;
    while (at < piece.length) {
      const skipped = Math.min(this.#content, piece.length - at);
      this.#content -= skipped;
      at += skipped;
      while (this.#header.length < HEADER_BYTES && at < piece.length) this.#header.push(piece[at++] ?? 0);
      if (this.#header.length < HEADER_BYTES) break;
      const length = this.#header.slice(8).reduce((sum, byte) => sum * 256 + byte, 0);
      const isData = this.#header[1] === 0;
      if (isData && length > WINDOW_BYTES) return Number.NaN;
      this.#content = isData ? length : 0;
      this.#header = [];
      if (!isData || length < SMALL_BYTES) small += 1;
    }
    return small;
  }
}

/** How many small frames a peer may send: so many per second, and some for the content that goes either way. */
export class SmallFrames {
  readonly #bucket: TokenBucket;
  #moved = 0;

  constructor(clock: Clock) {
    this.#bucket = new TokenBucket(SMALL_FRAMES_PER_SECOND, SMALL_FRAMES_AT_ONCE, clock);
  }

  moved(bytes: number): void {
    this.#moved += bytes;
    if (this.#moved < BYTES_PER_SMALL_FRAME) return;
    this.#bucket.give(Math.floor(this.#moved / BYTES_PER_SMALL_FRAME));
    this.#moved %= BYTES_PER_SMALL_FRAME;
  }

  /** False if it is too many. */
  take(count: number): boolean {
    return this.#bucket.take(count);
  }
}

interface Pinging {
  ping(options: { readonly signal: AbortSignal }): Promise<number>;
}

/** Must come before the muxer attaches, to see what arrives first. */
function guard(wire: MessageStream): void {
  const counter = new FrameCounter();
  const budget = new SmallFrames(systemClock);
  const send = wire.send.bind(wire);
  wire.send = (data) => {
    budget.moved(data.byteLength);
    return send(data);
  };
  wire.addEventListener('message', (event) => {
    budget.moved(event.data.byteLength);
    const small = counter.push(event.data.subarray());
    if (!Number.isNaN(small) && budget.take(small) && wire.writeBufferLength <= MAX_OWED_BYTES) return;
    event.stopImmediatePropagation();
    wire.abort(new Error('flood'));
  });
}

function watch(wire: MessageStream, muxer: Pinging, limits: LinkLimits): void {
  let heard = performance.now();
  let probing = false;
  wire.addEventListener('message', () => {
    heard = performance.now();
  });
  const probe = async () => {
    const asked = performance.now();
    try {
      await muxer.ping({ signal: AbortSignal.timeout(limits.probeMs) });
    } catch {
      // After this process itself was stopped, the answer may lie unread in the socket: read first.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      if (heard < asked) wire.abort(new Error('no answer to a probe'));
    }
  };
  const timer = setInterval(
    () => {
      if (probing || performance.now() - heard < limits.quietMs) return;
      probing = true;
      void probe().finally(() => {
        probing = false;
      });
    },
    Math.ceil(limits.quietMs / 2),
  );
  timer.unref();
  wire.addEventListener('close', () => clearInterval(timer));
}

/** Holds streams of both directions to the selection of one of our protocols. */
function select(muxer: StreamMuxer, protocols: readonly string[]): void {
  const { addEventListener, createStream } = muxer;
  // When libp2p attaches, ours comes first; earlier it would make the muxer hand out streams that nobody takes.
  muxer.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    if (args[0] === 'stream')
      addEventListener.call(muxer, 'stream', (event) => expectSelection(event.detail, protocols));
    addEventListener.apply(muxer, args);
  };
  muxer.createStream = async (options) => {
    const stream = await createStream.call(muxer, options);
    expectSelection(stream, protocols);
    return stream;
  };
}

export function watchedYamux(limits: LinkLimits, protocols: readonly string[]): () => StreamMuxerFactory {
  const factory = yamux({
    enableKeepAlive: false,
    maxInboundStreams: MAX_STREAMS,
    maxOutboundStreams: MAX_STREAMS,
    streamOptions: {
      initialStreamWindowSize: WINDOW_BYTES,
      maxStreamWindowSize: WINDOW_BYTES,
      maxReadBufferLength: 1024 * 1024,
      maxWriteBufferLength: 1024 * 1024,
    },
  });
  return () => {
    const inner = factory();
    return {
      protocol: inner.protocol,
      createStreamMuxer(wire) {
        guard(wire);
        const muxer = inner.createStreamMuxer(wire);
        watch(wire, muxer, limits);
        select(muxer, protocols);
        return muxer;
      },
    };
  };
}
