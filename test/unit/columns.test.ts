/** Lines for a terminal: nothing is lost, nothing is wider than it must be, and a pipe gets them whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnsOf, narrowed, wrapped } from '../../src/cli/columns.ts';
import { columns as columnsIn } from '../../src/lib/text.ts';

const word = fc.string({ unit: fc.constantFrom('a', 'Ω', '漢', '😀', '.'), minLength: 1, maxLength: 60 });

test('property: a sentence that is broken has its words in their order, and only a long word is wider than the terminal', () => {
  const run = fc.record({
    words: fc.array(word, { minLength: 1, maxLength: 40 }),
    columns: fc.integer({ min: 40, max: 120 }),
    indent: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(run, ({ words, columns, indent }) => {
      const lines = wrapped(words.join(' '), columns, indent);
      assert.deepEqual(
        lines.flatMap((line) => line.split(' ').filter((part) => part !== '')),
        words,
      );
      for (const line of lines) {
        const long = line.trim().split(' ').length > 1;
        if (long && columnsIn(line) > columns) assert.fail(`too wide: ${line}`);
      }
      for (const line of lines.slice(1)) assert.equal(line.search(/[^ ]/), indent);
    }),
  );
});

test('the gap behind a label is no place to break', () => {
  const value = 'x'.repeat(45);
  assert.deepEqual(wrapped(`they hold        ${value} and more`, 60, 17), [
    `they hold        ${value}`,
    `${' '.repeat(17)}and more`,
  ]);
  assert.deepEqual(wrapped(`note: ${value}`, 40, 6), [`note: ${value}`]);
});

test('one column of a table gives way, with a mark, and keeps enough to be told apart', () => {
  const rows = [
    ['DEAL', 'TITLE', 'UNTIL'],
    ['k7q2', 'Translation of forty pages into three languages', '4 Dec 2026, 11:00'],
  ];
  assert.deepEqual(narrowed(rows, 1, 50)[1], ['k7q2', 'Translation of forty pag…', '4 Dec 2026, 11:00']);
  assert.equal(narrowed(rows, 1, 40)[1]?.[1], 'Translation of…');
  assert.deepEqual(narrowed([['漢字漢字漢字漢字', 'x']], 0, 13), [['漢字漢字…', 'x']]);
  assert.deepEqual(narrowed(rows, 1, 200), rows);
  assert.deepEqual(narrowed(rows, 1, undefined), rows);
});

test('only a terminal has columns, and one that does not know them has none', () => {
  assert.equal(columnsOf({ isTTY: true, columns: 80 }), 80);
  assert.equal(columnsOf({ isTTY: true, columns: 0 }), undefined);
  assert.equal(columnsOf({ isTTY: false, columns: 80 }), undefined);
  assert.equal(columnsOf({}), undefined);
  assert.deepEqual(wrapped('a '.repeat(100).trim(), undefined), ['a '.repeat(100).trim()]);
});
