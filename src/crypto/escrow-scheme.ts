/**
 * Verifiable escrow, what its three sides share (PROTOCOL §5; Camenisch and Damgård 2000, made designated-verifier):
 * label and context, the recomputable round, the challenge. Prover, verifier and arbiter are files of their own.
 *
 * A scheme is a set of parameters and the functions whose exact form its security rests on. The product uses `SCHEME` alone;
 * tests build smaller or deliberately weakened ones to show what each part is for.
 */
import { createCipheriv, createDecipheriv, diffieHellman, type KeyObject } from 'node:crypto';
import { concat, equal, toInt } from '../lib/bytes.ts';
import { type Cbor, enc } from '../lib/cbor.ts';
import { H, shake256 } from './hash.ts';
import { kemPrivateKey, kemPublicBytes, kemPublicKey } from './kem.ts';
import { modOrder, type Statement, scalarBytes, scalarFromWide } from './p256.ts';

/** Binds a proof to one exchange, direction, pair of certificates and statement. */
export interface EscrowLabel {
  readonly xid: Uint8Array;
  readonly role: 'O' | 'R';
  /** SHA-256 of the certificates. */
  readonly sender: Uint8Array;
  readonly recipient: Uint8Array;
  /** Level anchor of exchanges between more than two parties. */
  readonly anchor: Uint8Array | null;
  /** One for a signature, two for content. */
  readonly statements: readonly Statement[];
}

export interface EscrowKeys {
  /** The arbiter's X25519 public key, 32 bytes. */
  readonly kem: Uint8Array;
  /** The recipient's verifier key V, compressed. */
  readonly verifier: Uint8Array;
}

/** Root of all of a proof's randomness, and the blinding scalars of its commitment. */
export interface Root {
  readonly root: Uint8Array;
  readonly w: bigint;
  readonly r: bigint;
}

export interface Scheme {
  readonly suite: string;
  readonly rounds: number;
  /** Rounds that stay hidden. A cheat passes with probability 1 / C(rounds, hidden) per try. */
  readonly hidden: number;
  context(scheme: Scheme, label: EscrowLabel, keys: EscrowKeys): Uint8Array;
  root(fresh: Uint8Array, witnesses: readonly Uint8Array[], context: Uint8Array): Root;
  hiddenSet(
    scheme: Scheme,
    context: Uint8Array,
    commitments: readonly Uint8Array[],
    com: Uint8Array,
    w: bigint,
  ): ReadonlySet<number>;
}

const WIDE_BYTES = 48;
export const SCALAR_BYTES = 32;
export const TAG_BYTES = 16;
const ZERO_NONCE = new Uint8Array(12);
/** Far more than 48 distinct values below 144 need; SHAKE256 makes it at once. */
const SET_STREAM_BYTES = 4096;

/** As the statements are encoded, in label and context alike. */
function encodable(statements: readonly Statement[]): Cbor {
  return statements.map(({ base, point }) => [base, point]);
}

export function labelHash(label: EscrowLabel): Uint8Array {
  const { xid, role, sender, recipient, anchor, statements } = label;
  return H('fit label v1', xid, role, sender, recipient, anchor, encodable(statements));
}

export const SCHEME: Scheme = {
  suite: 'p256-x25519-144-48/1',
  rounds: 144,
  hidden: 48,
  context: ({ suite }, label, { kem, verifier }) =>
    H('fit ves v1', suite, [kem], 1, encodable(label.statements), labelHash(label), verifier),
  root(fresh, witnesses, context) {
    const bytes = shake256(32 + 2 * WIDE_BYTES, enc('fit root v1', fresh, witnesses, context));
    return {
      root: bytes.subarray(0, 32),
      w: scalarFromWide(bytes.subarray(32, 32 + WIDE_BYTES)),
      r: scalarFromWide(bytes.subarray(32 + WIDE_BYTES)),
    };
  },
  hiddenSet: (scheme, context, commitments, com, w) =>
    drawSet(scheme, modOrder(challengeHash(context, commitments, com) + w)),
};

/** Before the verifier's blinding by w. */
export function challengeHash(context: Uint8Array, commitments: readonly Uint8Array[], com: Uint8Array): bigint {
  return toInt(H('fit chal v1', context, commitments, com));
}

