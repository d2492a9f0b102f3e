/** Certification requests (PKCS#10, RFC 2986): what an authority is asked to certify. The issued certificate comes back by import.ts. */
import type { KeyObject } from 'node:crypto';
import { p256Spki } from './certificate.ts';
import { contextTag, integer, oid, sequence, tlv } from './der.ts';
import { identityKeyUsage } from './extensions.ts';
import { commonName } from './name.ts';
import { toPem } from './pem.ts';
import { signBody } from './signature.ts';
import { attribute } from './signed-data.ts';

const EXTENSION_REQUEST = oid('1.2.840.113549.1.9.14');

/** PEM `CERTIFICATE REQUEST` for CN = name, asking for digitalSignature and nonRepudiation. */
export async function createCsr(key: KeyObject, name: string): Promise<string> {
  const body = sequence(
    integer(0),
    commonName(name),
    p256Spki(key),
    tlv(contextTag(0), attribute(EXTENSION_REQUEST, sequence(identityKeyUsage()))),
  );
  return toPem('CERTIFICATE REQUEST', signBody(body, key));
}
