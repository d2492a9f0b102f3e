/**
 * What a party asks the arbiter (PROTOCOL §7): abort, resolve or status of one exchange, signed by a party of X, sealed to
 * the arbiter's KEM key, on `/fit/arbiter/1`.
 *
 * Guarantees: a request carries X whole and its signature covers every byte of it, so none can be moved to another exchange,
 * kind or role; the arbiter's checks before its stored state need no secret of the exchange and are the parties' own
 * (`checkFrame`); what fails there may be told, what fails later is for the machine to refuse without a word.
 */
import { signControl, verifyControl } from '../crypto/control.ts';
import { sha256 } from '../crypto/hash.ts';
import { openFrom, sealTo } from '../crypto/kem.ts';
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { assert } from '../lib/assert.ts';
import { equal, utf8 } from '../lib/bytes.ts';
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { checkFrame, type Parties, pointOf } from './frame.ts';
import type { Role } from './items.ts';
import { MISBEHAVIOUR_MAX_BYTES } from './misbehaviour.ts';
import { decodePromise, PROMISE_MAX_BYTES, type SigningKey } from './promise.ts';
import { type ExchangeRecord, RECORD_MAX_BYTES, recordFromCbor, recordToCbor, xidOf } from './record.ts';

export const REQUEST_KINDS = ['abort', 'resolve', 'status', 'misbehaviour'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

/** Both promises, as exchanged. */
export interface Promises {
  readonly O: Uint8Array;
  readonly R: Uint8Array;
}

export interface ArbiterRequest {
  readonly kind: RequestKind;
  readonly record: ExchangeRecord;
  /** The party whose key signs. */
  readonly by: Role;
  /** Certificates (DER) of both parties, leaf first; the chain above may be left out. */
  readonly certificates: { readonly O: readonly Uint8Array[]; readonly R: readonly Uint8Array[] };
  /** `resolve` only. */
  readonly promises: Promises | null;
  /** `misbehaviour` only (misbehaviour.ts). */
  readonly proof?: Uint8Array | null;
  /** One-time X25519 public key (32 bytes) that the answer is sealed to. */
  readonly answerKey: Uint8Array;
}

const VERSION = 1;
const CERTIFICATE_MAX_BYTES = 8192;
const CHAIN_MAX = 4;
const BODY_MAX_BYTES =
  RECORD_MAX_BYTES + 2 * (CHAIN_MAX * CERTIFICATE_MAX_BYTES + PROMISE_MAX_BYTES) + MISBEHAVIOUR_MAX_BYTES + 256;
const REQUEST_MAX_BYTES = BODY_MAX_BYTES + 128;
/** A request as it travels. */
const SEALED_REQUEST_MAX_BYTES = REQUEST_MAX_BYTES + 256;

/** Under a tag of its own per kind: an abort is never a resolve. */
function purpose(kind: RequestKind): string {
  return `${kind} request`;
}

/** Signed by `key`, the key of the certificate of `request.by`. The same request twice gives two signatures. */
export function makeRequest(request: ArbiterRequest, key: SigningKey): Uint8Array {
  assert((request.kind === 'resolve') === (request.promises !== null), 'a resolve request carries both promises');
  const proof = request.proof ?? null;
  assert((request.kind === 'misbehaviour') === (proof !== null), 'a complaint carries its proof');
  const body = enc(
    VERSION,
    request.kind,
    recordToCbor(request.record),
    request.by,
    request.certificates.O,
    request.certificates.R,
    request.promises === null ? proof : [request.promises.O, request.promises.R],
    request.answerKey,
  );
  assert(body.length <= BODY_MAX_BYTES, 'a request fits into one frame');
  return enc(VERSION, body, signControl(key, purpose(request.kind), body));
}

const SEAL_CONTEXT = utf8('fit request v1');

/** Sealed to one KEM key of the arbiter's, whose hash stands in front. */
export function sealRequest(kemPublic: Uint8Array, request: Uint8Array): Uint8Array {
  return enc(VERSION, sha256(kemPublic), sealTo(kemPublic, request, SEAL_CONTEXT));
}

/** An X25519 key pair of the arbiter, 32 bytes each. */
export interface KemKey {
  readonly public: Uint8Array;
  readonly secret: Uint8Array;
}

/** Throws `PeerFault('malformed')` if no key of ours opens it. */
export function openRequest(
  sealed: Uint8Array,
  keys: readonly KemKey[],
): { readonly request: Uint8Array; readonly key: KemKey } {
  const [version, hash, box] = read.array(decode(sealed, SEALED_REQUEST_MAX_BYTES), 3, 'sealed request');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'sealed request: unknown version');
  const wanted = read.bytes(hash, 32, 'KEM key');
  const key = keys.find((one) => equal(sha256(one.public), wanted));
  if (key === undefined) throw new PeerFault('malformed', 'sealed to another key');
  return { key, request: openFrom(key.secret, read.blob(box, SEALED_REQUEST_MAX_BYTES, 'request'), SEAL_CONTEXT) };
}

/**
 * The key pair that X names, which opens its promises. Not always the one that the request was sealed to: a request may come
 * long after the promises, when the arbiter has newer keys.
 */
export function kemKeyOf(record: ExchangeRecord, keys: readonly KemKey[]): KemKey | undefined {
  return keys.find((one) => equal(sha256(one.public), record.kem));
}

function chain(value: Cbor | undefined): readonly Uint8Array[] {
  const found = read.list(value, CHAIN_MAX, 'chain').map((der) => read.blob(der, CERTIFICATE_MAX_BYTES, 'certificate'));
  if (found.length === 0) throw new PeerFault('malformed', 'chain: empty');
  return found;
}

