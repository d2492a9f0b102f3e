// Sealing to X25519 keys.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  generateKem,
  isLowOrder,
  kemPrivateKey,
  kemPublicBytes,
  openFrom,
  SEAL_MAX_BYTES,
  SEAL_OVERHEAD_BYTES,
  sealTo,
} from '../../src/crypto/kem.ts';
import { concat, fromHex, utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';

const context = utf8('a request');
const malformed = (error: unknown) => error instanceof PeerFault && error.code === 'malformed';

test('what is sealed opens with the secret and the context, and each sealing differs', () => {
  const key = generateKem();
  assert.deepEqual(kemPublicBytes(kemPrivateKey(key.secret)), key.public);
  for (const length of [0, 1, 100, 70_000]) {
    const plaintext = new Uint8Array(randomBytes(length));
    const sealed = sealTo(key.public, plaintext, context);
    assert.equal(sealed.length, length + SEAL_OVERHEAD_BYTES);
    assert.notDeepEqual(sealTo(key.public, plaintext, context), sealed);
    assert.deepEqual(openFrom(key.secret, sealed, context), plaintext);
  }
});

test('another key, another context or any altered byte does not open', () => {
  const key = generateKem();
  const sealed = sealTo(key.public, utf8('for the arbiter'), context);
  assert.throws(() => openFrom(generateKem().secret, sealed, context), malformed);
  assert.throws(() => openFrom(key.secret, sealed, utf8('an answer')), malformed);
  assert.throws(() => openFrom(key.secret, sealed, new Uint8Array(0)), malformed);
  for (let at = 0; at < sealed.length; at++) {
    const altered = Uint8Array.from(sealed);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
    assert.throws(() => openFrom(key.secret, altered, context), malformed, `byte ${at}`);
  }
  for (const bad of [
    sealed.subarray(1),
    sealed.subarray(0, -1),
    concat(sealed, Uint8Array.of(0)),
    sealed.subarray(0, 47),
  ])
    assert.throws(() => openFrom(key.secret, bad, context), malformed);
});

test('keys that make the shared secret zero, and lengths out of bounds', () => {
  const key = generateKem();
  for (const bad of [new Uint8Array(32), fromHex(`01${'00'.repeat(31)}`), new Uint8Array(31), new Uint8Array(33)])
    assert.throws(() => sealTo(bad, utf8('x'), context), malformed);
  const toZero = concat(new Uint8Array(32), new Uint8Array(20));
  assert.throws(() => openFrom(key.secret, toZero, context), malformed);
  assert.throws(() => sealTo(key.public, new Uint8Array(SEAL_MAX_BYTES + 1), context), { name: 'AssertionFailed' });
  const long = new Uint8Array(SEAL_MAX_BYTES + SEAL_OVERHEAD_BYTES + 1);
  assert.throws(
    () => openFrom(key.secret, long, context),
    (error) => error instanceof PeerFault && error.code === 'oversized',
  );
});

test('the table of low-order keys is what OpenSSL refuses', () => {
  for (const hex of [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ]) {
    const plain = fromHex(hex);
    const top = Uint8Array.from(plain);
    top[31] = (top[31] ?? 0) | 0x80;
    for (const key of [plain, top]) {
      assert.equal(isLowOrder(key), true, hex);
      assert.throws(() => sealTo(key, utf8('x'), context), malformed, hex);
    }
    const neighbour = Uint8Array.from(plain);
    neighbour[1] = (neighbour[1] ?? 0) ^ 0x10;
    assert.equal(isLowOrder(neighbour), false);
    assert.equal(sealTo(neighbour, utf8('x'), context).length, 1 + SEAL_OVERHEAD_BYTES);
  }
  assert.equal(isLowOrder(generateKem().public), false);
});
