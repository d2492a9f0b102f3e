/**
 * Each side of a transfer cheats at each step, or is not there: no fairness is claimed, so what is shown is that the honest side's
 * daemon finds it out, keeps nothing that is wrong, signs nothing for it, says so, and holds what proves it. Real daemons for the
 * honest side; the cheat is a real daemon whose content is wrong, or plays its messages one by one.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBulkReply } from '../../src/daemon/bulk.ts';
import type { Verdict } from '../../src/evidence/verify.ts';
import type { TransferTerms } from '../../src/exchange/terms.ts';
import type { DealResult } from '../../src/rpc/agent.ts';
import { test } from '../support/in-time.ts';
import type { Rogue } from '../support/rogue.ts';
import { rogueSetting } from '../support/rogue-setting.ts';
import { expectTransfer, statementBy, transferAsSender } from '../support/rogue-transfer.ts';
import { consenting, contentOf, fileOf, move, order, reasonOf, start } from '../support/rogue-trio.ts';
import { fit, parsed, type Trader } from '../support/traders.ts';

const ENDED = ['completed', 'failed', 'declined', 'withdrawn', 'expired'] as const;
const ALL: TransferTerms = { origin: true, receipt: 'asked' };

const { folder, elm, oak, notary, everyone, rogueOf } = rogueSetting();

const shown = async (trader: Trader, deal: string): Promise<DealResult> => (await trader.agent()).dealShow({ deal });
const steps = async (trader: Trader, deal: string): Promise<readonly string[]> =>
  (await shown(trader, deal)).transactions.map((one) => one.kind);

async function send(to: string, transfer: TransferTerms = ALL): Promise<string> {
  const agent = await consenting(elm);
  return (await agent.dealDeliver({ files: [fileOf(elm).path], to, transfer })).deal;
}

async function accept(receiver: Trader, deal: string): Promise<void> {
  await receiver.waitFor(deal, ['offered']);
  await (await consenting(receiver)).dealAccept({ deal });
}

/** oak's answer has arrived: one that still waits for its acknowledgement is not sent beside itself. */
async function answered(deal: string): Promise<void> {
  const agent = await oak.agent();
  while ((await agent.status()).waiting > 0) assert.notEqual((await shown(oak, deal)).state, 'signing');
}

/** The receiver holds nothing of it and has signed nothing. */
async function nothingCame(deal: string): Promise<void> {
  assert.equal(await contentOf(oak, deal), undefined);
  assert.ok(!(await steps(oak, deal)).includes('completion'));
  const { requests } = await (await oak.agent()).approveList({ all: true });
  for (const one of requests) if (one.deal === deal) assert.notEqual(one.state, 'used');
}

for (const transfer of [ALL, { origin: false, receipt: 'asked' }] as const) {
  test(`a wrong chunk, origin ${transfer.origin ? 'signed' : 'not signed'}: no file, no receipt, both are told`, async () => {
    await elm.kill();
    await start(elm, 'chunk');
    const deal = await send('oak', transfer);
    await oak.waitFor(deal, ['offered']);
    const to = join(folder, `wrong-${transfer.origin}`);
    const said = await oak.fit('deal', 'receive', deal, '--to', to, '--timeout', '40', ...oak.pw);
    assert.equal(said.code, 1, said.stderr);
    assert.match(said.stderr, /not what its sender named: nothing of it was kept, and no receipt was given/);
    assert.deepEqual(readdirSync(to), []);
    for (const one of [elm, oak]) assert.equal(await one.waitFor(deal, ENDED), 'failed');
    assert.match(await reasonOf(elm, deal), /the receiver found that the content is not what your note names/);
    assert.deepEqual((await steps(oak, deal)).slice(-4), ['key', 'complaint', 'end', 'failure']);
    await nothingCame(deal);
    assert.ok((await (await oak.agent()).auditVerify()).ok);
    const explained = await (await oak.agent()).dealExplain({ deal });
    if (!transfer.origin) {
      assert.match(explained.youHold, /^nothing that proves it/);
      await assert.rejects(oak.evidence(deal), { code: 'wrong-state' });
      return;
    }
    assert.match(explained.youHold, /signed statement of origin and one wrong chunk/);
    // What the receiver kept shows anybody that the sender signed for something else.
    const dir = join(oak.home, `e-${deal}`);
    await oak.ok('deal', 'export', deal, '--dir', dir);
    assert.ok(['origin.p7s', 'proof.cbor'].every((name) => readdirSync(dir).includes(name)));
    const verdict = parsed<Verdict>(await fit(['verify', dir, '--json']));
    assert.deepEqual([verdict.ok, verdict.problem?.code], [false, 'wrong-content']);
    assert.deepEqual(
      verdict.signers.map((one) => one.role),
      ['sender'],
    );
    await assert.rejects(elm.evidence(deal), { code: 'wrong-state' });
  });
}

