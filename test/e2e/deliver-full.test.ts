/**
 * Deliveries with a full check: no window, and nobody who has to be there. Each party cheats or is silent at each step; who asks
 * the arbiter brings the ciphertext, also locked, also when the arbiter is killed meanwhile; what does not fit is not taken. Real
 * daemons for the honest party and the arbiter; the other side plays its messages one by one, or is a real daemon that cheats.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { keyIn } from '../../src/exchange/completion.ts';
import { decodePieceReply, encodePiece, piecesOf } from '../../src/exchange/pieces.ts';
import { type ExchangeRecord, xidOf } from '../../src/exchange/record.ts';
import { test } from '../support/in-time.ts';
import { type ContentFields, expectAsReceiver, offerAsSender } from '../support/rogue-delivery.ts';
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
} from '../support/rogue-trio.ts';
import { PASSPHRASE, type Trader } from '../support/traders.ts';

const ENDED = ['completed', 'aborted', 'declined'] as const;
const { folder, elm, oak, notary, everyone, rogueOf } = rogueSetting({ patience: '1s' });

const asked = async (): Promise<number> => (await (await notary.agent()).status()).received.arbiter;
const shown = async (trader: Trader, deal: string) => (await trader.agent()).dealShow({ deal });
/** What was brought to the arbiter and lies there. */
const brought = (): readonly string[] => {
  const place = join(notary.home, 'content', 'brought');
  return existsSync(place) ? readdirSync(place) : [];
};
const itemOf = ({ itemO }: ExchangeRecord) => {
  assert.ok(itemO.kind === 'content');
  return itemO;
};

async function withPatience(trader: Trader, value: string): Promise<void> {
  await (await trader.agent()).configSet({ key: 'exchange.patience', value });
  await trader.kill();
  await start(trader);
}

/** A sender that says no more after message 2; what it then has. */
async function silentSender(t: TestContext, fields: ContentFields = {}, ahead = 0) {
  const sender = await offerAsSender(await rogueOf(t, oak), { ...fields, window: 0 }, ahead);
  await oak.waitFor(sender.deal, ['offered']);
  await (await consenting(oak)).dealAccept({ deal: sender.deal });
  await sender.next('ready');
  const record = sender.record();
  const { witness, promise } = sender.promise(record);
  await sender.say({ kind: 'promise', role: 'O', record, promise });
  const { promise: theirs } = await sender.next('promise');
  return { ...sender, record, witness, promises: { O: promise, R: theirs } };
}

test('an honest delivery with a full check: the arbiter hears nothing, and both were told what it would see', async () => {
  const before = await asked();
  const { path, data } = fileOf(elm);
  const said = await elm.ok<{ readonly deal: string }>(
    ...['send', path, '--to', 'oak', '--arbiter', 'notary', '--check', 'full', '--no-wait', ...elm.pw],
  );
  const { deal } = said;
  await oak.waitFor(deal, ['offered']);
  const text = await oak.fit('deal', 'show', deal, '--text');
  assert.match(text.stdout, /check = "full"/);
  assert.match(text.stdout, /compares all of it, and can read\nit; if a part of it is wrong, nobody owes anything/);
  for (const one of [elm, oak]) {
    assert.match((await one.fit('deal', 'show', deal)).stdout, /check +full: the arbiter, .* can read them/);
    const { stdout } = await one.fit('deal', 'explain', deal);
    assert.match(stdout, /there is no window/);
    assert.match(stdout, /if it is asked, it can read them/);
  }
  const to = join(folder, 'in');
  assert.equal((await oak.fit('deal', 'receive', deal, '--to', to, ...oak.pw)).code, 0);
  assert.deepEqual(readFileSync(join(to, 'plan.pdf')), data);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  const receipt = (await elm.evidence(deal)).get('receipt.txt')?.toString() ?? '';
  assert.match(receipt, /it compares\nall of the content before it completes the exchange/);
  assert.equal(await asked(), before);
});

