/** docs/terminal.md shows every screen and question that the sources have, at both sizes, and what it shows is a screen. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { columns } from '../../src/lib/text.ts';
import { blocksOf, SHOTS, sizesOf } from '../support/captures.ts';

const blocks = blocksOf(readFileSync('docs/terminal.md', 'utf8'));
const TERMINAL = 'src/cli/terminal';

test('the page has the captures of every shot and no others', () => {
  assert.deepEqual(
    [...blocks.keys()],
    SHOTS.map((shot) => shot.title),
  );
  for (const shot of SHOTS) assert.equal(blocks.get(shot.title)?.length, sizesOf(shot).length, shot.title);
});

for (const shot of SHOTS) {
  test(`docs/terminal.md: ${shot.title}`, () => {
    for (const [index, size] of sizesOf(shot).entries()) {
      const text = blocks.get(shot.title)?.[index] ?? '';
      assert.match(text, shot.sign);
      const lines = text.split('\n');
      assert.ok(lines.length <= size.rows, `${lines.length} rows`);
      for (const line of lines) assert.ok(columns(line) <= size.columns, line);
    }
  });
}

test('every screen and every question of the sources is on the page', () => {
  const shown = new Set(SHOTS.flatMap((shot) => shot.drawnBy));
  for (const folder of ['screens', 'modals']) {
    for (const file of readdirSync(join(TERMINAL, folder))) {
      const source = readFileSync(join(TERMINAL, folder, file), 'utf8');
      const made = source.matchAll(/^export (?:async )?(?:const|function) (\w+Screen|ask\w*|confirm|readToSign)\b/gm);
      for (const [, name = ''] of made)
        assert.ok(shown.has(name), `${folder}/${file}: ${name} is not in docs/terminal.md`);
    }
  }
});
