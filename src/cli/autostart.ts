/**
 * Reaching the daemon: connect, and if nobody answers, start it first.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { FitError, isFitError } from '../lib/errors.ts';
import type { HomePaths } from '../lib/paths.ts';
import { type AgentClient, connect } from '../rpc/client.ts';
import type { Context } from './context.ts';

/** How long another start of the same daemon, already under way, may take. */
const OTHER_START_MS = 15_000;
const STOP_MS = 60_000;
const LOOK_AGAIN_MS = 20;

export function requireHome(paths: HomePaths): void {
  if (existsSync(paths.config)) return;
  throw new FitError('no-home', 'there is no trader here yet', {
    hint: `fit init --name "Your Name"  (looked in ${paths.home})`,
  });
}

/** The running daemon, or undefined. */
export async function connectIfRunning(paths: HomePaths): Promise<AgentClient | undefined> {
  try {
    return await connect(paths.socket);
  } catch (error) {
    if (isFitError(error) && error.code === 'daemon-unreachable') return undefined;
    throw error;
  }
}

/** Two commands may start the daemon at once: the second one's fitd gives up, and it uses the first one's. */
async function start(context: Context, paths: HomePaths, passphrase: string | undefined): Promise<void> {
  const { fitdRun } = await import('./fitd.ts');
  try {
    await fitdRun(passphrase, context.environment, paths);
  } catch (error) {
    if (!isFitError(error) || error.code !== 'daemon-running') throw error;
    const until = Date.now() + OTHER_START_MS;
    for (;;) {
      const client = await connectIfRunning(paths);
      if (client !== undefined) return client.close();
      if (Date.now() > until) throw error;
      await delay(LOOK_AGAIN_MS);
    }
  }
}

/** Starts the daemon and connects. Without a passphrase it is locked. */
export async function startAndConnect(context: Context, passphrase: string | undefined): Promise<AgentClient> {
  const paths = context.paths();
  requireHome(paths);
  await context.out.busy('starting the daemon', start(context, paths, passphrase));
  return connect(paths.socket);
}

/** For scripts at boot. Nobody tells when another process begins to listen, so this looks. */
async function waitForDaemon(context: Context, paths: HomePaths): Promise<AgentClient> {
  const { parseTimeoutMs } = await import('./times.ts');
  const until = Date.now() + parseTimeoutMs(context.options.waitTimeout ?? '30s');
  for (;;) {
    const client = await connectIfRunning(paths);
    if (client !== undefined) return client;
    if (Date.now() > until)
      throw new FitError('daemon-unreachable', 'the daemon did not answer in time', { hint: 'fit daemon status' });
    await delay(LOOK_AGAIN_MS);
  }
}

export async function connectOrStart(context: Context): Promise<AgentClient> {
  const paths = context.paths();
  const running = await connectIfRunning(paths);
  if (running !== undefined) return running;
  if (context.options.waitDaemon === true)
    return context.out.busy('waiting for the daemon', waitForDaemon(context, paths));
  requireHome(paths);
  if (!context.options.autostart) {
    throw new FitError('daemon-unreachable', 'the daemon is not running', { hint: 'fit daemon start' });
  }
  return startAndConnect(context, undefined);
}

/** A process that has ended but was not collected by its parent (common in containers) is gone for us. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  try {
    return /^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Node tells nobody when a process that is not its child ends, so this looks. Throws `timed-out`. */
export async function waitUntilGone(pid: number): Promise<void> {
  const until = Date.now() + STOP_MS;
  while (!isGone(pid)) {
    if (Date.now() > until) {
      throw new FitError('timed-out', `the daemon (process ${pid}) has not ended`, {
        hint: 'its log says what it does',
      });
    }
    await delay(LOOK_AGAIN_MS);
  }
}