test('the sender is silent after message 2: the receiver brings the ciphertext and has the content at once', async (t) => {
  const sender = await silentSender(t);
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'completed');
  assert.equal((await shown(oak, sender.deal)).via, 'arbiter');
  assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
  // The receipt comes by itself, and lies at the arbiter too.
  await sender.next('release');
  assert.equal((await sender.ask(sender.record, 'status')).kind, 'resolved');
  assert.deepEqual(brought(), []);
});

test('⚔ a wrong chunk: the arbiter finds it, it is void for both, and neither key nor receipt has left it', async (t) => {
  const sender = await silentSender(t, { wrongChunk: 1 });
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'aborted');
  assert.match(await reasonOf(oak, sender.deal), /not what its sender signed.*you owe no receipt/);
  assert.equal((await shown(oak, sender.deal)).transactions.at(-1)?.kind, 'void');
  assert.equal(await contentOf(oak, sender.deal), undefined);
  const { record, promises } = sender;
  assert.equal((await sender.ask(record, 'resolve', { promises })).kind, 'void');
  assert.equal((await sender.ask(record, 'abort')).kind, 'void');
  assert.deepEqual(brought(), []);
  const { cases } = await (await notary.agent()).arbiterCases();
  assert.ok(cases.some((one) => one.xid === Buffer.from(xidOf(record)).toString('hex') && one.state === 'voided'));
});

test('the receiver is silent after message 3: the sender brings the ciphertext and has the receipt at once', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path } = fileOf(elm, 1_500_000);
  const deal = await offer(elm, rogue.card.name, path, 'full');
  const { record } = await receiver.begin();
  assert.equal(record.check, 'full');
  const made = receiver.promise(record);
  await receiver.say({ kind: 'promise', role: 'R', xid: xidOf(record), promise: made.promise });
  await receiver.next('release');
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  assert.equal((await shown(elm, deal)).via, 'arbiter');
  assert.ok((await elm.evidence(deal)).has('receipt.p7s'));
  // Whoever was silent has the key too, in time or not.
  assert.equal((await receiver.ask(record, 'status')).kind, 'resolved');
  assert.deepEqual(brought(), []);
});

test('⚔ a sender of wrong content that asks brings its own proof: void, and no receipt', async (t) => {
  await elm.kill();
  await start(elm, 'chunk');
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path } = fileOf(elm);
  const deal = await offer(elm, rogue.card.name, path, 'full');
  const { record } = await receiver.begin();
  const made = receiver.promise(record);
  await receiver.say({ kind: 'promise', role: 'R', xid: xidOf(record), promise: made.promise });
  await receiver.next('release');
  assert.equal(await elm.waitFor(deal, ENDED), 'aborted');
  assert.match(await reasonOf(elm, deal), /not what you signed: the arbiter found it void, and there is no receipt/);
  assert.equal((await receiver.ask(record, 'status')).kind, 'void');
  await assert.rejects(elm.evidence(deal), { code: 'wrong-state' });
  // An honest receiver that has the key proves it by itself, as with a window.
  const second = await offer(elm, 'oak', fileOf(elm).path, 'full');
  await oak.waitFor(second, ['offered']);
  await (await consenting(oak)).dealAccept({ deal: second });
  for (const one of [elm, oak]) assert.equal(await one.waitFor(second, ENDED), 'aborted');
  assert.match(await reasonOf(oak, second), /not what its sender signed.*you owe no receipt/);
  await elm.kill();
  await start(elm);
});

