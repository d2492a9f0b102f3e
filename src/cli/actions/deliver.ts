/** fit deal deliver|grant|swap|receive, fit send: files for a signed receipt, for files, or one way. */
import { rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDuration } from '../../lib/duration.ts';
import { EXIT, FitError, isFitError } from '../../lib/errors.ts';
import { MAX_WINDOW, MIN_WINDOW } from '../../lib/window.ts';
import { CREDENTIAL_TEXTS, type CredentialText, type DealChange, type DealSummary } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import { ifInterrupted } from '../at-end.ts';
import type { Context } from '../context.ts';
import { checkFolder, checkPlace, takeFiles } from '../place.ts';
import { checkDigest, FINAL_STATES, parseTimeoutMs } from '../times.ts';
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

async function report(
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
async function consenting(
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
  if (whom.credential !== undefined && change.text !== undefined)
    for (const line of voice.credentialLines(change.text)) out.talk(line);
  const said =
    whom.swap === true ? 'offered to swap' : transfer === undefined ? 'offered to deliver' : 'offered to transfer';
  const { text: _, ...fields } = change;
  if (!options.wait) {
    if (out.isJson) out.json(fields);
    else {
      out.line(voice.said(said, change));
      out.hint(`fit deal wait ${change.deal.slice(0, 4)} `);
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

interface ReceiveOptions {
  readonly to?: string;
  readonly document?: string;
  readonly limitRate?: string;
  readonly timeout?: string;
  readonly progress?: boolean;
  readonly unpack?: boolean;
}

/** `512k`, `10M`, `1G` or bytes a second. */
function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^([0-9]{1,9})([kMG]?)$/.exec(text) ?? [];
  const rate = Number(digits) * { '': 1, k: 1024, M: 1024 ** 2, G: 1024 ** 3 }[unit as '' | 'k' | 'M' | 'G'];
  if (digits === '' || rate < 1024)
    throw new FitError('usage', '--limit-rate is bytes a second, at least 1k', { hint: 'for example 500k or 10M' });
  return rate;
}

/** The delivery itself, or those under a contract that can be received, as they come: on offer first, then by age. */
function wantedOf(deals: readonly DealSummary[], id: string): readonly DealSummary[] {
  const named = deals.filter((one) => one.deal.startsWith(id));
  const [one, two] = named;
  if (one === undefined) return [];
  if (two !== undefined && !named.some((each) => each.deal === id))
    throw new FitError('ambiguous', 'more than one deal begins like this', { hint: 'give more of the id' });
  // A swap of ours is received once it has been answered.
  if (one.kind === 'swap' && one.offeredBy === 'you' && one.state === 'offered') return [];
  if (one.kind !== 'contract') return [one];
  const under = deals
    .filter((each) => each.kind !== 'contract' && each.references.includes(one.document))
    .sort((a, b) => (a.updated < b.updated ? -1 : 1));
  return [
    ...under.filter(({ state, offeredBy }) => state === 'offered' && offeredBy === 'them'),
    ...under.filter(({ state }) => state === 'signing' || state === 'completed'),
  ];
}

/** The first of them that is on offer, or of which something is still to be taken: a `receive` that ended early left it. */
async function firstOf(
  agent: AgentClient,
  wanted: readonly DealSummary[],
  isNamed: boolean,
  done: Set<string>,
): Promise<string | undefined> {
  for (const { deal, state } of wanted) {
    if (isNamed || state === 'offered') return deal;
    if (done.has(deal)) continue;
    const { direction, phase } = await agent.deliveryShow({ deal });
    if (direction === 'in' && phase !== 'taken' && phase !== 'failed') return deal;
    done.add(deal);
  }
  return undefined;
}

/** Waits for the delivery: `receive` may be there first. */
async function awaitOffer(
  context: Context,
  agent: AgentClient,
  id: string,
  timeout: string | undefined,
): Promise<string> {
  const endsAt = Date.now() + parseTimeoutMs(timeout);
  let found: (deal: string) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<string>((resolve, fail) => {
    found = resolve;
    reject = fail;
  });
  const done = new Set<string>();
  const look = async (): Promise<void> => {
    const { deals } = await agent.dealList();
    const wanted = wantedOf(deals, id);
    const first = await firstOf(agent, wanted, wanted[0]?.deal.startsWith(id) === true, done);
    if (first !== undefined) found(first);
    else if (!deals.some((one) => one.deal.startsWith(id)) && id.length < 12)
      throw new FitError('not-found', 'there is no such deal', { hint: 'fit deal list' });
  };
  // Once nobody waits any longer, neither does anybody hear that the daemon has ended.
  promise.catch(() => {});
  agent.onEvent((event) => {
    if (event.deal !== undefined && event.kind !== 'progress') look().catch(reject);
  });
  agent.closed.then(() => reject(new FitError('daemon-unreachable', 'the daemon has ended')));
  const timer = setTimeout(
    () => reject(new FitError('timed-out', 'nothing was delivered in time')),
    Math.min(endsAt - Date.now(), 2 ** 31 - 1),
  );
  try {
    await agent.subscribe({});
    await look();
    return await context.out.busy('waiting for a delivery', promise);
  } finally {
    clearTimeout(timer);
  }
}

async function takeInto(
  context: Context,
  agent: AgentClient,
  deal: string,
  folder: string,
): Promise<readonly string[]> {
  const { placed, trouble } = await takeFiles(agent, deal, folder);
  if (trouble !== null) context.out.warn(voice.peer(trouble, 500));
  return placed;
}

export async function receive(context: Context, options: ReceiveOptions, id: string): Promise<number | undefined> {
  const folder = resolve(options.to ?? '.');
  checkFolder(folder);
  checkDigest(options.document, '--document');
  const rate = rateOf(options.limitRate);
  const agent = await context.agent();
  await requireUnlocked(agent);
  const deal = await awaitOffer(context, agent, id, options.timeout);
  const progress = startProgress(context, agent, options.progress === true);
  const before = await agent.deliveryShow({ deal });
  if (before.direction === 'out')
    throw new FitError('wrong-state', 'this is a delivery of yours', { hint: `fit deal show ${deal}` });
  if (before.phase !== 'taken') await checkPlace(folder, before);
  const started = Date.now();
  const limited = rate === undefined ? {} : { rate };
  const named = options.document === undefined ? {} : { document: options.document };
  const shown = await agent.dealShow({ deal });
  let fields: object = { deal, document: shown.document };
  const isOurs = shown.offeredBy === 'you';
  const wasOver = FINAL_STATES.some((state) => state === shown.state);
  if (shown.state === 'offered' && before.phase === 'waiting' && !isOurs) {
    const change = await consenting(context, agent, 'receive', (hold) =>
      agent.dealAccept({ deal, ...named, ...limited, ...hold }),
    );
    warn(context, change.warnings);
    fields = { deal, document: change.document };
  }
  const place = options.to === undefined ? '' : ` --to ${voice.peer(options.to, 4096)}`;
  ifInterrupted(`it goes on without this; then: fit deal receive ${deal.slice(0, 4)}${place}`);
  const waited = await progress.ended(deal, options.timeout);
  const placed = await takeInto(context, agent, deal, folder);
  if (before.phase === 'taken') context.out.talk('its files were put into a folder before, and are kept nowhere else');
  const unpacked = options.unpack === true ? await unpackAll(context, placed, folder) : [];
  return report(context, agent, waited, fields, [...placed, ...unpacked], wasOver ? null : started);
}

/** Takes out of the containers that came. They stay, since the receipt is about them; so what cannot be taken out is no loss. */
async function unpackAll(context: Context, placed: readonly string[], folder: string): Promise<readonly string[]> {
  const all: string[] = [];
  for (const file of placed.filter((name) => name.endsWith('.fitc'))) {
    const { unpackDelivered } = await import('./unpack.ts');
    try {
      all.push(...(await unpackDelivered(context, file, folder)));
    } catch (error) {
      if (!isFitError(error)) throw error;
      context.out.warn(`${voice.peer(file, 500)} was not unpacked: ${voice.peer(error.message, 500)}`);
    }
  }
  return all;
}
