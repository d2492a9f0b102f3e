/** What each side gives, as a text: whatever is accepted in the fields makes a draft without findings that says it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { payerOf, problemOf, textOfFields } from '../../src/cli/terminal/proposal.ts';
import { lintDraft } from '../../src/commerce/document.ts';
import { splitFrontMatter } from '../../src/exchange/document.ts';
import { readDraft } from '../../src/exchange/front-matter.ts';

function draftOf(text: string) {
  assert.deepEqual(lintDraft(Buffer.from(text)), []);
  const split = splitFrontMatter(text);
  if (split === 'unclosed' || split.front === null) return assert.fail(text);
  const draft = readDraft(split.front);
  if (!draft.ok) return assert.fail(draft.finding.message);
  return { terms: draft.value, body: split.body };
}

test('a sale: what is given, and an amount from the side that gives nothing else', () => {
  const text =
    textOfFields({ give: 'one "blue" bicycle \\ bell', want: '', amount: 'EUR 120.00', paidBy: 'them' }) ?? '';
  const { terms, body } = draftOf(text);
  assert.equal(terms.title, 'one "blue" bicycle \\ bell for EUR 120.00');
  assert.deepEqual(terms.items, [
    { from: 'proposer', to: 'addressee', kind: 'obligation', description: 'one "blue" bicycle \\ bell' },
    { from: 'addressee', to: 'proposer', kind: 'obligation', description: 'payment', amount: 'EUR 120.00' },
  ]);
  assert.equal(
    body,
    `# one "blue" bicycle \\ bell for EUR 120.00

- The proposer gives the addressee:
  one "blue" bicycle \\ bell
- The addressee gives the proposer:
  EUR 120.00
`,
  );
});

test('who pays is asked only where the fields do not say it', () => {
  assert.equal(payerOf({ give: 'a bell', want: '' }), 'them');
  assert.equal(payerOf({ give: '', want: 'a bell' }), 'you');
  assert.equal(payerOf({ give: 'a bell', want: 'a lamp' }), undefined);
});

test('nothing is no proposal', () => {
  assert.equal(textOfFields({ give: '', want: '', amount: '', paidBy: 'you' }), undefined);
});

test('what the format does not take is refused in the field', () => {
  for (const amount of ['120', 'EUR', 'EUR 1,5', 'eur 5', 'EUR 05', 'EUR -5', 'EUR 5 '])
    assert.ok(problemOf('amount', amount));
  for (const amount of ['', 'EUR 5', 'XAU 0.00000001']) assert.equal(problemOf('amount', amount), undefined);
  for (const words of ['a\u202eb', 'a\u001bb', 'x'.repeat(161), ' a', 'a\nb']) assert.ok(problemOf('give', words));
});

const words = fc.oneof(
  fc.constantFrom(
    '',
    'one bell',
    '+++',
    '# bell',
    '"""',
    "'''",
    '\\u0000',
    '[[item]]',
    '漢字',
    '"'.repeat(160),
    `${'👍🏽'.repeat(39)}`,
    'e\u0301',
    'x'.repeat(160),
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.trim()),
);

test('any fields that are accepted make a draft without findings, with these items and no others', () => {
  fc.assert(
    fc.property(
      words,
      words,
      fc.constantFrom('', 'EUR 120.00', 'XAU 0.5'),
      fc.constantFrom('you', 'them'),
      (give, want, amount, paidBy) => {
        fc.pre(problemOf('give', give) === undefined && problemOf('want', want) === undefined);
        const text = textOfFields({ give, want, amount, paidBy });
        if (text === undefined) return assert.equal(`${give}${want}${amount}`, '');
        const { terms, body } = draftOf(text);
        const described = (terms.items ?? []).map((item) => `${item.from} ${item.description} ${item.amount ?? ''}`);
        const mine = give !== '' || (amount !== '' && paidBy === 'you');
        const theirs = want !== '' || (amount !== '' && paidBy === 'them');
        assert.deepEqual(described, [
          ...(mine ? [`proposer ${give || 'payment'} ${paidBy === 'you' ? amount : ''}`] : []),
          ...(theirs ? [`addressee ${want || 'payment'} ${paidBy === 'them' ? amount : ''}`] : []),
        ]);
        for (const said of [give, want, amount]) assert.ok(body.includes(said));
      },
    ),
    { numRuns: 2000 },
  );
});
