/**
 * DER (X.690 §§8, 10, 11), as much as CMS and X.509 need: single-byte tags, definite minimal lengths.
 * `DerReader` refuses every other encoding with PeerFault('malformed'); `assertDer` checks a whole structure, inside too.
 */
import { compare, concat, fromUtf8 } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** A constructed context tag, `[n]`. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

const MAX_DEPTH = 20;

export function malformed(what: string): never {
  throw new PeerFault('malformed', what);
}

// ---- writing

function header(tag: number, length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(tag, length);
  if (length < 0x100) return Uint8Array.of(tag, 0x81, length);
  if (length < 0x10000) return Uint8Array.of(tag, 0x82, length >> 8, length & 0xff);
  return Uint8Array.of(tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}

/** One value of at most 2^24 − 1 bytes. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat(header(tag, length), ...parts);
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(TAG.sequence, ...parts);
}

/** SET OF: sorted by encoding (X.690 §11.6). */
export function setOf(...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(TAG.set, ...[...parts].sort(compare));
}

/** INTEGER of a non-negative number. */
export function integer(value: number | bigint): Uint8Array {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return tlv(TAG.integer, (bytes[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), bytes) : bytes);
}

export function bitString(content: Uint8Array, unusedBits = 0): Uint8Array {
  return tlv(TAG.bitString, Uint8Array.of(unusedBits), content);
}

export function octetString(content: Uint8Array): Uint8Array {
  return tlv(TAG.octetString, content);
}

export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const content: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc % 0x80];
    for (let left = Math.floor(arc / 0x80); left > 0; left = Math.floor(left / 0x80))
      groups.unshift(0x80 | (left % 0x80));
    content.push(...groups);
  }
  return tlv(TAG.oid, Uint8Array.from(content));
}

// ---- reading

