/** A peer that cheats in a swap, message by message, against a real daemon and a real arbiter. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chunksOf, MAX_CONTENT_BYTES } from '../../src/crypto/content.ts';
import { decodeAnswer } from '../../src/exchange/answers.ts';
import { encodeMessage } from '../../src/exchange/messages.ts';
import { provesMisbehaviour } from '../../src/exchange/misbehaviour.ts';
import { encodeRecord } from '../../src/exchange/record.ts';
import type { ContentTerms } from '../../src/exchange/terms.ts';
import { fromHex } from '../../src/lib/bytes.ts';
import { decode } from '../../src/lib/cbor.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { MAX_WINDOW } from '../../src/lib/window.ts';
import { type Rogue, startRogue } from '../support/rogue.ts';
import { claimSwap, expectSwap, serveAnything } from '../support/rogue-delivery.ts';
import { consenting, fileOf, move, start, WINDOW } from '../support/rogue-trio.ts';
import { endAll, introduce, Trader, temporary } from '../support/traders.ts';

const folder = temporary();
const [elm, notary] = ['elm', 'notary'].map((name) => new Trader(folder, name)) as [Trader, Trader];
let rogue: Rogue;

before(async () => {
  await Promise.all([elm.init({ patience: '1h' }), notary.init({ patience: '1h', role: 'arbiter' })]);
  await Promise.all([start(elm), start(notary)]);
  await introduce([elm, notary]);
  rogue = await startRogue(elm, notary);
});
after(async () => {
  await rogue.stop();
  endAll();
});

async function offerSwap(): Promise<string> {
  const asked = { to: 'rogue', arbiter: 'notary', window: WINDOW, swap: true, want: 'a plan' };
  return (await (await consenting(elm)).dealDeliver({ files: [fileOf(elm).path], ...asked })).deal;
}

/** The victim's content as the answer describes it: under the same root, which alone says nothing of the rest. */
const LIES: readonly (readonly [string, (content: ContentTerms) => ContentTerms])[] = [
  [
    'a size with which the last chunk is proven wrong',
    (content) => ({
      ...content,
      bytes: content.bytes - 1,
      files: content.files.map((file) => ({ ...file, size: file.size - 1 })),
    }),
  ],
  [
    'another SHA-256 than the file has, which the statement of origin would say',
    (content) => ({
      ...content,
      files: content.files.map((file) => ({ ...file, sha256: new Uint8Array(32).fill(7) })),
    }),
  ],
  ['another name', (content) => ({ ...content, files: content.files.map((file) => ({ ...file, name: 'deed.pdf' })) })],
  ['a credential that it is not', (content) => ({ ...content, credential: { kind: 'token', certificate: null } })],
];

test('an answer that describes our content otherwise than we did is not accepted, whoever says so', async () => {
  const swap = expectSwap(rogue);
  for (const [what, about] of LIES) {
    const deal = await offerSwap();
    await swap.answer(about);
    await assert.rejects(
      (await consenting(elm)).dealAccept({ deal }),
      (error) => isFitError(error) && error.code === 'wrong-state',
      what,
    );
    assert.equal((await (await elm.agent()).dealShow({ deal })).state, 'offered');
  }
});

const claimed = (bytes: number, credential: ContentTerms['credential'] = null): ContentTerms => ({
  root: new Uint8Array(32).fill(1),
  bytes,
  chunks: chunksOf(bytes),
  credential,
  files: [{ name: 'scan.bin', size: bytes, sha256: new Uint8Array(32).fill(2) }],
});

test('a swap is not answered whose content has no room here, or is a certificate that ends too early', async () => {
  const agent = await consenting(elm);
  const answer = async (content: ContentTerms): Promise<void> => {
    const deal = await claimSwap(rogue, content, MAX_WINDOW);
    await elm.waitFor(deal, ['offered']);
    await agent.dealDeliver({ files: [fileOf(elm).path], deal, swap: true, window: MAX_WINDOW });
  };
  await assert.rejects(answer(claimed(MAX_CONTENT_BYTES)), (error) => isFitError(error) && error.code === 'disk-full');
  const validUntil = Math.floor(Date.now() / 1000) + 86_400;
  const certificate = { subject: 'CN=rogue', fingerprint: new Uint8Array(32).fill(3), validUntil };
  await assert.rejects(
    answer(claimed(1000, { kind: 'certificate', certificate })),
    (error) => isFitError(error) && error.code === 'wrong-state' && /certificate/.test(error.message),
  );
  await answer(claimed(1000));
});

