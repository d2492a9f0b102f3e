/**
 * ECDSA P-256 with SHA-256, by OpenSSL. Signatures are raw r‖s, 64 bytes, always with the low s: (r, s) and (r, q − s)
 * both satisfy the equation, and one of them must be the only accepted one so that both traders hold equal bytes.
 * CMS and X.509 carry the DER form; the conversions here accept exactly one encoding per signature.
 */
import { type KeyObject, sign, verify } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { compare, concat, fromHex, fromInt, toInt } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
/** (q − 1) / 2: the largest low s. */
const HALF_ORDER = fromHex('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8');

const SIGNATURE_BYTES = 64;

const checkedKeys = new WeakSet<KeyObject>();

/** Whether the key is ECDSA P-256, private or public. */
export function isP256(key: KeyObject): boolean {
  if (checkedKeys.has(key)) return true;
  const is = key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  if (is) checkedKeys.add(key);
  return is;
}

export function isLowS(signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && compare(signature.subarray(32), HALF_ORDER) <= 0;
}

/** The same signature with the low s, 64 bytes. Arithmetic on s is not constant-time; s is about to be published. */
export function lowS(signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, 'a raw P-256 signature has 64 bytes');
  if (isLowS(signature)) return signature;
  const s = toInt(signature.subarray(32));
  if (s >= ORDER) throw new PeerFault('bad-signature', 's is not below the group order');
  return concat(signature.subarray(0, 32), fromInt(ORDER - s, 32));
}

/** Signs SHA-256 of the message; raw r‖s, low s. The nonce is OpenSSL's hedged random one. */
export function signP256(key: KeyObject, message: Uint8Array): Uint8Array {
  assert(key.type === 'private' && isP256(key), 'signing takes a P-256 private key');
  return lowS(new Uint8Array(sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' })));
}

/** Strict: exactly 64 bytes, low s, a P-256 key; anything else is false. Never throws. */
export function verifyP256(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isLowS(signature) || !isP256(key)) return false;
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

function derInteger(value: Uint8Array): Uint8Array {
  let from = 0;
  while (from < value.length - 1 && value[from] === 0) from++;
  const pad = (value[from] ?? 0) >= 0x80 ? [0] : [];
  return Uint8Array.of(0x02, value.length - from + pad.length, ...pad, ...value.subarray(from));
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3), 8 to 72 bytes. */
export function rawToDer(signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, 'a raw P-256 signature has 64 bytes');
  const r = derInteger(signature.subarray(0, 32));
  const s = derInteger(signature.subarray(32));
  return concat(Uint8Array.of(0x30, r.length + s.length), r, s);
}

/** Throws PeerFault('malformed') unless `der` is the one DER encoding of two integers from 0 to 2^256 − 1. */
export function derToRaw(der: Uint8Array): Uint8Array {
  const raw = new Uint8Array(SIGNATURE_BYTES);
  const rLength = der[3] ?? 0;
  const sLength = der[5 + rLength] ?? 0;
  const fits = der.length <= 72 && rLength >= 1 && rLength <= 33 && sLength >= 1 && sLength <= 33;
  if (fits && der.length === 6 + rLength + sLength) {
    const r = der.subarray(4, 4 + rLength);
    const s = der.subarray(6 + rLength);
    raw.set(r.subarray(Math.max(0, rLength - 32)), 32 - Math.min(32, rLength));
    raw.set(s.subarray(Math.max(0, sLength - 32)), 64 - Math.min(32, sLength));
    // Encoding back finds every other spelling: padding, signs, wrong tags and lengths.
    if (compare(rawToDer(raw), der) === 0) return raw;
  }
  throw new PeerFault('malformed', 'not a DER-encoded ECDSA signature');
}
