/** fit deal deliver|grant|swap, fit send: files for a signed receipt, for files, or one way. */
import { rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDuration } from '../../lib/duration.ts';
import { EXIT, FitError, isFitError } from '../../lib/errors.ts';
import { MAX_WINDOW, MIN_WINDOW } from '../../lib/window.ts';
import { CREDENTIAL_TEXTS, type CredentialText, type DealChange } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import { ifInterrupted } from '../at-end.ts';
import type { Context } from '../context.ts';
import { checkFolder, takeFiles } from '../place.ts';
import { parseTimeoutMs } from '../times.ts';
import * as voice from '../voice.ts';
import { type AttributeOptions, type Attributes, attributesOf, meaningOf } from './attributes.ts';
import { hasTerminal, prove, requireUnlocked } from './consent.ts';
import { startProgress } from './follow.ts';
import { type Waited, warn } from './outcome.ts';

interface DeliverOptions extends AttributeOptions {
  readonly expires?: string;
  readonly text?: string;
  readonly timeout?: string;
  /** `--no-wait`. */
  readonly wait: boolean;
  readonly progress?: boolean;
  readonly dryRun?: boolean;
}

/** `window=72h`, in seconds, or `full`; nothing for the default. */
function checkOf(check: string | undefined): { readonly window?: number; readonly full?: true } {
  if (check === undefined) return {};
  if (check === 'full') return { full: true };
  const [, time] = /^window=(.+)$/.exec(check) ?? [];
  if (time === undefined)
    throw new FitError('usage', '--check is full, or window= and a time', { hint: 'for example --check window=72h' });
  const seconds = parseDuration(time);
  if (seconds < MIN_WINDOW || seconds > MAX_WINDOW)
    throw new FitError('usage', 'a window is at least a minute and at most 90 days', {
      hint: 'in it wrong content must be shown to the arbiter: the usual is --check window=72h',
    });
  return { window: seconds };
}

/** The line for people, or the JSON, and the exit code. `started`: null if it took none of our time. */
export async function report(
  context: Context,
  agent: AgentClient,
  waited: Waited,
  fields: object,
  files: readonly string[],
  started: number | null,
): Promise<number> {
  const { out } = context;
  const shown = await agent.dealShow({ deal: waited.deal });
  // A receipt may be out whose content was lost here.
  const view = await agent.deliveryShow({ deal: waited.deal });
  const isLost = view.direction === 'in' && view.phase === 'failed' && waited.state === 'completed';
  const reached = waited.state === 'completed' && !isLost;
  if (isLost) out.warn(voice.peer(view.trouble ?? 'its content is not here', 500));
  if (out.isJson) out.json({ ...fields, ...waited, reached, reason: shown.reason, files });
  else {
    out.line(
      voice.outcome({ ...shown, state: waited.state }, waited.via, started === null ? null : Date.now() - started),
    );
    for (const file of files) out.line(`  ${voice.peer(file, 4096)}`);
    if (shown.reason !== null && !reached) out.talk(voice.peer(shown.reason, 500));
    const next = voice.next({ ...shown, state: waited.state });
    if (next !== undefined) out.hint(next);
  }
  return reached ? EXIT.done : EXIT.negative;
}

/** With the passphrase, at a terminal after reading it, or by a rule; else a request waits (exit 5). */
export async function consenting(
  context: Context,
  agent: AgentClient,
  verb: string,
  ask: (hold: { readonly hold?: boolean }) => Promise<DealChange>,
): Promise<DealChange> {
  await requireUnlocked(agent);
  const given = await context.givenPassphrase();
  if (given === undefined && (await hasTerminal(context))) {
    const { decideHeld } = await import('./approve.ts');
    const granted = await decideHeld(context, agent, verb, () => ask({ hold: true }));
    const { state } = await agent.dealShow({ deal: granted.deal });
    return { deal: granted.deal, document: granted.request.digest, state, warnings: [] };
  }
  if (given !== undefined) await prove(context, agent);
  return ask({});
}

/** The files, with a container beside each folder in its place. */
async function withoutFolders(
  context: Context,
  named: readonly string[],
): Promise<{ readonly files: readonly string[]; readonly discard: () => void }> {
  const made: string[] = [];
  const discard = (): void => {
    for (const file of made) rmSync(file, { force: true });
  };
  const files: string[] = [];
  try {
    for (const one of named.map((file) => resolve(file))) {
      const isFolder = statSync(one, { throwIfNoEntry: false })?.isDirectory() === true;
      if (isFolder) {
        const { packBeside } = await import('./pack.ts');
        made.push(await packBeside(context, one));
      }
      files.push(isFolder ? `${one}.fitc` : one);
    }
  } catch (error) {
    discard();
    throw error;
  }
  for (const file of made) context.out.talk(`packed into ${file}, which is read until it is delivered`);
  return { files, discard };
}

/** What is read of them; one that is not there is refused by the daemon. */
const bytesOf = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);