test('who answered a swap is sent something else than its text names: the deal ends, nothing was signed', async () => {
  const deal = await claimSwap(rogue, claimed(1000), WINDOW);
  await elm.waitFor(deal, ['offered']);
  const files = [fileOf(elm).path];
  const { document } = await (await consenting(elm)).dealDeliver({ files, deal, swap: true, window: WINDOW });
  serveAnything(rogue, { bytes: 1000 });
  await rogue.request('/fit/exchange/1', encodeMessage({ kind: 'ready', deal, document: fromHex(document) }));
  assert.equal(await elm.waitFor(deal, ['withdrawn', 'declined', 'aborted']), 'withdrawn');
});

test('an answer that describes it as we did is accepted', async () => {
  const swap = expectSwap(rogue);
  const deal = await offerSwap();
  assert.equal((await swap.answer((content) => content)).deal, deal);
  await (await consenting(elm)).dealAccept({ deal });
  assert.equal((await swap.next('ready')).deal, deal);
});

test('a peer that keeps message 1 and is silent does not outwait the window: its wrong content is found, and the swap void', async () => {
  const swap = expectSwap(rogue);
  const deal = await offerSwap();
  const { digest, content } = await swap.answer((same) => same, { wrongChunk: 1 });
  await (await consenting(elm)).dealAccept({ deal });
  await swap.next('ready');
  // From here on it takes nothing, as far as anybody can see.
  rogue.answer = { kind: 'later', why: 'locked' };
  await swap.say({ kind: 'ready', deal, document: digest });
  const message = await swap.next('promise');
  assert.ok(message.role === 'O');
  const { record } = message;
  const { promise } = swap.promise(record, content.x);
  const { kind } = await swap.ask(record, 'resolve', { promises: { O: message.promise, R: promise } });
  assert.equal(kind, 'released', 'it has the key, and the window runs');
  await move([elm, notary], WINDOW / 4 + 1);
  assert.equal(await elm.waitFor(deal, ['aborted', 'completed']), 'aborted');
  const { transactions } = await (await elm.agent()).dealShow({ deal });
  assert.deepEqual(transactions.map((one) => one.kind).slice(-4), ['abort', 'key', 'complaint', 'void']);
  // Who was cheated can show it: what the other side signed, the proof, and the arbiter's word.
  const out = join(folder, 'void-swap');
  await elm.ok('deal', 'export', deal, '--dir', out);
  assert.ok(!existsSync(join(out, 'origin-originator.p7s')), 'nothing of ours, which counts for nothing now');
  const bundle = join(folder, 'void-swap.asics');
  await elm.ok('deal', 'export', deal, '--out', bundle);
  for (const evidence of [out, bundle]) {
    const judged = await elm.fit('verify', evidence);
    assert.equal(judged.code, 1);
    assert.match(judged.stdout, /the arbiter has signed that the exchange is void: what \S+ gave was proven wrong/);
  }
  const file = (name: string): Buffer => readFileSync(join(out, name));
  assert.match(file('README.txt').toString(), /void/);
  const [, answer] = decode(file('answer.cbor'), 20_000) as readonly Uint8Array[];
  assert.equal(decodeAnswer(answer ?? new Uint8Array()).kind, 'void');
  assert.deepEqual(file('record.cbor'), Buffer.from(encodeRecord(record)));
  assert.ok(provesMisbehaviour(record, swap.parties, 'R', file('proof.cbor')));
  assert.ok(!provesMisbehaviour(record, swap.parties, 'O', file('proof.cbor')));
});