function promisesFrom(value: Cbor | undefined, kind: RequestKind, record: ExchangeRecord): Promises | null {
  if (kind === 'misbehaviour') return null;
  if (kind !== 'resolve') return read.literal(value, null, 'promises');
  const [O, R] = read.array(value, 2, 'promises').map((one) => read.blob(one, PROMISE_MAX_BYTES, 'promise'));
  const promises = { O: O ?? new Uint8Array(), R: R ?? new Uint8Array() };
  decodePromise(promises.O, record.mode);
  decodePromise(promises.R, record.mode);
  return promises;
}

function bodyFrom(body: Uint8Array): ArbiterRequest {
  const fields = read.list(decode(body, BODY_MAX_BYTES), 8, 'request');
  if (fields[0] !== VERSION) throw new PeerFault('unknown-version', 'request: unknown version');
  const [, kindField, x, byField, chainO, chainR, promises, answerKey] = read.array(fields, 8, 'request');
  const kind = read.oneOf(kindField, REQUEST_KINDS, 'request');
  const record = recordFromCbor(x);
  if (kind === 'misbehaviour' && record.itemO.kind !== 'content')
    throw new PeerFault('malformed', 'a complaint about an exchange without content');
  return {
    kind,
    record,
    by: read.oneOf(byField, ['O', 'R'], 'requester'),
    certificates: { O: chain(chainO), R: chain(chainR) },
    promises: promisesFrom(promises, kind, record),
    ...(kind === 'misbehaviour' ? { proof: read.blob(promises, MISBEHAVIOUR_MAX_BYTES, 'proof') } : {}),
    answerKey: read.bytes(answerKey, 32, 'answer key'),
  };
}

/** The arbiter itself, as its own terms say. Times in seconds. */
export interface ArbiterSelf {
  readonly certificate: Certificate;
  /**
   * Public KEM keys, each with the last notAfter it serves. Like terms they stay listed until the retention after that is
   * over, so that decided exchanges are still answered.
   */
  readonly kems: readonly { readonly public: Uint8Array; readonly notAfter: number }[];
  /** Terms, by SHA-256. */
  readonly terms: readonly { readonly hash: Uint8Array; readonly minMargin: number; readonly maxWindow: number }[];
  readonly skew: number;
}

/** Why a request failed before anything was known to be authentic. Told to whoever asked. */
export const REQUEST_FAILURES = ['malformed', 'not-ours', 'bad-certificates', 'bad-record', 'bad-signature'] as const;
export type RequestFailure = (typeof REQUEST_FAILURES)[number];

export type RequestOutcome =
  /** `to` is there as soon as the answer can be sealed. */
  | {
      readonly kind: 'failed';
      readonly reason: RequestFailure;
      readonly to: { readonly answerKey: Uint8Array; readonly xid: Uint8Array } | null;
    }
  /** Signed by a party of X. Next: the stored state, then notAfter (both by the machine), then `openPromises`. */
  | {
      readonly kind: 'authentic';
      readonly request: ArbiterRequest;
      readonly xid: Uint8Array;
      readonly parties: Parties;
    };

/** Runs one check; what it throws as the peer's fault becomes `reason`. */
function attempt<T>(reason: RequestFailure, check: () => T): T | RequestFailure {
  try {
    return check();
  } catch (error) {
    if (error instanceof PeerFault) return reason;
    throw error;
  }
}

function partiesOf(request: ArbiterRequest, self: ArbiterSelf, kem: Uint8Array): Parties {
  const leaf = (role: Role) => parseCertificate(request.certificates[role][0] ?? new Uint8Array());
  const parties: Parties = {
    O: { certificate: leaf('O'), verifier: request.record.verifierO },
    R: { certificate: leaf('R'), verifier: request.record.verifierR },
    T: { certificate: self.certificate, kem, terms: request.record.terms },
  };
  pointOf(parties.O.certificate);
  pointOf(parties.R.certificate);
  return parties;
}

/** The arbiter's checks up to its stored state, in the order of PROTOCOL §7. `now`: its clock at receipt, in seconds. */
export function checkRequest(bytes: Uint8Array, self: ArbiterSelf, now: number): RequestOutcome {
  const parsed = attempt('malformed', () => {
    const [version, body, signature] = read.array(decode(bytes, REQUEST_MAX_BYTES), 3, 'request');
    if (version !== VERSION) throw new PeerFault('unknown-version', 'request: unknown version');
    const blob = read.blob(body, BODY_MAX_BYTES, 'request');
    return { body: blob, signature: read.bytes(signature, 64, 'signature'), request: bodyFrom(blob) };
  });
  if (typeof parsed === 'string') return { kind: 'failed', reason: parsed, to: null };
  const { body, signature, request } = parsed;
  const { record } = request;
  const xid = xidOf(record);
  const to = { answerKey: request.answerKey, xid };

  const kem = self.kems.find((one) => equal(sha256(one.public), record.kem));
  const terms = self.terms.find((one) => equal(one.hash, record.terms));
  if (!equal(record.arbiter, self.certificate.hash) || kem === undefined || terms === undefined)
    return { kind: 'failed', reason: 'not-ours', to };

  const parties = attempt('bad-certificates', () => partiesOf(request, self, kem.public));
  if (typeof parties === 'string') return { kind: 'failed', reason: parties, to };
  const limits = { ...terms, now, skew: self.skew, kemNotAfter: kem.notAfter };
  const framed = attempt('bad-record', () => checkFrame(record, parties, limits));
  if (framed !== undefined) return { kind: 'failed', reason: framed, to };

  if (!verifyControl(parties[request.by].certificate.publicKey, purpose(request.kind), signature, body))
    return { kind: 'failed', reason: 'bad-signature', to };
  return { kind: 'authentic', request, xid, parties };
}
