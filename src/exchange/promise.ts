/**
 * Promises and releases (PROTOCOL §4 to §6, §9).
 *
 * A promise in mode `invisible` is the nonce point of a finished signature and an escrow of its s for the arbiter; it is not
 * signed and convinces only its receiver. In mode `affidavit` it is a control signature, which convinces everybody.
 * A release is the signature itself.
 *
 * Guarantees: the slow work is described (`promiseJob`, `promiseCheck`) and done elsewhere; statements, labels and keys are
 * built from X and from `parties`, never taken from what the peer sent.
 */
import { signControl, verifyControl } from '../crypto/control.ts';
import { lowS, verifyP256 } from '../crypto/ecdsa.ts';
import { type EscrowKeys, type EscrowLabel, openEscrow, PROOF_MAX_BYTES } from '../crypto/escrow.ts';
import { GENERATOR, noncePoint, rOf, signatureStatement } from '../crypto/p256.ts';
import { assert } from '../lib/assert.ts';
import { concat, equal } from '../lib/bytes.ts';
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import {
  isKeyOf,
  itemOf,
  joinWitness,
  keyIn,
  signatureIn,
  WITNESS_MAX_BYTES,
  type Witnesses,
  witnessBytes,
} from './completion.ts';
import { endsOf, template } from './contract.ts';
import { type Parties, pointOf } from './frame.ts';
import { otherRole, type Role } from './items.ts';
import { type ExchangeRecord, type Mode, xidOf } from './record.ts';

/** A private key as `crypto` handles it; opaque here. */
export type SigningKey = Parameters<typeof signControl>[0];

export type Promised =
  | { readonly kind: 'escrow'; readonly noncePoint: Uint8Array; readonly proof: Uint8Array }
  | { readonly kind: 'affidavit'; readonly signature: Uint8Array };

const VERSION = 1;
export const PROMISE_MAX_BYTES = PROOF_MAX_BYTES + 128;
export const RELEASE_MAX_BYTES = WITNESS_MAX_BYTES + 4;

export function encodePromise(promise: { readonly noncePoint: Uint8Array; readonly proof: Uint8Array }): Uint8Array {
  return enc(VERSION, 'escrow', promise.noncePoint, promise.proof);
}

/** Refuses a promise of the other mode. Throws `PeerFault`. */
export function decodePromise(bytes: Uint8Array, mode: Mode): Promised {
  const value = decode(bytes, PROMISE_MAX_BYTES);
  const [version, kind, ...rest] = read.list(value, 4, 'promise');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'promise: unknown version');
  if (mode === 'invisible') {
    read.literal(kind, 'escrow', 'promise');
    const [point, proof] = read.array(rest, 2, 'promise');
    return {
      kind: 'escrow',
      noncePoint: read.bytes(point, 33, 'nonce point'),
      proof: read.blob(proof, PROOF_MAX_BYTES, 'proof'),
    };
  }
  read.literal(kind, 'affidavit', 'promise');
  const [signature] = read.array(rest, 1, 'promise');
  return { kind: 'affidavit', signature: read.bytes(signature, 64, 'signature') };
}

function labelOf(
  record: ExchangeRecord,
  sender: Role,
  parties: Parties,
  point: Uint8Array,
): { readonly label: EscrowLabel; readonly keys: EscrowKeys } {
  const { digest } = template(record, sender, parties);
  const signature = signatureStatement(digest, point, pointOf(parties[sender].certificate));
  const item = itemOf(record, sender);
  // A scalar alone authenticates nobody: an invented key must not frame a sender, so content escrows both (PROTOCOL §4).
  const statements = item.kind === 'content' ? [{ base: GENERATOR, point: item.point }, signature] : [signature];
  return {
    label: { xid: xidOf(record), role: sender, ...endsOf(parties, sender), anchor: null, statements },
    keys: { kem: parties.T.kem, verifier: parties[otherRole(sender)].verifier },
  };
}

/** What the prover needs; `witnesses` is secret until the release. */
export interface PromiseJob {
  readonly noncePoint: Uint8Array;
  readonly label: EscrowLabel;
  readonly witnesses: readonly Uint8Array[];
  readonly keys: EscrowKeys;
}

/** Mode `invisible`: `witness` is the role's finished one: its signature over its template and, for content, the key. */
export function promiseJob(record: ExchangeRecord, role: Role, witness: Uint8Array, parties: Parties): PromiseJob {
  assert(record.mode === 'invisible', 'only invisible promises are proven');
  assert(isWitnessOf(record, role, parties, witness), 'a promised witness must be over the template');
  const signature = signatureIn(witness);
  const key = keyIn(witness);
  const { digest } = template(record, role, parties);
  const point = noncePoint(digest, signature, pointOf(parties[role].certificate));
  const s = signature.slice(32);
  return { noncePoint: point, witnesses: key === null ? [s] : [key, s], ...labelOf(record, role, parties, point) };
}

export type PromiseCheck =
  /** The promise stands if the escrow pool verifies this. */
  | { readonly kind: 'escrow'; readonly label: EscrowLabel; readonly proof: Uint8Array; readonly keys: EscrowKeys }
  /** The promise stands: its signature has been verified. */
  | { readonly kind: 'affidavit' };

/**
 * The receiver's check of a promise by `sender`. `parties` holds the receiver's own verifier key and the pinned cards; the
 * record has passed `checkRecord`. Throws `PeerFault`.
 */
export function promiseCheck(
  record: ExchangeRecord,
  sender: Role,
  promise: Uint8Array,
  parties: Parties,
): PromiseCheck {
  const decoded = decodePromise(promise, record.mode);
  if (decoded.kind === 'escrow')
    return { kind: 'escrow', proof: decoded.proof, ...labelOf(record, sender, parties, decoded.noncePoint) };
  checkAffidavitPromise(record, sender, promise, parties);
  return { kind: 'affidavit' };
}

