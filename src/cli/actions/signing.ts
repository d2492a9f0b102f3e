/** fit deal accept|abort|resolve. */
import { createHash } from 'node:crypto';
import { fromUtf8 } from '../../lib/bytes.ts';
import { FitError } from '../../lib/errors.ts';
import type { DealResult } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import * as voice from '../voice.ts';
import { prove, requireUnlocked } from './consent.ts';
import { checkWaitOptions, finish, type WaitOptions } from './outcome.ts';

interface AcceptOptions extends WaitOptions {
  readonly document?: string;
}

function summary(shown: DealResult, explained: Awaited<ReturnType<AgentClient['dealExplain']>>): string[] {
  const arbiter = shown.arbiter.contact ?? voice.peer(shown.arbiter.name);
  return [
    ...voice.facts([
      [
        'with',
        `${voice.peer(shown.with)}, ${shown.verified ? 'verified by words' : 'NOT verified: it may be someone else'}`,
      ],
      ['arbiter', `${arbiter} (can finish the signing, cannot change the text)`],
      ['sha-256', shown.document],
    ]),
    ...voice.explain(explained),
    ...(shown.verified ? [] : [`warning: compare the words first: fit contact verify ${voice.peer(shown.with)}`]),
    ...(shown.arbiter.contact === null ? ['warning: the arbiter is not among your contacts'] : []),
  ];
}

/** Shows the exact bytes and returns their digest once the person wants to sign them. */
async function readFirst(context: Context, agent: AgentClient, deal: string): Promise<string> {
  const { openTerminal } = await import('../terminal.ts');
  const terminal = context.nonInteractive ? undefined : openTerminal();
  if (terminal === undefined) {
    const { PASSPHRASE_FLAGS } = await import('../passphrase.ts');
    throw new FitError('needs-passphrase', 'accepting needs the passphrase and there is no terminal to ask at', {
      hint: `give ${PASSPHRASE_FLAGS}`,
    });
  }
  const shown = await agent.dealShow({ deal });
  const [text, explained] = await Promise.all([
    agent.dealText({ deal: shown.deal, version: shown.version }),
    agent.dealExplain({ deal: shown.deal }),
  ]);
  const bytes = Buffer.from(text.data, 'base64');
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== shown.document) throw new FitError('wrong-state', 'the offer changed, read it again');
  const { readAndDecide } = await import('../reader.ts');
  await readAndDecide(terminal, {
    heading: `${voice.peer(shown.title, 60)} · ${shown.deal} · version ${shown.version} of ${shown.versions.length} · from ${voice.peer(shown.with)} (${shown.verified ? 'verified' : 'unverified'})`,
    text: fromUtf8(bytes),
    summary: summary(shown, explained),
    verb: 'sign',
  });
  return digest;
}

export async function accept(context: Context, options: AcceptOptions, deal: string): Promise<number | undefined> {
  checkWaitOptions(options);
  if (options.document !== undefined && !/^[0-9a-f]{64}$/.test(options.document)) {
    throw new FitError('usage', '--document takes 64 lower-case hexadecimal digits');
  }
  const agent = await context.agent();
  await requireUnlocked(agent);
  const given = await context.givenPassphrase();
  const read = given === undefined ? await readFirst(context, agent, deal) : undefined;
  if (read !== undefined && options.document !== undefined && read !== options.document) {
    throw new FitError('wrong-state', 'the current text is not the one that --document names: nothing was signed');
  }
  const document = options.document ?? read;
  await prove(context, agent, 'passphrase, to sign');
  const change = await context.out.busy(
    'signing',
    agent.dealAccept({ deal, ...(document === undefined ? {} : { document }) }),
  );
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
