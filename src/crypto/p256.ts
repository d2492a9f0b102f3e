/**
 * The group P-256 for the escrow: statements of finished signatures, and x-only multiplication.
 * Every scalar multiplication is done by OpenSSL through node's ECDH, which gives x-coordinates only (17 times faster than
 * JavaScript); where a whole point is needed, its y is recovered from two x-coordinates. Points are read in compressed form
 * alone: OpenSSL would also take the hybrid forms 06 and 07, which give one point several encodings.
 */
import { createECDH, ECDH } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { assert } from '../lib/assert.ts';
import { compare, concat, equal, fromHex, fromInt, toInt } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';

/** Order of the group. */
export const ORDER = p256.Point.Fn.ORDER;
/** Characteristic of the coordinate field. */
export const FIELD = p256.Point.Fp.ORDER;
const A = FIELD - 3n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** The generator, compressed. */
export const GENERATOR: Uint8Array = fromHex('036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296');

const COMPRESSED_BYTES = 33;
const SCALAR_BYTES = 32;

/** One context serves all: each use sets the scalar first, and nothing here is asynchronous. */
const engine = createECDH('prime256v1');

/** What a discrete-log item proves: the witness w with w·base = point (PROTOCOL §4). Compressed, 33 bytes each. */
export interface Statement {
  readonly base: Uint8Array;
  readonly point: Uint8Array;
}

export function modOrder(value: bigint): bigint {
  const rest = value % ORDER;
  return rest < 0n ? rest + ORDER : rest;
}

function modField(value: bigint): bigint {
  const rest = value % FIELD;
  return rest < 0n ? rest + FIELD : rest;
}

/** 32 bytes, big-endian. */
export function scalarBytes(value: bigint): Uint8Array {
  return fromInt(value, SCALAR_BYTES);
}

/** 48 uniform bytes → a scalar with a bias below 2^-128. */
export function scalarFromWide(wide: Uint8Array): bigint {
  return toInt(wide) % ORDER;
}

/** A scalar between 1 and ORDER − 1 as 32 bytes. */
export function isPrivateScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== SCALAR_BYTES) return false;
  const value = toInt(bytes);
  return value > 0n && value < ORDER;
}

/** Hands any encoding to OpenSSL, hybrid forms included; `null` if it is no point. Exported for the escrow's own rule. */
export function decompressAnyForm(point: Uint8Array): Uint8Array | null {
  try {
    const found = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'uncompressed');
    return typeof found === 'string' || found.length !== 65 ? null : new Uint8Array(found);
  } catch {
    return null;
  }
}

/** The 65-byte form of a compressed point; `null` unless it is exactly that and on the curve. */
export function decompress(point: Uint8Array): Uint8Array | null {
  const isCompressed = point.length === COMPRESSED_BYTES && (point[0] === 2 || point[0] === 3);
  return isCompressed ? decompressAnyForm(point) : null;
}

/** x-coordinate of an uncompressed point. */
export function xOf(uncompressed: Uint8Array): bigint {
  return toInt(uncompressed.subarray(1, 33));
}

function yOf(uncompressed: Uint8Array): bigint {
  return toInt(uncompressed.subarray(33));
}

function compress(x: bigint, y: bigint): Uint8Array {
  return concat(Uint8Array.of((y & 1n) === 0n ? 2 : 3), fromInt(x, 32));
}

/** `scalar·G`, compressed; the scalar must lie between 1 and ORDER − 1 (32 bytes). */
export function publicPoint(scalar: Uint8Array): Uint8Array {
  engine.setPrivateKey(scalar);
  return new Uint8Array(engine.getPublicKey(null, 'compressed'));
}

/**
 * x(scalar·base) for scalars of 32 bytes between 1 and ORDER − 1 (OpenSSL throws on others); `base` is uncompressed.
 * For ±G the public key is the answer, ten times faster than a Diffie-Hellman.
 */
export function multiplierX(base: Uint8Array): (scalar: Uint8Array) => Uint8Array {
  if (equal(base.subarray(1, 33), GENERATOR.subarray(1))) {
    return (scalar) => {
      engine.setPrivateKey(scalar);
      return engine.getPublicKey().subarray(1, 33);
    };
  }
  return (scalar) => {
    engine.setPrivateKey(scalar);
    return engine.computeSecret(base);
  };
}

/** a·G + b·P by the library: complete, some ten times slower. */
function combineSlow(a: bigint, b: bigint, base: Uint8Array): Uint8Array | null {
  const sum = p256.Point.BASE.multiplyUnsafe(a).add(p256.Point.fromBytes(base).multiplyUnsafe(b));
  return sum.is0() ? null : sum.toBytes(true);
}

