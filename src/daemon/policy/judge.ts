/**
 * What the rules say about one request. Pure. First match wins; nothing matches: `ask`.
 *
 * Totals: a rule's consents count from the grant on, until they are withdrawn or freed. One that stands unused counts in every
 * total; one whose promise was made, in those of its day. So of one day: what was promised on it was granted on it or stood
 * when it began; each grant found standing + promised today + itself within the limit, and a promise only moves an amount
 * from the first to the second. Hence no order of requests, promises and midnights takes a day's promises over its limit.
 */

import type { RequestItem, RuleTrace } from '../../rpc/approvals.ts';
import { formatAmount, parseAmount, sum } from './amounts.ts';
import type { Facts, Reserved } from './port.ts';
import { DAYS, type ItemPattern, type Rule, type Rules } from './rules.ts';

/** Name → certificate, as at the confirmation. */
export type Bindings = ReadonlyMap<string, string>;

export interface Verdict {
  readonly outcome: 'approve' | 'reject' | 'ask';
  readonly rule: string | null;
  readonly why: string;
  readonly trace: readonly RuleTrace[];
}

const DAY = 86_400;
const dayOf = (time: number): number => Math.floor(time / DAY);

/** Undefined: it holds. Else a sentence why not. */
type Failure = string | undefined;

function named(
  names: readonly string[],
  contact: string | null,
  certificate: string,
  bindings: Bindings,
  what: string,
): Failure {
  if (names.some((name) => bindings.get(name) === certificate)) return undefined;
  if (contact !== null && names.includes(contact))
    return `${contact} has another certificate than when the policy was confirmed`;
  return `the ${what} is ${contact ?? 'no contact'}, not ${names.join(' or ')}`;
}

function fits(pattern: ItemPattern, item: RequestItem): boolean {
  if (pattern.from !== item.from) return false;
  if (pattern.kind !== undefined && pattern.kind !== item.kind) return false;
  if (pattern.description !== undefined && pattern.description !== item.description) return false;
  const { amount, amount_min: min, amount_max: max } = pattern;
  const found = item.amount === null ? undefined : parseAmount(item.amount);
  if (item.amount !== null && found === undefined) return false;
  const limits = [amount, min, max].filter((one) => one !== undefined);
  // An amount that no pattern speaks of is not something to be silent about.
  if (limits.length === 0) return found === undefined;
  if (found === undefined || limits.some((one) => one.unit !== found.unit)) return false;
  if (amount !== undefined && found.value !== amount.value) return false;
  if (min !== undefined && found.value < min.value) return false;
  return max === undefined || found.value <= max.value;
}

/** One to one: patterns overlap, so a match for all may need trying. */
function correspond(patterns: readonly ItemPattern[], items: readonly RequestItem[]): boolean {
  if (patterns.length !== items.length) return false;
  const takenBy = new Map<number, number>();
  const place = (item: number, tried: Set<number>): boolean => {
    for (const [at, pattern] of patterns.entries()) {
      if (tried.has(at) || !fits(pattern, items[item] as RequestItem)) continue;
      tried.add(at);
      const before = takenBy.get(at);
      if (before === undefined || place(before, tried)) {
        takenBy.set(at, item);
        return true;
      }
    }
    return false;
  };
  return items.every((_, item) => place(item, new Set()));
}

