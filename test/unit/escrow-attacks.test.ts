// One attack per rule of the verifier: refused with the rule, and successful against a verifier without it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { openWith } from '../../src/crypto/escrow-open.ts';
import { decodeProof, encodeProof, type HiddenRound, type Proof } from '../../src/crypto/escrow-proof.ts';
import { proveWith } from '../../src/crypto/escrow-prove.ts';
import { type EscrowLabel, labelHash, makeRound, type Scheme, seedOf } from '../../src/crypto/escrow-scheme.ts';
import { VERIFICATION, VERIFIER_RULES, type VerifierRule, verifyWith } from '../../src/crypto/escrow-verify.ts';
import { combine, decompress, FIELD, ORDER, publicPoint, type Statement, scalarBytes } from '../../src/crypto/p256.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, fromInt, toInt } from '../../src/lib/bytes.ts';
import { fakeRound, fixed, guesser, hide, reduced, type Sample, sample, simulate, without } from '../support/escrow.ts';

const { Point } = p256;
const scheme = reduced(12, 4);
const tested = new Set<VerifierRule>();

/** Refused as the product verifies; and what happens without the one rule. */
function shows(rule: VerifierRule, label: EscrowLabel, proof: Uint8Array, keys: Sample['keys'], by: Scheme = scheme) {
  tested.add(rule);
  assert.equal(verifyWith(by, VERIFICATION, label, proof, keys), false, `refused by ${rule}`);
  return () => verifyWith(by, without(rule), label, proof, keys);
}

const plus = (bytes: Uint8Array, modulus: bigint): Uint8Array => fromInt(toInt(bytes) + modulus, 32);

function changed(proof: Uint8Array, statements: number, change: (proof: Proof) => Proof): Uint8Array {
  return encodeProof(change(decodeProof(proof, scheme.rounds, statements)));
}

const changeHidden = (proof: Proof, change: (round: HiddenRound) => HiddenRound): Proof => ({
  ...proof,
  rounds: proof.rounds.map((round) => (round instanceof Uint8Array ? round : change(round))),
});

for (const field of ['w', 'r'] as const) {
  test(`${field} + q: a second encoding of the same proof`, () => {
    const { label, witnesses, keys } = sample('signature');
    // The prover may choose its blinding scalars; small ones leave room for q in 32 bytes.
    const chosen = reduced(12, 4, { root: (...of) => ({ ...scheme.root(...of), [field]: 5n }) });
    const proof = proveWith(chosen, label, witnesses, keys, randomBytes(32));
    assert.equal(verifyWith(scheme, VERIFICATION, label, proof, keys), true);
    const second = changed(proof, 1, (one) => ({ ...one, [field]: plus(one[field], ORDER) }));
    assert.equal(shows(`${field}-range`, label, second, keys)(), true);
  });
}

test('w = r = 0: no commitment at all', () => {
  const { label, witnesses, keys } = sample('signature');
  const proof = proveWith(scheme, label, witnesses, keys, randomBytes(32));
  const zero = changed(proof, 1, (one) => ({ ...one, w: new Uint8Array(32), r: new Uint8Array(32) }));
  assert.equal(verifyWith(scheme, VERIFICATION, label, zero, keys), false);
  assert.equal(combine(0n, 0n, present(decompress(keys.verifier), 'verifier key')), null);
});

for (const [name, of] of [
  ['z = 0', () => 0n],
  ['z + q', (z: bigint) => z + ORDER],
] as const) {
  test(`${name}: bytes of a peer that OpenSSL throws on`, () => {
    const { label, keys, verifierSecret } = sample('signature');
    const proof = simulate(scheme, label, keys, verifierSecret, () => fakeRound(label, 5n));
    assert.equal(verifyWith(scheme, VERIFICATION, label, proof, keys), true);
    const altered = changed(proof, 1, (one) =>
      changeHidden(one, (round) => ({ ...round, z: round.z.map((z) => fromInt(of(toInt(z)), 32)) })),
    );
    assert.throws(shows('z-range', label, altered, keys), /[Pp]rivate key is not valid/);
  });
}