for (const when of ['before', 'after'] as const) {
  test(`a wrong chunk, and the receiver is killed ${when} it has written that down: the same end`, async () => {
    await elm.kill();
    await start(elm, 'chunk');
    const deal = await send('oak');
    await oak.waitFor(deal, ['offered']);
    order(oak, { space: 'exchanges', n: 2, when, signal: 'SIGKILL' });
    await accept(oak, deal);
    assert.equal(await oak.exited, 137);
    await start(oak);
    for (const one of [elm, oak]) assert.equal(await one.waitFor(deal, ENDED), 'failed');
    await nothingCame(deal);
    assert.ok((await oak.evidence(deal)).has('proof.cbor'));
  });
}

test('ciphertext that is not of its root: refused before the key is asked for', async () => {
  await elm.kill();
  await start(elm, 'ciphertext');
  const deal = await send('oak');
  await accept(oak, deal);
  for (const one of [oak, elm]) assert.equal(await one.waitFor(deal, ENDED), 'declined');
  assert.ok(!(await steps(elm, deal)).includes('release'));
  await nothingCame(deal);
  await elm.kill();
  await start(elm);
});

test('the key of another content, and one that is none: nothing is opened, the sender is told', async (t) => {
  for (const other of [new Uint8Array(32).fill(7), new Uint8Array(32)]) {
    const sender = await transferAsSender(await rogueOf(t, oak), ALL);
    await accept(oak, sender.deal);
    await sender.next('ready');
    const origin = statementBy(sender.rogue, sender.record, 'origin');
    assert.equal((await sender.giveKey(origin, other)).kind, 'ok');
    assert.equal((await sender.next('transfer-fault')).fault, 'wrong-key');
    assert.equal(await oak.waitFor(sender.deal, ENDED), 'failed');
    assert.match(await reasonOf(oak, sender.deal), /a key that is not that of the content/);
    await nothingCame(sender.deal);
    // Nor does the consent stand any more, or count in the totals of a rule.
    const { requests } = await (await oak.agent()).approveList({ all: true });
    const [given] = requests.filter((one) => one.deal === sender.deal);
    assert.equal(given?.state, 'withdrawn');
    await answered(sender.deal);
    // The right key comes too late.
    assert.equal((await sender.giveKey(origin)).kind, 'ok');
    assert.equal((await sender.next('transfer-fault')).fault, 'wrong-key');
    assert.equal((await shown(oak, sender.deal)).state, 'failed');
  }
});

