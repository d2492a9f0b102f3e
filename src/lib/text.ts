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

/** East Asian wide and full-width forms, and pictures shown as such. */
const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}/u;

/** Terminal columns of one line that `safeText` returned; an estimate, since terminals differ on some pictures. */
export function columns(line: string): number {
  let width = 0;
  for (const char of line) width += MARK.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}