/** The comparison with a division avoided by projective coordinates: infinity is (0 : 1 : 0), and 0·x = 0 for every x. */
function projective(label: EscrowLabel) {
  const S = Point.fromBytes(present(label.statements[0], 'statement').point);
  return (z: bigint, _s: bigint, x: bigint): boolean => {
    const Z = Point.fromBytes(concat(Uint8Array.of(2), fromInt(z, 32)));
    return [Z.subtract(S), Z.add(S)].some((point) => (x * point.Z - point.X) % FIELD === 0n);
  };
}

for (const [name, of] of [
  ['z = s', (s: bigint) => s],
  ['z = −s', (s: bigint) => ORDER - s],
] as const) {
  test(`${name} in every hidden round: nothing is compared, the arbiter's t is useless`, () => {
    const { label, witnesses, keys, kemSecret, accept } = sample('signature');
    const [s] = witnesses.map(toInt);
    assert.ok(s !== undefined);
    const proof = proveWith(scheme, label, witnesses, keys, randomBytes(32));
    const altered = changed(proof, 1, (one) => changeHidden(one, (round) => ({ ...round, z: [scalarBytes(of(s))] })));
    assert.equal(shows('z-not-witness', label, altered, keys)(), false, 'x-coordinates alone leave one x to hit');
    const matches = projective(label);
    assert.equal(verifyWith(scheme, { ...VERIFICATION, matches }, label, proof, keys), true);
    assert.equal(verifyWith(scheme, { ...VERIFICATION, matches }, label, altered, keys), false);
    assert.equal(
      verifyWith(scheme, { ...without('z-not-witness'), matches }, label, altered, keys),
      true,
      'the attack',
    );
    // Should one slip through all the same, the arbiter still has ±z.
    const opened = openWith(scheme, label, altered, kemSecret, keys.verifier, accept);
    assert.ok(opened !== null && [s, ORDER - s].includes(toInt(present(opened[0], 'witness'))));
  });
}

test('z = s with the one x that x-coordinates alone accept, x(2S), is refused too', () => {
  const { label, witnesses, keys, verifierSecret } = sample('signature');
  const S = Point.fromBytes(present(label.statements[0], 'statement').point);
  const xT = [fromInt(S.double().toAffine().x, 32)];
  const proof = simulate(scheme, label, keys, verifierSecret, () => ({ ...fakeRound(label, 5n), z: witnesses, xT }));
  assert.equal(shows('z-not-witness', label, proof, keys)(), true);
});

test('xT + p: a second encoding of the same coordinate', () => {
  const { label, keys, verifierSecret } = sample('signature');
  // A point with a small x, and a statement for which z − s is its discrete logarithm, unknown to everybody.
  let x = 1n;
  while (decompress(concat(Uint8Array.of(2), fromInt(x, 32))) === null) x++;
  const T = Point.fromBytes(concat(Uint8Array.of(2), fromInt(x, 32)));
  const base = publicPoint(fixed('base'));
  const point = Point.fromBytes(base).multiply(7n).subtract(T).toBytes(true);
  const made: EscrowLabel = { ...label, statements: [{ base, point }] };
  const round = fakeRound(made, 7n);
  assert.equal(toInt(present(round.xT[0], 'xT')), x);
  assert.equal(
    verifyWith(
      scheme,
      VERIFICATION,
      made,
      simulate(scheme, made, keys, verifierSecret, () => round),
      keys,
    ),
    true,
  );
  const second: HiddenRound = { ...round, xT: [fromInt(x + FIELD, 32)] };
  const proof = simulate(scheme, made, keys, verifierSecret, () => second);
  assert.equal(shows('x-range', made, proof, keys)(), true);
});

