/**
 * The tree of commands with their options and help: the surface that scripts rely on. What a command does is in
 * actions/, loaded when it is called.
 */
import { Command, Option } from 'commander';
import { VERSION } from '../lib/version.ts';
import { registerContact } from './commands/contact.ts';
import { registerDaemon } from './commands/daemon.ts';
import { registerDeal } from './commands/deal.ts';
import { registerIdentity } from './commands/identity.ts';
import { registerKey } from './commands/key.ts';
import { registerTools } from './commands/tools.ts';
import { examples, outputConfiguration } from './help.ts';

export function createProgram(): Command {
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
    .option('--passphrase-fd <n>', 'read the passphrase from this file descriptor, its first line')
    .option('--passphrase-file <file>', 'read the passphrase from the first line of this file (- is standard input)')
    .option('--passphrase-command <command>', 'read the passphrase from the output of this shell command');

  registerIdentity(program);
  registerDaemon(program);
  registerContact(program);
  registerDeal(program);
  registerKey(program);
  registerTools(program);

  examples(
    program,
    'fit init --name "Trader Elm"',
    'fit contact add oak.card --as oak',
    'fit deal propose contract.md --to oak --arbiter notary',
    'fit deal list --json',
  );
  return program;
}
