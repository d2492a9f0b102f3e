/**
 * The items that lie in the tree of a container: what each has to be, asked when it is packed and when it is taken out.
 * A statement is a text that may be signed; a credential is a certificate or an attribute certificate that is valid now.
 */
import { parseAttributeCertificate } from '../crypto/pki/attribute-certificate.ts';
import { parseCertificate } from '../crypto/pki/certificate.ts';
import { utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { PeerFault } from '../lib/errors.ts';
import { lint } from '../lib/lint.ts';
import type { CredentialRecord, StatementRecord } from './container-format.ts';

type Validity = { readonly notBefore: number; readonly notAfter: number };

function validityOf(der: Uint8Array): Validity | null {
  for (const parse of [parseCertificate, parseAttributeCertificate]) {
    try {
      return parse(der);
    } catch (error) {
      if (!(error instanceof PeerFault)) throw error;
    }
  }
  return null;
}

function credentialFault(der: Uint8Array, now: number): string | null {
  const validity = validityOf(der);
  if (validity === null) return 'it is not an X.509 certificate or attribute certificate';
  const { notBefore, notAfter } = validity;
  if (now > notAfter) return `the certificate expired on ${isoTime(notAfter)}`;
  return now < notBefore ? `the certificate is not valid before ${isoTime(notBefore)}` : null;
}

/** Why the item is not what it is to be, in one sentence; null if it is. `now`: seconds since 1970. */
export function inlineFault(
  item: Pick<StatementRecord, 'kind' | 'text'> | Pick<CredentialRecord, 'kind' | 'der'>,
  now: number,
): string | null {
  if (item.kind === 'credential') return credentialFault(item.der, now);
  const [finding] = lint(utf8(item.text));
  return finding === undefined ? null : `the text may not be signed: line ${finding.line}: ${finding.message}`;
}
