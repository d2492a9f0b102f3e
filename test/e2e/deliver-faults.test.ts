/**
 * Each party of a delivery cheats at each step, or is not there: whoever keeps to the protocol loses nothing, and is told why in
 * one sentence. Real daemons for the honest party and the arbiter; the cheat is a real daemon whose content is wrong, or plays its
 * messages one by one. Windows end because the clocks of all daemons are moved, not because anybody waits.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Verdict } from '../../src/evidence/verify.ts';
import { keyIn } from '../../src/exchange/completion.ts';
import { xidOf } from '../../src/exchange/record.ts';
import type { DealResult } from '../../src/rpc/agent.ts';
import { test } from '../support/in-time.ts';
import { expectAsReceiver, offerAsSender } from '../support/rogue-delivery.ts';
import { rogueSetting } from '../support/rogue-setting.ts';
import {
  consenting,
  contentOf,
  fileOf,
  move,
  offer,
  order,
  reasonOf,
  sameDelivery,
  start,
  WINDOW,
} from '../support/rogue-trio.ts';
import type { Trader } from '../support/traders.ts';

const ENDED = ['completed', 'aborted', 'declined'] as const;

const { folder, elm, oak, notary, everyone, rogueOf } = rogueSetting({ patience: '1s' });
/** Seconds by which the daemons' clocks are ahead of ours. */
let ahead = 0;

async function pass(seconds: number): Promise<void> {
  ahead += seconds;
  await move(everyone, ahead);
}

/** Starts it anew with another patience. */
async function withPatience(trader: Trader, value: string): Promise<void> {
  await (await trader.agent()).configSet({ key: 'exchange.patience', value });
  await trader.kill();
  await start(trader);
}

const shown = async (trader: Trader, deal: string): Promise<DealResult> => (await trader.agent()).dealShow({ deal });
const asked = async (): Promise<number> => (await (await notary.agent()).status()).received.arbiter;
const lastCase = async (): Promise<string | undefined> => {
  const { cases } = await (await notary.agent()).arbiterCases();
  return cases.toSorted((a, b) => (a.decided < b.decided ? -1 : 1)).at(-1)?.state;
};
const steps = async (trader: Trader, deal: string): Promise<readonly string[]> =>
  (await shown(trader, deal)).transactions.map((one) => one.kind);

/** The receiver has consented and the content is with it. */
async function accept(receiver: Trader, deal: string): Promise<void> {
  await receiver.waitFor(deal, ['offered']);
  await (await consenting(receiver)).dealAccept({ deal });
}

test('one chunk is not what its leaf says: the receiver proves it by itself, it is void for both, no file and no receipt', async () => {
  await elm.kill();
  await start(elm, 'chunk');
  const { path } = fileOf(elm);
  const deal = await offer(elm, 'oak', path);
  await oak.waitFor(deal, ['offered']);
  const to = join(folder, 'void');
  const said = await oak.fit('deal', 'receive', deal, '--to', to, '--timeout', '40', ...oak.pw);
  assert.equal(said.code, 1, said.stderr);
  assert.match(said.stderr, /the arbiter found it void, and you owe no receipt/);
  assert.deepEqual(readdirSync(to), []);
  assert.equal(await elm.waitFor(deal, ENDED), 'aborted');
  assert.equal(await oak.waitFor(deal, ENDED), 'aborted');
  assert.match(await reasonOf(oak, deal), /not what its sender signed.*you owe no receipt/);
  assert.match(await reasonOf(elm, deal), /the receiver proved.*there is no receipt/);
  assert.equal(await lastCase(), 'voided');
  assert.deepEqual((await steps(oak, deal)).slice(-3), ['key', 'complaint', 'void']);
  assert.equal(await contentOf(oak, deal), undefined);
  // Not when the window is over either.
  await pass(WINDOW + 1);
  for (const one of [elm, oak]) assert.equal((await shown(one, deal)).state, 'aborted');
  await assert.rejects(elm.evidence(deal), { code: 'wrong-state' });
});

