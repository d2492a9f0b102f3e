/**
 * Symbolic cryptography for the explorer: a term stands for bytes, and what can be told from it or made from it is decided
 * here. Terms are interned, so equal terms are the same object and a state is compared by the numbers of its terms.
 *
 * The rules that a shell checks before the machine sees anything are switches in `Rules`: all on is the product, one off is a
 * mutant.
 */

import { assert } from '../../src/lib/assert.ts';

export type Name = 'a' | 'b' | 'm' | 'n' | 't';
export type Role = 'O' | 'R';

/** X as far as it matters: xid names all of it. `T` other than 't' is an arbiter in the adversary's hand. */
export interface Exchange {
  readonly xid: string;
  readonly O: Name;
  readonly R: Name;
  readonly T: Name;
  readonly document: string;
  /** Does X follow from the text? An honest party rebuilds X and compares. */
  readonly fits: boolean;
  /**
   * What O delivers, and whether it is what X names; null for signature against signature. R gives a receipt for it, or, in a
   * swap, content too.
   */
  readonly content: Content;
  readonly contentR: Content;
  /** The arbiter compares what O delivers before it decides, instead of a window. */
  readonly full: boolean;
}

export type Content = 'right' | 'wrong' | null;
export const contentOf = (x: Exchange, role: Role): Content => (role === 'O' ? x.content : x.contentR);

/**
 * `genuine`: verifies and opens; `odd`: the same, in a form that an over-strict arbiter would refuse; `simulated`: verifies
 * for the holder of the verifier key only and opens for nobody; `junk`: verifies as an escrow, but of a signature on other bytes.
 */
export type Quality = 'genuine' | 'odd' | 'simulated' | 'junk';

interface Base {
  readonly id: number;
}
export interface PromiseTerm extends Base {
  readonly kind: 'promise';
  readonly xid: string;
  readonly role: Role;
  readonly by: Name;
  /** Whose verifier key the proof was made for. */
  readonly to: Name;
  readonly arbiter: Name;
  readonly document: string;
  /** Names the nonce point: an honest signer has one for each exchange. */
  readonly nonce: string;
  readonly quality: Quality;
}
/**
 * A finished signature. Nothing in it names xid or role: a CMS signature names document and signer. Of the sender of content
 * it stands for the statement of origin and the key, which go together.
 */
export interface SignatureTerm extends Base {
  readonly kind: 'signature';
  readonly by: Name;
  readonly document: string;
  readonly nonce: string;
}
export interface ContractTerm extends Base {
  readonly kind: 'contract';
  readonly o: SignatureTerm;
  readonly r: SignatureTerm;
  /** Only a mutant's evidence tells that the arbiter took part. */
  readonly trace: boolean;
}
export interface TokenTerm extends Base {
  readonly kind: 'token';
  readonly xid: string;
  readonly signed: boolean;
}
/** The arbiter's signed word that the content was proven wrong. */
export interface VoidTerm extends Base {
  readonly kind: 'void';
  readonly xid: string;
  readonly signed: boolean;
}
/** What a receiver of content gets while the window is open: its sender's part, unsigned. */
export interface KeyTerm extends Base {
  readonly kind: 'key';
  readonly xid: string;
  readonly made: SignatureTerm;
}
/**
 * That content is wrong. `genuine`: a wrong chunk under the sender's own statement and key, so there is none of right content;
 * `invented`: under a key that its maker invented.
 */
export interface ProofTerm extends Base {
  readonly kind: 'proof';
  readonly xid: string;
  /** Whose content it accuses. */
  readonly of: Role;
  readonly quality: 'genuine' | 'invented';
}
/** The arbiter's signed answer `resolved`. */
export interface AnswerTerm extends Base {
  readonly kind: 'answer';
  readonly xid: string;
  readonly o: SignatureTerm | null;
  readonly r: SignatureTerm | null;
  readonly signed: boolean;
}
export interface ReplyTerm extends Base {
  readonly kind: 'reply';
  readonly to: Role;
  readonly statement: Statement | KeyTerm;
}
/** A mutant's refusal, signed, which says that the peer's promise is good. */
export interface CertificationTerm extends Base {
  readonly kind: 'certification';
  readonly xid: string;
  readonly of: Role;
}
export interface RequestTerm extends Base {
  readonly kind: 'request';
  readonly what: 'abort' | 'resolve' | 'status' | 'misbehaviour';
  readonly xid: string;
  readonly by: Name;
  readonly o: PromiseTerm | null;
  readonly r: PromiseTerm | null;
  readonly proof: ProofTerm | null;
}
export interface DeclinedTerm extends Base {
  readonly kind: 'declined';
  readonly xid: string;
  readonly by: Name;
}
/** What the arbiter signs: a decision that stays. */
export type Statement = TokenTerm | VoidTerm | AnswerTerm;
export type Term =
  | PromiseTerm
  | SignatureTerm
  | ContractTerm
  | TokenTerm
  | VoidTerm
  | KeyTerm
  | ProofTerm
  | AnswerTerm
  | ReplyTerm
  | CertificationTerm
  | RequestTerm
  | DeclinedTerm;

const interned = new Map<string, Term>();

