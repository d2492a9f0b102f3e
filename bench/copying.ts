/**
 * `scp` and `rsync` of the same file over a local sshd, as a yardstick. The server is one of our own: its key, its port, its one
 * user and nothing else; where the system has none, a row says so.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { timed } from './measure.ts';

const SSHD = '/usr/sbin/sshd';
const TOOLS = ['scp', 'rsync'] as const;
export type Tool = (typeof TOOLS)[number];

export interface Copying {
  /** Those that the system has. */
  readonly tools: readonly Tool[];
  /** Milliseconds that a copy of the file or folder takes, connection included. */
  copy(tool: Tool, path: string): Promise<number>;
  stop(): Promise<void>;
}

const run = (command: string, args: readonly string[]): void => {
  const done = spawnSync(command, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${command}: ${done.stderr || String(done.error)}`);
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** `folder`: new, private and ours. Undefined where the system has no server. */
export async function startCopying(folder: string): Promise<Copying | undefined> {
  if (!existsSync(SSHD)) return undefined;
  const tools = TOOLS.filter((tool) => spawnSync(tool, ['--version']).error === undefined);
  mkdirSync(folder, { mode: 0o700 });
  const at = (name: string): string => join(folder, name);
  for (const key of ['host', 'user']) run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  const port = await freePort();
  writeFileSync(
    at('config'),
    [
      `HostKey ${at('host')}`,
      `AuthorizedKeysFile ${at('user.pub')}`,
      `ListenAddress 127.0.0.1:${port}`,
      `PidFile ${at('pid')}`,
      'PasswordAuthentication no',
      'UsePAM no',
      'StrictModes no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  chmodSync(at('user'), 0o600);
  // Where the server drops its rights; the system's own service makes it.
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const server = spawn(SSHD, ['-D', '-e', '-f', at('config')], { stdio: ['ignore', 'ignore', 'ignore'] });
  const ended = once(server, 'exit');
  let gone = false;
  void ended.then(() => {
    gone = true;
  });
  while (!(await answers(port))) {
    if (gone) throw new Error('the ssh server did not start');
    await new Promise((resolve) => setImmediate(resolve));
  }
  const options = ['-i', at('user'), '-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${at('known')}`];
  const quiet = [...options, '-o', 'LogLevel=ERROR'];
  const to = `${userInfo().username}@127.0.0.1:${at('copy')}`;
  return {
    tools,
    async copy(tool, path) {
      rmSync(at('copy'), { recursive: true, force: true });
      return timed(() =>
        tool === 'scp'
          ? run('scp', ['-q', '-r', ...quiet, '-P', String(port), path, to])
          : run('rsync', ['-r', '-e', ['ssh', '-p', String(port), ...quiet].join(' '), path, to]),
      );
    },
    async stop() {
      server.kill();
      await ended;
    },
  };
}
