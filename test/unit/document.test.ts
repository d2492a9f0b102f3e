import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeDocument, type DocumentContext, lint, lintDraft, parseDocument } from '../../src/commerce/document.ts';
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import type { LintFinding } from '../../src/lib/lint.ts';

const hash = (byte: number) => new Uint8Array(32).fill(byte);

const context: DocumentContext = {
  deal: '0123456789ab',
  author: { name: 'First Trader', certificate: hash(1) },
  addressee: { name: 'Second Trader', certificate: hash(2) },
  arbiter: { name: 'Notary Elm', certificate: hash(3), terms: hash(4) },
  mode: 'invisible',
  offerUntil: 1_800_000_000,
  notAfter: 1_802_000_000,
  margin: 90_000,
};

const turned: DocumentContext = { ...context, author: context.addressee, addressee: context.author };

function findingsOf(run: () => unknown): readonly LintFinding[] {
  try {
    run();
  } catch (error) {
    assert.ok(isFitError(error) && error.code === 'bad-document');
    return error.data?.findings as readonly LintFinding[];
  }
  assert.fail('accepted');
}

const complete = (text: string, with_: DocumentContext = context) => fromUtf8(completeDocument(utf8(text), with_));

const COMPLETED = `+++
fit = "contract/1"
title = "Sale of a bicycle"
deal = "0123456789ab"

[[party]]
role = "party-a"
name = "First Trader"
certificate = "${'01'.repeat(32)}"

[[party]]
role = "party-b"
name = "Second Trader"
certificate = "${'02'.repeat(32)}"

[arbiter]
name = "Notary Elm"
certificate = "${'03'.repeat(32)}"
terms = "${'04'.repeat(32)}"
mode = "invisible"

[[item]]
from = "party-a"
to = "party-b"
kind = "signature"
description = "signature on this document"

[[item]]
from = "party-b"
to = "party-a"
kind = "signature"
description = "signature on this document"

[exchange]
check = "none"
offer_until = 2027-01-15T08:00:00Z
not_after = 2027-02-07T11:33:20Z
margin = 90000
+++

# Sale of a bicycle

One blue bicycle.
`;

test('a body alone is completed to the whole document', () => {
  assert.equal(complete('# Sale of a bicycle\n\nOne blue bicycle.\n'), COMPLETED);
});

test('completing again changes nothing', () => {
  assert.equal(complete(COMPLETED), COMPLETED);
});

test('the parsed document has the terms, the digest and the body', () => {
  const document = parseDocument(utf8(COMPLETED));
  assert.equal(document.terms.parties[0].name, 'First Trader');
  assert.equal(document.terms.notAfter, 1_802_000_000);
  assert.equal(document.body, '\n# Sale of a bicycle\n\nOne blue bicycle.\n');
  assert.equal(document.digest.length, 32);
});

test('the other party may answer with an edited copy: it becomes the first party and keeps the roles', () => {
  const { terms, body } = parseDocument(utf8(complete(COMPLETED.replace('blue bicycle', 'red bicycle'), turned)));
  assert.deepEqual(
    terms.parties.map((party) => [party.role, party.name]),
    [
      ['party-b', 'Second Trader'],
      ['party-a', 'First Trader'],
    ],
  );
  assert.equal(terms.items[0]?.from, 'party-b');
  assert.match(body, /red bicycle/);
});

test('an answer without front matter keeps the roles of what it answers', () => {
  const named = COMPLETED.replaceAll('party-a', 'seller').replaceAll('party-b', 'buyer');
  const answers = parseDocument(utf8(named)).terms;
  const { terms } = parseDocument(completeDocument(utf8('# Sale\n\nOne red bicycle.\n'), { ...turned, answers }));
  assert.deepEqual(
    terms.parties.map((party) => [party.role, party.name]),
    [
      ['buyer', 'Second Trader'],
      ['seller', 'First Trader'],
    ],
  );
});

test('title: the first heading, else the first line, shortened at a word', () => {
  const title = (text: string) => parseDocument(completeDocument(utf8(text), context)).terms.title;
  assert.equal(title('some words\n\n## The heading ##\n'), 'The heading');
  assert.equal(title('\n\nfirst line\nsecond'), 'first line');
  assert.equal(title(`# ${'word '.repeat(30).trim()}\n`), `${'word '.repeat(19).trim()}…`);
});

