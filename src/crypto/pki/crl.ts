/**
 * Certificate revocation lists (RFC 5280 §5), full ones by the certificates' own issuer. Indirect, partial and delta lists
 * are refused: they would say "not revoked" where they mean "not in this part".
 */
import { equal, toHex } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import type { Certificate } from './certificate.ts';
import { assertDer, contextTag, type DerReader, malformed, readAll, TAG } from './der.ts';
import { readExtensions } from './extensions.ts';
import { readSigned, type Signed, verifySigned } from './signature.ts';
import { readTime } from './time.ts';

const CRL_MAX_BYTES = 4 * 1024 * 1024;

const OID = { crlNumber: '2.5.29.20', authorityKeyId: '2.5.29.35', reason: '2.5.29.21', invalidityDate: '2.5.29.24' };
const KNOWN_IN_LIST: readonly string[] = [OID.crlNumber, OID.authorityKeyId];
const KNOWN_IN_ENTRY: readonly string[] = [OID.reason, OID.invalidityDate];
const ISSUING_DISTRIBUTION_POINT = '2.5.29.28';
const DELTA = '2.5.29.27';

export interface Crl {
  readonly issuerDer: Uint8Array;
  /** Seconds since 1970; a list without end stays valid (null). */
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
  /** Serial number (hex of the INTEGER with its header) → revocation date. */
  readonly revoked: ReadonlyMap<string, number>;
  readonly signed: Signed;
}

/** Throws PeerFault: 'oversized' above 4 MiB, 'malformed' for bad encodings and for kinds of lists not supported. */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > CRL_MAX_BYTES) throw new PeerFault('oversized', 'revocation list: more than 4 MiB');
  assertDer(der, 'revocation list');
  const signed = readAll(der, TAG.sequence, 'revocation list', (inner) => readSigned(inner, 'revocation list'));
  return readAll(signed.body, TAG.sequence, 'revocation list', (body) => {
    if (body.tag === TAG.integer && body.smallInteger('list version') !== 1)
      malformed('revocation list: not version 2');
    if (!equal(body.whole(TAG.sequence, 'algorithm'), signed.algorithm)) malformed('revocation list: two algorithms');
    const issuerDer = body.whole(TAG.sequence, 'issuer');
    const thisUpdate = readTime(body, 'thisUpdate');
    const hasNext = body.tag === TAG.utcTime || body.tag === TAG.generalizedTime;
    const nextUpdate = hasNext ? readTime(body, 'nextUpdate') : null;
    const revoked = body.tag === TAG.sequence ? readEntries(body.enter(TAG.sequence, 'entries')) : new Map();
    if (!body.done) readListExtensions(body.enter(contextTag(0), 'list extensions'));
    return { issuerDer, thisUpdate, nextUpdate, revoked, signed };
  });
}

function readListExtensions(outer: DerReader): void {
  const list = outer.enter(TAG.sequence, 'list extensions');
  outer.end('list extensions');
  for (const { id, critical } of readExtensions(list, 'list extension')) {
    const isPartial = id === ISSUING_DISTRIBUTION_POINT || id === DELTA;
    if (isPartial || (critical && !KNOWN_IN_LIST.includes(id)))
      malformed('revocation list: a kind that is not supported');
  }
}

function readEntries(list: DerReader): ReadonlyMap<string, number> {
  const revoked = new Map<string, number>();
  while (!list.done) {
    const entry = list.enter(TAG.sequence, 'entry');
    const serial = toHex(entry.whole(TAG.integer, 'entry serial number'));
    const at = readTime(entry, 'revocation date');
    if (!entry.done) {
      for (const { id, critical } of readExtensions(entry.enter(TAG.sequence, 'entry extensions'), 'entry extension'))
        if (critical && !KNOWN_IN_ENTRY.includes(id)) malformed('revocation list: an entry that is not supported');
    }
    entry.end('entry');
    revoked.set(serial, Math.min(at, revoked.get(serial) ?? at));
  }
  return revoked;
}

/** Whether this authority may have issued the list and did. */
export function isCrlOf(crl: Crl, issuer: Certificate): boolean {
  if (!equal(crl.issuerDer, issuer.subjectDer)) return false;
  if (issuer.keyUsage !== null && !issuer.keyUsage.includes('cRLSign')) return false;
  return verifySigned(crl.signed, issuer.publicKey);
}
