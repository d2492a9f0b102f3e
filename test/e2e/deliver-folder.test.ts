/** Folders as deliveries, through the real programs: packed by the sender, taken out by the receiver, with the receipt for it. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { endAll, fit, parsed, startTrio, type Trader } from '../support/traders.ts';

let elm: Trader;
let oak: Trader;
let folder: string;
const at = (...names: readonly string[]) => join(folder, ...names);

before(async () => {
  ({ elm, oak } = await startTrio({ patience: '1h' }));
  folder = elm.folder;
  mkdirSync(at('plans', 'roof'), { recursive: true });
  writeFileSync(at('plans', 'ground.txt'), 'ground\n');
  writeFileSync(at('plans', 'roof', 'north.bin'), Buffer.alloc(200_000, 7));
});
after(endAll);

interface Ended {
  readonly state: string;
  readonly files: readonly string[];
}

async function received(...more: readonly string[]): Promise<Ended> {
  const sending = elm.fit('send', 'plans', '--to', 'oak', '--arbiter', 'notary', '--json', ...elm.pw);
  const { deal = '' } = await oak.event(({ kind, deal: of }) => kind === 'offer' && of !== undefined && !seen.has(of));
  seen.add(deal);
  const got = await oak.ok<Ended>('deal', 'receive', deal, ...more, ...oak.pw);
  const sent = await sending;
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(parsed<Ended>(sent).state, 'completed');
  return got;
}
const seen = new Set<string>();

test('a folder is packed, delivered for a receipt and taken out', async () => {
  const got = await received('--to', 'in', '--unpack');
  assert.equal(got.state, 'completed');
  assert.deepEqual(got.files, [at('in', 'plans.fitc'), at('in', 'plans')]);
  assert.deepEqual(readFileSync(at('in', 'plans.fitc')), readFileSync(at('plans.fitc')));
  assert.deepEqual(readdirSync(at('in')).sort(), ['plans', 'plans.fitc']);
  for (const name of ['ground.txt', 'roof/north.bin'])
    assert.deepEqual(readFileSync(at('in', 'plans', name)), readFileSync(at('plans', name)), name);
  // Offered again it would be written over.
  const again = await elm.fails(2, 'send', 'plans', '--to', 'oak', '--arbiter', 'notary', ...elm.pw);
  assert.match(again.stderr, /plans.fitc exists already/);
});

test('what is packed by hand can ask for a receipt, which the delivery is', async () => {
  const marked = ['pack', 'plans', '--out', 'marked.fitc', '--attr', 'plans/roof=receipt'];
  assert.equal((await fit(marked, { cwd: folder })).code, 0);
  const sending = elm.fit('send', 'marked.fitc', '--to', 'oak', '--arbiter', 'notary', '--json', ...elm.pw);
  const { deal = '' } = await oak.event(({ kind, deal: of }) => kind === 'offer' && of !== undefined && !seen.has(of));
  seen.add(deal);
  const got = await oak.ok<Ended>('deal', 'receive', deal, '--to', 'marked', '--unpack', ...oak.pw);
  assert.equal((await sending).code, 0);
  assert.deepEqual(got.files, [at('marked', 'marked.fitc'), at('marked', 'plans')]);
  assert.ok(existsSync(at('marked', 'plans', 'roof', 'north.bin')));
});

test('what stands in the way of taking out is no loss: the container is there', async () => {
  mkdirSync(at('occupied', 'plans'), { recursive: true });
  const sending = elm.fit('send', 'marked.fitc', '--to', 'oak', '--arbiter', 'notary', '--json', ...elm.pw);
  const { deal = '' } = await oak.event(({ kind, deal: of }) => kind === 'offer' && of !== undefined && !seen.has(of));
  const ran = await oak.fit('deal', 'receive', deal, '--to', 'occupied', '--unpack', '--json', ...oak.pw);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /was not unpacked: .*plans exists already/);
  assert.equal((await sending).code, 0);
  assert.deepEqual(readdirSync(at('occupied')).sort(), ['marked.fitc', 'plans']);
  assert.deepEqual(readdirSync(at('occupied', 'plans')), []);
});

test('a folder that cannot be packed is not offered, and nothing of it stays', async () => {
  mkdirSync(at('links'));
  symlinkSync('/etc/passwd', at('links', 'passwd'));
  const said = await elm.fails(2, 'send', 'links', '--to', 'oak', '--arbiter', 'notary', ...elm.pw);
  assert.match(said.stderr, /links\/passwd is a symbolic link/);
  mkdirSync(at('nobody'));
  await elm.fails(3, 'send', 'nobody', '--to', 'ash', '--arbiter', 'notary', ...elm.pw);
  assert.deepEqual(
    readdirSync(folder).filter((name) => /links\.|nobody\./.test(name)),
    [],
  );
  const draft = await elm.fit('send', 'nobody', '--to', 'oak', '--arbiter', 'notary', '--dry-run');
  assert.equal(draft.code, 0, draft.stderr);
  assert.match(draft.stdout, /nobody\.fitc/);
  assert.ok(!existsSync(at('nobody.fitc')));
});
