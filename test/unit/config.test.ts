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

test('a timestamp authority is a web address without a password, its certificates a whole path', async (t) => {
  const file = join(await temporaryFolder(t), 'fit.toml');
  writeInitialConfig(file, { name: 'Elm', roles: ['arbiter', 'timestamp'] });
  assert.deepEqual(readConfig(file).timestamp, { url: '', certificates: '' });
  for (const url of ['tsa.example', 'file:///etc/passwd', 'http://me:pw@tsa.example/', 'https://', 'x'.repeat(3000)])
    assert.throws(() => setConfig(file, 'timestamp.url', url), bad, url);
  assert.throws(() => setConfig(file, 'timestamp.certificates', 'tsa.pem'), bad);
  setConfig(file, 'timestamp.url', 'http://tsa.example:318/tsr?x=1');
  setConfig(file, 'timestamp.certificates', '/etc/tsa.pem');
  const both = { url: 'http://tsa.example:318/tsr?x=1', certificates: '/etc/tsa.pem' };
  assert.deepEqual(readConfig(file).timestamp, both);
});
