import { test } from 'node:test';
import { explore } from './explore.ts';
import { RULES } from './rules.ts';
import * as worlds from './worlds.ts';

test('x', () => {
  for (const world of Object.values(worlds)) {
    const t = Date.now();
    const r = explore(world, RULES);
    console.log(world.name, r.states, r.transitions, Date.now() - t, 'ms', r.violation);
  }
});
