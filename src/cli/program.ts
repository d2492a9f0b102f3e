/**
 * The tree of commands with their options and help: the surface that scripts rely on. What a command does is in
 * actions/, loaded when it is called; a run describes only the commands of the noun that it was given.
 */
import { Command, Option } from 'commander';
import { VERSION } from '../lib/version.ts';
import { registerApprove } from './commands/approve.ts';
import { registerContact } from './commands/contact.ts';
import { registerDaemon } from './commands/daemon.ts';
import { registerDeal } from './commands/deal.ts';
import { registerIdentity } from './commands/identity.ts';
import { registerKey } from './commands/key.ts';
import { registerPack } from './commands/pack.ts';
import { registerTimestamp } from './commands/timestamp.ts';
import { registerTools } from './commands/tools.ts';
import { examples, outputConfiguration } from './help.ts';

type Register = (program: Command) => void;

/** Which file knows a noun. */
const NOUNS: Readonly<Record<string, Register>> = {
  init: registerIdentity,
  whoami: registerIdentity,
  card: registerIdentity,
  daemon: registerDaemon,
  unlock: registerDaemon,
  lock: registerDaemon,
  contact: registerContact,
  deal: registerDeal,
  approve: registerApprove,
  policy: registerApprove,
  audit: registerApprove,
  key: registerKey,
  config: registerTools,
  lint: registerTools,
  verify: registerTools,
  pack: registerPack,
  unpack: registerPack,
  inspect: registerPack,
  timestamp: registerTimestamp,
  arbiter: registerTools,
  archive: registerTools,
  events: registerTools,
  doctor: registerTools,
  completion: registerTools,
  demo: registerTools,
  ui: registerTools,
};

/** `fit` with the options that every command takes, and no command. */
function createBare(): Command {
  const program = new Command('fit')
    .description('Fair Internet Trader: two people sign a contract, so that either both get it or neither does')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput(outputConfiguration)
    .exitOverride()
    .option('--json', 'print one line of JSON, and nothing for people, on standard output')
    .option('--home <dir>', "the trader's home, in place of FIT_HOME")
    .addOption(
      new Option('--color <when>', 'colour on standard output').choices(['auto', 'always', 'never']).default('auto'),
    )
    .option('--non-interactive', 'never ask a question: fail and name the option that is missing')
    .option('--no-autostart', 'do not start the daemon if it is not running')
    .option('--wait-daemon', 'wait until the daemon answers, and do not start it (--wait in front of the command)')
    .option('--wait-timeout <time>', 'with --wait-daemon: give up after this time (60, 90s, 2m), 30s by default')
    .option('--passphrase-fd <n>', 'read the passphrase from this file descriptor, its first line')
    .option('--passphrase-file <file>', 'read the passphrase from the first line of this file (- is standard input)')
    .option('--passphrase-command <command>', 'read the passphrase from the output of this shell command');

  examples(
    program,
    'fit init --name "Trader Elm"',
    'fit contact add oak.card --as oak',
    'fit deal propose contract.md --to oak --arbiter notary',
    'fit deal list --json',
  );
  return program;
}

/** The whole tree: for help, completion, the manual's test and mistyped commands. */
export function createProgram(): Command {
  const program = createBare();
  for (const register of new Set(Object.values(NOUNS))) register(program);
  return program;
}

/** Options of `fit` itself that take a value. */
const WITH_VALUE = /^--(home|color|passphrase-fd|passphrase-file|passphrase-command|wait-timeout)$/;

/** `--wait` in front of the command is for the daemon; behind it, it is for the end of the deal. */
export function withDaemonWait(args: readonly string[]): string[] {
  const given = [...args];
  for (let at = 0; given[at]?.startsWith('-') === true; at++) {
    if (given[at] === '--wait') given[at] = '--wait-daemon';
    else if (WITH_VALUE.test(given[at] ?? '')) at++;
  }
  return given;
}

export interface Invocation {
  readonly program: Command;
  /** `fit` alone, perhaps with options that every command takes. */
  readonly isBare: boolean;
}

/** The part of the tree that `args` needs. */
export function programFor(args: readonly string[]): Invocation {
  const bare = createBare();
  const { operands, unknown } = bare.parseOptions([...args]);
  const [noun] = operands;
  if (noun === undefined && unknown.length === 0) return { program: bare, isBare: true };
  const register = noun !== undefined && Object.hasOwn(NOUNS, noun) ? NOUNS[noun] : undefined;
  if (register === undefined) return { program: createProgram(), isBare: false };
  const program = createBare();
  register(program);
  return { program, isBare: false };
}
