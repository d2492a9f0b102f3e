/** fit config, lint, verify, arbiter, archive, events, doctor, completion, demo. */
import { Argument, type Command, Option } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const settings = () => import('../actions/config.ts');
const checks = () => import('../actions/check.ts');
const watching = () => import('../actions/watch.ts');

export function registerTools(program: Command): void {
  const config = program.command('config').description('the settings of fit.toml');
  examples(
    config.command('get').description('print one setting').argument('<key>', 'for example exchange.patience'),
    'fit config get exchange.patience',
  ).action(run(async () => (await settings()).get));
  examples(
    config
      .command('set')
      .description('change one setting')
      .argument('<key>', 'for example exchange.patience')
      .argument('<value>', 'its new value'),
    'fit config set exchange.patience 5m',
  ).action(run(async () => (await settings()).set));
  examples(config.command('list').description('print all settings'), 'fit config list --json').action(
    run(async () => (await settings()).list),
  );

  examples(
    program
      .command('lint')
      .description('check that a text may be signed: nothing hidden, nothing ambiguous')
      .argument('<file>', 'the text (- is standard input)'),
    'fit lint contract.md',
  ).action(run(async () => (await checks()).lintFile));
  examples(
    program
      .command('verify')
      .description('verify evidence, offline and without a daemon: exit 0 good, 1 not')
      .argument('<file>', 'an .asics file, a .p7s file, or a folder with the plain files (- is standard input)')
      .option(
        '--content <file>',
        'of a .p7s file, the document it signs; of a delivery or swap, files or their folder (may be repeated)',
        (value: string, before: readonly string[]) => [...before, value],
        [],
      )
      .option('--salts <file>', 'of a note that describes a file wrongly: what proves it with all of the files')
      .addOption(
        new Option('--require <how>', 'how the signers must be known: among your roots, or by any of them').choices([
          'pinned',
          'ca',
        ]),
      )
      .option(
        '--root <file>',
        'a PEM file of certificates that you trust (may be repeated)',
        (value: string, before: readonly string[]) => [...before, value],
        [],
      ),
    'fit verify k7q2.asics',
    'fit verify out/contract.p7s --content out/contract.md --json',
    'fit verify delivery.asics --content plan.pdf',
  ).action(run(async () => (await import('../actions/verify.ts')).verify));

  const arbiter = program.command('arbiter').description('what you do as an arbiter for others');
  examples(
    arbiter
      .command('terms')
      .description('print the terms under which you arbitrate')
      .option('--out <file>', 'write them to this file (- is standard output)')
      .option('--force', 'replace the file if it exists'),
    'fit arbiter terms',
  ).action(run(async () => (await watching()).terms));
  examples(
    arbiter.command('cases').description('list the exchanges you were asked to decide'),
    'fit arbiter cases --json',
  ).action(run(async () => (await watching()).cases));

  const archive = program.command('archive').description('the archive of deals and evidence');
  examples(
    archive.command('verify').description('check every record of the archive: exit 0 good, 1 not'),
    'fit archive verify',
  ).action(run(async () => (await watching()).archiveVerify));

  examples(
    program
      .command('events')
      .description('print what happens as it happens, until interrupted')
      .option('--since <seq>', 'begin after the event with this number')
      .option('--limit <n>', 'end after this many events'),
    'fit events',
    'fit events --json --since 0 --limit 10',
  ).action(run(async () => (await watching()).events));
  examples(
    program.command('doctor').description('check this installation and say what is wrong: exit 0 good, 1 not'),
    'fit doctor',
  ).action(run(async () => (await watching()).doctor));

  examples(
    program
      .command('completion')
      .description('print a completion script for a shell')
      .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh', 'fish'])),
    'fit completion bash > ~/.local/share/bash-completion/completions/fit',
    'fit completion zsh > ~/.zfunc/_fit',
    'fit completion fish > ~/.config/fish/completions/fit.fish',
  ).action(run(async () => (await import('../actions/completion.ts')).completion));

  examples(
    program
      .command('ui')
      .description('the trusted terminal: read, decide and follow your deals on one screen')
      .option('--plain', 'line by line, for screen readers and terminals that cannot draw'),
    'fit ui',
    'fit ui --plain',
  ).action(run(async () => (await import('../actions/ui.ts')).ui));

  examples(
    program
      .command('demo')
      .description('show a whole trade with three real traders on this machine')
      .option('--keep <dir>', 'leave everything in this folder, which must be empty or new'),
    'fit demo',
    'fit demo --keep /tmp/fit-demo --json',
  ).action(run(async () => (await import('../actions/tour.ts')).demo));
}
