/** Whatever is asked, promised, aborted or let expire, in whatever order and on whatever day, no total is exceeded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAmount, parseAmount } from '../../src/daemon/policy/amounts.ts';
import { judge } from '../../src/daemon/policy/judge.ts';
import type { Facts, Reserved } from '../../src/daemon/policy/port.ts';
import { parsePolicy } from '../../src/daemon/policy/rules.ts';

const PEERS = ['aa'.repeat(32), 'bb'.repeat(32), 'cc'.repeat(32)] as const;
const NAMES = ['oak', 'ash', 'fir'] as const;
const BINDINGS = new Map(NAMES.map((name, at) => [name, PEERS[at] as string]));
const TEMPLATE = '11'.repeat(32);
const DAY = 86_400;

const facts = (peer: number, amount: string, now: number): Facts => ({
  kind: 'acceptance',
  peer: { contact: NAMES[peer] ?? null, certificate: PEERS[peer] ?? '', attested: true },
  arbiter: { contact: 'notary', certificate: 'dd'.repeat(32) },
  mode: 'invisible',
  transfer: false,
  template: TEMPLATE,
  items: [{ from: 'you', kind: 'obligation', description: 'goods', amount }],
  attachments: 0,
  notAfter: now + DAY,
  now,
});

interface Limits {
  readonly total: number;
  readonly total_day: number;
  readonly total_peer: number;
  readonly total_peer_day: number;
  readonly count: number;
  readonly count_day: number;
}

const ruleOf = (name: string, limits: Partial<Limits>): string =>
  [
    '[[rule]]',
    `name = "${name}"`,
    'outcome = "approve"',
    `template = "${TEMPLATE}"`,
    ...Object.entries(limits).map(
      ([key, value]) => `${key} = ${key.startsWith('count') ? value : `"EUR ${value}.00"`}`,
    ),
  ].join('\n');

const limits = fc.record(
  {
    total: fc.integer({ min: 0, max: 60 }),
    total_day: fc.integer({ min: 0, max: 40 }),
    total_peer: fc.integer({ min: 0, max: 40 }),
    total_peer_day: fc.integer({ min: 0, max: 30 }),
    count: fc.integer({ min: 0, max: 8 }),
    count_day: fc.integer({ min: 0, max: 5 }),
  },
  { requiredKeys: [] },
);

/** What may happen; `at` picks one of the consents that it could happen to. */
const event = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('ask' as const), peer: fc.nat(2), cents: fc.nat(1500) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('promise', 'token', 'withdraw'), at: fc.nat(40) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 2 * DAY }) }),
  },
);

interface Given {
  readonly rule: string;
  readonly peer: string;
  readonly amount: string;
  status: 'standing' | 'used' | 'freed' | 'withdrawn';
  usedAt: number | null;
}

const euros = (given: readonly Given[]): number =>
  given.reduce((sum, one) => sum + Number((parseAmount(one.amount)?.value ?? 0n) / 1_000_000n) / 100, 0);

test('no order of requests, promises, tokens and midnights exceeds a running total', () => {
  fc.assert(
    fc.property(limits, limits, fc.array(event, { maxLength: 60 }), (first, second, events) => {
      const parsed = parsePolicy(`fit = "policy/1"\n${ruleOf('first', first)}\n${ruleOf('second', second)}\n`);
      assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
      const given: Given[] = [];
      let now = 20_000 * DAY + 80_000;
      const reserved = (): Reserved[] =>
        given
          .filter((one) => one.status === 'standing' || one.status === 'used')
          .map(({ rule, peer, amount, usedAt }) => ({ rule, peer, amounts: [amount], usedAt }));
      for (const one of events) {
        if (one.kind === 'wait') now += one.seconds;
        else if (one.kind === 'ask') {
          const amount = `EUR ${Math.floor(one.cents / 100)}.${String(one.cents % 100).padStart(2, '0')}`;
          const asked = facts(one.peer, amount, now);
          const { outcome, rule } = judge(parsed.policy, BINDINGS, asked, reserved());
          if (outcome === 'approve' && rule !== null)
            given.push({ rule, peer: asked.peer.certificate, amount, status: 'standing', usedAt: null });
        } else {
          const able = given.filter((it) => it.status === (one.kind === 'token' ? 'used' : 'standing'));
          const chosen = able[one.at % Math.max(able.length, 1)];
          if (chosen === undefined) continue;
          chosen.status = one.kind === 'promise' ? 'used' : one.kind === 'token' ? 'freed' : 'withdrawn';
          if (one.kind === 'promise') chosen.usedAt = now;
        }
        for (const [name, most] of [
          ['first', first],
          ['second', second],
        ] as const) {
          const counted = given.filter((it) => it.rule === name && (it.status === 'used' || it.status === 'standing'));
          const promised = counted.filter((it) => it.status === 'used');
          const days = new Set(promised.map((it) => Math.floor((it.usedAt ?? 0) / DAY)));
          if (most.total !== undefined) assert.ok(euros(counted) <= most.total);
          if (most.count !== undefined) assert.ok(counted.length <= most.count);
          for (const peer of PEERS)
            if (most.total_peer !== undefined)
              assert.ok(euros(counted.filter((it) => it.peer === peer)) <= most.total_peer);
          for (const day of days) {
            const onDay = promised.filter((it) => Math.floor((it.usedAt ?? 0) / DAY) === day);
            if (most.total_day !== undefined) assert.ok(euros(onDay) <= most.total_day);
            if (most.count_day !== undefined) assert.ok(onDay.length <= most.count_day);
            for (const peer of PEERS)
              if (most.total_peer_day !== undefined)
                assert.ok(euros(onDay.filter((it) => it.peer === peer)) <= most.total_peer_day);
          }
        }
      }
    }),
    { numRuns: 400 },
  );
});

const GOOD = `fit = "policy/1"\n${ruleOf('first', { total: 10 })}\n`;

test('a file that is not understood has no rules, and never throws', () => {
  fc.assert(
    fc.property(fc.nat(GOOD.length - 1), fc.string({ maxLength: 6, unit: 'binary' }), fc.nat(8), (at, put, cut) => {
      const parsed = parsePolicy(GOOD.slice(0, at) + put + GOOD.slice(at + cut));
      if (!parsed.ok) assert.ok(parsed.problem.length > 0);
    }),
  );
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void parsePolicy(text)));
});

test('amounts are exact, and there is one way back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 23n - 1n }), (value) => {
      const text = formatAmount({ unit: 'EUR', value });
      assert.deepEqual(parseAmount(text), { unit: 'EUR', value });
    }),
  );
  for (const text of ['EUR -1', 'EUR 1e3', 'eur 1', 'EUR 01', 'EUR 1.', 'EUR 1.123456789', 'EUR  1', 'EUR 1 ', '1 EUR'])
    assert.equal(parseAmount(text), undefined, text);
});
