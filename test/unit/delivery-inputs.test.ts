/** The table of bad input in docs/protocols/delivery.md names tests that are there, and everything that a delivery must stand. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const MUST_STAND = [
  /file differs from its description/,
  /the last one too/,
  /leaves are not of the root/,
  /receiver denies/,
  /receiver vanishes with the ciphertext/,
  /sender vanishes before its release/,
  /arbiter is down for hours/,
  /key of another file/,
  /receipt over other roots/,
  /tebibyte is claimed against a gibibyte/,
  /a million tiny files/,
  /1 000 levels deep, or with a cycle by hash/,
  /certificate that ends between promise and release/,
];

const page = readFileSync(join('docs', 'protocols', 'delivery.md'), 'utf8');
const section = /\n## Bad input\n([\s\S]*?)\n## /.exec(page)?.[1] ?? '';
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, what = '', end = '', shown = '']) => ({ what, end, shown }));

test('every bad input that a delivery must stand has a row', () => {
  for (const one of MUST_STAND)
    assert.ok(
      rows.some(({ what }) => one.test(what)),
      `${one}`,
    );
});

test('every row says how it ends and names a test that is there', () => {
  assert.ok(rows.length >= MUST_STAND.length);
  for (const { what, end, shown } of rows) {
    assert.ok(end.length > 0, what);
    const [, where = '', name = ''] = /^([\w/-]+): `(.+)`$/.exec(shown) ?? [];
    const file = where.includes('/') ? join('test', `${where}.test.ts`) : join('test', 'e2e', `${where}.test.ts`);
    assert.ok(existsSync(file), `${what}: ${file}`);
    assert.ok(readFileSync(file, 'utf8').includes(name), `${what}: ${file} no longer has "${name}"`);
  }
});
