/** Attribute certificates for tests, by the letter of RFC 5755, right or wrong on purpose. */
import { contextTag, integer, oid, sequence, setOf, tlv } from '../../src/crypto/pki/der.ts';
import { commonName } from '../../src/crypto/pki/name.ts';
import { ECDSA_SHA256, signBody } from '../../src/crypto/pki/signature.ts';
import { generalizedTime } from '../../src/crypto/pki/time.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { type Identity, NOW, YEAR } from './identities.ts';

/** GeneralName of a directory name. */
const directory = (name: Uint8Array): Uint8Array => tlv(contextTag(4), name);

export interface AttributeFields {
  readonly version?: number;
  /** In place of `entityName` with the holder's name. */
  readonly holder?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly attributes?: readonly Uint8Array[];
  readonly rest?: readonly Uint8Array[];
}

export const byEntity = (name: string): Uint8Array => tlv(contextTag(1), directory(commonName(name)));
export const byCertificate = ({ certificate }: Identity): Uint8Array =>
  tlv(contextTag(0), sequence(directory(certificate.issuerDer)), certificate.serialDer);
/** The attribute `role` (RFC 5755 §4.4.5) with a URI. */
export const role = (uri: string): Uint8Array =>
  sequence(oid('2.5.4.72'), setOf(sequence(tlv(contextTag(1), tlv(0x86, utf8(uri))))));

export function attributeCertificate(issuer: Identity, holder: string, fields: AttributeFields = {}): Uint8Array {
  const { notBefore = NOW - 3600, notAfter = NOW + YEAR } = fields;
  const body = sequence(
    integer(fields.version ?? 1),
    sequence(fields.holder ?? byEntity(holder)),
    fields.issuer ?? tlv(contextTag(0), sequence(directory(issuer.certificate.subjectDer))),
    fields.algorithm ?? ECDSA_SHA256,
    integer(77),
    sequence(generalizedTime(notBefore), generalizedTime(notAfter)),
    sequence(...(fields.attributes ?? [role('urn:library:reader')])),
    ...(fields.rest ?? []),
  );
  return signBody(body, issuer.key);
}
