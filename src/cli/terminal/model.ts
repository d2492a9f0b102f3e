/** Text on a screen: lines, columns, rows, and what of the exact bytes has been seen. Pure. */
import { columns, safeText } from '../../lib/text.ts';

const MAX_LINE = 64 * 1024;

export interface ReadableText {
  readonly lines: readonly string[];
  /** Columns of each line. */
  readonly widths: readonly number[];
  /** Whether what is shown is what is signed, to the character. */
  readonly isExact: boolean;
}

export function readable(text: string): ReadableText {
  const raw = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
  const lines = raw.map((line) => safeText(line, { maxLength: MAX_LINE }));
  return { lines, widths: lines.map(columns), isExact: lines.every((line, at) => line === raw[at]) };
}

/** What of `line` stands between two columns; a wide character at an edge is left out whole. */
export function cutColumns(line: string, from: number, width: number): string {
  let at = 0;
  let shown = '';
  for (const char of line) {
    const more = columns(char);
    if (at >= from && at + more <= from + width) shown += char;
    at += more;
    if (at >= from + width && more > 0) break;
  }
  return shown;
}

/** How far each line has been seen, from its beginning on without a gap. */
export type Seen = readonly number[];

export function nothingSeen(text: ReadableText): Seen {
  return text.lines.map(() => -1);
}

/** After a window of `height` lines and `width` columns was drawn. */
export function seeWindow(
  seen: Seen,
  text: ReadableText,
  top: number,
  height: number,
  left: number,
  width: number,
): Seen {
  return seen.map((to, line) => {
    if (line < top || line >= top + height) return to;
    return left <= Math.max(to, 0) ? Math.max(to, Math.min(left + width, text.widths[line] ?? 0)) : to;
  });
}

export function isAllSeen(seen: Seen, text: ReadableText): boolean {
  return seen.every((to, line) => to >= (text.widths[line] ?? 0));
}

/** A wide character that was cut at the edge is in the next part whole. */
const OVERLAP = 8;

/** Where the first part begins that was not seen. */
export function nextUnseen(
  seen: Seen,
  text: ReadableText,
): { readonly line: number; readonly column: number } | undefined {
  const line = seen.findIndex((to, at) => to < (text.widths[at] ?? 0));
  return line === -1 ? undefined : { line, column: Math.max((seen[line] ?? 0) - OVERLAP, 0) };
}

/** How many lines have a part that was not seen. */
export function unseen(seen: Seen, text: ReadableText): number {
  return seen.filter((to, line) => to < (text.widths[line] ?? 0)).length;
}

/** Text in rows of at most `width` columns, broken between words, and within a word that is wider than a row. */
export function rowsOf(text: string, width: number): string[] {
  const rows: string[] = [];
  let row: string | undefined;
  for (const word of text.split(' ')) {
    const next = row === undefined ? word : `${row} ${word}`;
    if (columns(next) <= width) {
      row = next;
      continue;
    }
    if (row !== undefined) rows.push(row);
    row = word;
    while (columns(row) > width) {
      const part = cutColumns(row, 0, width);
      // A character that is wider than the row: not on this screen.
      if (part === '') break;
      rows.push(part);
      row = row.slice(part.length);
    }
  }
  return [...rows, row ?? ''];
}

/** Two versions of a text, the earlier one first. */
export interface Pair {
  readonly before: number;
  readonly after: number;
}

/** The pairs that are one step away: both versions older or newer, or the earlier one alone. Undefined: there is none. */
export function pairsBeside(
  { before, after }: Pair,
  count: number,
): { readonly [K in 'older' | 'newer' | 'wider' | 'closer']: Pair | undefined } {
  return {
    older: before > 1 ? { before: before - 1, after: after - 1 } : undefined,
    newer: after < count ? { before: before + 1, after: after + 1 } : undefined,
    wider: before > 1 ? { before: before - 1, after } : undefined,
    closer: before + 1 < after ? { before: before + 1, after } : undefined,
  };
}
