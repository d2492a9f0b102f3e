/**
 * The commands that scripts rely on, as the manual writes them, against the real `fit` and `fitd`: a whole trade, and what
 * each command promises beside it. The tests of this file go on one after the other with the same three traders.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type {
  CaseResult,
  ContactResult,
  DealChange,
  DealResult,
  DealSummary,
  ExplainResult,
  FitEvent,
  StatusResult,
} from '../../src/rpc/agent.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import {
  CONTRACT,
  endAll,
  fit,
  opensslVerifies,
  parsed,
  runProgram,
  sameContract,
  Trader,
  temporary,
} from '../support/traders.ts';

const folder = temporary();
const elm = new Trader(folder, 'elm');
const oak = new Trader(folder, 'oak');
const notary = new Trader(folder, 'notary');
const all = [elm, oak, notary];
const HASH = /^[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const propose = ['--to', 'oak', '--arbiter', 'notary', ...elm.pw];

interface Waited {
  readonly deal: string;
  readonly state: string;
  readonly reached: boolean;
}

const at = (name: string): string => join(folder, name);
const write = (name: string, text: string): void => writeFileSync(at(name), text);

/** The first deal, on which the looking commands look. */
let first = '';

async function offered(text = CONTRACT): Promise<string> {
  write('other.md', text);
  const { deal } = await elm.ok<DealChange>('deal', 'propose', 'other.md', ...propose);
  await oak.ok('deal', 'wait', deal, '--for', 'offered', '--timeout', '20');
  return deal;
}

before(async () => {
  write('contract.md', CONTRACT);
  await Promise.all(
    all.map(async (one) => {
      await one.init({ patience: '5s', ...(one === notary ? { role: 'arbiter' as const } : {}) });
      const started = await one.ok<StatusResult>('daemon', 'start', ...one.pw);
      assert.equal(started.locked, false);
    }),
  );
  for (const one of all) {
    const card = await one.fit('card');
    assert.match(card.stdout, /^fit1\S+\n$/);
    write(`${one.name}.card`, card.stdout);
  }
  await Promise.all(
    all.map(async (one) => {
      for (const other of all)
        if (other !== one) await one.ok('contact', 'add', `${other.name}.card`, '--as', other.name);
    }),
  );
});
after(endAll);

test('status tells process, addresses, lock and requests received', async () => {
  const status = await notary.ok<StatusResult>('daemon', 'status');
  assert.equal(process.kill(status.pid, 0), true);
  assert.match(status.addresses[0] ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/[1-9][0-9]*\/p2p\/12D3Koo/);
  assert.equal(status.locked, false);
  assert.deepEqual(status.roles, ['arbiter']);
  assert.equal(status.received.arbiter, 0);
  assert.match(status.started, TIME);
});

test('starting a running daemon answers the same and changes nothing', async () => {
  const status = await elm.ok<StatusResult>('daemon', 'status');
  const again = await elm.ok<StatusResult>('daemon', 'start', ...elm.pw);
  assert.equal(again.pid, status.pid);
  assert.equal(again.locked, false);
  write('wrong.pw', 'not it at all\n');
  await elm.fails(9, 'daemon', 'start', '--passphrase-file', 'wrong.pw');
});

test('a second fitd on the home fails, and the first goes on', async () => {
  const second = await runProgram(process.execPath, ['bin/fitd', 'run'], { env: { FIT_HOME: elm.home } });
  assert.equal(second.code, 10, second.stderr);
  assert.match(second.stderr, /^fit: .*run/m);
  await elm.ok('daemon', 'status');
});

test('contacts: the same words on both sides, verified by them, online', async () => {
  const [oakAtElm, elmAtOak] = await Promise.all([
    elm.ok<ContactResult>('contact', 'show', 'oak'),
    oak.ok<ContactResult>('contact', 'show', 'elm'),
  ]);
  assert.equal(oakAtElm.words, elmAtOak.words);
  assert.equal(oakAtElm.words.split(' ').length, 16);
  assert.match(oakAtElm.fingerprint, HASH);
  assert.equal(oakAtElm.verified, false);
  assert.equal(oakAtElm.online, true);
  const reversed = oakAtElm.words.split(' ').reverse().join(' ');
  await elm.fails(1, 'contact', 'verify', 'oak', '--words', reversed);
  assert.equal((await elm.ok<ContactResult>('contact', 'show', 'oak')).verified, false);
  await elm.ok('contact', 'verify', 'oak', '--words', oakAtElm.words);
  assert.equal((await elm.ok<ContactResult>('contact', 'show', 'oak')).verified, true);
  const { contacts } = await elm.ok<{ contacts: ContactResult[] }>('contact', 'list');
  assert.deepEqual(contacts.map((one) => one.contact).sort(), ['notary', 'oak']);
  await elm.fails(3, 'contact', 'show', 'nobody');
});

