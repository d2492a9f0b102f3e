// The group behind the escrow, against the library, and in the cases where the fast path does not hold.
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import {
  combine,
  decompress,
  FIELD,
  GENERATOR,
  isPrivateScalar,
  isSumOrDifference,
  multiplierX,
  noncePoint,
  ORDER,
  publicPoint,
  rOf,
  scalarBytes,
  signatureStatement,
} from '../../src/crypto/p256.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, fromBase64Url, fromInt, toInt } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { fixedScalar } from '../support/escrow.ts';

const { Point } = p256;
const isFault = (code: string) => (error: unknown) => error instanceof PeerFault && error.code === code;

function signed(message: string) {
  // Imported again before anything else is asked of it: a JWK of a generated key can deadlock (see kem.ts).
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const { x = '', y = '' } = createPublicKey(key.export({ format: 'pem', type: 'pkcs8' })).export({ format: 'jwk' });
  const point = concat(Uint8Array.of(4), fromBase64Url(x), fromBase64Url(y));
  return {
    digest: new Uint8Array(createHash('sha256').update(message).digest()),
    signature: new Uint8Array(sign('sha256', Buffer.from(message), { key, dsaEncoding: 'ieee-p1363' })),
    publicKey: Point.fromBytes(point).toBytes(true),
  };
}

test('a·G + b·P is the library’s, also where x-coordinates alone do not tell', () => {
  const P = Point.BASE.multiply(fixedScalar('P'));
  const whole = P.toBytes(false);
  const p = fixedScalar('P');
  const edge = [0n, 1n, 2n, 3n, ORDER - 2n, ORDER - 1n, ORDER, ORDER + 5n, -1n, fixedScalar('a')];
  for (const a of [...edge, p, 2n * p, 3n * p, -2n * p, -3n * p, p * (ORDER - 1n)]) {
    for (const b of edge) {
      const [u, v] = [((a % ORDER) + ORDER) % ORDER, ((b % ORDER) + ORDER) % ORDER];
      const expected = Point.BASE.multiplyUnsafe(u).add(P.multiplyUnsafe(v));
      const found = combine(a, b, whole);
      if (expected.is0()) assert.equal(found, null);
      else assert.deepEqual(found, expected.toBytes(true), `${u} ${v}`);
    }
  }
});

test('x(t·P), with leading zeros kept, and the shorter way for ±G', () => {
  for (const compressed of [GENERATOR, Point.BASE.negate().toBytes(true), publicPoint(scalarBytes(fixedScalar('P')))]) {
    const times = multiplierX(present(decompress(compressed), 'point'));
    const agrees = (t: bigint) => {
      const found = times(scalarBytes(t));
      assert.equal(found.length, 32);
      assert.equal(toInt(found), Point.fromBytes(compressed).multiply(t).toAffine().x);
    };
    for (let t = 1n; t < 20n; t++) agrees(t);
    let short = 1n;
    while (times(scalarBytes(short))[0] !== 0) short++;
    agrees(short);
    agrees(ORDER - 1n);
  }
});

test('x(Z ± S) is recognised without y, and nothing else is', () => {
  const S = Point.BASE.multiply(fixedScalar('S'));
  for (let i = 0; i < 40; i++) {
    const Z = Point.BASE.multiply(fixedScalar(`Z ${i}`));
    const [z, s] = [Z.toAffine().x, S.toAffine().x];
    const [sum, difference] = [Z.add(S).toAffine().x, Z.subtract(S).toAffine().x];
    assert.equal(isSumOrDifference(z, s, sum), true);
    assert.equal(isSumOrDifference(z, s, difference), true);
    for (const wrong of [0n, 1n, z, s, sum + 1n, FIELD - difference, fixedScalar(`X ${i}`) % FIELD])
      assert.equal(isSumOrDifference(z, s, wrong), false);
  }
});

