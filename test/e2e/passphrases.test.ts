/** Where a command takes the passphrase from: a descriptor, a program, a variable, a file that others cannot read. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { endAll, runProgram, Trader, temporary } from '../support/traders.ts';

const folder = temporary();
const elm = new Trader(folder, 'elm');
const at = (name: string): string => join(folder, name);

before(async () => {
  await elm.init({});
  await elm.ok('daemon', 'start', ...elm.pw);
});
after(endAll);

test('passphrases: from a descriptor, a command, a variable; an open file warns', async () => {
  const env = { FIT_HOME: elm.home };
  const fromShell = (line: string) =>
    runProgram(
      '/bin/sh',
      ['-c', `exec ${process.execPath} bin/fit key export --out ${at('exported')} --force ${line}`],
      {
        env: { ...env, FIT_NON_INTERACTIVE: '1' },
      },
    );
  for (const line of [
    `--passphrase-fd 5 5<${elm.pw[1]}`,
    `--passphrase-command 'cat ${elm.pw[1]}'`,
    `--passphrase-file - <${elm.pw[1]}`,
  ]) {
    const said = await fromShell(line);
    assert.equal(said.code, 0, said.stderr);
  }
  const variable = await elm.fitWith({ env: { FIT_PASSPHRASE_FILE: elm.pw[1] } }, 'key', 'csr');
  assert.match(variable.stdout, /BEGIN CERTIFICATE REQUEST/);
  chmodSync(elm.pw[1], 0o644);
  const warned = await elm.fit('key', 'csr', ...elm.pw);
  assert.equal(warned.code, 0);
  assert.match(warned.stderr, /^fit: warning: /);
  chmodSync(elm.pw[1], 0o600);
  const missing = await elm.fails(5, 'key', 'csr');
  assert.match(missing.stderr, /--passphrase-file/);
});
