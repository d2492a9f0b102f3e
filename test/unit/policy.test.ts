/** Every condition of a rule, both ways; what a rule file must not be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../src/daemon/policy/judge.ts';
import type { Facts, Reserved } from '../../src/daemon/policy/port.ts';
import { parsePolicy } from '../../src/daemon/policy/rules.ts';

const OAK = 'aa'.repeat(32);
const NOTARY = 'dd'.repeat(32);
const TEMPLATE = '11'.repeat(32);
const BINDINGS = new Map([
  ['oak', OAK],
  ['notary', NOTARY],
]);
/** Thursday 26 November 2026, 19:00 UTC. */
const NOW = Date.UTC(2026, 10, 26, 19) / 1000;

const FACTS: Facts = {
  kind: 'acceptance',
  peer: { contact: 'oak', certificate: OAK, attested: true },
  arbiter: { contact: 'notary', certificate: NOTARY },
  mode: 'invisible',
  transfer: false,
  template: TEMPLATE,
  items: [
    { from: 'you', kind: 'obligation', description: 'one pen', amount: null },
    { from: 'them', kind: 'obligation', description: 'price', amount: 'EUR 4.50' },
  ],
  attachments: 0,
  notAfter: NOW + 30 * 86_400,
  now: NOW,
};

const file = (lines: string): string =>
  `fit = "policy/1"\n[[rule]]\nname = "r"\noutcome = "approve"\ncontact = "oak"\ntemplate = "${TEMPLATE}"\n${lines}\n`;

function outcome(lines: string, facts: Partial<Facts> = {}, reserved: readonly Reserved[] = []) {
  const parsed = parsePolicy(file(lines));
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  return judge(parsed.policy, BINDINGS, { ...FACTS, ...facts }, reserved);
}

const used = (amount: string, usedAt: number | null = NOW, peer = OAK): Reserved => ({
  rule: 'r',
  peer,
  amounts: [amount],
  usedAt,
});

const CASES: readonly (readonly [line: string, yes: Partial<Facts>, no: Partial<Facts>, why: RegExp])[] = [
  ['', {}, { peer: { contact: 'oak', certificate: 'bb'.repeat(32), attested: true } }, /another certificate/],
  ['', {}, { peer: { contact: null, certificate: 'bb'.repeat(32), attested: true } }, /no contact, not oak/],
  ['', {}, { template: '22'.repeat(32) }, /another text than the template/],
  ['kind = "acceptance"', {}, { kind: 'offer' }, /this is an offer/],
  ['kind = "acceptance"', {}, { kind: 'statement' }, /this is a statement/],
  ['', {}, { kind: 'statement' }, /only rules that name statements/],
  ['kind = ["offer", "statement"]', { kind: 'statement' }, {}, /this is an acceptance/],
  ['verified = true', {}, { peer: { ...FACTS.peer, attested: false } }, /with the passphrase/],
  [
    'arbiter = "notary"',
    {},
    { arbiter: { contact: 'notary', certificate: OAK.replace('a', 'b') } },
    /another certificate/,
  ],
  ['mode = "invisible"', {}, { mode: 'affidavit' }, /mode is affidavit/],
  ['', {}, { transfer: true }, /only rules that say transfer = true approve what has no arbiter/],
  ['transfer = true', { transfer: true }, {}, /this is no transfer/],
  ['transfer = false', {}, { transfer: true }, /this is a transfer/],
  ['attachments = false', {}, { attachments: 1 }, /attachments/],
  ['hours = "18:00-20:00"', {}, { now: NOW + 3600 }, /18:00-20:00/],
  ['hours = "18:00-02:00"', { now: NOW + 6 * 3600 }, { now: NOW + 8 * 3600 }, /18:00-02:00/],
  ['days = ["thu"]', {}, { now: NOW + 86_400 }, /today is fri/],
  ['not_after_within = "30d"', {}, { notAfter: NOW + 31 * 86_400 }, /longer than 30d/],
  [
    'amount_max = "EUR 4.5"',
    {},
    { items: [{ from: 'you', kind: 'obligation', description: 'x', amount: 'EUR 4.51' }] },
    /more than/,
  ],
  [
    'amount_max = "EUR 9"',
    {},
    { items: [{ from: 'you', kind: 'obligation', description: 'x', amount: 'USD 1.00' }] },
    /EUR alone/,
  ],
  ['amount_max = "EUR 9"', {}, { items: [] }, /EUR alone/],
  [
    'items = [{from = "them", amount_min = "EUR 4", amount_max = "EUR 5"}, {from = "you", description = "one pen"}]',
    {},
    { items: [...FACTS.items, { from: 'you', kind: 'obligation', description: 'my house', amount: null }] },
    /one to one/,
  ],
  // A pattern that is silent about amounts does not let one through.
  [
    'items = [{from = "them", amount = "EUR 4.50"}, {from = "you"}]',
    {},
    {
      items: [
        FACTS.items[1] as Facts['items'][number],
        { from: 'you', kind: 'obligation', description: 'x', amount: 'EUR 1' },
      ],
    },
    /one to one/,
  ],
];