for (const [cheat, what] of [
  ['leaves', 'leaves that are'],
  ['ciphertext', 'ciphertext that is'],
] as const) {
  test(`${what} not of the root: refused before anything is signed, and both are told`, async () => {
    await elm.kill();
    await start(elm, cheat);
    const before = await asked();
    const { path } = fileOf(elm);
    const deal = await offer(elm, 'oak', path);
    await accept(oak, deal);
    for (const one of [oak, elm]) {
      assert.equal(await one.waitFor(deal, ENDED), 'declined');
      assert.match(await reasonOf(one, deal), /not what the note names; nothing was signed/);
      assert.ok(!(await steps(one, deal)).includes('promise'));
    }
    assert.equal(await contentOf(oak, deal), undefined);
    assert.equal(await asked(), before);
    const to = join(folder, `never-${cheat}`);
    const said = await oak.fit('deal', 'receive', deal, '--to', to, '--timeout', '20', ...oak.pw);
    assert.equal(said.code, 1, said.stderr);
    assert.ok(!existsSync(to) || readdirSync(to).length === 0);
  });
}

test('a sender that keeps to it again is served without the arbiter', async () => {
  await elm.kill();
  await start(elm);
  const before = await asked();
  const { path, data } = fileOf(elm);
  const deal = await offer(elm, 'oak', path);
  await accept(oak, deal);
  for (const one of [elm, oak]) assert.equal(await one.waitFor(deal, ENDED), 'completed');
  await sameDelivery(elm, oak, deal, data);
  assert.equal(await asked(), before);
});

test('message 1 over another ciphertext or key point than was fetched: nothing is promised', async (t) => {
  const sender = await offerAsSender(await rogueOf(t, oak), {}, ahead);
  await accept(oak, sender.deal);
  await sender.next('ready');
  const other = { ciphertextRoot: sender.content.terms.root };
  const record = sender.record(other);
  const said = await sender.say({ kind: 'promise', role: 'O', record, promise: sender.promise(record).promise });
  assert.deepEqual(said, { kind: 'no', why: 'not-fetched' });
  const pointed = { ...sender.record(), nonce: record.nonce };
  const swapped = { ...pointed, itemR: { kind: 'statement', template: 'something else' } } as const;
  const { promise } = sender.promise(pointed);
  assert.equal((await sender.say({ kind: 'promise', role: 'O', record: swapped, promise })).kind, 'no');
  assert.ok(!(await steps(oak, sender.deal)).includes('promise'));
  // The promise of another exchange does not verify, and none of it is recorded: the right one still finds its way.
  const good = sender.record();
  assert.deepEqual(await sender.say({ kind: 'promise', role: 'O', record: good, promise }), {
    kind: 'no',
    why: 'bad-proof',
  });
  assert.equal((await shown(oak, sender.deal)).state, 'offered');
});

test('message 3 with the key of another file is refused; the arbiter gives the right one at once', async (t) => {
  const sender = await offerAsSender(await rogueOf(t, oak), {}, ahead);
  await accept(oak, sender.deal);
  await sender.next('ready');
  const record = sender.record();
  const { witness, promise } = sender.promise(record);
  assert.equal((await sender.say({ kind: 'promise', role: 'O', record, promise })).kind, 'ok');
  await sender.next('promise');
  const other = Uint8Array.from(witness);
  other[95] = (other[95] ?? 0) ^ 1;
  assert.deepEqual(await sender.say(sender.release(record, other)), { kind: 'no', why: 'bad-signature' });
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'completed');
  const { via } = await shown(oak, sender.deal);
  assert.equal(via, 'arbiter');
  assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
});

test('wrong content and the arbiter asked at once, so that the window runs: the receiver hears of it in time', async (t) => {
  await withPatience(oak, '1h');
  const sender = await offerAsSender(await rogueOf(t, oak), { wrongChunk: 0 }, ahead);
  await accept(oak, sender.deal);
  await sender.next('ready');
  const record = sender.record();
  const { promise } = sender.promise(record);
  await sender.say({ kind: 'promise', role: 'O', record, promise });
  const { promise: theirs } = await sender.next('promise');
  const promises = { O: promise, R: theirs };
  assert.equal((await sender.ask(record, 'resolve', { promises })).kind, 'pending');
  await pass(WINDOW / 2);
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'aborted');
  assert.match(await reasonOf(oak, sender.deal), /you owe no receipt/);
  await pass(WINDOW);
  assert.equal((await sender.ask(record, 'resolve', { promises })).kind, 'void');
  assert.equal((await sender.ask(record, 'abort')).kind, 'void');
  await withPatience(oak, '1s');
});

