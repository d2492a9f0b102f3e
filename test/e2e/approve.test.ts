/** Consent through the real binaries: a program without the passphrase may ask, and gets no signature from it. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { DealResult, FitEvent } from '../../src/rpc/agent.ts';
import type { ApprovalRequest, AuditEntry, PolicyStatus } from '../../src/rpc/approvals.ts';
import { connect } from '../../src/rpc/client.ts';
import { CONTRACT, endAll, PASSPHRASE, parsed, startTrio, type Trader, type Trio } from '../support/traders.ts';

let trio: Trio;
let elm: Trader;
let oak: Trader;

before(async () => {
  trio = await startTrio();
  ({ elm, oak } = trio);
});
after(endAll);

let deal = '';
beforeEach(async () => {
  deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
});

const requests = async (): Promise<readonly ApprovalRequest[]> =>
  (await oak.ok<{ requests: ApprovalRequest[] }>('approve', 'list')).requests;

/** Asks by the real command without a passphrase; the request that waits. */
async function ask(): Promise<ApprovalRequest> {
  const said = await oak.fails(5, 'deal', 'accept', deal, '--json');
  const { error } = JSON.parse(said.stderr.split('\n')[0] ?? '') as {
    error: { code: string; data: { request: ApprovalRequest } };
  };
  assert.equal(error.code, 'needs-approval');
  return error.data.request;
}

test('accept without the passphrase leaves a request; the wrong one leaves it; the right one signs', async () => {
  const request = await ask();
  const listed = (await requests()).find((one) => one.id === request.id);
  assert.ok(listed);
  assert.deepEqual([listed.deal, listed.kind, listed.state], [deal, 'acceptance', 'pending']);
  assert.match(listed.digest, /^[0-9a-f]{64}$/);
  assert.equal(listed.asker.known, 'kernel');
  assert.match(listed.asker.name, /^fit/);
  assert.ok(listed.expires > new Date().toISOString());
  assert.match(listed.fairness, /notary/);
  const wrong = join(oak.folder, 'wrong.pw');
  writeFileSync(wrong, 'not it\n', { mode: 0o600 });
  await oak.fails(9, 'approve', 'grant', request.id, '--passphrase-file', wrong);
  assert.equal((await requests()).find((one) => one.id === request.id)?.state, 'pending');
  const granted = await oak.fit('approve', 'grant', request.id, '--wait', '--timeout', '30', ...oak.pw, '--json');
  assert.equal(granted.code, 0, granted.stderr);
  assert.equal(parsed<{ state: string }>(granted).state, 'contracted');
  // Once is once.
  await oak.fails(3, 'approve', 'grant', request.id, ...oak.pw);
  const { entries } = await oak.ok<{ entries: AuditEntry[] }>('audit', 'show', request.id);
  assert.deepEqual(
    entries.map((one) => one.kind),
    ['asked', 'granted', 'used'],
  );
  assert.equal(entries[1]?.details.source, 'file');
});

test('asked twice it is one request; refused, it is over and nothing is signed', async () => {
  const request = await ask();
  assert.equal((await ask()).id, request.id);
  await oak.ok('approve', 'refuse', request.id);
  await oak.fails(3, 'approve', 'grant', request.id, ...oak.pw);
  assert.equal(await oak.waitFor(deal, ['offered']), 'offered');
  assert.deepEqual(await requests(), []);
});

test('an offer that is asked for keeps its bytes until it is granted', async () => {
  const file = join(oak.folder, 'offer.md');
  writeFileSync(file, CONTRACT);
  const said = await oak.fails(5, 'deal', 'propose', file, '--to', 'elm', '--arbiter', 'notary', '--json');
  const { error } = JSON.parse(said.stderr.split('\n')[0] ?? '') as { error: { data: { request: ApprovalRequest } } };
  const { id, digest, deal: offered } = error.data.request;
  await oak.fails(3, 'deal', 'show', offered);
  await oak.ok('approve', 'grant', id, ...oak.pw);
  assert.equal(await elm.waitFor(offered, ['offered']), 'offered');
  const text = await (await elm.agent()).dealText({ deal: offered });
  assert.equal(text.document, digest);
});

