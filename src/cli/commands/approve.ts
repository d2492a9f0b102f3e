/** fit approve, policy, audit: what waits for a person, what rules decide, and what was decided. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const REQUEST = ['<request>', 'its id, or a beginning of it that no other request has'] as const;

const approving = () => import('../actions/approve.ts');
const ruling = () => import('../actions/policy.ts');
const auditing = () => import('../actions/audit.ts');

export function registerApprove(program: Command): void {
  const approve = program.command('approve').description('requests for your signature, and your word on them');
  examples(
    approve
      .command('list')
      .description('list the requests that wait for you')
      .option('--all', 'also those that were decided, the newest first'),
    'fit approve list',
    'fit approve list --json',
  ).action(run(async () => (await approving()).list));
  examples(
    approve
      .command('show')
      .description('show a request, its exact text and who asks')
      .argument(...REQUEST),
    'fit approve show 4mq7',
  ).action(run(async () => (await approving()).show));
  examples(
    approve
      .command('grant')
      .description('read the text, and sign what was asked for')
      .argument(...REQUEST)
      .option('--document <sha256>', 'grant only if the text has this SHA-256')
      .option('--wait', 'return only when the deal has come to an end')
      .option('--timeout <time>', 'with --wait: give up after this time (60, 90s, 2m); exit 3'),
    'fit approve grant 4mq7',
    'fit approve grant 4mq7 --passphrase-file pw --json',
  ).action(run(async () => (await approving()).grant));
  examples(
    approve
      .command('refuse')
      .description('say no: nothing is signed')
      .argument(...REQUEST),
    'fit approve refuse 4mq7',
  ).action(run(async () => (await approving()).refuse));

  const policy = program.command('policy').description('the rules that may decide in your place');
  examples(
    policy.command('show').description('show the rules, whether they are in force, and what their totals hold'),
    'fit policy show',
  ).action(run(async () => (await ruling()).show));
  examples(
    policy
      .command('check')
      .description('say which rule a request, or accepting a deal, would meet, and why the earlier ones did not')
      .argument('<id>', 'of a request or of a deal, or a beginning of it'),
    'fit policy check k7q2',
  ).action(run(async () => (await ruling()).check));
  examples(
    policy
      .command('confirm')
      .description('read the file, and put it in force with the passphrase')
      .option('--hash <sha256>', 'confirm only if the file has this SHA-256'),
    'fit policy confirm',
    'fit policy confirm --passphrase-file pw',
  ).action(run(async () => (await ruling()).confirm));

  const audit = program.command('audit').description('the log of what was asked for and what was decided');
  examples(
    audit
      .command('list')
      .description('list the entries of the audit log, the last ones by default')
      .option('--from <n>', 'begin with this entry')
      .option('--limit <n>', 'at most this many entries', '100'),
    'fit audit list --json',
  ).action(run(async () => (await auditing()).list));
  examples(
    audit
      .command('show')
      .description('show everything about one request')
      .argument(...REQUEST),
    'fit audit show 4mq7',
  ).action(run(async () => (await auditing()).show));
  examples(
    audit.command('verify').description('check that no entry was removed, altered or moved: exit 0 good, 1 not'),
    'fit audit verify',
  ).action(run(async () => (await auditing()).verify));
}