test('content that cannot be compared within the window is not accepted', async (t) => {
  const sender = await offerAsSender(await rogueOf(t, oak), { named: 2 ** 30 }, ahead);
  await oak.waitFor(sender.deal, ['offered']);
  const said = await oak.fit('deal', 'receive', sender.deal, '--to', join(folder, 'huge'), ...oak.pw);
  assert.equal(said.code, 3, said.stderr);
  assert.match(said.stderr, /the window is too short to compare that much content in it\n.*--check window=128s/);
  assert.equal((await shown(oak, sender.deal)).state, 'offered');
});

for (const wrongChunk of [undefined, 1]) {
  const what = wrongChunk === undefined ? 'the right key: delivered' : 'the key of wrong content: nothing is owed';
  test(`a sender aborts at the arbiter and sends message 3 with ${what}`, async (t) => {
    const sender = await offerAsSender(await rogueOf(t, oak), wrongChunk === undefined ? {} : { wrongChunk }, ahead);
    await accept(oak, sender.deal);
    await sender.next('ready');
    const record = sender.record();
    const { witness, promise } = sender.promise(record);
    await sender.say({ kind: 'promise', role: 'O', record, promise });
    const { promise: theirs } = await sender.next('promise');
    assert.equal((await sender.ask(record, 'abort')).kind, 'token');
    await sender.say(sender.release(record, witness));
    const end = await oak.waitFor(sender.deal, ENDED);
    if (wrongChunk === undefined) {
      // Content against receipt, whatever the sender told the arbiter.
      assert.equal(end, 'completed');
      await sender.next('release');
      assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
    } else {
      assert.equal(end, 'aborted');
      assert.match(await reasonOf(oak, sender.deal), /nobody owes anything/);
      assert.equal(await contentOf(oak, sender.deal), undefined);
      const promises = { O: promise, R: theirs };
      assert.equal((await sender.ask(record, 'resolve', { promises })).kind, 'token');
    }
  });
}

test('a note that describes its file wrongly: the receiver is told which one', async (t) => {
  const sender = await offerAsSender(await rogueOf(t, oak), { sha256: new Uint8Array(32) }, ahead);
  await accept(oak, sender.deal);
  await sender.next('ready');
  const record = sender.record();
  const { witness, promise } = sender.promise(record);
  await sender.say({ kind: 'promise', role: 'O', record, promise });
  await sender.next('promise');
  await sender.say(sender.release(record, witness));
  await oak.waitFor(sender.deal, ENDED);
  const { trouble } = await (await oak.agent()).deliveryShow({ deal: sender.deal });
  assert.match(trouble ?? '', /plan\.pdf .* has another SHA-256 than the note says/);
  assert.ok((await oak.fit('deal', 'show', sender.deal)).stdout.includes(trouble ?? ''));
  // Taken with what proves it: the sender signed the root of these very bytes, and a note with another digest.
  const to = join(folder, 'misdescribed');
  const said = await oak.fit('deal', 'receive', sender.deal, '--to', to, ...oak.pw);
  const salts = join(to, `${sender.deal}.salts`);
  assert.ok(said.stderr.includes(salts), said.stderr);
  const [plan, evidence] = [join(to, 'plan.pdf'), join(folder, 'misdescribed-evidence')];
  assert.deepEqual(readFileSync(plan), Buffer.from(sender.content.data));
  await oak.ok('deal', 'export', sender.deal, '--dir', evidence);
  const problem = async (...more: readonly string[]): Promise<string | undefined> => {
    const { code, stdout } = await oak.fit('verify', evidence, '--content', plan, ...more, '--json');
    assert.equal(code, 1);
    return (JSON.parse(stdout) as Verdict).problem?.code;
  };
  assert.equal(await problem(), 'other-content');
  assert.equal(await problem('--salts', salts), 'misdescribed');
  // A receiver that changed the file afterwards shows nothing.
  writeFileSync(plan, Buffer.from(sender.content.data).fill(0, 5, 6));
  assert.equal(await problem('--salts', salts), 'other-content');
});