async function offer(
  context: Context,
  options: DeliverOptions,
  files: readonly string[],
  whom: {
    readonly deal?: string;
    readonly to?: string;
    readonly swap?: boolean;
    readonly want?: string;
    readonly credential?: boolean | CredentialText;
    readonly transfer?: Attributes | undefined;
  },
  folder?: string,
): Promise<number | undefined> {
  const { out } = context;
  const { transfer, ...given } = whom;
  parseTimeoutMs(options.timeout);
  const check = checkOf(options.check);
  const packed = await withoutFolders(context, files);
  const request = {
    files: packed.files,
    ...given,
    ...(transfer === undefined ? {} : { transfer }),
    ...(options.arbiter === undefined ? {} : { arbiter: options.arbiter }),
    ...check,
    ...(options.expires === undefined ? {} : { expires: parseDuration(options.expires) }),
    ...(options.text === undefined ? {} : { text: options.text }),
  };
  const agent = await context.agent();
  if (transfer !== undefined) {
    const them = whom.deal === undefined ? (whom.to ?? '') : (await agent.dealShow({ deal: whom.deal })).with;
    out.talk(meaningOf(transfer, voice.peer(them)));
  }
  const progress = startProgress(context, agent, options.progress === true);
  await agent.subscribe({});
  const bytes = bytesOf(packed.files);
  if (options.dryRun === true) {
    const asked = agent.dealDeliver({ ...request, dryRun: true }).finally(packed.discard);
    const draft = await progress.reading(bytes, asked);
    if (out.isJson) out.json(draft);
    else await out.bytes(Buffer.from(draft.text ?? ''));
    return undefined;
  }
  const change = await consenting(context, agent, 'deliver', (hold) =>
    progress.reading(bytes, agent.dealDeliver({ ...request, ...hold })),
  ).catch((error: unknown) => {
    // What a request waits for is read when it is granted.
    if (!isFitError(error) || error.code !== 'needs-approval') packed.discard();
    throw error;
  });
  warn(context, change.warnings);
  if (change.credential !== undefined) for (const line of voice.credential(change.credential)) out.talk(line);
  const said =
    whom.swap === true ? 'offered to swap' : transfer === undefined ? 'offered to deliver' : 'offered to transfer';
  const { text: _, ...fields } = change;
  if (!options.wait) {
    if (out.isJson) out.json(fields);
    else {
      out.line(voice.said(said, change));
      out.hint(`fit deal wait ${change.deal.slice(0, 4)}`);
    }
    return undefined;
  }
  const theirs = whom.want === undefined ? 'receive' : 'swap';
  if (!out.isJson) out.talk(`${said} as ${change.deal}; the other side: fit deal ${theirs} ${change.deal.slice(0, 4)}`);
  const started = Date.now();
  ifInterrupted(`it goes on without this; how far it is: fit deal show ${change.deal.slice(0, 4)}`);
  const waited = await progress.ended(change.deal, options.timeout);
  const placed = folder === undefined ? [] : await takeInto(context, agent, change.deal, folder);
  return report(context, agent, waited, fields, placed, started);
}

export async function deliver(
  context: Context,
  options: DeliverOptions,
  deal: string,
  files: readonly string[],
): Promise<number | undefined> {
  return offer(context, options, files, { deal, transfer: attributesOf(options, 'fair') });
}

export async function send(
  context: Context,
  options: DeliverOptions & { readonly to: string },
  files: readonly string[],
): Promise<number | undefined> {
  const usual = options.arbiter === undefined ? 'asked' : 'fair';
  const transfer = attributesOf(options, usual);
  if (transfer === undefined && options.arbiter === undefined)
    throw new FitError('usage', 'who is the arbiter?', { hint: 'add --arbiter, or leave --receipt fair away' });
  return offer(context, options, files, { to: options.to, transfer });
}

/** What `--kind` says of a text; a certificate says itself what it is. */
function credentialKind(kind: string | undefined): true | CredentialText {
  if (kind === undefined) return true;
  const found = CREDENTIAL_TEXTS.find((one) => one === kind);
  if (found === undefined) throw new FitError('usage', `--kind is one of ${CREDENTIAL_TEXTS.join(', ')}`);
  return found;
}

/** A credential for a signed receipt, or one way. */
export async function grant(
  context: Context,
  options: DeliverOptions & { readonly credential: string; readonly kind?: string },
  deal: string,
): Promise<number | undefined> {
  const transfer = attributesOf(options, 'fair');
  const credential = credentialKind(options.kind);
  return offer(context, options, [options.credential], { deal, credential, transfer });
}

interface SwapOptions extends DeliverOptions {
  readonly give: readonly string[];
  readonly credential?: boolean;
  readonly kind?: string;
  readonly want?: string;
  readonly receiveTo?: string;
}

/** Offers files for files, or answers a swap of theirs; with --receive-to what comes for them is put there at the end. */
export async function swap(context: Context, options: SwapOptions, deal: string): Promise<number | undefined> {
  const folder = options.receiveTo === undefined ? undefined : resolve(options.receiveTo);
  if (folder !== undefined) checkFolder(folder);
  const want = options.want === undefined ? {} : { want: options.want };
  if (folder !== undefined && !options.wait)
    throw new FitError('usage', 'with --no-wait nobody is here to put files into a folder', {
      hint: 'leave --receive-to away, and take them later: fit deal receive',
    });
  if (options.kind !== undefined && options.credential !== true)
    throw new FitError('usage', '--kind is for a credential', { hint: 'add --credential' });
  const credential = options.credential === true ? { credential: credentialKind(options.kind) } : {};
  return offer(context, options, options.give, { deal, swap: true, ...want, ...credential }, folder);
}

/** What has come is put there, as far as it can be; what keeps the rest is said. */
export async function takeInto(
  context: Context,
  agent: AgentClient,
  deal: string,
  folder: string,
): Promise<readonly string[]> {
  const { placed, trouble } = await takeFiles(agent, deal, folder);
  if (trouble !== null) context.out.warn(voice.peer(trouble, 500));
  return placed;
}
