/** The prover's side of the escrow (PROTOCOL §5): deterministic, given 32 fresh bytes. */
import { assert } from '../lib/assert.ts';
import { equal, toInt } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';
import { encodeProof } from './escrow-proof.ts';
import {
  type EscrowKeys,
  type EscrowLabel,
  importKem,
  makeRound,
  type RoundMaker,
  type Scheme,
  seedOf,
} from './escrow-scheme.ts';
import { isLowOrder } from './kem.ts';
import { combine, decompress, isPrivateScalar, modOrder, multiplierX, scalarBytes } from './p256.ts';

export function proveWith(
  scheme: Scheme,
  label: EscrowLabel,
  witnesses: readonly Uint8Array[],
  keys: EscrowKeys,
  fresh: Uint8Array,
): Uint8Array {
  const { statements } = label;
  assert(fresh.length === 32, 'a proof needs 32 fresh bytes');
  assert(statements.length === 1 || statements.length === 2, 'one or two statements');
  assert(witnesses.length === statements.length && witnesses.every(isPrivateScalar), 'a witness per statement');
  const verifier = decompress(keys.verifier);
  const bases = statements.map(({ base }) => decompress(base));
  if (verifier === null || keys.kem.length !== 32 || isLowOrder(keys.kem))
    throw new PeerFault('bad-proof', 'not a verifier or arbiter key');
  const multiply = bases.map((base) => {
    assert(base !== null, 'a base is a compressed point');
    return multiplierX(base);
  });
  // A statement that its witness does not meet would be refused by everyone; better to stop before a round is shown.
  for (const [j, times] of multiply.entries()) {
    const fits = equal(times(witnesses[j] as Uint8Array), (statements[j]?.point ?? fresh).subarray(1));
    assert(fits, 'the witness meets its statement');
  }

  const context = scheme.context(scheme, label, keys);
  const maker: RoundMaker = { context, kem: keys.kem, kemKey: importKem(keys.kem), multiply };
  const { root, w, r } = scheme.root(fresh, witnesses, context);
  const seeds = Array.from({ length: scheme.rounds }, (_, i) => seedOf(root, i));
  const rounds = seeds.map((seed, i) => makeRound(maker, seed, i));
  const com = combine(w, r, verifier);
  assert(com !== null, 'the commitment is a point');
  const commitments = rounds.map((round) => round.commitment);
  const hidden = scheme.hiddenSet(scheme, context, commitments, com, w);
  const secrets = witnesses.map(toInt);
  return encodeProof({
    w: scalarBytes(w),
    r: scalarBytes(r),
    rounds: rounds.map(({ t, xT, ephemeral, ciphertext }, i) => {
      if (!hidden.has(i)) return seeds[i] as Uint8Array;
      const z = t.map((one, j) => scalarBytes(modOrder((secrets[j] as bigint) + one)));
      return { z, xT, ephemeral, ciphertext };
    }),
  });
}
