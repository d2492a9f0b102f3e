/** What `fit` says of deliveries: sizes, how far the content is, deliveries under their contract. */
import { formatDuration } from '../lib/duration.ts';
import type { DealSummary, DeliveryResult, FitEvent, ProgressPhase } from '../rpc/agent.ts';

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function size(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${SIZES[power]}`;
}

/** A deal's state in a word. */
export function stateWord({ kind, state }: Pick<DealSummary, 'kind' | 'state'>): string {
  if (state !== 'completed') return state;
  switch (kind) {
    case 'delivery':
      return 'delivered';
    case 'swap':
      return 'swapped';
    case 'transfer':
      return 'transferred';
    case 'contract':
      return state;
  }
}

export type TreeDeal = DealSummary & { readonly depth: number };

/** The deals in their order, each followed by the deliveries that fulfil it. Each once, also if they name each other. */
export function treeOf(deals: readonly DealSummary[]): readonly TreeDeal[] {
  const under = new Map<string, DealSummary[]>();
  const known = new Set(deals.map((one) => one.document));
  const parentOf = (one: DealSummary): string | undefined =>
    one.kind !== 'contract' ? one.references.find((digest) => known.has(digest) && digest !== one.document) : undefined;
  for (const one of deals) {
    const parent = parentOf(one);
    if (parent !== undefined) under.set(parent, [...(under.get(parent) ?? []), one]);
  }
  const tree: TreeDeal[] = [];
  const placed = new Set<string>();
  const place = (one: DealSummary, depth: number): void => {
    if (placed.has(one.deal)) return;
    placed.add(one.deal);
    tree.push({ ...one, depth });
    for (const child of under.get(one.document) ?? []) place(child, depth + 1);
  };
  for (const one of deals) if (parentOf(one) === undefined) place(one, 0);
  for (const one of deals) place(one, 0);
  return tree;
}

function percent({ done, total }: DeliveryResult): string {
  return total === 0 ? '' : ` (${Math.floor((done / total) * 100)} %)`;
}

/** How far the content of a delivery is, as one phrase of ours. The trouble is not in it. */
export function progress(view: DeliveryResult): string {
  switch (view.phase) {
    case 'offered':
      return 'yours, fetched by the other side once both agreed';
    case 'waiting':
      return 'not fetched: it is, once you have accepted';
    case 'fetching':
      return `${size(view.done)} of ${size(view.total)} fetched${percent(view)}`;
    case 'fetched':
      return 'all here, still locked: waiting for the sender’s key';
    case 'opened':
      return 'all here and compared, not yet taken';
    case 'taken':
      return 'received, compared and taken';
    case 'failed':
      return 'could not be fetched';
  }
}

/** How fast a content moves: bytes a second since its phase began, and the seconds that are left at that rate. */
export interface Pace {
  readonly deal: string;
  readonly direction: 'out' | 'in';
  readonly phase: ProgressPhase;
  readonly done: number;
  readonly total: number;
  readonly rate: number | null;
  readonly left: number | null;
  /** What was done when, in ms. */
  readonly begun: { readonly at: number; readonly done: number };
}

/** `at`: ms, of our clock. Undefined for what is no progress. */
export function paceOf(before: Pace | undefined, event: FitEvent, at: number): Pace | undefined {
  const { deal, direction, phase, done, total } = event;
  if (deal === undefined || direction === undefined || phase === undefined) return before;
  if (done === undefined || total === undefined) return before;
  const goesOn = before !== undefined && before.phase === phase && before.deal === deal && before.begun.done <= done;
  const begun = goesOn ? before.begun : { at, done };
  const moved = done - begun.done;
  const rate = at > begun.at && moved > 0 ? Math.round((moved / (at - begun.at)) * 1000) : null;
  const left = rate === null || rate === 0 ? null : Math.ceil((total - done) / rate);
  return { deal, direction, phase, done, total, rate, left, begun };
}

const PHASE_WORDS: Readonly<Record<ProgressPhase, string>> = {
  reading: 'read',
  serving: 'fetched by the receiver',
  fetching: 'fetched',
  opening: 'compared',
};

const howFar = (phase: ProgressPhase, done: number, total: number): string =>
  `${size(done)} of ${size(total)} ${PHASE_WORDS[phase]}`;

/** `12.0 MiB of 40.0 MiB fetched, 3.1 MiB/s, 9 s left`. */
export function progressLine({ phase, done, total, rate, left }: Pace): string {
  return `${howFar(phase, done, total)}${rate === null ? '' : `, ${size(rate)}/s`}${left === null ? '' : `, ${left} s left`}`;
}

/** What an event says of a content, if it does. */
export function eventProgress({ phase, done, total }: FitEvent): string | undefined {
  return phase === undefined || done === undefined || total === undefined ? undefined : howFar(phase, done, total);
}

const GIVES: Readonly<Record<DealSummary['kind'], string>> = {
  contract: 'delivers',
  delivery: 'delivers',
  swap: 'gives',
  transfer: 'sends',
};

/** `full`, or `window=` with seconds. */
export function check(text: string): string {
  const [, seconds] = /^window=([0-9]+)$/.exec(text) ?? [];
  if (seconds !== undefined)
    return `window: wrong content can be proven to the arbiter for ${formatDuration(Number(seconds))} after it was first asked`;
  return text === 'full' ? 'full: the arbiter, if it is asked, compares the files first, and can read them' : text;
}

/** Rows about the content, for `voice.facts`. */
export function content(view: DeliveryResult, kind: DealSummary['kind']): readonly (readonly [string, string])[] {
  const bytes = view.files.reduce((sum, file) => sum + file.size, 0);
  const files = `${view.files.length} file${view.files.length === 1 ? '' : 's'}, ${size(bytes)}`;
  return [
    [view.direction === 'in' ? 'brings' : GIVES[kind], files],
    ['content', progress(view)],
  ];
}

/** A swap that says only what is wanted: its answer is another version. */
export const needsAnswer = ({ kind, version }: Pick<DealSummary, 'kind' | 'version'>): boolean =>
  kind === 'swap' && version === 1;

/** How an offer of theirs is accepted. */
export function accepting(deal: Pick<DealSummary, 'kind' | 'version'>, short: string): string {
  if (deal.kind === 'contract') return `fit deal accept ${short}`;
  return needsAnswer(deal) ? `fit deal swap ${short} --give FILE` : `fit deal receive ${short} --to DIR`;
}

/** What a person does next about content, if something. */
export function next(view: DeliveryResult, short: string): string | undefined {
  return view.phase === 'opened' ? `fit deal receive ${short} --to DIR` : undefined;
}
