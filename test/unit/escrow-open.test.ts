// The arbiter opens whatever a verifier accepted, whatever else stands in the proof, and never asks whether the proof holds.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openEscrow, PROOF_MAX_BYTES, prove } from '../../src/crypto/escrow.ts';
import { openWith } from '../../src/crypto/escrow-open.ts';
import { decodeProof, encodeProof, type HiddenRound } from '../../src/crypto/escrow-proof.ts';
import { proveWith } from '../../src/crypto/escrow-prove.ts';
import { makeRound, seedOf } from '../../src/crypto/escrow-scheme.ts';
import { VERIFICATION, verifyWith } from '../../src/crypto/escrow-verify.ts';
import { modOrder, ORDER, scalarBytes } from '../../src/crypto/p256.ts';
import { present } from '../../src/lib/assert.ts';
import { toInt } from '../../src/lib/bytes.ts';
import { type Cbor, decode, encode } from '../../src/lib/cbor.ts';
import { fakeRound, fixed, reduced, sample, simulate } from '../support/escrow.ts';

const scheme = reduced(12, 4);

for (const [name, of] of [
  ['s + t', (s: bigint, t: bigint) => s + t],
  ['s − t', (s: bigint, t: bigint) => s - t],
  ['−s + t', (s: bigint, t: bigint) => t - s],
  ['−s − t', (s: bigint, t: bigint) => -s - t],
] as const) {
  test(`z = ${name} verifies, because commitments are x-coordinates, so the arbiter opens it`, () => {
    for (const kind of ['signature', 'content'] as const) {
      const { label, witnesses, keys, kemSecret, accept } = sample(kind);
      const root = fixed('root');
      // The honest prover's commitments and challenge; only the answer in hidden rounds has other signs.
      const chosen = { ...scheme, root: () => ({ root, w: 3n, r: 4n }) };
      const proof = decodeProof(proveWith(chosen, label, witnesses, keys, randomBytes(32)), 12, witnesses.length);
      const [s = 0n, s2 = 0n] = witnesses.map(toInt);
      const signed = encodeProof({
        ...proof,
        rounds: proof.rounds.map((round) => {
          if (round instanceof Uint8Array) return round;
          const z = round.z.map((shown, j) => {
            const witness = j === 0 ? s : s2;
            return scalarBytes(modOrder(of(witness, modOrder(toInt(shown) - witness))));
          });
          return { ...round, z };
        }),
      });
      assert.equal(verifyWith(scheme, VERIFICATION, label, signed, keys), true);
      const opened = openWith(scheme, label, signed, kemSecret, keys.verifier, accept);
      assert.ok(opened !== null);
      for (const [j, found] of opened.entries()) {
        const witness = toInt(present(witnesses[j], 'witness'));
        assert.ok([witness, ORDER - witness].includes(toInt(found)));
      }
    }
  });
}

test('one good round among hidden rounds that decrypt to nothing is enough', () => {
  const { label, witnesses, keys, kemSecret, verifierSecret, accept } = sample('content');
  for (const good of [0, 3]) {
    let hidden = 0;
    const proof = simulate(scheme, label, keys, verifierSecret, (index, maker) => {
      const round = makeRound(maker, seedOf(fixed('root'), index), index);
      const z = round.t.map((t, j) => scalarBytes(modOrder(toInt(present(witnesses[j], 'witness')) + t)));
      return hidden++ === good ? { ...round, z } : fakeRound(label, 9n);
    });
    assert.equal(verifyWith(scheme, VERIFICATION, label, proof, keys), true);
    assert.notEqual(openWith(scheme, label, proof, kemSecret, keys.verifier, accept), null);
  }
});

test('each witness may come from another round', () => {
  const { label, witnesses, keys, kemSecret, verifierSecret, accept } = sample('content');
  let hidden = 0;
  const proof = simulate(scheme, label, keys, verifierSecret, (index, maker) => {
    const round = makeRound(maker, seedOf(fixed('root'), index), index);
    const spoilt = hidden++ % 2;
    const z = round.t.map((t, j) =>
      scalarBytes(modOrder(toInt(present(witnesses[j], 'witness')) + t + (j === spoilt ? 1n : 0n))),
    );
    return { ...round, z };
  });
  assert.notEqual(openWith(scheme, label, proof, kemSecret, keys.verifier, accept), null);
});

test('everything else in the proof may be junk: the arbiter never verifies', () => {
  const { label, witnesses, keys, kemSecret, accept } = sample('signature');
  const proof = prove(label, witnesses, keys, randomBytes(32));
  const [, , rounds] = decode(proof, PROOF_MAX_BYTES) as [Cbor, Cbor, readonly Cbor[]];
  const last = rounds.findLastIndex((round) => !(round instanceof Uint8Array));
  const hidden = present(rounds[last], 'hidden round') as readonly Cbor[];
  const junk: readonly Cbor[] = [
    null,
    7,
    'seed',
    new Uint8Array(5),
    [],
    [[], [], new Uint8Array(32), new Uint8Array(48)],
    [...hidden, 1],
    [[new Uint8Array(31)], hidden[1] ?? null, hidden[2] ?? null, hidden[3] ?? null],
    [hidden[0] ?? null, hidden[1] ?? null, new Uint8Array(32), hidden[3] ?? null],
    [hidden[0] ?? null, hidden[1] ?? null, hidden[2] ?? null, new Uint8Array(49)],
    [[new Uint8Array(32)], [new Uint8Array(32)], randomBytes(32), new Uint8Array(48)],
  ];
  const spoilt = rounds.map((round, i): Cbor => (i === last ? round : (junk[i % junk.length] ?? null)));
  const opened = openEscrow(label, encode(['w', null, spoilt]), kemSecret, keys.verifier, accept);
  assert.equal(opened?.length, 1);
  const without = spoilt.map((round, i): Cbor => (i === last ? null : round));
  assert.equal(openEscrow(label, encode(['w', null, without]), kemSecret, keys.verifier, accept), null);
});

test('bytes that are no proof open to nothing, and the arbiter’s work is bounded', () => {
  const { label, keys, kemSecret, verifierSecret } = sample('signature');
  const none = [new Uint8Array(0), randomBytes(40), encode(7), encode([]), encode([1, 2, 3, 4]), encode([1, 2, [[]]])];
  for (const bytes of [...none, new Uint8Array(PROOF_MAX_BYTES + 1)])
    assert.equal(
      openEscrow(label, bytes, kemSecret, keys.verifier, () => true),
      null,
    );
  let asked = 0;
  const all: HiddenRound[] = [];
  const wide = reduced(144, 144);
  simulate(wide, label, keys, verifierSecret, (index, maker) => {
    const round = makeRound(maker, seedOf(fixed('root'), index), index);
    all.push({ ...round, z: [scalarBytes(5n)] });
    return present(all.at(-1), 'round');
  });
  const proof = encodeProof({ w: fixed('w'), r: fixed('r'), rounds: all });
  const count = () => {
    asked++;
    return false;
  };
  assert.equal(openWith(wide, label, proof, kemSecret, keys.verifier, count), null);
  assert.equal(asked, 6 * 144);
});

test('candidates are 32 bytes, below the order and never zero', () => {
  const { label, witnesses, keys, kemSecret } = sample('signature');
  const proof = proveWith(scheme, label, witnesses, keys, randomBytes(32));
  openWith(scheme, label, proof, kemSecret, keys.verifier, (_, candidate) => {
    assert.equal(candidate.length, 32);
    assert.ok(toInt(candidate) > 0n && toInt(candidate) < ORDER);
    return false;
  });
});
