/**
 * The arbiter's side of the escrow (PROTOCOL §5): takes any hidden round that opens, and never verifies the proof.
 * It must open whatever a verifier accepted, so it is stricter nowhere: malformed rounds are passed over, values are reduced,
 * and every sign is tried because commitments are x-coordinates; the caller says which candidate is a witness.
 */
import { assert } from '../lib/assert.ts';
import { toInt } from '../lib/bytes.ts';
import { decodeHiddenRounds } from './escrow-proof.ts';
import { type EscrowLabel, openRound, SCALAR_BYTES, type Scheme } from './escrow-scheme.ts';
import { kemPrivateKey, kemPublicBytes } from './kem.ts';
import { modOrder, scalarBytes } from './p256.ts';

/** {±z ± t, ±z} mod q without zero. */
function candidates(z: bigint, t: bigint): readonly bigint[] {
  return [z - t, z + t, -z - t, t - z, z, -z].map(modOrder).filter((value) => value !== 0n);
}

export function openWith(
  scheme: Scheme,
  label: EscrowLabel,
  proof: Uint8Array,
  kemSecret: Uint8Array,
  verifier: Uint8Array,
  accept: (statement: number, candidate: Uint8Array) => boolean,
): Uint8Array[] | null {
  assert(kemSecret.length === 32, 'an X25519 secret has 32 bytes');
  const count = label.statements.length;
  const secretKey = kemPrivateKey(kemSecret);
  const kem = kemPublicBytes(secretKey);
  const context = scheme.context(scheme, label, { kem, verifier });
  const witnesses: (Uint8Array | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const [index, round] of decodeHiddenRounds(proof, count)) {
    const t = openRound(secretKey, kem, context, index, round.ephemeral, round.ciphertext);
    if (t === null) continue;
    for (let j = 0; j < count; j++) {
      const share = toInt(t.subarray(SCALAR_BYTES * j, SCALAR_BYTES * (j + 1)));
      witnesses[j] ??= candidates(toInt(round.z[j] as Uint8Array), share)
        .map(scalarBytes)
        .find((candidate) => accept(j, candidate));
    }
    const found = witnesses.filter((witness) => witness !== undefined);
    if (found.length === count) return found;
  }
  return null;
}
