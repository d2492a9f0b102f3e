/**
 * `fit` or `fit ui` where there is no trader yet, at a terminal: name, passphrase, keys, the card to give away, the first
 * contact. The caller goes on from there.
 * Left at any point, nothing is half-made: before the keys there is nothing, after them each step is a command of its own.
 */
import { FitError, isFitError } from '../../lib/errors.ts';
import { closeAll } from '../at-end.ts';
import { startAndConnect } from '../autostart.ts';
import type { Context } from '../context.ts';
import { MAX_CARD_BYTES, readInput } from '../files.ts';
import { askLine, askNewPassphrase } from '../prompts.ts';
import * as voice from '../voice.ts';

/** Below this a passphrase is taken only if the person insists. */
export const ENOUGH = 3;

/** A new passphrase, told how strong it is; a weak one is asked about. */
export async function choosePassphrase(context: Context, name: string, flags: string): Promise<string> {
  const { strengthOf } = await import('../strength.ts');
  for (;;) {
    const passphrase = await askNewPassphrase(context.nonInteractive, flags);
    const { score, words } = strengthOf(passphrase, [name, 'fit']);
    context.out.talk(`the passphrase is ${words}`);
    if (score >= ENOUGH) return passphrase;
    const answer = await askLine('take it all the same? (yes, or ↵ to choose another)', context.nonInteractive, flags);
    if (answer.toLowerCase() === 'yes') return passphrase;
  }
}

async function firstContact(context: Context, agent: Awaited<ReturnType<Context['agent']>>): Promise<void> {
  const { out } = context;
  for (;;) {
    const given = await askLine('the other side’s card: paste it, or its file (↵ for later)', false, 'fit contact add');
    if (given === '') return;
    try {
      const text = given.startsWith('fit1')
        ? given
        : Buffer.from(await readInput(given, MAX_CARD_BYTES))
            .toString()
            .trim();
      const as = await askLine('your name for them', false, 'fit contact add --as');
      const contact = await agent.contactAdd({ card: text, as });
      out.line(`added ${contact.contact}; compare these words by telephone, all 16:`);
      for (const line of voice.words(contact.words)) out.line(line);
      const same = await askLine('are they the same on both sides? (yes, or ↵ for later)', false, 'fit contact verify');
      if (same.toLowerCase() === 'yes') {
        await agent.contactVerify({ contact: as, words: contact.words });
        out.line(`${as} is verified`);
      }
    } catch (error) {
      if (!isFitError(error) || error.code === 'interrupted') throw error;
      out.talk(voice.peer(error.message, 300));
    }
  }
}

async function steps(context: Context): Promise<void> {
  const { out } = context;
  const paths = context.paths();
  out.line('no trader here yet; this makes one, and takes a minute');
  const name = await askLine('your name, as it stands in contracts', false, 'fit init --name');
  if (name === '') throw new FitError('usage', 'the name is empty: nothing was made', { hint: 'fit starts again' });
  const passphrase = await choosePassphrase(context, name, 'fit init');
  const { fitdInit } = await import('../fitd.ts');
  await out.busy('making keys', fitdInit([`--name=${name}`], passphrase, context.environment, paths));
  out.line(`made the trader ${name} in ${paths.home}`);
  out.hint('nobody can restore the passphrase: keep it well');
  const agent = await startAndConnect(context, passphrase);
  try {
    await agent.prove({ passphrase, source: 'terminal' });
    const { card } = await agent.card();
    out.line('your card, for the other side and the arbiter:');
    out.line(card);
    out.hint('as a file: fit card > me.card; as a picture: fit card --qr');
    await firstContact(context, agent);
  } finally {
    agent.close();
  }
}

export async function firstRun(context: Context): Promise<void> {
  try {
    await steps(context);
  } finally {
    // The terminal that the questions opened: the screens take it next, and the program could not end with it.
    closeAll();
  }
}
