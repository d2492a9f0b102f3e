/** Files for files through the real binaries: offered with what is wanted, answered, accepted, exchanged. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Verdict } from '../../src/evidence/verify.ts';
import type { DealResult, ExplainResult } from '../../src/rpc/agent.ts';
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
  readonly via: string | null;
  readonly files: readonly string[];
}

function fileOf(trader: Trader, name: string, bytes: number): { readonly path: string; readonly data: Buffer } {
  const folder = join(trader.home, 'mine');
  mkdirSync(folder, { recursive: true });
  const data = randomBytes(bytes);
  const path = join(folder, name);
  writeFileSync(path, data);
  return { path, data };
}

async function contracted(): Promise<string> {
  const deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
  await (await oak.consenting()).dealAccept({ deal });
  await Promise.all([elm.waitFor(deal, ['contracted']), oak.waitFor(deal, ['contracted'])]);
  return deal;
}

const askedOfArbiter = async (): Promise<number> => (await (await trio.notary.agent()).status()).received.arbiter;

test('each gets the files of the other, with a statement of origin that openssl verifies; the arbiter hears nothing', async () => {
  const contract = await contracted();
  const asked = await askedOfArbiter();
  const scan = fileOf(elm, 'scan.pdf', 200_000);
  const deed = fileOf(oak, 'deed.pdf', 90_000);
  const want = ['--want', 'the deed, scanned', '--no-wait', ...elm.pw];
  const { deal } = await elm.ok<Ended>('deal', 'swap', contract, '--give', scan.path, ...want);
  await oak.waitFor(deal, ['offered']);
  // Nothing can be accepted that names one side only.
  const said = await oak.fails(3, 'deal', 'accept', deal, ...oak.pw);
  assert.match(said.stderr, /fit deal swap/);
  await oak.fails(2, 'deal', 'swap', deal, '--give', deed.path, '--want', 'more', ...oak.pw);
  const shown = await oak.fit('deal', 'show', deal);
  assert.match(shown.stderr, /fit deal swap \w+ --give/);

  const receiving = elm.fit(
    'deal',
    'receive',
    deal,
    '--to',
    join(elm.home, 'in'),
    '--timeout',
    '60',
    ...elm.pw,
    '--json',
  );
  const gave = await oak.fit(
    'deal',
    'swap',
    deal,
    '--give',
    deed.path,
    '--receive-to',
    join(oak.home, 'in'),
    '--timeout',
    '60',
    ...oak.pw,
    '--json',
  );
  const received = await receiving;
  assert.equal(received.code, 0, received.stderr);
  assert.equal(gave.code, 0, gave.stderr);
  assert.deepEqual([parsed<Ended>(received).state, parsed<Ended>(received).via], ['completed', 'peer']);
  assert.deepEqual(parsed<Ended>(gave).files, [join(oak.home, 'in', 'scan.pdf')]);
  assert.deepEqual(readFileSync(join(elm.home, 'in', 'deed.pdf')), deed.data);
  assert.deepEqual(readFileSync(join(oak.home, 'in', 'scan.pdf')), scan.data);
  assert.equal(await askedOfArbiter(), asked);
  const shownLast = await elm.ok<DealResult>('deal', 'show', deal);
  const { document } = await elm.ok<DealResult>('deal', 'show', contract);
  assert.deepEqual([shownLast.kind, shownLast.references], ['swap', [document]]);
  assert.equal(shownLast.title, 'Swap: deed.pdf for scan.pdf');
  assert.match((await oak.ok<ExplainResult>('deal', 'explain', deal)).youHold, /their files/);

  for (const [trader, own, theirs] of [
    [elm, 'scan.pdf', 'deed.pdf'],
    [oak, 'deed.pdf', 'scan.pdf'],
  ] as const) {
    const folder = join(trader.home, `evidence-${deal}`);
    const bundle = join(trader.home, `${deal}.asics`);
    await trader.ok('deal', 'export', deal, '--dir', folder);
    await trader.ok('deal', 'export', deal, '--out', bundle);
    for (const evidence of [folder, bundle]) {
      const verdict = await trader.ok<Verdict>('verify', evidence, '--content', join(trader.home, 'in'));
      assert.deepEqual([verdict.proof, verdict.signers.length], ['swap', 2]);
      assert.deepEqual(
        verdict.files.filter(({ compared }) => compared).map(({ name }) => name),
        [theirs],
      );
      const mine = await trader.ok<Verdict>('verify', evidence, '--content', join(trader.home, 'mine', own));
      assert.deepEqual(
        mine.files.filter(({ compared }) => compared).map(({ name }) => name),
        [own],
      );
    }
    assert.match(readFileSync(join(folder, 'README.txt'), 'utf8'), /void if the arbiter has signed/);
    for (const name of ['origin-originator', 'origin-responder']) {
      const command = `cms -verify -cades -binary -inform der -in ${name}.p7s -content ${name}.txt`;
      const verified = openssl([...command.split(' '), '-CAfile', 'certificates.pem', '-out', '/dev/null'], {
        cwd: folder,
      });
      assert.ok(verified.ok, verified.text);
    }
  }
});

test('a certificate is granted for a receipt, and a token swapped for a file; each is what its text says', async () => {
  const contract = await contracted();
  const asked = await askedOfArbiter();
  const pem = join(elm.home, 'access.pem');
  writeFileSync(pem, (await elm.evidence(contract)).get('certificates.pem') ?? '');
  const granted = await elm.ok<Ended>('deal', 'grant', contract, '--credential', pem, '--no-wait', ...elm.pw);
  await oak.waitFor(granted.deal, ['offered']);
  const text = (await oak.ok<{ text: string }>('deal', 'show', granted.deal, '--text')).text;
  assert.match(text, /credential = "certificate"\nsubject = "[^"]+"\nfingerprint = "[0-9a-f]{64}"\nvalid_until = /);
  await oak.ok('deal', 'receive', granted.deal, '--to', join(oak.home, 'granted'), '--timeout', '60', ...oak.pw);
  assert.deepEqual(readFileSync(join(oak.home, 'granted', 'access.pem')), readFileSync(pem));
  await elm.waitFor(granted.deal, ['completed']);
  const bundle = join(elm.home, 'granted.asics');
  await elm.ok('deal', 'export', granted.deal, '--out', bundle);
  const verdict = await elm.ok<Verdict>('verify', bundle, '--content', pem);
  assert.deepEqual([verdict.proof, verdict.contents.map((one) => one.credential?.kind)], ['delivery', ['certificate']]);
  assert.ok(text.includes(verdict.contents[0]?.credential?.fingerprint ?? 'none'));
  assert.match((await elm.fit('verify', bundle)).stdout, /credential +[\w-]+ gives a certificate of /);

  // Conditional access: the information for the key to more of it.
  const token = join(oak.home, 'licence.txt');
  writeFileSync(token, 'K3Y-0001\n');
  const scan = fileOf(elm, 'report.pdf', 5000);
  const want = ['--want', 'a licence key', '--no-wait', ...elm.pw];
  const { deal } = await elm.ok<Ended>('deal', 'swap', contract, '--give', scan.path, ...want);
  await oak.waitFor(deal, ['offered']);
  const receiving = elm.ok<Ended>(
    'deal',
    'receive',
    deal,
    '--to',
    join(elm.home, 'licence'),
    '--timeout',
    '60',
    ...elm.pw,
  );
  await oak.ok('deal', 'swap', deal, '--give', token, '--credential', '--timeout', '60', ...oak.pw);
  await receiving;
  assert.equal(readFileSync(join(elm.home, 'licence', 'licence.txt'), 'utf8'), 'K3Y-0001\n');
  assert.equal(await askedOfArbiter(), asked);
  const key = join(elm.home, 'key.pem');
  writeFileSync(key, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
  await elm.fails(2, 'deal', 'grant', contract, '--credential', key, ...elm.pw);
});

test('a credential for a credential: each has the other’s, described before and compared after; the arbiter hears nothing', async () => {
  const contract = await contracted();
  const asked = await askedOfArbiter();
  const pem = join(elm.home, 'mine.pem');
  writeFileSync(pem, (await elm.evidence(contract)).get('certificates.pem') ?? '');
  const licence = join(oak.home, 'theirs.txt');
  writeFileSync(licence, 'K3Y-0002\n');
  const give = ['--give', pem, '--credential', '--want', 'a licence key', '--no-wait'];
  const { deal } = await elm.ok<Ended>('deal', 'swap', contract, ...give, ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  const [at, to] = [join(elm.home, 'theirs'), join(oak.home, 'mine')];
  const receiving = elm.ok<Ended>('deal', 'receive', deal, '--to', at, '--timeout', '60', ...elm.pw);
  const answer = ['--give', licence, '--credential', '--kind', 'licence', '--receive-to', to, '--timeout', '60'];
  await oak.ok('deal', 'swap', deal, ...answer, ...oak.pw);
  await receiving;
  assert.deepEqual(readFileSync(join(to, 'mine.pem')), readFileSync(pem));
  assert.equal(readFileSync(join(at, 'theirs.txt'), 'utf8'), 'K3Y-0002\n');
  for (const trader of [elm, oak]) {
    const bundle = join(trader.home, `${deal}.asics`);
    await trader.ok('deal', 'export', deal, '--out', bundle);
    const verdict = await trader.ok<Verdict>('verify', bundle);
    assert.deepEqual(verdict.contents.map((one) => one.credential?.kind).sort(), ['certificate', 'licence']);
  }
  assert.equal(await askedOfArbiter(), asked);
});

test('a swap that nobody answers can be declined, and what is not a swap is not answered with files', async () => {
  const contract = await contracted();
  const scan = fileOf(elm, 'other.pdf', 1000);
  await elm.fails(2, 'deal', 'swap', contract, '--give', scan.path, '--no-wait', ...elm.pw);
  const { deal } = await elm.ok<Ended>(
    'deal',
    'swap',
    contract,
    '--give',
    scan.path,
    '--want',
    'a poem',
    '--no-wait',
    ...elm.pw,
  );
  await oak.waitFor(deal, ['offered']);
  assert.match((await oak.ok<ExplainResult>('deal', 'explain', deal)).notes.join(), /not about what they open/);
  await oak.ok('deal', 'decline', deal);
  await elm.waitFor(deal, ['declined']);
});
