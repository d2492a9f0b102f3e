/**
 * What `fit` says to people: every sentence and the shape of every listing. Lower case, no full stop, one fact a line,
 * then what to do next. Text from peers goes through `peer`, so that it looks and is different from what we say.
 */

import { columns as columnsIn, safeText } from '../lib/text.ts';
import type {
  CaseResult,
  ContactResult,
  DealChange,
  DealResult,
  DealSummary,
  DeliveryResult,
  ExplainResult,
  FitEvent,
  StatusResult,
  WhoamiResult,
} from '../rpc/agent.ts';
import { narrowed, wrapped } from './columns.ts';
import * as delivery from './voice-delivery.ts';

const NAME_LENGTH = 40;
const TITLE_LENGTH = 60;
const MESSAGE_LENGTH = 2000;
/** Enough of a fingerprint to recognise it, not to verify it. */
const SHORT_FINGERPRINT = 16;
const MIN_SHORT_ID = 4;

export function peer(text: string, maxLength = NAME_LENGTH): string {
  return safeText(text, { maxLength });
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** Local time, as people write it: `27 Nov 2026, 14:02`. Not by Intl, whose loading takes longer than most commands. */
export function when(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '–';
  const time = [date.getHours(), date.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}, ${time}`;
}

function mark(verified: boolean): string {
  return verified ? 'verified' : 'unverified';
}

/** Lines of two columns, the first as wide as its longest entry. */
export function facts(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd());
}

/** Rows under a heading; the last column is not padded. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => columnsIn(row[column] ?? ''))));
  return all.map((row) =>
    row
      .map((cell, column) => {
        const missing = (widths[column] ?? 0) - columnsIn(cell);
        return column === row.length - 1 ? cell : cell + ' '.repeat(Math.max(missing, 0));
      })
      .join('  ')
      .trimEnd(),
  );
}

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** The shortest prefixes, of at least four characters, that tell the ids apart: sorted, an id is most like a neighbour. */
export function shortIds(ids: readonly string[]): ReadonlyMap<string, string> {
  const sorted = [...new Set(ids)].sort();
  return new Map(
    sorted.map((id, at) => {
      const shared = Math.max(commonPrefix(id, sorted[at - 1] ?? ''), commonPrefix(id, sorted[at + 1] ?? ''));
      return [id, id.slice(0, Math.max(MIN_SHORT_ID, shared + 1))];
    }),
  );
}

export function status(result: StatusResult): string[] {
  return facts([
    ['trader', result.name],
    ['daemon', `running, process ${result.pid}, since ${when(result.started)}`],
    ['keys', result.locked ? 'locked' : 'unlocked'],
    ['addresses', result.addresses.join(', ') || 'none'],
    ['roles', result.roles.join(', ') || 'none'],
    ['deals', String(result.deals)],
    ['waiting', `${result.waiting} messages to send`],
    ...(result.roles.includes('arbiter')
      ? [['received', `${result.received.arbiter} requests as arbiter`] as const]
      : []),
    ['home', result.home],
    ['version', result.version],
  ]);
}

export function whoami(result: WhoamiResult): string[] {
  return facts([
    ['name', result.name],
    ['fingerprint', result.fingerprint],
    ['peer', result.peer],
    ['addresses', result.addresses.join(', ') || 'none yet: the daemon has not listened'],
    ['roles', result.roles.join(', ') || 'none'],
    ['valid until', when(result.notAfter)],
    ['recipient', result.recipient ?? 'none yet: fit unlock'],
  ]);
}

/** Sixteen words in rows of four, as one reads them out. */
export function words(text: string): string[] {
  const all = text.split(/\s+/);
  const rows: string[] = [];
  for (let at = 0; at < all.length; at += 4) {
    rows.push(
      all
        .slice(at, at + 4)
        .map((word) => word.padEnd(10))
        .join('')
        .trimEnd(),
    );
  }
  return rows.map((row) => `  ${row}`);
}

export function contact(result: ContactResult): string[] {
  return [
    ...facts([
      ['contact', result.contact],
      ['name', peer(result.name)],
      ['known', result.verified ? `verified by words${result.attested ? ', with the passphrase' : ''}` : 'unverified'],
      ['online', result.online ? 'yes' : 'no'],
      ['fingerprint', result.fingerprint],
      ['addresses', result.addresses.map((address) => peer(address, 100)).join(', ') || 'none'],
      ['roles', result.roles.map((role) => peer(role)).join(', ') || 'none'],
      ['added', when(result.added)],
      ['recipient', result.recipient ?? 'none: its card is of an earlier version'],
      ['words', ''],
    ]),
    ...words(result.words),
  ];
}

export function contacts(list: readonly ContactResult[]): string[] {
  if (list.length === 0) return ['no contacts yet'];
  return table(
    ['CONTACT', 'NAME', 'KNOWN', 'ONLINE', 'ROLES'],
    list.map((one) => [
      one.contact,
      peer(one.name),
      mark(one.verified),
      one.online ? 'online' : '–',
      one.roles.map((role) => peer(role)).join(' ') || '–',
    ]),
  );
}

const WAITS: Readonly<Record<DealSummary['waitsFor'], string>> = {
  you: 'you',
  them: 'them',
  arbiter: 'the arbiter',
  nobody: '–',
};

const DEAL_COLUMNS = ['DEAL', 'TITLE', 'WITH', 'STATE', 'WAITS FOR', 'UNTIL'] as const;

/** With `depth` each is indented under what it belongs to. Titles give way to `columns`. */
export function deals(
  list: readonly (DealSummary & { readonly depth?: number })[],
  columns?: number | undefined,
): string[] {
  if (list.length === 0) return ['no deals yet'];
  const short = shortIds(list.map((one) => one.deal));
  const rows = list.map((one) => [
    '  '.repeat(one.depth ?? 0) + (short.get(one.deal) ?? one.deal),
    peer(one.title, TITLE_LENGTH),
    `${peer(one.with)} ${one.verified ? '✓' : '?'}`,
    one.state === 'offered' ? `offered v${one.version}` : delivery.stateWord(one),
    WAITS[one.waitsFor],
    one.until === null ? '–' : when(one.until),
  ]);
  const [heading = [], ...others] = narrowed([DEAL_COLUMNS, ...rows], DEAL_COLUMNS.indexOf('TITLE'), columns);
  return table(heading, others);
}

const BY = { you: 'you', them: 'them', arbiter: 'the arbiter' } as const;

/** `view`: of a delivery, how far its content is. */
export function deal(result: DealResult, view: DeliveryResult | null = null): string[] {
  const { arbiter, transfer } = result;
  const helper =
    arbiter === null ? 'none: a transfer' : (arbiter.contact ?? `${peer(arbiter.name)} (not among your contacts)`);
  const rows: [string, string][] = [
    ['deal', result.deal],
    ['title', peer(result.title, TITLE_LENGTH)],
    ['state', delivery.stateWord(result) + (result.reason === null ? '' : `: ${peer(result.reason, MESSAGE_LENGTH)}`)],
    ['with', `${peer(result.with)} (${mark(result.verified)})`],
    ['arbiter', `${helper}${arbiter?.mode === 'affidavit' ? ', signs what it saw (affidavit)' : ''}`],
    ['version', `${result.version} of ${result.versions.length}, written by ${BY[result.offeredBy]}`],
    ['document', result.document],
    ['waits for', WAITS[result.waitsFor]],
  ];
  if (result.check !== 'none') rows.push(['check', delivery.check(result.check)]);
  if (transfer !== null)
    rows.push(
      ['origin', transfer.origin ? 'signed by the sender' : 'not signed'],
      ['receipt', transfer.receipt === 'asked' ? 'asked of the receiver' : 'none'],
    );
  for (const digest of result.references) rows.push(['under', digest]);
  for (const [name, value] of view === null ? [] : delivery.content(view, result.kind)) rows.push([name, value]);
  if (view !== null && view.trouble !== null) rows.push(['trouble', peer(view.trouble, MESSAGE_LENGTH)]);
  if (result.until !== null) rows.push(['until', when(result.until)]);
  if (result.exchange !== null) rows.push(['exchange', `${result.exchange.phase}, you are ${result.exchange.role}`]);
  if (result.via !== null && arbiter !== null)
    rows.push(['signed', result.via === 'peer' ? 'by both, arbiter not needed' : 'with the arbiter’s help']);
  const log = result.transactions.map((one) => {
    const text = one.text === null ? '' : `  “${peer(one.text, MESSAGE_LENGTH)}”`;
    return `  ${when(one.at)}  ${one.kind} by ${BY[one.by]}${text}`;
  });
  return [...facts(rows), ...(log.length === 0 ? [] : ['history', ...log])];
}

const CHEAT = 'who could cheat';
const NOTE = 'note: ';

export function explain(result: ExplainResult, columns?: number | undefined): string[] {
  return [
    ...facts([
      ['you hold', peer(result.youHold, MESSAGE_LENGTH)],
      ['they hold', peer(result.theyHold, MESSAGE_LENGTH)],
      ['if you stop', peer(result.ifYouStop, MESSAGE_LENGTH)],
      ['if they stop', peer(result.ifTheyStop, MESSAGE_LENGTH)],
      [CHEAT, peer(result.whoCouldCheat, MESSAGE_LENGTH)],
    ]).flatMap((line) => wrapped(line, columns, CHEAT.length + 2)),
    ...result.notes.flatMap((note) => wrapped(`${NOTE}${peer(note, MESSAGE_LENGTH)}`, columns, NOTE.length)),
  ];
}

/** The one-line summary of a deal that has come to rest or was waited for. */
export function outcome(result: DealSummary, via: 'peer' | 'arbiter' | null, tookMs: number | null): string {
  const parts = [
    delivery.stateWord(result),
    result.deal.slice(0, MIN_SHORT_ID),
    peer(result.title, TITLE_LENGTH),
    `with ${peer(result.with)} (${mark(result.verified)})`,
  ];
  const helped =
    via === null || result.kind === 'transfer'
      ? undefined
      : via === 'peer'
        ? 'arbiter not needed'
        : 'with the arbiter’s help';
  const took = tookMs === null ? undefined : `in ${(tookMs / 1000).toFixed(1)} s`;
  const end = [took, helped].filter((part) => part !== undefined).join(', ');
  return [...parts, ...(end === '' ? [] : [end])].join('  ');
}

/** What was done to a deal, for who does not wait for its end. */
export function said(what: string, { deal, state }: Pick<DealSummary, 'deal' | 'state'>): string {
  return `${what}  ${deal}${state === 'offered' ? '' : `  (${state})`}`;
}

/** What a person does next. */
export function next(
  deal: Pick<DealSummary, 'deal' | 'kind' | 'state' | 'version' | 'offeredBy'> & Partial<Pick<DealResult, 'transfer'>>,
): string | undefined {
  const short = deal.deal.slice(0, MIN_SHORT_ID);
  switch (deal.state) {
    case 'offered':
      return deal.offeredBy === 'you' ? `fit deal wait ${short}` : delivery.accepting(deal, short);
    case 'signing':
      return `fit deal wait ${short}`;
    case 'contracted':
    case 'completed':
      // Nobody signed anything that could be shown.
      if (deal.transfer != null && !deal.transfer.origin && deal.transfer.receipt === 'none') return undefined;
      return `fit deal export ${short} --out ${short}.asics`;
    default:
      return undefined;
  }
}

export function cases(list: readonly CaseResult[]): string[] {
  if (list.length === 0) return ['no cases: nobody has asked this arbiter for a decision'];
  return table(
    ['EXCHANGE', 'DECISION', 'CAUSE', 'ORIGINATOR', 'RESPONDER', 'DECIDED'],
    list.map((one) => [
      one.xid.slice(0, SHORT_FINGERPRINT),
      one.state,
      one.cause === null ? '–' : peer(one.cause),
      peer(one.originator).slice(0, SHORT_FINGERPRINT),
      peer(one.responder).slice(0, SHORT_FINGERPRINT),
      when(one.decided),
    ]),
  );
}

export function event(one: FitEvent): string {
  return [
    when(one.at),
    one.kind,
    one.deal?.slice(0, MIN_SHORT_ID),
    one.state,
    one.contact === undefined ? undefined : peer(one.contact),
    one.detail === undefined ? undefined : peer(one.detail, 200),
    delivery.eventProgress(one),
  ]
    .filter((part) => part !== undefined)
    .join('  ');
}

/** `fit` alone, before there is anything. */
export const FIRST_STEPS: readonly string[] = [
  'fit: no trader here yet; to begin:',
  '',
  '  fit init --name "Your Name"            makes your keys',
  '  fit daemon start                       goes online',
  '  fit card > me.card                     give this file to the other side',
  '  fit contact add them.card --as them    and take theirs',
  '  fit deal propose text.md --to them --arbiter notary',
  '',
  'fit demo shows a whole trade with three traders on this machine and leaves nothing behind',
  'man fit has the rest',
];

/** With its article. */
export function aCredential(kind: string): string {
  switch (kind) {
    case 'attribute-certificate':
      return 'an attribute certificate';
    case 'licence':
      return 'a licence key';
    default:
      return `a ${kind}`;
  }
}

/** What a note says of the credential that it gives, a line for each. */
export function credential(view: NonNullable<DealChange['credential']>): string[] {
  const rows: readonly (readonly [string, string | null])[] = [
    ['credential', aCredential(view.kind)],
    ['subject', view.subject],
    ['issuer', view.issuer],
    ['issuer fingerprint', view.issuerFingerprint],
    ['attributes', view.attributes],
    ['fingerprint', view.fingerprint],
    ['valid from', view.validFrom],
    ['valid until', view.validUntil],
  ];
  return facts(rows.flatMap(([name, value]) => (value === null ? [] : [[name, peer(value, 200)] as const])));
}
