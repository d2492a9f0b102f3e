/**
 * Provers that the product does not have: those who cheat, and those who hold the verifier's secret.
 * They build proofs from the product's own rounds, at any parameters.
 */
import { createECDH, createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { encodeProof, type HiddenRound, type ProofRound } from '../../src/crypto/escrow-proof.ts';
import {
  challengeHash,
  commitmentOf,
  drawSet,
  type EscrowKeys,
  type EscrowLabel,
  importKem,
  makeRound,
  type Round,
  type RoundMaker,
  SCHEME,
  type Scheme,
  seedOf,
} from '../../src/crypto/escrow-scheme.ts';
import { VERIFICATION, type Verification, type VerifierRule } from '../../src/crypto/escrow-verify.ts';
import { sha256, shake256 } from '../../src/crypto/hash.ts';
import { generateKem, kemPrivateKey, kemPublicBytes } from '../../src/crypto/kem.ts';
import {
  combine,
  decompress,
  decompressAnyForm,
  GENERATOR,
  modOrder,
  multiplierX,
  noncePoint,
  ORDER,
  publicPoint,
  scalarBytes,
  signatureStatement,
} from '../../src/crypto/p256.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import { present } from '../../src/lib/assert.ts';
import { equal, fromInt, toBase64Url, toInt, utf8 } from '../../src/lib/bytes.ts';

const { Point } = p256;

/** 32 bytes that are the same in every run. */
export const fixed = (name: string): Uint8Array => shake256(32, utf8(`fit test ${name}`));
export const fixedScalar = (name: string): bigint =>
  (toInt(shake256(48, utf8(`fit test ${name}`))) % (ORDER - 1n)) + 1n;

/** Smaller parameters, otherwise the product's scheme. */
export function reduced(rounds: number, hidden: number, changes: Partial<Scheme> = {}): Scheme {
  return { ...SCHEME, suite: `p256-x25519-${rounds}-${hidden}/1`, rounds, hidden, ...changes };
}

/** The product's verification with some of its rules left out. */
export function without(...rules: readonly VerifierRule[]): Verification {
  return { ...VERIFICATION, rules: new Set([...VERIFICATION.rules].filter((rule) => !rules.includes(rule))) };
}

export interface Sample {
  readonly label: EscrowLabel;
  readonly witnesses: readonly Uint8Array[];
  readonly keys: EscrowKeys;
  readonly kemSecret: Uint8Array;
  readonly verifierSecret: Uint8Array;
  readonly message: Uint8Array;
  /** r ‖ s with low s. */
  readonly signature: Uint8Array;
  /** Whether 32 bytes are a witness of statement j, checked as the arbiter does. */
  accept(j: number, candidate: Uint8Array): boolean;
}

/** A promise of a signature made by node, or of a content key and a signature. */
export function sample(kind: 'signature' | 'content', changes: Partial<EscrowLabel> = {}): Sample {
  const signer = createECDH('prime256v1');
  signer.generateKeys();
  const point = new Uint8Array(signer.getPublicKey());
  const [x, y] = [toBase64Url(point.subarray(1, 33)), toBase64Url(point.subarray(33))];
  const jwk = { kty: 'EC', crv: 'P-256', x, y, d: toBase64Url(scalarBytes(toInt(signer.getPrivateKey()))) };
  const message = utf8('what is signed');
  const signature = new Uint8Array(
    sign('sha256', message, { key: createPrivateKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }),
  );
  const s = toInt(signature.subarray(32));
  if (s > ORDER / 2n) signature.set(scalarBytes(ORDER - s), 32);
  const publicKey = new Uint8Array(signer.getPublicKey(null, 'compressed'));
  const digest = sha256(message);
  const signed = signatureStatement(digest, noncePoint(digest, signature, publicKey), publicKey);
  const content = scalarBytes(toInt(randomBytes(31)));
  const contentPoint = publicPoint(content);
  const isContent = kind === 'content';
  const verifyKey = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  const kem = generateKem();
  const verifier = generateVerifierKey();
  return {
    label: {
      xid: fixed('xid'),
      role: 'O',
      sender: fixed('sender'),
      recipient: fixed('recipient'),
      anchor: null,
      statements: isContent ? [{ base: GENERATOR, point: contentPoint }, signed] : [signed],
      ...changes,
    },
    witnesses: isContent ? [content, signature.subarray(32)] : [signature.subarray(32)],
    keys: { kem: kem.public, verifier: verifier.public },
    kemSecret: kem.secret,
    verifierSecret: verifier.secret,
    message,
    signature,
    accept: (j, candidate) => {
      if (isContent && j === 0) return equal(publicPoint(candidate), contentPoint);
      const whole = Buffer.concat([signature.subarray(0, 32), candidate]);
      return verify('sha256', message, { key: verifyKey, dsaEncoding: 'ieee-p1363' }, whole);
    },
  };
}

/** Keys that are the same in every run, for tests whose outcome must not depend on luck. */
export function fixedKeys(): {
  readonly keys: EscrowKeys;
  readonly kemSecret: Uint8Array;
  readonly verifierSecret: Uint8Array;
} {
  const kemSecret = fixed('kem');
  const verifierSecret = scalarBytes(fixedScalar('verifier'));
  const kem = kemPublicBytes(kemPrivateKey(kemSecret));
  return { keys: { kem, verifier: publicPoint(verifierSecret) }, kemSecret, verifierSecret };
}

export function makerOf(scheme: Scheme, label: EscrowLabel, keys: EscrowKeys): RoundMaker {
  return {
    context: scheme.context(scheme, label, keys),
    kem: keys.kem,
    kemKey: importKem(keys.kem),
    multiply: label.statements.map(({ base }) => multiplierX(present(decompressAnyForm(base), 'base'))),
  };
}

/** The honest answer of a round. */
export function hide(round: Round, witnesses: readonly Uint8Array[]): HiddenRound {
  const z = round.t.map((t, j) => scalarBytes(modOrder(toInt(present(witnesses[j], 'witness')) + t)));
  return { z, xT: round.xT, ephemeral: round.ephemeral, ciphertext: round.ciphertext };
}

/** A round that satisfies the verifier with this z without anyone knowing t: xT = x(z·Base − S), and noise for the arbiter. */
export function fakeRound(label: EscrowLabel, z: bigint): HiddenRound {
  const xT = label.statements.map(({ base, point }) => {
    const difference = Point.fromBytes(base).multiply(z).subtract(Point.fromBytes(point));
    return fromInt(difference.toAffine().x, 32);
  });
  const count = label.statements.length;
  const ephemeral = kemPublicBytes(kemPrivateKey(randomBytes(32)));
  return { z: label.statements.map(() => scalarBytes(z)), xT, ephemeral, ciphertext: randomBytes(32 * count + 16) };
}

/**
 * The holder of the verifier's secret makes a proof without witnesses: it draws the hidden set first, and opens its
 * commitment to fit. `hidden` gives each hidden round; without it they are noise.
 */
export function simulate(
  scheme: Scheme,
  label: EscrowLabel,
  keys: EscrowKeys,
  verifierSecret: Uint8Array,
  hidden: (index: number, maker: RoundMaker) => HiddenRound = () => fakeRound(label, toInt(randomBytes(31)) + 1n),
): Uint8Array {
  const maker = makerOf(scheme, label, keys);
  const e = toInt(randomBytes(31));
  const set = drawSet(scheme, e);
  const root = randomBytes(32);
  const rounds: ProofRound[] = [];
  const commitments: Uint8Array[] = [];
  for (let i = 0; i < scheme.rounds; i++) {
    const seed = seedOf(root, i);
    const round = set.has(i) ? hidden(i, maker) : seed;
    rounds.push(round);
    commitments.push(
      round instanceof Uint8Array
        ? makeRound(maker, seed, i).commitment
        : commitmentOf(i, round.xT, round.ephemeral, round.ciphertext),
    );
  }
  const a = toInt(randomBytes(31)) + 1n;
  const com = publicPoint(scalarBytes(a));
  const w = modOrder(e - challengeHash(maker.context, commitments, com));
  const r = modOrder((a - w) * Point.Fn.inv(toInt(verifierSecret)));
  return encodeProof({ w: scalarBytes(w), r: scalarBytes(r), rounds });
}

export interface Attempt {
  readonly proof: Uint8Array;
  /** Whether the challenge drew exactly the rounds that were guessed. */
  readonly guessed: boolean;
}

/**
 * A cheating prover without any secret: it guesses the hidden set, fakes those rounds and hopes. Each call of the result
 * is a try with a new commitment, which is all that it can vary at no cost.
 */
export function guesser(
  scheme: Scheme,
  label: EscrowLabel,
  keys: EscrowKeys,
  name: string,
  guess: ReadonlySet<number> = drawSet(scheme, fixedScalar(`${name} guess`)),
): (attempt: number) => Attempt {
  const maker = makerOf(scheme, label, keys);
  const root = fixed(`${name} root`);
  const verifier = present(decompress(keys.verifier), 'verifier key');
  const rounds = Array.from({ length: scheme.rounds }, (_, i) =>
    guess.has(i) ? fakeRound(label, fixedScalar(`${name} z ${i}`)) : seedOf(root, i),
  );
  const commitments = rounds.map((round, i) =>
    round instanceof Uint8Array
      ? makeRound(maker, round, i).commitment
      : commitmentOf(i, round.xT, round.ephemeral, round.ciphertext),
  );
  return (attempt) => {
    const [w, r] = [fixedScalar(`${name} w ${attempt}`), fixedScalar(`${name} r ${attempt}`)];
    const com = present(combine(w, r, verifier), 'commitment');
    const drawn = scheme.hiddenSet(scheme, maker.context, commitments, com, w);
    const guessed = drawn.size === guess.size && [...drawn].every((i) => guess.has(i));
    return { proof: encodeProof({ w: scalarBytes(w), r: scalarBytes(r), rounds }), guessed };
  };
}
