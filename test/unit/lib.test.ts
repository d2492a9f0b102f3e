import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rename, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { FitError, PeerFault } from '../../src/lib/errors.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../../src/lib/log.ts';
import { createMutex } from '../../src/lib/mutex.ts';
import { ensureDirs, homePaths } from '../../src/lib/paths.ts';
import { createDaemonLog } from '../../src/lib/pino-log.ts';
import { checkPrivateFolder, ensurePrivateFolder } from '../../src/lib/private-folder.ts';
import { temporaryFolder } from '../support/temporary.ts';

describe('paths', () => {
  test('FIT_HOME overrides everything', () => {
    const paths = homePaths({ FIT_HOME: '/h', HOME: '/u', XDG_CONFIG_HOME: '/c', XDG_RUNTIME_DIR: '/r' });
    for (const path of Object.values(paths)) assert.ok(path.startsWith('/h'), path);
    assert.equal(homePaths({ FIT_HOME: 'relative' }).home, join(process.cwd(), 'relative'));
  });

  test('the XDG folders, and their defaults where a variable is unset, empty or relative', () => {
    const xdg = homePaths({
      HOME: '/u',
      XDG_CONFIG_HOME: '/c',
      XDG_DATA_HOME: '/d',
      XDG_STATE_HOME: '/s',
      XDG_RUNTIME_DIR: '/r',
    });
    assert.equal(xdg.config, '/c/fit/fit.toml');
    assert.equal(xdg.archive, '/d/fit/archive');
    assert.equal(xdg.log, '/s/fit/fitd.log');
    assert.equal(xdg.socket, '/r/fit/fitd.sock');
    const plain = homePaths({ HOME: '/u', FIT_HOME: '', XDG_CONFIG_HOME: 'relative', XDG_DATA_HOME: '' });
    assert.equal(plain.config, '/u/.config/fit/fit.toml');
    assert.equal(plain.archive, '/u/.local/share/fit/archive');
    assert.equal(plain.socket, '/u/.local/state/fit/run/fitd.sock');
  });

  test('a socket path always fits, and differs for two homes', () => {
    const long = (letter: string) => `/${letter.repeat(120)}`;
    const sockets = [
      homePaths({ FIT_HOME: long('a') }),
      homePaths({ FIT_HOME: long('b') }),
      homePaths({ FIT_HOME: long('é') }),
      homePaths({ FIT_HOME: long('a'), XDG_RUNTIME_DIR: long('r') }),
      homePaths({ FIT_HOME: long('a'), XDG_RUNTIME_DIR: '/run/user/1000' }),
      homePaths({ HOME: '/u', XDG_RUNTIME_DIR: long('r') }),
    ].map(({ socket }) => socket);
    for (const socket of sockets) assert.ok(Buffer.byteLength(socket) <= 103, socket);
    assert.equal(new Set(sockets.slice(0, 3)).size, 3);
    assert.match(sockets[4] ?? '', /^\/run\/user\/1000\/fit\//);
  });

  test('makes the folders for their owner alone', async (t) => {
    const home = join(await temporaryFolder(t), 'home');
    const paths = homePaths({ FIT_HOME: home });
    ensureDirs(paths);
    ensureDirs(paths);
    for (const folder of [home, paths.state, join(paths.socket, '..')])
      assert.equal((await stat(folder)).mode & 0o777, 0o700, folder);
  });

  test('a folder for a socket that is a link, or open to others, is refused or closed', async (t) => {
    const folder = await temporaryFolder(t);
    const real = join(folder, 'real');
    await mkdir(real, { mode: 0o755 });
    await chmod(real, 0o755);
    assert.throws(() => checkPrivateFolder(real), FitError);
    ensurePrivateFolder(real);
    checkPrivateFolder(real);
    const link = join(folder, 'link');
    await symlink(real, link);
    assert.throws(() => checkPrivateFolder(link), FitError);
    assert.throws(() => ensurePrivateFolder(link), FitError);
  });
});

describe('mutex', () => {
  test('one key in turn, also after a failure; several keys at once; nothing is left', async () => {
    const mutex = createMutex();
    const log: string[] = [];
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const first = mutex.run('a', async () => {
      log.push('a1 begins');
      await opened;
      log.push('a1 ends');
      throw new Error('a1');
    });
    const second = mutex.run('a', () => log.push('a2'));
    await mutex.run('b', () => log.push('b1'));
    assert.equal(mutex.size > 0, true);
    open();
    await assert.rejects(first, /a1/);
    assert.equal(await second, 4);
    assert.deepEqual(log, ['a1 begins', 'b1', 'a1 ends', 'a2']);
    await mutex.run('a', () => {});
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(mutex.size, 0);
  });
});

describe('log', () => {
  function capture(level: LogLevel) {
    const lines: { level: LogLevel; fields: Record<string, unknown>; message: string }[] = [];
    return { lines, log: createLogger(level, (at, fields, message) => lines.push({ level: at, fields, message })) };
  }

  test('writes its level and more severe ones', () => {
    for (const [i, level] of LOG_LEVELS.entries()) {
      const { log, lines } = capture(level);
      for (const one of LOG_LEVELS) log[one]({}, 'x');
      assert.deepEqual(
        lines.map((line) => line.level),
        LOG_LEVELS.slice(0, i + 1),
      );
    }
  });

  test('withholds text at info and above; shows it cleaned at debug', () => {
    const { log, lines } = capture('debug');
    const fields = { title: 'Sale of a\x1b[31m car', deal: '4h2k9', count: 3, online: true, gone: undefined };
    log.info(fields, 'offer');
    log.debug(fields, 'offer');
    assert.deepEqual(lines[0]?.fields, { title: '(withheld: 18 characters)', deal: '4h2k9', count: 3, online: true });
    assert.equal(lines[1]?.fields.title, 'Sale of a�[31m car');
  });

  test('secrets are never written, whatever their level and type', () => {
    const { log, lines } = capture('trace');
    const secret = 'hunter2';
    for (const level of LOG_LEVELS)
      log[level](
        {
          passphrase: secret,
          vaultKey: secret,
          seed: Buffer.from(secret),
          secretScalar: 7,
          nested: { passphrase: secret },
          bytes: Buffer.from(secret),
        },
        'x',
      );
    assert.equal(lines.length, 5);
    assert.doesNotMatch(JSON.stringify(lines), /hunter2|"secretScalar":7/);
    assert.equal(lines[0]?.fields.bytes, '(7 bytes)');
  });

  test('errors: our own words, the code and the stack; never the text of a peer', () => {
    const { log, lines } = capture('debug');
    log.error({ error: new FitError('disk-full', 'the disk is full') }, 'x');
    log.error({ error: new PeerFault('malformed', 'peer says\x1b[0m hello') }, 'x');
    log.error({ error: new TypeError('cannot read "hello from a peer"') }, 'x');
    log.error({ error: 'hello' }, 'x');
    const said = lines.map(({ fields }) => String(fields.error));
    assert.equal(said[0], 'FitError(disk-full): the disk is full');
    assert.match(said[1] ?? '', /^PeerFault\(malformed\) \| at /);
    assert.match(said[2] ?? '', /^TypeError \| at .*lib\.test/);
    assert.doesNotMatch(said.join(), /hello|\x1b/);
  });

  test('the daemon writes JSON lines to a file of its own, and again after the file was moved away', async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'state', 'fitd.log');
    const log = createDaemonLog({ level: 'info', file });
    log.info({ deal: 'abc' }, 'offered');
    log.debug({}, 'not written');
    await rename(file, join(folder, 'old.log'));
    log.reopen();
    log.warn({}, 'after');
    const old = (await readFile(join(folder, 'old.log'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(old.length, 1);
    const { time, ...rest } = old[0];
    assert.deepEqual(rest, { level: 'info', deal: 'abc', msg: 'offered' });
    assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.equal(JSON.parse(await readFile(file, 'utf8')).msg, 'after');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });
});

test('a time comes also after the machine has slept, and not later when the clock was set back', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1_800_000_000_000;
  t.mock.method(Date, 'now', () => now);
  const DAY = 86_400_000;
  let called = 0;
  systemClock.at(now + 10 * DAY, () => {
    called += 1;
  });
  // Ten days, of which the machine was awake for two minutes.
  now += 9 * DAY;
  t.mock.timers.tick(60_000);
  assert.equal(called, 0);
  now += DAY;
  t.mock.timers.tick(60_000);
  assert.equal(called, 1);

  systemClock.at(now + 1000, () => {
    called += 1;
  });
  now -= DAY;
  t.mock.timers.tick(1000);
  assert.equal(called, 2);
});