test('a few fields are kept', () => {
  const draft = '+++\n# a remark\ntitle = "Other \\"title\\""\n[exchange]\nnot_after = 2027-03-01T00:00:00+01:00\n';
  const items = '[[item]]\nfrom = "party-a"\ndescription = "one bicycle"\namount = "EUR 120.00"\n+++\nText\n';
  const { terms } = parseDocument(utf8(complete(draft + items)));
  assert.equal(terms.title, 'Other "title"');
  assert.equal(terms.notAfter, Date.UTC(2027, 1, 28, 23) / 1000);
  assert.deepEqual(terms.items[2], {
    from: 'party-a',
    to: 'party-b',
    kind: 'obligation',
    description: 'one bicycle',
    amount: 'EUR 120.00',
  });
});

test('references and attachments have one form too', () => {
  const list = `references = ["${'aa'.repeat(32)}", "${'bb'.repeat(32)}"]`;
  const file = `[[attachment]]\nname = "plan.pdf"\nsize = 3\nsha256 = "${'cc'.repeat(32)}"`;
  const text = complete(`+++\n${list}\n${file}\n+++\nText\n`);
  const { terms } = parseDocument(utf8(text));
  assert.deepEqual(terms.references, [hash(0xaa), hash(0xbb)]);
  assert.deepEqual(terms.attachments, [{ name: 'plan.pdf', size: 3, sha256: hash(0xcc) }]);
  assert.equal(complete(text), text);
  const twice = `+++\nreferences = ["${'aa'.repeat(32)}", "${'aa'.repeat(32)}"]\n+++\nText\n`;
  assert.equal(findingsOf(() => complete(twice))[0]?.code, 'field');
});

for (const [what, front, line] of [
  ['another deal', 'deal = "aaaaaaaaaaaa"', 2],
  ['another arbiter', '[arbiter]\nname = "Notary Oak"', 3],
  ['an unknown field', 'title = "x"\ncolour = "blue"', 3],
  ['an unknown field of a table', '[arbiter]\nfoo = 1', 3],
  ['another party', '[[party]]\nname = "First Trader"\n[[party]]\nname = "Third Trader"', 5],
  ['a stranger as a party', `[[party]]\ncertificate = "${'09'.repeat(32)}"`, 3],
  ['a third party', '[[party]]\n[[party]]\n[[party]]', 2],
  ['a local time', '[exchange]\noffer_until = 2027-01-01T00:00:00', 3],
  ['help that ends before the offer', '[exchange]\nnot_after = 2027-01-01T00:00:00Z', 37],
  ['an escaped control of direction', 'title = "a\\u202eb"', 2],
  ['an escaped line feed', 'title = "a\\nb"', 2],
  ['a title that is a number', 'title = 1', 2],
  ['another format', 'fit = "contract/2"', 2],
  ['the same field twice', 'title = "a"\ntitle = "b"', 3],
  ['__proto__', '[__proto__]\nx = 1', 2],
  ['an item between strangers', '[[item]]\nfrom = "seller"\ndescription = "x"', 35],
  ['a signature for somebody else', '[[item]]\nkind = "signature"\nfrom = "party-c"', 2],
  ['an attachment outside the folder', '[[attachment]]\nname = "../x"', 3],
] as const) {
  test(`completion refuses ${what}`, () => {
    const [first] = findingsOf(() => complete(`+++\n${front}\n+++\nText\n`));
    assert.ok(first !== undefined);
    assert.equal(first.line, line, first.message);
  });
}

test('what a command fixed may not be contradicted, a default may', () => {
  const text = '+++\n[arbiter]\nmode = "affidavit"\n+++\nText\n';
  assert.equal(parseDocument(utf8(complete(text))).terms.arbiter?.mode, 'affidavit');
  assert.equal(findingsOf(() => complete(text, { ...context, fixed: ['mode'] }))[0]?.line, 3);
});

test('a document of affidavit mode says that a promise alone binds nobody', () => {
  const affidavit = complete('Text\n', { ...context, mode: 'affidavit' });
  assert.match(affidavit, /a promise alone binds nobody/);
  const without = affidavit.replace(/notice = .*\n/, '');
  assert.equal(findingsOf(() => parseDocument(utf8(without)))[0]?.code, 'canonical');
});