/** `key` says what the term is made of; `make` is asked once. */
function intern<T extends Term>(key: string, make: () => Omit<T, 'id'>): T {
  let term = interned.get(key);
  if (term === undefined) {
    term = { ...make(), id: interned.size } as unknown as T;
    interned.set(key, term);
  }
  return term as T;
}

export const other = (role: Role): Role => (role === 'O' ? 'R' : 'O');

export function promiseOf(x: Exchange, role: Role, quality: Quality = 'genuine', nonce: string = x.xid): PromiseTerm {
  return intern<PromiseTerm>(`p${x.xid}|${role}|${x.O}${x.R}${x.T}|${x.document}|${nonce}|${quality}`, () => ({
    kind: 'promise',
    xid: x.xid,
    role,
    by: x[role],
    to: x[other(role)],
    arbiter: x.T,
    document: quality === 'junk' ? `not ${x.document}` : x.document,
    nonce,
    quality,
  }));
}

export function signature(by: Name, document: string, nonce: string): SignatureTerm {
  return intern<SignatureTerm>(`s${by}|${document}|${nonce}`, () => ({ kind: 'signature', by, document, nonce }));
}

export function signatureOf(x: Exchange, role: Role, nonce: string = x.xid): SignatureTerm {
  return signature(x[role], x.document, nonce);
}

export function contract(o: SignatureTerm, r: SignatureTerm, trace = false): ContractTerm {
  return intern<ContractTerm>(`c${o.id}|${r.id}|${trace}`, () => ({ kind: 'contract', o, r, trace }));
}

export function token(xid: string, signed = true): TokenTerm {
  return intern<TokenTerm>(`t${xid}|${signed}`, () => ({ kind: 'token', xid, signed }));
}

export function answer(xid: string, o: SignatureTerm | null, r: SignatureTerm | null, signed = true): AnswerTerm {
  return intern<AnswerTerm>(`a${xid}|${o?.id}|${r?.id}|${signed}`, () => ({ kind: 'answer', xid, o, r, signed }));
}

export function voidToken(xid: string, signed = true): VoidTerm {
  return intern<VoidTerm>(`v${xid}|${signed}`, () => ({ kind: 'void', xid, signed }));
}

export function keyOut(xid: string, made: SignatureTerm): KeyTerm {
  return intern<KeyTerm>(`k${xid}|${made.id}`, () => ({ kind: 'key', xid, made }));
}

/** There is no genuine proof of right content. */
export function proofOf(x: Exchange, of: Role, quality: ProofTerm['quality']): ProofTerm {
  assert(quality === 'invented' || contentOf(x, of) === 'wrong', 'a chunk that is wrong');
  return intern<ProofTerm>(`m${x.xid}|${of}|${quality}`, () => ({ kind: 'proof', xid: x.xid, of, quality }));
}

export function reply(to: Role, statement: Statement | KeyTerm): ReplyTerm {
  return intern<ReplyTerm>(`y${to}${statement.id}`, () => ({ kind: 'reply', to, statement }));
}

export function certification(xid: string, of: Role): CertificationTerm {
  return intern<CertificationTerm>(`z${of}${xid}`, () => ({ kind: 'certification', xid, of }));
}

export function request(
  what: RequestTerm['what'],
  x: Exchange,
  by: Name,
  promises?: { readonly o: PromiseTerm; readonly r: PromiseTerm },
): RequestTerm {
  const o = promises?.o ?? null;
  const r = promises?.r ?? null;
  return intern<RequestTerm>(`r${what}|${x.xid}|${by}|${o?.id}|${r?.id}`, () => ({
    kind: 'request',
    what,
    xid: x.xid,
    by,
    o,
    r,
    proof: null,
  }));
}

export function complaint(x: Exchange, by: Name, proof: ProofTerm): RequestTerm {
  return intern<RequestTerm>(`rm${x.xid}|${by}|${proof.id}`, () => ({
    kind: 'request',
    what: 'misbehaviour',
    xid: x.xid,
    by,
    o: null,
    r: null,
    proof,
  }));
}

export function declined(xid: string, by: Name): DeclinedTerm {
  return intern<DeclinedTerm>(`d${by}${xid}`, () => ({ kind: 'declined', xid, by }));
}

/** For traces. */
export function show(term: Term): string {
  switch (term.kind) {
    case 'promise':
      return `promise_${term.role}(${term.xid} by ${term.by} for ${term.to}, ${term.quality}, nonce ${term.nonce})`;
    case 'signature':
      return `signature(${term.by} on ${term.document}, nonce ${term.nonce})`;
    case 'contract':
      return `contract(${show(term.o)}, ${show(term.r)})`;
    case 'token':
      return `token(${term.xid})`;
    case 'void':
      return `void(${term.xid})`;
    case 'key':
      return `key(${term.xid})`;
    case 'proof':
      return `${term.quality} proof(${term.xid}, content of ${term.of})`;
    case 'answer':
      return `resolved(${term.xid})`;
    case 'reply':
      return `${show(term.statement)} to ${term.to}`;
    case 'certification':
      return `certification of promise_${term.of}(${term.xid})`;
    case 'request':
      return `${term.what}(${term.xid}) by ${term.by}`;
    case 'declined':
      return `declined(${term.xid}) by ${term.by}`;
  }
}
