/**
 * Lines that fit a terminal: sentences broken between words, tables with one column that gives way. Elsewhere (a file, a
 * pipe) lines stay whole, since a program or a search may read them. Commands to be copied are never broken.
 */

import { columns as columnsIn } from '../lib/text.ts';

/** Less than this nobody can read, and nothing is gained. */
const LEAST = 40;

/** The columns of a terminal; nothing for what is none. */
export function columnsOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): number | undefined {
  const { columns } = stream;
  return stream.isTTY === true && columns !== undefined && columns >= LEAST ? columns : undefined;
}

/** What of `line` fits into so many columns. */
function beginning(line: string, columns: number): string {
  let shown = '';
  let width = 0;
  for (const char of line) {
    width += columnsIn(char);
    if (width > columns) break;
    shown += char;
  }
  return shown;
}

/** The lines of `text`, the ones after the first set in by `indent`. A word that is wider than a line stays whole. */
export function wrapped(text: string, columns: number | undefined, indent = 0): string[] {
  if (columns === undefined) return [text];
  const lines: string[] = [];
  let line = text.trimEnd();
  while (columnsIn(line) > columns) {
    const at = breakOf(line, columns, indent);
    if (at === undefined) break;
    lines.push(line.slice(0, at).trimEnd());
    line = ' '.repeat(indent) + line.slice(at + 1).trimStart();
  }
  return [...lines, line];
}

/** The last space at which a line fits, or the first one at all; never one of those that set it in. */
function breakOf(line: string, columns: number, from: number): number | undefined {
  // A space just behind what fits is a place to break too.
  const fits = beginning(line, columns).length;
  const last = line.lastIndexOf(' ', fits);
  if (last > from) return last;
  const next = line.indexOf(' ', Math.max(fits, from));
  return next === -1 ? undefined : next;
}

/** Rows whose cell at `column` is cut, with a mark, so that they fit beside the widest of all the others. */
export function narrowed(
  rows: readonly (readonly string[])[],
  column: number,
  columns: number | undefined,
): readonly (readonly string[])[] {
  if (columns === undefined) return rows;
  const widthOf = (at: number) => Math.max(...rows.map((row) => columnsIn(row[at] ?? '')));
  const others = (rows[0] ?? []).map((_, at) => (at === column ? 0 : widthOf(at) + 2));
  const room = Math.max(columns - others.reduce((sum, width) => sum + width, 0), 8);
  return rows.map((row) =>
    row.map((cell, at) => (at === column && columnsIn(cell) > room ? `${beginning(cell, room - 1)}…` : cell)),
  );
}
