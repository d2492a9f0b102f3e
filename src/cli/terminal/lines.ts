/**
 * The text of the rows, kept out of Ink: Ink lays out one sign for each row, and the painter (frame.ts) puts the row's text in
 * its place. Ink measures and takes apart every character of every row at every frame, which for a full screen takes longer
 * than a person waits for a key.
 * Guarantees: the text of a row has no control character but those of its look, and nothing that is invisible, turns the
 * direction or is nobody's character, whoever put it there; signs are as many as rows that are mounted.
 */
import { columns, guarded } from '../../lib/text.ts';
import type { Look } from './theme.ts';

export interface Row {
  readonly text: string;
  readonly look: Look;
}

export interface Lines {
  /** A sign for a new row. */
  take(): string;
  set(sign: string, row: Row): void;
  give(sign: string): void;
  /** A line that Ink laid out, with the text of its rows in their columns. */
  expand(line: string): string;
  /** Called when a row's text was set. */
  onChange(listener: () => void): void;
}

/** The supplementary private use planes: nobody's text (safeText lets none through), one column each. */
const FIRST = 0xf0000;
const SIGN = /[\u{F0000}-\u{FFFFD}]/u;

const COLORS: Readonly<Record<string, number>> = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };

function styled(text: string, look: Look): string {
  const codes = [
    ...(look.bold === true ? [1] : []),
    ...(look.dimColor === true ? [2] : []),
    ...(look.italic === true ? [3] : []),
    ...(look.inverse === true ? [7] : []),
    ...(look.color === undefined ? [] : [COLORS[look.color] ?? 39]),
  ];
  return codes.length === 0 ? text : `\u001b[${codes.join(';')}m${text}\u001b[0m`;
}

export function createLines(): Lines {
  const rows = new Map<string, { readonly shown: string; readonly width: number }>();
  const free: string[] = [];
  let next = FIRST;
  let changed: () => void = () => {};
  return {
    take: () => free.pop() ?? String.fromCodePoint(next++),
    set(sign, row) {
      const text = guarded(row.text);
      rows.set(sign, { shown: styled(text, row.look), width: columns(text) });
      changed();
    },
    give(sign) {
      rows.delete(sign);
      free.push(sign);
    },
    expand(line) {
      if (!SIGN.test(line)) return line;
      let out = '';
      let column = 0;
      let used = 0;
      for (const char of line) {
        const row = SIGN.test(char) ? rows.get(char) : undefined;
        const isBlank = char === ' ' || SIGN.test(char);
        if (row !== undefined || !isBlank) {
          if (used < column) out += ' '.repeat(column - used);
          out += row?.shown ?? char;
          used = Math.max(used, column) + (row?.width ?? 1);
        }
        column += 1;
      }
      return out;
    },
    onChange(listener) {
      changed = listener;
    },
  };
}
