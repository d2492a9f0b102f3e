/**
 * What the arbiter answers (PROTOCOL §7), sealed to the one-time key of the request.
 *
 * Guarantees: an abort token is a signature over (tag, xid, "will not be completed") and nothing else, whatever its cause; a
 * resolved answer carries both signatures (or both promises and the statement); refusal, unknown and undecided are one fixed
 * byte string each, and `wanted` follows from X and from what was brought of the ciphertext; all sealed answers have one length; a party accepts a token only under the arbiter's certificate and a
 * contract only if it verifies as a whole.
 */
import { signControl, verifyControl } from '../crypto/control.ts';
import { openFrom, sealTo } from '../crypto/kem.ts';
import { assert } from '../lib/assert.ts';
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { type Affidavit, makeStatement, promisesStand, statementText, verifyAffidavit } from './affidavit.ts';
import { complete, itemOf, WITNESS_MAX_BYTES, type Witnesses, witnessBytes } from './completion.ts';
import type { Parties } from './frame.ts';
import { otherRole, ROLES, type Role } from './items.ts';
import { isWitnessOf, openPromises, PROMISE_MAX_BYTES, type SigningKey } from './promise.ts';
import { type ExchangeRecord, xidOf } from './record.ts';
import { type Promises, REQUEST_FAILURES, type RequestFailure } from './requests.ts';

export type Answer =
  /** Raw signature, 64 bytes. */
  | { readonly kind: 'token'; readonly token: Uint8Array }
  /** Raw signature, 64 bytes: the content was proven wrong. */
  | { readonly kind: 'void'; readonly token: Uint8Array }
  /** `signature`: the arbiter's, over xid and both. */
  | { readonly kind: 'resolved'; readonly witnesses: Witnesses; readonly signature: Uint8Array }
  /** To the receiver of content while the window is open: the sender's witness. */
  | { readonly kind: 'released'; readonly witness: Uint8Array }
  /** To its sender: when the receipt can be had, in seconds. */
  | { readonly kind: 'pending'; readonly until: number }
  | { readonly kind: 'affidavit'; readonly promises: Promises; readonly statement: Uint8Array }
  /** Full check: the ciphertext has to be brought from this chunk on (pieces.ts). It changes nothing. */
  | { readonly kind: 'wanted'; readonly from: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'undecided' }
  | { readonly kind: 'failed'; readonly reason: RequestFailure };

const VERSION = 1;
const STATEMENT_SIGNATURE_MAX_BYTES = 10 * 1024;
/** Every sealed answer's plaintext has this length. Room for a statement with an arbiter's certificate of 8 KiB. */
const PADDED_BYTES = 12 * 1024;
const ANSWER_MAX_BYTES = PADDED_BYTES - 4;
const REPLY_MAX_BYTES = PADDED_BYTES + 512;

const TOKEN = 'token';
const TOKEN_TEXT = 'will not be completed';
const RESOLVED = 'resolved';
const VOID = 'void';
const VOID_TEXT = 'void: the content is not what was promised';

function toCbor(answer: Answer): readonly Cbor[] {
  switch (answer.kind) {
    case 'token':
    case 'void':
      return [answer.token];
    case 'resolved':
      return [answer.witnesses.O, answer.witnesses.R, answer.signature];
    case 'released':
      return [answer.witness];
    case 'pending':
      return [answer.until];
    case 'affidavit':
      return [answer.promises.O, answer.promises.R, answer.statement];
    case 'wanted':
      return [answer.from];
    case 'failed':
      return [answer.reason];
    case 'refused':
    case 'unknown':
    case 'undecided':
      return [];
  }
}

export function encodeAnswer(answer: Answer): Uint8Array {
  return enc(VERSION, answer.kind, ...toCbor(answer));
}

