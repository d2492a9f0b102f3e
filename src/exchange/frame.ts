/**
 * The checks of a record that need no secret and no document: that it names these parties, and that its parties, keys and
 * times fit together (PROTOCOL §3).
 *
 * Guarantee: one function serves originator, responder and arbiter, so what the arbiter would refuse a promise for, its
 * receiver has refused before (PROTOCOL §5). Time limits that only one side knows are optional for the others.
 */
import { sha256 } from '../crypto/hash.ts';
import { type Certificate, certificateConflict } from '../crypto/pki/certificate.ts';
import { equal } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';
import { MAX_FULL_BYTES, RECEIPT } from './items.ts';
import type { ExchangeRecord } from './record.ts';

/** A party as its pinned card (or, at the arbiter, as X and the certificate sent along) gives it. */
export interface Trader {
  readonly certificate: Certificate;
  /** Public verifier key, 33 bytes. */
  readonly verifier: Uint8Array;
}

export interface Arbiter {
  readonly certificate: Certificate;
  /** The X25519 public key in use for this exchange, 32 bytes. */
  readonly kem: Uint8Array;
  /** SHA-256 of the terms. */
  readonly terms: Uint8Array;
}

export interface Parties {
  readonly O: Trader;
  readonly R: Trader;
  readonly T: Arbiter;
}

/** Limits on X's times; all in seconds. */
export interface Limits {
  /** The checker's clock, seconds since 1970. */
  readonly now: number;
  /** How far signingTime may lie ahead of `now`. */
  readonly skew: number;
  /** The least margin that the arbiter's terms allow. */
  readonly minMargin: number;
  /** The longest time from signingTime to notAfter that the arbiter's terms allow. */
  readonly maxWindow?: number | undefined;
  /** The last notAfter that the arbiter's KEM key serves. */
  readonly kemNotAfter?: number | undefined;
}

export const DEFAULT_SKEW = 300;
/** 25 hours: a day offline and an hour to reach the arbiter. */
export const DEFAULT_MARGIN = 25 * 3600;

function refuse(what: string): never {
  throw new PeerFault('bad-record', what);
}

function checkNames(record: ExchangeRecord, parties: Parties): void {
  if (!equal(record.originator, parties.O.certificate.hash)) refuse('another originator');
  if (!equal(record.responder, parties.R.certificate.hash)) refuse('another responder');
  if (!equal(record.arbiter, parties.T.certificate.hash)) refuse('another arbiter');
  if (!equal(record.verifierO, parties.O.verifier)) refuse('another verifier key of the originator');
  if (!equal(record.verifierR, parties.R.verifier)) refuse('another verifier key of the responder');
  if (!equal(record.kem, sha256(parties.T.kem))) refuse("another key of the arbiter's");
  if (!equal(record.terms, parties.T.terms)) refuse("other terms of the arbiter's");
}

/** The P-256 point of a party's certificate; version 1 signs with P-256 only. */
export function pointOf(certificate: Certificate): Uint8Array {
  return certificate.point ?? refuse('a certificate whose key is not P-256');
}

/** Two signers that one contract cannot tell apart must be found before anything is promised: later nobody could finish. */
function checkDistinct(parties: Parties): void {
  const all = [parties.O.certificate, parties.R.certificate, parties.T.certificate];
  all.forEach(pointOf);
  for (const [i, a] of all.entries())
    for (const b of all.slice(i + 1)) {
      const conflict = certificateConflict(a, b);
      if (conflict !== null) refuse(`two roles with ${conflict}`);
    }
}

/** Signature against signature on one document, or content against a receipt or other content, with a window in which it can be disputed. */
function checkItems(record: ExchangeRecord): void {
  const { itemO, itemR, check, mode } = record;
  if (itemO.kind === 'content') {
    const isReceipt = itemR.kind === 'statement' && itemR.template === RECEIPT;
    if (!isReceipt && itemR.kind !== 'content') refuse('content for something else than a receipt or content');
    if (itemR.kind === 'content' && equal(itemO.point, itemR.point)) refuse('one key for two contents');
    if (check === 'none') refuse('content that nobody could dispute');
    if (check === 'full' && itemR.kind === 'content') refuse('a full check of a swap');
    if (check === 'full' && itemO.bytes > MAX_FULL_BYTES) refuse('more content than a full check takes');
    if (mode !== 'invisible') refuse('content in another mode than invisible');
    return;
  }
  for (const item of [itemO, itemR]) {
    if (item.kind !== 'document') refuse('items that this version cannot exchange');
    if (!equal(item.digest, record.document)) refuse('an item that is not the document');
  }
  if (check !== 'none') refuse('a content check without content');
}

function checkTimes(record: ExchangeRecord, parties: Parties, limits: Limits): void {
  const { signingTime, notAfter, margin } = record;
  if (signingTime > limits.now + limits.skew) refuse('a signing time in the future');
  if (margin < limits.minMargin) refuse('a margin below the minimum of the terms');
  if (notAfter - margin <= signingTime) refuse('no time between signing time and margin');
  if (limits.maxWindow !== undefined && notAfter - signingTime > limits.maxWindow)
    refuse('longer than the terms allow');
  if (limits.kemNotAfter !== undefined && notAfter > limits.kemNotAfter) refuse("longer than the arbiter's key serves");
  for (const { certificate } of [parties.O, parties.R, parties.T]) {
    if (signingTime < certificate.notBefore) refuse('a certificate that begins after the signing time');
    if (notAfter > certificate.notAfter) refuse('a certificate that ends before notAfter');
  }
}

/** Throws `PeerFault('bad-record')` that names the first thing wrong. */
export function checkFrame(record: ExchangeRecord, parties: Parties, limits: Limits): void {
  checkNames(record, parties);
  checkDistinct(parties);
  checkItems(record);
  checkTimes(record, parties, limits);
}
