/**
 * PKCS#12 (RFC 7292) as OpenSSL 3, browsers and authorities write it today: PBES2 with AES, integrity by a MAC. Read by
 * pkijs because the format is rare, BER, and nested; loaded only when one is imported. The old RC2 and triple-DES forms are
 * refused with the command that converts them. Keys and certificates come out as DER in the order of the file.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { FitError } from '../../lib/errors.ts';
import { decryptWith } from './pbes2.ts';

export interface Pkcs12Content {
  /** PKCS#8, decrypted. */
  readonly keys: readonly Uint8Array[];
  readonly certificates: readonly Uint8Array[];
}

const OID = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509: '1.2.840.113549.1.9.22.1',
} as const;

/** Digest → [name, bytes, block bytes]. */
const MAC_HASHES: Readonly<Record<string, readonly [string, number, number]>> = {
  '1.3.14.3.2.26': ['sha1', 20, 64],
  '2.16.840.1.101.3.4.2.1': ['sha256', 32, 64],
  '2.16.840.1.101.3.4.2.2': ['sha384', 48, 128],
  '2.16.840.1.101.3.4.2.3': ['sha512', 64, 128],
};

const MAX_MAC_ITERATIONS = 1_000_000;
const MAX_BAGS = 64;

/** FitError: 'wrong-passphrase'; 'bad-file' if it is not PKCS#12; 'bad-key' if it is encrypted in an old way. */
export async function readPkcs12(file: Uint8Array, passphrase: string): Promise<Pkcs12Content> {
  const pfx = modelOf(() => pkijs.PFX.fromBER(bufferOf(file)));
  const safe = contentOf(pfx.authSafe);
  if (pfx.macData !== undefined) checkMac(pfx.macData, safe, passphrase);
  const keys: Uint8Array[] = [];
  const certificates: Uint8Array[] = [];
  for (const info of modelOf(() => pkijs.AuthenticatedSafe.fromBER(bufferOf(safe))).safeContents) {
    const plain = info.contentType === OID.encryptedData ? await decryptContent(info, passphrase) : contentOf(info);
    const bags = modelOf(() => pkijs.SafeContents.fromBER(bufferOf(plain))).safeBags;
    for (const bag of bags) {
      if (keys.length + certificates.length === MAX_BAGS) throw notPkcs12();
      const value: unknown = bag.bagValue;
      if (bag.bagId === OID.keyBag && value instanceof pkijs.PrivateKeyInfo) keys.push(derOf(value.toSchema()));
      else if (bag.bagId === OID.shroudedKeyBag && value instanceof pkijs.PKCS8ShroudedKeyBag)
        keys.push(await decrypt(value.encryptionAlgorithm, octetsOf(value.encryptedData), passphrase));
      else if (bag.bagId === OID.certBag && value instanceof pkijs.CertBag && value.certId === OID.x509)
        certificates.push(certificateOf(value));
    }
  }
  return { keys, certificates };
}

function modelOf<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw notPkcs12(cause);
  }
}

function notPkcs12(cause?: unknown): FitError {
  return new FitError('bad-file', 'the PKCS#12 file is damaged', { cause });
}

/** asn1js keeps what it is given; a copy of exactly these bytes. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function derOf(schema: { toBER(): ArrayBuffer }): Uint8Array {
  return new Uint8Array(schema.toBER());
}

function octetsOf(value: asn1js.OctetString): Uint8Array {
  return new Uint8Array(value.getValue());
}

function contentOf(info: pkijs.ContentInfo): Uint8Array {
  const content: unknown = info.content;
  if (info.contentType !== OID.data || !(content instanceof asn1js.OctetString)) throw notPkcs12();
  return octetsOf(content);
}

/** pkijs parses the certificate itself if it can; its encoding is DER, and so is what it was read from. */
function certificateOf(bag: pkijs.CertBag): Uint8Array {
  const value: unknown = bag.certValue;
  if (value instanceof asn1js.OctetString) return octetsOf(value);
  const parsed: unknown = bag.parsedValue;
  if (parsed instanceof pkijs.Certificate) return derOf(parsed.toSchema());
  throw notPkcs12();
}

async function decryptContent(info: pkijs.ContentInfo, passphrase: string): Promise<Uint8Array> {
  const encrypted = modelOf(() => new pkijs.EncryptedData({ schema: info.content })).encryptedContentInfo;
  const content = modelOf(() => new Uint8Array(encrypted.getEncryptedContent()));
  return decrypt(encrypted.contentEncryptionAlgorithm, content, passphrase);
}

function decrypt(algorithm: pkijs.AlgorithmIdentifier, content: Uint8Array, passphrase: string): Promise<Uint8Array> {
  return decryptWith(derOf(algorithm.toSchema()), content, passphrase);
}

function checkMac(mac: pkijs.MacData, content: Uint8Array, passphrase: string): void {
  const hash = MAC_HASHES[mac.mac.digestAlgorithm.algorithmId];
  const iterations = mac.iterations ?? 1;
  if (hash === undefined || iterations < 1 || iterations > MAX_MAC_ITERATIONS)
    throw new FitError('bad-key', 'the PKCS#12 file is protected in a way that is not supported', {
      hint: 'write it again with openssl pkcs12 -export',
    });
  const key = macKey(passphrase, octetsOf(mac.macSalt), iterations, hash);
  const found = createHmac(hash[0], key).update(content).digest();
  const expected = octetsOf(mac.mac.digest);
  if (found.length !== expected.length || !timingSafeEqual(found, expected))
    throw new FitError('wrong-passphrase', 'wrong passphrase');
}

function repeatTo(bytes: Uint8Array, block: number): Uint8Array {
  const length = Math.ceil(bytes.length / block) * block;
  return Uint8Array.from({ length }, (_, index) => bytes[index % bytes.length] ?? 0);
}

/** RFC 7292 appendix B.2 with ID 3. One round suffices: a MAC key is as long as its hash. The passphrase is UTF-16BE. */
function macKey(
  passphrase: string,
  salt: Uint8Array,
  iterations: number,
  [name, bytes, block]: readonly [string, number, number],
): Uint8Array {
  const text = Buffer.from(`${passphrase}\0`, 'utf16le').swap16();
  let key = createHash(name)
    .update(new Uint8Array(block).fill(3))
    .update(repeatTo(salt, block))
    .update(repeatTo(text, block))
    .digest();
  for (let round = 1; round < iterations; round++) key = createHash(name).update(key).digest();
  return new Uint8Array(key.subarray(0, bytes));
}
