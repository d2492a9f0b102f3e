// What a cheat achieves, what the verifier's own secret achieves, and what breaks if a part of the construction is left out.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openEscrow, verify } from '../../src/crypto/escrow.ts';
import { openWith } from '../../src/crypto/escrow-open.ts';
import { decodeProof } from '../../src/crypto/escrow-proof.ts';
import { proveWith } from '../../src/crypto/escrow-prove.ts';
import { drawSet, type EscrowLabel, makeRound, SCHEME, type Scheme } from '../../src/crypto/escrow-scheme.ts';
import { VERIFICATION, verifyWith } from '../../src/crypto/escrow-verify.ts';
import { H, sha256, shake256 } from '../../src/crypto/hash.ts';
import {
  GENERATOR,
  modOrder,
  publicPoint,
  scalarBytes,
  scalarFromWide,
  signatureStatement,
} from '../../src/crypto/p256.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import { present } from '../../src/lib/assert.ts';
import { toInt, utf8 } from '../../src/lib/bytes.ts';
import { enc } from '../../src/lib/cbor.ts';
import { fixed, fixedKeys, fixedScalar, guesser, makerOf, reduced, sample, simulate } from '../support/escrow.ts';

const contentLabel: EscrowLabel = {
  xid: fixed('xid'),
  role: 'O',
  sender: fixed('sender'),
  recipient: fixed('recipient'),
  anchor: null,
  statements: [{ base: GENERATOR, point: publicPoint(scalarBytes(fixedScalar('content'))) }],
};

for (const { rounds, hidden, tries, expected, sigma } of [
  { rounds: 8, hidden: 4, tries: 1400, expected: 1400 / 70, sigma: 4.5 },
  { rounds: 4, hidden: 2, tries: 600, expected: 600 / 6, sigma: 9.2 },
]) {
  test(`a cheat passes ${rounds}/${hidden} once in C(${rounds}, ${hidden}) tries: when it guessed the hidden rounds`, () => {
    const { keys, kemSecret } = fixedKeys();
    const scheme = reduced(rounds, hidden);
    const attempt = guesser(scheme, contentLabel, keys, `cheat ${rounds}`);
    let accepted = 0;
    for (let i = 0; i < tries; i++) {
      const { proof, guessed } = attempt(i);
      const passed = verifyWith(scheme, VERIFICATION, contentLabel, proof, keys);
      assert.equal(passed, guessed);
      if (!passed) continue;
      accepted++;
      assert.equal(
        openWith(scheme, contentLabel, proof, kemSecret, keys.verifier, () => false),
        null,
      );
    }
    assert.ok(Math.abs(accepted - expected) < 4 * sigma, `${accepted} of ${tries} passed, ${expected} were expected`);
  });
}

test('the challenge draws each round about equally often', () => {
  const counts = new Uint32Array(SCHEME.rounds);
  for (let i = 0; i < 600; i++) {
    const set = drawSet(SCHEME, fixedScalar(`challenge ${i}`));
    assert.equal(set.size, SCHEME.hidden);
    for (const round of set) counts[round] = (counts[round] ?? 0) + 1;
  }
  // 200 expected with a deviation of 11.5.
  for (const count of counts) assert.ok(count > 140 && count < 260, `${count}`);
});

test('2^-128: the product’s parameters', () => {
  let ways = 1n;
  for (let i = 0n; i < BigInt(SCHEME.hidden); i++) ways = (ways * (BigInt(SCHEME.rounds) - i)) / (i + 1n);
  assert.ok(ways >= 2n ** 128n && ways < 2n ** 129n);
});

test('the holder of the verifier’s secret makes a proof for a signature that does not exist, and it verifies for that verifier only', () => {
  const { label, keys, kemSecret, verifierSecret } = sample('signature');
  const signer = publicPoint(scalarBytes(fixedScalar('signer')));
  const nonce = publicPoint(scalarBytes(toInt(randomBytes(31)) + 1n));
  const statement = signatureStatement(sha256(utf8('never signed')), nonce, signer);
  const invented: EscrowLabel = { ...label, statements: [statement] };
  const proof = simulate(SCHEME, invented, keys, verifierSecret);
  assert.equal(verify(invented, proof, keys), true);
  assert.equal(verify(invented, proof, { ...keys, verifier: generateVerifierKey().public }), false);
  assert.equal(
    openEscrow(invented, proof, kemSecret, keys.verifier, () => false),
    null,
  );
});

