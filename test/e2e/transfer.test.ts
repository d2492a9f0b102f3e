/** One-way transfers through the real binaries: no arbiter, and the attributes that were chosen. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Verdict } from '../../src/evidence/verify.ts';
import type { DealResult, ExplainResult } from '../../src/rpc/agent.ts';
import type { ApprovalRequest } from '../../src/rpc/approvals.ts';
import { openssl } from '../support/openssl.ts';
import { endAll, fit, parsed, startTrio, type Trader, type Trio } from '../support/traders.ts';

let trio: Trio;
let elm: Trader;
let oak: Trader;

before(async () => {
  trio = await startTrio({ patience: '1h' });
  ({ elm, oak } = trio);
});
after(endAll);

interface Ended {
  readonly deal: string;
  readonly state: string;
  readonly reached: boolean;
  readonly files: readonly string[];
}

let made = 0;
function fileOf(name: string, bytes: number): { readonly path: string; readonly data: Buffer } {
  made += 1;
  const folder = join(elm.folder, `out-${made}`);
  mkdirSync(folder);
  const data = randomBytes(bytes);
  writeFileSync(join(folder, name), data);
  return { path: join(folder, name), data };
}
const freshFolder = (): string => join(oak.folder, `in-${made}`);
const askedOfArbiter = async (): Promise<number> => (await (await trio.notary.agent()).status()).received.arbiter;

test('a file without arbiter: the same bytes, and a sentence that says what it means', async () => {
  const before = await askedOfArbiter();
  const { path, data } = fileOf('plan.pdf', 200_000);
  const sending = elm.fit('send', path, '--to', 'oak', '--timeout', '60', ...elm.pw);
  const deal = await new Promise<string>((found, reject) => {
    oak
      .agent()
      .then(async (agent) => {
        agent.onEvent((event) => {
          if (event.kind === 'offer' && event.deal !== undefined) found(event.deal);
        });
        await agent.subscribe({});
        const { deals } = await agent.dealList();
        if (deals[0] !== undefined) found(deals[0].deal);
      })
      .catch(reject);
  });
  const to = freshFolder();
  const received = await oak.fit('deal', 'receive', deal, '--to', to, '--timeout', '60', ...oak.pw, '--json');
  assert.equal(received.code, 0, received.stderr);
  assert.deepEqual(readdirSync(to), ['plan.pdf']);
  assert.deepEqual(readFileSync(join(to, 'plan.pdf')), data);
  const sent = await sending;
  assert.equal(sent.code, 0, sent.stderr);
  assert.match(sent.stderr, /no arbiter: a transfer; oak can keep it without signing a receipt/);
  assert.match(sent.stdout, /^transferred /);
  assert.equal(parsed<Ended>(received).state, 'completed');
  const shown = await elm.ok<DealResult>('deal', 'show', deal);
  assert.equal(shown.kind, 'transfer');
  assert.equal(shown.arbiter, null);
  assert.deepEqual(shown.transfer, { origin: true, receipt: 'asked' });
  assert.equal(await askedOfArbiter(), before);
});

/** The id of an offer of elm's that is on oak's table. */
async function offered(...args: readonly string[]): Promise<string> {
  const said = await elm.fit(...args, '--no-wait', ...elm.pw, '--json');
  assert.equal(said.code, 0, said.stderr);
  const { deal } = parsed<{ deal: string }>(said);
  await oak.waitFor(deal, ['offered']);
  return deal;
}

async function received(deal: string, ...args: readonly string[]): Promise<Ended & { readonly to: string }> {
  const to = freshFolder();
  const said = await oak.fit('deal', 'receive', deal, '--to', to, ...args, '--timeout', '60', ...oak.pw, '--json');
  assert.equal(said.code, 0, said.stderr);
  const ended = parsed<Ended>(said);
  assert.equal(ended.state, 'completed');
  await elm.waitFor(deal, ['completed']);
  return { ...ended, to };
}

async function contracted(): Promise<string> {
  const deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
  await (await oak.consenting()).dealAccept({ deal });
  await Promise.all([elm.waitFor(deal, ['contracted']), oak.waitFor(deal, ['contracted'])]);
  return deal;
}

function verifies(folder: string, name: 'origin' | 'receipt'): void {
  const command = `cms -verify -cades -binary -inform der -in ${name}.p7s -content ${name}.txt`;
  const said = openssl([...command.split(' '), '-CAfile', 'certificates.pem', '-out', '/dev/null'], { cwd: folder });
  assert.ok(said.ok && /successful/.test(said.text), said.text);
}

