/**
 * What a text must be before anyone may sign it (DESIGN §6): UTF-8, NFC, LF, at most 64 KiB, and nothing in it that a screen
 * shows as something else or not at all. Refuses with line and column; never repairs.
 *
 * Guarantees: at most `MAX_FINDINGS` findings, in the order of the text; linear time; an oversized input is not read at all.
 * Limits, kept on purpose: joiners (U+200C, U+200D), no-break spaces and variation selectors are refused, so some scripts
 * and emoji cannot be written; "unassigned" is judged by the Unicode version of the Node that runs; a word wholly in
 * another alphabet is allowed (the rule is about mixtures), and so a unit such as a Latin "k" before a Greek omega is not.
 * A missing line feed at the end of the file is allowed.
 */

export interface LintFinding {
  /** From 1; columns count characters (code points). */
  readonly line: number;
  readonly column: number;
  readonly code: string;
  /** Ours: lower case, no full stop, never text from the file. */
  readonly message: string;
}

export const MAX_TEXT_BYTES = 64 * 1024;
/** Longer lines hide text beyond the edge of a screen. */
const MAX_LINE = 200;
const MAX_FINDINGS = 50;
/** More of one kind tells a reader nothing new. */
const MAX_PER_CODE = 10;
/** Marks on one letter: enough for every living script, too few to paint over the lines around it. */
const MAX_MARKS = 4;

/** Tried in order; the first class a character belongs to names it. */
const CLASSES: readonly (readonly [code: string, pattern: RegExp, what: string])[] = [
  ['line-ending', /^\r$/, 'a carriage return: lines end in a line feed only'],
  ['tab', /^\t$/, 'a tab'],
  ['control', /^\p{Cc}$/u, 'a control character'],
  ['bidi', /^[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]$/, 'a control of writing direction'],
  ['invisible', /^\p{Default_Ignorable_Code_Point}$/u, 'an invisible character'],
  ['format', /^\p{Cf}$/u, 'a format character'],
  ['private-use', /^\p{Co}$/u, 'a private-use character'],
  ['unassigned', /^\p{Cn}$/u, 'an unassigned character'],
  ['space', /^[\p{Z}\u2800]$/u, 'a space other than U+0020'],
];
/** Any character of any class above, as one search: a clean line costs one pass. */
const SUSPECT = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const ALPHABETS = [/\p{Script=Latin}/u, /\p{Script=Greek}/u, /\p{Script=Cyrillic}/u];
const MARKS = new RegExp(`(?:^|[ ])\\p{M}|\\p{M}{${MAX_MARKS + 1},}`, 'gu');

class Findings {
  readonly list: LintFinding[] = [];
  private readonly counts = new Map<string, number>();

  /** `index` counts UTF-16 units into the line; the column is worked out only for findings that are kept. */
  add(number: number, line: string, index: number, code: string, message: string): void {
    const count = (this.counts.get(code) ?? 0) + 1;
    this.counts.set(code, count);
    if (count > MAX_PER_CODE) return;
    this.list.push({ line: number, column: Array.from(line.slice(0, index)).length + 1, code, message });
  }

  sorted(): LintFinding[] {
    return this.list.sort((a, b) => a.line - b.line || a.column - b.column).slice(0, MAX_FINDINGS);
  }
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

function lintCharacters(line: string, number: number, findings: Findings): void {
  for (const match of line.matchAll(SUSPECT)) {
    const character = match[0];
    const found = CLASSES.find(([, pattern]) => pattern.test(character));
    const [code, , what] = found ?? ['control', null, 'a character that may not be signed'];
    findings.add(number, line, match.index, code, `${codePoint(character)} is ${what}`);
  }
}

function lintWords(line: string, number: number, findings: Findings): void {
  for (const match of line.matchAll(WORD)) {
    if (ALPHABETS.filter((alphabet) => alphabet.test(match[0])).length > 1)
      findings.add(number, line, match.index, 'mixed-script', 'a word that mixes alphabets');
  }
  for (const match of line.matchAll(MARKS)) {
    findings.add(number, line, match.index, 'marks', 'accents without a letter, or too many on one');
  }
}

function lintLine(line: string, number: number, findings: Findings): void {
  lintCharacters(line, number, findings);
  const normal = line.normalize('NFC');
  if (normal !== line) {
    let index = 0;
    while (line[index] === normal[index]) index++;
    findings.add(number, line, index, 'nfc', 'not in Unicode normal form NFC');
  }
  lintWords(line, number, findings);
  let end = line.length;
  while (line[end - 1] === ' ') end--;
  if (end < line.length) findings.add(number, line, end, 'trailing-space', 'spaces at the end');
  if (line.length <= MAX_LINE) return;
  const characters = Array.from(line);
  if (characters.length > MAX_LINE) {
    const kept = characters.slice(0, MAX_LINE).join('').length;
    findings.add(
      number,
      line,
      kept,
      'long-line',
      `a line of ${characters.length} characters, the limit is ${MAX_LINE}`,
    );
  }
}

function decodes(bytes: Uint8Array, stream: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream });
  } catch {
    return undefined;
  }
}

/** Where the bytes stop being UTF-8: the longest prefix that is, or may become, valid. */
function firstIllFormed(bytes: Uint8Array): LintFinding {
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decodes(bytes.subarray(0, middle), true) === undefined) bad = middle;
    else good = middle;
  }
  const lines = (decodes(bytes.subarray(0, good), true) ?? '').split('\n');
  const last = lines.at(-1) ?? '';
  return { line: lines.length, column: Array.from(last).length + 1, code: 'utf-8', message: 'not valid UTF-8' };
}

/** The findings for a text as it lies in a file; none means that these bytes may be signed. */
export function lint(bytes: Uint8Array): LintFinding[] {
  if (bytes.length > MAX_TEXT_BYTES) {
    const message = `${bytes.length} bytes, the limit is ${MAX_TEXT_BYTES}`;
    return [{ line: 1, column: 1, code: 'size', message }];
  }
  const text = decodes(bytes, false);
  if (text === undefined) return [firstIllFormed(bytes)];
  if (text.trim() === '') return [{ line: 1, column: 1, code: 'empty', message: 'no text' }];
  const findings = new Findings();
  const marked = text.startsWith('\ufeff');
  if (marked) findings.add(1, '', 0, 'bom', 'U+FEFF is a byte-order mark');
  const lines = (marked ? text.slice(1) : text).split('\n');
  lines.forEach((line, index) => {
    lintLine(line, index + 1, findings);
  });
  return findings.sorted();
}

/** For names and other short texts that stand inside documents and cards: one line, lint-clean, no outer spaces. */
export function isPlainLine(text: string, maxLength: number): boolean {
  if (text === '' || text.length > maxLength || text !== text.trim() || !text.isWellFormed()) return false;
  const findings = new Findings();
  lintLine(text, 1, findings);
  return findings.list.length === 0;
}
