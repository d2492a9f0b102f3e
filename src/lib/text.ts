/**
 * The one place where text that others chose becomes text for a terminal, a log or a manual page.
 *
 * Guarantees of `safeText`, for every string: no control character (so never ESC), no bidirectional control, nothing
 * invisible, unassigned or private, no lone surrogate, no line break but `\n` and that only when asked for, no pile of
 * combining marks, and no mark that would attach to what is printed before it; at most `maxLength` code points. What is
 * removed leaves a visible `�` (but for the selectors of a symbol's text or picture form). It is for showing only: text to be signed is refused instead (document lint).
 */

export interface SafeTextOptions {
  /** In code points, the `…` of a cut included. At least 1. */
  readonly maxLength: number;
  /** Keeps `\n` (CR LF counts as one) and turns a tab into spaces; otherwise both are replaced. */
  readonly multiline?: boolean;
}

const REPLACED = '\u{FFFD}';
const CUT = '…';
const MAX_MARKS = 4;
/** Reading stops here: an endless run of marks must not cost more than the text that is shown. */
const READ_FACTOR = 16;

/** All of category C (control, format, surrogate, private use, unassigned), line and paragraph separators, and what is
 * invisible though a letter or mark: default ignorables (fillers, selectors, joiners) and the blank braille pattern. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const EVERY_UNSAFE = new RegExp(UNSAFE, 'gu');
const MARK = /\p{M}/u;
/** Choose between the text and picture forms of a symbol; they carry nothing else, so they go without a sign. */
const PRESENTATION = /[\uFE0E\uFE0F]/;
/** Odd widths of space look like one space and are shown as one. */
const SPACE = /\p{Zs}/u;

export function safeText(text: string, options: SafeTextOptions): string {
  const { maxLength, multiline = false } = options;
  const shown: string[] = [];
  let marks = 0;
  let base = false;
  let consumed = 0;
  let previous = '';
  for (const char of text) {
    consumed += 1;
    if (shown.length > maxLength || consumed > maxLength * READ_FACTOR) {
      shown.length = Math.min(shown.length, maxLength - 1);
      shown.push(CUT);
      break;
    }
    if (PRESENTATION.test(char)) continue;
    const afterReturn = previous === '\r';
    previous = char;
    if (multiline && char === '\n') {
      if (afterReturn) shown.pop();
      shown.push('\n');
      base = false;
    } else if (multiline && char === '\t') {
      shown.push(' ', ' ');
      base = true;
    } else if (MARK.test(char) && !UNSAFE.test(char)) {
      marks += 1;
      if (base && marks <= MAX_MARKS) shown.push(char);
      // One sign for the rest of the pile, or for a mark that has nothing to stand on.
      else if (marks === 1 || (base && marks === MAX_MARKS + 1)) shown.push(REPLACED);
      continue;
    } else {
      shown.push(UNSAFE.test(char) ? REPLACED : SPACE.test(char) ? ' ' : char);
      base = true;
    }
    marks = 0;
  }
  if (shown.length > maxLength) {
    shown.length = maxLength - 1;
    shown.push(CUT);
  }
  return shown.join('');
}

/**
 * For a row that is put together from texts that were made safe: what `safeText` would replace is replaced, should a part of it
 * have come another way. Its marks are as they are.
 */
export function guarded(line: string): string {
  return line.replace(EVERY_UNSAFE, REPLACED);
}

/** East Asian wide and full-width forms (UAX #11), and pictures shown as such but for the letters that make a flag in pairs. */
const WIDE =
  /[\u1100-\u115F\u2329\u232A\u2630-\u2637\u268A-\u268F\u2E80-\u303E\u3041-\u3247\u3250-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE10-\uFE19\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{16FE0}-\u{16FFF}\u{17000}-\u{18DFF}\u{1AFF0}-\u{1B2FF}\u{1D300}-\u{1D376}\u{1F200}-\u{1F265}\u{20000}-\u{3FFFD}]|(?![\u{1F1E6}-\u{1F1FF}])\p{Emoji_Presentation}/u;
/** Drawn over what stands before; a spacing mark (a vowel sign) has a column of its own. */
const OVER = /[\p{Mn}\p{Me}]/u;

/**
 * Terminal columns of one line that `safeText` returned. Terminals differ on what some sequences join to: never fewer than any
 * of them needs, so that nothing of a line that fits its row is off the screen.
 */
export function columns(line: string): number {
  let width = 0;
  for (const char of line) width += OVER.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}