/** The evidence of both sides is of the same statements, good, and what openssl says is good too. */
async function evidenced(deal: string, file: string, statements: readonly ('origin' | 'receipt')[]): Promise<void> {
  for (const trader of [elm, oak]) {
    const folder = join(trader.home, `e-${deal}`);
    await trader.ok('deal', 'export', deal, '--dir', folder);
    for (const name of ['origin', 'receipt'] as const) {
      const isThere = statements.includes(name);
      assert.equal(readdirSync(folder).includes(`${name}.p7s`), isThere, name);
      if (isThere) verifies(folder, name);
    }
    const bundle = join(trader.home, `${deal}.asics`);
    await trader.ok('deal', 'export', deal, '--out', bundle);
    for (const evidence of [folder, bundle]) {
      const verdict = parsed<Verdict>(await fit(['verify', evidence, '--content', file, '--json']));
      assert.equal(verdict.problem, null, JSON.stringify(verdict.problem));
      assert.deepEqual([verdict.ok, verdict.proof], [true, 'transfer']);
      assert.deepEqual(verdict.signers.map((one) => one.role).sort(), [
        ...(statements.includes('receipt') ? ['receiver'] : []),
        ...(statements.includes('origin') ? ['sender'] : []),
      ]);
      assert.ok(verdict.files.every((one) => one.compared));
    }
  }
  for (const name of statements)
    assert.deepEqual(
      readFileSync(join(elm.home, `e-${deal}`, `${name}.p7s`)),
      readFileSync(join(oak.home, `e-${deal}`, `${name}.p7s`)),
    );
}

for (const [origin, receipt] of [
  [true, 'asked'],
  [true, 'none'],
  [false, 'asked'],
  [false, 'none'],
] as const) {
  test(`under a contract, origin ${origin ? 'signed' : 'not signed'}, receipt ${receipt}`, async () => {
    const contract = await contracted();
    const before = await askedOfArbiter();
    const { path, data } = fileOf('plan.pdf', 150_000);
    const attributes = ['--receipt', receipt, ...(origin ? [] : ['--no-origin'])];
    const deal = await offered('deal', 'deliver', contract, path, ...attributes);
    const offer = await oak.ok<ExplainResult>('deal', 'explain', deal);
    assert.match(offer.whoCouldCheat, /^elm: they can send something else than the note says/);
    const { to, files } = await received(deal);
    assert.deepEqual(files, [join(to, 'plan.pdf')]);
    assert.deepEqual(readFileSync(join(to, 'plan.pdf')), data);
    assert.equal(await askedOfArbiter(), before);
    const shown = await oak.ok<DealResult>('deal', 'show', deal);
    assert.deepEqual(shown.transfer, { origin, receipt });
    assert.deepEqual(shown.references, [(await oak.ok<DealResult>('deal', 'show', contract)).document]);
    const told = await oak.fit('deal', 'show', deal);
    for (const part of [/state +transferred/, /arbiter +none: a transfer/, /key by them/, /completion by you/])
      assert.match(told.stdout, part);
    const mine = await elm.ok<ExplainResult>('deal', 'explain', deal);
    assert.match(mine.youHold, receipt === 'asked' ? /^the receipt for the files, signed by oak$/ : /proves nothing/);
    assert.equal(mine.theyHold, origin ? 'the files, and your signed statement of origin' : 'the files');
    const theirs = await oak.ok<ExplainResult>('deal', 'explain', deal);
    assert.equal(theirs.theyHold, receipt === 'asked' ? 'your receipt' : 'nothing of yours that binds you');
    const statements = [...(origin ? ['origin' as const] : []), ...(receipt === 'asked' ? ['receipt' as const] : [])];
    if (statements.length > 0) await evidenced(deal, path, statements);
    else await elm.fails(3, 'deal', 'export', deal, '--dir', join(elm.home, `e-${deal}`));
    assert.ok((await oak.ok<{ ok: boolean }>('audit', 'verify')).ok);
    assert.ok((await elm.ok<{ ok: boolean }>('audit', 'verify')).ok);
  });
}

test('a folder goes as a container, and is unpacked', async () => {
  const folder = join(elm.folder, 'plans');
  mkdirSync(folder);
  writeFileSync(join(folder, 'one.txt'), 'one');
  writeFileSync(join(folder, 'two.txt'), 'two');
  made += 1;
  const deal = await offered('send', folder, '--to', 'oak');
  const { to } = await received(deal, '--unpack');
  assert.equal(readFileSync(join(to, 'plans', 'two.txt'), 'utf8'), 'two');
});

test('a credential goes one way', async () => {
  const contract = await contracted();
  const path = join(elm.folder, 'token.txt');
  writeFileSync(path, 'a token that opens a door\n');
  made += 1;
  const deal = await offered('deal', 'grant', contract, '--credential', path, '--receipt', 'none');
  const { to } = await received(deal);
  assert.equal(readFileSync(join(to, 'token.txt'), 'utf8'), 'a token that opens a door\n');
});

for (const [args, why] of [
  [['--no-origin'], /--no-origin is for transfers.*proof of wrong content/],
  [['--receipt', 'fair', '--no-origin'], /--no-origin is for transfers/],
  [['--receipt', 'asked', '--arbiter', 'notary'], /no arbiter with --receipt asked/],
  [['--receipt', 'none', '--check', 'window=1h'], /--check is about what the arbiter compares/],
  [['--receipt', 'none', '--want-receipt'], /say different things/],
  [['--receipt', 'signed'], /fair, asked, none/],
] as const) {
  test(`fit deal deliver ${args.join(' ')}: a usage error that says why, and nothing offered`, async () => {
    const before = (await elm.ok<{ deals: readonly unknown[] }>('deal', 'list')).deals.length;
    const { path } = fileOf('plan.pdf', 10);
    const said = await elm.fails(2, 'deal', 'deliver', 'any', path, ...args, ...elm.pw);
    assert.match(said.stderr, why);
    assert.equal((await elm.ok<{ deals: readonly unknown[] }>('deal', 'list')).deals.length, before);
  });
}

