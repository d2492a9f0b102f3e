/** What every command loads has neither the screens nor what draws them; and the screens import nothing that is not installed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const has = (name: string, what: RegExp): boolean => what.test(readFileSync(join('dist', name), 'utf8'));

test('the eager path loads neither ink nor react', () => {
  for (const name of ['fit.cjs', 'cli/program.cjs', 'cli/context.cjs', 'cli/overview.cjs', 'cli/ui.cjs'])
    assert.ok(!has(name, /react|yoga/), name);
  // They are in the one file that only `fit ui` imports.
  assert.ok(has('cli/terminal.mjs', /yoga/i));
  assert.ok(has('cli/ui.cjs', /import\(['"]\.\/terminal\.mjs['"]\)/));
  for (const name of readdirSync('dist/cli'))
    if (name !== 'ui.cjs') assert.ok(!has(`cli/${name}`, /terminal\.mjs/), name);
});

test('the screens are bundled without development tools', () => {
  assert.ok(!has('cli/terminal.mjs', /(from|import\() ?["']react-devtools-core["']/));
});