test('⚔ other bytes are not taken, unasked ones neither; what is wanted depends on nothing but what was brought', async (t) => {
  await withPatience(elm, '1h');
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const deal = await offer(elm, rogue.card.name, fileOf(elm).path, 'full');
  const { record, promise, digest } = await receiver.begin();
  const { bytes, chunks } = itemOf(record);
  const ciphertext = await receiver.ciphertext(digest, chunks);
  const own = receiver.promise(record);
  const good = { O: promise, R: own.promise };
  const junk = { O: promise, R: receiver.promise({ ...record, deal: 'aaaaaaaaaaaa' }).promise };
  const bring = async (piece: Uint8Array | undefined) =>
    decodePieceReply(await rogue.request('/fit/arbiter/1', piece ?? new Uint8Array(), rogue.arbiterCard));
  const pieces = [...piecesOf(xidOf(record), bytes, ciphertext, 0)];
  assert.equal(pieces.length, chunks);
  assert.equal(await bring(pieces[0]), 'not-wanted', 'nobody has asked');
  for (const promises of [junk, good])
    assert.deepEqual(await receiver.ask(record, 'resolve', { promises }), { kind: 'wanted', from: 0 });
  const spoilt = Uint8Array.from(ciphertext);
  spoilt[0] = (spoilt[0] ?? 0) ^ 1;
  assert.equal(await bring([...piecesOf(xidOf(record), bytes, spoilt, 0)][0]), 'wrong');
  const path = Array.from({ length: 8 }, () => new Uint8Array(32));
  const odd = { xid: xidOf(record), index: chunks, sealed: ciphertext.subarray(0, 100), path };
  assert.equal(await bring(encodePiece(odd)), 'wrong');
  assert.equal(await bring(encodePiece({ ...odd, xid: new Uint8Array(32) })), 'not-wanted');
  assert.equal(await bring(pieces[0]), 'taken');
  assert.equal(await bring(pieces[0]), 'taken', 'twice is once');
  for (const promises of [junk, good])
    assert.deepEqual(await receiver.ask(record, 'resolve', { promises }), { kind: 'wanted', from: 1 });
  for (const piece of pieces.slice(1, -1)) assert.equal(await bring(piece), 'taken');
  assert.deepEqual(await receiver.ask(record, 'resolve', { promises: good }), { kind: 'wanted', from: chunks - 1 });
  assert.equal(brought().length, 1);

  // The arbiter is killed amid it: nothing is kept, nothing is decided, and it is all wanted again.
  await notary.kill();
  await start(notary);
  assert.deepEqual(brought(), []);
  assert.equal(await bring(pieces.at(-1)), 'not-wanted');
  assert.deepEqual(await receiver.ask(record, 'resolve', { promises: good }), { kind: 'wanted', from: 0 });
  for (const piece of pieces) assert.equal(await bring(piece), 'taken');
  assert.deepEqual(await receiver.ask(record, 'resolve', { promises: junk }), { kind: 'refused' });
  assert.equal((await receiver.ask(record, 'status')).kind, 'undecided');
  const answer = await receiver.ask(record, 'resolve', { promises: good });
  assert.ok(answer.kind === 'resolved' && keyIn(answer.witnesses.O) !== null);
  assert.deepEqual(brought(), []);
  // Who was away is told when it asks.
  await (await elm.agent()).dealAbort({ deal });
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  await withPatience(elm, '1s');
});

test('what the receiver fetched is damaged on its disk: it fetches it again, and then brings it', async (t) => {
  await withPatience(oak, '1h');
  const sender = await silentSender(t);
  const place = join(oak.home, 'content');
  const damaged = readdirSync(place)
    .map((name) => join(place, name, 'ciphertext'))
    .filter((path) => existsSync(path));
  assert.equal(damaged.length, 1);
  for (const path of damaged) writeFileSync(path, readFileSync(path).fill(0, 70_000, 70_010));
  await (await oak.agent()).dealResolve({ deal: sender.deal });
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'completed');
  assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
  await withPatience(oak, '1s');
});

