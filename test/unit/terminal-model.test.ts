/** Text on a screen: what of it counts as seen, and rows that lose nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  cutColumns,
  isAllSeen,
  nextUnseen,
  nothingSeen,
  type Pair,
  pairsBeside,
  readable,
  rowsOf,
  seeWindow,
  unseen,
} from '../../src/cli/terminal/model.ts';
import { columns } from '../../src/lib/text.ts';

test('a line is seen when all of it was on the screen, without a gap', () => {
  const text = readable(`short\n${'x'.repeat(100)}\n\n${'漢'.repeat(30)}\n`);
  let seen = nothingSeen(text);
  assert.equal(unseen(seen, text), 4);
  seen = seeWindow(seen, text, 0, 4, 0, 50);
  // The two wide ones go on to the right.
  assert.equal(unseen(seen, text), 2);
  // Jumped over the middle: that is not seeing it.
  assert.equal(unseen(seeWindow(seen, text, 0, 4, 60, 50), text), 2);
  seen = seeWindow(seen, text, 0, 4, 50, 50);
  assert.ok(isAllSeen(seen, text));
});

test('property: going on to what was not seen shows every character, wide ones whole, and ends', () => {
  const line = fc.string({ unit: fc.constantFrom('a', '漢', ' '), maxLength: 200 });
  const run = fc.record({
    lines: fc.array(line, { minLength: 1, maxLength: 12 }),
    height: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 20, max: 60 }),
  });
  fc.assert(
    fc.property(run, ({ lines, height, width }) => {
      const text = readable(`${lines.join('\n')}\n`);
      const most = Math.max(0, text.lines.length - height);
      const right = Math.max(0, Math.max(...text.widths) - width);
      let seen = nothingSeen(text);
      const shown = text.lines.map(() => new Set<number>());
      for (let steps = 0; ; steps++) {
        const next = nextUnseen(seen, text);
        if (next === undefined) break;
        assert.ok(steps < text.lines.length * 50, 'it ends');
        const [top, left] = [Math.min(next.line, most), Math.min(next.column, right)];
        seen = seeWindow(seen, text, top, height, left, width);
        for (const [at, characters] of text.lines.slice(top, top + height).entries()) {
          let column = 0;
          for (const [index, character] of Array.from(characters).entries()) {
            const end = column + columns(character);
            if (column >= left && end <= left + width) shown[top + at]?.add(index);
            column = end;
          }
        }
      }
      assert.ok(isAllSeen(seen, text));
      for (const [at, characters] of text.lines.entries()) assert.equal(shown[at]?.size, Array.from(characters).length);
    }),
  );
});

test('what cannot be shown as it is cannot be signed', () => {
  assert.equal(readable('a\u001b[31mb\n').isExact, false);
  assert.equal(readable('a b\n漢字 ✓\n').isExact, true);
});

test('rows are no wider than told and keep every character but the spaces at their breaks', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'bc', '漢字', 'x'.repeat(70), '', 'digest', '✓'), { maxLength: 30 }),
      fc.integer({ min: 2, max: 60 }),
      (words, width) => {
        const text = words.join(' ');
        const rows = rowsOf(text, width);
        for (const row of rows) assert.ok(columns(row) <= width, row);
        assert.equal(rows.join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
      },
    ),
  );
  assert.deepEqual(rowsOf('  indented stays', 40), ['  indented stays']);
});

test('a wide character at an edge is left out whole', () => {
  assert.equal(cutColumns('a漢b', 0, 2), 'a');
  assert.equal(cutColumns('a漢b', 2, 3), 'b');
  assert.equal(cutColumns('a漢b', 1, 2), '漢');
});

test('any two versions are reached from any other two, and only versions that there are', () => {
  for (let count = 2; count <= 6; count += 1) {
    const key = ({ before, after }: Pair): string => `${before} ${after}`;
    const reached = new Set<string>();
    const open: Pair[] = [{ before: count - 1, after: count }];
    for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
      if (reached.has(key(pair))) continue;
      reached.add(key(pair));
      assert.ok(pair.before >= 1 && pair.before < pair.after && pair.after <= count, key(pair));
      const beside = pairsBeside(pair, count);
      // Each step has one that takes it back.
      if (beside.older !== undefined) assert.deepEqual(pairsBeside(beside.older, count).newer, pair);
      if (beside.wider !== undefined) assert.deepEqual(pairsBeside(beside.wider, count).closer, pair);
      open.push(...Object.values(beside).filter((one) => one !== undefined));
    }
    assert.equal(reached.size, (count * (count - 1)) / 2);
  }
});