test('nobody else can: with another secret the simulated proof fails', () => {
  const { label, keys } = sample('signature');
  const proof = simulate(SCHEME, label, keys, generateVerifierKey().secret);
  assert.equal(verify(label, proof, keys), false);
});

// ---- mutants of the construction: each weaker scheme falls to the attack that the left-out part answers

/** Enough that no replay passes by luck: C(24, 12) is 2.7 million. */
const [ROUNDS, HIDDEN] = [24, 12];

/** The mutant proves and verifies by itself; a promise made in one setting is shown in another. */
function replays(mutant: Scheme, proper: Scheme, other: (label: EscrowLabel) => EscrowLabel): void {
  const { label, witnesses, keys, kemSecret, accept } = sample('signature');
  const weak = proveWith(mutant, label, witnesses, keys, randomBytes(32));
  assert.equal(verifyWith(mutant, VERIFICATION, other(label), weak, keys), true, 'the mutant accepts the replay');
  assert.ok(
    openWith(mutant, other(label), weak, kemSecret, keys.verifier, accept) !== null,
    'and its arbiter opens it',
  );
  const proof = proveWith(proper, label, witnesses, keys, randomBytes(32));
  assert.equal(verifyWith(proper, VERIFICATION, label, proof, keys), true);
  assert.equal(verifyWith(proper, VERIFICATION, other(label), proof, keys), false, 'the scheme refuses it');
  assert.equal(
    openWith(proper, other(label), proof, kemSecret, keys.verifier, accept),
    null,
    'and so does its arbiter',
  );
}

const proper = reduced(ROUNDS, HIDDEN);

test('mutant: the label left out of the context lets a promise be used in another exchange', () => {
  const mutant = reduced(ROUNDS, HIDDEN, {
    context: ({ suite }, { statements }, { kem, verifier }) =>
      H(
        'fit ves v1',
        suite,
        [kem],
        1,
        statements.map(({ base, point }) => [base, point]),
        verifier,
      ),
  });
  replays(mutant, proper, (label) => ({ ...label, xid: fixed('another exchange') }));
});

test('mutant: the parties left out of the label let a promise be shown as somebody else’s', () => {
  const nobody = new Uint8Array(32);
  const mutant = reduced(ROUNDS, HIDDEN, {
    context: (scheme, label, keys) => SCHEME.context(scheme, { ...label, sender: nobody, recipient: nobody }, keys),
  });
  replays(mutant, proper, (label) => ({ ...label, sender: fixed('a third party') }));
  replays(mutant, proper, (label) => ({ ...label, recipient: fixed('a third party') }));
});

test('mutant: the role left out of the label lets a promise be turned round', () => {
  const mutant = reduced(ROUNDS, HIDDEN, {
    context: (scheme, label, keys) => SCHEME.context(scheme, { ...label, role: 'O' }, keys),
  });
  replays(mutant, proper, (label) => ({ ...label, role: 'R' }));
});

test('mutant: the anchor left out of the label unties a promise from its levels', () => {
  const mutant = reduced(ROUNDS, HIDDEN, {
    context: (scheme, label, keys) => SCHEME.context(scheme, { ...label, anchor: null }, keys),
  });
  replays(mutant, proper, (label) => ({ ...label, anchor: fixed('anchor') }));
});

test('mutant: a challenge known beforehand, or not hashed from the commitments, lets a cheat pass', () => {
  const { keys } = fixedKeys();
  const known = drawSet(proper, fixedScalar('known guess'));
  const mutants: Record<string, Scheme['hiddenSet']> = {
    'a fixed set': () => known,
    'the commitments left out': (scheme, context, _commitments, _com, _w) => drawSet(scheme, toInt(context) >> 8n),
  };
  for (const [name, hiddenSet] of Object.entries(mutants)) {
    const mutant = reduced(ROUNDS, HIDDEN, { hiddenSet });
    const context = mutant.context(mutant, contentLabel, keys);
    const set = hiddenSet(mutant, context, [], new Uint8Array(33), 0n);
    // The prover knows the set: it fakes exactly those rounds.
    const attempt = guesser(mutant, contentLabel, keys, 'known', set);
    const { proof, guessed } = attempt(0);
    assert.ok(guessed, name);
    assert.equal(verifyWith(mutant, VERIFICATION, contentLabel, proof, keys), true, name);
    assert.equal(verifyWith(proper, VERIFICATION, contentLabel, proof, keys), false, name);
  }
});