test('a dry run shows the completed text and consents to nothing', async () => {
  const said = await elm.fit('deal', 'propose', 'contract.md', ...propose, '--dry-run');
  assert.equal(said.code, 0, said.stderr);
  assert.match(said.stdout, /^\+{3}\n[\s\S]+\n\+{3}\n/);
  assert.ok(said.stdout.endsWith(CONTRACT));
  const draft = await elm.ok<DealChange>('deal', 'propose', 'contract.md', ...propose, '--dry-run');
  assert.match(draft.document, HASH);
  assert.deepEqual((await elm.ok<{ deals: DealSummary[] }>('deal', 'list')).deals, []);
});

test('a contract: offered, waited for before it is known, accepted, the same bytes on both sides', async () => {
  const events = runProgram(process.execPath, ['bin/fit', 'events', '--json', '--since', '0'], {
    env: { FIT_HOME: oak.home },
    meanwhile: (child) =>
      child.stdout?.on('data', (chunk) => {
        if (String(chunk).includes('"contracted"')) child.kill('SIGINT');
      }),
  });
  const proposal = await elm.ok<DealChange>('deal', 'propose', 'contract.md', ...propose, '--expires', '7d');
  first = proposal.deal;
  assert.equal(proposal.state, 'offered');
  assert.match(proposal.document, HASH);
  assert.ok(first.length >= 8);
  const waited = await oak.ok<Waited>('deal', 'wait', first, '--for', 'offered', '--timeout', '20');
  assert.deepEqual([waited.deal, waited.state, waited.reached], [first, 'offered', true]);

  const text = await oak.fit('deal', 'show', first, '--text');
  const own = await elm.fit('deal', 'show', first, '--text');
  assert.equal(text.stdout, own.stdout);
  assert.ok(text.stdout.endsWith(CONTRACT));

  await oak.fails(5, 'deal', 'accept', first);
  const warned = await oak.fit('deal', 'accept', first, ...oak.pw, '--wait', '--timeout', '30');
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /^fit: warning: elm is not verified/m);
  const ends = await Promise.all(
    [elm, oak].map((one) => one.ok<Waited>('deal', 'wait', first, '--for', 'contracted,aborted', '--timeout', '30')),
  );
  for (const end of ends) assert.deepEqual([end.deal, end.state, end.reached], [first, 'contracted', true]);
  await sameContract(elm, oak, first);

  const { code, stdout } = await events;
  assert.equal(code, 130);
  const seen = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as FitEvent & { schema: number });
  assert.ok(seen.every((event, i) => event.schema === 1 && TIME.test(event.at) && event.seq === i + 1));
  assert.ok(seen.some((event) => event.deal === first && event.state === 'contracted'));
});

test('the arbiter has heard nothing', async () => {
  assert.deepEqual((await notary.ok<{ cases: CaseResult[] }>('arbiter', 'cases')).cases, []);
  assert.equal((await notary.ok<StatusResult>('daemon', 'status')).received.arbiter, 0);
});

test('accepting again is the same acceptance', async () => {
  const again = await oak.ok<DealChange>('deal', 'accept', first, ...oak.pw);
  assert.equal(again.state, 'contracted');
  const { transactions } = await oak.ok<DealResult>('deal', 'show', first);
  assert.equal(transactions.filter((one) => one.kind === 'acceptance').length, 1);
});

test('two acceptances at once are one', async () => {
  const deal = await offered();
  const both = await Promise.all([1, 2].map(() => oak.ok<DealChange>('deal', 'accept', deal, ...oak.pw)));
  assert.equal(both[0]?.document, both[1]?.document);
  await Promise.all([elm, oak].map((one) => one.ok('deal', 'wait', deal, '--for', 'contracted', '--timeout', '30')));
  const { transactions } = await oak.ok<DealResult>('deal', 'show', deal);
  assert.equal(transactions.filter((one) => one.kind === 'acceptance').length, 1);
  await sameContract(elm, oak, deal);
});

