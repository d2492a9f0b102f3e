/** What deliveries leave on the disk, through the real binaries: nothing that nobody needs; many files; names. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '../../src/rpc/client.ts';
import { endAll, startTrio, type Trader, type Trio } from '../support/traders.ts';

let trio: Trio;
let elm: Trader;
let oak: Trader;

before(async () => {
  trio = await startTrio({ patience: '1h' });
  ({ elm, oak } = trio);
});
after(endAll);

let made = 0;
function filesOf(names: readonly string[], bytes: (at: number) => number): readonly string[] {
  made += 1;
  const folder = join(elm.folder, `out-${made}`);
  mkdirSync(folder);
  return names.map((name, at) => {
    writeFileSync(join(folder, name), randomBytes(bytes(at)));
    return join(folder, name);
  });
}

const remains = (one: Trader): readonly string[] =>
  existsSync(one.paths.content) ? readdirSync(one.paths.content) : [];

/** The folder goes after the answer: each look comes after a question to the daemon. */
async function untilRemains(one: Trader, count: number): Promise<void> {
  const end = Date.now() + 10_000;
  while (remains(one).length !== count) {
    if (Date.now() > end) assert.fail(`${one.name} keeps ${remains(one).length} folders, not ${count}`);
    await (await one.agent()).status();
  }
}

const send = (paths: readonly string[]) => ['send', ...paths, '--to', 'oak', '--arbiter', 'notary', '--no-wait'];

test('refused, let go, withdrawn, declined, completed: no content stays on either side', async () => {
  const paths = filesOf(['a.bin'], () => 200_000);
  const asked = await elm.fails(5, ...send(paths));
  const id = /fit approve grant (\w+)/.exec(asked.stderr)?.[1] ?? '';
  assert.equal(remains(elm).length, 1);
  await elm.ok('approve', 'refuse', id);
  await untilRemains(elm, 0);

  // A request that its own connection holds, and lets go of.
  const holder = await connect(elm.paths.socket);
  await assert.rejects(holder.dealDeliver({ files: paths, to: 'oak', arbiter: 'notary', hold: true }), {
    code: 'needs-approval',
  });
  assert.equal(remains(elm).length, 1);
  holder.close();
  await untilRemains(elm, 0);

  const withdrawn = await elm.ok<{ deal: string }>(...send(paths), ...elm.pw);
  assert.equal(remains(elm).length, 1);
  await oak.waitFor(withdrawn.deal, ['offered']);
  await elm.ok('deal', 'withdraw', withdrawn.deal);
  await untilRemains(elm, 0);

  const declined = await elm.ok<{ deal: string }>(...send(paths), ...elm.pw);
  await oak.waitFor(declined.deal, ['offered']);
  await oak.ok('deal', 'decline', declined.deal);
  await elm.waitFor(declined.deal, ['declined']);
  await untilRemains(elm, 0);

  const { deal } = await elm.ok<{ deal: string }>(...send(paths), ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  await oak.ok('deal', 'receive', deal, '--to', join(oak.folder, 'in-1'), ...oak.pw);
  await elm.waitFor(deal, ['completed']);
  await untilRemains(elm, 0);
  await untilRemains(oak, 0);
});

test('what a killed daemon leaves half-made goes when it is unlocked again; what is on offer stays', async () => {
  const paths = filesOf(['b.bin'], () => 200_000);
  const { deal } = await elm.ok<{ deal: string }>(...send(paths), ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  const kept = remains(elm);
  await elm.kill();
  const half = join(elm.paths.content, 'ab'.repeat(16));
  mkdirSync(half, { mode: 0o700 });
  writeFileSync(join(half, 'leaves.tmp'), 'half');
  await elm.start();
  await untilRemains(elm, 1);
  assert.deepEqual(remains(elm), kept);
  const to = join(oak.folder, 'in-2');
  await oak.ok('deal', 'receive', deal, '--to', to, ...oak.pw);
  assert.deepEqual(readFileSync(join(to, 'b.bin')), readFileSync(paths[0] ?? ''));
});

test('400 files are one delivery; one more, and names that some system does not take, are told before anything is signed', async () => {
  const names = Array.from({ length: 400 }, (_, at) => `minutes of meeting ${at}.txt`);
  const paths = filesOf(names, (at) => (at % 9) * 700);
  const { deal } = await elm.ok<{ deal: string }>(...send(paths), ...elm.pw);
  await oak.waitFor(deal, ['offered']);
  const to = join(oak.folder, 'in-3');
  await oak.ok('deal', 'receive', deal, '--to', to, ...oak.pw);
  assert.equal(readdirSync(to).length, 400);
  for (const [at, path] of paths.entries())
    assert.deepEqual(readFileSync(join(to, names[at] ?? '')), readFileSync(path));
  await untilRemains(elm, 0);

  const before = (await (await elm.agent()).dealList()).deals.length;
  const [more = ''] = filesOf(['one more.txt'], () => 1);
  assert.match((await elm.fails(2, ...send([...paths, more]), ...elm.pw)).stderr, /400/);
  for (const name of ['aux.txt', 'a.', `${'n'.repeat(161)}`]) {
    const said = await elm.fails(2, ...send(filesOf([name], () => 1)), ...elm.pw);
    assert.match(said.stderr, /name that not every system takes/);
    assert.match(said.stderr, /another name/);
  }
  const twice = [...filesOf(['Plan.pdf'], () => 1), ...filesOf(['plan.PDF'], () => 1)];
  assert.match((await elm.fails(2, ...send(twice), ...elm.pw)).stderr, /one name on some systems/);
  assert.equal((await (await elm.agent()).dealList()).deals.length, before);
  await untilRemains(elm, 0);
});