test('an ephemeral key of low order: no arbiter could decrypt', () => {
  const { label, witnesses, keys, kemSecret, verifierSecret, accept } = sample('signature');
  const one = concat(Uint8Array.of(1), new Uint8Array(31));
  const minusOne = concat(Uint8Array.of(0xec), new Uint8Array(30).fill(0xff), Uint8Array.of(0x7f));
  const topBit = concat(new Uint8Array(31), Uint8Array.of(0x80));
  const order8 = Uint8Array.from(
    Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'),
  );
  for (const ephemeral of [new Uint8Array(32), one, minusOne, topBit, order8]) {
    const proof = simulate(scheme, label, keys, verifierSecret, (i, maker) => {
      return { ...hide(makeRound(maker, seedOf(fixed('root'), i), i), witnesses), ephemeral };
    });
    assert.equal(shows('ephemeral', label, proof, keys)(), true);
    assert.equal(openWith(scheme, label, proof, kemSecret, keys.verifier, accept), null);
  }
});

test('hidden rounds of the prover’s choice: no proof at all', () => {
  const { label, keys } = sample('signature');
  const attempt = guesser(scheme, label, keys, 'choice');
  let tries = 0;
  while (attempt(tries).guessed) tries++;
  assert.equal(shows('challenge', label, attempt(tries).proof, keys)(), true);
});

test('hybrid points: OpenSSL takes them, and one statement would have several labels', () => {
  const { label, witnesses, keys, verifierSecret } = sample('signature');
  const [statement] = label.statements;
  assert.ok(statement !== undefined);
  const hybrid = (compressed: Uint8Array): Uint8Array => {
    const whole = Uint8Array.from(present(decompress(compressed), 'point'));
    whole[0] = 4 + (compressed[0] ?? 0);
    return whole;
  };
  const uncompressed = present(decompress(statement.base), 'point');
  for (const made of [
    { ...statement, base: hybrid(statement.base) },
    { ...statement, base: uncompressed },
    { ...statement, point: hybrid(statement.point) },
  ]) {
    const relabelled: EscrowLabel = { ...label, statements: [made] };
    assert.notDeepEqual(labelHash(relabelled), labelHash(label));
    const proof = simulate(scheme, relabelled, keys, verifierSecret, (i, maker) =>
      hide(makeRound(maker, seedOf(fixed('root'), i), i), witnesses),
    );
    assert.equal(shows('point-form', relabelled, proof, keys)(), true);
  }
});

test('no points: off the curve, infinity, x beyond the field, other lengths', () => {
  const { label, witnesses, keys } = sample('signature');
  const [statement] = label.statements;
  assert.ok(statement !== undefined);
  const proof = proveWith(scheme, label, witnesses, keys, randomBytes(32));
  let x = 1n;
  while (decompress(concat(Uint8Array.of(2), fromInt(x, 32))) !== null) x++;
  const bad: Record<string, Uint8Array> = {
    'off the curve': concat(Uint8Array.of(2), fromInt(x, 32)),
    infinity: Uint8Array.of(0),
    'infinity, filled up': new Uint8Array(33),
    'x beyond the field': concat(Uint8Array.of(2), fromInt(FIELD + 5n, 32)),
    'another prefix': concat(Uint8Array.of(5), statement.base.subarray(1)),
    empty: new Uint8Array(0),
    short: statement.base.subarray(0, 32),
    long: concat(statement.base, Uint8Array.of(0)),
  };
  for (const [name, point] of Object.entries(bad)) {
    const altered: Statement[] = [
      { ...statement, base: point },
      { ...statement, point },
    ];
    for (const made of altered) {
      const relabelled: EscrowLabel = { ...label, statements: [made] };
      assert.equal(verifyWith(scheme, VERIFICATION, relabelled, proof, keys), false, name);
      assert.equal(verifyWith(scheme, without('point-form'), relabelled, proof, keys), false, name);
    }
    assert.equal(verifyWith(scheme, VERIFICATION, label, proof, { ...keys, verifier: point }), false, name);
  }
});

test('every rule has its attack', () => {
  assert.deepEqual([...tested].sort(), [...VERIFIER_RULES].sort());
});
