/**
 * Certification paths (RFC 5280 §6) from a trader's certificate to a root the user pinned or configured, at a given time.
 * Checked: signatures, names and key identifiers, validity of every certificate, basicConstraints, pathLen, keyUsage,
 * extended key usage as `openssl cms` requires it, no extension that limits in a way not understood, revocation where lists
 * are given. Names are equal only byte for byte. A pinned certificate is a root of its own path.
 */
import { present } from '../../lib/assert.ts';
import { equal, toHex } from '../../lib/bytes.ts';
import { PeerFault } from '../../lib/errors.ts';
import { createLru } from '../lru.ts';
import type { Certificate } from './certificate.ts';
import { type Crl, isCrlOf, parseCrl } from './crl.ts';
import { TIME_STAMPING } from './extensions.ts';
import { verifySigned } from './signature.ts';

export const CHAIN_MAX = 5;
/** Certificates beside the roots among which issuers are looked for, and signatures verified per search. */
const MAX_EXTRA = 64;
const MAX_LINKS = 64;

export type ChainFault =
  | 'not-p256'
  | 'bad-usage'
  | 'unsupported-extension'
  | 'not-yet-valid'
  | 'expired'
  | 'not-an-authority'
  | 'path-length'
  | 'bad-signature'
  | 'no-root'
  | 'too-long'
  | 'bad-crl'
  | 'stale-crl'
  | 'revoked';

export interface ChainFailure {
  readonly ok: false;
  readonly code: ChainFault;
  /** In our words, without text from a certificate. */
  readonly message: string;
}

export type ChainResult =
  /** Leaf first, root last; one element if the leaf itself is a root. */
  { readonly ok: true; readonly chain: readonly Certificate[] } | ChainFailure;

export interface ChainOptions {
  /** Seconds since 1970: the signing time, or now. */
  readonly at: number;
  /** DER. A list counts if an issuer in the path made it; a revocation counts if its date is not after `at`. */
  readonly crls?: readonly Uint8Array[];
  /** What the leaf signs: statements, unless said. */
  readonly purpose?: Purpose;
}

export type Purpose = 'statements' | 'timestamps';

function fail(code: ChainFault, message: string): ChainFailure {
  return { ok: false, code, message };
}

/** Never throws for what the certificates or lists are. */
export function buildChain(
  leaf: Certificate,
  extra: readonly Certificate[],
  roots: readonly Certificate[],
  options: ChainOptions,
): ChainResult {
  const lists = readLists(options.crls ?? []);
  if (lists === null) return fail('bad-crl', 'a revocation list is malformed or of a kind not supported');
  const candidates = [...new Set([...roots, ...extra.slice(0, MAX_EXTRA)])];
  const { at, purpose = 'statements' } = options;
  const search: Search = { roots: new Set(roots.map(idOf)), candidates, lists, at, purpose, linksLeft: MAX_LINKS };
  const fault = purpose === 'timestamps' ? timestampingFault(leaf) : identityFault(leaf);
  if (fault !== null) return fault;
  const found = extend(search, [leaf]);
  return found.ok ? found : fail(found.code, found.message);
}

/** What keeps a certificate from being a signing identity, whoever issued it; `openssl cms -verify` has the same rules. */
export function identityFault(leaf: Certificate): ChainFailure | null {
  if (leaf.point === null) return fail('not-p256', 'the certificate is not for a P-256 key');
  const usage = leaf.keyUsage;
  if (usage !== null && !usage.includes('digitalSignature') && !usage.includes('nonRepudiation'))
    return fail('bad-usage', 'the certificate may not sign statements (key usage)');
  return extendedUsageFault(leaf, 'statements');
}

/** What keeps a certificate from signing timestamps (RFC 3161 §2.3): it must be for that and for nothing else. */
function timestampingFault(leaf: Certificate): ChainFailure | null {
  const usage = leaf.keyUsage;
  const others = usage?.filter((one) => one !== 'digitalSignature' && one !== 'nonRepudiation') ?? [];
  if (usage?.length === 0 || others.length > 0)
    return fail('bad-usage', 'the certificate is for more than signing (key usage)');
  const purposes = leaf.extendedKeyUsage;
  if (purposes?.length !== 1 || purposes[0] !== TIME_STAMPING || !leaf.extendedKeyUsageCritical)
    return fail('bad-usage', 'the certificate is not for timestamps alone (extended key usage)');
  return null;
}

const EMAIL_PROTECTION = '1.3.6.1.5.5.7.3.4';
const ANY_PURPOSE = '2.5.29.37.0';

function extendedUsageFault(certificate: Certificate, purpose: Purpose): ChainFailure | null {
  const purposes = certificate.extendedKeyUsage;
  const wanted = purpose === 'timestamps' ? TIME_STAMPING : EMAIL_PROTECTION;
  if (purposes === null || purposes.includes(wanted) || purposes.includes(ANY_PURPOSE)) return null;
  return fail('bad-usage', 'a certificate is for another purpose only (extended key usage)');
}

interface Search {
  readonly roots: ReadonlySet<string>;
  readonly candidates: readonly Certificate[];
  readonly lists: readonly Crl[];
  readonly at: number;
  readonly purpose: Purpose;
  linksLeft: number;
}

/** A failure with the length of the path it was met on. */
type Attempt =
  | { readonly ok: true; readonly chain: readonly Certificate[] }
  | (ChainFailure & { readonly depth: number });

