/**
 * Identities from outside: PKCS#12, or PEM with certificates and at most one private key (PKCS#8 plain or encrypted,
 * SEC 1), or one certificate in DER. Also the way back of a certification request: the issued certificate and its chain.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { FitError, PeerFault } from '../../lib/errors.ts';
import { privateKeyOf, requireP256 } from '../keys.ts';
import { type Certificate, isCertificateOf, parseCertificate } from './certificate.ts';
import { CHAIN_MAX, identityFault, isIssuedBy } from './chain.ts';
import { decryptPbes2 } from './pbes2.ts';
import { type PemBlock, pemBlocks } from './pem.ts';

const IMPORT_MAX_BYTES = 256 * 1024;
const MAX_CERTIFICATES = 32;

export interface ImportedIdentity {
  /** P-256 private key; absent if the file has none. */
  readonly key?: KeyObject;
  /** Leaf first, then each one's issuer as far as the file has them; what does not belong to it is left out. */
  readonly chain: readonly Certificate[];
}

/**
 * Throws FitError: 'bad-file' (unreadable), 'bad-key' (not P-256, no or several keys' worth of confusion, a certificate that
 * cannot sign), 'needs-passphrase', 'wrong-passphrase'.
 */
export async function importIdentity(data: Uint8Array, passphrase?: string): Promise<ImportedIdentity> {
  if (data.length > IMPORT_MAX_BYTES) throw new FitError('bad-file', 'the file is larger than 256 KiB');
  const { keys, certificates } = await read(data, passphrase);
  const [key, ...moreKeys] = keys;
  if (moreKeys.length > 0) throw new FitError('bad-key', 'the file has more than one private key');
  if (certificates.length > MAX_CERTIFICATES) throw new FitError('bad-file', 'the file has too many certificates');
  const parsed = [...new Set(certificates.map(parse))];
  if (key === undefined && parsed.length === 0) throw new FitError('bad-file', 'no key and no certificate in the file');
  const chain = chainOf(key, parsed);
  return key === undefined ? { chain } : { key: requireP256(key), chain };
}

interface Found {
  readonly keys: readonly KeyObject[];
  readonly certificates: readonly Uint8Array[];
}

async function read(data: Uint8Array, passphrase: string | undefined): Promise<Found> {
  if (data[0] !== 0x30) return readPem(Buffer.from(data).toString('latin1'), passphrase);
  if (!isPkcs12(data)) return { keys: [], certificates: [data] };
  // Loaded here so that pkijs stays out of the memory of daemons that never import.
  const { readPkcs12 } = await import('./pkcs12.ts');
  const { keys, certificates } = await readPkcs12(data, required(passphrase));
  return { keys: keys.map(privateKeyOf), certificates };
}

/** SEQUENCE { INTEGER 3, …, with a definite or, as BER allows, an indefinite length. */
function isPkcs12(data: Uint8Array): boolean {
  const length = data[1] ?? 0;
  const at = length <= 0x80 ? 2 : 2 + (length & 0x7f);
  return data[at] === 0x02 && data[at + 1] === 0x01 && data[at + 2] === 0x03;
}

async function readPem(text: string, passphrase: string | undefined): Promise<Found> {
  const keys: KeyObject[] = [];
  const certificates: Uint8Array[] = [];
  for (const block of pemBlocks(text)) {
    if (block.label === 'CERTIFICATE') certificates.push(block.der);
    else if (block.label.endsWith('PRIVATE KEY')) keys.push(await readKey(block, passphrase));
  }
  return { keys, certificates };
}

async function readKey({ label, der }: PemBlock, passphrase: string | undefined): Promise<KeyObject> {
  switch (label) {
    case 'ENCRYPTED PRIVATE KEY':
      return privateKeyOf(await decryptPbes2(der, required(passphrase)));
    case 'PRIVATE KEY':
      return plainKey(der, 'pkcs8');
    case 'EC PRIVATE KEY':
      return plainKey(der, 'sec1');
    default:
      throw new FitError('bad-key', 'a kind of private key that is not supported', {
        hint: 'convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc',
      });
  }
}

function plainKey(der: Uint8Array, type: 'pkcs8' | 'sec1'): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type });
  } catch (cause) {
    throw new FitError('bad-key', 'the private key in the file is damaged', { cause });
  }
}

function required(passphrase: string | undefined): string {
  if (passphrase !== undefined) return passphrase;
  throw new FitError('needs-passphrase', 'the file is encrypted', { hint: 'give the passphrase of the file' });
}

function parse(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (cause instanceof PeerFault) throw new FitError('bad-file', `bad certificate: ${cause.message}`, { cause });
    throw cause;
  }
}

function chainOf(key: KeyObject | undefined, certificates: readonly Certificate[]): readonly Certificate[] {
  if (certificates.length === 0) return [];
  const leaf =
    key === undefined
      ? certificates.find((one) => !certificates.some((other) => other !== one && isIssuedBy(other, one)))
      : certificates.find((one) => isCertificateOf(one, requireP256(key)));
  if (leaf === undefined) throw new FitError('bad-key', 'no certificate in the file belongs to the key');
  const fault = identityFault(leaf);
  if (fault !== null) throw new FitError('bad-key', fault.message);
  const chain = [leaf];
  for (let last = leaf; !last.selfIssued && chain.length < CHAIN_MAX; ) {
    const issuer = certificates.find((one) => !chain.includes(one) && isIssuedBy(last, one));
    if (issuer === undefined) break;
    chain.push(issuer);
    last = issuer;
  }
  return chain;
}
