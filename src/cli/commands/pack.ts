/** fit pack, unpack, inspect. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const reading = () => import('../actions/unpack.ts');

const repeated = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function registerPack(program: Command): void {
  examples(
    program
      .command('pack')
      .description('pack files and folders into one container, of which any part can be shown and checked alone')
      .argument('[files...]', 'files and folders')
      .requiredOption('--out <file>', 'the container, which must be new')
      .option('--sign', 'sign all of it')
      .option('--wait', 'wait until a person has decided about the signature')
      .option('--timeout <time>', 'with --wait: give up after this time (60, 90s, 2m)')
      .option('--timestamp-by <contact>', 'for what is timestamped: ask this contact')
      .option('--timestamp-url <url>', 'for what is timestamped: ask this authority (default: the configured one)')
      .option('--anonymous', 'put all of it under a one-time key, and no name')
      .option('--attr <path=attributes>', 'what a folder in it asks for (may be repeated)', repeated, [])
      .option(
        '--statement <file>',
        'put this text into the tree, as one that may be signed (may be repeated)',
        repeated,
        [],
      )
      .option('--credential <file>', 'put this certificate into the tree (may be repeated)', repeated, [])
      .option(
        '--recipient <who>',
        'encrypt to this contact or age recipient, or with path= only this folder (may be repeated)',
        repeated,
        [],
      )
      .option('--sealed-passphrase-file <file>', 'encrypt under the passphrase in the first line of this file'),
    'fit pack plans/ --out plans.fitc',
    'fit pack plans/ --out plans.fitc --sign',
    'fit pack plans/ letter.txt --out all.fitc --anonymous',
    'fit pack plans/ photos/ --out all.fitc --attr photos=anonymous',
    'fit pack plans/ photos/ --out all.fitc --attr photos=encrypted --recipient age1…',
  ).action(run(async () => (await import('../actions/pack.ts')).pack));

  examples(
    program
      .command('unpack')
      .description('take files out of a container: only what was verified appears, over nothing; exit 0 all, 1 not all')
      .argument('<file>', 'the container')
      .option('--to <dir>', 'the folder to take them out to')
      .option('--as <file>', 'instead of files, a new container that shows this part alone in its place')
      .option('--only <path>', 'only this file or folder of it')
      .option(
        '--identity <file>',
        'open encrypted folders with the age identities in this file (may be repeated)',
        repeated,
        [],
      )
      .option(
        '--sealed-passphrase-file <file>',
        'open encrypted folders with the passphrase in the first line of this file',
      )
      .option('--receipt <dir>', 'sign a receipt for what asks for one, and write it to this new folder')
      .option('--wait', 'wait until a person has decided about the signature')
      .option('--timeout <time>', 'with --wait: give up after this time (60, 90s, 2m)')
      .option(
        '--certificates <file>',
        'a PEM file: whose timestamps to believe, in place of your contacts and settings',
      )
      .option('--root <hash>', 'refuse another container than the one with this root')
      .option('--signer <fingerprint>', 'refuse what is signed with another certificate'),
    'fit unpack plans.fitc --to plans',
    'fit unpack plans.fitc --only plans/roof.pdf --as roof.fitc',
  ).action(run(async () => (await reading()).unpack));

  examples(
    program
      .command('inspect')
      .description('print the tree of a container with a verdict on each part: exit 0 good, 1 not')
      .argument('<file>', 'the container')
      .option('--full', 'compare all contents too')
      .option(
        '--evidence <dir>',
        'write what was signed, the signatures and the certificates to this folder, for openssl',
      )
      .option(
        '--certificates <file>',
        'a PEM file: whose timestamps to believe, in place of your contacts and settings',
      )
      .option('--root <hash>', 'refuse another container than the one with this root')
      .option('--signer <fingerprint>', 'refuse what is signed with another certificate'),
    'fit inspect plans.fitc',
    'fit inspect plans.fitc --full --json',
  ).action(run(async () => (await reading()).inspect));
}
