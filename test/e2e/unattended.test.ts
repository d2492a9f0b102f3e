/** The worked example, headless: a hundred orders, a daemon started as the systemd unit starts it, nobody there. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import type { ApprovalRequest, AuditEntry, PolicyStatus } from '../../src/rpc/approvals.ts';
import { connect } from '../../src/rpc/client.ts';
import { endAll, introduce, PASSPHRASE, Trader, temporary } from '../support/traders.ts';

const EXAMPLE = resolve('examples/price-list');
const folder = temporary();
const buyer = new Trader(folder, 'buyer');
const seller = new Trader(folder, 'seller');
const notary = new Trader(folder, 'notary');
const ORDER = readFileSync(join(EXAMPLE, 'order.md'), 'utf8');

/** The command of the unit, with the place of the program for where packages put it. */
function unitCommand(): string[] {
  const unit = readFileSync('contrib/systemd/fit-system.service', 'utf8');
  const command = /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  assert.equal(command.shift(), '/usr/bin/fitd');
  return [resolve('bin/fitd'), ...command];
}

before(async () => {
  await Promise.all([buyer.init(), seller.init(), notary.init({ role: 'arbiter' })]);
  // Where nobody else can write: a checkout may be open to a group, and then the daemon refuses to run it.
  const hook = join(folder, 'accept-order');
  copyFileSync(join(EXAMPLE, 'accept-order'), hook);
  chmodSync(hook, 0o755);
  appendFileSync(join(seller.home, 'fit.toml'), `\n[[hook]]\non = ["offer"]\nrun = [${JSON.stringify(hook)}]\n`);
  const credentials = join(folder, 'credentials');
  mkdirSync(credentials, { mode: 0o700 });
  writeFileSync(join(credentials, 'fit-passphrase'), `${PASSPHRASE}\n`, { mode: 0o400 });
  const [program = '', ...args] = unitCommand();
  assert.deepEqual(args, ['run']);
  await Promise.all([buyer.start(), notary.start()]);
  // The passphrase comes from the credential alone; the hook must not find it there.
  await seller.start({
    program,
    locked: true,
    env: { CREDENTIALS_DIRECTORY: credentials, PATH: `${resolve('bin')}:${process.env.PATH ?? ''}` },
  });
  await introduce([buyer, seller, notary]);
});
after(endAll);

const cheap = ORDER.replace('EUR 4.50', 'EUR 4.49');
const other = ORDER.replace('What arrives broken is replaced.', 'What arrives broken is lost.');

test('a hundred orders: sixty are signed, forty wait, and the audit log accounts for all', async () => {
  assert.equal((await (await seller.agent()).status()).locked, false, 'unlocked by the credential');
  const body = ORDER.slice(ORDER.indexOf('\n+++\n', 3) + 5);
  const template = createHash('sha256').update(body).digest('hex');
  const policy = readFileSync(join(EXAMPLE, 'policy.toml'), 'utf8').replace('TEMPLATE', template);
  writeFileSync(join(seller.home, 'policy.toml'), policy);
  assert.equal((await seller.ok<PolicyStatus>('policy', 'confirm', ...seller.pw)).state, 'confirmed');

  // Told as it happens: sixty contracts, forty requests.
  const listener = await connect(seller.paths.socket);
  const told = { contract: 0, request: 0 };
  const settled = new Promise<void>((done, reject) => {
    const timer = setTimeout(() => reject(new Error(`not in time: ${JSON.stringify(told)}`)), 150_000);
    listener.onEvent(({ kind }) => {
      if (kind === 'contract' || kind === 'request') told[kind] += 1;
      if (told.contract + told.request < 100) return;
      clearTimeout(timer);
      done();
    });
  });
  await listener.subscribe({});

  const agent = await buyer.consenting();
  const deals: string[] = [];
  for (let i = 0; i < 100; i += 1) {
    // 65 that fit but for the day's total, which 60 fill; 20 too cheap; 15 with another text.
    const text = i % 5 === 1 ? cheap : i % 20 === 3 || i % 20 === 8 || i % 20 === 13 ? other : ORDER;
    const document = Buffer.from(text).toString('base64');
    deals.push((await agent.dealPropose({ document, to: 'seller', arbiter: 'notary' })).deal);
  }
  await settled;
  listener.close();
  assert.deepEqual(told, { contract: 60, request: 40 });
  const theirs = await seller.agent();
  const waiting = async () => (await theirs.approveList({})).requests;
  const { deals: all } = await theirs.dealList();
  const requests = await waiting();
  const signed = all.filter((one) => one.state === 'contracted').length;
  assert.deepEqual([signed, requests.length], [60, 40]);
  for (const request of requests) {
    assert.equal(request.asker.known, 'kernel');
    assert.match(request.why, /one to one|another text|more than EUR 270.00 a day/);
  }
  for (const deal of deals.filter((one) => !requests.some((request) => request.deal === one)))
    assert.equal(await buyer.waitFor(deal, ['contracted']), 'contracted');

  const { entries } = await seller.ok<{ entries: AuditEntry[] }>('audit', 'list', '--limit', '1000');
  const of = (kind: string) => entries.filter((one) => one.kind === kind);
  assert.deepEqual([of('asked').length, of('granted').length, of('used').length], [100, 60, 60]);
  assert.ok(of('granted').every((one) => one.details.source === 'policy' && one.details.rule === 'pens'));
  assert.deepEqual(new Set(of('asked').map((one) => one.details.deal)), new Set(deals));
  await seller.ok('audit', 'verify');
  const { rules } = await seller.ok<PolicyStatus>('policy', 'show');
  assert.deepEqual(rules[0]?.reserved[0], { what: 'a day', amount: 'EUR 270.00', limit: 'EUR 270.00' });

  const [first, second] = requests as [ApprovalRequest, ApprovalRequest];
  const granted = await seller.fit('approve', 'grant', first.id, '--wait', '--timeout', '30', ...seller.pw, '--json');
  assert.equal(granted.code, 0, granted.stderr);
  await seller.ok('approve', 'refuse', second.id);
  assert.equal((await waiting()).length, 38);
  assert.equal((await (await notary.agent()).status()).received.arbiter, 0, 'the arbiter was not asked');
});
