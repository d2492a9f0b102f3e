/** fit key csr|import|export|passphrase. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const actions = () => import('../actions/key.ts');

export function registerKey(program: Command): void {
  const key = program.command('key').description('your identity key: certificates in and out, and its passphrase');
  examples(
    key
      .command('csr')
      .description('print a request (PKCS #10) for a certificate of your identity key')
      .option('--out <file>', 'write it to this file (- is standard output)')
      .option('--force', 'replace the file if it exists'),
    'fit key csr --out elm.csr',
  ).action(run(async () => (await actions()).csr));
  examples(
    key
      .command('import')
      .description('use an issued certificate (PEM), or a key with its certificate (PEM or PKCS #12)')
      .argument('<file>', 'the file (- is standard input)')
      .option('--import-passphrase-fd <n>', 'the passphrase of the file, from this file descriptor')
      .option('--import-passphrase-file <file>', 'the passphrase of the file, from the first line of this one'),
    'fit key import issued.pem',
    'fit key import identity.p12 --import-passphrase-file p12.pw',
  ).action(run(async () => (await actions()).importKey));
  examples(
    key
      .command('export')
      .description('print your encrypted private key (PKCS #8) and its certificates')
      .option('--out <file>', 'write them to this file (- is standard output)')
      .option('--force', 'replace the file if it exists'),
    'fit key export --out identity.pem',
  ).action(run(async () => (await actions()).exportKey));
  examples(
    key
      .command('passphrase')
      .description('change the passphrase')
      .option('--new-passphrase-fd <n>', 'the new one, from this file descriptor')
      .option('--new-passphrase-file <file>', 'the new one, from the first line of this file (- is standard input)')
      .option('--new-passphrase-command <command>', 'the new one, from the output of this shell command'),
    'fit key passphrase',
    'fit key passphrase --passphrase-file old --new-passphrase-file new',
  ).action(run(async () => (await actions()).changePassphrase));
}
