/**
 * Messages of one kind of exchange about the text of another: of a contract or a delivery about a transfer, of a transfer about a
 * delivery. Each is a refusal that changes nothing, also when it was read only at an unlock; what was accepted goes on.
 */
import assert from 'node:assert/strict';
import { after, before, type TestContext } from 'node:test';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import type { Ack } from '../../src/daemon/outbox.ts';
import { decodeAck } from '../../src/daemon/outbox.ts';
import { decodeAnswer, openAnswer } from '../../src/exchange/answers.ts';
import type { Item } from '../../src/exchange/items.ts';
import { encodeMessage } from '../../src/exchange/messages.ts';
import { type ExchangeRecord, xidOf } from '../../src/exchange/record.ts';
import { makeRequest, sealRequest } from '../../src/exchange/requests.ts';
import type { TransferTerms } from '../../src/exchange/terms.ts';
import { encodeTransferMessage } from '../../src/exchange/transfer-messages.ts';
import { present } from '../../src/lib/assert.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { test } from '../support/in-time.ts';
import { nowSec, type Rogue } from '../support/rogue.ts';
import { claimSwap, makeContent, offerAsSender } from '../support/rogue-delivery.ts';
import { rogues } from '../support/rogue-setting.ts';
import { expectTransfer, statementBy, transferAsSender } from '../support/rogue-transfer.ts';
import { consenting, fileOf, start, WINDOW } from '../support/rogue-trio.ts';
import { endAll, introduce, Trader, temporary } from '../support/traders.ts';

const ALL: TransferTerms = { origin: true, receipt: 'asked' };

const folder = temporary();
const [oak, notary] = ['oak', 'notary'].map((name) => new Trader(folder, name)) as [Trader, Trader];

before(async () => {
  await Promise.all([oak.init(), notary.init({ role: 'arbiter' })]);
  await Promise.all([start(oak), start(notary)]);
  await introduce([oak, notary]);
});
after(endAll);
const rogue = rogues(notary);
const rogueOf = (t: TestContext): Promise<Rogue> => rogue(t, oak);

const stateOf = async (deal: string): Promise<string> => (await (await oak.agent()).dealShow({ deal })).state;

interface About {
  readonly deal: string;
  readonly document: Uint8Array;
}

/** A record that names that text, whatever the text is. */
function recordOver({ card, victimCard, arbiterCard }: Rogue, about: About, item?: Item): ExchangeRecord {
  const role = present(
    arbiterCard.roles.find((one) => one.role === 'arbiter'),
    'arbiter role',
  );
  const itself: Item = { kind: 'document', digest: about.document };
  return {
    suite: 'p256-x25519-144-48/1',
    nonce: systemRng(32),
    originator: card.certificate.hash,
    responder: victimCard.certificate.hash,
    arbiter: arbiterCard.certificate.hash,
    verifierO: card.verifier,
    verifierR: victimCard.verifier,
    kem: sha256(present(role.kem[0], 'KEM key').public),
    terms: role.termsDigest,
    mode: 'invisible',
    check: item === undefined ? 'none' : 'full',
    signingTime: nowSec(),
    notAfter: nowSec() + 20 * 86_400,
    margin: 90_000,
    deal: about.deal,
    document: about.document,
    itemO: item ?? itself,
    itemR: item === undefined ? itself : { kind: 'statement', template: 'receipt' },
  };
}

/** Message 1 of an exchange with that record. */
async function promiseOver(rogue: Rogue, about: About, item?: Item): Promise<Ack> {
  const record = recordOver(rogue, about, item);
  const body = encodeMessage({ kind: 'promise', role: 'O', record, promise: new Uint8Array(64) });
  const { peerTime: _, ...ack } = decodeAck(await rogue.request('/fit/exchange/1', body));
  return ack;
}

test('message 1 of an exchange over the note of a transfer, by its receiver', async (t) => {
  const rogue = await rogueOf(t);
  const receiver = expectTransfer(rogue);
  const agent = await consenting(oak);
  const { deal } = await agent.dealDeliver({ files: [fileOf(oak).path], to: rogue.card.name, transfer: ALL });
  const { about } = await receiver.offer();
  assert.deepEqual(await promiseOver(rogue, about), { kind: 'no', why: 'not-current' });
  assert.equal(await stateOf(deal), 'offered');
  assert.equal((await receiver.ready(deal, about.document)).kind, 'ok');
  assert.equal((await receiver.next('transfer-key')).key.length, 32);
});

