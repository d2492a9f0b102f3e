import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { difference } from '../../src/cli/terminal/frame.ts';
import { createLines } from '../../src/cli/terminal/lines.ts';
import type { Look } from '../../src/cli/terminal/theme.ts';
import { fit, shorten } from '../../src/cli/terminal/widgets/line.tsx';
import { columns, safeText } from '../../src/lib/text.ts';

/** No character of this may ever reach a terminal; written apart from the sanitiser's own classes. */
const NEVER =
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]|[\uFE00-\uFE0F]|\p{Co}|\p{Cs}|\p{Cn}/u;
const FORBIDDEN = new RegExp(`${NEVER.source}|\\p{M}{5}`, 'u');

/** The whole of Unicode, lone surrogates and what is hostile more often than it comes by chance. */
const anyText = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      fc.constantFrom(
        '\x1b',
        '\x1b[2J',
        '\x9b',
        '\r',
        '\n',
        '\r\n',
        '\t',
        '\u202e',
        '\u0301',
        '\u200d',
        '\ufe0f',
        'a',
        ' ',
      ),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(''));

test('whatever goes in, nothing comes out that a terminal would obey or hide', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 80 }), fc.boolean(), (text, maxLength, multiline) => {
      const shown = safeText(text, { maxLength, multiline });
      assert.ok(!FORBIDDEN.test(shown), JSON.stringify(shown));
      assert.ok(multiline || !shown.includes('\n'));
      assert.ok([...shown].length <= maxLength);
      assert.ok(!/^\p{M}|\n\p{M}/u.test(shown), 'a mark would attach to what was printed before');
      assert.equal(safeText(shown, { maxLength, multiline }), shown, 'idempotent');
    }),
    { numRuns: 3000 },
  );
});

test('every single code point, alone and after a letter', () => {
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const char = String.fromCodePoint(code);
    for (const text of [char, `a${char}`]) {
      const shown = safeText(text, { maxLength: 5, multiline: true });
      if (FORBIDDEN.test(shown)) assert.fail(`U+${code.toString(16)}`);
    }
  }
});

test('ordinary text of any language is left as it is', () => {
  for (const text of [
    'Müller & Söhne, 3 × 25,50 €',
    '株式会社ファイア',
    'Привет, мир!',
    'שלום עולם',
    'नमस्ते',
    'สวัสดี',
    'e\u0301te\u0301',
    '👍🏽 🎉',
    '',
  ])
    assert.equal(safeText(text, { maxLength: 100 }), text);
});

for (const [why, text, options, expected] of [
  ['an escape sequence', 'a\x1b[31mred', {}, 'a�[31mred'],
  ['an 8-bit control', 'a\x9b31m', {}, 'a�31m'],
  ['a carriage return that would overwrite the line', 'pay 5\rpay 9', {}, 'pay 5�pay 9'],
  ['line breaks and tabs in a single line', 'a\n\tb', {}, 'a��b'],
  ['line breaks where they are allowed', 'a\r\nb\nc\rd\te', { multiline: true }, 'a\nb\nc�d  e'],
  ['a right-to-left override', 'invoice\u202Efdp.exe', {}, 'invoice�fdp.exe'],
  ['a zero-width space', 'pay\u200Bpal', {}, 'pay�pal'],
  ['an invisible letter', 'a\u3164b\u2800c', {}, 'a�b�c'],
  ['a lone surrogate', 'a\ud83db', {}, 'a�b'],
  ['odd spaces', 'a\u00a0b\u2003c\u3000d', {}, 'a b c d'],
  ['a pile of marks', `a${'\u0301'.repeat(50)}b`, {}, `a${'\u0301'.repeat(4)}�b`],
  ['a mark at the beginning', '\u0301a', {}, '�a'],
  ['a selector of the picture form', '❤\ufe0f!', {}, '❤!'],
  ['too much', 'x'.repeat(21), {}, `${'x'.repeat(19)}…`],
  ['just enough', 'x'.repeat(20), {}, 'x'.repeat(20)],
] as const) {
  test(`replaces ${why}`, () => {
    assert.equal(safeText(text, { maxLength: 20, ...options }), expected);
  });
}

test('an endless pile of marks costs no more than what is shown', () => {
  const flood = `a${'\u0301'.repeat(5_000_000)}`;
  const start = performance.now();
  assert.ok([...safeText(flood, { maxLength: 20 })].length <= 20);
  assert.ok(performance.now() - start < 200);
});

test('columns', () => {
  for (const [text, width] of [
    ['abc', 3],
    ['株式', 4],
    ['e\u0301', 1],
    ['🎉', 2],
    ['', 0],
  ] as const)
    assert.equal(columns(text), width, text);
});

/** All code points of Unicode; a letter between two keeps surrogates apart and gives marks something to stand on. */
function* everyCodePoint(at: number): Generator<string> {
  for (let from = 0; from <= 0x10ffff; from += at) {
    let row = '';
    for (let code = from; code < from + at && code <= 0x10ffff; code += 1) row += `a${String.fromCodePoint(code)}`;
    yield row;
  }
}

const WIDTH = 120;
const LOOKS: readonly Look[] = [{}, { bold: true }, { color: 'cyan', inverse: true }];

/** What `fit ui` writes to the terminal for a row with this text. */
function written(text: string, look: Look): string {
  const lines = createLines();
  const sign = lines.take();
  lines.set(sign, { text, look });
  return difference(undefined, [lines.expand(sign)], 1);
}

