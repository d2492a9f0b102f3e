/** The window of a delivery and the patience of its receiver. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_WINDOW, MAX_WINDOW, MIN_WINDOW, patienceWithin } from '../../src/lib/window.ts';

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
