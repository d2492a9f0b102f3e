/** fit init, whoami, card. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function registerIdentity(program: Command): void {
  examples(
    program
      .command('init')
      .description('make a new trader: its keys, its settings and its folders')
      .option('--name <name>', 'your name, as it stands on your card and in contracts')
      .option('--listen <host:port>', 'where the daemon listens; port 0 picks a free one and keeps it')
      .option(
        '--role <role>',
        'a role that the daemon serves for others: arbiter or timestamp (may be repeated)',
        collect,
        [],
      )
      .option('--patience <time>', 'how long to wait for the other side before asking the arbiter, for example 2m'),
    'fit init --name "Trader Elm"',
    'fit init --name Notary --role arbiter --listen 0.0.0.0:7440 --passphrase-file pw --json',
  ).action(run(async () => (await import('../actions/identity.ts')).init));

  examples(
    program.command('whoami').description('print who you are: name, fingerprint, addresses, roles'),
    'fit whoami --json',
  ).action(run(async () => (await import('../actions/identity.ts')).whoami));

  examples(
    program
      .command('card')
      .description('print your contact card, which others add to know you')
      .option('--out <file>', 'write it to this file (- is standard output)')
      .option('--qr', 'print it as a QR code for a camera')
      .option('--force', 'replace the file if it exists'),
    'fit card > elm.card',
    'fit card --qr',
  ).action(run(async () => (await import('../actions/identity.ts')).card));
}