/** Without what `fit ui` itself says to the terminal: places, erasing, looks, the frame's begin and end. */
const textOf = (output: string): string =>
  output.replace(/\u001b\[(?:\?2026[hl]|2J|K|1;1H|(?:[0-9]|3[0-9])(?:;(?:[0-9]|3[0-9]))*m)/g, '');

test('at the boundary of fit ui no code point is more than text, made safe before or not', () => {
  let at = 0;
  for (const row of everyCodePoint(64)) {
    // Each look for a third of them: looks do not depend on the text.
    const look = LOOKS[at++ % LOOKS.length] ?? {};
    const raw = textOf(written(row, look));
    if (NEVER.test(raw) || raw.includes('\n')) assert.fail(`raw: ${JSON.stringify(row)} → ${JSON.stringify(raw)}`);
    const safe = fit(safeText(row, { maxLength: 1000 }), WIDTH);
    const shown = textOf(written(safe, look));
    // What was made safe is shown as it is.
    if (shown !== safe) assert.fail(`${JSON.stringify(safe)} → ${JSON.stringify(shown)}`);
  }
});

test('at the boundary of fit ui no text is more than text, nor wider than its row', () => {
  fc.assert(
    fc.property(anyText, fc.constantFrom(...LOOKS), fc.integer({ min: 1, max: WIDTH }), (text, look, width) => {
      const raw = textOf(written(text, look));
      assert.ok(!NEVER.test(raw) && !raw.includes('\n'), JSON.stringify(raw));
      const shown = textOf(written(fit(safeText(text, { maxLength: 200 }), width), look));
      assert.ok(!FORBIDDEN.test(shown), JSON.stringify(shown));
      assert.equal(columns(shown), width);
      assert.ok(stringWidth(shown) <= width, JSON.stringify(shown));
    }),
    { numRuns: 3000 },
  );
});

for (const [what, text, expected] of [
  [
    'a link (OSC 8)',
    '\u001b]8;;https://evil.example/\u001b\\pay here\u001b]8;;\u001b\\',
    '�]8;;https://evil.example/�\\pay here�]8;;�\\',
  ],
  ['a link that ends with BEL', '\u001b]8;;file:///etc\u0007x', '�]8;;file:///etc�x'],
  ['the clipboard (OSC 52)', '\u001b]52;c;cm0gLXJmIH4=\u0007', '�]52;c;cm0gLXJmIH4=�'],
  ['the clipboard with 8-bit controls', '\u009d52;c;cm0gLXJmIH4=\u009c', '�52;c;cm0gLXJmIH4=�'],
  ['the title', '\u001b]0;root\u0007', '�]0;root�'],
  ['a device control string', '\u001bP+q544e\u001b\\', '�P+q544e�\\'],
  ['the other screen', '\u001b[?1049l', '�[?1049l'],
  ['a sign of the painter', '\u{F0000}\u{F0001}', '��'],
] as const) {
  test(`${what} in a peer's text is shown and not obeyed`, () => {
    const safe = safeText(text, { maxLength: 200 });
    assert.equal(safe, expected);
    for (const look of LOOKS) {
      assert.equal(textOf(written(safe, look)), expected);
      assert.equal(textOf(written(text, look)), expected);
    }
  });
}

test('floods of marks and names of 10,000 characters are cut to their row', () => {
  const marks = ['\u0301', '\u0e4e', '\u20dd', '\u0903'];
  for (const name of [
    'x'.repeat(10_000),
    '漢'.repeat(10_000),
    '👍🏽'.repeat(5000),
    `a${marks.join('').repeat(2500)}`,
    `a${'\u0301'.repeat(9)}`.repeat(1000),
    '\u202e'.repeat(10_000),
    '\ud83d'.repeat(10_000),
    '\u001b[2J'.repeat(2500),
  ])
    for (const width of [1, 2, 14, 80]) {
      const shown = textOf(written(fit(safeText(name, { maxLength: 80 }), width), {}));
      assert.equal(columns(shown), width);
      assert.ok(stringWidth(shown) <= width, shown);
      // A letter with its four marks and the sign for the others, at most, for each column.
      assert.ok(Array.from(shown).length <= width * 6, String(Array.from(shown).length));
      assert.ok(!FORBIDDEN.test(shown));
    }
});

/** Joined by string-width, not by every terminal: counted apart, which is never too few. */
const JOINED = /\u0E33|\u0EB3|[\u{1F3FB}-\u{1F3FF}]/u;

test('columns of every code point that is let through, alone and after a letter, as string-width counts them', () => {
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const char = String.fromCodePoint(code);
    const alone = safeText(char, { maxLength: 5 });
    // Most of Unicode: replaced, and that sign is counted below.
    if (alone === '\u{FFFD}' && code !== 0xfffd && !/\p{M}/u.test(char)) continue;
    if (columns(alone) !== stringWidth(alone)) assert.fail(`U+${code.toString(16)} alone: ${columns(alone)}`);
    const after = safeText(`a${char}`, { maxLength: 5 });
    const [ours, theirs] = [columns(after), stringWidth(after)];
    if (JOINED.test(char) ? ours < theirs : ours !== theirs) assert.fail(`U+${code.toString(16)}: ${ours}, ${theirs}`);
  }
});

test('columns of any text are never fewer than string-width counts', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.string({ unit: 'grapheme' })), (text) => {
      const safe = safeText(text, { maxLength: 100 });
      assert.ok(columns(safe) >= stringWidth(safe), `${JSON.stringify(safe)}: ${columns(safe)}, ${stringWidth(safe)}`);
    }),
    { numRuns: 5000 },
  );
});

test('a flag is as wide as a picture, and a vowel sign has a column of its own', () => {
  assert.equal(columns('🇩🇪'), 2);
  assert.equal(columns('का'), 2);
  assert.equal(shorten('🇩🇪🇫🇷', 4), '🇩🇪🇫🇷');
});
