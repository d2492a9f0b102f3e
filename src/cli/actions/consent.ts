/** Passphrase and consent: what the daemon wants to see before a key is used for something that binds. */
import { FitError, isFitError } from '../../lib/errors.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';

const TYPING_ATTEMPTS = 3;

/**
 * Calls `use` with the passphrase. A typed one that is wrong is asked for again; one from a script is not.
 */
export async function withPassphrase<T>(
  context: Context,
  question: string,
  use: (passphrase: string) => Promise<T>,
): Promise<T> {
  const given = await context.givenPassphrase();
  if (given !== undefined) return use(given);
  const { askPassphrase } = await import('../prompts.ts');
  for (let attempt = 1; ; attempt++) {
    const typed = await askPassphrase(question, context.nonInteractive);
    if (typed === '') throw new FitError('needs-passphrase', 'no passphrase was given: nothing was signed');
    try {
      return await use(typed);
    } catch (error) {
      if (!isFitError(error) || error.code !== 'wrong-passphrase' || attempt === TYPING_ATTEMPTS) throw error;
      context.out.talk('wrong passphrase, once more');
    }
  }
}

/** Shows the daemon the passphrase for this connection. */
export async function prove(context: Context, agent: AgentClient, question = 'passphrase'): Promise<void> {
  const source = await context.passphraseSource();
  await withPassphrase(context, question, (passphrase) => agent.prove({ passphrase, source }));
}

/** Nobody should read or type anything before hearing that the keys are locked. */
export async function requireUnlocked(agent: AgentClient): Promise<void> {
  const { locked } = await agent.status();
  if (locked) throw new FitError('locked', 'the keys are locked', { hint: 'fit unlock' });
}

/** Whether there is somebody to ask. */
export async function hasTerminal(context: Context): Promise<boolean> {
  if (context.nonInteractive) return false;
  const { openTerminal } = await import('../terminal.ts');
  return openTerminal() !== undefined;
}
