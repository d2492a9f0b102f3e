/**
 * The certificates that evidence carries. Guarantees: those of whom it concerns and of their issuers, each once, in one order
 * whatever the order given; nobody else's.
 */
import type { Certificate } from '../crypto/pki/certificate.ts';
import { isIssuedBy } from '../crypto/pki/chain.ts';
import { toPem } from '../crypto/pki/pem.ts';
import { compare, equal, toHex, utf8 } from '../lib/bytes.ts';

/** Those concerned, then whoever issued one of the former, by hash; each once. */
function selectCertificates(given: readonly Certificate[], first: readonly Uint8Array[]): Certificate[] {
  const all = [...new Map(given.map((one) => [toHex(one.hash), one])).values()];
  const selected = first.flatMap((hash) => all.filter((one) => equal(one.hash, hash)));
  const issuers = new Set<Certificate>();
  for (const one of selected) addIssuers(one, all, selected, issuers);
  return [...selected, ...[...issuers].sort((a, b) => compare(a.hash, b.hash))];
}

function addIssuers(
  of: Certificate,
  all: readonly Certificate[],
  selected: readonly Certificate[],
  to: Set<Certificate>,
): void {
  for (const one of all) {
    if (selected.includes(one) || to.has(one) || !isIssuedBy(of, one)) continue;
    to.add(one);
    addIssuers(one, all, selected, to);
  }
}

/** The PEM file. `concerned`: SHA-256 of the certificates that must come first, as far as they are given. */
export function certificatesFile(given: readonly Certificate[], concerned: readonly Uint8Array[]): Uint8Array {
  return utf8(
    selectCertificates(given, concerned)
      .map((one) => toPem('CERTIFICATE', one.der))
      .join(''),
  );
}
