/**
 * The changes between two versions of a document: lines, and within changed lines words. The marks are characters, so
 * that the meaning does not hang on colour.
 */
import { diffLines, diffWordsWithSpace } from 'diff';
import { safeText } from '../lib/text.ts';
import type { Output as Whole } from './output.ts';

/** The marks are painted too where there is colour. */
type Output = Pick<Whole, 'paint'>;

export interface Change {
  readonly kind: 'same' | 'added' | 'removed';
  /** Whole lines, each with its line feed. */
  readonly text: string;
}

export function changesBetween(before: string, after: string): readonly Change[] {
  return diffLines(before, after).map((part) => ({
    kind: part.added ? 'added' : part.removed ? 'removed' : 'same',
    text: part.value,
  }));
}

const MAX_LINE_SHOWN = 64 * 1024;
/** Unchanged lines around a change. */
const CONTEXT_LINES = 2;

function linesOf(text: string): string[] {
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

function safe(text: string): string {
  return safeText(text, { maxLength: MAX_LINE_SHOWN });
}

/** One changed line: removed words in [-…-], added ones in {+…+}. */
function words(out: Output, before: string, after: string): string {
  return diffWordsWithSpace(before, after)
    .map((part) => {
      if (part.removed) return out.paint('red', `[-${safe(part.value)}-]`);
      return part.added ? out.paint('green', `{+${safe(part.value)}+}`) : safe(part.value);
    })
    .join('');
}

function shown(out: Output, changes: readonly Change[]): { readonly text: string; readonly isChange: boolean }[] {
  const rows: { text: string; isChange: boolean }[] = [];
  for (let index = 0; index < changes.length; index++) {
    const change = changes[index];
    const following = changes[index + 1];
    if (change === undefined) break;
    const lines = linesOf(change.text);
    if (change.kind === 'same') rows.push(...lines.map((line) => ({ text: `  ${safe(line)}`, isChange: false })));
    else if (
      change.kind === 'removed' &&
      following?.kind === 'added' &&
      linesOf(following.text).length === lines.length
    ) {
      const others = linesOf(following.text);
      rows.push(...lines.map((line, at) => ({ text: `~ ${words(out, line, others[at] ?? '')}`, isChange: true })));
      index++;
    } else {
      const [sign, style] = change.kind === 'added' ? (['+', 'green'] as const) : (['-', 'red'] as const);
      rows.push(...lines.map((line) => ({ text: out.paint(style, `${sign} ${safe(line)}`), isChange: true })));
    }
  }
  return rows;
}

/** The changes with a little of what is around them; nothing if the texts are equal. */
export function formatChanges(out: Output, changes: readonly Change[]): string[] {
  const rows = shown(out, changes);
  const near = rows.map((_, at) =>
    rows.slice(Math.max(at - CONTEXT_LINES, 0), at + CONTEXT_LINES + 1).some((row) => row.isChange),
  );
  const lines: string[] = [];
  rows.forEach((row, at) => {
    if (near[at]) lines.push(row.text);
    else if (at > 0 && near[at - 1] && near.indexOf(true, at) !== -1) lines.push('  ⋯');
  });
  return lines;
}
