/**
 * A text out of what each side gives: the few fields of a new proposal become a document that the daemon completes as it does
 * any other. Pure. Guarantees: fields that `problemOf` finds nothing wrong with make a text without findings.
 */
import { isPlainLine } from '../../lib/lint.ts';

export interface ProposalFields {
  /** What each side gives, in words; empty: nothing, or only the amount. */
  readonly give: string;
  readonly want: string;
  /** `EUR 120.00`, or empty. */
  readonly amount: string;
  readonly paidBy: 'you' | 'them';
}

/** As the format has it (man fit-deal). */
const MAX_DESCRIPTION = 160;
/** In quotes and with its escapes, so that its line in the terms is no longer than a line may be. */
const MAX_QUOTED = 180;
const AMOUNT = /^[A-Z]{3} (?:0|[1-9]\d{0,14})(?:\.\d{1,8})?$/;
const MAX_TITLE = 100;
/** Roles that say who wrote the text: which side sells is not asked. */
const YOU = 'proposer';
const THEM = 'addressee';

/** What is wrong with one field, in our words. */
export function problemOf(field: 'give' | 'want' | 'amount', text: string): string | undefined {
  if (text === '') return undefined;
  if (field === 'amount') return AMOUNT.test(text) ? undefined : 'a currency and a number: EUR 120.00';
  const isShort = JSON.stringify(text).length <= MAX_QUOTED;
  return isShort && isPlainLine(text, MAX_DESCRIPTION)
    ? undefined
    : `one plain line of at most ${MAX_DESCRIPTION} characters`;
}

/** An amount belongs to the side that gives nothing else; to be asked only where both do or neither. */
export function payerOf({ give, want }: Pick<ProposalFields, 'give' | 'want'>): ProposalFields['paidBy'] | undefined {
  if ((give === '') === (want === '')) return undefined;
  return give === '' ? 'you' : 'them';
}

interface Side {
  readonly from: string;
  readonly to: string;
  readonly what: string;
  readonly amount: string;
}

/** For people: `price (EUR 120.00)`, or the amount alone. */
const saidOf = ({ what, amount }: Side): string =>
  what === '' ? amount : amount === '' ? what : `${what} (${amount})`;

function itemOf({ from, to, what, amount }: Side): string {
  return [
    '[[item]]',
    `from = "${from}"`,
    `to = "${to}"`,
    'kind = "obligation"',
    // JSON's strings are TOML's, for plain lines.
    `description = ${JSON.stringify(what === '' ? 'payment' : what)}`,
    ...(amount === '' ? [] : [`amount = "${amount}"`]),
    '',
  ].join('\n');
}

/** As long as a title may be, and never half a character. */
function shortened(text: string): string {
  if (text.length <= MAX_TITLE) return text;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (kept.length + segment.length >= MAX_TITLE) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** Undefined if nobody gives anything. */
export function textOfFields({ give, want, amount, paidBy }: ProposalFields): string | undefined {
  const sides: readonly Side[] = [
    { from: YOU, to: THEM, what: give, amount: paidBy === 'you' ? amount : '' },
    { from: THEM, to: YOU, what: want, amount: paidBy === 'them' ? amount : '' },
  ].filter((side) => side.what !== '' || side.amount !== '');
  if (sides.length === 0) return undefined;
  const title = shortened(sides.map((side) => side.what || side.amount).join(' for '));
  const parties = [YOU, THEM].map((role) => `[[party]]\nrole = "${role}"\n`);
  const front = [`title = ${JSON.stringify(title)}\n`, ...parties, ...sides.map(itemOf)].join('\n');
  const body = sides.map((side) => `- The ${side.from} gives the ${side.to}:\n  ${saidOf(side)}\n`).join('');
  return `+++\n${front}+++\n# ${title}\n\n${body}`;
}
