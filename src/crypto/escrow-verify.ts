/**
 * The verifier's side of the escrow (PROTOCOL §5): recomputes opened rounds wholly, checks hidden ones by x-coordinates.
 * Every check that answers an attack is a named rule, so that a test can leave one out and show the attack succeed.
 */
import { toInt } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';
import { decodeProof, type HiddenRound, type Proof } from './escrow-proof.ts';
import {
  commitmentOf,
  type EscrowKeys,
  type EscrowLabel,
  importKem,
  makeRound,
  type RoundMaker,
  type Scheme,
} from './escrow-scheme.ts';
import { isLowOrder } from './kem.ts';
import { combine, decompress, decompressAnyForm, FIELD, isSumOrDifference, multiplierX, ORDER, xOf } from './p256.ts';

export const VERIFIER_RULES = [
  /** Points are compressed: OpenSSL takes the hybrid forms too, and one statement must have one label. */
  'point-form',
  /** w < q, r < q: one proof has one encoding. */
  'w-range',
  'r-range',
  /** 0 < z < q. */
  'z-range',
  /** z·Base ≠ ±S: there is nothing left to compare with, and z itself would be the witness. */
  'z-not-witness',
  /** xT < p. */
  'x-range',
  /** E is no point of low order: nobody could decrypt. */
  'ephemeral',
  /** Hidden are exactly the rounds that the challenge drew. */
  'challenge',
] as const;

export type VerifierRule = (typeof VERIFIER_RULES)[number];

export interface Verification {
  readonly rules: ReadonlySet<VerifierRule>;
  /** Whether x is x(Z ± S), given x(Z) and x(S). */
  matches(z: bigint, s: bigint, x: bigint): boolean;
}

export const VERIFICATION: Verification = { rules: new Set(VERIFIER_RULES), matches: isSumOrDifference };

/** A statement as the rounds need it. */
interface Parsed {
  readonly multiply: (scalar: Uint8Array) => Uint8Array;
  readonly s: bigint;
}

function parseStatements(label: EscrowLabel, rules: ReadonlySet<VerifierRule>): readonly Parsed[] | null {
  const parse = rules.has('point-form') ? decompress : decompressAnyForm;
  const parsed: Parsed[] = [];
  for (const { base, point } of label.statements) {
    const [b, s] = [parse(base), parse(point)];
    if (b === null || s === null) return null;
    parsed.push({ multiply: multiplierX(b), s: xOf(s) });
  }
  return parsed.length === 1 || parsed.length === 2 ? parsed : null;
}

function isHiddenRoundGood(
  round: HiddenRound,
  statements: readonly Parsed[],
  { rules, matches }: Verification,
): boolean {
  if (rules.has('ephemeral') && isLowOrder(round.ephemeral)) return false;
  return statements.every(({ multiply, s }, j) => {
    const [zBytes, xBytes] = [round.z[j] as Uint8Array, round.xT[j] as Uint8Array];
    const [z, x] = [toInt(zBytes), toInt(xBytes)];
    if (rules.has('z-range') && (z === 0n || z >= ORDER)) return false;
    if (rules.has('x-range') && x >= FIELD) return false;
    const xZ = toInt(multiply(zBytes));
    if (rules.has('z-not-witness') && xZ === s) return false;
    return matches(xZ, s, x);
  });
}

function decodeOrNull(bytes: Uint8Array, rounds: number, statements: number): Proof | null {
  try {
    return decodeProof(bytes, rounds, statements);
  } catch (error) {
    if (error instanceof PeerFault) return null;
    throw error;
  }
}

export function verifyWith(
  scheme: Scheme,
  verification: Verification,
  label: EscrowLabel,
  bytes: Uint8Array,
  keys: EscrowKeys,
): boolean {
  const { rules } = verification;
  const statements = parseStatements(label, rules);
  const verifier = decompress(keys.verifier);
  if (statements === null || verifier === null || keys.kem.length !== 32 || isLowOrder(keys.kem)) return false;
  const proof = decodeOrNull(bytes, scheme.rounds, statements.length);
  if (proof === null) return false;
  const [w, r] = [toInt(proof.w), toInt(proof.r)];
  if (rules.has('w-range') && w >= ORDER) return false;
  if (rules.has('r-range') && r >= ORDER) return false;
  // What costs nothing comes first: a proof with another number of hidden rounds cannot match any challenge.
  const shown = proof.rounds.filter((round) => !(round instanceof Uint8Array)).length;
  if (rules.has('challenge') && shown !== scheme.hidden) return false;

  const com = combine(w, r, verifier);
  if (com === null) return false;
  const context = scheme.context(scheme, label, keys);
  const multiply = statements.map((one) => one.multiply);
  const maker: RoundMaker = { context, kem: keys.kem, kemKey: importKem(keys.kem), multiply };
  const commitments: Uint8Array[] = [];
  for (const [i, round] of proof.rounds.entries()) {
    if (round instanceof Uint8Array) {
      commitments.push(makeRound(maker, round, i).commitment);
    } else {
      if (!isHiddenRoundGood(round, statements, verification)) return false;
      commitments.push(commitmentOf(i, round.xT, round.ephemeral, round.ciphertext));
    }
  }
  const hidden = scheme.hiddenSet(scheme, context, commitments, com, w);
  return !rules.has('challenge') || proof.rounds.every((round, i) => hidden.has(i) !== round instanceof Uint8Array);
}