/** The hidden rounds that a challenge names: distinct indexes below `rounds`, as they come out of SHAKE256. */
export function drawSet({ rounds, hidden }: Scheme, challenge: bigint): ReadonlySet<number> {
  const set = new Set<number>();
  for (const byte of shake256(SET_STREAM_BYTES, enc('fit set v1', scalarBytes(challenge)))) {
    if (byte < rounds) set.add(byte);
    if (set.size === hidden) break;
  }
  return set;
}

export function seedOf(root: Uint8Array, index: number): Uint8Array {
  return shake256(32, enc('fit seed v1', root, index));
}

/** A round before the challenge: everything follows from its seed. */
export interface Round {
  /** One scalar per statement. */
  readonly t: readonly bigint[];
  readonly xT: readonly Uint8Array[];
  readonly ephemeral: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly commitment: Uint8Array;
}

export function commitmentOf(
  index: number,
  xT: readonly Uint8Array[],
  ephemeral: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  return H('fit commit v1', index, xT, ephemeral, ciphertext);
}

function roundKey(ephemeral: Uint8Array, shared: Uint8Array, kem: Uint8Array, context: Uint8Array, index: number) {
  return H('fit dem v1', ephemeral, shared, kem, context, index);
}

/** What all rounds of one proof have in common; made once. */
export interface RoundMaker {
  readonly context: Uint8Array;
  readonly kem: Uint8Array;
  readonly kemKey: KeyObject;
  /** x(scalar·Base_j), one function per statement. */
  readonly multiply: readonly ((scalar: Uint8Array) => Uint8Array)[];
}

/** The round of a seed. Throws what OpenSSL throws if the arbiter's key is of low order. */
export function makeRound(maker: RoundMaker, seed: Uint8Array, index: number): Round {
  const { context, kem, kemKey, multiply } = maker;
  const wide = WIDE_BYTES * multiply.length;
  const stream = shake256(wide + 32, enc('fit round v1', seed, context, index));
  const t = multiply.map((_, j) => scalarFromWide(stream.subarray(WIDE_BYTES * j, WIDE_BYTES * (j + 1))));
  const scalars = t.map(scalarBytes);
  const privateKey = kemPrivateKey(stream.subarray(wide));
  const ephemeral = kemPublicBytes(privateKey);
  const shared = diffieHellman({ privateKey, publicKey: kemKey });
  const xT = multiply.map((times, j) => times(scalars[j] as Uint8Array));
  const ciphertext = seal(roundKey(ephemeral, shared, kem, context, index), concat(...scalars), context);
  return { t, xT, ephemeral, ciphertext, commitment: commitmentOf(index, xT, ephemeral, ciphertext) };
}

function seal(key: Uint8Array, plaintext: Uint8Array, context: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
  cipher.setAAD(context, { plaintextLength: plaintext.length });
  const body = cipher.update(plaintext);
  cipher.final();
  return concat(body, cipher.getAuthTag());
}

/** The arbiter's side of a round: the scalars' bytes, or `null` if the ciphertext is not for this key, context and index. */
export function openRound(
  kemSecret: KeyObject,
  kem: Uint8Array,
  context: Uint8Array,
  index: number,
  ephemeral: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | null {
  try {
    const shared = diffieHellman({ privateKey: kemSecret, publicKey: kemPublicKey(ephemeral) });
    const key = roundKey(ephemeral, shared, kem, context, index);
    const decipher = createDecipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
    const body = ciphertext.subarray(0, -TAG_BYTES);
    decipher.setAAD(context, { plaintextLength: body.length });
    decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES));
    return concat(decipher.update(body), decipher.final());
  } catch {
    return null;
  }
}

/** One key object per arbiter: importing costs a third of a Diffie-Hellman. */
let lastKem: { readonly kem: Uint8Array; readonly key: KeyObject } | undefined;

export function importKem(kem: Uint8Array): KeyObject {
  if (lastKem === undefined || !equal(lastKem.kem, kem))
    lastKem = { kem: Uint8Array.from(kem), key: kemPublicKey(kem) };
  return lastKem.key;
}
