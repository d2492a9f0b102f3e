/**
 * The verdict on a timestamp file (RFC 3161), the one that the daemon gives on what an authority answered and that
 * `fit timestamp verify` gives offline. Whatever the bytes are, it says yes or what is wrong.
 */
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { fromPem } from '../crypto/pki/pem.ts';
import { type TimestampFault, verifyTimestamp } from '../crypto/pki/timestamp.ts';
import { toHex } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { FitError, PeerFault } from '../lib/errors.ts';

const MAX_AUTHORITIES = 64;

export interface StampVerdict {
  readonly ok: boolean;
  readonly problem: { readonly code: TimestampFault; readonly message: string } | null;
  readonly stamp: Stamp | null;
}

export interface Stamp {
  /** ISO 8601: the file existed then. */
  readonly time: string;
  /** Hex. */
  readonly serial: string;
  readonly policy: string;
  /** The signer: its name (untrusted text) and the SHA-256 of its certificate. */
  readonly authority: string;
  readonly fingerprint: string;
  /** SHA-256 of the named certificate that it is trusted by; the signer's own, if that was named. */
  readonly trustedBy: string;
}

/** `authorities` are DER. FitError('bad-file') if one of them is no certificate. */
export function judgeTimestamp(
  token: Uint8Array,
  expected: { readonly digest: Uint8Array; readonly nonce?: Uint8Array; readonly authorities: readonly Uint8Array[] },
): StampVerdict {
  const result = verifyTimestamp(token, { ...expected, authorities: expected.authorities.map(readCertificate) });
  if (!result.ok) return { ok: false, problem: { code: result.code, message: result.message }, stamp: null };
  const { time, serial, policy, chain } = result.timestamp;
  const [signer] = chain;
  const last = chain.at(-1) ?? signer;
  const stamp = {
    time: isoTime(time),
    serial,
    policy,
    authority: signer.subject,
    fingerprint: toHex(signer.hash),
    trustedBy: toHex(last.hash),
  };
  return { ok: true, problem: null, stamp };
}

/** Parsed. FitError('bad-file') if one of them is no certificate. */
export const certificatesOf = (ders: readonly Uint8Array[]) => ders.map(readCertificate);

function readCertificate(der: Uint8Array) {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (cause instanceof PeerFault)
      throw new FitError('bad-file', `a certificate of an authority is unusable: ${cause.message}`, { cause });
    throw cause;
  }
}

/** The certificates in a PEM text, DER, at least one. FitError('bad-file'). */
export function authoritiesIn(pem: string): readonly Uint8Array[] {
  const found = fromPem(pem, 'CERTIFICATE');
  if (found.length === 0) throw new FitError('bad-file', 'there is no certificate (PEM) in the file');
  if (found.length > MAX_AUTHORITIES)
    throw new FitError('bad-file', `there are more than ${MAX_AUTHORITIES} certificates in the file`);
  for (const one of found) readCertificate(one);
  return found;
}