for (const [n, when, what] of [
  [1, 'after', 'before anything is brought'],
  [2, 'before', 'when all of it is brought'],
] as const) {
  test(`the arbiter is killed ${what}: the receiver brings it again by itself`, async (t) => {
    order(notary, { space: 'meta', n, when, signal: 'SIGKILL' });
    const sender = await silentSender(t);
    assert.equal(await notary.exited, 137);
    await start(notary);
    assert.equal(await oak.waitFor(sender.deal, ENDED), 'completed');
    assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
  });
}

test('a file of the sender is not what it was when the arbiter wants it: its owner is told, and once it is back all goes on', async (t) => {
  const rogue = await rogueOf(t, elm);
  const receiver = expectAsReceiver(rogue);
  const { path, data } = fileOf(elm);
  const deal = await offer(elm, rogue.card.name, path, 'full');
  const { record } = await receiver.begin();
  const changed = elm.event((event) => event.deal === deal && event.kind === 'file-changed');
  writeFileSync(path, Buffer.from(data).fill(0, 5, 9));
  await receiver.say({ kind: 'promise', role: 'R', xid: xidOf(record), promise: receiver.promise(record).promise });
  await receiver.next('release');
  await changed;
  writeFileSync(path, data);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
});

test('⚔ more than a full check takes is refused before anything is read, offered or signed; and so is a swap', async () => {
  const { deals } = await (await elm.agent()).dealList();
  const { path } = fileOf(elm, 16 * 1024 * 1024 + 1);
  const args = ['--to', 'oak', '--arbiter', 'notary', '--check', 'full', ...elm.pw];
  const said = await elm.fails(2, 'send', path, ...args);
  assert.match(said.stderr, /a full check takes at most 16 MiB of content\n.*--check window=72h/);
  const [deal] = deals;
  assert.ok(deal !== undefined);
  const swap = await elm.fails(
    2,
    ...['deal', 'swap', deal.deal, '--give', fileOf(elm).path, '--want', 'a scan', '--check', 'full', ...elm.pw],
  );
  assert.match(swap.stderr, /a swap has no full check/);
  assert.match((await elm.fails(2, 'send', path, ...args.with(5, 'all'))).stderr, /--check is full, or window=/);
  assert.equal((await (await elm.agent()).dealList()).deals.length, deals.length);
});

test('the largest that a full check takes, from a receiver whose sender is silent', async (t) => {
  const sender = await silentSender(t, { bytes: 16 * 1024 * 1024 });
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'completed');
  assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
});

test('a receiver that is locked brings the ciphertext when time is short, and has the content when it is unlocked', async (t) => {
  await withPatience(oak, '30d');
  const sender = await silentSender(t);
  await (await oak.agent()).lock();
  // Twenty days of help, with a margin of 25 hours.
  await move(everyone, 19 * 86_400);
  const later = Date.now() + 18 * 86_400_000;
  await notary.event(({ kind, at }) => kind === 'case' && Date.parse(at) > later);
  assert.equal((await sender.ask(sender.record, 'status')).kind, 'resolved');
  await (await oak.agent()).unlock({ passphrase: PASSPHRASE });
  assert.equal(await oak.waitFor(sender.deal, ENDED), 'completed');
  assert.deepEqual(await contentOf(oak, sender.deal), Buffer.from(sender.content.data));
});

test('both end with the same evidence whoever completed it', async () => {
  await oak.kill();
  await start(oak);
  const { path, data } = fileOf(elm);
  const deal = await offer(elm, 'oak', path, 'full');
  await oak.waitFor(deal, ['offered']);
  order(elm, { space: 'exchanges', n: 3, when: 'before', signal: 'SIGKILL' });
  await (await consenting(oak)).dealAccept({ deal });
  assert.equal(await elm.exited, 137);
  // Its patience is long by now: it is told to ask.
  await oak.waitFor(deal, ['signing']);
  await (await oak.agent()).dealResolve({ deal });
  assert.equal(await oak.waitFor(deal, ENDED), 'completed');
  await start(elm);
  assert.equal(await elm.waitFor(deal, ENDED), 'completed');
  await sameDelivery(elm, oak, deal, data);
});
