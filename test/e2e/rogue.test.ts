/**
 * A contact that means harm, and another process of the same user that does not know the passphrase, against a real daemon:
 * nothing that they send may stop it, fill it, or show its owner something else than what there is.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { encodeMessage } from '../../src/commerce/messages.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { connect } from '../../src/rpc/client.ts';
import { nowSec, type Rogue, startRogue } from '../support/rogue.ts';
import { CONTRACT, endAll, PASSPHRASE, startTrio, type Trio } from '../support/traders.ts';

let trio: Trio;
let rogue: Rogue;

before(async () => {
  trio = await startTrio();
  rogue = await startRogue(trio.elm, trio.notary);
});

after(async () => {
  await rogue.stop();
  endAll();
});

const code = (wanted: string) => (error: unknown) => isFitError(error) && error.code === wanted;

test('a message or reason that could not be read again is refused before it is stored', async () => {
  const { elm, oak } = trio;
  const deal = await elm.offer(oak);
  const agent = await elm.agent();
  for (const text of ['x'.repeat(4001), '  ', '\ud800'])
    await assert.rejects(agent.dealMessage({ deal, text }), code('usage'));
  for (const reason of ['x'.repeat(4001), '\ud800'])
    await assert.rejects((await oak.agent()).dealDecline({ deal, reason }), code('usage'));
  await agent.dealMessage({ deal, text: 'x'.repeat(4000) });
  await elm.restart();
  assert.equal((await (await elm.agent()).status()).locked, false, 'opens again');
});

test('a time that no calendar has is refused and spoils no list', async () => {
  const agent = await trio.elm.agent();
  const deal = 'aaaaaaaaaaa1';
  const { ack, id } = await rogue.offer({ deal });
  assert.deepEqual(ack, { kind: 'ok' });
  const said = await rogue.say(deal, id, { kind: 'message', text: 'hello' }, Number.MAX_SAFE_INTEGER);
  assert.deepEqual(said, { kind: 'no', why: 'malformed' });
  assert.ok((await agent.dealList()).deals.some((one) => one.deal === deal));
});

test('whoever waits for a prefix that comes to mean two deals is told, and nothing else suffers', async () => {
  const agent = await connect(trio.elm.paths.socket);
  await rogue.offer({ deal: 'qqqqaaaaaaaa' });
  const waiting = agent.dealWait({ deal: 'qqqq', for: ['contracted'], timeoutMs: 20_000 });
  const outcome = assert.rejects(waiting, code('ambiguous'));
  // Answered in order: it waits by now.
  await agent.status();
  assert.deepEqual((await rogue.offer({ deal: 'qqqqbbbbbbbb' })).ack, { kind: 'ok' });
  await outcome;
  agent.close();
});

test('a version that is slipped in under an older number does not stand for that version', async () => {
  const agent = await trio.elm.consenting();
  const deal = 'vvvvvvvvvvv1';
  const first = await rogue.offer({ deal });
  const ours = CONTRACT.replace('120', '110');
  await agent.dealCounter({ deal, document: Buffer.from(ours).toString('base64') });
  const before = await agent.dealText({ deal, version: 2 });
  const shown = await agent.dealShow({ deal });
  // Whatever its digest: several, so that one of them sorts in front of ours.
  for (let price = 300; price < 308; price += 1) {
    const text = CONTRACT.replace('120', String(price));
    await rogue.offer({ deal, text, version: 2, parent: first.id });
  }
  const tip = Uint8Array.from(Buffer.from(shown.transactions.at(-1)?.id ?? '', 'hex'));
  const third = await rogue.offer({ deal, text: CONTRACT.replace('120', '310'), version: 3, parent: tip });
  assert.deepEqual(third.ack, { kind: 'ok' });
  assert.equal((await agent.dealShow({ deal })).document, toHex(third.document));
  assert.equal(
    (await agent.dealText({ deal, version: 2 })).document,
    before.document,
    'version 2 is the one that we wrote',
  );
  assert.equal((await agent.dealShow({ deal })).versions.filter((one) => one.by === 'them').length, 3, 'one a number');
});

test('refusals while an acceptance is under way are taken down once', async () => {
  const agent = await trio.elm.consenting();
  const deal = 'dddddddddddd';
  const { id, document } = await rogue.offer({ deal });
  rogue.answer = { kind: 'later', why: 'locked' };
  await agent.dealAccept({ deal });
  const before = (await agent.dealShow({ deal })).transactions.length;
  for (let i = 0; i < 5; i += 1)
    assert.deepEqual(await rogue.say(deal, id, { kind: 'withdraw', document, text: `no ${i}` }), { kind: 'ok' });
  assert.equal((await agent.dealShow({ deal })).transactions.length, before + 1);
  rogue.answer = { kind: 'ok' };
});

test('faults of a peer fill no log', async () => {
  const { elm } = trio;
  const faults = () => readFileSync(elm.log, 'utf8').split('a peer broke the protocol').length - 1;
  const before = faults();
  for (let i = 0; i < 150; i += 1) assert.equal((await rogue.send(Uint8Array.of(0x81, i & 15))).kind, 'no');
  assert.ok(faults() - before < 50, `${faults() - before} lines`);
});

test('a card that is none is refused, not retried for ever', async () => {
  assert.equal((await rogue.send(encodeMessage({ kind: 'card', card: Uint8Array.of(0x80) }))).kind, 'no');
});

test('one contact cannot take all the room that a locked daemon has', async () => {
  const { elm, oak } = trio;
  const deal = 'mmmmmmmmmmm1';
  const { id } = await rogue.offer({ deal });
  await (await elm.agent()).lock();
  const acks: string[] = [];
  for (let i = 0; i < 130; i += 1)
    acks.push((await rogue.say(deal, id, { kind: 'message', text: `m${i}` }, nowSec())).kind);
  assert.ok(acks.filter((one) => one === 'ok').length <= 100, 'not all kept');
  assert.ok(acks.includes('later'));
  const offer = await oak.offer(elm);
  await (await elm.agent()).unlock({ passphrase: PASSPHRASE });
  assert.equal(await elm.waitFor(offer, ['offered']), 'offered');
});

test('a contact with an open deal is not replaced by somebody else, who would cut it off', async () => {
  const { elm, oak, notary } = trio;
  const agent = await elm.agent();
  await agent.prove({ passphrase: PASSPHRASE });
  const deal = await elm.offer(oak);
  const other = await startRogue(elm, notary, 'other');
  await agent.contactRemove({ contact: 'other' });
  const replace = () => agent.contactAdd({ card: other.cardText, as: 'oak', replace: true });
  await assert.rejects(replace(), code('wrong-state'));
  assert.equal(
    (await agent.contactShow({ contact: 'oak' })).fingerprint,
    (await (await oak.agent()).whoami()).fingerprint,
  );
  await agent.dealWithdraw({ deal });
  await other.stop();
});

test('a proof of the passphrase ends with a lock and with a change of the passphrase', async () => {
  const { elm } = trio;
  const agent = await connect(elm.paths.socket);
  const consents = () => agent.keyCsr();
  await agent.prove({ passphrase: PASSPHRASE });
  await consents();
  await agent.lock();
  await agent.unlock({ passphrase: PASSPHRASE });
  await assert.rejects(consents(), code('needs-passphrase'));
  await agent.prove({ passphrase: PASSPHRASE });
  await agent.keyPassphrase({ old: PASSPHRASE, new: 'another one' });
  await assert.rejects(consents(), code('needs-passphrase'));
  await agent.keyPassphrase({ old: 'another one', new: PASSPHRASE });
  agent.close();
});

test('guesses at the passphrase are limited also when they come all at once', async () => {
  const connections = await Promise.all(Array.from({ length: 4 }, () => connect(trio.elm.paths.socket)));
  const guesses = connections.flatMap((one) => Array.from({ length: 5 }, () => one.prove({ passphrase: 'wrong' })));
  const told = await Promise.allSettled(guesses);
  const wrong = told.filter((one) => one.status === 'rejected' && code('wrong-passphrase')(one.reason)).length;
  assert.ok(wrong <= 5, `${wrong} guesses were tried`);
  for (const one of connections) one.close();
});

test('an arbiter keeps what one address asks within bounds, whoever it says it is', async () => {
  const { notary } = trio;
  const received = async () => (await (await notary.agent()).status()).received.arbiter;
  const before = await received();
  const askers = await Promise.all(['one', 'two'].map((name) => startRogue(notary, notary, name)));
  const asked = askers.flatMap((one) =>
    Array.from({ length: 250 }, () => one.request('/fit/arbiter/1', Uint8Array.of(0x80)).catch(() => undefined)),
  );
  await Promise.all(asked);
  const more = (await received()) - before;
  assert.ok(more > 0 && more < 330, `${more} of ${asked.length} requests were taken`);
  await Promise.all(askers.map((one) => one.stop()));
});

test('a locked daemon is not a silent one: patience with it begins when it could have answered', async () => {
  const { elm, oak } = await startTrio({ patience: '1s' });
  const deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
  await (await elm.agent()).lock();
  await (await oak.consenting()).dealAccept({ deal });
  await assert.rejects(oak.waitFor(deal, ['contracted'], 3000), code('timed-out'));
  assert.equal((await (await oak.agent()).dealShow({ deal })).state, 'signing');
  await (await elm.agent()).unlock({ passphrase: PASSPHRASE });
  assert.equal(await oak.waitFor(deal, ['contracted']), 'contracted');
});