/**
 * a·G + b·P, compressed, or `null` for infinity. Scalars are reduced; `base` is P uncompressed and on the curve.
 * b·P comes from OpenSSL as x(b·P) and x((b+1)·P); with P = (x, y), (x2 + x1 + x)(x1 − x)² = y1² − 2·y1·y + y² gives y1.
 * One inversion serves that division and the addition. Not constant-time.
 */
export function combine(a: bigint, b: bigint, base: Uint8Array): Uint8Array | null {
  const [u, v] = [modOrder(a), modOrder(b)];
  if (u === 0n || v === 0n || v === ORDER - 1n) return combineSlow(u, v, base);
  engine.setPrivateKey(scalarBytes(u));
  const left = engine.getPublicKey();
  const multiply = multiplierX(base);
  const x1 = toInt(multiply(scalarBytes(v)));
  const x2 = toInt(multiply(scalarBytes(v + 1n)));
  const [x, y] = [xOf(base), yOf(base)];
  const [xa, ya] = [xOf(left), yOf(left)];
  if (xa === x1) return combineSlow(u, v, base);
  const square = (x1 * x1 * x1 + A * x1 + B) % FIELD;
  const numerator = (square + y * y - (x2 + x1 + x) * (x1 - x) * (x1 - x)) % FIELD;
  const slope = modField((ya * 2n * y - numerator) * p256.Point.Fp.inv(modField(2n * y * (xa - x1))));
  const xSum = modField(slope * slope - xa - x1);
  return compress(xSum, modField(slope * (xa - xSum) - ya));
}

/**
 * Whether `x` is x(Z − S) or x(Z + S), from x(Z) and x(S) alone and without division: both are the roots of
 * (z−s)²·X² − 2·((z+s)(a+zs) + 2b)·X + (zs−a)² − 4b(z+s) (Brier and Joye, PKC 2002). Z ≠ ±S is the caller's to check.
 */
export function isSumOrDifference(z: bigint, s: bigint, x: bigint): boolean {
  const [product, sum, gap] = [z * s, z + s, z - s];
  const value =
    gap * x * (gap * x) - 2n * (sum * (A + product) + 2n * B) * x + (product - A) * (product - A) - 4n * B * sum;
  return value % FIELD === 0n;
}

function publicKeyPoint(publicKey: Uint8Array, what: string): Uint8Array {
  const point = decompress(publicKey);
  if (point === null) throw new PeerFault('bad-proof', `${what} is not a compressed point of P-256`);
  return point;
}

/** r of a signature from its nonce point (33 bytes): x mod ORDER, 32 bytes. */
export function rOf(noncePoint: Uint8Array): Uint8Array {
  return scalarBytes(modOrder(toInt(noncePoint.subarray(1))));
}

/**
 * The nonce point R = s⁻¹(h·G + r·Q) of a finished signature (r ‖ s, 64 bytes) over `digest` (32 bytes) by `publicKey`.
 * Throws `PeerFault('bad-signature')` if it is not one: x(R) mod ORDER ≠ r.
 */
export function noncePoint(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): Uint8Array {
  assert(digest.length === 32, 'a digest has 32 bytes');
  const key = publicKeyPoint(publicKey, 'the public key');
  const [rBytes, sBytes] = [signature.subarray(0, 32), signature.subarray(32)];
  if (!isPrivateScalar(rBytes) || !isPrivateScalar(sBytes)) throw new PeerFault('bad-signature', 'r or s out of range');
  const inverse = p256.Point.Fn.inv(toInt(sBytes));
  const point = combine(toInt(digest) * inverse, toInt(rBytes) * inverse, key);
  if (point === null || compare(rOf(point), rBytes) !== 0)
    throw new PeerFault('bad-signature', 'not a signature by this key');
  return point;
}

/**
 * The statement (R, S) with S = h·G + r·Q and r = x(R) mod ORDER: whoever knows s with s·R = S has the signature (r, s).
 * Throws `PeerFault('bad-proof')` on a point that is not compressed, not on the curve, or infinity, and on r = 0.
 */
export function signatureStatement(digest: Uint8Array, nonce: Uint8Array, publicKey: Uint8Array): Statement {
  assert(digest.length === 32, 'a digest has 32 bytes');
  const key = publicKeyPoint(publicKey, 'the public key');
  publicKeyPoint(nonce, 'the nonce point');
  const r = toInt(rOf(nonce));
  const point = r === 0n ? null : combine(toInt(digest), r, key);
  if (point === null) throw new PeerFault('bad-proof', 'the nonce point makes no statement');
  return { base: nonce, point };
}
