// What holds for all inputs: no bytes make the verifier or the arbiter throw, and encodings are unique.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { openAes, sealAes } from '../../src/crypto/aead.ts';
import { openWith } from '../../src/crypto/escrow-open.ts';
import { decodeProof, encodeProof, PROOF_MAX_BYTES } from '../../src/crypto/escrow-proof.ts';
import { proveWith } from '../../src/crypto/escrow-prove.ts';
import type { EscrowLabel } from '../../src/crypto/escrow-scheme.ts';
import { VERIFICATION, verifyWith } from '../../src/crypto/escrow-verify.ts';
import { generateKem, openFrom, sealTo } from '../../src/crypto/kem.ts';
import { combine, isSumOrDifference, ORDER, publicPoint, scalarBytes } from '../../src/crypto/p256.ts';
import { toInt } from '../../src/lib/bytes.ts';
import { type Cbor, decode, encode } from '../../src/lib/cbor.ts';
import { fixed, fixedKeys, fixedScalar, reduced } from '../support/escrow.ts';

const { Point } = p256;
const scheme = reduced(10, 4);
const { keys, kemSecret } = fixedKeys();
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const scalar = fc.bigInt({ min: 1n, max: ORDER - 1n });

function labelOf(witness: bigint, base: bigint, role: 'O' | 'R'): EscrowLabel {
  const from = publicPoint(scalarBytes(base));
  const point = publicPoint(scalarBytes((base * witness) % ORDER));
  const parties = { sender: fixed('sender'), recipient: fixed('recipient') };
  return { xid: fixed('xid'), role, ...parties, anchor: null, statements: [{ base: from, point }] };
}

test('every witness, base and fresh value: proven, verified, opened, and the proof has one encoding', () => {
  fc.assert(
    fc.property(scalar, scalar, bytes32, fc.constantFrom('O' as const, 'R' as const), (witness, base, fresh, role) => {
      const label = labelOf(witness, base, role);
      const proof = proveWith(scheme, label, [scalarBytes(witness)], keys, fresh);
      assert.equal(verifyWith(scheme, VERIFICATION, label, proof, keys), true);
      assert.deepEqual(encodeProof(decodeProof(proof, 10, 1)), proof);
      const found = openWith(scheme, label, proof, kemSecret, keys.verifier, (_, c) => toInt(c) === witness);
      assert.deepEqual(found, [scalarBytes(witness)]);
    }),
    { numRuns: 40 },
  );
});

test('no bytes make the verifier or the arbiter throw', () => {
  const label = labelOf(fixedScalar('s'), fixedScalar('b'), 'O');
  const proof = proveWith(scheme, label, [scalarBytes(fixedScalar('s'))], keys, fixed('fresh'));
  const parts = decode(proof, PROOF_MAX_BYTES) as [Cbor, Cbor, readonly Cbor[]];
  const cbor = fc.letrec<{ value: Cbor }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.nat(),
      bytes32,
      fc.uint8Array({ maxLength: 50 }),
      fc.string(),
      fc.array(tie('value'), { maxLength: 5 }),
    ),
  })).value;
  const shaped = fc.tuple(bytes32, bytes32, fc.array(fc.oneof(bytes32, cbor), { minLength: 10, maxLength: 10 }));
  const spliced = fc.tuple(fc.nat(9), cbor).map(([at, value]): Cbor => {
    return [parts[0], parts[1], parts[2].map((round, i) => (i === at ? value : round))];
  });
  const candidates = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.oneof(cbor, shaped, spliced).map((v) => encode(v)),
  );
  fc.assert(
    fc.property(candidates, (bytes) => {
      // Not necessarily false: at these parameters another seed passes once in 210 tries.
      assert.equal(typeof verifyWith(scheme, VERIFICATION, label, bytes, keys), 'boolean');
      assert.equal(
        openWith(scheme, label, bytes, kemSecret, keys.verifier, () => false),
        null,
      );
    }),
    { numRuns: 300 },
  );
});

test('the group operations are the library’s', () => {
  fc.assert(
    fc.property(scalar, scalar, scalar, (a, b, p) => {
      const P = Point.BASE.multiply(p);
      const sum = Point.BASE.multiply(a).add(P.multiply(b));
      assert.deepEqual(combine(a, b, P.toBytes(false)), sum.is0() ? null : sum.toBytes(true));
      const [z, s] = [P.toAffine().x, Point.BASE.multiply(a).toAffine().x];
      fc.pre(z !== s);
      assert.ok(isSumOrDifference(z, s, P.add(Point.BASE.multiply(a)).toAffine().x));
      assert.ok(!isSumOrDifference(z, s, b));
    }),
    { numRuns: 60 },
  );
});

test('opening undoes sealing, for every content', () => {
  const kem = generateKem();
  const content = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(content, content, bytes32, (value, context, key) => {
      assert.deepEqual(openFrom(kem.secret, sealTo(kem.public, value, context), context), value);
      assert.deepEqual(openAes(key, sealAes(key, value, context), context), value);
    }),
    { numRuns: 60 },
  );
});

test('no bytes make the opening of sealed messages throw anything but a peer fault', () => {
  const kem = generateKem();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 150 }), (bytes) => {
      assert.throws(() => openFrom(kem.secret, bytes, fixed('context')), { name: 'PeerFault' });
    }),
    { numRuns: 200 },
  );
});