export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  /** The next tag, or -1 at the end. */
  get tag(): number {
    return this.done ? -1 : (this.#bytes[this.#at] ?? -1);
  }

  /** Reads one header and steps over the value: [start of the value with header, start of its content, its end]. */
  #step(tag: number | undefined, what: string): readonly [number, number, number] {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = this.tag;
    if (found === -1) malformed(`${what}: missing`);
    if (tag !== undefined && found !== tag) malformed(`${what}: tag ${found}, not ${tag}`);
    if ((found & 0x1f) === 0x1f) malformed(`${what}: a tag of several bytes`);
    let content = start + 2;
    let length = bytes[start + 1] ?? 0x80;
    if (content > this.#end || length === 0x80) malformed(`${what}: no definite length`);
    if (length > 0x80) {
      const count = length & 0x7f;
      if (count > 3 || content + count > this.#end) malformed(`${what}: length out of bounds`);
      length = 0;
      for (let i = 0; i < count; i++) length = length * 0x100 + (bytes[content + i] ?? 0);
      if (length < 0x80 || length < 2 ** (8 * (count - 1))) malformed(`${what}: a length that is not minimal`);
      content += count;
    }
    const end = content + length;
    if (end > this.#end) malformed(`${what}: truncated`);
    this.#at = end;
    return [start, content, end];
  }

  /** The content of the next value as a view. */
  content(tag: number, what: string): Uint8Array {
    const [, content, end] = this.#step(tag, what);
    return this.#bytes.subarray(content, end);
  }

  /** The next value with its header as a view; any tag if none is named. */
  whole(tag: number | undefined, what: string): Uint8Array {
    const [start, , end] = this.#step(tag, what);
    return this.#bytes.subarray(start, end);
  }

  /** A reader of the next value's content. */
  enter(tag: number, what: string): DerReader {
    const [, content, end] = this.#step(tag, what);
    return new DerReader(this.#bytes, content, end);
  }

  /** Every value must have been read. */
  end(what: string): void {
    if (!this.done) malformed(`${what}: more than expected`);
  }

  /** Content of a minimal INTEGER, sign included, at most `maxBytes`. */
  integer(maxBytes: number, what: string): Uint8Array {
    const content = this.content(TAG.integer, what);
    checkInteger(content, what);
    if (content.length > maxBytes) malformed(`${what}: integer of more than ${maxBytes} bytes`);
    return content;
  }

  /** A non-negative integer below 2^47. */
  smallInteger(what: string): number {
    const content = this.integer(6, what);
    if ((content[0] ?? 0) >= 0x80) malformed(`${what}: negative`);
    return content.reduce((sum, byte) => sum * 0x100 + byte, 0);
  }

  /** Dotted text. */
  oid(what: string): string {
    return oidText(this.content(TAG.oid, what));
  }

  /** BOOLEAN that DER writes only when it is true (DEFAULT FALSE); false when absent. */
  defaultFalse(what: string): boolean {
    if (this.tag !== TAG.boolean) return false;
    const content = this.content(TAG.boolean, what);
    if (content.length !== 1 || content[0] !== 0xff) malformed(`${what}: not TRUE`);
    return true;
  }

  /** BIT STRING of whole bytes. */
  octetsOfBits(what: string): Uint8Array {
    const content = this.content(TAG.bitString, what);
    if (content[0] !== 0) malformed(`${what}: not whole bytes`);
    return content.subarray(1);
  }
}

/** Reads exactly one value that fills `bytes`. */
export function readAll<T>(bytes: Uint8Array, tag: number, what: string, read: (inner: DerReader) => T): T {
  const outer = new DerReader(bytes);
  const inner = outer.enter(tag, what);
  outer.end(what);
  const value = read(inner);
  inner.end(what);
  return value;
}

function checkInteger(content: Uint8Array, what: string): void {
  const first = content[0];
  const second = content[1];
  if (first === undefined) malformed(`${what}: empty integer`);
  if (second !== undefined && (first === 0x00 ? second < 0x80 : first === 0xff && second >= 0x80))
    malformed(`${what}: an integer that is not minimal`);
}

/** Dotted text of an OBJECT IDENTIFIER's content; arcs below 2^49 only. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let bytes = 0;
  for (const byte of content) {
    if (bytes === 0 && byte === 0x80) malformed('object identifier that is not minimal');
    if (++bytes > 7) malformed('object identifier arc too large');
    arc = arc * 0x80 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
    bytes = 0;
  }
  const [first, ...rest] = arcs;
  if (first === undefined || bytes !== 0) malformed('truncated object identifier');
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** Refuses whatever is not DER at any depth, including unsorted SET OFs, odd booleans and padded integers. */
export function assertDer(bytes: Uint8Array, what: string): void {
  const outer = new DerReader(bytes);
  checkValue(outer.whole(undefined, what), what, 0);
  outer.end(what);
}

function checkValue(value: Uint8Array, what: string, depth: number): void {
  if (depth > MAX_DEPTH) malformed(`${what}: nested too deeply`);
  const tag = value[0] ?? 0;
  const reader = new DerReader(value);
  if ((tag & 0x20) !== 0) {
    if (tag < 0x40 && tag !== TAG.sequence && tag !== TAG.set) malformed(`${what}: a constructed string`);
    const inner = reader.enter(tag, what);
    let before: Uint8Array | undefined;
    while (!inner.done) {
      const element = inner.whole(undefined, what);
      if (tag === TAG.set && before !== undefined && compare(before, element) > 0) malformed(`${what}: unsorted set`);
      checkValue(element, what, depth + 1);
      before = element;
    }
    return;
  }
  if (tag === 0x10 || tag === 0x11) malformed(`${what}: a primitive sequence or set`);
  checkPrimitive(tag, reader.content(tag, what), what);
}

function checkPrimitive(tag: number, content: Uint8Array, what: string): void {
  switch (tag) {
    case TAG.boolean:
      if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) malformed(`${what}: odd boolean`);
      return;
    case TAG.integer:
      checkInteger(content, what);
      return;
    case TAG.null:
      if (content.length !== 0) malformed(`${what}: null with content`);
      return;
    case TAG.oid:
      oidText(content);
      return;
    case TAG.bitString: {
      const unused = content[0];
      const last = content.at(-1) ?? 0;
      if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0))
        malformed(`${what}: bit string`);
      if ((last & ((1 << unused) - 1)) !== 0) malformed(`${what}: unused bits set`);
      return;
    }
    case TAG.utf8String:
      try {
        fromUtf8(content);
      } catch {
        malformed(`${what}: invalid UTF-8`);
      }
      return;
    default:
      return;
  }
}
