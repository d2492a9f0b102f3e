import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columns, safeText } from '../../src/lib/text.ts';

/** Nothing of this may ever reach a terminal; written apart from the sanitiser's own classes. */
const FORBIDDEN =
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}\uE000-\uF8FF]|\p{Cs}|\p{Cn}|\p{M}{5}/u;

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