test('any unique beginning of an id serves; another is not found', async () => {
  const { deals } = await elm.ok<{ deals: DealSummary[] }>('deal', 'list');
  const others = deals.map((one) => one.deal).filter((id) => id !== first);
  let length = 1;
  while (others.some((id) => id.startsWith(first.slice(0, length)))) length += 1;
  const shown = await elm.ok<DealResult>('deal', 'show', first.slice(0, length));
  assert.equal(shown.deal, first);
  assert.equal(shown.state, 'contracted');
  assert.equal(shown.via, 'peer');
  await elm.fails(3, 'deal', 'show', 'zzzzzzzzzzzz');
});

test('wait: reached at once, ended otherwise, timed out, with or without the deal known', async () => {
  await elm.ok('deal', 'wait', first, '--for', 'contracted', '--timeout', '0');
  const ended = await elm.fit('deal', 'wait', first, '--for', 'aborted', '--timeout', '5', '--json');
  assert.equal(ended.code, 1);
  assert.equal(parsed<Waited>(ended).reached, false);
  await elm.fails(3, 'deal', 'wait', 'zzzzzzzzzzzz', '--for', 'offered', '--timeout', '1', '--json');
  const deal = await offered();
  await elm.fails(3, 'deal', 'wait', deal, '--for', 'contracted,aborted', '--timeout', '1');
  await elm.fails(2, 'deal', 'wait', deal, '--for', 'married');
  await elm.ok('deal', 'withdraw', deal);
});

test('explain says what each side holds', async () => {
  const said = await elm.ok<ExplainResult>('deal', 'explain', first);
  for (const field of ['youHold', 'theyHold', 'ifYouStop', 'ifTheyStop', 'whoCouldCheat'] as const)
    assert.ok(said[field].length > 10, field);
});

test('counter and diff: the newer text alone can be accepted', async () => {
  const deal = await offered();
  const digest = (await oak.ok<DealResult>('deal', 'show', deal)).document;
  write('counter.md', CONTRACT.replace('120', '110'));
  const counter = await oak.ok<DealChange>('deal', 'counter', deal, 'counter.md', ...oak.pw);
  assert.deepEqual([counter.deal, counter.state], [deal, 'offered']);
  await elm.event((event) => event.deal === deal && event.kind === 'counter-offer');
  const diff = await elm.fit('deal', 'diff', deal);
  assert.equal(diff.code, 0, diff.stderr);
  assert.match(diff.stdout, /\[-120-\]\{\+110\+\} euros/);
  await elm.fails(3, 'deal', 'accept', deal, '--document', digest, ...elm.pw);
  await oak.fails(3, 'deal', 'accept', deal, ...oak.pw);
  await elm.ok('deal', 'accept', deal, '--document', counter.document, ...elm.pw);
  await Promise.all([elm, oak].map((one) => one.ok('deal', 'wait', deal, '--for', 'contracted', '--timeout', '30')));
  await sameContract(elm, oak, deal);
  assert.equal((await elm.ok<DealResult>('deal', 'show', deal)).document, counter.document);
});

test('decline and withdraw end a deal on both sides', async () => {
  const declined = await offered();
  await oak.ok('deal', 'decline', declined, '--reason', 'too expensive');
  await elm.ok('deal', 'wait', declined, '--for', 'declined', '--timeout', '20');
  assert.equal((await elm.ok<DealResult>('deal', 'show', declined)).reason, 'too expensive');
  const withdrawn = await offered();
  await elm.ok('deal', 'withdraw', withdrawn);
  await oak.ok('deal', 'wait', withdrawn, '--for', 'withdrawn', '--timeout', '20');
  await oak.fails(3, 'deal', 'accept', withdrawn, ...oak.pw);
  await elm.fails(3, 'deal', 'abort', withdrawn);
  await elm.fails(3, 'deal', 'resolve', withdrawn);
  await elm.fails(3, 'deal', 'export', withdrawn, '--out', 'none.asics');
  assert.equal(existsSync(at('none.asics')), false);
});

