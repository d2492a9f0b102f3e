/** fit deal accept|abort|resolve. */
import type { Context } from '../context.ts';
import { checkDigest } from '../times.ts';
import { hasTerminal, prove, requireUnlocked } from './consent.ts';
import { checkWaitOptions, finish, type WaitOptions } from './outcome.ts';

interface AcceptOptions extends WaitOptions {
  readonly document?: string;
}

export async function accept(context: Context, options: AcceptOptions, deal: string): Promise<number | undefined> {
  checkWaitOptions(options);
  checkDigest(options.document, '--document');
  const agent = await context.agent();
  await requireUnlocked(agent);
  const named = options.document === undefined ? {} : { document: options.document };
  const given = await context.givenPassphrase();
  if (given === undefined && (await hasTerminal(context))) {
    const { decideHeld } = await import('./approve.ts');
    const granted = await decideHeld(context, agent, 'sign', () => agent.dealAccept({ deal, ...named, hold: true }));
    const { state } = await agent.dealShow({ deal: granted.deal });
    const change = { deal: granted.deal, document: granted.request.digest, state, warnings: [] };
    return finish(context, agent, change, options, 'accepted');
  }
  // Without the passphrase a rule may decide; else the request waits for a person.
  if (given !== undefined) await prove(context, agent, 'passphrase, to sign');
  const change = await context.out.busy('signing', agent.dealAccept({ deal, ...named }));
  return finish(context, agent, change, options, 'accepted');
}

export async function abort(context: Context, _options: object, deal: string): Promise<number | undefined> {
  const agent = await context.agent();
  const change = await context.out.busy('asking the arbiter', agent.dealAbort({ deal }));
  return finish(context, agent, change, {}, 'abort asked');
}

export async function resolve(context: Context, _options: object, deal: string): Promise<number | undefined> {
  const agent = await context.agent();
  const change = await context.out.busy('asking the arbiter', agent.dealResolve({ deal }));
  return finish(context, agent, change, {}, 'resolve asked');
}