test('mutant: without the commitment to V anybody is convinced, and the verifier can no longer deny', () => {
  // e not blinded by w: the holder of the secret cannot open its commitment to the set that it drew.
  const mutant = reduced(ROUNDS, HIDDEN, {
    hiddenSet: (scheme, context, commitments) => drawSet(scheme, toInt(H('fit chal v1', context, commitments)) >> 1n),
  });
  const { label, witnesses, keys, verifierSecret } = sample('signature');
  const honest = proveWith(mutant, label, witnesses, keys, randomBytes(32));
  assert.equal(verifyWith(mutant, VERIFICATION, label, honest, keys), true);
  // 10 simulations: each would pass by luck once in 2.7 million.
  const passed = Array.from({ length: 10 }, () => simulate(mutant, label, keys, verifierSecret)).filter((proof) =>
    verifyWith(mutant, VERIFICATION, label, proof, keys),
  );
  assert.equal(passed.length, 0);
  assert.equal(verifyWith(proper, VERIFICATION, label, simulate(proper, label, keys, verifierSecret), keys), true);
});

/** s from two proofs of which one opens a round that the other hides, as whoever sees both computes it. */
function extract(
  scheme: Scheme,
  label: EscrowLabel,
  keys: { kem: Uint8Array; verifier: Uint8Array },
  proofs: Uint8Array[],
) {
  const maker = makerOf(scheme, label, keys);
  const [first, second] = proofs.map((proof) => decodeProof(proof, scheme.rounds, 1).rounds);
  for (const [i, one] of present(first, 'proof').entries()) {
    const two = present(second?.[i], 'round');
    if (one instanceof Uint8Array === two instanceof Uint8Array) continue;
    const [seed, shown] = one instanceof Uint8Array ? [one, two] : [two, one];
    if (!(seed instanceof Uint8Array) || shown instanceof Uint8Array) continue;
    const t = present(makeRound(maker, seed, i).t[0], 't');
    const found = scalarBytes(modOrder(toInt(present(shown.z[0], 'z')) - t));
    if (Buffer.compare(publicPoint(found), present(label.statements[0], 'statement').point) === 0) return found;
  }
  return null;
}

test('mutant: one set of commitments under two challenges gives the witness away; a fresh root does not', () => {
  const { keys } = fixedKeys();
  const witness = scalarBytes(fixedScalar('content'));
  // The mutant draws the blinding scalars apart from the root, and the root from nothing fresh.
  const mutant = reduced(ROUNDS, HIDDEN, {
    root: (fresh, witnesses, context) => ({
      root: shake256(32, enc('fit root v1', witnesses, context)),
      w: scalarFromWide(shake256(48, enc('w', fresh))),
      r: scalarFromWide(shake256(48, enc('r', fresh))),
    }),
  });
  const twice = (scheme: Scheme) =>
    ['one', 'two'].map((name) => proveWith(scheme, contentLabel, [witness], keys, fixed(name)));
  for (const proof of [...twice(mutant), ...twice(proper)])
    assert.equal(verifyWith(proper, VERIFICATION, contentLabel, proof, keys), true);
  assert.deepEqual(extract(mutant, contentLabel, keys, twice(mutant)), witness);
  assert.equal(extract(proper, contentLabel, keys, twice(proper)), null);
});

test('the root follows from the fresh bytes, the witnesses and the context: repeated fresh bytes repeat nothing else', () => {
  const { keys } = fixedKeys();
  const witness = scalarBytes(fixedScalar('content'));
  const seedsOf = (label: EscrowLabel, verifier: Uint8Array, fresh: Uint8Array) =>
    decodeProof(proveWith(proper, label, [witness], { ...keys, verifier }, fresh), ROUNDS, 1)
      .rounds.filter((round) => round instanceof Uint8Array)
      .map((seed) => Buffer.from(seed as Uint8Array).toString('hex'));
  const all = [
    seedsOf(contentLabel, keys.verifier, fixed('fresh')),
    seedsOf(contentLabel, keys.verifier, fixed('other fresh')),
    seedsOf({ ...contentLabel, xid: fixed('other xid') }, keys.verifier, fixed('fresh')),
    seedsOf(contentLabel, publicPoint(scalarBytes(fixedScalar('other verifier'))), fixed('fresh')),
  ].flat();
  assert.equal(new Set(all).size, all.length);
  const again = [0, 1].map(() => proveWith(proper, contentLabel, [witness], keys, fixed('fresh')));
  assert.deepEqual(again[0], again[1], 'the same call is the same proof, which may be sent again');
});