function inHours({ from, to }: { readonly from: number; readonly to: number }, now: number): boolean {
  const minute = Math.floor((now % DAY) / 60);
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

/** What counts in a total of a rule. */
function counts(
  rule: Rule,
  facts: Pick<Facts, 'now' | 'peer'>,
  scope: { readonly day: boolean; readonly peer: boolean },
) {
  return (one: Reserved): boolean =>
    one.rule === rule.name &&
    (!scope.peer || one.peer === facts.peer.certificate) &&
    (!scope.day || one.usedAt === null || dayOf(one.usedAt) === dayOf(facts.now));
}

const TOTALS = [
  ['total', 'in all', { day: false, peer: false }],
  ['total_day', 'a day', { day: true, peer: false }],
  ['total_peer', 'for one peer', { day: false, peer: true }],
  ['total_peer_day', 'a day for one peer', { day: true, peer: true }],
] as const;

const COUNTS = [
  ['count', 'in all', { day: false, peer: false }],
  ['count_day', 'a day', { day: true, peer: false }],
] as const;

function withinTotals(rule: Rule, facts: Facts, reserved: readonly Reserved[]): Failure {
  const amounts = facts.items.flatMap((item) => (item.amount === null ? [] : [item.amount]));
  const own = sum(amounts);
  const limits = [rule.amount_max, ...TOTALS.map(([key]) => rule[key])].flatMap((one) => one ?? []);
  const unit = limits[0]?.unit;
  if (unit !== undefined) {
    if (own === undefined || own.size !== 1 || !own.has(unit)) return `the text has no amount in ${unit} alone`;
    const value = own.get(unit) ?? 0n;
    if (rule.amount_max !== undefined && value > rule.amount_max.value)
      return `${formatAmount({ unit, value })} is more than ${formatAmount(rule.amount_max)}`;
    for (const [key, words, scope] of TOTALS) {
      const limit = rule[key];
      if (limit === undefined) continue;
      const before = sum(reserved.filter(counts(rule, facts, scope)).flatMap((one) => one.amounts));
      const total = before === undefined ? undefined : (before.get(unit) ?? 0n) + value;
      if (total === undefined || total > limit.value)
        return `with ${formatAmount({ unit, value })} more than ${formatAmount(limit)} ${words} would be promised`;
    }
  }
  for (const [key, words, scope] of COUNTS) {
    const limit = rule[key];
    if (limit !== undefined && reserved.filter(counts(rule, facts, scope)).length >= limit)
      return limit === 1 ? `1 signature ${words} is given already` : `${limit} signatures ${words} are given already`;
  }
  return undefined;
}

const withArticle = (kind: Facts['kind']): string => (kind === 'statement' ? 'a statement' : `an ${kind}`);

function failure(rule: Rule, bindings: Bindings, facts: Facts, reserved: readonly Reserved[]): Failure {
  const { peer, arbiter } = facts;
  if (rule.kind !== undefined && !rule.kind.includes(facts.kind)) return `this is ${withArticle(facts.kind)}`;
  // Rules that were written for deals must not come to speak for what has no other side.
  if (rule.kind === undefined && facts.kind === 'statement') return 'only rules that name statements decide about them';
  const other =
    rule.contact === undefined ? undefined : named(rule.contact, peer.contact, peer.certificate, bindings, 'peer');
  if (other !== undefined) return other;
  if (rule.verified === true && !peer.attested) return 'the peer was not verified with the passphrase given';
  if (rule.template !== undefined && !rule.template.includes(facts.template))
    return 'the body is another text than the template';
  const third =
    rule.arbiter === undefined
      ? undefined
      : named(rule.arbiter, arbiter.contact, arbiter.certificate, bindings, 'arbiter');
  if (third !== undefined) return third;
  if (rule.mode !== undefined && rule.mode !== facts.mode) return `the mode is ${facts.mode}`;
  if (rule.transfer !== undefined && rule.transfer !== facts.transfer)
    return facts.transfer ? 'this is a transfer' : 'this is no transfer';
  // What was meant to be exchanged fairly must not come to leave without an arbiter.
  if (facts.transfer && rule.transfer === undefined && rule.outcome === 'approve')
    return 'only rules that say transfer = true approve what has no arbiter';
  if (rule.items !== undefined && !correspond(rule.items, facts.items))
    return 'the items are not those of the rule, one to one';
  if (rule.attachments === false && facts.attachments > 0) return 'the text has attachments';
  if (rule.hours !== undefined && !inHours(rule.hours, facts.now)) return `it is not between ${rule.hours.text} UTC`;
  const day = DAYS[new Date(facts.now * 1000).getUTCDay()];
  if (rule.days !== undefined && !rule.days.some((one) => one === day)) return `today is ${day ?? 'no day'} (UTC)`;
  if (rule.not_after_within !== undefined && facts.notAfter - facts.now > rule.not_after_within.seconds)
    return `the arbiter's help lasts longer than ${rule.not_after_within.text}`;
  return withinTotals(rule, facts, reserved);
}

export function judge({ rules }: Rules, bindings: Bindings, facts: Facts, all: Iterable<Reserved>): Verdict {
  const reserved = [...all];
  const trace: RuleTrace[] = [];
  for (const rule of rules) {
    const why = failure(rule, bindings, facts, reserved);
    trace.push({ rule: rule.name, matched: why === undefined, why: why ?? 'every condition holds' });
    if (why === undefined)
      return { outcome: rule.outcome, rule: rule.name, why: `rule ${rule.name} says ${rule.outcome}`, trace };
  }
  const last = trace.at(-1);
  const why =
    rules.length === 0
      ? 'the policy has no rules'
      : `no rule matches; ${last?.rule ?? ''}: ${last?.why ?? ''}`.slice(0, 500);
  return { outcome: 'ask', rule: null, why, trace };
}

/** A rule's conditions in words, and what its totals hold now. */
export function describe(rule: Rule, reserved: readonly Reserved[], now: number) {
  const conditions: string[] = [];
  const say = (text: string | false): void => void (text !== false && conditions.push(text));
  say(rule.kind !== undefined && `it is ${rule.kind.map(withArticle).join(' or ')}`);
  say(rule.contact !== undefined && `the peer is ${rule.contact.join(' or ')}`);
  say(rule.verified === true && 'the peer was verified with the passphrase given');
  say(rule.template !== undefined && `the body is one of ${rule.template.length} templates`);
  say(rule.arbiter !== undefined && `the arbiter is ${rule.arbiter.join(' or ')}`);
  say(rule.mode !== undefined && `the mode is ${rule.mode}`);
  say(rule.transfer !== undefined && (rule.transfer ? 'it is a transfer, without arbiter' : 'it is no transfer'));
  say(rule.items !== undefined && `the items are ${rule.items.map(pattern).join('; ') || 'none'}`);
  say(rule.attachments === false && 'the text has no attachments');
  say(rule.hours !== undefined && `the time is between ${rule.hours.text} UTC`);
  say(rule.days !== undefined && `the day is ${rule.days.join(', ')} (UTC)`);
  say(rule.not_after_within !== undefined && `the arbiter's help ends within ${rule.not_after_within.text}`);
  say(rule.amount_max !== undefined && `the amount is at most ${formatAmount(rule.amount_max)}`);
  for (const [key, words] of TOTALS) {
    const limit = rule[key];
    say(limit !== undefined && `at most ${formatAmount(limit)} ${words}`);
  }
  for (const [key, words] of COUNTS) say(rule[key] !== undefined && `at most ${rule[key]} signatures ${words}`);
  const held: { what: string; amount: string; limit: string }[] = [];
  const at = { now, peer: { contact: null, certificate: '', attested: false } };
  for (const [key, words, scope] of TOTALS) {
    const limit = rule[key];
    if (limit === undefined || scope.peer) continue;
    const total = sum(reserved.filter(counts(rule, at, scope)).flatMap((one) => one.amounts));
    const value = total?.get(limit.unit) ?? 0n;
    held.push({ what: words, amount: formatAmount({ unit: limit.unit, value }), limit: formatAmount(limit) });
  }
  for (const [key, words, scope] of COUNTS) {
    const limit = rule[key];
    if (limit === undefined) continue;
    const number = reserved.filter(counts(rule, at, scope)).length;
    held.push({ what: `signatures ${words}`, amount: String(number), limit: String(limit) });
  }
  return { name: rule.name, outcome: rule.outcome, conditions, reserved: held };
}

function pattern(one: ItemPattern): string {
  const amounts = [
    one.amount === undefined ? '' : formatAmount(one.amount),
    one.amount_min === undefined ? '' : `at least ${formatAmount(one.amount_min)}`,
    one.amount_max === undefined ? '' : `at most ${formatAmount(one.amount_max)}`,
  ].filter((text) => text !== '');
  const what = [one.kind, one.description].filter((text) => text !== undefined).join(' ') || 'anything';
  return `from ${one.from}: ${[what, ...amounts].join(', ')}`;
}
