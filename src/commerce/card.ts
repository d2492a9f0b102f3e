/**
 * Contact cards (DESIGN §5, PROTOCOL §1): who a trader is and how to reach it, signed by its certificate's key.
 *
 *     card = [ [1, serial, [certificate …], PeerId, [address …], V, A, z, name, [role …], transport signature, recipient?], signature ]
 *     role = ["arbiter", [[KEM public key, notAfter] …], terms, max notAfter, min margin, retention]
 *          | ["timestamp", certificate]      of a key that signs timestamps and nothing else (RFC 3161)
 *
 * The signature is the control signature 'card' over all items, the last of which may be missing: what files are encrypted to (an
 * age recipient); the transport signature is that of the binding with
 * the certificate's end as expiry. Text form: `fit1` and the base64url of the card followed by the first 4 bytes of its
 * SHA-256, on one line.
 *
 * Guarantees: a parsed card is canonical, signed, proves knowledge of V's secret and its transport key's consent; its name
 * and terms are lint-clean. Whether its certificate is trusted, is for pins and words.
 */
import { isRecipient, RECIPIENT_CHARS } from '../crypto/age.ts';
import { verifyControl } from '../crypto/control.ts';
import { sha256 } from '../crypto/hash.ts';
import { createLru } from '../crypto/lru.ts';
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { isPeerId, PEER_ID_BYTES, verifyTransport } from '../crypto/transport.ts';
import { checkVerifier } from '../crypto/verifier-key.ts';
import { concat, equal, fromBase64Url, toBase64Url, toHex, utf8 } from '../lib/bytes.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import { isPlainLine, lint } from '../lib/lint.ts';
import { type ControlSigner, transportStatement } from './binding.ts';

const VERSION = 1;
const PREFIX = 'fit1';
const CHECKSUM_BYTES = 4;
/** Of the text form. */
const CARD_MAX_TEXT = 32 * 1024;
/** Of the binary form: what fits into the text form. */
export const CARD_MAX_BYTES = Math.floor(((CARD_MAX_TEXT - PREFIX.length) * 3) / 4) - CHECKSUM_BYTES;
export const MAX_NAME = 64;
const MAX_CHAIN = 5;
const CERTIFICATE_MAX_BYTES = 8 * 1024;
const MAX_ADDRESSES = 8;
const MAX_ADDRESS = 128;
const MAX_KEM_KEYS = 4;
export const MAX_TERMS_BYTES = 12 * 1024;

export interface KemKey {
  /** X25519, 32 bytes. */
  readonly public: Uint8Array;
  /** Seconds since 1970: the latest notAfter for which the key may be used. */
  readonly notAfter: number;
}

export interface ArbiterRole {
  readonly role: 'arbiter';
  /** Newest first. */
  readonly kem: readonly KemKey[];
  readonly terms: string;
  /** SHA-256 of `terms` in UTF-8. */
  readonly termsDigest: Uint8Array;
  /** Seconds from signing to notAfter, at most. */
  readonly maxNotAfter: number;
  /** Seconds. */
  readonly minMargin: number;
  /** Seconds after notAfter for which results are kept. */
  readonly retention: number;
}

export interface TimestampRole {
  readonly role: 'timestamp';
  /** DER, of a key of its own. What it may sign is checked with every timestamp. */
  readonly certificate: Uint8Array;
}

export type CardRole = ArbiterRole | TimestampRole;
type RoleFields = Omit<ArbiterRole, 'termsDigest'> | TimestampRole;

export interface CardFields {
  readonly serial: number;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** PeerId, 38 bytes. */
  readonly peer: Uint8Array;
  /** Multiaddrs, most useful first. */
  readonly addresses: readonly string[];
  /** V, 33 bytes, and the proof of knowledge of its secret. */
  readonly verifier: Uint8Array;
  readonly proof: { readonly a: Uint8Array; readonly z: Uint8Array };
  readonly name: string;
  /** Each at most once. */
  readonly roles: readonly RoleFields[];
  /** The transport key's signature over `transportStatement(hash of the leaf, its notAfter)`. */
  readonly transport: Uint8Array;
  /** `age1…`: opened by a key of the daemon. */
  readonly recipient?: string;
}

export interface Card {
  /** Canonical bytes, signature and all. */
  readonly bytes: Uint8Array;
  readonly serial: number;
  readonly certificate: Certificate;
  /** Leaf first, `certificate` included. */
  readonly chain: readonly Certificate[];
  readonly peer: Uint8Array;
  readonly addresses: readonly string[];
  readonly verifier: Uint8Array;
  /** Peer-supplied text, lint-clean. */
  readonly name: string;
  readonly roles: readonly CardRole[];
  /** Whom what is meant for this trader is encrypted to (`age1…`); null in cards of earlier versions. */
  readonly recipient: string | null;
}

/** Why a card is refused: `data.code` of the `bad-card` error. */
export type CardProblem =
  | 'not-a-card'
  | 'too-long'
  | 'checksum'
  | 'version'
  | 'malformed'
  | 'certificate'
  | 'name'
  | 'role'
  | 'verifier'
  | 'transport'
  | 'signature'
  | 'expired';