test('fit send --receipt fair needs an arbiter; with one it is a delivery as before', async () => {
  const { path } = fileOf('plan.pdf', 10);
  assert.match(
    (await elm.fails(2, 'send', path, '--to', 'oak', '--want-receipt', ...elm.pw)).stderr,
    /who is the arbiter/,
  );
  const deal = await offered('send', path, '--to', 'oak', '--arbiter', 'notary');
  assert.equal((await oak.ok<DealResult>('deal', 'show', deal)).kind, 'delivery');
  await oak.ok('deal', 'decline', deal);
  const draft = await elm.ok<{ text: string }>('send', path, '--to', 'oak', '--receipt', 'none', '--dry-run');
  assert.match(draft.text, /fit = "transfer\/1"/);
});

test('a program that sends or receives without the passphrase waits for a person, who is told what it means', async () => {
  const { path, data } = fileOf('plan.pdf', 1000);
  const asked = await elm.fails(5, 'send', path, '--to', 'oak', '--json');
  const { error } = JSON.parse(asked.stderr.split('\n').find((line) => line.startsWith('{')) ?? '') as {
    error: { data: { request: ApprovalRequest } };
  };
  const { request } = error.data;
  assert.match(request.fairness, /^no arbiter: you sign that they are yours .* oak can keep the files/);
  const shown = await elm.fit('approve', 'show', request.id);
  assert.match(shown.stdout, /arbiter +none: a transfer/);
  await elm.ok('approve', 'grant', request.id, ...elm.pw);
  const { deal } = request;
  await oak.waitFor(deal, ['offered']);
  const to = freshFolder();
  const theirs = await oak.fit('deal', 'receive', deal, '--to', to, '--timeout', '20', '--json');
  assert.equal(theirs.code, 5, theirs.stderr);
  const [waiting] = (await oak.ok<{ requests: readonly ApprovalRequest[] }>('approve', 'list')).requests;
  assert.match(waiting?.fairness ?? '', /^you sign a receipt once all of it is here and compared; no arbiter/);
  await oak.ok('approve', 'grant', waiting?.id ?? '', ...oak.pw);
  await Promise.all([elm, oak].map((one) => one.waitFor(deal, ['completed'])));
  const taken = await oak.ok<Ended>('deal', 'receive', deal, '--to', to);
  assert.deepEqual(readFileSync(taken.files[0] ?? ''), data);
});

test('a rule for deliveries does not send without an arbiter; one for transfers does', async () => {
  const policy = (more: string): string => `fit = "policy/1"

[[rule]]
name = "files"
outcome = "approve"
kind = "offer"
contact = "oak"
${more}items = [
  { from = "you", kind = "content", description = "the files that this text names" },
  { from = "them", kind = "receipt", description = "signed receipt for them" },
]
`;
  const confirm = async (text: string): Promise<void> => {
    writeFileSync(elm.paths.policy, text, { mode: 0o600 });
    await elm.ok('policy', 'confirm', ...elm.pw);
  };
  const { path } = fileOf('plan.pdf', 100);
  await confirm(policy(''));
  const said = await elm.fails(5, 'send', path, '--to', 'oak');
  assert.match(said.stderr, /needs a person's approval/);
  const [asked] = (await elm.ok<{ requests: readonly ApprovalRequest[] }>('approve', 'list')).requests;
  assert.match(asked?.why ?? '', /only rules that say transfer = true approve what has no arbiter/);
  await elm.ok('approve', 'refuse', asked?.id ?? '');
  await confirm(policy('transfer = true\n'));
  const { deal } = await elm.ok<{ deal: string }>('send', path, '--to', 'oak', '--no-wait');
  assert.equal((await received(deal)).state, 'completed');
  // Of a delivery it says nothing.
  await elm.fails(5, 'send', path, '--to', 'oak', '--arbiter', 'notary');
});

test('a transfer is not answered with another text, nor resolved', async () => {
  const { path } = fileOf('plan.pdf', 100);
  const deal = await offered('send', path, '--to', 'oak');
  const text = join(oak.folder, 'other.md');
  writeFileSync(text, '# Another text\n\nSomething else.\n');
  const said = await oak.fails(3, 'deal', 'counter', deal, text, ...oak.pw);
  assert.match(said.stderr, /received or declined, not answered with another text/);
  await oak.fails(3, 'deal', 'resolve', deal);
  assert.match((await oak.fit('deal', 'accept', deal, '--dry-run')).stderr, /unknown option/);
  await oak.ok('deal', 'decline', deal, '--reason', 'not wanted');
  await elm.waitFor(deal, ['declined']);
});
