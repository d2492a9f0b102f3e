import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig, setConfig, writeInitialConfig } from '../../src/daemon/config.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { temporaryFolder } from '../support/temporary.ts';

const bad = (error: unknown) => isFitError(error) && error.code === 'bad-config';

test('what the card could not say is refused as a setting, not at the next unlock', async (t) => {
  const file = join(await temporaryFolder(t), 'fit.toml');
  for (const name of ['a\tb', ' a', '\u202eelm', 'x'.repeat(65)])
    assert.throws(() => writeInitialConfig(file, { name, roles: [] }), bad, name);
  writeInitialConfig(file, { name: 'Elm', roles: ['arbiter'] });
  const before = readFileSync(file, 'utf8');
  assert.throws(() => setConfig(file, 'name', 'el\u200bm'), bad);
  for (const terms of ['x\u001b[2J', 'line\r\n', 'word '.repeat(3000)])
    assert.throws(() => setConfig(file, 'arbiter.terms', terms), bad, terms.slice(0, 10));
  assert.equal(readFileSync(file, 'utf8'), before);
  setConfig(file, 'arbiter.terms', 'I answer the same to both.\n');
  assert.equal(readConfig(file).arbiter.terms, 'I answer the same to both.\n');
});
