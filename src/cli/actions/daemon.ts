/** fit daemon start|stop|status, unlock, lock. */
import { isFitError } from '../../lib/errors.ts';
import type { AgentClient } from '../../rpc/client.ts';
import { connectIfRunning, requireHome, startAndConnect, waitUntilGone } from '../autostart.ts';
import type { Context } from '../context.ts';
import * as voice from '../voice.ts';
import { withPassphrase } from './consent.ts';

async function show(context: Context, agent: AgentClient): Promise<void> {
  const result = await agent.status();
  if (context.out.isJson) context.out.json(result);
  else for (const line of voice.status(result)) context.out.line(line);
}

interface StartOptions {
  readonly locked?: boolean;
}

/** A person at a terminal is asked; a script without a source of the passphrase gets a locked daemon. */
async function passphraseForStart(context: Context, options: StartOptions): Promise<string | undefined> {
  if (options.locked === true) return undefined;
  const given = await context.givenPassphrase();
  if (given !== undefined || context.nonInteractive) return given;
  const [{ openTerminal }, { askPassphrase }] = await Promise.all([import('../terminal.ts'), import('../prompts.ts')]);
  if (openTerminal() === undefined) return undefined;
  const typed = await askPassphrase('passphrase (empty: stay locked)', false);
  return typed === '' ? undefined : typed;
}

export async function start(context: Context, options: StartOptions): Promise<undefined> {
  const paths = context.paths();
  requireHome(paths);
  const running = await connectIfRunning(paths);
  const passphrase =
    running !== undefined && options.locked !== true && !(await running.status()).locked
      ? await context.givenPassphrase()
      : await passphraseForStart(context, options);
  if (running === undefined) {
    const agent = await startAndConnect(context, passphrase);
    await show(context, agent);
    agent.close();
    return undefined;
  }
  try {
    if (passphrase !== undefined) await running.unlock({ passphrase });
    if (!context.out.isJson) context.out.talk('the daemon was running already');
    await show(context, running);
  } finally {
    running.close();
  }
  return undefined;
}

export async function stop(context: Context): Promise<undefined> {
  const { out } = context;
  const paths = context.paths();
  const agent = await connectIfRunning(paths);
  if (agent === undefined) {
    if (out.isJson) out.json({ stopped: true, pid: null });
    else out.talk('the daemon was not running');
    return undefined;
  }
  const { pid } = await agent.status();
  try {
    await agent.stop();
  } catch (error) {
    // It may be gone before its answer is.
    if (!isFitError(error) || error.code !== 'daemon-unreachable') throw error;
  } finally {
    agent.close();
  }
  await out.busy('the daemon finishes what it was doing', waitUntilGone(pid));
  if (out.isJson) out.json({ stopped: true, pid });
  else out.talk('the daemon has stopped');
  return undefined;
}

export async function status(context: Context): Promise<undefined> {
  const { connect } = await import('../../rpc/client.ts');
  const paths = context.paths();
  requireHome(paths);
  const agent = await connect(paths.socket);
  try {
    await show(context, agent);
  } finally {
    agent.close();
  }
  return undefined;
}

export async function unlock(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const result = await withPassphrase(context, 'passphrase', (passphrase) => agent.unlock({ passphrase }));
  if (context.out.isJson) context.out.json(result);
  else context.out.talk('unlocked');
  return undefined;
}

export async function lock(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.lock();
  if (context.out.isJson) context.out.json(result);
  else context.out.talk('locked: messages are received and kept, nothing is signed');
  return undefined;
}