test('no statement of origin, junk, one over another note, by somebody else, or of another time: nothing is opened', async (t) => {
  const other = await rogueOf(t, oak);
  const bad: readonly ((sender: Awaited<ReturnType<typeof transferAsSender>>) => Uint8Array | null)[] = [
    () => null,
    () => new Uint8Array(300).fill(0x30),
    ({ rogue, record }) => statementBy(rogue, { ...record, document: new Uint8Array(32) }, 'origin'),
    ({ rogue, record }) =>
      statementBy(rogue, { ...record, content: { ...record.content, plaintextRoot: new Uint8Array(32) } }, 'origin'),
    ({ rogue, record }) => statementBy(rogue, record, 'receipt'),
    ({ record }) => statementBy(other, record, 'origin'),
    ({ rogue, record }) => statementBy(rogue, record, 'origin', Math.floor(Date.now() / 1000) - 3000),
    ({ rogue, record }) => statementBy(rogue, record, 'origin', Math.floor(Date.now() / 1000) + 3000),
  ];
  for (const [at, make] of bad.entries()) {
    const sender = await transferAsSender(await rogueOf(t, oak), ALL);
    await accept(oak, sender.deal);
    await sender.next('ready');
    assert.equal((await sender.giveKey(make(sender))).kind, 'ok');
    assert.equal((await sender.next('transfer-fault')).fault, 'wrong-origin', `case ${at}`);
    assert.equal(await oak.waitFor(sender.deal, ENDED), 'failed');
    await nothingCame(sender.deal);
  }
});

test('the key before it was accepted, of another transfer, or twice: opened once, answered as before', async (t) => {
  const rogue = await rogueOf(t, oak);
  const sender = await transferAsSender(rogue, ALL);
  await oak.waitFor(sender.deal, ['offered']);
  const origin = statementBy(rogue, sender.record, 'origin');
  assert.deepEqual(await sender.giveKey(origin), { kind: 'no', why: 'withdrawn' });
  await accept(oak, sender.deal);
  await sender.next('ready');
  const { deal, record } = sender;
  const about = { deal, document: record.document, id: new Uint8Array(32) };
  const said = await sender.say({ ...about, kind: 'transfer-key', key: sender.content.x, origin });
  assert.deepEqual(said, { kind: 'no', why: 'bad-record' });
  assert.equal((await shown(oak, deal)).state, 'offered');
  assert.equal((await sender.giveKey(origin)).kind, 'ok');
  const { receipt } = await sender.next('transfer-done');
  assert.equal(await oak.waitFor(deal, ENDED), 'completed');
  assert.deepEqual(await contentOf(oak, deal), Buffer.from(sender.content.data));
  const before = await steps(oak, deal);
  await answered(deal);
  assert.equal((await sender.giveKey(origin)).kind, 'ok');
  assert.deepEqual((await sender.next('transfer-done')).receipt, receipt);
  await answered(deal);
  // Whatever a repetition holds.
  assert.equal((await sender.giveKey(null, new Uint8Array(32).fill(1))).kind, 'ok');
  assert.deepEqual((await sender.next('transfer-done')).receipt, receipt);
  assert.deepEqual(await steps(oak, deal), before);
  // Answers in the sender's own role are no answers.
  const wrongWay = { ...sender.about, kind: 'transfer-done', receipt: null } as const;
  assert.deepEqual(await sender.say(wrongWay), { kind: 'no', why: 'out-of-order' });
});

test('the key came when the receiver was locked, and the offer ended meanwhile: it was accepted in time', async (t) => {
  const rogue = await rogueOf(t, oak);
  const sender = await transferAsSender(rogue, ALL);
  const { deal } = sender;
  await accept(oak, deal);
  await sender.next('ready');
  await answered(deal);
  await oak.ok('lock');
  const said = await sender.giveKey(statementBy(rogue, sender.record, 'origin'));
  assert.deepEqual(said, { kind: 'later', why: 'locked' });
  await oak.kill();
  await move([oak], 2 * 86_400);
  await start(oak);
  assert.equal(await oak.waitFor(deal, ENDED), 'completed');
  assert.notEqual((await sender.next('transfer-done')).receipt, null);
  assert.deepEqual(await contentOf(oak, deal), Buffer.from(sender.content.data));
  await oak.kill();
  await move([oak], 0);
  await start(oak);
});

test('somebody else’s key message changes nothing', async (t) => {
  const sender = await transferAsSender(await rogueOf(t, oak), ALL);
  const stranger = await transferAsSender(await rogueOf(t, oak), ALL);
  await accept(oak, sender.deal);
  await sender.next('ready');
  const said = await stranger.say({ ...sender.about, kind: 'transfer-key', key: sender.content.x, origin: null });
  assert.equal(said.kind, 'no');
  assert.equal((await shown(oak, sender.deal)).state, 'offered');
});

