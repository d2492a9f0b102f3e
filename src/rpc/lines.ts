/**
 * Lines over a stream socket: one JSON object a line, UTF-8, ended by a line feed.
 * Guarantees: at most `maxBytes` of an unfinished line are kept; more is an error, after which the reader is of no use.
 */

/** Longest request line that a daemon reads: a 64 KiB document in base64 is under a tenth of it. */
export const MAX_REQUEST_BYTES = 1024 * 1024;
/** Longest line that a client reads from its own daemon: a list of 10 000 deals is about 5 MiB. */
export const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

const LINE_FEED = 0x0a;

export interface LineReader {
  /** Complete lines, without their line feeds. Throws `RangeError` once a line is longer than `maxBytes`. */
  push(chunk: Uint8Array): readonly Uint8Array[];
}

export function createLineReader(maxBytes: number): LineReader {
  let parts: Uint8Array[] = [];
  let size = 0;

  function keep(part: Uint8Array): void {
    size += part.length;
    if (size > maxBytes) throw new RangeError(`a line of more than ${maxBytes} bytes`);
    if (part.length > 0) parts.push(part);
  }

  return {
    push(chunk) {
      const lines: Uint8Array[] = [];
      let start = 0;
      for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
        keep(chunk.subarray(start, end));
        lines.push(Buffer.concat(parts, size));
        parts = [];
        size = 0;
        start = end + 1;
      }
      keep(chunk.subarray(start));
      return lines;
    },
  };
}

export function encodeLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
