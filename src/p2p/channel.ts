/**
 * Frames over one libp2p stream, one at a time and in turn: a frame is awaited, or nothing may arrive.
 *
 * Guarantees: the reader is attached at construction; memory stays within one frame; every wait ends by a deadline; the
 * stream is aborted at the first fault; no listener ever throws (an exception there would end the process).
 */
import './polyfill.ts';
import type { Stream } from '@libp2p/interface';
import { assert } from '../lib/assert.ts';
import { concat } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';
import { timeoutSignal } from './deadline.ts';
import { answerHead, delimit, FRAME_OVERHEAD, FrameReader } from './frames.ts';
import { isPeerFault } from './limits.ts';

/** What of an answer is given to the stream at once; the rest waits until the stream has taken that. */
const PIECE_BYTES = 128 * 1024;

interface Waiting {
  readonly resolve: (frame: Uint8Array | undefined) => void;
  readonly reject: (fault: PeerFault) => void;
  readonly frameMs: number;
  timer: NodeJS.Timeout;
}

export class FrameChannel {
  readonly #stream: Stream;
  readonly #reader: FrameReader;
  #waiting: Waiting | undefined;
  #fault: PeerFault | undefined;
  #open = true;
  #onGone: ((fault: PeerFault | undefined) => void) | undefined;
  #keptTimer: NodeJS.Timeout | undefined;

  constructor(stream: Stream, maxBodyBytes: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(maxBodyBytes + FRAME_OVERHEAD);
    stream.addEventListener('message', ({ data }) => this.#onBytes(data instanceof Uint8Array ? [data] : [...data]));
    stream.addEventListener('end', () => this.#onEnd());
    stream.addEventListener('close', () => this.#onEnd());
    if (stream.status !== 'open' || stream.readableEnded) this.#onEnd();
  }

  get open(): boolean {
    return this.#open && this.#stream.status === 'open' && this.#stream.writeStatus === 'writable';
  }

  /** The peer reset the stream. */
  get reset(): boolean {
    return this.#stream.status === 'reset';
  }

  /** False if the stream is gone. What the peer does not read is kept, one frame of it, until the next deadline. */
  send(frame: Uint8Array): boolean {
    return this.#push(delimit(frame));
  }

  /**
   * An answer with this body, piece by piece as the peer takes it, so that nothing of it is held but the body itself and no
   * more than a piece of it is under way. Resolves when the stream has the last piece: false if the stream is gone, also
   * because the peer did not take the others within `ms`.
   */
  async answer(body: Uint8Array, ms: number): Promise<boolean> {
    const timer = setTimeout(() => this.abort('a reply not taken'), ms);
    try {
      const first = Math.min(body.length, PIECE_BYTES);
      if (!this.#push(concat(answerHead(body.length), body.subarray(0, first)))) return false;
      for (let at = first; at < body.length; at += PIECE_BYTES) {
        await this.#taken();
        if (!this.#push(body.subarray(at, at + PIECE_BYTES))) return false;
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The next frame, or undefined if the stream ended, broke or stayed silent for `idleMs`. Throws `PeerFault` for a frame
   * that is too large, badly delimited, cut off, not complete `frameMs` after its first byte, or that came out of turn. A
   * peer that does not take what was sent before gets `takeMs`, by default as long as for a frame.
   */
  read(idleMs: number, frameMs: number, takeMs = frameMs): Promise<Uint8Array | undefined> {
    assert(this.#waiting === undefined, 'one read at a time');
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    if (!this.#open) return Promise.resolve(undefined);
    const ms = this.#stream.writeBufferLength > 0 ? Math.min(idleMs, takeMs) : idleMs;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject, frameMs, timer: setTimeout(() => this.abort('silent'), ms) };
    });
  }

  /** Ends this side after what was sent. Never rejects. */
  async end(timeoutMs: number): Promise<void> {
    try {
      await this.#stream.close({ signal: timeoutSignal(timeoutMs) });
    } catch {
      this.abort('cannot close');
    }
  }

  /** Between requests: ends the stream after `ms`. `onGone` is called when it is gone before `take`. */
  keep(ms: number, onGone: (fault: PeerFault | undefined) => void): void {
    this.#onGone = onGone;
    this.#keptTimer = setTimeout(() => {
      this.#gone();
      void this.end(ms);
    }, ms);
  }

  /** Ends `keep`, for the next request. */
  take(): void {
    clearTimeout(this.#keptTimer);
    this.#onGone = undefined;
  }

  /** Resets the stream; a read under way ends without a frame. */
  abort(why: string): void {
    this.#open = false;
    this.#stream.abort(new Error(why));
    this.#settle(undefined);
  }

  #push(bytes: Uint8Array): boolean {
    if (!this.open) return false;
    try {
      this.#stream.send(bytes);
      return true;
    } catch (error) {
      this.abort(error instanceof Error ? error.message : 'cannot send');
      return false;
    }
  }

  /** When the stream has passed on what it was given, or is gone. Its own `onDrain` waits no more than once. */
  #taken(): Promise<void> {
    const stream = this.#stream;
    const full = () => this.open && (stream.writableNeedsDrain || stream.writeBufferLength > 0);
    if (!full()) return Promise.resolve();
    return new Promise((resolve) => {
      const events = ['drain', 'idle', 'close'] as const;
      const look = () => {
        if (full()) return;
        for (const event of events) stream.removeEventListener(event, look);
        resolve();
      };
      for (const event of events) stream.addEventListener(event, look);
    });
  }

  #onBytes(pieces: readonly Uint8Array[]): void {
    if (!this.#open) return;
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#fail(new PeerFault('out-of-order', 'a frame out of turn'));
      return;
    }
    try {
      const first = this.#reader.empty;
      const frame = this.#reader.push(...pieces);
      if (frame !== undefined) {
        this.#settle(frame);
      } else if (first) {
        clearTimeout(waiting.timer);
        waiting.timer = setTimeout(
          () => this.#fail(new PeerFault('malformed', 'a frame not completed in time')),
          waiting.frameMs,
        );
      }
    } catch (error) {
      this.#fail(isPeerFault(error) ? error : new PeerFault('malformed', 'frame', { cause: error }));
    }
  }

  #onEnd(): void {
    if (!this.#open) return;
    if (!this.#reader.empty && this.#stream.status === 'open') {
      this.#fail(new PeerFault('malformed', 'a frame cut off'));
      return;
    }
    this.#open = false;
    this.#settle(undefined);
  }

  #fail(fault: PeerFault): void {
    this.#fault = fault;
    const waiting = this.#reading();
    this.abort(fault.message);
    waiting?.reject(fault);
  }

  #settle(frame: Uint8Array | undefined): void {
    this.#reading()?.resolve(frame);
    if (frame === undefined) this.#gone();
  }

  #gone(): void {
    const onGone = this.#onGone;
    this.take();
    onGone?.(this.#fault);
  }

  #reading(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
