/** fit contact add|list|show|verify|remove. */
import { fromUtf8 } from '../../lib/bytes.ts';
import { FitError } from '../../lib/errors.ts';
import type { ContactResult } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { MAX_CARD_BYTES, readInput } from '../files.ts';
import * as voice from '../voice.ts';
import { prove } from './consent.ts';

async function readCard(file: string): Promise<string> {
  const bytes = await readInput(file, MAX_CARD_BYTES);
  try {
    return fromUtf8(bytes).trim();
  } catch (cause) {
    throw new FitError('bad-card', 'this is not a contact card', { cause });
  }
}

function print(context: Context, result: ContactResult): void {
  if (context.out.isJson) context.out.json(result);
  else for (const line of voice.contact(result)) context.out.line(line);
}

interface AddOptions {
  readonly as: string;
  readonly deal?: string;
  readonly replace?: boolean;
}

/** The card of a file, or the arbiter's that came with an offer; a file is read before the daemon is asked for anything. */
async function chosenCard(
  options: AddOptions,
  file: string | undefined,
): Promise<(agent: AgentClient) => Promise<string>> {
  const { deal } = options;
  if ((file === undefined) === (deal === undefined)) {
    throw new FitError('usage', 'give either a card or --deal', { hint: 'fit contact add oak.card --as oak' });
  }
  if (deal !== undefined)
    return async (agent) => {
      const { arbiter } = await agent.dealShow({ deal });
      if (arbiter === null) throw new FitError('wrong-state', 'a transfer has no arbiter', { hint: 'fit deal show' });
      return arbiter.card;
    };
  const card = await readCard(file ?? '-');
  return async () => card;
}

export async function add(context: Context, options: AddOptions, file: string | undefined): Promise<undefined> {
  const card = await chosenCard(options, file);
  const agent = await context.agent();
  const result = await agent.contactAdd({
    card: await card(agent),
    as: options.as,
    ...(options.replace === undefined ? {} : { replace: options.replace }),
  });
  print(context, result);
  if (!context.out.isJson && !result.verified) {
    context.out.hint(`let them read their words to you by phone, then fit contact verify ${result.contact}`);
  }
  return undefined;
}

export async function list(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.contactList();
  if (context.out.isJson) context.out.json(result);
  else for (const line of voice.contacts(result.contacts)) context.out.line(line);
  return undefined;
}

export async function show(context: Context, _options: object, contact: string): Promise<undefined> {
  const agent = await context.agent();
  print(context, await agent.contactShow({ contact }));
  return undefined;
}

export async function verify(
  context: Context,
  options: { readonly words?: string },
  contact: string,
): Promise<undefined> {
  const agent = await context.agent();
  // An unknown name is told before anyone reads sixteen words aloud.
  await agent.contactShow({ contact });
  let { words } = options;
  if (words === undefined) {
    const { askLine } = await import('../prompts.ts');
    words = await askLine('the 16 words that they read out', context.nonInteractive, '--words');
  }
  // With the passphrase rules may rely on it; without, it is a note that any program of this user could have made.
  if ((await context.givenPassphrase()) !== undefined) await prove(context, agent);
  const result = await agent.contactVerify({ contact, words });
  if (context.out.isJson) context.out.json(result);
  else {
    context.out.line(`${result.contact} is verified: these are their keys and not someone else's`);
    if (!result.attested) context.out.hint('rules of a policy rely on it only if the passphrase is given with it');
  }
  return undefined;
}

export async function remove(context: Context, _options: object, contact: string): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.contactRemove({ contact });
  if (context.out.isJson) context.out.json(result);
  else context.out.talk(`forgot ${result.removed}`);
  return undefined;
}