function bad(code: CardProblem, message: string, cause?: unknown): FitError {
  const hint = 'ask for the card again and take it over whole; nothing was changed';
  return new FitError('bad-card', message, { hint, data: { code }, ...(cause === undefined ? {} : { cause }) });
}

/** A role as it stands in the card. */
export function roleItem(role: RoleFields): Cbor {
  if (role.role === 'timestamp') return [role.role, role.certificate];
  const keys = role.kem.map((key): Cbor => [key.public, key.notAfter]);
  return [role.role, keys, role.terms, role.maxNotAfter, role.minMargin, role.retention];
}

function itemsOf(fields: CardFields): readonly Cbor[] {
  const roles = fields.roles.map(roleItem);
  const { a, z } = fields.proof;
  const { serial, chain, peer, addresses, verifier, name, transport, recipient } = fields;
  const items = [VERSION, serial, chain, peer, addresses, verifier, a, z, name, roles, transport];
  return recipient === undefined ? items : [...items, recipient];
}

/** Signs and checks a card of our own. Throws `FitError('bad-card')` if the fields do not make a valid one. */
export function makeCard(fields: CardFields, sign: ControlSigner): Card {
  const items = itemsOf(fields);
  return parseCard(encode([items, sign('card', ...items)]));
}

/** `fit1…`, one line without line end. */
export function encodeCard(card: { readonly bytes: Uint8Array }): string {
  return PREFIX + toBase64Url(concat(card.bytes, sha256(card.bytes).subarray(0, CHECKSUM_BYTES)));
}

function bytesOf(text: string): Uint8Array {
  if (text.length > CARD_MAX_TEXT + 64) throw bad('too-long', `a card has at most ${CARD_MAX_TEXT} characters`);
  const trimmed = text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
  if (!trimmed.startsWith(PREFIX)) throw bad('not-a-card', 'this is not a contact card: it does not begin with fit1');
  if (trimmed.length > CARD_MAX_TEXT) throw bad('too-long', `a card has at most ${CARD_MAX_TEXT} characters`);
  let all: Uint8Array;
  try {
    all = fromBase64Url(trimmed.slice(PREFIX.length));
  } catch (error) {
    throw bad('checksum', 'the card is incomplete or altered', error);
  }
  const bytes = all.subarray(0, Math.max(all.length - CHECKSUM_BYTES, 0));
  if (!equal(sha256(bytes).subarray(0, CHECKSUM_BYTES), all.subarray(bytes.length)))
    throw bad('checksum', 'the card is incomplete or altered');
  return bytes;
}

/** More than there are: a role twice is told as such. */
const MAX_ROLES = 4;

function readRoles(value: Cbor | undefined): readonly CardRole[] {
  const roles = read.list(value, MAX_ROLES, 'roles').map(readRole);
  if (new Set(roles.map((one) => one.role)).size < roles.length) throw bad('role', 'the card has a role twice');
  return roles;
}

function readRole(value: Cbor): CardRole {
  const [name] = read.list(value, 6, 'role');
  return read.oneOf(name, ['arbiter', 'timestamp'], 'role') === 'arbiter' ? readArbiter(value) : readTimestamp(value);
}

function readTimestamp(value: Cbor): TimestampRole {
  const [, der] = read.array(value, 2, 'role');
  const certificate = read.blob(der, CERTIFICATE_MAX_BYTES, 'timestamping certificate');
  if (parseCertificate(certificate).point === null)
    throw bad('role', 'the timestamping certificate in this card is not for a P-256 key');
  return { role: 'timestamp', certificate };
}

function readArbiter(value: Cbor): ArbiterRole {
  const [, keys, text, maxNotAfter, minMargin, retention] = read.array(value, 6, 'role');
  const kem = read.list(keys, MAX_KEM_KEYS, 'KEM keys').map((entry): KemKey => {
    const [key, notAfter] = read.array(entry, 2, 'KEM key');
    return { public: read.bytes(key, 32, 'KEM key'), notAfter: read.uint(notAfter, 'notAfter') };
  });
  const terms = read.text(text, MAX_TERMS_BYTES, 'terms');
  const encoded = utf8(terms);
  if (kem.length === 0) throw bad('role', 'the arbiter in this card has no key');
  if (encoded.length > MAX_TERMS_BYTES || lint(encoded).length > 0)
    throw bad('role', "the arbiter's terms are not a text that can be shown");
  return {
    role: 'arbiter',
    kem,
    terms,
    termsDigest: sha256(encoded),
    maxNotAfter: read.uint(maxNotAfter, 'max notAfter'),
    minMargin: read.uint(minMargin, 'min margin'),
    retention: read.uint(retention, 'retention'),
  };
}

