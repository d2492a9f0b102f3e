/** fit timestamp. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const actions = () => import('../actions/timestamp.ts');

export function registerTimestamp(program: Command): void {
  const timestamp = program.command('timestamp').description('have an authority say that a file existed at a time');
  examples(
    timestamp
      .command('make', { isDefault: true })
      .description('get a timestamp over each file, verified, into FILE.tsr')
      .argument('<file...>', 'the files: only their SHA-256 is sent')
      .option('--by <contact>', 'ask this contact, which has the role timestamp')
      .option('--url <url>', 'ask the authority at this address, in place of timestamp.url')
      .option('--certificates <file>', 'a PEM file: whom to trust, in place of timestamp.certificates')
      .option('--out <file>', 'write the timestamp to this file (- is standard output)')
      .option('--force', 'replace the file if it exists'),
    'fit timestamp contract.md --by notary',
    'fit timestamp plan.pdf --url https://tsa.example/ --certificates tsa.pem --out plan.tsr',
  ).action(run(async () => (await actions()).make));
  examples(
    timestamp
      .command('verify')
      .description('verify a timestamp: exit 0 good, 1 not; with --certificates without a daemon')
      .argument('<file>', 'the file that was stamped (- is standard input)')
      .requiredOption('--token <file>', 'the timestamp: a response (.tsr) or the token alone')
      .option('--certificates <file>', 'a PEM file: whom to trust, in place of your contacts and settings'),
    'fit timestamp verify contract.md --token contract.md.tsr',
    'fit timestamp verify plan.pdf --token plan.tsr --certificates tsa.pem --json',
  ).action(run(async () => (await actions()).verify));
}