test('a note whose SHA-256 is not that of its file: no receipt for such a note', async (t) => {
  const rogue = await rogueOf(t, oak);
  const sender = await transferAsSender(rogue, ALL, { sha256: new Uint8Array(32).fill(9) });
  await accept(oak, sender.deal);
  await sender.next('ready');
  await sender.giveKey(statementBy(rogue, sender.record, 'origin'));
  assert.equal((await sender.next('transfer-fault')).fault, 'wrong-content');
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'failed');
  await nothingCame(sender.deal);
  // Nor does anybody say that there is a proof.
  assert.match(
    (await (await oak.agent()).dealExplain({ deal: sender.deal })).youHold,
    /^nothing that proves it: every/,
  );
  await assert.rejects(oak.evidence(sender.deal), { code: 'wrong-state' });
});

test('the disk loses the ciphertext when the key is here and the sender gives it no more: a person can give it up', async (t) => {
  const rogue = await rogueOf(t, oak);
  const sender = await transferAsSender(rogue, ALL);
  const { deal } = sender;
  const before = new Set(readdirSync(oak.paths.content));
  await accept(oak, deal);
  await sender.next('ready');
  // There is nothing to give up before the key is here.
  assert.equal((await oak.fit('deal', 'abort', deal)).code, 3);
  const [made = ''] = readdirSync(oak.paths.content).filter((one) => !before.has(one));
  rmSync(join(oak.paths.content, made, 'ciphertext'));
  rogue.link.handle('/fit/bulk/1', async () => encodeBulkReply({ kind: 'no', why: 'not-offered' }));
  await sender.giveKey(statementBy(rogue, sender.record, 'origin'));
  const agent = await oak.agent();
  const isLost = async () => (await agent.deliveryShow({ deal })).phase === 'fetching';
  while (!(await isLost())) assert.equal((await agent.dealShow({ deal })).state, 'signing');
  await oak.ok('deal', 'abort', deal);
  assert.equal((await sender.next('transfer-fault')).fault, 'ended');
  assert.equal((await shown(oak, deal)).state, 'failed');
  assert.match(await reasonOf(oak, deal), /you gave it up: nothing of it is here, and nothing was signed/);
  await nothingCame(deal);
  assert.ok((await agent.auditVerify()).ok);
});

test('a receiver that wants the key without an offer of ours, or of a withdrawn one, gets none', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectTransfer(rogue);
  const deal = await send(rogue.card.name);
  const { record } = await receiver.offer();
  await (await elm.agent()).dealWithdraw({ deal });
  assert.deepEqual(await receiver.ready(deal, record.document), { kind: 'no', why: 'withdrawn' });
  assert.equal((await receiver.ready(deal, new Uint8Array(32))).kind, 'no');
  assert.ok(!(await steps(elm, deal)).includes('release'));
});