/** Throws `PeerFault`. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const [version, kind, ...rest] = read.list(decode(bytes, ANSWER_MAX_BYTES), 5, 'answer');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'answer: unknown version');
  const raw = (value: Cbor | undefined) => read.bytes(value, 64, 'signature');
  const witness = (value: Cbor | undefined) => read.blob(value, WITNESS_MAX_BYTES, 'witness');
  switch (kind) {
    case 'token':
    case 'void':
      return { kind, token: raw(read.array(rest, 1, 'token')[0]) };
    case 'resolved': {
      const [O, R, signature] = read.array(rest, 3, 'resolved answer');
      return { kind, witnesses: { O: witness(O), R: witness(R) }, signature: raw(signature) };
    }
    case 'released':
      return { kind, witness: witness(read.array(rest, 1, 'released answer')[0]) };
    case 'pending':
      return { kind, until: read.uint(read.array(rest, 1, 'pending answer')[0], 'end of the window') };
    case 'affidavit': {
      const [O, R, statement] = read.array(rest, 3, 'affidavit answer');
      const promise = (value: Cbor | undefined) => read.blob(value, PROMISE_MAX_BYTES, 'promise');
      return {
        kind,
        promises: { O: promise(O), R: promise(R) },
        statement: read.blob(statement, STATEMENT_SIGNATURE_MAX_BYTES, 'statement'),
      };
    }
    case 'wanted':
      return { kind, from: read.uint(read.array(rest, 1, 'wanted answer')[0], 'first chunk') };
    case 'refused':
    case 'unknown':
    case 'undecided':
      read.array(rest, 0, 'answer');
      return { kind };
    case 'failed':
      return { kind, reason: read.oneOf(read.array(rest, 1, 'answer')[0], REQUEST_FAILURES, 'reason') };
    default:
      throw new PeerFault('malformed', 'answer: unknown kind');
  }
}

/** The arbiter's word that it will not complete the exchange: made once per xid, stored, re-sent. An encoded answer. */
export function makeToken(xid: Uint8Array, key: SigningKey): Uint8Array {
  return encodeAnswer({ kind: 'token', token: signControl(key, TOKEN, xid, TOKEN_TEXT) });
}

/** Its word that the exchange is void because the content was proven wrong. An encoded answer. */
export function makeVoid(xid: Uint8Array, key: SigningKey): Uint8Array {
  return encodeAnswer({ kind: 'void', token: signControl(key, VOID, xid, VOID_TEXT) });
}

/** What a receiver of content gets of a stored `resolved` answer while the window is open: the other's witness. */
export function releasedOf(resolved: Uint8Array, to: Role): Uint8Array {
  const answer = decodeAnswer(resolved);
  assert(answer.kind === 'resolved', 'content is released from a resolved answer');
  return encodeAnswer({ kind: 'released', witness: answer.witnesses[otherRole(to)] });
}

/**
 * The arbiter's work for `open` (PROTOCOL §7): what both promises yield as an encoded answer, or null, which the machine
 * refuses without saying why. `now`: its clock at receipt, in seconds.
 */
export function makeResolved(
  record: ExchangeRecord,
  parties: Parties,
  promises: Promises,
  by: Role,
  keys: { readonly signing: SigningKey; readonly kemSecret: Uint8Array },
  now: number,
): Uint8Array | null {
  if (record.mode === 'affidavit') {
    if (!promisesStand(record, parties, promises)) return null;
    const statement = makeStatement(record, parties, promises, keys.signing, now);
    return encodeAnswer({ kind: 'affidavit', promises, statement });
  }
  const witnesses = openPromises(record, parties, promises, keys.kemSecret, by);
  if (witnesses === null) return null;
  const signature = signControl(keys.signing, RESOLVED, xidOf(record), witnesses.O, witnesses.R);
  return encodeAnswer({ kind: 'resolved', witnesses, signature });
}

function answerContext(xid: Uint8Array): Uint8Array {
  return enc('fit answer v1', xid);
}

/** The reply frame. `to`: the request's one-time key and exchange, or null if it had none that could be read. */
export function sealAnswer(
  to: { readonly answerKey: Uint8Array; readonly xid: Uint8Array } | null,
  answer: Uint8Array,
): Uint8Array {
  assert(answer.length <= ANSWER_MAX_BYTES, 'an answer fits into its padding');
  if (to === null) return enc(VERSION, false, answer);
  const padded = new Uint8Array(PADDED_BYTES);
  new DataView(padded.buffer).setUint32(0, answer.length);
  padded.set(answer, 4);
  return enc(VERSION, true, sealTo(to.answerKey, padded, answerContext(to.xid)));
}

/**
 * The encoded answer within a reply frame. Only a failure may come unsealed. Throws `PeerFault`.
 */
export function openAnswer(reply: Uint8Array, xid: Uint8Array, answerSecret: Uint8Array): Uint8Array {
  const [version, sealed, box] = read.array(decode(reply, REPLY_MAX_BYTES), 3, 'reply');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'reply: unknown version');
  const body = read.blob(box, REPLY_MAX_BYTES, 'reply');
  if (sealed === false) {
    if (decodeAnswer(body).kind !== 'failed') throw new PeerFault('malformed', 'reply: an answer in the open');
    return body;
  }
  read.literal(sealed, true, 'reply');
  const padded = openFrom(answerSecret, body, answerContext(xid));
  if (padded.length !== PADDED_BYTES) throw new PeerFault('malformed', 'reply: padding');
  const length = new DataView(padded.buffer, padded.byteOffset).getUint32(0);
  if (length > ANSWER_MAX_BYTES || padded.subarray(4 + length).some((byte) => byte !== 0))
    throw new PeerFault('malformed', 'reply: padding');
  return padded.slice(4, 4 + length);
}

