/**
 * Runs `fitd`, which lies beside `fit`: the program that may hold keys. A passphrase goes to it through a pipe.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { EXIT, type FitCode, FitError } from '../lib/errors.ts';
import { ensureDirs, type HomePaths } from '../lib/paths.ts';
import { safeText } from '../lib/text.ts';

/** The exit codes of fitd under which the CLI reports its failure. */
const CODES: Readonly<Record<number, FitCode>> = {
  [EXIT.notFound]: 'no-home',
  [EXIT.refused]: 'refused',
  [EXIT.needsInput]: 'needs-passphrase',
  [EXIT.passphrase]: 'wrong-passphrase',
  [EXIT.daemon]: 'daemon-running',
};

const PASSPHRASE_FD = 3;
const READY_FD = 4;
const MAX_TAIL_BYTES = 16 * 1024;

/**
 * For the GNU C library: blocks of a megabyte and more go back to the system when they are freed. By itself it keeps the
 * 16 MB that scrypt used, once per thread that ever stretched a passphrase. Other libraries do not know the variable.
 */
const DAEMON_MALLOC = { MALLOC_MMAP_THRESHOLD_: String(1024 * 1024) };

function fitdPath(): string {
  const fit = process.argv[1];
  const path = fit === undefined ? '' : join(dirname(realpathSync(fit)), 'fitd');
  if (!existsSync(path))
    throw new FitError('internal', 'fitd is not beside fit', { hint: 'install the package again' });
  return path;
}

/** The daemon must see the home that we see, whatever its working folder, and none of our sources of passphrases. */
function environmentFor(environment: NodeJS.ProcessEnv, paths: HomePaths): NodeJS.ProcessEnv {
  const { FIT_PASSPHRASE_FD, FIT_PASSPHRASE_FILE, FIT_PASSPHRASE_COMMAND, CREDENTIALS_DIRECTORY, ...rest } =
    environment;
  return (rest.FIT_HOME ?? '') === '' ? rest : { ...rest, FIT_HOME: paths.home };
}

/** What fitd wrote on stderr: `fit: message` and `fit: hint: …`. `usage`: the code of exit 2. */
function faultOf(exitCode: number, stderr: string, usage: FitCode = 'usage'): FitError {
  const lines = stderr.split('\n').filter((line) => line.startsWith('fit: '));
  const hint = lines.findLast((line) => line.startsWith('fit: hint: '))?.slice('fit: hint: '.length);
  const message = lines.findLast((line) => !line.startsWith('fit: hint: '))?.slice('fit: '.length);
  return new FitError(
    exitCode === EXIT.usage ? usage : (CODES[exitCode] ?? 'internal'),
    safeText(message ?? `fitd ended with code ${exitCode}`, { maxLength: 500 }),
    hint === undefined ? {} : { hint: safeText(hint, { maxLength: 500 }) },
  );
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? EXIT.internal));
  });
}

async function textOf(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    text = (text + chunk.toString()).slice(-MAX_TAIL_BYTES);
  }
  return text;
}

function give(child: ChildProcess, passphrase: string): void {
  const pipe = child.stdio[PASSPHRASE_FD] as Writable;
  // A child that fails before it reads says why on stderr.
  pipe.on('error', () => {});
  // Closed on our side too: a daemon that never closes its end must not keep this program.
  pipe.end(`${passphrase}\n`, () => pipe.destroy());
}

/** `fitd init …` to its end; its JSON result. */
export async function fitdInit(
  args: readonly string[],
  passphrase: string,
  environment: NodeJS.ProcessEnv,
  paths: HomePaths,
): Promise<Readonly<Record<string, unknown>>> {
  const child = spawn(
    process.execPath,
    [fitdPath(), 'init', ...args, '--passphrase-fd', String(PASSPHRASE_FD), '--json'],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: environmentFor(environment, paths) },
  );
  give(child, passphrase);
  const [code, stdout, stderr] = await Promise.all([
    exitOf(child),
    textOf(child.stdout as Readable),
    textOf(child.stderr as Readable),
  ]);
  if (code !== 0) {
    const fault = faultOf(code, stderr);
    throw fault.code === 'usage' && existsSync(paths.config)
      ? new FitError('home-exists', fault.message, fault.hint === undefined ? {} : { hint: fault.hint })
      : fault;
  }
  return JSON.parse(stdout);
}

/** The end of `file`, from `start` on. */
function tail(file: string, start: number): string {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(MAX_TAIL_BYTES);
    const size = readSync(descriptor, buffer, 0, buffer.length, start);
    return buffer.subarray(0, size).toString();
  } finally {
    closeSync(descriptor);
  }
}

function firstLineOf(stream: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    stream.once('data', () => resolve(true));
    stream.once('end', () => resolve(false));
    stream.once('error', () => resolve(false));
  });
}

/**
 * Starts the daemon in the background and returns when it is ready: its socket answers and its link listens.
 * Its stderr goes to the end of its log, where the reason of a failure is read from. Throws what fitd says.
 */
export async function fitdRun(
  passphrase: string | undefined,
  environment: NodeJS.ProcessEnv,
  paths: HomePaths,
): Promise<void> {
  ensureDirs(paths);
  const log = openSync(paths.log, 'a', 0o600);
  const { fstatSync } = await import('node:fs');
  const start = fstatSync(log).size;
  const args = ['run', '--ready-fd', String(READY_FD)];
  if (passphrase !== undefined) args.push('--passphrase-fd', String(PASSPHRASE_FD));
  const child = spawn(process.execPath, [fitdPath(), ...args], {
    cwd: '/',
    detached: true,
    env: { ...DAEMON_MALLOC, ...environmentFor(environment, paths) },
    stdio: ['ignore', 'ignore', log, passphrase === undefined ? 'ignore' : 'pipe', 'pipe'],
  });
  closeSync(log);
  if (passphrase !== undefined) give(child, passphrase);
  const ready = child.stdio[READY_FD] as Readable;
  const exited = exitOf(child);
  const isReady = await firstLineOf(ready);
  if (!isReady) throw faultOf(await exited, tail(paths.log, start), 'bad-config');
  exited.catch(() => {});
  ready.destroy();
  child.unref();
}