/** What an affidavit promise signs: PROTOCOL §9. */
function affidavitItems(record: ExchangeRecord, sender: Role, parties: Parties): readonly Cbor[] {
  return [xidOf(record), sender, record.document, endsOf(parties, sender).recipient];
}

const AFFIDAVIT = 'affidavit promise';

/** Mode `affidavit`: the promise of `role`, made with its certificate's key. */
export function affidavitPromise(record: ExchangeRecord, role: Role, key: SigningKey, parties: Parties): Uint8Array {
  assert(record.mode === 'affidavit', 'a transferable promise needs a text that asks for it');
  return enc(VERSION, 'affidavit', signControl(key, AFFIDAVIT, ...affidavitItems(record, role, parties)));
}

/** Throws `PeerFault('bad-signature')` unless `promise` is the sender's. */
export function checkAffidavitPromise(
  record: ExchangeRecord,
  sender: Role,
  promise: Uint8Array,
  parties: Parties,
): void {
  const decoded = decodePromise(promise, record.mode);
  const stands =
    decoded.kind === 'affidavit' &&
    verifyControl(
      parties[sender].certificate.publicKey,
      AFFIDAVIT,
      decoded.signature,
      ...affidavitItems(record, sender, parties),
    );
  if (!stands) throw new PeerFault('bad-signature', 'the promise is not signed by its sender');
}

/** Whether `signature` (64 bytes, low s only) is the role's on what X makes it sign. */
export function isSignatureOf(record: ExchangeRecord, role: Role, parties: Parties, signature: Uint8Array): boolean {
  const { signedAttributes } = template(record, role, parties);
  return verifyP256(parties[role].certificate.publicKey, signedAttributes, signature);
}

/** Whether it is all that the role owes: its signature and, for content, the key. */
export function isWitnessOf(record: ExchangeRecord, role: Role, parties: Parties, witness: Uint8Array): boolean {
  const key = keyIn(witness);
  return (
    witness.length === witnessBytes(record, role) &&
    isSignatureOf(record, role, parties, signatureIn(witness)) &&
    (key === null || isKeyOf(record, role, key))
  );
}

export function encodeRelease(record: ExchangeRecord, role: Role, witness: Uint8Array): Uint8Array {
  assert(witness.length === witnessBytes(record, role), 'a release is one whole witness');
  return enc(VERSION, witness);
}

/** The witness in a release of our own. */
export function witnessIn(release: Uint8Array): Uint8Array {
  return read.blob(read.array(decode(release, RELEASE_MAX_BYTES), 2, 'own release')[1], WITNESS_MAX_BYTES, 'witness');
}

/**
 * The sender's witness. Its signature must be the promised one (if a promise has come): same nonce, low s. Throws `PeerFault`.
 */
export function checkRelease(
  record: ExchangeRecord,
  sender: Role,
  release: Uint8Array,
  promise: Uint8Array | null,
  parties: Parties,
): Uint8Array {
  const [version, found] = read.array(decode(release, RELEASE_MAX_BYTES), 2, 'release');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'release: unknown version');
  const witness = read.bytes(found, witnessBytes(record, sender), 'witness');
  const promised = promise === null ? null : decodePromise(promise, record.mode);
  if (promised?.kind === 'escrow' && !equal(rOf(promised.noncePoint), witness.subarray(0, 32)))
    throw new PeerFault('bad-signature', 'another signature than the promised one');
  if (!isWitnessOf(record, sender, parties, witness))
    throw new PeerFault('bad-signature', 'the signature or key does not verify');
  return witness;
}

/** The escrowed witness, its signature with low s, or null. Only what verifies against our own template is accepted from it. */
function openOne(
  record: ExchangeRecord,
  sender: Role,
  parties: Parties,
  promise: Uint8Array,
  kemSecret: Uint8Array,
): Uint8Array | null {
  const decoded = decodePromise(promise, record.mode);
  if (decoded.kind !== 'escrow') return null;
  const { label, keys } = labelOf(record, sender, parties, decoded.noncePoint);
  const r = rOf(decoded.noncePoint);
  const complete = (s: Uint8Array) => lowS(concat(r, s));
  const isContent = itemOf(record, sender).kind === 'content';
  const opened = openEscrow(label, decoded.proof, kemSecret, keys.verifier, (statement, candidate) =>
    isContent && statement === 0
      ? isKeyOf(record, sender, candidate)
      : isSignatureOf(record, sender, parties, complete(candidate)),
  );
  if (opened === null) return null;
  const [first, second] = opened;
  if (first === undefined) return null;
  if (!isContent) return complete(first);
  return second === undefined ? null : joinWitness(complete(second), first);
}

/**
 * The arbiter's opening, mode `invisible`: the requester's own escrow first, then the peer's. Both witnesses, whose signatures
 * verify and have low s, or null; what a requester can send never throws.
 */
export function openPromises(
  record: ExchangeRecord,
  parties: Parties,
  promises: { readonly O: Uint8Array; readonly R: Uint8Array },
  kemSecret: Uint8Array,
  by: Role,
): Witnesses | null {
  try {
    const own = openOne(record, by, parties, promises[by], kemSecret);
    if (own === null) return null;
    const peer = openOne(record, otherRole(by), parties, promises[otherRole(by)], kemSecret);
    if (peer === null) return null;
    return by === 'O' ? { O: own, R: peer } : { O: peer, R: own };
  } catch (error) {
    if (error instanceof PeerFault) return null;
    throw error;
  }
}
