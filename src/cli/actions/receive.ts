/** fit deal receive: accepts what is offered, waits for it, and puts it into a folder; goes on where an earlier one ended. */
import { resolve } from 'node:path';
import { FitError, isFitError } from '../../lib/errors.ts';
import type { DealSummary } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import { ifInterrupted } from '../at-end.ts';
import type { Context } from '../context.ts';
import { checkFolder, checkPlace } from '../place.ts';
import { checkDigest, FINAL_STATES, parseTimeoutMs } from '../times.ts';
import * as voice from '../voice.ts';
import { requireUnlocked } from './consent.ts';
import { consenting, report, takeInto } from './deliver.ts';
import { startProgress } from './follow.ts';
import { warn } from './outcome.ts';

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
