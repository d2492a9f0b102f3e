/**
 * Reading before signing: the exact text, numbered, page by page at the terminal. Every character is shown; a line wider
 * than the screen continues on the next row behind a mark. Signing is offered on the last page alone.
 */
import { FitError } from '../lib/errors.ts';
import { safeText } from '../lib/text.ts';
import type { Terminal } from './terminal.ts';

/** Rows that are not text: heading, empty row, key line. */
const FRAME_ROWS = 3;
const NUMBER_WIDTH = 5;
const CONTINUED = '↪';
const MAX_LINE_SHOWN = 64 * 1024;

/** The rows of `text` on a screen of `columns`: number, bar, text; a continued line has the mark for a number. */
export function layOut(text: string, columns: number): string[] {
  const width = Math.max(columns - NUMBER_WIDTH - 2, 20);
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
  return lines.flatMap((line, index) => {
    const characters = Array.from(safeText(line, { maxLength: MAX_LINE_SHOWN }));
    const rows: string[] = [];
    for (let at = 0; at === 0 || at < characters.length; at += width) {
      const gutter = at === 0 ? String(index + 1) : CONTINUED;
      rows.push(`${gutter.padStart(NUMBER_WIDTH)}│ ${characters.slice(at, at + width).join('')}`.trimEnd());
    }
    return rows;
  });
}

export function paginate(rows: readonly string[], perPage: number): readonly (readonly string[])[] {
  const pages: (readonly string[])[] = [];
  for (let at = 0; at === 0 || at < rows.length; at += perPage) pages.push(rows.slice(at, at + perPage));
  return pages;
}

const NEXT = new Set(['\r', '\n', ' ', '\u001b[6~', '\u001b[C', '\u001b[B', 'n', 'j']);
const BACK = new Set(['b', 'p', 'k', '\u001b[5~', '\u001b[D', '\u001b[A']);
const STOP = new Set(['q', '\u001b']);

/**
 * Shows the pages, then `summary`, and returns when the person asks to sign. Throws `refused` when they leave.
 * `heading` and `summary` are safe lines; `verb` is what the key `s` does: sign, propose.
 */
export async function readAndDecide(
  terminal: Terminal,
  input: {
    readonly heading: string;
    readonly text: string;
    readonly summary: readonly string[];
    readonly verb: string;
  },
): Promise<void> {
  const pages = paginate(layOut(input.text, terminal.columns), terminal.rows - FRAME_ROWS);
  let page = 0;
  for (;;) {
    const isLast = page === pages.length - 1;
    terminal.write(`\n${input.heading} · page ${page + 1} of ${pages.length}\n${(pages[page] ?? []).join('\n')}\n`);
    if (isLast) terminal.write(`\n${input.summary.join('\n')}\n`);
    const keys = [isLast ? `s ${input.verb}` : '↵ next page', ...(page > 0 ? ['b back'] : []), 'q leave'];
    terminal.write(`${keys.join(' · ')} `);
    for (;;) {
      const key = await terminal.readKey();
      if (STOP.has(key)) {
        terminal.write('\n');
        throw new FitError('refused', 'you left without an answer: nothing was signed');
      }
      if (isLast && key === 's') {
        terminal.write('\n');
        return;
      }
      if (!isLast && NEXT.has(key)) {
        page++;
        break;
      }
      if (page > 0 && BACK.has(key)) {
        page--;
        break;
      }
    }
    terminal.write('\n');
  }
}
