/**
 * The bytes of an escrow proof: [w, r, [seed | [[z…], [xT…], E, ct]]] (PROTOCOL §5).
 * Decoding is by shape alone; ranges and relations are the verifier's rules.
 */
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { SCALAR_BYTES, TAG_BYTES } from './escrow-scheme.ts';

/** Longest proof; an honest one has 10,775 bytes for one statement and 15,575 for two. */
export const PROOF_MAX_BYTES = 32_768;
/** An index has to fit into the byte that the challenge draws. */
const ROUNDS_MAX = 256;

export interface HiddenRound {
  readonly z: readonly Uint8Array[];
  readonly xT: readonly Uint8Array[];
  readonly ephemeral: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** A seed opens its round; what is hidden shows z = witness + t. */
export type ProofRound = Uint8Array | HiddenRound;

export interface Proof {
  readonly w: Uint8Array;
  readonly r: Uint8Array;
  readonly rounds: readonly ProofRound[];
}

export function encodeProof({ w, r, rounds }: Proof): Uint8Array {
  const items = rounds.map((round): Cbor => {
    if (round instanceof Uint8Array) return round;
    return [round.z, round.xT, round.ephemeral, round.ciphertext];
  });
  return encode([w, r, items]);
}

function decodeHidden(value: Cbor | undefined, statements: number): HiddenRound {
  const [z, xT, ephemeral, ciphertext] = read.array(value, 4, 'hidden round');
  const words = (list: Cbor | undefined, what: string) =>
    read.array(list, statements, what).map((one) => read.bytes(one, SCALAR_BYTES, what));
  return {
    z: words(z, 'z'),
    xT: words(xT, 'xT'),
    ephemeral: read.bytes(ephemeral, 32, 'E'),
    ciphertext: read.bytes(ciphertext, SCALAR_BYTES * statements + TAG_BYTES, 'ct'),
  };
}

/** The verifier's reading: every round has the right shape, or `PeerFault`. */
export function decodeProof(bytes: Uint8Array, rounds: number, statements: number): Proof {
  const [w, r, list] = read.array(decode(bytes, PROOF_MAX_BYTES), 3, 'proof');
  return {
    w: read.bytes(w, SCALAR_BYTES, 'w'),
    r: read.bytes(r, SCALAR_BYTES, 'r'),
    rounds: read
      .array(list, rounds, 'rounds')
      .map((round) => (round instanceof Uint8Array ? read.bytes(round, 32, 'seed') : decodeHidden(round, statements))),
  };
}

/** The arbiter's reading: the hidden rounds that have the right shape, by index; whatever else is there is passed over. */
export function decodeHiddenRounds(bytes: Uint8Array, statements: number): ReadonlyMap<number, HiddenRound> {
  const found = new Map<number, HiddenRound>();
  try {
    const proof = read.list(decode(bytes, PROOF_MAX_BYTES), 3, 'proof');
    for (const [index, round] of read.list(proof[2], ROUNDS_MAX, 'rounds').entries()) {
      if (round instanceof Uint8Array) continue;
      try {
        found.set(index, decodeHidden(round, statements));
      } catch {
        // A malformed round is the prover's; another one may open.
      }
    }
  } catch {
    // Not even a list of rounds: nothing to open.
  }
  return found;
}
