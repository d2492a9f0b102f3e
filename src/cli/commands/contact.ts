/** fit contact add|list|show|verify|remove. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

export function registerContact(program: Command): void {
  const contact = program.command('contact').description('the traders and arbiters you know');
  examples(
    contact
      .command('add')
      .description('take a contact card and pin its certificate under a name of your own')
      .argument('[file]', 'the card (- is standard input)')
      .requiredOption('--as <name>', 'what you call this contact')
      .option('--deal <deal>', "in place of a file: the arbiter's card that came with the offer of this deal")
      .option('--replace', 'accept another certificate or an older card in place of the pinned one'),
    'fit contact add oak.card --as oak',
    'fit contact add --deal k7q2 --as notary',
  ).action(run(async () => (await import('../actions/contact.ts')).add));
  examples(contact.command('list').description('list your contacts'), 'fit contact list --json').action(
    run(async () => (await import('../actions/contact.ts')).list),
  );
  examples(
    contact
      .command('show')
      .description('show one contact and the 16 words that prove it is theirs')
      .argument('<name>', 'the name you gave it'),
    'fit contact show oak',
  ).action(run(async () => (await import('../actions/contact.ts')).show));
  examples(
    contact
      .command('verify')
      .description('compare the 16 words that the other side reads out to you')
      .argument('<name>', 'the name you gave it')
      .option('--words <words>', 'the words as the other side reads them; asked for without this'),
    'fit contact verify oak --words "amber canoe divide …"',
  ).action(run(async () => (await import('../actions/contact.ts')).verify));
  examples(
    contact
      .command('remove')
      .description('forget a contact; refused while a deal with it is open')
      .argument('<name>', 'the name you gave it'),
    'fit contact remove oak',
  ).action(run(async () => (await import('../actions/contact.ts')).remove));
}
