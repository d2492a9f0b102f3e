import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { derToRaw, isLowS, lowS, rawToDer, signP256, verifyP256 } from '../../src/crypto/ecdsa.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { concat, fromHex, fromInt, toInt, utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { sharedPath, unlessShared } from '../support/shared.ts';

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const key = generateSigningKey();
const publicKey = createPublicKey(key);
const message = utf8('message');

const highS = (signature: Uint8Array) =>
  concat(signature.subarray(0, 32), fromInt(ORDER - toInt(signature.subarray(32)), 32));

test('every signature has the low s and verifies', () => {
  for (let i = 0; i < 40; i++) {
    const signature = signP256(key, message);
    assert.ok(isLowS(signature));
    assert.ok(verifyP256(publicKey, message, signature));
    assert.ok(!verifyP256(publicKey, message, highS(signature)), 'the other s is refused');
    assert.deepEqual(lowS(highS(signature)), signature);
  }
});

test('the bound of the low s is (q − 1) / 2', () => {
  const withS = (s: bigint) => concat(new Uint8Array(32), fromInt(s, 32));
  assert.ok(isLowS(withS((ORDER - 1n) / 2n)));
  assert.ok(!isLowS(withS((ORDER + 1n) / 2n)));
  assert.throws(() => lowS(withS(ORDER)), PeerFault);
});

test('other messages, lengths, keys and kinds of keys do not verify', () => {
  const signature = signP256(key, message);
  assert.ok(!verifyP256(publicKey, utf8('massage'), signature));
  assert.ok(!verifyP256(createPublicKey(generateSigningKey()), message, signature));
  for (const bad of [new Uint8Array(), signature.slice(1), concat(signature, new Uint8Array(1)), new Uint8Array(64)])
    assert.ok(!verifyP256(publicKey, message, bad));
  for (const curve of ['P-384', 'secp256k1']) {
    const other = generateKeyPairSync('ec', { namedCurve: curve });
    assert.ok(!verifyP256(other.publicKey, message, signature));
    assert.throws(() => signP256(other.privateKey, message), { name: 'AssertionFailed' });
  }
  assert.ok(!verifyP256(generateKeyPairSync('ed25519').publicKey, message, signature));
});

test('DER form and back', () => {
  const der = new Uint8Array(sign('sha256', message, key));
  assert.deepEqual(rawToDer(derToRaw(der)), der);
  const zero = new Uint8Array(64);
  assert.deepEqual(rawToDer(zero), fromHex('3006020100020100'));
  assert.deepEqual(derToRaw(fromHex('3006020100020100')), zero);
});

for (const [why, hex] of [
  ['nothing', ''],
  ['a padded integer', '300702020001020101'],
  ['a negative integer', '3006020181020101'],
  ['a long form of a length', '308106020101020101'],
  ['an indefinite length', '30800201010201010000'],
  ['trailing bytes', '300602010102010100'],
  ['bytes inside the sequence', '30080201010201010500'],
  ['another tag', '3106020101020101'],
  ['an integer of 33 bytes', `30260221${'01'.repeat(33)}020101`],
  ['an empty integer', '30050200020101'],
  ['one integer', '3003020101'],
] as const) {
  test(`derToRaw refuses ${why}`, () => {
    assert.throws(() => derToRaw(fromHex(hex)), { name: 'PeerFault', code: 'malformed' });
  });
}

interface Vectors {
  readonly testGroups: readonly {
    readonly publicKeyDer: string;
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      readonly result: 'valid' | 'invalid' | 'acceptable';
    }[];
  }[];
}

/** Wycheproof's verdict, and low s besides. */
function runVectors(
  name: string,
  verify: (key: string, msg: Uint8Array, sig: Uint8Array) => [boolean, boolean],
): number {
  const path = sharedPath('vectors', 'wycheproof', name);
  assert.ok(path !== undefined);
  const vectors: Vectors = JSON.parse(readFileSync(path, 'utf8'));
  let accepted = 0;
  for (const { publicKeyDer, tests } of vectors.testGroups) {
    for (const { tcId, comment, msg, sig, result } of tests) {
      const [found, isLow] = verify(publicKeyDer, fromHex(msg), fromHex(sig));
      assert.equal(found, result === 'valid' && isLow, `${tcId}: ${comment}`);
      if (found) accepted++;
    }
  }
  return accepted;
}

const importKey = (hex: string) => createPublicKey({ key: Buffer.from(hex, 'hex'), format: 'der', type: 'spki' });

test('Wycheproof: raw signatures', unlessShared('vectors', 'wycheproof'), () => {
  const accepted = runVectors('ecdsa_secp256r1_sha256_p1363_test.json', (spki, msg, sig) => [
    verifyP256(importKey(spki), msg, sig),
    isLowS(sig),
  ]);
  assert.ok(accepted > 50);
});

test('Wycheproof: DER signatures', unlessShared('vectors', 'wycheproof'), () => {
  const accepted = runVectors('ecdsa_secp256r1_sha256_test.json', (spki, msg, sig) => {
    try {
      const raw = derToRaw(sig);
      return [verifyP256(importKey(spki), msg, raw), isLowS(raw)];
    } catch (error) {
      assert.ok(error instanceof PeerFault);
      return [false, false];
    }
  });
  assert.ok(accepted > 50);
});
