/** One-way transfers through the real binaries: no arbiter, and the attributes that were chosen. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Verdict } from '../../src/evidence/verify.ts';
import type { DealResult, ExplainResult } from '../../src/rpc/agent.ts';
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
