/** A peer that cheats in a swap, message by message, against a real daemon and a real arbiter. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ContentTerms } from '../../src/exchange/terms.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { type Rogue, startRogue } from '../support/rogue.ts';
import { expectSwap } from '../support/rogue-delivery.ts';
import { fileOf, WINDOW } from '../support/rogue-trio.ts';
import { endAll, startTrio, type Trio } from '../support/traders.ts';

let trio: Trio;
let rogue: Rogue;

before(async () => {
  trio = await startTrio({ patience: '1h' });
  rogue = await startRogue(trio.elm, trio.notary);
});
after(async () => {
  await rogue.stop();
  endAll();
});

async function offerSwap(): Promise<string> {
  const { elm } = trio;
  const asked = { to: 'rogue', arbiter: 'notary', window: WINDOW, swap: true, want: 'a plan' };
  return (await (await elm.consenting()).dealDeliver({ files: [fileOf(elm).path], ...asked })).deal;
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
  const { elm } = trio;
  const swap = expectSwap(rogue);
  for (const [what, about] of LIES) {
    const deal = await offerSwap();
    await swap.answer(about);
    await assert.rejects(
      (await elm.consenting()).dealAccept({ deal }),
      (error) => isFitError(error) && error.code === 'wrong-state',
      what,
    );
    assert.equal((await (await elm.agent()).dealShow({ deal })).state, 'offered');
  }
});

test('an answer that describes it as we did is accepted', async () => {
  const { elm } = trio;
  const swap = expectSwap(rogue);
  const deal = await offerSwap();
  assert.equal((await swap.answer((content) => content)).deal, deal);
  await (await elm.consenting()).dealAccept({ deal });
  assert.equal((await swap.next('ready')).deal, deal);
});
