import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { completeDocument, type DocumentContext, lint, parseDocument } from '../../src/commerce/document.ts';
import { readDraft } from '../../src/exchange/front-matter.ts';
import { formatTerms } from '../../src/exchange/terms.ts';
import { fromUtf8, toHex, utf8 } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import type { LintFinding } from '../../src/lib/lint.ts';

const hash = (byte: number) => new Uint8Array(32).fill(byte);
const context: DocumentContext = {
  deal: '0123456789ab',
  author: { name: 'First \\ "Trader"', certificate: hash(1) },
  addressee: { name: 'Zweiter Händler', certificate: hash(2) },
  arbiter: { name: 'Notary', certificate: hash(3), terms: hash(4) },
  mode: 'invisible',
  offerUntil: 1_800_000_000,
  notAfter: 1_802_000_000,
  margin: 90_000,
};
const turned: DocumentContext = { ...context, author: context.addressee, addressee: context.author };

const word = fc.constantFrom(
  'one',
  'blue',
  'bicycle',
  '#',
  '+++',
  '+',
  '"',
  '\\',
  '[[party]]',
  'fit = 1',
  'Grüße',
  'è',
  '–',
  '契約',
);
const line = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));
const clean = fc
  .array(line, { minLength: 1, maxLength: 8 })
  .map((lines) => lines.join('\n'))
  .filter((text) => lint(utf8(text)).length === 0 && !text.startsWith('+++\n') && text.trim() !== '');

/** The result, or the findings of a refusal; anything else fails the test. */
function attempt<T>(run: () => T): { readonly value: T } | { readonly findings: readonly LintFinding[] } {
  try {
    return { value: run() };
  } catch (error) {
    assert.ok(isFitError(error) && error.code === 'bad-document', String(error));
    return { findings: error.data?.findings as readonly LintFinding[] };
  }
}

test('any clean body is completed: it parses, keeps the body, is stable, and turns round for an answer', () => {
  fc.assert(
    fc.property(clean, (body) => {
      const bytes = completeDocument(utf8(body), context);
      const document = parseDocument(bytes);
      assert.equal(document.body.replace(/^\n/, ''), body.replace(/^\n/, ''));
      assert.deepEqual(completeDocument(bytes, context), bytes);
      const answer = parseDocument(completeDocument(bytes, turned));
      assert.equal(answer.body, document.body);
      assert.deepEqual(answer.terms.parties, document.terms.parties.toReversed());
      assert.deepEqual(completeDocument(answer.bytes, context), bytes);
    }),
  );
});

test('of each set of terms there is one text', () => {
  fc.assert(
    fc.property(clean, (body) => {
      const { terms, bytes } = parseDocument(completeDocument(utf8(body), context));
      const text = formatTerms(terms);
      const again = readDraft(text);
      assert.ok(again.ok);
      assert.ok(fromUtf8(bytes).startsWith(`+++\n${text}+++\n`));
    }),
  );
});

test('a changed byte is refused or gives another document', () => {
  const bytes = completeDocument(utf8('# Sale\n\nOne blue bicycle.\n'), context);
  const { digest } = parseDocument(bytes);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const altered = new Uint8Array(bytes);
      altered[at] = (altered[at] ?? 0) ^ change;
      const result = attempt(() => parseDocument(altered));
      if ('value' in result) assert.notEqual(toHex(result.value.digest), toHex(digest));
      else assert.ok(result.findings.length > 0);
    }),
    { numRuns: 500 },
  );
});

test('arbitrary input ends in a document or in findings with a position', () => {
  const fragments = fc.constantFrom(
    '+++',
    '\n',
    '[[party]]',
    '[arbiter]',
    'name = ',
    '"x"',
    '[exchange]',
    '=',
    '{',
    '}',
    '[',
    ']',
    '0',
    'item',
    "'''",
    '\u202e',
    '.',
  );
  const text = fc.array(fc.oneof(fragments, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 30 });
  fc.assert(
    fc.property(fc.boolean(), text, (fenced, parts) => {
      const given = `${fenced ? '+++\n' : ''}${parts.join('')}${fenced ? '\n+++\nText\n' : ''}`;
      for (const run of [completeDocument, parseDocument]) {
        const result = attempt(() => run(utf8(given.toWellFormed()), context));
        if ('value' in result) continue;
        assert.ok(result.findings.length >= 1 && result.findings.length <= 50);
        for (const { line, column, message } of result.findings) {
          assert.ok(line >= 1 && column >= 1);
          assert.match(message, /^[\x20-\x7e]+$/, 'our words, never the text of the file');
        }
      }
    }),
    { numRuns: 1000 },
  );
});