test('a receiver takes the ciphertext and is silent: aborted, and it never gets the key', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path } = fileOf(elm);
  const deal = await offer(elm, rogue.card.name, path);
  const { record, promise, digest } = await receiver.begin();
  await receiver.falseProofs(digest, 4, new Uint8Array(96));
  assert.equal(await elm.waitFor(deal, ENDED), 'aborted');
  assert.match(await reasonOf(elm, deal), /nobody owes anything/);
  const own = receiver.promise(record);
  const promises = { O: promise, R: own.promise };
  assert.equal((await receiver.ask(record, 'resolve', { promises })).kind, 'token');
  await receiver.say({
    kind: 'promise',
    role: 'R',
    xid: xidOf(record),
    promise: own.promise,
  });
  await receiver.next('declined');
});

test('a receipt over other roots is no promise, and opens nothing', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path } = fileOf(elm);
  const deal = await offer(elm, rogue.card.name, path);
  const { record, promise } = await receiver.begin();
  const { itemO } = record;
  assert.ok(itemO.kind === 'content');
  const other = { ...record, itemO: { ...itemO, plaintextRoot: itemO.ciphertextRoot } };
  const made = receiver.promise(other);
  const said = await receiver.say({ kind: 'promise', role: 'R', xid: xidOf(record), promise: made.promise });
  assert.deepEqual(said, { kind: 'no', why: 'bad-proof' });
  const promises = { O: promise, R: made.promise };
  assert.equal((await receiver.ask(record, 'resolve', { promises })).kind, 'refused');
  assert.equal(await elm.waitFor(deal, ENDED), 'aborted');
  assert.match(await reasonOf(elm, deal), /nobody owes anything/);
});

test('a receiver takes the key and denies the receipt, complaining of right content: the sender has it after the window', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path } = fileOf(elm);
  const deal = await offer(elm, rogue.card.name, path);
  const { record, promise, digest } = await receiver.begin();
  const made = receiver.promise(record);
  await receiver.say({ kind: 'promise', role: 'R', xid: xidOf(record), promise: made.promise });
  const message = await receiver.next('release');
  assert.equal(message.role, 'O');
  const witness = message.release.subarray(-96);
  assert.ok(keyIn(witness) !== null);
  const proofs = await receiver.falseProofs(digest, 4, witness);
  // A receipt for something else is none.
  const { itemO } = record;
  assert.ok(itemO.kind === 'content');
  const forged = receiver.promise({ ...record, itemO: { ...itemO, bytes: itemO.bytes + 1 } });
  assert.equal((await receiver.say(receiver.release(record, forged.witness))).kind, 'no');
  for (const proof of proofs)
    assert.ok(['refused', 'released'].includes((await receiver.ask(record, 'misbehaviour', { proof })).kind));
  await elm.event((event) => event.deal === deal && event.kind === 'resolve');
  while ((await lastCase()) !== 'pending') await notary.event(({ kind }) => kind === 'case');
  for (const proof of proofs)
    assert.equal((await receiver.ask(record, 'misbehaviour', { proof })).kind, 'released', 'nothing is void by it');
  assert.equal((await receiver.ask(record, 'abort')).kind, 'released');
  assert.equal((await shown(elm, deal)).state, 'signing');
  assert.equal((await shown(elm, deal)).waitsFor, 'arbiter');
  await pass(WINDOW + 1);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  assert.equal((await shown(elm, deal)).via, 'arbiter');
  assert.ok((await elm.evidence(deal)).has('receipt.p7s'));
  for (const proof of proofs)
    assert.equal((await receiver.ask(record, 'misbehaviour', { proof })).kind, 'resolved', 'and it stays so');
  assert.ok(promise.length > 0);
});

