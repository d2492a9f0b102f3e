/**
 * Verifiable escrow: a promise that the arbiter can turn into the promised signature or key, and that its receiver can check.
 *
 * A proof shows to the holder of one verifier key that the witnesses of one or two discrete-log statements are encrypted to
 * the arbiter, without showing them (PROTOCOL §5). A false one passes with probability 2^-128 per try. Whoever holds the
 * verifier key's secret could have made any proof alone, so it convinces nobody else. The parameters are fixed.
 */
import { openWith } from './escrow-open.ts';
import { proveWith } from './escrow-prove.ts';
import { type EscrowKeys, type EscrowLabel, SCHEME } from './escrow-scheme.ts';
import { VERIFICATION, verifyWith } from './escrow-verify.ts';

export { PROOF_MAX_BYTES } from './escrow-proof.ts';
export type { EscrowKeys, EscrowLabel } from './escrow-scheme.ts';
export type { Statement } from './p256.ts';

export const SUITE = SCHEME.suite;

/**
 * Proves that `witnesses` (32 bytes each) meet the label's statements: 10.8 kB for one statement, 15.6 kB for two, some 25 ms.
 * `fresh` is 32 random bytes, new for every proof; the proof is a function of the arguments. A proof is kept and sent again,
 * never made again for the same label. Throws `PeerFault('bad-proof')` for keys that are none, asserts the rest.
 */
export function prove(
  label: EscrowLabel,
  witnesses: readonly Uint8Array[],
  keys: EscrowKeys,
  fresh: Uint8Array,
): Uint8Array {
  return proveWith(SCHEME, label, witnesses, keys, fresh);
}

/** Whether the proof holds for this label, arbiter and verifier: whatever it accepts the arbiter can open. Some 20 ms. */
export function verify(label: EscrowLabel, proof: Uint8Array, keys: EscrowKeys): boolean {
  return verifyWith(SCHEME, VERIFICATION, label, proof, keys);
}

/**
 * The witnesses, one per statement, or `null`. `accept(j, candidate)` says whether 32 bytes are a witness of statement j; it is
 * called at most six times per statement and round. For a signature either of ±s is found: the caller makes s low.
 */
export function openEscrow(
  label: EscrowLabel,
  proof: Uint8Array,
  kemSecret: Uint8Array,
  verifier: Uint8Array,
  accept: (statement: number, candidate: Uint8Array) => boolean,
): Uint8Array[] | null {
  return openWith(SCHEME, label, proof, kemSecret, verifier, accept);
}
