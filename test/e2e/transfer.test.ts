/** One-way transfers through the real binaries: no arbiter, and the attributes that were chosen. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DealResult } from '../../src/rpc/agent.ts';
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
