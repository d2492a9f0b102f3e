/**
 * What a finished exchange leaves: a contract signed by both, or the key of the content with the statement of origin against
 * the receipt. A role's witness is its signature (64 bytes, low s) and, for content, the key (32 bytes) after it.
 *
 * Guarantees: a witness is taken only if the signature verifies over the text that X makes the role sign and the key is the
 * discrete logarithm of X's point; both sides (and the arbiter) come to the same bytes.
 */
import { isPrivateScalar, publicPoint } from '../crypto/p256.ts';
import { assembleSignedData, verifySignedData } from '../crypto/pki/cms.ts';
import { concat, equal } from '../lib/bytes.ts';
import { decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { completeContract, signedText, template } from './contract.ts';
import type { Parties } from './frame.ts';
import { ROLES, type Role } from './items.ts';
import type { ExchangeRecord } from './record.ts';
import { statementName } from './statements.ts';

export interface Witnesses {
  readonly O: Uint8Array;
  readonly R: Uint8Array;
}

const SIGNATURE_BYTES = 64;
export const WITNESS_MAX_BYTES = 96;

export function itemOf(record: ExchangeRecord, role: Role): ExchangeRecord['itemO'] {
  return role === 'O' ? record.itemO : record.itemR;
}

export function witnessBytes(record: ExchangeRecord, role: Role): number {
  return itemOf(record, role).kind === 'content' ? WITNESS_MAX_BYTES : SIGNATURE_BYTES;
}

/** `key`: 32 bytes, for content. */
export function joinWitness(signature: Uint8Array, key: Uint8Array | null): Uint8Array {
  return key === null ? signature : concat(signature, key);
}

export const signatureIn = (witness: Uint8Array): Uint8Array => witness.slice(0, SIGNATURE_BYTES);
export const keyIn = (witness: Uint8Array): Uint8Array | null =>
  witness.length === WITNESS_MAX_BYTES ? witness.slice(SIGNATURE_BYTES) : null;

/** Whether 32 bytes are the key of the role's content. */
export function isKeyOf(record: ExchangeRecord, role: Role, key: Uint8Array): boolean {
  const item = itemOf(record, role);
  return item.kind === 'content' && isPrivateScalar(key) && equal(publicPoint(key), item.point);
}

export interface StatementFiles {
  readonly name: string;
  readonly text: Uint8Array;
  /** Detached CMS SignedData over `text`, by that role alone. */
  readonly p7s: Uint8Array;
}

/** The role's statement with its signature, as `openssl cms` verifies it. Throws `PeerFault('bad-signature')`. */
export function statementOf(
  record: ExchangeRecord,
  parties: Parties,
  role: Role,
  signature: Uint8Array,
): StatementFiles {
  const { text, digest } = signedText(record, role);
  if (text === null) throw new PeerFault('bad-record', 'not a delivery');
  const { certificate } = parties[role];
  const { signedAttributes } = template(record, role, parties);
  const p7s = assembleSignedData([{ certificate, signedAttributes, signature }]);
  const verdict = verifySignedData(p7s, digest);
  if (!verdict.ok)
    throw new PeerFault('bad-signature', `the ${statementName(record, role)} does not verify: ${verdict.code}`);
  return { name: statementName(record, role), text, p7s };
}

/** What the machine keeps as the outcome: contract.p7s, or both witnesses of a delivery. Throws `PeerFault('bad-signature')`. */
export function complete(record: ExchangeRecord, parties: Parties, witnesses: Witnesses): Uint8Array {
  if (record.itemO.kind === 'document')
    return completeContract(record, parties, { O: signatureIn(witnesses.O), R: signatureIn(witnesses.R) });
  for (const role of ROLES) {
    statementOf(record, parties, role, signatureIn(witnesses[role]));
    const key = keyIn(witnesses[role]);
    if ((key === null) !== (itemOf(record, role).kind !== 'content') || (key !== null && !isKeyOf(record, role, key)))
      throw new PeerFault('bad-signature', 'the key is not that of the content');
  }
  return enc('delivery', witnesses.O, witnesses.R);
}

/** The witnesses of a finished delivery, from `complete`. */
export function decodeDelivery(bytes: Uint8Array): Witnesses {
  const [kind, O, R] = read.array(decode(bytes, 512), 3, 'delivery');
  read.literal(kind, 'delivery', 'delivery');
  return { O: read.blob(O, WITNESS_MAX_BYTES, 'witness'), R: read.blob(R, WITNESS_MAX_BYTES, 'witness') };
}