export type VerifiedAnswer =
  | { readonly kind: 'token'; readonly token: Uint8Array }
  /** `contract`: the contract.p7s. `signed`: whether the arbiter can be held to having decided so. */
  | {
      readonly kind: 'resolved';
      readonly contract: Uint8Array;
      readonly witnesses: Witnesses;
      readonly signed: boolean;
    }
  | { readonly kind: 'affidavit'; readonly affidavit: Affidavit }
  | { readonly kind: 'void'; readonly token: Uint8Array }
  | { readonly kind: 'released'; readonly witness: Uint8Array }
  | Extract<Answer, { kind: 'pending' | 'wanted' | 'refused' | 'unknown' | 'undecided' | 'failed' }>;

function isToken(record: ExchangeRecord, parties: Parties, token: Uint8Array): boolean {
  return verifyControl(parties.T.certificate.publicKey, TOKEN, token, xidOf(record), TOKEN_TEXT);
}

function isSignedResolution(
  record: ExchangeRecord,
  parties: Parties,
  answer: Extract<Answer, { kind: 'resolved' }>,
): boolean {
  const { O, R } = answer.witnesses;
  return verifyControl(parties.T.certificate.publicKey, RESOLVED, answer.signature, xidOf(record), O, R);
}

/** A party's check of an encoded answer about its own exchange. Throws `PeerFault` for what proves nothing. */
export function verifyAnswer(record: ExchangeRecord, parties: Parties, bytes: Uint8Array): VerifiedAnswer {
  const answer = decodeAnswer(bytes);
  switch (answer.kind) {
    case 'token':
      if (!isToken(record, parties, answer.token))
        throw new PeerFault('bad-signature', 'the token is not the arbiter’s');
      return answer;
    case 'void':
      if (!verifyControl(parties.T.certificate.publicKey, VOID, answer.token, xidOf(record), VOID_TEXT))
        throw new PeerFault('bad-signature', 'the word that it is void is not the arbiter’s');
      return answer;
    case 'released':
      if (
        !ROLES.some(
          (role) => itemOf(record, role).kind === 'content' && isWitnessOf(record, role, parties, answer.witness),
        )
      )
        throw new PeerFault('bad-signature', 'what the arbiter released is not the key');
      return answer;
    case 'pending':
      if (record.itemO.kind !== 'content') throw new PeerFault('malformed', 'an answer for content');
      return answer;
    case 'wanted':
      if (record.check !== 'full') throw new PeerFault('malformed', 'an answer for a full check');
      return answer;
    case 'resolved': {
      if (ROLES.some((role) => answer.witnesses[role].length !== witnessBytes(record, role)))
        throw new PeerFault('malformed', 'an answer of another course');
      if (record.mode !== 'invisible') throw new PeerFault('malformed', 'an answer of another mode');
      const contract = complete(record, parties, answer.witnesses);
      const signed = isSignedResolution(record, parties, answer);
      return { kind: 'resolved', contract, witnesses: answer.witnesses, signed };
    }
    case 'affidavit': {
      if (record.mode !== 'affidavit') throw new PeerFault('malformed', 'an answer of another mode');
      const affidavit = { text: statementText(record, answer.promises), signature: answer.statement };
      verifyAffidavit(affidavit, record.document, {
        O: parties.O.certificate,
        R: parties.R.certificate,
        T: parties.T.certificate,
      });
      return { kind: 'affidavit', affidavit };
    }
    default:
      return answer;
  }
}

/**
 * Whether two encoded answers prove that the arbiter broke its word: a token (or its word that it is void) and a signed
 * resolution of the same exchange.
 * Anybody can check it; `parties` needs the certificates only. Never throws for what an accuser can hand in.
 */
export function contradiction(
  record: ExchangeRecord,
  parties: Parties,
  token: Uint8Array,
  resolved: Uint8Array,
): boolean {
  try {
    const word = verifyAnswer(record, parties, token);
    if (word.kind !== 'token' && word.kind !== 'void') return false;
    const other = verifyAnswer(record, parties, resolved);
    return other.kind === 'affidavit' || (other.kind === 'resolved' && other.signed);
  } catch (error) {
    if (error instanceof PeerFault) return false;
    throw error;
  }
}