/** Depth first. Of several failures the one on the longest path is told, which is the nearest to success. */
function extend(search: Search, path: readonly Certificate[]): Attempt {
  const depth = path.length;
  const last = present(path.at(-1), 'a path has a leaf');
  const fault = validityFault(last, search.at);
  if (fault !== null) return { ...fault, depth };
  if (search.roots.has(idOf(last))) return finish(search, path, last);
  let nearest: Attempt = { ...fail('no-root', 'no path to a pinned or configured certificate'), depth };
  for (const issuer of search.candidates) {
    if (path.some((one) => idOf(one) === idOf(issuer)) || !isNamedBy(last, issuer)) continue;
    const attempt = tryIssuer(search, path, last, issuer);
    if (attempt.ok) return attempt;
    if (attempt.depth > nearest.depth) nearest = attempt;
  }
  return nearest;
}

/** At a root: what is known only of a whole path. */
function finish(search: Search, path: readonly Certificate[], root: Certificate): Attempt {
  const depth = path.length + 1;
  if (root.selfIssued && !isIssuedBy(root, root))
    return { ...fail('bad-signature', 'the root’s own signature is wrong'), depth };
  const fault = revocationFault(search, path);
  return fault === null ? { ok: true, chain: path } : { ...fault, depth };
}

function tryIssuer(search: Search, path: readonly Certificate[], last: Certificate, issuer: Certificate): Attempt {
  const depth = path.length + 1;
  if (path.length === CHAIN_MAX) return { ...fail('too-long', `more than ${CHAIN_MAX} certificates`), depth };
  const fault = authorityFault(search, path, issuer);
  if (fault !== null) return { ...fault, depth };
  if (search.linksLeft-- <= 0) return { ...fail('too-long', 'too many possible paths'), depth };
  if (!isIssuedBy(last, issuer))
    return { ...fail('bad-signature', 'an issuer’s signature is wrong or of an unknown kind'), depth };
  return extend(search, [...path, issuer]);
}

function validityFault(certificate: Certificate, at: number): ChainFailure | null {
  if (certificate.unsupported !== null)
    return fail('unsupported-extension', `a certificate has a limiting extension ${certificate.unsupported}`);
  if (at < certificate.notBefore) return fail('not-yet-valid', 'a certificate was not valid yet');
  if (at > certificate.notAfter) return fail('expired', 'a certificate had expired');
  return null;
}

function authorityFault(search: Search, path: readonly Certificate[], issuer: Certificate): ChainFailure | null {
  if (!issuer.ca) return fail('not-an-authority', 'an issuer is not a certification authority');
  // RFC 5280 wants the extension in every authority; only old roots, which the user chose himself, come without.
  const maySign = issuer.keyUsage?.includes('keyCertSign') ?? search.roots.has(idOf(issuer));
  if (!maySign) return fail('not-an-authority', 'an issuer may not sign certificates (key usage)');
  const between = path.slice(1).filter((one) => !one.selfIssued).length;
  if (issuer.pathLength !== null && between > issuer.pathLength)
    return fail('path-length', 'more authorities below an issuer than it allows');
  return extendedUsageFault(issuer, search.purpose);
}

/** Names and key identifiers fit; says nothing about signatures. */
function isNamedBy(certificate: Certificate, issuer: Certificate): boolean {
  if (!equal(certificate.issuerDer, issuer.subjectDer)) return false;
  const wanted = certificate.authorityKeyId;
  return wanted === null || issuer.subjectKeyId === null || equal(wanted, issuer.subjectKeyId);
}

const links = createLru<boolean>(2048);

/** Whether `issuer`'s name and key made this certificate; whether it may, is for `buildChain`. Remembered by hashes. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  if (!isNamedBy(certificate, issuer)) return false;
  const key = `${toHex(certificate.hash)} ${toHex(issuer.hash)}`;
  const known = links.get(key);
  if (known !== undefined) return known;
  const is = verifySigned(certificate.signed, issuer.publicKey);
  links.set(key, is);
  return is;
}

const ids = new WeakMap<Certificate, string>();

function idOf(certificate: Certificate): string {
  let id = ids.get(certificate);
  if (id === undefined) {
    id = toHex(certificate.hash);
    ids.set(certificate, id);
  }
  return id;
}

// ---- revocation

const MAX_LISTS = 16;

function readLists(crls: readonly Uint8Array[]): readonly Crl[] | null {
  if (crls.length > MAX_LISTS) return null;
  try {
    return crls.map(parseCrl);
  } catch (error) {
    if (error instanceof PeerFault) return null;
    throw error;
  }
}

/** Certificates for whose issuer no list is given are not doubted. */
function revocationFault(search: Search, path: readonly Certificate[]): ChainFailure | null {
  for (const [index, certificate] of path.entries()) {
    const lists = search.lists.filter((list) => equal(list.issuerDer, certificate.issuerDer));
    if (lists.length === 0) continue;
    // Above a pinned certificate the path does not go on, but its issuer may be among the candidates.
    const issuers = path.slice(index + 1, index + 2);
    if (issuers.length === 0) issuers.push(...search.candidates.filter((one) => isIssuedBy(certificate, one)));
    if (issuers.length === 0) continue;
    const signed = lists.filter((list) => issuers.some((issuer) => isCrlOf(list, issuer)));
    if (signed.length < lists.length) return fail('bad-crl', 'a revocation list is not signed by the issuer it names');
    const serial = toHex(certificate.serialDer);
    if (signed.some((list) => (list.revoked.get(serial) ?? Number.POSITIVE_INFINITY) <= search.at))
      return fail('revoked', 'a certificate had been revoked');
    if (signed.every((list) => list.nextUpdate !== null && list.nextUpdate < search.at))
      return fail('stale-crl', 'the revocation list was out of date');
  }
  return null;
}