/** The receiver promises to the arbiter alone, which gives it the key. */
async function keyFromArbiter(t: TestContext) {
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path } = fileOf(elm);
  const deal = await offer(elm, rogue.card.name, path);
  const { record, promise } = await receiver.begin();
  const own = receiver.promise(record);
  return {
    deal,
    async resolve(): Promise<void> {
      const promises = { O: promise, R: own.promise };
      assert.equal((await receiver.ask(record, 'resolve', { promises })).kind, 'released');
    },
    /** Message 4. */
    receipt: () => receiver.say(receiver.release(record, own.witness)),
    forged: () => receiver.say(receiver.release(record, receiver.promise({ ...record, margin: 1 }).witness)),
  };
}

test('a receiver has the key from the arbiter and has never promised to the sender, who wants to abort: it gets the receipt', async (t) => {
  const { deal, resolve } = await keyFromArbiter(t);
  await resolve();
  await elm.event((event) => event.deal === deal && event.kind === 'abort');
  await pass(WINDOW + 1);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  assert.ok((await elm.evidence(deal)).has('receipt.p7s'));
});

test('the arbiter is away for hours: what needs it waits and goes on when it is back', async () => {
  await notary.kill();
  const honest = fileOf(elm);
  const first = await offer(elm, 'oak', honest.path);
  await accept(oak, first);
  for (const one of [elm, oak]) assert.equal(await one.waitFor(first, ENDED), 'completed');
  await sameDelivery(elm, oak, first, honest.data);

  order(elm, { space: 'exchanges', n: 3, when: 'before', signal: 'SIGKILL' });
  const { path, data } = fileOf(elm);
  const deal = await offer(elm, 'oak', path);
  await accept(oak, deal);
  assert.equal(await elm.exited, 137);
  await oak.event((event) => event.deal === deal && event.state === 'signing');
  await pass(5 * 3600);
  assert.equal((await shown(oak, deal)).state, 'signing');
  await start(notary);
  assert.equal(await oak.waitFor(deal, ENDED), 'completed');
  assert.equal((await shown(oak, deal)).via, 'arbiter');
  await start(elm);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  await sameDelivery(elm, oak, deal, data);
});

test('the same receiver gives its receipt itself: no window is waited for', async (t) => {
  const { deal, resolve, receipt, forged } = await keyFromArbiter(t);
  await resolve();
  await elm.event((event) => event.deal === deal && event.kind === 'abort');
  assert.deepEqual(await forged(), { kind: 'no', why: 'bad-signature' });
  assert.equal((await shown(elm, deal)).state, 'signing');
  assert.equal((await receipt()).kind, 'ok');
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  assert.equal((await shown(elm, deal)).via, 'arbiter');
  assert.ok((await elm.evidence(deal)).has('receipt.p7s'));
});

test('wrong content while the arbiter is away: the receiver complains until it is heard', async () => {
  await Promise.all([notary.kill(), elm.kill()]);
  await start(elm, 'chunk');
  const { path } = fileOf(elm);
  const deal = await offer(elm, 'oak', path);
  await accept(oak, deal);
  await oak.event((event) => event.deal === deal && event.kind === 'complaint');
  assert.equal((await shown(oak, deal)).waitsFor, 'arbiter');
  await pass(5 * 3600);
  await oak.kill();
  await start(oak);
  await start(notary);
  for (const one of [elm, oak]) assert.equal(await one.waitFor(deal, ENDED), 'aborted');
  assert.equal(await lastCase(), 'voided');
  assert.match(await reasonOf(oak, deal), /you owe no receipt/);
});

test('a sender that is away from message 1 until long after the time limit has its receipt when it is back', async (t) => {
  await elm.kill();
  await start(elm);
  const { deal, resolve } = await keyFromArbiter(t);
  await elm.kill();
  await resolve();
  await pass(21 * 86_400);
  await start(elm);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  assert.ok((await elm.evidence(deal)).has('receipt.p7s'));
});
