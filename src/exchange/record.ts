/**
 * The exchange record X (PROTOCOL §3): everything both signatures, both promises and the arbiter's decision depend on.
 *
 * Guarantees: one encoding per record; `decodeRecord` accepts nothing else and bounds every field; `xid` binds them all.
 * Whether a record is the right one is for `checkRecord` (contract.ts) to say.
 */
import { SUITE } from '../crypto/escrow.ts';
import { H } from '../crypto/hash.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { ID_PATTERN } from '../lib/rng.ts';
import { type ContentCheck, type Item, itemFromCbor, itemToCbor, readCheck } from './items.ts';

export const MODES = ['invisible', 'affidavit'] as const;
/** Whether the arbiter's help leaves no trace in the evidence, or is a statement of its own (PROTOCOL §9). */
export type Mode = (typeof MODES)[number];

/** Hashes and the nonce have 32 bytes, points 33 (compressed). Times are seconds since 1970, `margin` is seconds. */
export interface ExchangeRecord {
  readonly suite: string;
  readonly nonce: Uint8Array;
  /** SHA-256 of the certificates. */
  readonly originator: Uint8Array;
  readonly responder: Uint8Array;
  readonly arbiter: Uint8Array;
  readonly verifierO: Uint8Array;
  readonly verifierR: Uint8Array;
  /** SHA-256 of the arbiter's KEM public key. */
  readonly kem: Uint8Array;
  /** SHA-256 of the arbiter's terms. */
  readonly terms: Uint8Array;
  readonly mode: Mode;
  readonly check: ContentCheck;
  readonly signingTime: number;
  readonly notAfter: number;
  readonly margin: number;
  readonly deal: string;
  /** SHA-256 of the document. */
  readonly document: Uint8Array;
  readonly itemO: Item;
  readonly itemR: Item;
}

const VERSION = 1;
const FIELDS = 19;
export const RECORD_MAX_BYTES = 1024;

/** The last second that a CMS UTCTime can name: 2049-12-31T23:59:59Z. */
const LAST_SECOND = 2_524_607_999;

export function recordToCbor(record: ExchangeRecord): readonly Cbor[] {
  return [
    VERSION,
    record.suite,
    record.nonce,
    record.originator,
    record.responder,
    record.arbiter,
    record.verifierO,
    record.verifierR,
    record.kem,
    record.terms,
    record.mode,
    record.check,
    record.signingTime,
    record.notAfter,
    record.margin,
    record.deal,
    record.document,
    itemToCbor(record.itemO),
    itemToCbor(record.itemR),
  ];
}

function time(value: Cbor | undefined, what: string): number {
  const found = read.uint(value, what);
  if (found > LAST_SECOND) throw new PeerFault('malformed', `${what}: after 2049`);
  return found;
}

function point(value: Cbor | undefined, what: string): Uint8Array {
  const found = read.bytes(value, 33, what);
  if (found[0] !== 2 && found[0] !== 3) throw new PeerFault('malformed', `${what}: not a compressed point`);
  return found;
}

function contentCheck(value: Cbor | undefined): ContentCheck {
  const found = readCheck(read.text(value, 32, 'content check'));
  if (found === undefined) throw new PeerFault('malformed', 'content check: unknown');
  return found;
}

export function dealId(value: Cbor | undefined): string {
  const found = read.text(value, 12, 'deal id');
  if (!ID_PATTERN.test(found)) throw new PeerFault('malformed', 'deal id: not 12 characters of base32');
  return found;
}

/** Throws `PeerFault`: `unknown-version`, `bad-record` for another suite, `malformed` for anything else. */
export function recordFromCbor(value: Cbor | undefined): ExchangeRecord {
  if (read.list(value, 64, 'exchange record')[0] !== VERSION)
    throw new PeerFault('unknown-version', 'exchange record: unknown version');
  const [, suite, nonce, o, r, t, vO, vR, kem, terms, mode, check, ...rest] = read.array(
    value,
    FIELDS,
    'exchange record',
  );
  const [signingTime, notAfter, margin, deal, document, itemO, itemR] = rest;
  if (read.text(suite, 64, 'suite') !== SUITE) throw new PeerFault('bad-record', 'another suite');
  return {
    suite: SUITE,
    nonce: read.bytes(nonce, 32, 'nonce'),
    originator: read.bytes(o, 32, 'originator'),
    responder: read.bytes(r, 32, 'responder'),
    arbiter: read.bytes(t, 32, 'arbiter'),
    verifierO: point(vO, 'verifier key of the originator'),
    verifierR: point(vR, 'verifier key of the responder'),
    kem: read.bytes(kem, 32, 'KEM key'),
    terms: read.bytes(terms, 32, 'terms'),
    mode: read.oneOf(mode, MODES, 'mode'),
    check: contentCheck(check),
    signingTime: time(signingTime, 'signing time'),
    notAfter: time(notAfter, 'notAfter'),
    margin: time(margin, 'margin'),
    deal: dealId(deal),
    document: read.bytes(document, 32, 'document digest'),
    itemO: itemFromCbor(itemO),
    itemR: itemFromCbor(itemR),
  };
}

export function encodeRecord(record: ExchangeRecord): Uint8Array {
  return encode(recordToCbor(record));
}

export function decodeRecord(bytes: Uint8Array): ExchangeRecord {
  return recordFromCbor(decode(bytes, RECORD_MAX_BYTES));
}

/** `xid = H("fit exchange v1", X)`, 32 bytes: the name of the exchange everywhere. */
export function xidOf(record: ExchangeRecord): Uint8Array {
  return H('fit exchange v1', recordToCbor(record));
}
