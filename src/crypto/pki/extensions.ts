/** The X.509 v3 extensions that decide anything here (RFC 5280 §4.2), read and written. */
import { DerReader, malformed, octetString, oid, oidText, readAll, sequence, TAG, tlv } from './der.ts';

/** In the order of their bits. */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export type KeyUsage = (typeof KEY_USAGES)[number];

export interface Extension {
  readonly id: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const OID = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Understood well enough to be critical. Policies: nothing here requires one. Alternative names: nothing here trusts one. */
const PROCESSED: readonly string[] = [
  OID.subjectKeyId,
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.certificatePolicies,
  OID.authorityKeyId,
  OID.extendedKeyUsage,
];

const MAX_EXTENSIONS = 32;

/** `SEQUENCE OF Extension`, each kind at most once. */
export function readExtensions(list: DerReader, what: string): Extension[] {
  const found: Extension[] = [];
  while (!list.done) {
    const one = list.enter(TAG.sequence, what);
    const id = one.oid(what);
    const critical = one.defaultFalse(what);
    const value = one.content(TAG.octetString, what);
    one.end(what);
    if (found.length === MAX_EXTENSIONS) malformed(`${what}: more than ${MAX_EXTENSIONS}`);
    if (found.some((other) => other.id === id)) malformed(`${what}: twice the same`);
    found.push({ id, critical, value });
  }
  return found;
}

export interface Constraints {
  readonly ca: boolean;
  /** pathLenConstraint; null is no limit. */
  readonly pathLength: number | null;
  /** null: no such extension, so any use. */
  readonly keyUsage: readonly KeyUsage[] | null;
  /** Dotted identifiers; null: no such extension. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** Whoever does not know the extension above must refuse the certificate. */
  readonly extendedKeyUsageCritical: boolean;
  readonly subjectKeyId: Uint8Array | null;
  readonly authorityKeyId: Uint8Array | null;
  /** An extension that limits the certificate in a way that is not understood here; null if there is none. */
  readonly unsupported: string | null;
}

export function readConstraints(extensions: readonly Extension[]): Constraints {
  const value = (id: string) => extensions.find((one) => one.id === id)?.value;
  const basic = value(OID.basicConstraints);
  const usage = value(OID.keyUsage);
  const extended = value(OID.extendedKeyUsage);
  const subjectKey = value(OID.subjectKeyId);
  const authorityKey = value(OID.authorityKeyId);
  const unknown = extensions.find(
    (one) => (one.critical && !PROCESSED.includes(one.id)) || one.id === OID.nameConstraints,
  );
  return {
    ...(basic === undefined ? { ca: false, pathLength: null } : readBasicConstraints(basic)),
    keyUsage: usage === undefined ? null : readKeyUsage(usage),
    extendedKeyUsage: extended === undefined ? null : readExtendedKeyUsage(extended),
    extendedKeyUsageCritical: extensions.some((one) => one.id === OID.extendedKeyUsage && one.critical),
    subjectKeyId: subjectKey === undefined ? null : readSubjectKeyId(subjectKey),
    authorityKeyId: authorityKey === undefined ? null : readAuthorityKeyId(authorityKey),
    unsupported: unknown?.id ?? null,
  };
}

function readBasicConstraints(value: Uint8Array): Pick<Constraints, 'ca' | 'pathLength'> {
  return readAll(value, TAG.sequence, 'basic constraints', (inner) => {
    const ca = inner.defaultFalse('basic constraints');
    const pathLength = inner.done ? null : inner.smallInteger('path length');
    if (!ca && pathLength !== null) malformed('a path length without a certification authority');
    return { ca, pathLength };
  });
}

function readKeyUsage(value: Uint8Array): readonly KeyUsage[] {
  const outer = new DerReader(value);
  const [unused = 0, ...bytes] = outer.content(TAG.bitString, 'key usage');
  outer.end('key usage');
  // Named bits: DER drops trailing zeros (X.690 §11.2.2).
  const last = bytes.at(-1) ?? 0;
  if (bytes.length < 1 || bytes.length > 2 || unused > 7 || (last & ((2 << unused) - 1)) !== 1 << unused)
    malformed('key usage: not DER');
  return KEY_USAGES.filter((_, bit) => (((bytes[bit >> 3] ?? 0) << (bit & 7)) & 0x80) !== 0);
}

function readExtendedKeyUsage(value: Uint8Array): readonly string[] {
  return readAll(value, TAG.sequence, 'extended key usage', (inner) => {
    const purposes: string[] = [];
    do purposes.push(oidText(inner.content(TAG.oid, 'extended key usage')));
    while (!inner.done);
    return purposes;
  });
}

function readSubjectKeyId(value: Uint8Array): Uint8Array {
  const outer = new DerReader(value);
  const id = outer.content(TAG.octetString, 'subject key identifier');
  outer.end('subject key identifier');
  return id;
}

/** Only the key identifier is of use; issuer and serial number may follow. */
function readAuthorityKeyId(value: Uint8Array): Uint8Array | null {
  return readAll(value, TAG.sequence, 'authority key identifier', (inner) => {
    const id = inner.tag === 0x80 ? inner.content(0x80, 'key identifier') : null;
    while (!inner.done) inner.whole(undefined, 'authority key identifier');
    return id;
  });
}

// ---- writing

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [Uint8Array.of(TAG.boolean, 1, 0xff)] : []), octetString(value));
}

/** digitalSignature and nonRepudiation: what an identity certificate is for. */
export function identityKeyUsage(): Uint8Array {
  return extension(OID.keyUsage, true, Uint8Array.of(TAG.bitString, 2, 6, 0xc0));
}

/** Extensions of a self-signed identity: not an authority, signs statements, no extended key usage (DESIGN §5). */
export function identityExtensions(keyId: Uint8Array): Uint8Array {
  return endEntityExtensions(keyId, identityKeyUsage());
}

export const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';

/** Extensions of a self-signed timestamping certificate: it signs timestamps and nothing else (RFC 3161 §2.3). */
export function timestampingExtensions(keyId: Uint8Array): Uint8Array {
  const purpose = extension(OID.extendedKeyUsage, true, sequence(oid(TIME_STAMPING)));
  return endEntityExtensions(keyId, extension(OID.keyUsage, true, Uint8Array.of(TAG.bitString, 2, 7, 0x80)), purpose);
}

function endEntityExtensions(keyId: Uint8Array, ...usages: readonly Uint8Array[]): Uint8Array {
  return sequence(
    extension(OID.basicConstraints, true, sequence()),
    ...usages,
    extension(OID.subjectKeyId, false, octetString(keyId)),
    extension(OID.authorityKeyId, false, sequence(tlv(0x80, keyId))),
  );
}
