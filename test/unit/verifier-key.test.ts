// Verifier keys and their proofs of knowledge.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { H } from '../../src/crypto/hash.ts';
import { decompress, modOrder, ORDER, publicPoint, scalarBytes } from '../../src/crypto/p256.ts';
import { checkVerifier, generateVerifierKey, proveVerifier } from '../../src/crypto/verifier-key.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, toInt, utf8 } from '../../src/lib/bytes.ts';
import { fixed, fixedScalar } from '../support/escrow.ts';

const certificate = fixed('certificate');
const peer = utf8('12D3KooW');

test('a proof of knowledge holds for its certificate, PeerId and key, and for no others', () => {
  const key = generateVerifierKey();
  assert.equal(key.secret.length, 32);
  assert.deepEqual(publicPoint(key.secret), key.public);
  const { a, z } = proveVerifier(key.secret, certificate, peer, fixed('random'));
  const check = (c = certificate, p = peer, v = key.public, pa = a, pz = z) => checkVerifier(c, p, v, pa, pz);
  assert.equal(check(), true);
  assert.equal(check(fixed('another certificate')), false);
  assert.equal(check(certificate, utf8('another peer')), false);
  assert.equal(check(certificate, peer, generateVerifierKey().public), false);
  assert.equal(check(certificate, peer, key.public, generateVerifierKey().public), false);
  assert.equal(check(certificate, peer, key.public, a, scalarBytes(modOrder(toInt(z) + 1n))), false);
  for (let at = 0; at < 33; at++) {
    const altered = (bytes: Uint8Array) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    assert.equal(check(certificate, peer, altered(key.public)), false);
    assert.equal(check(certificate, peer, key.public, altered(a)), false);
    if (at < 32) assert.equal(check(certificate, peer, key.public, a, altered(z)), false);
  }
});

test('the challenge is the one of the protocol', () => {
  const secret = scalarBytes(fixedScalar('verifier'));
  const V = publicPoint(secret);
  const { a, z } = proveVerifier(secret, certificate, peer, fixed('random'));
  const c = toInt(H('fit verifier v1', certificate, peer, V, a)) % ORDER;
  const { Point } = p256;
  const right = Point.fromBytes(a).add(Point.fromBytes(V).multiply(c));
  assert.equal(Point.BASE.multiply(toInt(z)).equals(right), true);
});

test('z ≥ q, infinity, hybrid and uncompressed points are refused', () => {
  const secret = scalarBytes(fixedScalar('verifier'));
  const V = publicPoint(secret);
  const { a, z } = proveVerifier(secret, certificate, peer, fixed('random'));
  assert.equal(checkVerifier(certificate, peer, V, a, scalarBytes(ORDER)), false);
  assert.equal(checkVerifier(certificate, peer, V, a, new Uint8Array(32).fill(255)), false);
  assert.equal(checkVerifier(certificate, peer, V, a, concat(Uint8Array.of(0), z)), false);
  const whole = present(decompress(V), 'V');
  const hybrid = Uint8Array.from(whole);
  hybrid[0] = 4 + (V[0] ?? 0);
  for (const bad of [whole, hybrid, new Uint8Array(33), Uint8Array.of(0), new Uint8Array(0)]) {
    assert.equal(checkVerifier(certificate, peer, bad, a, z), false);
    assert.equal(checkVerifier(certificate, peer, V, bad, z), false);
  }
});

test('the same random bytes with other inputs give another nonce', () => {
  const secret = scalarBytes(fixedScalar('verifier'));
  const one = proveVerifier(secret, certificate, peer, fixed('random'));
  const nonces = [
    one,
    proveVerifier(secret, fixed('another certificate'), peer, fixed('random')),
    proveVerifier(secret, certificate, utf8('another'), fixed('random')),
    proveVerifier(secret, certificate, peer, fixed('other random')),
    proveVerifier(scalarBytes(fixedScalar('other')), certificate, peer, fixed('random')),
  ].map(({ a }) => Buffer.from(a).toString('hex'));
  assert.equal(new Set(nonces).size, nonces.length);
  assert.deepEqual(proveVerifier(secret, certificate, peer, fixed('random')), one);
});

test('whoever chooses V after a proof of another key proves nothing', () => {
  // V' = (z·G − A)/c needs c, which hashes V': a V' made for an old c fails with the new one.
  const { a, z } = proveVerifier(scalarBytes(fixedScalar('k')), certificate, peer, fixed('random'));
  const { Point } = p256;
  const c = toInt(H('fit verifier v1', certificate, peer, publicPoint(scalarBytes(fixedScalar('k'))), a)) % ORDER;
  const rogue = Point.BASE.multiply(toInt(z) + 1n)
    .subtract(Point.fromBytes(a))
    .multiply(Point.Fn.inv(c));
  assert.equal(checkVerifier(certificate, peer, rogue.toBytes(true), a, scalarBytes(toInt(z) + 1n)), false);
});
