import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLru } from '../../src/crypto/lru.ts';

test('forgets what was used longest ago', () => {
  const kept = createLru<number>(2);
  kept.set('a', 1);
  kept.set('b', 2);
  assert.equal(kept.get('a'), 1);
  kept.set('c', 3);
  assert.equal(kept.get('b'), undefined);
  assert.equal(kept.get('a'), 1);
  assert.equal(kept.get('c'), 3);
  assert.equal(kept.size, 2);
});

test('a value set again is kept once, as the newest', () => {
  const kept = createLru<boolean>(2);
  kept.set('a', false);
  kept.set('b', true);
  kept.set('a', true);
  kept.set('c', true);
  assert.equal(kept.get('a'), true);
  assert.equal(kept.get('b'), undefined);
});
