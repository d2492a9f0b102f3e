import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { setConfig } from '../../src/daemon/config.ts';
import { initHome } from '../../src/daemon/init.ts';
import { homePaths } from '../../src/lib/paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'fit-init-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const homeNamed = (name: string) => homePaths({ FIT_HOME: join(folder, name) });
const request = { name: 'Elm', roles: [], passphrase: 'secret words' };

test('refused settings make nothing', async () => {
  for (const [setting, message] of [
    [{ listen: 'nowhere' }, /fit\.toml: listen: write host:port/],
    [{ listen: '127.0.0.1:65536' }, /fit\.toml: listen: write host:port/],
    [{ patience: 'soon' }, /fit\.toml: exchange\.patience: write a number/],
    [{ roles: ['king'] }, /the roles that can be served are arbiter and timestamp/],
    [{ name: '' }, /fit\.toml: name/],
  ] as const) {
    const paths = homeNamed('refused');
    await assert.rejects(initHome(paths, { ...request, ...setting }), { code: 'bad-config', message });
    assert.equal(existsSync(paths.home), false);
  }
});

test('of two at once one is made, and the other leaves it alone', async () => {
  const paths = homeNamed('twice');
  const outcomes = await Promise.allSettled([initHome(paths, request), initHome(paths, { ...request, name: 'Oak' })]);
  assert.deepEqual(outcomes.map((one) => one.status).sort(), ['fulfilled', 'rejected']);
  const [refused] = outcomes.filter((one) => one.status === 'rejected');
  assert.equal(refused?.reason.code, 'home-exists');
  const [made] = outcomes.filter((one) => one.status === 'fulfilled');
  assert.match(readFileSync(paths.config, 'utf8'), new RegExp(`name = "${made?.value.name}"`));
  assert.deepEqual(
    readdirSync(dirname(paths.keys)).filter((name) => name.startsWith('keys')),
    ['keys'],
  );
});

test('a setting that does not exist is not found, and the file stays as it was', async () => {
  const paths = homeNamed('settings');
  await initHome(paths, request);
  const before = readFileSync(paths.config, 'utf8');
  for (const key of ['nope', 'exchange', 'exchange.nope', 'exchange.patience.more', '__proto__', 'constructor.name'])
    assert.throws(() => setConfig(paths.config, key, '3s'), { code: 'not-found' }, key);
  assert.throws(() => setConfig(paths.config, 'exchange.patience', 'soon'), { code: 'bad-config' });
  assert.equal(readFileSync(paths.config, 'utf8'), before);
  assert.equal(setConfig(paths.config, 'exchange.patience', '3s').exchange.patience, 3);
});