test('message 1 over a transfer that its receiver has accepted, by its sender: also while locked', async (t) => {
  const rogue = await rogueOf(t);
  const sender = await transferAsSender(rogue, ALL);
  const { deal, about, record } = sender;
  await oak.waitFor(deal, ['offered']);
  await (await consenting(oak)).dealAccept({ deal });
  await sender.next('ready');
  const item: Item = { kind: 'content', ...record.content };
  assert.deepEqual(await promiseOver(rogue, about, item), { kind: 'no', why: 'not-current' });
  await oak.ok('lock');
  assert.deepEqual(await promiseOver(rogue, about, item), { kind: 'later', why: 'locked' });
  await oak.ok('unlock', ...oak.pw);
  assert.equal(await stateOf(deal), 'offered');
  assert.equal((await sender.giveKey(statementBy(rogue, record, 'origin'))).kind, 'ok');
  assert.notEqual((await sender.next('transfer-done')).receipt, null);
  assert.equal(await oak.waitFor(deal, ['completed']), 'completed');
});

test('message 1 over a swap that does not name yet what is given for it', async (t) => {
  const rogue = await rogueOf(t);
  const agent = await consenting(oak);
  const { deal, document } = await agent.dealDeliver({
    files: [fileOf(oak).path],
    to: rogue.card.name,
    arbiter: 'notary',
    want: 'a plan',
    swap: true,
    window: WINDOW,
  });
  const about = { deal, document: Buffer.from(document, 'hex') };
  assert.deepEqual(await promiseOver(rogue, about), { kind: 'no', why: 'not-current' });
  // Nor of one of the peer's.
  const theirs = await claimSwap(rogue, makeContent({}).terms, WINDOW);
  await oak.waitFor(theirs, ['offered']);
  const shown = await agent.dealShow({ deal: theirs });
  const other = { deal: theirs, document: Buffer.from(shown.document, 'hex') };
  assert.deepEqual(await promiseOver(rogue, other), { kind: 'no', why: 'not-current' });
  for (const one of [deal, theirs]) assert.equal(await stateOf(one), 'offered');
});

test('the messages of a transfer about a delivery that was accepted', async (t) => {
  const rogue = await rogueOf(t);
  const sender = await offerAsSender(rogue);
  await oak.waitFor(sender.deal, ['offered']);
  await (await consenting(oak)).dealAccept({ deal: sender.deal });
  await sender.next('ready');
  const { document } = sender.record();
  const about = { deal: sender.deal, document, id: new Uint8Array(32) };
  for (const message of [
    { ...about, kind: 'transfer-key', key: sender.content.x, origin: null },
    { ...about, kind: 'transfer-done', receipt: null },
    { ...about, kind: 'transfer-fault', fault: 'wrong-content' },
  ] as const) {
    const ack = decodeAck(await rogue.request('/fit/exchange/1', encodeTransferMessage(message)));
    assert.equal(ack.kind, 'no', message.kind);
  }
  assert.equal(await stateOf(sender.deal), 'offered');
});

test('a complaint to the arbiter about a contract, in which nothing can be wrong', async (t) => {
  const rogue = await rogueOf(t);
  const record = recordOver(rogue, { deal: 'd7q2m3xdp9aa', document: systemRng(32) });
  for (const kind of ['misbehaviour', 'status'] as const) {
    const { public: answerKey, secret } = generateKem();
    const request = makeRequest(
      {
        kind,
        record,
        by: 'O',
        certificates: { O: [rogue.card.certificate.der], R: [rogue.victimCard.certificate.der] },
        promises: null,
        ...(kind === 'misbehaviour' ? { proof: new Uint8Array(100) } : {}),
        answerKey,
      },
      rogue.keys.signing,
    );
    const kem = present(rogue.arbiterCard.roles.find((one) => one.role === 'arbiter')?.kem[0], 'KEM key').public;
    const reply = await rogue.request('/fit/arbiter/1', sealRequest(kem, request), rogue.arbiterCard);
    const { kind: said } = decodeAnswer(openAnswer(reply, xidOf(record), secret));
    assert.equal(said, kind === 'status' ? 'undecided' : 'failed');
  }
});
