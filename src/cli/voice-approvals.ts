/** What `fit` says about requests for a signature, the policy and the audit log. */
import type { ApprovalRequest, Asker, AuditEntry, PolicyStatus, PolicyVerdict } from '../rpc/approvals.ts';
import { facts, peer, table, when } from './voice.ts';

const TITLE = 40;

export function askerOf(asker: Asker): string {
  if (asker.known === 'kernel' && asker.pid === process.pid) return 'you, in this terminal';
  const pid = asker.pid === null ? '' : ` (process ${asker.pid})`;
  return `${peer(asker.name, 64)}${pid}${asker.known === 'claimed' ? ', as it says' : ''}`;
}

export function peerOf({ kind, peer: them }: ApprovalRequest): string {
  if (kind === 'statement') return 'whoever has it';
  return `${them.contact ?? peer(them.name)} (${them.verified ? 'verified' : 'unverified'})`;
}

export function requests(list: readonly ApprovalRequest[]): string[] {
  if (list.length === 0) return ['nothing waits for you'];
  return table(
    ['REQUEST', 'KIND', 'DEAL', 'TITLE', 'WITH', 'ASKED BY', 'STATE', 'UNTIL'],
    list.map((one) => [
      one.id.slice(0, 6),
      one.kind,
      one.deal.slice(0, 6) || '–',
      peer(one.title, TITLE),
      peerOf(one),
      askerOf(one.asker),
      one.state,
      when(one.expires),
    ]),
  );
}

const itemLine = (item: ApprovalRequest['items'][number]): string =>
  [peer(item.description, 200), item.amount === null ? undefined : peer(item.amount)]
    .filter((part) => part !== undefined)
    .join(', ');

const owed = (request: ApprovalRequest, from: 'you' | 'them'): string =>
  request.items
    .filter((item) => item.from === from)
    .map(itemLine)
    .join('; ') || 'your text says';

/** What is said of every request: the bytes, who asks, what follows, until when. */
function askedOf(one: ApprovalRequest): [string, string][] {
  return [
    ['sha-256', one.digest],
    ['in words', one.words],
    ['asked by', askerOf(one.asker)],
    ['fairness', peer(one.fairness, 500)],
    ['state', one.state],
    ['until', when(one.expires)],
    ...(one.why === '' || one.held ? [] : ([['why you', peer(one.why, 500)]] as [string, string][])),
  ];
}

function statement(one: ApprovalRequest): string[] {
  const rows: [string, string][] = [
    ['request', one.id],
    ['sign', 'a statement, for whoever has it'],
    ['title', peer(one.title, 60)],
    ...askedOf(one),
  ];
  return facts(rows);
}

export function request(one: ApprovalRequest): string[] {
  if (one.kind === 'statement') return statement(one);
  const isTransfer = one.arbiter.fingerprint === '';
  const arbiter = one.arbiter.contact ?? `${peer(one.arbiter.name)} (not among your contacts)`;
  const power =
    one.arbiter.mode === 'invisible' ? 'can finish it, cannot change what is signed' : 'signs what it saw (affidavit)';
  const rows: [string, string][] = [
    ['request', one.id],
    ['sign', one.kind === 'offer' ? `an offer, deal ${one.deal}` : `an acceptance, deal ${one.deal}`],
    ['title', peer(one.title, 60)],
    ['with', peerOf(one)],
  ];
  if (one.items.length > 0) rows.push(['you owe', owed(one, 'you')], ['you get', owed(one, 'them')]);
  rows.push(['arbiter', isTransfer ? 'none: a transfer' : `${arbiter} (${power})`], ...askedOf(one));
  return facts(rows);
}

const STATES: Readonly<Record<PolicyStatus['state'], string>> = {
  none: 'there is none: every signature needs you',
  unreadable: 'not understood: every signature needs you',
  unconfirmed: 'not confirmed: every signature needs you',
  edited: 'edited since it was confirmed: every signature needs you',
  confirmed: 'in force',
};

export function policy(status: PolicyStatus): string[] {
  const rows: [string, string][] = [
    ['policy', status.path],
    ['state', STATES[status.state]],
  ];
  if (status.problem !== null) rows.push(['problem', peer(status.problem, 300)]);
  if (status.hash !== null) rows.push(['sha-256', status.hash]);
  const rules = status.rules.flatMap((rule, at) => [
    `${at + 1}. ${rule.outcome}  ${rule.name}`,
    ...rule.conditions.map((condition) => `     ${peer(condition, 600)}`),
    ...rule.reserved.map((one) => `     reserved ${one.what}: ${one.amount} of ${one.limit}`),
  ]);
  const moved = status.bindings
    .filter((one) => !one.holds)
    .map((one) => `warning: ${one.contact} is no longer who was meant when the policy was confirmed`);
  return [...facts(rows), ...rules, ...moved];
}

export function verdict(result: PolicyVerdict): string[] {
  const { facts: found } = result;
  return [
    `${result.outcome}  ${peer(result.why, 600)}`,
    ...result.trace.map((one) => `  ${one.matched ? 'yes' : 'no '}  ${one.rule}: ${peer(one.why, 600)}`),
    ...facts([
      ['kind', found.kind],
      [
        'peer',
        `${found.contact ?? 'no contact'}, ${found.verified ? 'verified with the passphrase' : 'not verified with the passphrase'}`,
      ],
      ['arbiter', found.arbiter.contact ?? 'no contact'],
      ['mode', found.mode],
      ['template', found.template],
      ['amounts', found.amounts.join(', ') || 'none'],
      ...found.items.map((item): [string, string] => [`from ${item.from}`, itemLine(item)]),
    ]),
  ];
}

const detail = (value: unknown): string => (typeof value === 'string' ? peer(value, 200) : '');

export function audit(entries: readonly AuditEntry[]): string[] {
  if (entries.length === 0) return ['nothing was asked for yet'];
  return table(
    ['ENTRY', 'AT', 'WHAT', 'REQUEST', 'HOW'],
    entries.map((one) => [
      String(one.seq),
      when(one.at),
      one.kind,
      one.request.slice(0, 6) || '–',
      [detail(one.details.kind), detail(one.details.source), detail(one.details.rule)]
        .filter((part) => part !== '')
        .join(' ') || '–',
    ]),
  );
}
