/**
 * `fitd`: the daemon of one trader (fitd(8)). `init` makes a trader's home, `run`, which is also what `fitd` alone
 * does, serves it in the foreground.
 * Guarantees: secrets come through a file descriptor, never argv; readiness is told once, on the descriptor asked for, when
 * the socket answers and the link listens; every way out stops what was started.
 */
import { closeSync, readFileSync, writeSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { exitCodeOf, FitError, isFitError } from '../lib/errors.ts';
import { homePaths } from '../lib/paths.ts';
import { VERSION } from '../lib/version.ts';

interface RunOptions {
  readonly home?: string;
  readonly passphraseFd?: number;
  readonly passphraseFile?: string;
  readonly readyFd?: number;
}

interface InitOptions extends RunOptions {
  readonly name: string;
  readonly listen?: string;
  readonly role: readonly string[];
  readonly patience?: string;
  readonly json?: boolean;
}

/** The first line, without its end. Bounded: a passphrase is not a file. */
function firstLine(source: number | string): string {
  const text = readFileSync(source, 'utf8').slice(0, 4096);
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function passphraseOf(options: RunOptions): string | undefined {
  if (options.passphraseFd !== undefined) {
    const line = firstLine(options.passphraseFd);
    if (options.passphraseFd > 2) closeSync(options.passphraseFd);
    return line === '' ? undefined : line;
  }
  if (options.passphraseFile !== undefined)
    return firstLine(options.passphraseFile === '-' ? 0 : options.passphraseFile);
  const credentials = process.env.CREDENTIALS_DIRECTORY;
  if (credentials !== undefined) {
    try {
      return firstLine(`${credentials}/fit-passphrase`);
    } catch {
      return undefined;
    }
  }
  return undefined;
}

const pathsOf = (options: RunOptions) =>
  homePaths(options.home === undefined ? process.env : { ...process.env, FIT_HOME: options.home });

function fail(error: unknown): never {
  const message = isFitError(error)
    ? error.message
    : `internal error: ${error instanceof Error ? error.message : String(error)}`;
  process.stderr.write(`fit: ${message}\n`);
  if (isFitError(error) && error.hint !== undefined) process.stderr.write(`fit: hint: ${error.hint}\n`);
  if (!isFitError(error) && error instanceof Error && process.env.FIT_DEBUG !== undefined)
    process.stderr.write(`${error.stack}\n`);
  process.exit(exitCodeOf(error));
}

async function init(options: InitOptions): Promise<void> {
  const passphrase = passphraseOf(options);
  if (passphrase === undefined) {
    throw new FitError('needs-passphrase', 'a new trader needs a passphrase', {
      hint: 'give --passphrase-fd or --passphrase-file',
    });
  }
  const { initHome } = await import('./init.ts');
  const made = await initHome(pathsOf(options), { ...options, roles: options.role, passphrase });
  process.stdout.write(
    options.json === true ? `${JSON.stringify({ schema: 1, ...made })}\n` : `made a trader in ${made.home}\n`,
  );
}

async function run(options: RunOptions): Promise<void> {
  const passphrase = passphraseOf(options);
  const { startDaemon } = await import('./compose.ts');
  const daemon = await startDaemon(pathsOf(options), {
    passphrase,
    worker: new URL('./escrow-worker.js', import.meta.url),
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void daemon.stop());
  process.on('unhandledRejection', (error) => daemon.crash(error));
  process.on('uncaughtException', (error) => daemon.crash(error));
  if (options.readyFd !== undefined) {
    writeSync(options.readyFd, 'ready\n');
    closeSync(options.readyFd);
  }
  await daemon.stopped;
  process.exit(0);
}

const int = (text: string): number => {
  if (!/^[0-9]{1,4}$/.test(text)) throw new FitError('usage', 'not a file descriptor');
  return Number(text);
};

const program = new Command('fitd')
  .description('the daemon of one trader')
  .version(VERSION, '--version')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'fit: ')) })
  .exitOverride();

const common = (command: Command): Command =>
  command
    .option('--home <DIR>', 'the trader’s home, instead of FIT_HOME')
    .addOption(new Option('--passphrase-fd <N>', 'read the passphrase from this descriptor').argParser(int))
    .option('--passphrase-file <FILE>', 'read the passphrase from the first line of FILE (- is stdin)');

common(program.command('init').description('make the keys and files of a new trader'))
  .requiredOption('--name <NAME>', 'the name on the contact card')
  .option('--listen <HOST:PORT>', 'where to listen; port 0 picks a free one at the first start and keeps it')
  .option(
    '--role <ROLE>',
    'a role to serve: arbiter (may be repeated)',
    (role: string, roles: string[]) => [...roles, role],
    [],
  )
  .option('--patience <TIME>', 'how long to wait for the other side before the arbiter is asked')
  .option('--json', 'one JSON line')
  .action((options: InitOptions) => init(options));

common(program.command('run', { isDefault: true }).description('serve this trader in the foreground'))
  .addOption(new Option('--ready-fd <N>', 'write a line to this descriptor when ready').argParser(int))
  .action((options: RunOptions) => run(options));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  fail(error);
}
