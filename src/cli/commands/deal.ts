/** fit deal …: negotiate, sign, look, wait, export. */
import { type Command, Option } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

const ID = ['<deal>', 'its id, or a beginning of it that no other deal has'] as const;

const PROGRESS = ['--progress', 'with --json: how far the content is, as JSON Lines on standard error'] as const;

const waiting = (command: Command): Command =>
  command
    .option('--wait', 'return only when the deal has come to an end')
    .option('--timeout <time>', 'with --wait: give up after this time (60, 90s, 2m); exit 3');

const negotiation = () => import('../actions/negotiate.ts');
const signing = () => import('../actions/signing.ts');
const looking = () => import('../actions/deal.ts');

export function registerDeal(program: Command): void {
  const deal = program.command('deal').description('negotiate, sign and keep contracts');

  examples(
    waiting(
      deal
        .command('propose')
        .description('complete a text to a contract, consent to sign it once, and offer it')
        .argument('<file>', 'the text: Markdown or plain, with or without front matter (- is standard input)')
        .requiredOption('--to <contact>', 'whom you offer it to')
        .requiredOption('--arbiter <contact>', 'the arbiter that helps when something fails')
        .option('--expires <time>', 'how long the offer stands, for example 7d')
        .addOption(
          new Option('--mode <mode>', 'what the arbiter can do: hand over the signature itself, or attest it').choices([
            'invisible',
            'affidavit',
          ]),
        )
        .option('--dry-run', 'only show the completed text; nothing is consented or sent'),
    ),
    'fit deal propose contract.md --to oak --arbiter notary',
    'fit deal propose contract.md --to oak --arbiter notary --dry-run > completed.md',
  ).action(run(async () => (await negotiation()).propose));

  examples(
    waiting(
      deal
        .command('counter')
        .description('answer an offer with another text')
        .argument(...ID)
        .argument('<file>', 'the new text (- is standard input)')
        .option('--expires <time>', 'how long the offer stands, for example 7d')
        .option('--dry-run', 'only show the completed text; nothing is consented or sent'),
    ),
    'fit deal counter k7q2 other.md',
  ).action(run(async () => (await negotiation()).counter));

  examples(
    waiting(
      deal
        .command('accept')
        .description('read the offered text, consent to it, and sign it in a fair exchange')
        .argument(...ID)
        .option('--document <sha256>', 'accept only the text with this SHA-256, whatever is offered meanwhile'),
    ),
    'fit deal accept k7q2',
    'fit deal accept k7q2 --passphrase-file pw --wait --json',
  ).action(run(async () => (await signing()).accept));

  const delivering = (
    command: Command,
    check = 'how wrong content is found out: window= and a time (default: window=72h), or full: an arbiter that is asked compares it, and can read it',
  ): Command =>
    command
      .option('--check <check>', check)
      .option('--expires <time>', 'how long the offer stands, for example 7d')
      .option('--text <text>', 'what the delivery note says beside the names of the files')
      .option('--dry-run', 'only show the delivery note; nothing is consented or sent')
      .option('--no-wait', 'return when it is offered')
      .option(...PROGRESS)
      .option('--timeout <time>', 'give up waiting after this time (60, 90s, 2m); exit 3; the exchange goes on');

  const kind = (): Option =>
    new Option('--kind <kind>', 'what a credential that is a text is (default: token)').choices([
      'token',
      'ticket',
      'licence',
    ]);

  const choosing = (command: Command): Command =>
    delivering(command)
      .addOption(
        new Option(
          '--receipt <how>',
          'fair: exchanged for the files through an arbiter; asked: of the receiver afterwards, who can refuse; none',
        ).choices(['fair', 'asked', 'none']),
      )
      .option('--want-receipt', 'the same as --receipt fair')
      .option('--no-origin', 'with --receipt asked or none: sign no statement that the files are yours');

  examples(
    choosing(
      deal
        .command('deliver')
        .description('deliver files under a contract, for a signed receipt')
        .argument(...ID)
        .argument('<file...>', 'the files')
        .option('--arbiter <contact>', 'another arbiter than the contract’s'),
    ),
    'fit deal deliver k7q2 plan.pdf',
    'fit deal deliver k7q2 *.jpg --check window=24h --json',
    'fit deal deliver k7q2 draft.pdf --receipt none',
  ).action(run(async () => (await import('../actions/deliver.ts')).deliver));
  examples(
    choosing(
      deal
        .command('grant')
        .description(
          'give a credential under a contract, for a signed receipt: a certificate, a token, a ticket, a licence key',
        )
        .argument(...ID)
        .requiredOption('--credential <file>', 'the certificate or attribute certificate as PEM, or a text')
        .addOption(kind())
        .option('--arbiter <contact>', 'another arbiter than the contract’s'),
    ),
    'fit deal grant k7q2 --credential access.pem',
  ).action(run(async () => (await import('../actions/deliver.ts')).grant));
  examples(
    delivering(
      deal
        .command('swap')
        .description('give files for files of the other side, under a contract; or answer such an offer of theirs')
        .argument('<deal>', 'the contract, or the swap that is answered')
        .requiredOption('--give <file...>', 'the files that you give')
        .option('--want <text>', 'what you want for them; not when you answer')
        .option('--credential', 'the one file is a credential: a certificate or a text, described as such')
        .addOption(kind())
        .option('--receive-to <dir>', 'the folder for what you get: put there when it is complete')
        .option('--arbiter <contact>', 'another arbiter than the contract’s'),
      'how long wrong content can be shown to the arbiter: window= and a time (default: window=72h)',
    ),
    'fit deal swap k7q2 --give scan.pdf --want "the deed, scanned"',
    'fit deal swap m3x8 --give deed.pdf --receive-to in',
  ).action(run(async () => (await import('../actions/deliver.ts')).swap));
  examples(
    deal
      .command('receive')
      .description('accept the next delivery or swap under a contract, or this one, and take its files')
      .argument(...ID)
      .option('--to <dir>', 'the folder for the files (default: here)')
      .option('--document <sha256>', 'accept only the delivery note with this SHA-256')
      .option('--limit-rate <rate>', 'bytes a second at most: 500k, 10M')
      .option('--unpack', 'take the files out of containers that come too')
      .option(...PROGRESS)
      .option('--timeout <time>', 'give up waiting after this time (60, 90s, 2m); exit 3; the exchange goes on'),
    'fit deal receive k7q2 --to in',
  ).action(run(async () => (await import('../actions/receive.ts')).receive));
  examples(
    choosing(
      program
        .command('send')
        .description('send files without a contract: for a signed receipt with an arbiter, one way without')
        .argument('<file...>', 'the files')
        .requiredOption('--to <contact>', 'whom they are for')
        .option(
          '--arbiter <contact>',
          'exchange them fairly for a receipt, with this arbiter’s help if something fails',
        ),
    ),
    'fit send plan.pdf --to oak --arbiter notary',
    'fit send plan.pdf --to oak',
  ).action(run(async () => (await import('../actions/deliver.ts')).send));

  examples(
    deal
      .command('decline')
      .description('say no to an offer')
      .argument(...ID)
      .option('--reason <text>', 'why, for the other side to read'),
    'fit deal decline k7q2 --reason "too expensive"',
  ).action(run(async () => (await negotiation()).decline));
  examples(
    deal
      .command('withdraw')
      .description('take your own offer back; possible until your promise has left')
      .argument(...ID),
    'fit deal withdraw k7q2',
  ).action(run(async () => (await negotiation()).withdraw));
  examples(
    deal
      .command('message')
      .description('write to the other side; binds nobody')
      .argument(...ID)
      .argument('<text>', 'the message (- is standard input)'),
    'fit deal message k7q2 "could you do 120?"',
  ).action(run(async () => (await negotiation()).message));

  examples(
    deal
      .command('list')
      .description('list your deals')
      .option('--state <states>', 'only these states, separated by commas')
      .option('--tree', 'deliveries under the contract that they fulfil'),
    'fit deal list',
    'fit deal list --tree',
    'fit deal list --state offered,signing --json',
  ).action(run(async () => (await looking()).list));
  examples(
    deal
      .command('show')
      .description('show a deal: its state, its versions, its history')
      .argument(...ID)
      .option('--text', 'print the exact bytes of the document instead')
      .option('--number <n>', 'with --text: this version instead of the current one'),
    'fit deal show k7q2',
    'fit deal show k7q2 --text > contract.md',
  ).action(run(async () => (await looking()).show));
  examples(
    deal
      .command('diff')
      .description('show what changed between two versions')
      .argument(...ID)
      .option('--from <n>', 'the older version (default: the one before the newer)')
      .option('--to <n>', 'the newer version (default: the current one)'),
    'fit deal diff k7q2',
  ).action(run(async () => (await looking()).diff));
  examples(
    deal
      .command('explain')
      .description('say what each side holds, what happens if one stops, and who could cheat')
      .argument(...ID),
    'fit deal explain k7q2',
  ).action(run(async () => (await looking()).explain));

  examples(
    deal
      .command('wait')
      .description('wait until a deal is in one of the states: exit 0 reached, 1 ended otherwise, 3 timeout')
      .argument(...ID)
      .option('--for <states>', 'the states, separated by commas', 'contracted,completed')
      .option('--timeout <time>', 'give up after this time (60, 90s, 2m); without it, never'),
    'fit deal wait k7q2 --for contracted,aborted --timeout 60 --json',
  ).action(run(async () => (await looking()).wait));
  examples(
    deal
      .command('abort')
      .description('ask the arbiter to end an exchange in which you have released nothing')
      .argument(...ID),
    'fit deal abort k7q2',
  ).action(run(async () => (await signing()).abort));
  examples(
    deal
      .command('resolve')
      .description('ask the arbiter to complete an exchange in which the other side has stopped')
      .argument(...ID),
    'fit deal resolve k7q2',
  ).action(run(async () => (await signing()).resolve));
  examples(
    deal
      .command('export')
      .description('write the evidence of a contract, a delivery or a swap, which anyone can verify')
      .argument(...ID)
      .option('--out <file>', 'as one .asics file (- is standard output)')
      .option('--dir <dir>', 'as plain files in this folder, with a README of openssl commands')
      .option('--force', 'replace files that exist'),
    'fit deal export k7q2 --out k7q2.asics',
    'fit deal export k7q2 --dir out',
  ).action(run(async () => (await looking()).exportEvidence));
}
