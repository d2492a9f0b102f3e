/**
 * From a text and three cards to the record, to what each party signs, to the finished contract (PROTOCOL §2, §3).
 *
 * Guarantees: everything signed is a pure function of X and the certificates, so each side (and the arbiter) builds both
 * signers' attributes itself; both sides end with the same bytes; a record that differs from the text, from the cards or
 * from the rules in any field is refused before anything is promised.
 */

import { SUITE } from '../crypto/escrow.ts';
import { sha256 } from '../crypto/hash.ts';
import { assembleSignedData, signedAttributes, verifySignedData } from '../crypto/pki/cms.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { encode } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { checkFrame, type Limits, type Parties } from './frame.ts';
import { type ContentItem, type Item, type NamedItem, ROLES, type Role } from './items.ts';
import { type ExchangeRecord, recordToCbor } from './record.ts';
import { contentStatement } from './statements.ts';

export type { Arbiter, Limits, Parties, Trader } from './frame.ts';

/** What the document says about its exchange; certificates and terms as SHA-256. */
export type DocumentTerms = {
  readonly itemO: NamedItem;
  readonly itemR: NamedItem;
} & Pick<
  ExchangeRecord,
  'originator' | 'responder' | 'arbiter' | 'terms' | 'mode' | 'check' | 'notAfter' | 'margin' | 'deal' | 'document'
>;

/** The originator's own choices. `nonce`: 32 fresh random bytes. `sealed`: of its content, if it gives any. */
export interface Chosen {
  readonly nonce: Uint8Array;
  readonly signingTime: number;
  readonly sealed: Sealed | null;
}

/** Key point and ciphertext of each content: its sender's choice, the responder's by message 0. */
export type Sealed = Partial<Record<Role, Pick<ContentItem, 'point' | 'ciphertextRoot'>>>;

export function chosenIn(record: ExchangeRecord): Chosen {
  const { nonce, signingTime, itemO, itemR } = record;
  const O = itemO.kind === 'content' ? { O: itemO } : {};
  const R = itemR.kind === 'content' ? { R: itemR } : {};
  return { nonce, signingTime, sealed: { ...O, ...R } };
}

export interface RecordLimits extends Limits {
  /** When this side made or first received this version of the text, by its own clock, in seconds. */
  readonly offeredAt: number;
}

function itemFrom(item: NamedItem, sealed: Sealed[Role]): Item {
  if (item.kind !== 'content') return item;
  if (sealed === undefined) throw new PeerFault('bad-record', 'content without key and ciphertext');
  const { point, ciphertextRoot } = sealed;
  return { ...item, point, ciphertextRoot };
}

/** The record as a document describes it, whatever its originator chose freely. */
export function asDescribed(record: ExchangeRecord, terms: DocumentTerms): ExchangeRecord {
  const { sealed } = chosenIn(record);
  return { ...record, ...terms, itemO: itemFrom(terms.itemO, sealed?.O), itemR: itemFrom(terms.itemR, sealed?.R) };
}

/** X, as every side rebuilds it. */
export function makeRecord(terms: DocumentTerms, parties: Parties, chosen: Chosen): ExchangeRecord {
  return {
    suite: SUITE,
    nonce: chosen.nonce,
    originator: terms.originator,
    responder: terms.responder,
    arbiter: terms.arbiter,
    verifierO: parties.O.verifier,
    verifierR: parties.R.verifier,
    kem: sha256(parties.T.kem),
    terms: terms.terms,
    mode: terms.mode,
    check: terms.check,
    signingTime: chosen.signingTime,
    notAfter: terms.notAfter,
    margin: terms.margin,
    deal: terms.deal,
    document: terms.document,
    itemO: itemFrom(terms.itemO, chosen.sealed?.O),
    itemR: itemFrom(terms.itemR, chosen.sealed?.R),
  };
}