test('a message reaches the other side', async () => {
  const deal = await offered();
  await oak.ok('deal', 'message', deal, 'could you do 100?');
  await elm.event((event) => event.deal === deal && event.kind === 'message');
  const { transactions } = await elm.ok<DealResult>('deal', 'show', deal);
  assert.deepEqual([transactions.at(-1)?.by, transactions.at(-1)?.text], ['them', 'could you do 100?']);
  await elm.ok('deal', 'withdraw', deal);
});

test('export writes nothing over anything, and verify judges both forms', needsOpenssl, async () => {
  await elm.ok('deal', 'export', first, '--out', 'elm.asics');
  await elm.ok('deal', 'export', first, '--dir', 'elm-out');
  await oak.ok('deal', 'export', first, '--dir', 'oak-out');
  const before = readFileSync(at('elm.asics'));
  await elm.fails(2, 'deal', 'export', first, '--out', 'elm.asics');
  await elm.fails(2, 'deal', 'export', first, '--dir', 'elm-out');
  await elm.ok('deal', 'export', first, '--out', 'elm.asics', '--force');
  await elm.ok('deal', 'export', first, '--dir', 'elm-out', '--force');
  assert.deepEqual(readFileSync(at('elm.asics')), before);
  assert.equal((await runProgram('cmp', [at('elm-out/contract.p7s'), at('oak-out/contract.p7s')])).code, 0);
  for (const out of ['elm-out', 'oak-out']) opensslVerifies(at(out));
  for (const args of [
    ['elm.asics'],
    ['elm-out/contract.p7s', '--content', 'elm-out/contract.md'],
    ['oak-out'],
    ['elm.asics', '--require', 'pinned', '--root', 'elm-out/certificates.pem'],
  ]) {
    const said = await fit(['verify', ...args, '--json'], { cwd: folder });
    assert.equal(said.code, 0, said.stdout + said.stderr);
    assert.equal(parsed<{ ok: boolean }>(said).ok, true);
  }
  write('altered.md', readFileSync(at('elm-out/contract.md'), 'utf8').replace('120', '121'));
  const said = await fit(['verify', 'elm-out/contract.p7s', '--content', 'altered.md', '--json'], { cwd: folder });
  assert.equal(said.code, 1);
  const verdict = parsed<{ ok: boolean; problem: { code: string } }>(said);
  assert.equal(verdict.ok, false);
  assert.match(verdict.problem.code, /^[a-z-]+$/);
});

test('a peer that is away: consent is durable, and everything goes on when it comes back', async () => {
  await oak.ok('daemon', 'stop');
  const { deal, state } = await elm.ok<DealChange>('deal', 'propose', 'contract.md', ...propose);
  assert.equal(state, 'offered');
  assert.ok((await elm.ok<StatusResult>('daemon', 'status')).waiting >= 1);
  assert.equal((await elm.ok<ContactResult>('contact', 'show', 'oak')).online, false);
  await oak.ok('daemon', 'start', ...oak.pw);
  await oak.ok('deal', 'wait', deal, '--for', 'offered', '--timeout', '20');

  await elm.ok('daemon', 'stop');
  const accepted = await oak.ok<DealChange>('deal', 'accept', deal, ...oak.pw);
  assert.equal(accepted.state, 'signing');
  await elm.ok('daemon', 'start', ...elm.pw);
  await Promise.all([elm, oak].map((one) => one.ok('deal', 'wait', deal, '--for', 'contracted', '--timeout', '30')));
  await sameContract(elm, oak, deal);
  assert.equal((await notary.ok<StatusResult>('daemon', 'status')).received.arbiter, 0);
});

test('what waits for a peer is not lost when its sender restarts amid an exchange with it', async () => {
  await elm.ok('daemon', 'stop');
  await elm.ok('daemon', 'start', ...elm.pw);
  write('other.md', CONTRACT);
  const { deal: accepted } = await oak.ok<DealChange>(
    'deal',
    'propose',
    'other.md',
    '--to',
    'elm',
    '--arbiter',
    'notary',
    ...oak.pw,
  );
  await elm.ok('deal', 'wait', accepted, '--for', 'offered', '--timeout', '20');
  await oak.ok('daemon', 'stop');
  const { deal: proposed } = await elm.ok<DealChange>('deal', 'propose', 'contract.md', ...propose);
  await elm.ok('deal', 'accept', accepted, ...elm.pw);
  await elm.ok('daemon', 'stop');
  await elm.ok('daemon', 'start', ...elm.pw);
  await oak.ok('daemon', 'start', ...oak.pw);
  await oak.ok('deal', 'wait', proposed, '--for', 'offered', '--timeout', '20');
  await Promise.all(
    [elm, oak].map((one) => one.ok('deal', 'wait', accepted, '--for', 'contracted', '--timeout', '30')),
  );
  assert.equal((await elm.ok<StatusResult>('daemon', 'status')).waiting, 0);
  await elm.ok('deal', 'withdraw', proposed);
});