for (const [what, from, to, line] of [
  ['a comment', 'check = "none"', 'check = "none" # all', 35],
  ['another order', 'title = "Sale of a bicycle"\ndeal = "0123456789ab"', 'deal = "0123456789ab"\ntitle = "x"', 3],
  ['an escape that is not needed', 'title = "Sale', 'title = "\\u0053ale', 3],
  ['a missing field', 'margin = 90000\n', '', 34],
  ['a date of another form', '2027-01-15T08:00:00Z', '2027-01-15 08:00:00Z', 36],
  ['the same certificate twice', '02'.repeat(32), '01'.repeat(32), 14],
  ['the arbiter as a party', '03'.repeat(32), '02'.repeat(32), 18],
  ['swapped signatures', 'from = "party-a"\nto = "party-b"', 'from = "party-b"\nto = "party-a"', 22],
  ['no end of the front matter', 'margin = 90000\n+++', 'margin = 90000\n---', 1],
  ['no front matter', '+++\nfit', 'fit', 1],
] as const) {
  test(`parsing refuses ${what}`, () => {
    const changed = COMPLETED.replace(from, to);
    assert.notEqual(changed, COMPLETED);
    assert.equal(findingsOf(() => parseDocument(utf8(changed)))[0]?.line, line);
  });
}

for (const [code, text, line, column] of [
  ['line-ending', 'a\r\nb', 1, 2],
  ['tab', 'ab\tc', 1, 3],
  ['control', 'x\n\u001b[31mred', 2, 1],
  ['control', 'nul\0', 1, 4],
  ['bidi', 'x\u202ey', 1, 2],
  ['bidi', 'x\u2066y', 1, 2],
  ['invisible', 'pay\u200bpal', 1, 4],
  ['invisible', 'a\u200db', 1, 2],
  ['invisible', 'a\u3164b', 1, 2],
  ['invisible', 'a\ufeffb', 1, 2],
  ['invisible', 'a\u{e0041}b', 1, 2],
  ['format', 'a\ufff9b', 1, 2],
  ['private-use', 'a\ue000b', 1, 2],
  ['unassigned', 'a\u0378b', 1, 2],
  ['unassigned', 'a\uffffb', 1, 2],
  ['space', 'a\u00a0b', 1, 2],
  ['space', 'a\u2028b', 1, 2],
  ['space', 'a\u2800b', 1, 2],
  ['mixed-script', 'the pаypal', 1, 5],
  ['nfc', 'cafe\u0301', 1, 4],
  ['trailing-space', 'ab \ncd', 1, 3],
  ['long-line', `a\n${'x'.repeat(201)}`, 2, 201],
  ['bom', '\ufeffa', 1, 1],
  ['marks', 'a\u0316\u0317\u0318\u0319\u031cb', 1, 2],
  ['empty', ' \n\n', 1, 1],
] as const) {
  test(`lint finds ${code} in ${JSON.stringify(text).slice(0, 30)}`, () => {
    const found = lint(utf8(text)).map((one) => [one.code, one.line, one.column]);
    assert.deepEqual(found[0], [code, line, column]);
  });
}

test('lint finds where UTF-8 ends', () => {
  const at = (bytes: number[]) => lint(Uint8Array.from(bytes)).map(({ code, line, column }) => [code, line, column]);
  assert.deepEqual(at([0x61, 0x0a, 0xc3, 0xa9, 0xff, 0x61]), [['utf-8', 2, 2]]);
  assert.deepEqual(at([0x61, 0xe2, 0x82]), [['utf-8', 1, 2]]);
  assert.deepEqual(at([0xed, 0xa0, 0x80]), [['utf-8', 1, 1]]);
  assert.deepEqual(at([0xc0, 0x80]), [['utf-8', 1, 1]]);
});

test('lint accepts ordinary texts of several alphabets', () => {
  for (const text of [
    'Grüße, naïve café\n',
    'Договор купли-продажи\n',
    'σύμβαση\n',
    '契約書\n',
    'no line feed at the end',
  ])
    assert.deepEqual(lint(utf8(text)), []);
});

test('lint is bounded and quick on hostile input', () => {
  assert.deepEqual(
    lint(new Uint8Array(10 << 20)).map((one) => one.code),
    ['size'],
  );
  const started = performance.now();
  for (const unit of ['\t', ' ', 'aб ', '\u0301', '\u202e', 'x', '\r\n', '\u{10ffff}']) {
    const text = unit.repeat(Math.floor(65_535 / utf8(unit).length));
    assert.ok(lint(utf8(`${text}.`)).length <= 50);
  }
  assert.ok(performance.now() - started < 3000);
});

test('a draft with an unreadable front matter is a finding with its line', () => {
  assert.deepEqual(
    lintDraft(utf8('+++\ntitle = "x"\ntitel = "y"\n+++\nText\n')).map(({ line, code }) => [line, code]),
    [[3, 'field']],
  );
  assert.deepEqual(
    lintDraft(utf8('+++\ntitle = "x\n+++\nText\n')).map(({ line, code }) => [line, code]),
    [[2, 'toml']],
  );
  assert.deepEqual(lintDraft(utf8('+++\ntitle = "x"\n+++\nText\n')), []);
});