for (const [line, yes, no, why] of CASES) {
  test(`condition: ${line || 'contact and template'}: ${why.source}`, () => {
    assert.equal(outcome(line, yes).outcome, 'approve');
    const verdict = outcome(line, no);
    assert.equal(verdict.outcome, 'ask');
    assert.match(verdict.trace[0]?.why ?? '', why);
  });
}

test('totals: of the day of the promise, of the peer, and what stands counts today', () => {
  const limit = 'total_day = "EUR 9.00"';
  assert.equal(outcome(limit, {}, [used('EUR 4.50')]).outcome, 'approve');
  assert.equal(outcome(limit, {}, [used('EUR 4.51')]).outcome, 'ask');
  assert.equal(outcome(limit, {}, [used('EUR 4.51', NOW - 86_400)]).outcome, 'approve');
  assert.equal(outcome(limit, {}, [used('EUR 4.51', null)]).outcome, 'ask');
  const peer = 'total_peer = "EUR 9.00"';
  assert.equal(outcome(peer, {}, [used('EUR 4.51', NOW, 'bb'.repeat(32))]).outcome, 'approve');
  assert.equal(outcome(peer, {}, [used('EUR 4.51', NOW - 86_400)]).outcome, 'ask');
  assert.equal(outcome('count_day = 1', {}, [used('EUR 1')]).outcome, 'ask');
  assert.equal(outcome('count_day = 1', {}, [{ ...used('EUR 1'), rule: 'other' }]).outcome, 'approve');
});

test('first match wins; a rule that asks ends the search', () => {
  const parsed = parsePolicy(
    `fit = "policy/1"\n[[rule]]\nname = "stop"\noutcome = "ask"\ncontact = "oak"\n${file('').split('\n').slice(1).join('\n')}`,
  );
  assert.ok(parsed.ok);
  const verdict = judge(parsed.policy, BINDINGS, FACTS, []);
  assert.deepEqual([verdict.outcome, verdict.rule, verdict.trace.length], ['ask', 'stop', 1]);
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['', /fit/],
  ['fit = "policy/2"', /policy\/1/],
  ['fit = "policy/1"\nrules = 1', /unrecognized|rules/],
  ['fit = "policy/1"\n[[rule]]\nname = "a"\noutcome = "approve"\n', /contact or a template/],
  ['fit = "policy/1"\n[[rule]]\nname = "a"\noutcome = "approve"\ncontact = "oak"\n', /template or items/],
  [`${file('')}${file('').split('\n').slice(1).join('\n')}`, /two rules are called r/],
  [file('total = "EUR 1"\namount_max = "USD 1"'), /one unit/],
  [file('total = 5'), /rule.1.total/],
  [file('hours = "8-18"'), /hours/],
  [file('nonsense = true'), /nonsense/],
  ['fit = "policy/1"\n[[rule]\n', /line 2/],
];

test('what is not wholly understood is refused, with where', () => {
  for (const [text, why] of REFUSED) {
    const parsed = parsePolicy(text);
    assert.equal(parsed.ok, false, text);
    assert.match(parsed.ok ? '' : parsed.problem, why);
  }
});