test('a locked daemon takes messages and shows them after it is unlocked', async () => {
  const locked = await oak.ok<StatusResult>('lock');
  assert.equal(locked.locked, true);
  await oak.fails(8, 'deal', 'list');
  await oak.fails(8, 'deal', 'accept', first, ...oak.pw);
  const { deal } = await elm.ok<DealChange>('deal', 'propose', 'contract.md', ...propose);
  await oak.fails(9, 'unlock', '--passphrase-file', 'wrong.pw');
  const before = await elm.ok<StatusResult>('daemon', 'status');
  assert.ok(before.waiting <= 1);
  const unlocked = await oak.ok<StatusResult>('unlock', ...oak.pw);
  assert.equal(unlocked.locked, false);
  await oak.ok('deal', 'wait', deal, '--for', 'offered', '--timeout', '20');
  await elm.ok('deal', 'withdraw', deal);
});

test('a daemon started locked is unlocked by daemon start', async () => {
  await oak.ok('daemon', 'stop');
  const locked = await oak.ok<StatusResult>('daemon', 'start', '--locked');
  assert.equal(locked.locked, true);
  const unlocked = await oak.ok<StatusResult>('daemon', 'start', ...oak.pw);
  assert.deepEqual([unlocked.pid, unlocked.locked], [locked.pid, false]);
});

test('resolved by the arbiter, in both modes: evidence that verifies', async () => {
  for (const mode of ['invisible', 'affidavit'] as const) {
    const { deal } = await elm.ok<DealChange>('deal', 'propose', 'contract.md', ...propose, '--mode', mode);
    await oak.ok('deal', 'wait', deal, '--for', 'offered', '--timeout', '20');
    const { pid } = await elm.ok<StatusResult>('daemon', 'status');
    // Stopped with the promise made: the signer has it, releases, and then waits in vain.
    const released = oak.event((event) => event.deal === deal && event.kind === 'release');
    const promised = elm.event((event) => event.deal === deal && event.kind === 'promise');
    await oak.ok('deal', 'accept', deal, ...oak.pw);
    await promised;
    await released;
    process.kill(pid, 'SIGSTOP');
    try {
      const { state } = await oak.ok<DealResult>('deal', 'show', deal);
      if (state === 'signing') await oak.ok('deal', 'resolve', deal);
      await oak.ok('deal', 'wait', deal, '--for', 'contracted', '--timeout', '30');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await elm.ok('deal', 'wait', deal, '--for', 'contracted', '--timeout', '30');
    for (const one of [elm, oak]) {
      const out = `${one.name}-${mode}`;
      await one.ok('deal', 'export', deal, '--dir', out);
      await one.ok('deal', 'export', deal, '--out', `${out}.asics`);
      for (const file of [out, `${out}.asics`]) {
        const said = await fit(['verify', file, '--json'], { cwd: folder });
        assert.equal(said.code, 0, said.stdout + said.stderr);
      }
    }
  }
});

test('settings', async () => {
  const { config } = await elm.ok<{ config: Record<string, string> }>('config', 'list');
  assert.equal(config['exchange.patience'], '5s');
  await elm.ok('config', 'set', 'exchange.patience', '6s');
  assert.equal((await elm.fit('config', 'get', 'exchange.patience')).stdout, '6s\n');
  await elm.fails(2, 'config', 'set', 'exchange.patience', 'long');
  await elm.fails(3, 'config', 'set', 'exchange.nonsense', '1');
  await elm.fails(3, 'config', 'get', 'exchange.nonsense');
  assert.equal((await elm.fit('config', 'get', 'exchange.patience')).stdout, '6s\n');
});

test('lint, doctor, archive verify, arbiter terms, completion', async () => {
  assert.equal((await fit(['lint', at('contract.md')])).code, 0);
  const doctor = await elm.fit('doctor', '--json');
  const { checks } = parsed<{ ok: boolean; checks: { check: string; ok: boolean }[] }>(doctor);
  assert.ok(checks.filter((one) => one.check !== 'disk' && one.check !== 'openssl').every((one) => one.ok));
  const archive = await elm.ok<{ ok: boolean; records: number; entries: number }>('archive', 'verify');
  assert.ok(archive.ok && archive.records > 10 && archive.entries > 10);
  const terms = await notary.fit('arbiter', 'terms');
  assert.match(terms.stdout, /^Terms of an arbiter/);
  await elm.fails(3, 'arbiter', 'terms');
  for (const shell of ['bash', 'zsh', 'fish']) {
    const said = await fit(['completion', shell]);
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /propose/);
  }
});