for (const [what, receiptOf] of [
  ['no receipt', () => null],
  ['junk for a receipt', () => new Uint8Array(200).fill(0x30)],
  [
    'a receipt over other roots',
    (rogue: Rogue, record: Parameters<typeof statementBy>[1]) =>
      statementBy(rogue, { ...record, content: { ...record.content, ciphertextRoot: new Uint8Array(32) } }, 'receipt'),
  ],
  [
    'a statement of origin for a receipt',
    (rogue: Rogue, record: Parameters<typeof statementBy>[1]) => statementBy(rogue, record, 'origin'),
  ],
] as const) {
  test(`a receiver that keeps the files and gives ${what}: it is told so; a receipt counts whenever it comes`, async (t) => {
    const rogue = await rogueOf(t, elm);
    const receiver = expectTransfer(rogue);
    const deal = await send(rogue.card.name);
    const { record, about } = await receiver.offer();
    assert.equal((await receiver.ready(deal, record.document)).kind, 'ok');
    const { key } = await receiver.next('transfer-key');
    assert.equal(key.length, 32);
    assert.equal((await shown(elm, deal)).state, 'signing');
    await assert.rejects((await elm.agent()).dealWithdraw({ deal }), { code: 'wrong-state' });
    const receipt = receiptOf(rogue, record);
    assert.equal((await receiver.say({ ...about, kind: 'transfer-done', receipt })).kind, 'ok');
    assert.equal(await elm.waitFor(deal, ENDED), 'failed');
    assert.match(await reasonOf(elm, deal), /has the key and sent no receipt that verifies/);
    const explained = await (await elm.agent()).dealExplain({ deal });
    assert.equal(explained.youHold, 'nothing of theirs');
    assert.match(explained.whoCouldCheat, /they can keep the files and sign no receipt/);
    await assert.rejects(elm.evidence(deal), { code: 'wrong-state' });
    const good = statementBy(rogue, record, 'receipt');
    assert.equal((await receiver.say({ ...about, kind: 'transfer-done', receipt: good })).kind, 'ok');
    assert.equal((await shown(elm, deal)).state, 'completed');
    assert.ok((await elm.evidence(deal)).has('receipt.p7s'));
    assert.ok((await (await elm.agent()).auditVerify()).ok);
  });
}

test('a receiver that says nothing: whoever sent can end the waiting, and says that the key is out', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectTransfer(rogue);
  const deal = await send(rogue.card.name);
  const { record } = await receiver.offer();
  await receiver.ready(deal, record.document);
  await receiver.next('transfer-key');
  await elm.fails(3, 'deal', 'resolve', deal);
  const said = await elm.fit('deal', 'abort', deal);
  assert.equal(said.code, 0, said.stderr);
  assert.equal((await shown(elm, deal)).state, 'failed');
  assert.match(await reasonOf(elm, deal), /the key had left, and no answer had come/);
});

test('a receiver that takes the key message no more: the sender is told', async (t) => {
  const rogue = await rogueOf(t, elm);
  rogue.answer = { kind: 'no', why: 'withdrawn' };
  const receiver = expectTransfer(rogue);
  const deal = await send(rogue.card.name);
  const { record } = await receiver.offer();
  await receiver.ready(deal, record.document);
  assert.equal(await elm.waitFor(deal, ENDED), 'failed');
  assert.match(await reasonOf(elm, deal), /does not take it any more; the key had left/);
});

test('a receiver that calls right content wrong: the sender is told, and gives nothing more', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectTransfer(rogue);
  const deal = await send(rogue.card.name);
  const { record, about } = await receiver.offer();
  await receiver.ready(deal, record.document);
  await receiver.next('transfer-key');
  assert.equal((await receiver.say({ ...about, kind: 'transfer-fault', fault: 'wrong-content' })).kind, 'ok');
  assert.equal((await shown(elm, deal)).state, 'failed');
  const kept = await receiver.pull({ kind: 'chunks', document: record.document, from: 0, count: 1 });
  assert.equal(kept.kind, 'no');
});

test('declined, withdrawn, expired: nothing has left, and nothing can', async () => {
  const declined = await send('oak');
  await oak.waitFor(declined, ['offered']);
  await (await oak.agent()).dealDecline({ deal: declined });
  const withdrawn = await send('oak');
  await oak.waitFor(withdrawn, ['offered']);
  await (await elm.agent()).dealWithdraw({ deal: withdrawn });
  const agent = await consenting(elm);
  const expired = (await agent.dealDeliver({ files: [fileOf(elm).path], to: 'oak', transfer: ALL, expires: 3600 }))
    .deal;
  await oak.waitFor(expired, ['offered']);
  await move(everyone, 3601);
  for (const [deal, state] of [
    [declined, 'declined'],
    [withdrawn, 'withdrawn'],
    [expired, 'expired'],
  ] as const)
    for (const one of [elm, oak]) {
      assert.equal(await one.waitFor(deal, ENDED), state);
      assert.ok(!(await steps(one, deal)).includes('release'));
    }
  assert.equal((await (await notary.agent()).status()).received.arbiter, 0);
});
