/** Real traders with real daemons, as a person has them: made by `fit init`, served by `fitd run`, asked over the socket. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { present } from '../src/lib/assert.ts';
import { homePaths } from '../src/lib/paths.ts';
import { type AgentClient, connect } from '../src/rpc/client.ts';

export const PASSPHRASE = 'a passphrase for measuring';

export interface Trader {
  readonly name: string;
  readonly home: string;
  readonly pid: number;
  readonly agent: AgentClient;
  stop(): Promise<void>;
}

export const environmentOf = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  FIT_HOME: home,
  FIT_NON_INTERACTIVE: '1',
});

function init(home: string, name: string, extra: readonly string[]): void {
  const file = join(home, '..', `${name}.passphrase`);
  writeFileSync(file, `${PASSPHRASE}\n`, { mode: 0o600 });
  const args = ['bin/fit', 'init', '--name', name, '--passphrase-file', file, '--listen', '127.0.0.1:0', ...extra];
  const made = spawnSync(process.execPath, args, { env: environmentOf(home), encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`fit init: ${made.stderr}`);
}

/** As `fit daemon start` starts it. */
function startInBackground(name: string, home: string): number {
  const args = ['bin/fit', 'daemon', 'start', '--passphrase-file', join(home, '..', `${name}.passphrase`), '--json'];
  const started = spawnSync(process.execPath, args, { env: environmentOf(home), encoding: 'utf8' });
  if (started.status !== 0) throw new Error(`fit daemon start: ${started.stderr}`);
  return (JSON.parse(started.stdout) as { readonly pid: number }).pid;
}

/** In the foreground, so that it can be given options of Node. */
async function startProfiled(name: string, home: string, nodeOptions: readonly string[]): Promise<number> {
  const log = openSync(join(home, '..', `${name}.log`), 'a', 0o600);
  const child: ChildProcess = spawn(
    process.execPath,
    [...nodeOptions, 'bin/fitd', 'run', '--passphrase-fd', '3', '--ready-fd', '4'],
    { env: environmentOf(home), stdio: ['ignore', 'ignore', log, 'pipe', 'pipe'] },
  );
  (child.stdio[3] as Writable).end(`${PASSPHRASE}\n`);
  const ready = await Promise.race([once(child.stdio[4] as Readable, 'data'), once(child, 'exit')]);
  if (!(ready[0] instanceof Buffer)) throw new Error(`the daemon of ${name} did not start: see ${home}/../${name}.log`);
  return present(child.pid, 'pid');
}

/** Starts the daemon of a home that exists; ready when its socket answers and its link listens. */
export async function startTrader(name: string, home: string, nodeOptions: readonly string[] = []): Promise<Trader> {
  const pid = nodeOptions.length === 0 ? startInBackground(name, home) : await startProfiled(name, home, nodeOptions);
  const agent = await connect(homePaths({ FIT_HOME: home }).socket);
  await agent.prove({ passphrase: PASSPHRASE });
  return {
    name,
    home,
    pid,
    agent,
    async stop() {
      agent.close();
      const stopped = spawnSync(process.execPath, ['bin/fit', 'daemon', 'stop'], { env: environmentOf(home) });
      if (stopped.status !== 0) process.kill(pid, 'SIGKILL');
    },
  };
}

/** A new trader in `folder`, its daemon running and unlocked. */
export async function makeTrader(
  folder: string,
  name: string,
  options: { readonly extra?: readonly string[]; readonly nodeOptions?: readonly string[] } = {},
): Promise<Trader> {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  init(home, name, options.extra ?? []);
  return startTrader(name, home, options.nodeOptions);
}

/** Everybody has everybody's card. */
export async function introduce(traders: readonly Trader[]): Promise<void> {
  for (const one of traders) {
    const { card } = await one.agent.card();
    for (const other of traders) if (other !== one) await other.agent.contactAdd({ card, as: one.name });
  }
}
