/**
 * `policy.toml` (fit-policy(5)): rules in order, read strictly. Guarantee: a file that is not wholly understood has no rules.
 */
import { parse } from 'smol-toml';
import { z } from 'zod';
import { parseDuration } from '../../lib/duration.ts';
import { isPlainLine } from '../../lib/lint.ts';
import { type Amount, parseAmount } from './amounts.ts';

export const MAX_POLICY_BYTES = 64 * 1024;
const MAX_RULES = 200;
const MAX_LIST = 64;

const line = (max: number) =>
  z.string().refine((text) => isPlainLine(text, max), `write a plain line of at most ${max} characters`);
const amount = z.string().transform((text, context): Amount => {
  const found = parseAmount(text);
  if (found !== undefined) return found;
  context.addIssue({ code: 'custom', message: 'write an amount such as "EUR 120.00"' });
  return z.NEVER;
});
const oneOrMore = <T extends z.ZodType>(one: T) =>
  z.union([one.transform((value) => [value]), z.array(one).min(1).max(MAX_LIST)]);
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'write the name of a contact');
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'write 64 lower-case hexadecimal digits');
const count = z.int().min(0).max(1_000_000);

/** Minutes since midnight, UTC; the second may be less than the first. */
const hours = z
  .string()
  .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$/, 'write hours such as "08:00-18:00"')
  .transform((text) => {
    const [from = 0, to = 0] = text.split('-').map((one) => Number(one.slice(0, 2)) * 60 + Number(one.slice(3)));
    return { from, to, text };
  });

export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const item = z.strictObject({
  from: z.enum(['you', 'them']),
  kind: line(32).optional(),
  description: line(500).optional(),
  amount: amount.optional(),
  amount_min: amount.optional(),
  amount_max: amount.optional(),
});

const rule = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'write a short name: letters, digits, dots, dashes'),
    outcome: z.enum(['approve', 'reject', 'ask']),
    kind: oneOrMore(z.enum(['acceptance', 'offer', 'statement'])).optional(),
    contact: oneOrMore(name).optional(),
    verified: z.literal(true).optional(),
    template: oneOrMore(digest).optional(),
    arbiter: oneOrMore(name).optional(),
    mode: z.enum(['invisible', 'affidavit']).optional(),
    transfer: z.boolean().optional(),
    items: z.array(item).max(MAX_LIST).optional(),
    attachments: z.literal(false).optional(),
    amount_max: amount.optional(),
    total: amount.optional(),
    total_day: amount.optional(),
    total_peer: amount.optional(),
    total_peer_day: amount.optional(),
    count: count.optional(),
    count_day: count.optional(),
    hours: hours.optional(),
    days: oneOrMore(z.enum(DAYS)).optional(),
    not_after_within: z
      .string()
      .transform((text, context) => {
        try {
          return { seconds: parseDuration(text), text };
        } catch {
          context.addIssue({ code: 'custom', message: 'write a number and s, m, h or d, for example 90d' });
          return z.NEVER;
        }
      })
      .optional(),
  })
  .superRefine((one, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', message });
    const units = [one.amount_max, one.total, one.total_day, one.total_peer, one.total_peer_day];
    if (new Set(units.flatMap((limit) => limit?.unit ?? [])).size > 1) issue('all limits of a rule are in one unit');
    if (one.outcome !== 'approve') return;
    if (one.contact === undefined && one.template === undefined)
      issue('a rule that approves needs a contact or a template: else it would sign with anybody, or anything');
    if (one.template === undefined && one.items === undefined)
      issue('a rule that approves needs a template or items: else it would sign any text');
  });

const schema = z.strictObject({
  fit: z.literal('policy/1', 'the first line is fit = "policy/1"'),
  rule: z.array(rule).max(MAX_RULES).default([]),
});

export type Rule = z.output<typeof rule>;
export type ItemPattern = z.output<typeof item>;

/** Keys of a rule and of its items, for the manual's test. */
export const RULE_KEYS: readonly string[] = [...Object.keys(rule.shape), ...Object.keys(item.shape)];

export interface Rules {
  readonly rules: readonly Rule[];
}

export type Parsed = { readonly ok: true; readonly policy: Rules } | { readonly ok: false; readonly problem: string };

/** Never throws. `problem`: one sentence of ours that names the line or the key. */
export function parsePolicy(text: string): Parsed {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const at = error instanceof Error && 'line' in error ? `line ${String(error.line)}: ` : '';
    return { ok: false, problem: `${at}not valid TOML` };
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.map((part) => (typeof part === 'number' ? part + 1 : String(part))).join('.') ?? '';
    return {
      ok: false,
      problem: `${where === '' ? '' : `${where}: `}${issue?.message.toLowerCase() ?? 'not understood'}`,
    };
  }
  const names = parsed.data.rule.map((one) => one.name);
  const twice = names.find((one, at) => names.indexOf(one) !== at);
  if (twice !== undefined) return { ok: false, problem: `two rules are called ${twice}` };
  return { ok: true, policy: { rules: parsed.data.rule } };
}

/** Names of contacts that the rules use. */
export function namesIn({ rules }: Rules): readonly string[] {
  return [...new Set(rules.flatMap((one) => [...(one.contact ?? []), ...(one.arbiter ?? [])]))];
}
