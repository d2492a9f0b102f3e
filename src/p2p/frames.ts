/**
 * Frames of the link: strict CBOR arrays, each behind its length as an unsigned varint.
 *
 *   request  [1, body]
 *   reply    [1, 0, body]      the handler's answer
 *            [1, 1, code]      the link refuses; code: 1 to 32 characters of a–z and `-`
 *
 * Guarantees: a value has one encoding and every other one is refused; nothing larger than the limit is kept in memory;
 * what a peer claims as length is believed only as its bytes arrive.
 */
import { concat, equal } from '../lib/bytes.ts';
import { blobHead, type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';

const FRAME_VERSION = 1;

/** What a frame adds to its body: array, version, kind, and the head of a byte string (1 + 1 + 1 + 5), rounded up. */
export const FRAME_OVERHEAD = 16;

/** Why a link refuses a request without handing it over. */
export const REFUSALS = ['flood', 'busy', 'unhandled', 'bad-binding'] as const;
export type Refusal = (typeof REFUSALS)[number];

const REFUSAL_PATTERN = /^[a-z-]{1,32}$/;

export type Reply =
  | { readonly kind: 'answer'; readonly body: Uint8Array }
  | { readonly kind: 'refusal'; readonly code: string };

export function encodeRequest(body: Uint8Array): Uint8Array {
  return encode([FRAME_VERSION, body]);
}

export function encodeAnswer(body: Uint8Array): Uint8Array {
  return encode([FRAME_VERSION, 0, body]);
}

/** Array, version and kind of an answer: what comes before the head of its body. */
const ANSWER_START = encodeAnswer(new Uint8Array()).subarray(0, -1);

function beforeBody(bodyBytes: number): Uint8Array {
  return concat(ANSWER_START, blobHead(bodyBytes));
}

/** An answer up to its body, behind the length of the frame, as it goes on a stream, so that a large body is sent as it is, without copies. */
export function answerHead(bodyBytes: number): Uint8Array {
  const head = beforeBody(bodyBytes);
  return concat(varint(head.length + bodyBytes), head);
}

/**
 * The body inside the frame, if that is the one encoding of an answer. Large bodies would be copied thrice by decoding and
 * encoding again; all other frames are left to that.
 */
function bodyOf(frame: Uint8Array): Uint8Array | undefined {
  // How long the head of a byte string is.
  for (const bytes of [1, 2, 3, 5]) {
    const at = ANSWER_START.length + bytes;
    if (at > frame.length) return undefined;
    const length = frame.length - at;
    if (equal(beforeBody(length), frame.subarray(0, at)))
      return new Uint8Array(frame.buffer, frame.byteOffset + at, length);
  }
  return undefined;
}

export function encodeRefusal(code: Refusal): Uint8Array {
  return encode([FRAME_VERSION, 1, code]);
}

/** The frame's fields without the version. Throws `PeerFault('unknown-version')` for a well-formed frame of another one. */
function fields(frame: Uint8Array, maxBytes: number): readonly Cbor[] {
  const value = decode(frame, maxBytes + FRAME_OVERHEAD);
  if (!Array.isArray(value)) throw new PeerFault('malformed', 'frame: not an array');
  const [version, ...rest] = value as readonly Cbor[];
  if (read.uint(version, 'frame version') !== FRAME_VERSION) throw new PeerFault('unknown-version', 'frame version');
  return rest;
}

/** The body. Throws `PeerFault('malformed' | 'oversized' | 'unknown-version')`. */
export function decodeRequest(frame: Uint8Array, maxBytes: number): Uint8Array {
  const [body] = read.array(fields(frame, maxBytes), 1, 'request');
  return read.blob(body, maxBytes, 'request body');
}

/** Throws `PeerFault('malformed' | 'oversized' | 'unknown-version')`. */
export function decodeReply(frame: Uint8Array, maxBytes: number): Reply {
  const answer = bodyOf(frame);
  if (answer !== undefined && answer.length <= maxBytes) return { kind: 'answer', body: answer };
  const [kind, content] = read.array(fields(frame, maxBytes), 2, 'reply');
  if (read.uint(kind, 'reply kind') === 0) return { kind: 'answer', body: read.blob(content, maxBytes, 'reply body') };
  read.literal(kind, 1, 'reply kind');
  const code = read.text(content, 32, 'refusal');
  if (!REFUSAL_PATTERN.test(code)) throw new PeerFault('malformed', 'refusal: not a code');
  return { kind: 'refusal', code };
}

function varint(value: number): Uint8Array {
  const head: number[] = [];
  let left = value;
  while (left >= 0x80) {
    head.push((left & 0x7f) | 0x80);
    left >>>= 7;
  }
  head.push(left);
  return Uint8Array.from(head);
}

/** The frame behind its length, as it goes on a stream. */
export function delimit(frame: Uint8Array): Uint8Array {
  return concat(varint(frame.length), frame);
}

/** Three bytes hold every length up to 2 MiB, nearly twice the largest frame. */
const MAX_LENGTH_BYTES = 3;

/** Collects one frame at a time from the pieces in which it arrives. */
export class FrameReader {
  readonly #maxBytes: number;
  #head: number[] = [];
  #length: number | undefined;
  #pieces: Uint8Array[] = [];
  #collected = 0;

  /** `maxBytes`: largest frame, body and overhead. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True between frames: no byte of the next one has arrived. */
  get empty(): boolean {
    return this.#head.length === 0;
  }

  /**
   * Takes what came next, in one piece or several, and returns the frame that it completes, if it does. Throws `PeerFault('oversized')` or, for a
   * length that is not the shortest encoding and for bytes behind the frame, `PeerFault('malformed')`.
   */
  push(...pieces: readonly Uint8Array[]): Uint8Array | undefined {
    for (const piece of pieces) {
      let rest = piece;
      while (this.#length === undefined && rest.length > 0) {
        this.#takeHead(rest[0] ?? 0);
        rest = rest.subarray(1);
      }
      if (rest.length === 0) continue;
      this.#pieces.push(rest);
      this.#collected += rest.length;
    }
    if (this.#length === undefined) return undefined;
    if (this.#collected < this.#length) return undefined;
    if (this.#collected > this.#length) throw new PeerFault('malformed', 'bytes behind the frame');
    // A copy, so that neither side's buffers live on in what handlers keep.
    const frame = concat(...this.#pieces);
    this.#head = [];
    this.#length = undefined;
    this.#pieces = [];
    this.#collected = 0;
    return frame;
  }

  #takeHead(byte: number): void {
    this.#head.push(byte);
    if ((byte & 0x80) !== 0) {
      if (this.#head.length === MAX_LENGTH_BYTES) throw new PeerFault('oversized', 'frame length');
      return;
    }
    if (byte === 0) throw new PeerFault('malformed', 'frame length: empty or not the shortest encoding');
    const length = this.#head.reduceRight((sum, part) => sum * 128 + (part & 0x7f), 0);
    if (length > this.#maxBytes) throw new PeerFault('oversized', 'frame length');
    this.#length = length;
  }
}
