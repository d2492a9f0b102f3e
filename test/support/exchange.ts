/**
 * A real exchange's ingredients: three traders with keys and certificates, a text, its record, and what passes between them.
 */
import type { KeyObject } from 'node:crypto';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { prove, verify } from '../../src/crypto/escrow.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { type Certificate, parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import {
  checkRecord,
  type DocumentTerms,
  makeRecord,
  type Parties,
  type RecordLimits,
  template,
} from '../../src/exchange/contract.ts';
import type { Role } from '../../src/exchange/items.ts';
import { affidavitPromise, encodePromise, promiseCheck, promiseJob } from '../../src/exchange/promise.ts';
import type { ExchangeRecord, Mode } from '../../src/exchange/record.ts';
import { type ArbiterRequest, type ArbiterSelf, makeRequest, type Promises } from '../../src/exchange/requests.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';

export const NOW = 1_795_000_000;
export const DAY = 86_400;
export const TERMS = sha256(utf8('terms of the arbiter'));
export const DOCUMENT = sha256(utf8('the text'));

export interface Person {
  readonly key: KeyObject;
  readonly certificate: Certificate;
  readonly verifier: { readonly secret: Uint8Array; readonly public: Uint8Array };
}

export async function person(
  name: string,
  options: { readonly key?: KeyObject; readonly notBefore?: number; readonly notAfter?: number } = {},
): Promise<Person> {
  const key = options.key ?? generateSigningKey();
  const notBefore = options.notBefore ?? NOW - 30 * DAY;
  const notAfter = options.notAfter ?? NOW + 365 * DAY;
  const certificate = parseCertificate(await selfSigned({ key, name, notBefore, notAfter }));
  return { key, certificate, verifier: generateVerifierKey() };
}

export interface Cast {
  readonly O: Person;
  readonly R: Person;
  readonly T: Person;
  readonly kem: { readonly secret: Uint8Array; readonly public: Uint8Array };
}

export async function makeCast(): Promise<Cast> {
  const [O, R, T] = await Promise.all(['First Trader', 'Second Trader', 'Notary'].map((name) => person(name)));
  if (O === undefined || R === undefined || T === undefined) throw new Error('three people');
  return { O, R, T, kem: generateKem() };
}

export function partiesOf(cast: Cast): Parties {
  return {
    O: { certificate: cast.O.certificate, verifier: cast.O.verifier.public },
    R: { certificate: cast.R.certificate, verifier: cast.R.verifier.public },
    T: { certificate: cast.T.certificate, kem: cast.kem.public, terms: TERMS },
  };
}

export function termsOf(cast: Cast, mode: Mode = 'invisible'): DocumentTerms {
  return {
    originator: cast.O.certificate.hash,
    responder: cast.R.certificate.hash,
    arbiter: cast.T.certificate.hash,
    terms: TERMS,
    mode,
    check: 'none',
    notAfter: NOW + 14 * DAY,
    margin: 25 * 3600,
    deal: 'k7q2m3xdp9aa',
    document: DOCUMENT,
    itemO: { kind: 'document', digest: DOCUMENT },
    itemR: { kind: 'document', digest: DOCUMENT },
  };
}

export const LIMITS: RecordLimits = { now: NOW, skew: 300, minMargin: 3600, maxWindow: 30 * DAY, offeredAt: NOW - DAY };

export function recordOf(cast: Cast, mode: Mode = 'invisible'): ExchangeRecord {
  const record = makeRecord(termsOf(cast, mode), partiesOf(cast), {
    nonce: systemRng(32),
    signingTime: NOW,
    sealed: null,
  });
  checkRecord(record, termsOf(cast, mode), partiesOf(cast), LIMITS);
  return record;
}

export function selfOf(cast: Cast): ArbiterSelf {
  return {
    certificate: cast.T.certificate,
    kems: [{ public: cast.kem.public, notAfter: NOW + 60 * DAY }],
    terms: [{ hash: TERMS, minMargin: 3600, maxWindow: 30 * DAY }],
    skew: 300,
  };
}

export interface Made {
  readonly signature: Uint8Array;
  readonly promise: Uint8Array;
}

/** The role's finished signature and its promise, as the daemon makes them. */
export function promiseOf(cast: Cast, record: ExchangeRecord, role: Role, parties = partiesOf(cast)): Made {
  const signature = signP256(cast[role].key, template(record, role, parties).signedAttributes);
  if (record.mode === 'affidavit')
    return { signature, promise: affidavitPromise(record, role, cast[role].key, parties) };
  const job = promiseJob(record, role, signature, parties);
  const proof = prove(job.label, job.witnesses, job.keys, systemRng(32));
  return { signature, promise: encodePromise({ noncePoint: job.noncePoint, proof }) };
}

/** Whether a receiver accepts the promise of `sender`. */
export function accepts(record: ExchangeRecord, sender: Role, promise: Uint8Array, parties: Parties): boolean {
  const check = promiseCheck(record, sender, promise, parties);
  return check.kind === 'affidavit' || verify(check.label, check.proof, check.keys);
}

export function requestOf(
  cast: Cast,
  record: ExchangeRecord,
  kind: ArbiterRequest['kind'],
  by: Role,
  answerKey: Uint8Array,
  promises: Promises | null = null,
): ArbiterRequest {
  const certificates = { O: [cast.O.certificate.der], R: [cast.R.certificate.der] };
  return { kind, record, by, certificates, promises, answerKey };
}

export function signedRequest(
  cast: Cast,
  record: ExchangeRecord,
  kind: ArbiterRequest['kind'],
  by: Role,
  answerKey: Uint8Array,
  promises: Promises | null = null,
): Uint8Array {
  return makeRequest(requestOf(cast, record, kind, by, answerKey, promises), cast[by].key);
}
