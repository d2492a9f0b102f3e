/** Commands about files that end before the files have come: what they say, and that the same command goes on. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DealChange, DealResult } from '../../src/rpc/agent.ts';
import { endAll, parsed, runProgram, startTrio, type Trader } from '../support/traders.ts';

let elm: Trader;
let oak: Trader;
let contract = '';

before(async () => {
  ({ elm, oak } = await startTrio({ patience: '1h' }));
  contract = await elm.offer(oak);
  await oak.waitFor(contract, ['offered']);
  await (await oak.consenting()).dealAccept({ deal: contract });
  await Promise.all([elm.waitFor(contract, ['contracted']), oak.waitFor(contract, ['contracted'])]);
});
after(endAll);

function file(name: string): string {
  const path = join(elm.folder, name);
  writeFileSync(path, `the text of ${name}\n`);
  return path;
}

interface Received {
  readonly deal: string;
  readonly files: readonly string[];
}

test('a receiver that ended early takes by the same command what came meanwhile, the contract named; then it waits again', async () => {
  const offered = await elm.ok<DealChange>('deal', 'deliver', contract, file('plan.txt'), '--no-wait', ...elm.pw);
  await oak.waitFor(offered.deal, ['offered']);
  await (await oak.consenting()).dealAccept({ deal: offered.deal });
  await oak.waitFor(offered.deal, ['completed']);
  const to = join(oak.folder, 'in');
  const received = await oak.fit('deal', 'receive', contract, '--to', to, '--timeout', '60', ...oak.pw, '--json');
  assert.equal(received.code, 0, received.stderr);
  assert.deepEqual(parsed<Received>(received).deal, offered.deal);
  assert.equal(readFileSync(join(to, 'plan.txt'), 'utf8'), 'the text of plan.txt\n');

  // What is taken is not taken again: there is nothing until the next one.
  const none = await oak.fit('deal', 'receive', contract, '--to', to, '--timeout', '1', ...oak.pw);
  assert.equal(none.code, 3, none.stderr);
  assert.match(none.stderr, /nothing was delivered in time/);
  const again = await oak.fit('deal', 'receive', offered.deal, '--to', to, ...oak.pw);
  assert.match(again.stdout, /^delivered .* arbiter not needed$/m);
  assert.doesNotMatch(again.stdout, / in [0-9.]+ s/);
  assert.match((await oak.fit('deal', 'wait', offered.deal)).stdout, /^delivered/);

  // The sender of them receives nothing by it.
  const own = await elm.fit('deal', 'receive', contract, '--timeout', '1', ...elm.pw);
  assert.equal(own.code, 3, own.stderr);
});

test('an interrupted sender is told that it goes on, and how to look', async () => {
  const said = await runProgram(
    process.execPath,
    ['bin/fit', 'deal', 'deliver', contract, file('late.txt'), ...elm.pw],
    {
      env: { FIT_HOME: elm.home, FIT_NON_INTERACTIVE: '1' },
      meanwhile: (child) =>
        child.stderr?.on('data', (chunk) => {
          if (String(chunk).includes('waiting for')) child.kill('SIGINT');
        }),
    },
  );
  assert.equal(said.code, 130, said.stderr);
  const [, deal = ''] = /offered to deliver as (\w+)/.exec(said.stderr) ?? [];
  assert.ok(
    said.stderr.endsWith(
      `fit: interrupted\nfit: hint: it goes on without this; how far it is: fit deal show ${deal.slice(0, 4)}\n`,
    ),
    said.stderr,
  );
  assert.equal((await elm.ok<DealResult>('deal', 'show', deal)).state, 'offered');
  const to = join(oak.folder, 'late');
  const received = await oak.fit('deal', 'receive', contract, '--to', to, '--timeout', '60', ...oak.pw);
  assert.equal(received.code, 0, received.stderr);
  assert.deepEqual(readdirSync(to), ['late.txt']);
});

test('a folder for what a swap brings needs somebody who waits for it: refused before anything is offered', async () => {
  const before = await elm.ok<{ deals: readonly unknown[] }>('deal', 'list');
  const to = join(elm.folder, 'never');
  const given = ['--give', file('scan.txt'), '--want', 'the deed', '--receive-to', to, '--no-wait'];
  const said = await elm.fails(2, 'deal', 'swap', contract, ...given, ...elm.pw);
  assert.match(said.stderr, /nobody is here to put files into a folder/);
  assert.ok(!existsSync(to));
  assert.deepEqual((await elm.ok<{ deals: readonly unknown[] }>('deal', 'list')).deals.length, before.deals.length);
});

test('a transfer that nobody signed has nothing to export, and says that and not that it is unfinished', async () => {
  const how = ['--receipt', 'none', '--no-origin', '--no-wait'];
  const { deal } = await elm.ok<DealChange>('send', file('bare.txt'), '--to', 'oak', ...how, ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  const received = await oak.fit(
    'deal',
    'receive',
    deal,
    '--to',
    join(oak.folder, 'bare'),
    '--timeout',
    '60',
    ...oak.pw,
  );
  assert.equal(received.code, 0, received.stderr);
  await elm.waitFor(deal, ['completed']);
  for (const side of [elm, oak]) {
    const said = await side.fails(3, 'deal', 'export', deal, '--dir', join(side.folder, 'bare-evidence'));
    assert.match(said.stderr, /^fit: nobody signed anything here/);
  }
});
