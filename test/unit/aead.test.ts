// Encryption of the archive and of secrets under the passphrase.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openAes, sealAes, unwrapSecret, wrapSecret } from '../../src/crypto/aead.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';

const isCode = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;
const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const altered = Uint8Array.from(bytes);
  altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
  return altered;
};

test('a sealed value opens with its key and its place, and any altered byte is corruption', () => {
  const key = new Uint8Array(randomBytes(32));
  const place = utf8('deals/1');
  for (const length of [0, 1, 1000]) {
    const value = new Uint8Array(randomBytes(length));
    const sealed = sealAes(key, value, place);
    assert.equal(sealed.length, 12 + length + 16);
    assert.notDeepEqual(sealAes(key, value, place), sealed);
    assert.deepEqual(openAes(key, sealed, place), value);
    assert.throws(() => openAes(key, sealed, utf8('deals/2')), isCode('archive-corrupt'));
    assert.throws(() => openAes(new Uint8Array(32), sealed, place), isCode('archive-corrupt'));
    for (let at = 0; at < Math.min(sealed.length, 60); at++)
      assert.throws(() => openAes(key, flip(sealed, at), place), isCode('archive-corrupt'));
    for (const cut of [0, 11, 27, sealed.length - 1])
      assert.throws(() => openAes(key, sealed.subarray(0, cut), place), isCode('archive-corrupt'));
  }
  assert.throws(() => sealAes(new Uint8Array(16), utf8('x'), place), { name: 'AssertionFailed' });
});

test('a secret under a passphrase', async () => {
  const secret = new Uint8Array(randomBytes(64));
  const wrapped = await wrapSecret('correct horse', secret);
  assert.deepEqual(await unwrapSecret('correct horse', wrapped), secret);
  const attempts = [
    unwrapSecret('correct hors', wrapped),
    unwrapSecret('', wrapped),
    unwrapSecret('correct horse', flip(wrapped, 1)),
    unwrapSecret('correct horse', flip(wrapped, 17)),
    unwrapSecret('correct horse', flip(wrapped, wrapped.length - 1)),
  ];
  await Promise.all(attempts.map((attempt) => assert.rejects(attempt, isCode('wrong-passphrase'))));
});

test('bytes that were never a wrapped secret are told apart from a wrong passphrase', async () => {
  const wrapped = await wrapSecret('pass', utf8('secret'));
  for (const bad of [new Uint8Array(0), wrapped.subarray(0, 44), flip(wrapped, 0), new Uint8Array(70_000).fill(1)])
    await assert.rejects(unwrapSecret('pass', bad), isCode('archive-corrupt'));
  await assert.rejects(wrapSecret('pass', new Uint8Array(65_537)), { name: 'AssertionFailed' });
});