/** What `fit events` prints, up to the first event that fits; then it is interrupted, as a person would. */
async function watched(fits: (event: FitEvent) => boolean): Promise<FitEvent> {
  let found: FitEvent | undefined;
  const meanwhile = (child: ChildProcess): void => {
    let rest = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk.toString('utf8')}`.split('\n');
      rest = lines.pop() ?? '';
      found ??= lines.map((line) => JSON.parse(line) as FitEvent).find(fits);
      if (found !== undefined) child.kill('SIGINT');
    });
  };
  const said = await oak.fitWith({ meanwhile }, 'events', '--json', '--since', '0');
  return found ?? assert.fail(`no such event: ${said.stdout}${said.stderr}`);
}

test('a request that nobody decides in time is over: told, refused to the right passphrase, nothing signed', async () => {
  const { config } = await oak.ok<{ config: Record<string, string> }>('config', 'list');
  const usual = config['consent.expires'] ?? assert.fail('no consent.expires');
  await oak.ok('config', 'set', 'consent.expires', '1s');
  await oak.restart();
  try {
    const request = await ask();
    const event = await watched((one) => one.kind === 'request-expired');
    assert.deepEqual([event.request, event.deal], [request.id, deal]);
    assert.ok(event.at >= request.expires, 'not before its time');
    const said = await oak.fails(3, 'approve', 'grant', request.id, '--json', ...oak.pw);
    const { error } = JSON.parse(said.stderr.split('\n')[0] ?? '') as { error: { code: string; message: string } };
    assert.equal(error.code, 'wrong-state');
    assert.match(error.message, /expired/);
    const { state, exchange } = await oak.ok<DealResult>('deal', 'show', deal);
    assert.deepEqual([state, exchange], ['offered', null]);
    assert.equal((await elm.ok<DealResult>('deal', 'show', deal)).exchange, null);
    const { entries } = await oak.ok<{ entries: AuditEntry[] }>('audit', 'list', '--limit', '1000');
    const [asked, expired, ...more] = entries.filter((one) => one.request === request.id);
    assert.deepEqual([asked?.kind, expired?.kind, more], ['asked', 'expired', []]);
    assert.deepEqual([asked?.details.deal, asked?.details.digest], [deal, request.digest]);
    assert.equal(expired?.details.source, null, 'nobody decided');
  } finally {
    await oak.ok('config', 'set', 'consent.expires', usual);
    await oak.restart();
  }
  // The offer still stands, and can be asked for again.
  const again = await ask();
  assert.equal(again.state, 'pending');
  await oak.ok('approve', 'refuse', again.id);
});

test('an offer that came after the unlock ends in time at both sides, with nobody looking', async () => {
  const document = Buffer.from(CONTRACT).toString('base64');
  const agent = await elm.consenting();
  const short = (await agent.dealPropose({ document, to: 'oak', arbiter: 'notary', expires: 2 })).deal;
  const ended = await Promise.all(
    [elm, oak].map((one) => one.event((event) => event.kind === 'expiry' && event.deal === short)),
  );
  assert.deepEqual(
    ended.map((event) => event.state),
    ['expired', 'expired'],
  );
});

test('a text that changes between asking and granting is not signed', async () => {
  const request = await ask();
  const other = Buffer.from(CONTRACT.replace('bicycle', 'tandem')).toString('base64');
  await (await elm.consenting()).dealCounter({ deal, document: other });
  await oak.event((event) => event.kind === 'counter-offer' && event.deal === deal);
  const agent = await oak.agent();
  await oak.fails(3, 'approve', 'grant', request.id, ...oak.pw);
  assert.equal((await agent.dealShow({ deal })).state, 'offered');
  assert.deepEqual(await requests(), []);
});

test('a proof on one connection is of no use to another, nor is naming another text', async () => {
  const request = await ask();
  await oak.consenting();
  const other = await connect(oak.paths.socket);
  try {
    await assert.rejects(other.approveGrant({ request: request.id }), { code: 'needs-passphrase' });
    await other.prove({ passphrase: PASSPHRASE, source: 'file' });
    const digest = 'ab'.repeat(32);
    await assert.rejects(other.approveGrant({ request: request.id, digest }), { code: 'wrong-state' });
    await other.forget();
    await assert.rejects(other.approveGrant({ request: request.id }), { code: 'needs-passphrase' });
  } finally {
    other.close();
  }
  assert.equal((await requests()).length, 1);
  await oak.ok('approve', 'refuse', request.id);
});

test('a held request is nobody else’s and ends with its connection', async () => {
  const holder = await connect(oak.paths.socket);
  await assert.rejects(holder.dealAccept({ deal, hold: true }), { code: 'needs-approval' });
  const [held] = await requests();
  assert.equal(held?.held, true);
  holder.close();
  // It tells nobody: each look is a question to the daemon, which has other things to do between two.
  for (let left = 1; left > 0; ) left = (await requests()).length;
});

test('granting and refusing at once: one of them holds, and the log agrees', async () => {
  const request = await ask();
  const [one, other] = await Promise.all([connect(oak.paths.socket), connect(oak.paths.socket)]);
  await one.prove({ passphrase: PASSPHRASE, source: 'file' });
  const results = await Promise.allSettled([
    one.approveGrant({ request: request.id }),
    other.approveRefuse({ request: request.id }),
  ]);
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  one.close();
  other.close();
  assert.equal((await oak.ok<{ ok: boolean }>('audit', 'verify')).ok, true);
});

const POLICY = `fit = "policy/1"

[[rule]]
name = "not-today"
outcome = "reject"
kind = "offer"
contact = "elm"

[[rule]]
name = "elm"
outcome = "approve"
contact = "elm"
items = []
count = 1
`;

test('a confirmed policy signs what its rules allow, an edited one nothing', async () => {
  const path = join(oak.home, 'policy.toml');
  writeFileSync(path, `${POLICY}${'#'.repeat(64 * 1024)}`);
  assert.match((await oak.fails(2, 'policy', 'confirm', ...oak.pw)).stderr, /larger than 64 KiB/);
  writeFileSync(path, POLICY);
  await ask();
  assert.equal((await oak.ok<PolicyStatus>('policy', 'show')).state, 'unconfirmed');
  const confirmed = await oak.ok<PolicyStatus>('policy', 'confirm', ...oak.pw);
  assert.equal(confirmed.state, 'confirmed');
  const accepted = await oak.fit('deal', 'accept', deal, '--wait', '--timeout', '30', '--json');
  assert.equal(accepted.code, 0, accepted.stderr);
  // One is all that the rule allows.
  deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
  const request = await ask();
  assert.match(request.why, /1 signature in all/);
  const verdict = await oak.ok<{ outcome: string; trace: { rule: string; matched: boolean }[] }>(
    'policy',
    'check',
    deal,
  );
  assert.equal(verdict.outcome, 'ask');
  assert.deepEqual(
    verdict.trace.map((one) => [one.rule, one.matched]),
    [
      ['not-today', false],
      ['elm', false],
    ],
  );
  const file = join(oak.folder, 'offer.md');
  await oak.fails(4, 'deal', 'propose', file, '--to', 'elm', '--arbiter', 'notary');
  writeFileSync(path, POLICY.replace('count = 1', 'count = 100'));
  assert.match((await ask()).why, /1 signature in all|edited/);
  assert.equal((await oak.ok<PolicyStatus>('policy', 'show')).state, 'edited');
  deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
  assert.match((await ask()).why, /edited/);
});

test('the audit log accounts for everything, and is whole', async () => {
  const { entries, head } = await oak.ok<{ entries: AuditEntry[]; head: { seq: number } }>('audit', 'list');
  assert.equal(entries.at(-1)?.seq, head.seq);
  for (const request of (await oak.ok<{ requests: ApprovalRequest[] }>('approve', 'list', '--all')).requests)
    assert.ok(entries.some((one) => one.request === request.id && one.kind === 'asked'));
  const verdict = await oak.ok<{ ok: boolean; entries: number }>('audit', 'verify');
  assert.deepEqual([verdict.ok, verdict.entries], [true, head.seq]);
  await oak.restart();
  assert.equal((await oak.ok<{ ok: boolean }>('audit', 'verify')).ok, true);
});