/** Names of X's elements, in their order, for the message about the first difference. */
const FIELD_NAMES = [
  'version',
  'suite',
  'nonce',
  'originator',
  'responder',
  'arbiter',
  'verifier key of the originator',
  'verifier key of the responder',
  'key of the arbiter',
  'terms',
  'mode',
  'content check',
  'signing time',
  'notAfter',
  'margin',
  'deal',
  'document',
  'item of the originator',
  'item of the responder',
] as const;

/**
 * Both sides run this before they promise; the parties' verifier keys are those of their own and the pinned card.
 *
 * A signing time before `offeredAt − skew` is refused: nobody can have signed a version before it existed, and an earlier
 * time could only serve to reach back before a revocation. Age alone is no reason to refuse, because an acceptance may
 * wait days for a peer that is offline.
 *
 * Throws `PeerFault('bad-record')` that names the first difference.
 */
export function checkRecord(
  record: ExchangeRecord,
  terms: DocumentTerms,
  parties: Parties,
  limits: RecordLimits,
): void {
  const expected = recordToCbor(makeRecord(terms, parties, chosenIn(record)));
  const found = recordToCbor(record);
  for (const [i, name] of FIELD_NAMES.entries())
    if (!equal(encode(present(expected[i], name)), encode(present(found[i], name))))
      throw new PeerFault('bad-record', `the record differs from the text: ${name}`);
  checkFrame(record, parties, limits);
  if (record.signingTime < limits.offeredAt - limits.skew)
    throw new PeerFault('bad-record', 'a signing time before this version was offered');
}

/** What a role signs: DER of the signed attributes with the SET tag, and its SHA-256 (the ECDSA digest). */
export interface Template {
  readonly signedAttributes: Uint8Array;
  readonly digest: Uint8Array;
}

/** The text whose digest a role signs: the document (null: its bytes are not needed here), or a statement made from X. */
export function signedText(
  record: ExchangeRecord,
  role: Role,
): { readonly text: Uint8Array | null; readonly digest: Uint8Array } {
  const text = contentStatement(record, role);
  return { text, digest: text === null ? record.document : sha256(text) };
}

export function template(record: ExchangeRecord, role: Role, parties: Parties): Template {
  const attributes = signedAttributes({
    digest: signedText(record, role).digest,
    signingTime: record.signingTime,
    certificateHash: parties[role].certificate.hash,
  });
  return { signedAttributes: attributes, digest: sha256(attributes) };
}

/** Raw r‖s, 64 bytes each, low s. */
export interface Signatures {
  readonly O: Uint8Array;
  readonly R: Uint8Array;
}

/** The contract.p7s. Unchecked; see `completeContract`. */
export function assemble(record: ExchangeRecord, parties: Parties, signatures: Signatures): Uint8Array {
  return assembleSignedData(
    ROLES.map((role) => ({
      certificate: parties[role].certificate,
      signedAttributes: template(record, role, parties).signedAttributes,
      signature: signatures[role],
    })),
  );
}

/** Assembles and verifies as any third person would. Throws `PeerFault('bad-signature')` unless it is exactly the contract. */
export function completeContract(record: ExchangeRecord, parties: Parties, signatures: Signatures): Uint8Array {
  const contract = assemble(record, parties, signatures);
  const verdict = verifySignedData(contract, record.document);
  if (!verdict.ok) throw new PeerFault('bad-signature', `the contract does not verify: ${verdict.code}`);
  const complete =
    verdict.signers.length === ROLES.length &&
    ROLES.every((role) =>
      verdict.signers.some(
        (signer) =>
          equal(signer.certificate.hash, parties[role].certificate.hash) &&
          signer.signingTime === record.signingTime &&
          equal(signer.signature, signatures[role]),
      ),
    );
  if (!complete) throw new PeerFault('bad-signature', 'the contract is not signed by both parties');
  return contract;
}

/** The label part that names both ends: certificate hashes of the sender and recipient. */
export function endsOf(
  parties: Parties,
  sender: Role,
): { readonly sender: Uint8Array; readonly recipient: Uint8Array } {
  const [from, to] = sender === 'O' ? [parties.O, parties.R] : [parties.R, parties.O];
  return { sender: from.certificate.hash, recipient: to.certificate.hash };
}