function readChain(value: Cbor | undefined): readonly [Certificate, ...Certificate[]] {
  const ders = read.list(value, MAX_CHAIN, 'chain').map((der) => read.blob(der, CERTIFICATE_MAX_BYTES, 'certificate'));
  const [leaf, ...rest] = ders.map(parseCertificate);
  if (leaf === undefined) throw bad('certificate', 'the card has no certificate');
  if (leaf.point === null) throw bad('certificate', "the card's certificate is not for a P-256 key");
  if (leaf.notBefore > leaf.notAfter) throw bad('certificate', "the card's certificate ends before it begins");
  for (const [index, issuer] of rest.entries()) {
    if (!equal((index === 0 ? leaf : (rest[index - 1] ?? leaf)).issuerDer, issuer.subjectDer))
      throw bad('certificate', "the card's certificates do not follow one another");
  }
  return [leaf, ...rest];
}

function readAddress(value: Cbor): string {
  const address = read.text(value, MAX_ADDRESS, 'address');
  if (!/^\/[!-~]+$/.test(address)) throw new PeerFault('malformed', 'address: not a multiaddr');
  return address;
}

/** Good cards by their hash: every deal of a day reads the same few, and three signatures are verified for each reading. */
const known = createLru<Card>(64);

function readCard(bytes: Uint8Array): Card {
  const [body, signed] = read.array(decode(bytes, CARD_MAX_BYTES), 2, 'card');
  const version = Array.isArray(body) ? (body as readonly Cbor[])[0] : undefined;
  if (version !== VERSION) throw bad('version', 'this card is of another version');
  const items = read.list(body, 12, 'card');
  if (items.length < 11) throw new PeerFault('malformed', 'card: too few items');
  const chain = readChain(items[2]);
  const [certificate] = chain;
  const serial = read.uint(items[1], 'serial');
  const peer = read.bytes(items[3], PEER_ID_BYTES, 'PeerId');
  const addresses = read.list(items[4], MAX_ADDRESSES, 'addresses').map(readAddress);
  const verifier = read.bytes(items[5], 33, 'verifier');
  const [a, z] = [read.bytes(items[6], 33, 'proof'), read.bytes(items[7], 32, 'proof')];
  const name = read.text(items[8], MAX_NAME, 'name');
  const roles = readRoles(items[9]);
  const transport = read.bytes(items[10], 64, 'transport signature');
  const recipient = items[11] === undefined ? null : read.text(items[11], RECIPIENT_CHARS, 'recipient');
  if (!verifyControl(certificate.publicKey, 'card', read.bytes(signed, 64, 'signature'), ...items))
    throw bad('signature', 'the card is not signed by its certificate');
  if (!isPlainLine(name, MAX_NAME)) throw bad('name', 'the name in the card is not a plain line of text');
  if (recipient !== null && !isRecipient(recipient))
    throw bad('malformed', 'the card names no recipient that a file can be encrypted to');
  if (!isPeerId(peer)) throw bad('malformed', 'the card has no peer id of an Ed25519 key');
  // PROTOCOL §1: V is a key of its own, never the certificate's.
  if (certificate.point !== null && equal(certificate.point.subarray(1), verifier.subarray(1)))
    throw bad('verifier', "the card's verifier key is its signing key");
  if (!checkVerifier(certificate.hash, peer, verifier, a, z))
    throw bad('verifier', 'the card does not prove its verifier key');
  if (!verifyTransport(peer, transportStatement(certificate.hash, certificate.notAfter), transport))
    throw bad('transport', 'the card is not signed by its peer id');
  return { bytes, serial, certificate, chain, peer, addresses, verifier, name, roles, recipient };
}

/**
 * A card from its text (white space around it is ignored) or canonical bytes. With `now` (seconds), a card whose certificate
 * is not valid then is refused too. Throws `FitError('bad-card')` with `data.code`, a `CardProblem`.
 */
export function parseCard(input: string | Uint8Array, now?: number): Card {
  const bytes = typeof input === 'string' ? bytesOf(input) : input;
  let card: Card;
  try {
    const key = toHex(sha256(bytes));
    card = known.get(key) ?? readCard(Uint8Array.from(bytes));
    known.set(key, card);
  } catch (error) {
    if (isFitError(error)) throw error;
    if (error instanceof PeerFault) throw bad('malformed', 'the card is not well-formed', error);
    throw error;
  }
  const { notBefore, notAfter } = card.certificate;
  if (now !== undefined && (now < notBefore || now > notAfter))
    throw bad('expired', "the card's certificate is not valid now");
  return card;
}

/**
 * What a card is to the one that is pinned. Only `newer` may replace it silently; `changed` (another certificate, V or
 * PeerId: other words) needs a person; `older` includes a different card with the same serial.
 */
export type CardUpdate = 'same' | 'newer' | 'older' | 'changed';

export function compareCards(pinned: Card, card: Card): CardUpdate {
  if (equal(pinned.bytes, card.bytes)) return 'same';
  const sameKeys =
    equal(pinned.certificate.hash, card.certificate.hash) &&
    equal(pinned.verifier, card.verifier) &&
    equal(pinned.peer, card.peer);
  if (!sameKeys) return 'changed';
  return card.serial > pinned.serial ? 'newer' : 'older';
}
