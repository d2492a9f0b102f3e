/** The window of a delivery and the patience of its receiver. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_CONTENT_BYTES } from '../../src/crypto/content.ts';
import { DEFAULT_WINDOW, leastWindow, MAX_WINDOW, MIN_WINDOW, patienceWithin } from '../../src/lib/window.ts';

test('a receiver asks while most of the window is left, however patient it is', () => {
  for (const window of [MIN_WINDOW, 3600, DEFAULT_WINDOW, MAX_WINDOW])
    for (const patienceMs of [0, 120_000, 3_600_000, 400 * 86_400_000]) {
      const waits = patienceWithin(window, patienceMs);
      assert.ok(waits <= patienceMs && waits * 4 <= window * 1000, `${window} ${patienceMs}`);
      if (patienceMs * 4 <= window * 1000) assert.equal(waits, patienceMs, 'no less patient than it was told to be');
    }
});

test('a contract has no window, and patience is what the configuration says', () => {
  assert.equal(patienceWithin(0, 400 * 86_400_000), 400 * 86_400_000);
});

test('a window leaves half of it for comparing, and the usual one suffices for any content', () => {
  const perSecond = 16 * 1024 * 1024;
  for (const bytes of [0, 1, 30 * perSecond, 30 * perSecond + 1, 2 ** 36, MAX_CONTENT_BYTES])
    assert.ok(bytes / perSecond <= leastWindow(bytes) / 2 && leastWindow(bytes) >= MIN_WINDOW, String(bytes));
  assert.equal(leastWindow(30 * perSecond), MIN_WINDOW);
  assert.equal(leastWindow(30 * perSecond + 1), MIN_WINDOW + 1);
  assert.ok(leastWindow(MAX_CONTENT_BYTES) <= DEFAULT_WINDOW);
});
