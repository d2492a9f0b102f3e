/** Certified delivery through the real binaries: files for a signed receipt, under a contract and without one. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Verdict } from '../../src/evidence/verify.ts';
import type { DealResult, ExplainResult, FitEvent } from '../../src/rpc/agent.ts';
import { connect } from '../../src/rpc/client.ts';
import { openssl } from '../support/openssl.ts';
import { endAll, parsed, startTrio, type Trader, type Trio } from '../support/traders.ts';

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
  readonly via: string | null;
  readonly files: readonly string[];
}

let made = 0;
/** A file of elm's with random bytes. */
function fileOf(name: string, bytes: number): { readonly path: string; readonly data: Buffer } {
  made += 1;
  const folder = join(elm.folder, `out-${made}`);
  mkdirSync(folder);
  const path = join(folder, name);
  const data = randomBytes(bytes);
  writeFileSync(path, data);
  return { path, data };
}

const freshFolder = (): string => join(oak.folder, `in-${made}`);
const askedOfArbiter = async (): Promise<number> => (await (await trio.notary.agent()).status()).received.arbiter;

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

test('a file under a contract: the receiver was there first; the same bytes, a receipt that openssl verifies, no arbiter', async () => {
  const contract = await contracted();
  const before = await askedOfArbiter();
  const { path, data } = fileOf('plan.pdf', 300_000);
  const to = freshFolder();
  const receiving = oak.fit('deal', 'receive', contract, '--to', to, '--timeout', '60', ...oak.pw, '--json');
  const sent = await elm.fit(
    'deal',
    'deliver',
    contract,
    path,
    '--want-receipt',
    '--timeout',
    '60',
    ...elm.pw,
    '--json',
  );
  const received = await receiving;
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(received.code, 0, received.stderr);
  const [mine, theirs] = [parsed<Ended>(sent), parsed<Ended>(received)];
  assert.deepEqual([mine.deal, mine.state, mine.via], [theirs.deal, 'completed', 'peer']);
  assert.deepEqual(theirs.files, [join(to, 'plan.pdf')]);
  assert.deepEqual(readdirSync(to), ['plan.pdf']);
  assert.deepEqual(readFileSync(join(to, 'plan.pdf')), data);
  assert.equal(await askedOfArbiter(), before);

  const shown = await oak.ok<DealResult>('deal', 'show', mine.deal);
  assert.equal(shown.kind, 'delivery');
  assert.deepEqual(shown.references, [(await oak.ok<DealResult>('deal', 'show', contract)).document]);
  const tree = (await oak.ok<{ deals: readonly { deal: string; depth: number }[] }>('deal', 'list', '--tree')).deals;
  const at = tree.findIndex((one) => one.deal === contract);
  assert.deepEqual(
    tree.slice(at, at + 2).map((one) => [one.deal, one.depth]),
    [
      [contract, 0],
      [mine.deal, 1],
    ],
  );
  const sender = await elm.ok<ExplainResult>('deal', 'explain', mine.deal);
  assert.match(sender.youHold, /^the receipt for the files, signed by /);
  assert.equal(sender.theyHold, 'the files, and your statement of origin');
  const receiver = await oak.ok<ExplainResult>('deal', 'explain', mine.deal);
  assert.match(receiver.youHold, /^the files as the delivery note says, and .*'s statement of origin$/);
  assert.equal(receiver.theyHold, 'your receipt');
  const told = await oak.fit('deal', 'show', mine.deal);
  for (const part of [
    /state +delivered/,
    /brings +1 file, 293\.0 KiB/,
    /content +received, compared and taken/,
    /key by them/,
    /completion by you/,
  ])
    assert.match(told.stdout, part);
  const folders = [join(elm.home, `e-${mine.deal}`), join(oak.home, `e-${mine.deal}`)] as const;
  await elm.ok('deal', 'export', mine.deal, '--dir', folders[0]);
  await oak.ok('deal', 'export', mine.deal, '--dir', folders[1]);
  for (const name of ['delivery.md', 'origin.txt', 'origin.p7s', 'receipt.txt', 'receipt.p7s'])
    assert.deepEqual(readFileSync(join(folders[0], name)), readFileSync(join(folders[1], name)), name);
  for (const folder of folders) for (const name of ['origin', 'receipt'] as const) verifies(folder, name);
  for (const trader of [elm, oak]) {
    const bundle = join(trader.home, `${mine.deal}.asics`);
    await trader.ok('deal', 'export', mine.deal, '--out', bundle);
    const verdict = await trader.ok<Verdict>('verify', bundle, '--content', join(to, 'plan.pdf'));
    assert.deepEqual([verdict.ok, verdict.proof, verdict.deal], [true, 'delivery', mine.deal]);
    assert.deepEqual(verdict.references, shown.references);
    assert.deepEqual(
      verdict.files.map(({ name, compared }) => [name, compared]),
      [['plan.pdf', true]],
    );
  }
  const note = readFileSync(join(folders[0], 'delivery.md'));
  assert.match(note.toString(), new RegExp(createHash('sha256').update(data).digest('hex')));
  assert.match(
    readFileSync(join(folders[0], 'receipt.txt'), 'utf8'),
    new RegExp(createHash('sha256').update(note).digest('hex')),
  );
});

test('several files without a contract, empty ones too; nothing is overwritten', async () => {
  const files = [fileOf('a.txt', 0), fileOf('b.bin', 65_536), fileOf('c d.bin', 200_001)];
  const paths = files.map((one) => one.path);
  const { deal } = await elm.ok<Ended>('send', ...paths, '--to', 'oak', '--arbiter', 'notary', '--no-wait', ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  const to = freshFolder();
  mkdirSync(to);
  writeFileSync(join(to, 'b.bin'), 'mine');
  await oak.fails(2, 'deal', 'receive', deal, '--to', to, ...oak.pw);
  await oak.fails(2, 'deal', 'receive', deal, '--to', join(to, 'b.bin'), ...oak.pw);
  const named = await oak.fails(2, 'deal', 'receive', deal, '--document', 'dead', ...oak.pw);
  assert.match(named.stderr, /--document takes 64/);
  const unknown = await oak.fails(3, 'deal', 'receive', 'zzzz', '--to', to, ...oak.pw);
  assert.match(unknown.stderr, /^fit: there is no such deal\nfit: hint: fit deal list\n$/);
  assert.equal((await oak.ok<DealResult>('deal', 'show', deal)).state, 'offered');
  const other = `${to}-2`;
  const received = await oak.fit('deal', 'receive', deal, '--to', other, '--timeout', '60', ...oak.pw, '--json');
  assert.equal(received.code, 0, received.stderr);
  await elm.waitFor(deal, ['completed']);
  for (const { path, data } of files)
    assert.deepEqual(readFileSync(join(other, path.slice(path.lastIndexOf('/') + 1))), data);
  assert.equal(readFileSync(join(to, 'b.bin'), 'utf8'), 'mine');
});

test('a window that is none is refused in words, and nothing is offered', async () => {
  const { path } = fileOf('small.txt', 10);
  for (const time of ['5s', '91d']) {
    const said = await elm.fails(2, 'send', path, '--to', 'oak', '--arbiter', 'notary', '--check', `window=${time}`);
    assert.match(said.stderr, /at least a minute and at most 90 days/);
  }
});

test('without the passphrase a request waits, and granting it delivers', async () => {
  const { path, data } = fileOf('asked.bin', 70_000);
  const asked = await elm.fails(5, 'send', path, '--to', 'oak', '--arbiter', 'notary', '--no-wait');
  const id = /fit approve grant (\w+)/.exec(asked.stderr)?.[1] ?? '';
  const { deal } = await elm.ok<{ deal: string }>('approve', 'grant', id, ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  const to = freshFolder();
  const refused = await oak.fails(5, 'deal', 'receive', deal, '--to', to);
  const other = /fit approve grant (\w+)/.exec(refused.stderr)?.[1] ?? '';
  await oak.ok('approve', 'grant', other, ...oak.pw);
  await Promise.all([oak.waitFor(deal, ['completed']), elm.waitFor(deal, ['completed'])]);
  await oak.ok('deal', 'receive', deal, '--to', to);
  assert.deepEqual(readFileSync(join(to, 'asked.bin')), data);
});

test('people are told how much of it is here while it is fetched, and how fast', async () => {
  const { path } = fileOf('slow.bin', 3_000_000);
  const { deal } = await elm.ok<Ended>('send', path, '--to', 'oak', '--arbiter', 'notary', '--no-wait', ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  // Slow enough that it takes longer than the second after which something is said.
  const limited = ['--limit-rate', '1M', '--timeout', '60'];
  const received = await oak.fit('deal', 'receive', deal, '--to', freshFolder(), ...limited, ...oak.pw);
  assert.equal(received.code, 0, received.stderr);
  assert.match(received.stderr, /^fit: [\d.]+ (?:B|[KM]iB) of 2\.9 MiB fetched.* \d+ s$/m);
});

interface Line {
  readonly schema: number;
  readonly kind: string;
  readonly deal: string;
  readonly direction: string;
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

const linesOf = (stderr: string): readonly Line[] =>
  stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

test('--progress --json: lines on standard error of what is read, served, fetched and opened, and one value at the end', async () => {
  const { path } = fileOf('large.bin', 3_000_000);
  const said: FitEvent[] = [];
  const listener = await connect(oak.paths.socket);
  const offered = new Promise<string>((done) => {
    listener.onEvent((event) => {
      said.push(event);
      if (event.kind === 'offer') done(event.deal ?? '');
    });
  });
  await listener.subscribe({});
  const more = ['--timeout', '60', '--progress'];
  const sending = elm.fit('send', path, '--to', 'oak', '--arbiter', 'notary', ...more, ...elm.pw, '--json');
  const deal = await offered;
  const received = await oak.fit('deal', 'receive', deal, '--to', freshFolder(), ...more, ...oak.pw, '--json');
  const sent = await sending;
  assert.deepEqual([sent.code, received.code], [0, 0], sent.stderr + received.stderr);
  assert.equal(parsed<Ended>(sent).reached, true);
  assert.equal(parsed<Ended>(received).reached, true);
  const [mine, theirs] = [linesOf(sent.stderr), linesOf(received.stderr)];
  assert.deepEqual([...new Set(mine.map((one) => `${one.direction} ${one.phase}`))], ['out reading', 'out serving']);
  assert.deepEqual([...new Set(theirs.map((one) => `${one.direction} ${one.phase}`))], ['in fetching', 'in opening']);
  for (const one of [...mine, ...theirs])
    assert.deepEqual([one.schema, one.kind, one.deal, one.done <= one.total], [1, 'progress', deal, true]);
  for (const phase of ['reading', 'serving', 'fetching', 'opening']) {
    const last = [...mine, ...theirs].findLast((one) => one.phase === phase);
    assert.equal(last?.done, last?.total, `${phase} is told to its end`);
  }
  // The same is told to whoever listens to events.
  assert.ok(said.some((one) => one.kind === 'progress' && one.deal === deal && one.phase === 'fetching'));
  listener.close();
});
