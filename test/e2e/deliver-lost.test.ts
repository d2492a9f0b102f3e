/**
 * A receiver whose disk has lost the ciphertext while the key is here, and whose sender does not give it again: it asks again as
 * long as the deal is open, is told what nobody can do for it, and a person can end it; what comes after all is compared as ever.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { encodeBulkReply } from '../../src/daemon/bulk.ts';
import type { DeliveryResult } from '../../src/rpc/agent.ts';
import { startRogue } from '../support/rogue.ts';
import { offerAsSender, serveContent } from '../support/rogue-delivery.ts';
import { consenting, contentOf, move, reasonOf, start, WINDOW } from '../support/rogue-trio.ts';
import { endAll, introduce, Trader, temporary } from '../support/traders.ts';

const ENDED = ['completed', 'aborted', 'declined'] as const;
const IN_TIME = { timeout: 60_000 };

const folder = temporary();
const [oak, notary] = ['oak', 'notary'].map((name) => new Trader(folder, name)) as [Trader, Trader];
let ahead = 0;
let rogues = 0;

async function pass(seconds: number): Promise<void> {
  ahead += seconds;
  await move([oak, notary], ahead);
}

before(async () => {
  await Promise.all([oak.init({ patience: '1h' }), notary.init({ patience: '1h', role: 'arbiter' })]);
  await Promise.all([start(oak), start(notary)]);
  await introduce([oak, notary]);
});
after(endAll);

/** The key is here, the ciphertext is not any more, and its sender says no. */
async function lost(t: TestContext) {
  rogues += 1;
  const rogue = await startRogue(oak, notary, `rogue${rogues}`);
  t.after(() => rogue.stop());
  const sender = await offerAsSender(rogue, {}, ahead);
  const { deal } = sender;
  await oak.waitFor(deal, ['offered']);
  const before = new Set(contentsOf(oak));
  await (await consenting(oak)).dealAccept({ deal });
  await sender.next('ready');
  const [made = ''] = contentsOf(oak).filter((one) => !before.has(one));
  rmSync(join(oak.paths.content, made, 'ciphertext'));
  rogue.link.handle('/fit/bulk/1', async () => encodeBulkReply({ kind: 'no', why: 'not-offered' }));
  const record = sender.record();
  const { witness, promise } = sender.promise(record);
  await sender.say({ kind: 'promise', role: 'O', record, promise });
  await sender.next('promise');
  await sender.say(sender.release(record, witness));
  let view = await viewOf(deal);
  while (view.phase !== 'fetching' || view.trouble === null || /damaged/.test(view.trouble)) view = await viewOf(deal);
  assert.equal(view.trouble, 'the sender does not offer it any more');
  return { sender, deal, give: () => serveContent(rogue, sender.content) };
}

function contentsOf(trader: Trader): readonly string[] {
  try {
    return readdirSync(trader.paths.content);
  } catch {
    return [];
  }
}

const viewOf = async (deal: string): Promise<DeliveryResult> => (await oak.agent()).deliveryShow({ deal });

test(
  'the sender gives it no more: told what nobody can do; a person ends it, and owes the receipt',
  IN_TIME,
  async (t) => {
    const { deal } = await lost(t);
    const agent = await oak.agent();
    const explained = await agent.dealExplain({ deal });
    assert.match(explained.youHold, /^the key .*; the files are lost on your own disk$/);
    assert.match(explained.ifTheyStop, /stay lost/);
    const told = explained.notes.join('\n');
    assert.match(told, /asks rogue1 for the files again .*; notary has none of them and can give nothing but the key/);
    assert.match(
      told,
      /fit deal resolve ends it if they do not come: 1 min after notary was first asked, with a receipt/,
    );
    await oak.ok('deal', 'resolve', deal);
    await oak.ok('deal', 'resolve', deal);
    assert.equal((await agent.dealShow({ deal })).waitsFor, 'arbiter');
    assert.match((await agent.dealExplain({ deal })).notes.join('\n'), /you wait no longer: it ends 1 min after/);
    const isPending = async () =>
      (await (await notary.agent()).arbiterCases()).cases.some((one) => one.state === 'pending');
    while (!(await isPending())) await notary.event(({ kind }) => kind === 'arbiter-request');
    assert.equal((await agent.dealShow({ deal })).state, 'signing');
    // It has asked also after it was restarted.
    await oak.kill();
    await start(oak);
    await pass(WINDOW + 1);
    assert.equal(await oak.waitFor(deal, ENDED), 'completed');
    const shown = await (await oak.agent()).dealShow({ deal });
    assert.deepEqual([shown.via, shown.transactions.at(-1)?.kind], ['arbiter', 'completion']);
    assert.equal(shown.transactions.at(-1)?.by, 'arbiter');
    const to = join(folder, 'lost');
    const said = await oak.fit('deal', 'receive', deal, '--to', to, '--json', ...oak.pw);
    assert.equal(said.code, 1, said.stderr);
    assert.match(said.stderr, /it was lost on this disk, and its sender did not give it again/);
    assert.deepEqual(readdirSync(to), []);
    const after = await (await oak.agent()).dealExplain({ deal });
    assert.match(after.youHold, /the files are lost on your own disk$/);
  },
);

test(
  'it comes again while the arbiter is waited for: compared, delivered, and the receipt goes at once',
  IN_TIME,
  async (t) => {
    const { deal, sender, give } = await lost(t);
    await oak.ok('deal', 'resolve', deal);
    give();
    await sender.next('release');
    assert.equal(await oak.waitFor(deal, ENDED), 'completed');
    assert.deepEqual(await contentOf(oak, deal), Buffer.from(sender.content.data));
  },
);

test('nobody asked the arbiter in time: a person ends it, and nobody owes anything', IN_TIME, async (t) => {
  const { deal } = await lost(t);
  await pass(21 * 86_400);
  await oak.ok('deal', 'resolve', deal);
  assert.equal(await oak.waitFor(deal, ENDED), 'aborted');
  assert.match(await reasonOf(oak, deal), /nobody owes anything/);
});
