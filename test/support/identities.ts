/** Traders and certification authorities for tests: certificates of every shape, with real signatures. */
import { constants, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { type Certificate, parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { contextTag, integer, octetString, oid, sequence, TAG, tlv } from '../../src/crypto/pki/der.ts';
import { identityKeyUsage } from '../../src/crypto/pki/extensions.ts';
import { commonName } from '../../src/crypto/pki/name.ts';
import { encodeTime } from '../../src/crypto/pki/time.ts';

export const NOW = Date.UTC(2026, 10, 20, 12) / 1000;
export const YEAR = 365 * 86400;

export interface Identity {
  readonly key: KeyObject;
  readonly certificate: Certificate;
}

export async function trader(name: string, key = generateSigningKey(), notBefore = NOW - 3600): Promise<Identity> {
  return { key, certificate: parseCertificate(await selfSigned({ key, name, notBefore, notAfter: NOW + YEAR })) };
}

export type KeyKind = 'p256' | 'p384' | 'rsa' | 'rsa-pss' | 'ed25519';

const RSA = { modulusLength: 2048 };

export function keyOf(kind: KeyKind): KeyObject {
  switch (kind) {
    case 'p256':
      return generateSigningKey();
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'rsa':
    case 'rsa-pss':
      return generateKeyPairSync('rsa', RSA).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
  }
}

const NULL = tlv(TAG.null);
const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), NULL);
const PSS_PARAMETERS = sequence(
  tlv(contextTag(0), SHA256),
  tlv(contextTag(1), sequence(oid('1.2.840.113549.1.1.8'), SHA256)),
  tlv(contextTag(2), integer(32)),
);

const ALGORITHMS: Readonly<Record<KeyKind, readonly [Uint8Array, string | null]>> = {
  p256: [sequence(oid('1.2.840.10045.4.3.2')), 'sha256'],
  p384: [sequence(oid('1.2.840.10045.4.3.3')), 'sha384'],
  rsa: [sequence(oid('1.2.840.113549.1.1.11'), NULL), 'sha256'],
  'rsa-pss': [sequence(oid('1.2.840.113549.1.1.10'), PSS_PARAMETERS), 'sha256'],
  ed25519: [sequence(oid('1.3.101.112')), null],
};

function signWith(kind: KeyKind, key: KeyObject, body: Uint8Array, claims = kind): Uint8Array {
  const [algorithm] = ALGORITHMS[claims];
  const [, hash] = ALGORITHMS[kind];
  const padding = kind === 'rsa-pss' ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {};
  const signature = sign(hash, body, { key, ...padding });
  return sequence(body, algorithm, tlv(TAG.bitString, Uint8Array.of(0), signature));
}

export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [Uint8Array.of(TAG.boolean, 1, 0xff)] : []), octetString(value));
}

export const KEY_CERT_SIGN = Uint8Array.of(TAG.bitString, 2, 1, 0x06);
export const DIGITAL_SIGNATURE = Uint8Array.of(TAG.bitString, 2, 7, 0x80);
export const TRUE = Uint8Array.of(TAG.boolean, 1, 0xff);

export interface Authority extends Identity {
  readonly kind: KeyKind;
}

export interface IssueOptions {
  readonly name: string;
  readonly issuer?: Authority;
  readonly kind?: KeyKind;
  readonly key?: KeyObject;
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** BIT STRING; null leaves the extension out. */
  readonly keyUsage?: Uint8Array | null;
  readonly extensions?: readonly Uint8Array[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Content of the INTEGER. */
  readonly serial?: Uint8Array;
  /** Name bytes of the issuer, if other than the issuer's. */
  readonly issuerName?: Uint8Array;
  /** Name bytes of the subject, if other than CN = name. */
  readonly subjectName?: Uint8Array;
  /** Leaves the key identifiers out. */
  readonly noKeyIds?: boolean;
  readonly version?: number;
  /** Names the algorithm of another kind of key than the signature is made with. */
  readonly claims?: KeyKind;
  /** Says another algorithm outside than inside. */
  readonly outerKind?: KeyKind;
}

function keyIdOf(key: KeyObject): Uint8Array {
  return sha256(new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }))).slice(0, 20);
}

export function issueDer(options: IssueOptions): { readonly der: Uint8Array; readonly key: KeyObject } {
  const kind = options.kind ?? 'p256';
  const key = options.key ?? keyOf(kind);
  const signerKind = options.issuer?.kind ?? kind;
  const signerKey = options.issuer?.key ?? key;
  const subject = options.subjectName ?? commonName(options.name);
  const pathLength = options.pathLength === undefined ? [] : [integer(options.pathLength)];
  const basic = sequence(...(options.ca ? [TRUE] : []), ...pathLength);
  const usage =
    options.keyUsage === undefined
      ? [options.ca ? extension('2.5.29.15', true, KEY_CERT_SIGN) : identityKeyUsage()]
      : options.keyUsage === null
        ? []
        : [extension('2.5.29.15', true, options.keyUsage)];
  const serial = options.serial ?? Uint8Array.of(0x40, ...randomBytes(15));
  const body = sequence(
    tlv(contextTag(0), integer(options.version ?? 2)),
    tlv(TAG.integer, serial),
    ALGORITHMS[options.claims ?? options.outerKind ?? signerKind][0],
    options.issuerName ?? options.issuer?.certificate.subjectDer ?? subject,
    sequence(encodeTime(options.notBefore ?? NOW - 86400), encodeTime(options.notAfter ?? NOW + YEAR)),
    subject,
    new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })),
    tlv(
      contextTag(3),
      sequence(
        extension('2.5.29.19', true, basic),
        ...usage,
        ...(options.noKeyIds
          ? []
          : [
              extension('2.5.29.14', false, octetString(keyIdOf(key))),
              extension('2.5.29.35', false, sequence(tlv(0x80, keyIdOf(signerKey)))),
            ]),
        ...(options.extensions ?? []),
      ),
    ),
  );
  return { der: signWith(signerKind, signerKey, body, options.claims), key };
}

export function issue(options: IssueOptions): Authority {
  const { der, key } = issueDer(options);
  return { key, kind: options.kind ?? 'p256', certificate: parseCertificate(der) };
}

export interface CrlOptions {
  readonly issuer: Authority;
  readonly revoked?: readonly {
    readonly certificate: Certificate;
    readonly at: number;
    readonly extensions?: Uint8Array;
  }[];
  readonly thisUpdate?: number;
  readonly nextUpdate?: number;
  readonly extensions?: readonly Uint8Array[];
  /** Signs instead of the issuer. */
  readonly by?: Authority;
}

export function crl(options: CrlOptions): Uint8Array {
  const signer = options.by ?? options.issuer;
  const entries = (options.revoked ?? []).map(({ certificate, at, extensions }) =>
    sequence(certificate.serialDer, encodeTime(at), ...(extensions === undefined ? [] : [extensions])),
  );
  const body = sequence(
    integer(1),
    ALGORITHMS[signer.kind][0],
    options.issuer.certificate.subjectDer,
    encodeTime(options.thisUpdate ?? NOW - 3600),
    encodeTime(options.nextUpdate ?? NOW + 86400),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    tlv(contextTag(0), sequence(extension('2.5.29.20', false, integer(1)), ...(options.extensions ?? []))),
  );
  return signWith(signer.kind, signer.key, body);
}
