/** What `fit` says of deliveries: the tree of a list, how far a content is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import * as voice from '../../src/cli/voice.ts';
import { next, progress, size, stateWord, treeOf } from '../../src/cli/voice-delivery.ts';
import type { DealKind, DealSummary, DeliveryResult } from '../../src/rpc/agent.ts';

function summary(id: string, kind: DealKind, references: readonly string[] = []): DealSummary {
  return {
    deal: id.padEnd(12, '0'),
    kind,
    references,
    title: id,
    state: kind === 'delivery' ? 'completed' : 'contracted',
    with: 'oak',
    verified: true,
    version: 1,
    document: `document of ${id}`,
    offeredBy: 'you',
    waitsFor: 'nobody',
    until: null,
    updated: '2026-11-20T12:00:00Z',
  };
}

const shape = (deals: readonly DealSummary[]) =>
  treeOf(deals).map(({ title, depth }) => `${'>'.repeat(depth)}${title}`);

test('deliveries stand under the contract that they fulfil, all else in its order', () => {
  const under = (id: string, ...parents: readonly string[]) =>
    summary(
      id,
      'delivery',
      parents.map((parent) => `document of ${parent}`),
    );
  const list = [
    under('d2', 'c1'),
    summary('c2', 'contract', ['document of c1']),
    under('d3', 'gone'),
    under('d1', 'gone', 'c1'),
    summary('c1', 'contract'),
    under('d4', 'd1'),
    under('d5'),
  ];
  assert.deepEqual(shape(list), ['c2', 'd3', 'c1', '>d2', '>d1', '>>d4', 'd5']);
  assert.deepEqual(shape([]), []);
});

test('deals that name each other or themselves are listed once', () => {
  const [a, b] = [summary('a', 'delivery', ['document of b']), summary('b', 'delivery', ['document of a'])];
  assert.deepEqual(shape([a, b]), ['a', '>b']);
  assert.deepEqual(shape([summary('a', 'delivery', ['document of a'])]), ['a']);
  const [c, d] = [summary('c', 'contract'), { ...summary('d', 'contract'), document: 'document of c' }];
  assert.deepEqual(shape([summary('e', 'delivery', ['document of c']), c, d]), ['c', '>e', 'd']);
});

test('the tree is shown by indenting ids, and a delivery is delivered', () => {
  const lines = voice.deals(treeOf([summary('cccc', 'contract'), summary('dddd', 'delivery', ['document of cccc'])]));
  assert.match(lines[1] ?? '', /^cccc +cccc .* contracted/);
  assert.match(lines[2] ?? '', /^ {2}dddd +dddd .* delivered/);
  assert.equal(stateWord(summary('a', 'contract')), 'contracted');
  assert.equal(stateWord({ kind: 'contract', state: 'completed' }), 'completed');
  assert.match(voice.outcome(summary('dddd', 'delivery'), 'peer', 1000), /^delivered {2}dddd/);
});

const view = (change: Partial<DeliveryResult>): DeliveryResult => ({
  deal: 'dddd00000000',
  direction: 'in',
  phase: 'fetching',
  salts: null,
  done: 0,
  total: 0,
  trouble: null,
  files: [],
  ...change,
});

test('how far a content is: part of it, all of it, trouble', () => {
  assert.equal(progress(view({ done: 1024, total: 4096 })), '1.0 KiB of 4.0 KiB fetched (25 %)');
  assert.equal(progress(view({ done: 4095, total: 4096 })), '4.0 KiB of 4.0 KiB fetched (99 %)');
  assert.equal(progress(view({})), '0 B of 0 B fetched');
  const phases = ['offered', 'waiting', 'fetching', 'fetched', 'opened', 'taken', 'failed'] as const;
  assert.equal(new Set(phases.map((phase) => progress(view({ phase })))).size, phases.length);
  assert.deepEqual([0, 1023, 1024, 1536, 1024 ** 3, 5 * 1024 ** 5].map(size), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 GiB',
    '5120.0 TiB',
  ]);
  const deal = {
    ...summary('dddd', 'delivery', ['ff00']),
    arbiter: { contact: 'notary', name: 'Notary', fingerprint: '', mode: 'invisible' as const, card: '' },
    check: 'none',
    transfer: null,
    versions: [],
    transactions: [],
    exchange: null,
    via: null,
    reason: null,
  };
  const files = [{ name: 'a', size: 2048, path: null }];
  const said = voice.deal(deal, view({ done: 1, total: 2, files, trouble: 'disk full\u001b[2J' })).join('\n');
  for (const part of [
    /state +delivered/,
    /under +ff00/,
    /brings +1 file, 2\.0 KiB/,
    /content +1 B of 2 B/,
    /trouble +disk full/,
  ])
    assert.match(said, part);
  assert.equal(stripVTControlCharacters(said), said);
  assert.doesNotMatch(voice.deal(deal).join('\n'), /content/);
});

test('what is next: accept as its kind is accepted, take what can be taken, export as it can be exported', () => {
  const of = (kind: DealKind, change: Partial<DealSummary>) => voice.next({ ...summary('dddd', kind), ...change });
  const theirs = { state: 'offered', offeredBy: 'them' } as const;
  assert.equal(of('contract', theirs), 'fit deal accept dddd');
  assert.equal(of('delivery', theirs), 'fit deal receive dddd --to DIR');
  assert.equal(of('swap', theirs), 'fit deal swap dddd --give FILE');
  assert.equal(of('swap', { ...theirs, version: 2 }), 'fit deal receive dddd --to DIR');
  for (const kind of ['contract', 'delivery', 'swap'] as const)
    assert.equal(of(kind, { ...theirs, offeredBy: 'you' }), 'fit deal wait dddd');
  assert.equal(of('delivery', { state: 'completed' }), 'fit deal export dddd --out dddd.asics');
  assert.equal(of('swap', { state: 'completed' }), 'fit deal export dddd --out dddd.asics');
  assert.equal(of('swap', { state: 'declined' }), undefined);
  assert.equal(next(view({ phase: 'opened' }), 'dddd'), 'fit deal receive dddd --to DIR');
  assert.equal(next(view({ phase: 'taken' }), 'dddd'), undefined);
  assert.equal(next(view({ direction: 'out', phase: 'offered' }), 'dddd'), undefined);
});