test('keys: request, issued certificate, export, another passphrase', needsOpenssl, async () => {
  await elm.ok('key', 'csr', '--out', 'elm.csr', ...elm.pw);
  assert.ok(openssl(['req', '-in', at('elm.csr'), '-noout', '-verify']).ok);
  await elm.ok('key', 'export', '--out', 'elm.pem', ...elm.pw);
  assert.ok(openssl(['pkey', '-in', at('elm.pem'), '-passin', `file:${elm.pw[1]}`, '-noout']).ok);
  await elm.fails(2, 'key', 'export', '--out', 'elm.pem', ...elm.pw);

  const made = openssl(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=TestCA -days 3650'.split(
      ' ',
    ),
    { cwd: folder },
  );
  assert.ok(made.ok, made.text);
  write('ext', 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\n');
  const issued = openssl(
    'x509 -req -in elm.csr -CA ca.pem -CAkey ca.key -days 3650 -extfile ext -out issued.pem'.split(' '),
    { cwd: folder },
  );
  assert.ok(issued.ok, issued.text);
  write('chain.pem', readFileSync(at('issued.pem'), 'utf8') + readFileSync(at('ca.pem'), 'utf8'));
  const old = await elm.ok<{ fingerprint: string }>('whoami');
  const fresh = await elm.ok<{ fingerprint: string }>('key', 'import', 'chain.pem', ...elm.pw);
  assert.notEqual(fresh.fingerprint, old.fingerprint);
  await elm.fails(2, 'key', 'import', 'ca.pem', ...elm.pw);

  // Contracts under the certificate of before are still there, also after the next start.
  await elm.ok('daemon', 'stop');
  await elm.ok('daemon', 'start', ...elm.pw);
  assert.equal((await elm.ok<DealResult>('deal', 'show', first)).state, 'contracted');
  await elm.ok('deal', 'export', first, '--out', 'later.asics');
  assert.equal((await fit(['verify', at('later.asics')])).code, 0);
  write('elm.card', (await elm.fit('card')).stdout);
  await oak.fails(4, 'contact', 'add', 'elm.card', '--as', 'elm');
  const replaced = await oak.ok<ContactResult>('contact', 'add', 'elm.card', '--as', 'elm', '--replace');
  assert.deepEqual([replaced.fingerprint, replaced.verified], [fresh.fingerprint, false]);
  const deal = await offered();
  await oak.ok('deal', 'accept', deal, ...oak.pw);
  await Promise.all([elm, oak].map((one) => one.ok('deal', 'wait', deal, '--for', 'contracted', '--timeout', '30')));
  await sameContract(elm, oak, deal);

  write('new.pw', 'another passphrase of a test\n');
  await elm.ok('key', 'passphrase', ...elm.pw, '--new-passphrase-file', 'new.pw');
  await elm.fails(9, 'key', 'csr', ...elm.pw);
  assert.equal((await elm.fit('key', 'csr', '--passphrase-file', 'new.pw')).code, 0);
  await elm.ok('daemon', 'stop');
  await elm.fails(9, 'daemon', 'start', ...elm.pw);
  await elm.ok('daemon', 'start', '--passphrase-file', 'new.pw');
});

test('daemon stop ends the process; stopping again is no failure; status then says 10', async () => {
  const { pid } = await elm.ok<StatusResult>('daemon', 'status');
  await elm.ok('daemon', 'stop');
  // What is left of a process in a container whose first process collects nobody is no process.
  const left = existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
  assert.equal(left, '');
  await elm.ok('daemon', 'stop');
  await elm.fails(10, 'daemon', 'status');
});