test('points are read compressed or not at all', () => {
  assert.equal(Point.fromBytes(GENERATOR).equals(Point.BASE), true);
  const whole = Point.BASE.toBytes(false);
  assert.deepEqual(decompress(GENERATOR), whole);
  const hybrid = Uint8Array.from(whole);
  hybrid[0] = 7;
  const compact = GENERATOR.subarray(1);
  const beyond = concat(Uint8Array.of(2), fromInt(FIELD, 32));
  for (const bad of [whole, hybrid, compact, beyond, new Uint8Array(33), Uint8Array.of(0), new Uint8Array(0)])
    assert.equal(decompress(bad), null);
});

test('private scalars', () => {
  assert.equal(isPrivateScalar(scalarBytes(1n)), true);
  assert.equal(isPrivateScalar(scalarBytes(ORDER - 1n)), true);
  for (const bad of [new Uint8Array(32), scalarBytes(ORDER), scalarBytes(2n ** 256n - 1n), new Uint8Array(31)])
    assert.equal(isPrivateScalar(bad), false);
});

test('a finished signature gives its nonce point, and s is the witness of its statement', () => {
  for (let i = 0; i < 10; i++) {
    const { digest, signature, publicKey } = signed(`message ${i}`);
    const nonce = noncePoint(digest, signature, publicKey);
    assert.deepEqual(rOf(nonce), signature.slice(0, 32));
    const { base, point } = signatureStatement(digest, nonce, publicKey);
    assert.deepEqual(base, nonce);
    assert.deepEqual(
      Point.fromBytes(base)
        .multiply(toInt(signature.subarray(32)))
        .toBytes(true),
      point,
    );
  }
});

test('what is no signature has no nonce point', () => {
  const { digest, signature, publicKey } = signed('message');
  const other = signed('another');
  const altered = Uint8Array.from(signature);
  altered[40] = (altered[40] ?? 0) ^ 1;
  const zero = concat(signature.subarray(0, 32), new Uint8Array(32));
  const wide = concat(signature.subarray(0, 32), scalarBytes(ORDER));
  const noR = concat(new Uint8Array(32), signature.subarray(32));
  for (const bad of [altered, zero, wide, noR, signature.subarray(1), concat(signature, Uint8Array.of(0))])
    assert.throws(() => noncePoint(digest, bad, publicKey), isFault('bad-signature'));
  assert.throws(() => noncePoint(other.digest, signature, publicKey), isFault('bad-signature'));
  assert.throws(() => noncePoint(digest, signature, other.publicKey), isFault('bad-signature'));
  assert.throws(() => noncePoint(digest, signature, new Uint8Array(33)), isFault('bad-proof'));
});

test('a statement is made of points only', () => {
  const { digest, signature, publicKey } = signed('message');
  const nonce = noncePoint(digest, signature, publicKey);
  const whole = present(decompress(nonce), 'point');
  const hybrid = Uint8Array.from(whole);
  hybrid[0] = 4 + (nonce[0] ?? 0);
  for (const bad of [new Uint8Array(33), Uint8Array.of(0), whole, hybrid, nonce.subarray(1)]) {
    assert.throws(() => signatureStatement(digest, bad, publicKey), isFault('bad-proof'));
    assert.throws(() => signatureStatement(digest, nonce, bad), isFault('bad-proof'));
  }
  // h·G + r·Q is infinity for the digest h = −r·q of the key q: a witness of 0, and no signature.
  const q = fixedScalar('key');
  const h = scalarBytes((((-toInt(rOf(nonce)) * q) % ORDER) + ORDER) % ORDER);
  assert.throws(() => signatureStatement(h, nonce, publicPoint(scalarBytes(q))), isFault('bad-proof'));
});

test('r = 0 makes no statement: x(R) is the order itself', () => {
  // ORDER < FIELD, so a point with x = ORDER may exist; if it does not, there is nothing to refuse.
  const candidate = concat(Uint8Array.of(2), fromInt(ORDER, 32));
  const { digest, publicKey } = signed('message');
  assert.throws(() => signatureStatement(digest, candidate, publicKey), isFault('bad-proof'));
});
