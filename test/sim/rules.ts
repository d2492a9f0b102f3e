/**
 * What shells and arbiter check, as switches. `RULES` is the product; a mutant turns one off or hands in a mutated table.
 * The functions are the symbolic counterparts of `checkRecord`, `promiseCheck`, `checkRelease`, `verifyAnswer`, `openPromises` and
 * `provesMisbehaviour`.
 */
import type { ArbiterRow } from '../../src/exchange/arbiter.ts';
import { ARBITER, CONTENT_ARBITER } from '../../src/exchange/arbiter.ts';
import { ORIGINATOR, RECEIVER, RESPONDER, SENDER, SWAP_ORIGINATOR, SWAP_RESPONDER } from '../../src/exchange/party.ts';
import {
  type ContractTerm,
  contentOf,
  contract,
  type Exchange,
  type Name,
  other,
  type PromiseTerm,
  type ProofTerm,
  type Role,
  type SignatureTerm,
  signature,
  signatureOf,
} from './terms.ts';

export interface Rules {
  readonly originator: typeof ORIGINATOR;
  readonly responder: typeof RESPONDER;
  readonly arbiter: readonly ArbiterRow[];
  /** The tables of an exchange of content. */
  readonly sender: typeof SENDER;
  readonly receiver: typeof RECEIVER;
  readonly contentArbiter: readonly ArbiterRow[];
  readonly swapOriginator: typeof SWAP_ORIGINATOR;
  readonly swapResponder: typeof SWAP_RESPONDER;
  /** A promise counts only under the label of its xid, role, sender and recipient. */
  readonly label: boolean;
  /** ... and opens only under it. */
  readonly arbiterLabel: boolean;
  /** The verifier's template check, and the arbiter's. */
  readonly template: boolean;
  readonly arbiterTemplate: boolean;
  /** A promise is verified with the own verifier key, not with the one that X names. */
  readonly ownVerifierKey: boolean;
  /** X is rebuilt from the text and compared. */
  readonly comparesRecord: boolean;
  /** Originator, responder and arbiter have different certificates and keys. */
  readonly partiesDiffer: boolean;
  /** The signed text names its parties. */
  readonly namesInText: boolean;
  /** The arbiter's answer is accepted on the contract alone, whatever nonce was promised. */
  readonly contractByDocument: boolean;
  /** Evidence completed by the arbiter has no trace of it. */
  readonly invisible: boolean;
  readonly consentOnce: boolean;
  readonly withdrawalCounts: boolean;
  /** Consent is judged by the own clock, not by X's signing time. */
  readonly consentByOwnClock: boolean;
  /** A restarted shell gives `resumed` to the machine. */
  readonly resumes: boolean;
  /** ... through the machine, which heeds the margin. */
  readonly resumesByTable: boolean;
  /** After a restore from backup nothing aborts by itself and message 2 leads to the arbiter. */
  readonly restoredIsCareful: boolean;
  /** Every verified statement of the arbiter is kept, also when the machine has no use for it. */
  readonly keepsStatements: boolean;
  readonly answersSigned: boolean;
  readonly tokensSigned: boolean;
  /** `opened` is judged by the stored state. */
  readonly lock: boolean;
  readonly storesBoth: boolean;
  readonly answersFromStore: boolean;
  readonly abortTiedToRecord: boolean;
  readonly refusalsTellNothing: boolean;
  /** The arbiter opens whatever the verifier accepts. */
  readonly opensWhatVerifies: boolean;
  /** After notAfter a request waits until the openings that began before have ended. The product's arbiter does, but for a crash. */
  readonly expiryWaits: boolean;
  /** A proof of wrong content takes the sender's own statement and key, ... */
  readonly proofNeedsOrigin: boolean;
  /** ... of the same exchange. */
  readonly proofBound: boolean;
  readonly onlyReceiverComplains: boolean;
  /** In a swap both receive. */
  readonly bothGive: boolean;
  /** A window is open until its end. */
  readonly windowStaysOpen: boolean;
  /** While the window is open the sender gets no receipt. */
  readonly receiptHeldBack: boolean;
  /** The key leaves the arbiter only for what is stored as pending. */
  readonly keyWhenStored: boolean;
  /** A key of an open window is not taken for the end of the window. */
  readonly keyIsNotFinal: boolean;
  /** Full check: no window is given, ... */
  readonly fullWithoutWindow: boolean;
  /** ... the ciphertext that was brought is compared, ... */
  readonly looks: boolean;
  /** ... and what was not brought is no content. */
  readonly needsCiphertext: boolean;
}

export const RULES: Rules = {
  originator: ORIGINATOR,
  responder: RESPONDER,
  arbiter: ARBITER,
  sender: SENDER,
  receiver: RECEIVER,
  contentArbiter: CONTENT_ARBITER,
  swapOriginator: SWAP_ORIGINATOR,
  swapResponder: SWAP_RESPONDER,
  label: true,
  arbiterLabel: true,
  template: true,
  arbiterTemplate: true,
  ownVerifierKey: true,
  comparesRecord: true,
  partiesDiffer: true,
  namesInText: true,
  contractByDocument: true,
  invisible: true,
  consentOnce: true,
  withdrawalCounts: true,
  consentByOwnClock: true,
  resumes: true,
  resumesByTable: true,
  restoredIsCareful: true,
  keepsStatements: true,
  answersSigned: true,
  tokensSigned: true,
  lock: true,
  storesBoth: true,
  answersFromStore: true,
  abortTiedToRecord: true,
  refusalsTellNothing: true,
  opensWhatVerifies: true,
  expiryWaits: false,
  proofNeedsOrigin: true,
  proofBound: true,
  onlyReceiverComplains: true,
  bothGive: true,
  windowStaysOpen: true,
  receiptHeldBack: true,
  keyWhenStored: true,
  keyIsNotFinal: true,
  fullWithoutWindow: true,
  looks: true,
  needsCiphertext: true,
};

export function acceptsRecord(rules: Rules, x: Exchange): boolean {
  const differ = x.T !== x.O && x.T !== x.R;
  if (!differ) return !rules.partiesDiffer;
  return x.fits || !rules.comparesRecord;
}

/** Does `me` accept this as the promise of `role` in x? */
export function acceptsPromise(rules: Rules, x: Exchange, role: Role, promise: PromiseTerm, me: Name): boolean {
  if (promise.by !== x[role]) return false;
  if (rules.label && (promise.xid !== x.xid || promise.role !== role || promise.to !== me)) return false;
  switch (promise.quality) {
    case 'genuine':
    case 'odd':
      return promise.document === x.document;
    case 'junk':
      return !rules.template;
    case 'simulated':
      return !rules.ownVerifierKey;
  }
}

/** A signature by the party of that role on the template that follows from X. */
export function fitsTemplate(x: Exchange, role: Role, made: SignatureTerm): boolean {
  return made.by === x[role] && made.document === x.document;
}

/** Message 3 or 4: the promised nonce, and valid. */
export function acceptsRelease(x: Exchange, role: Role, made: SignatureTerm, promise: PromiseTerm): boolean {
  return fitsTemplate(x, role, made) && made.nonce === promise.nonce;
}

/** The contract in an arbiter's answer, or null if the evidence would not verify. */
export function contractIn(
  rules: Rules,
  x: Exchange,
  role: Role,
  given: { readonly xid: string; readonly o: SignatureTerm | null; readonly r: SignatureTerm | null },
  peerPromise: PromiseTerm | null,
): ContractTerm | null {
  const o = given.o ?? (role === 'O' ? signatureOf(x, 'O') : null);
  const r = given.r ?? (role === 'R' ? signatureOf(x, 'R') : null);
  if (given.xid !== x.xid || o === null || r === null) return null;
  if (!fitsTemplate(x, 'O', o) || !fitsTemplate(x, 'R', r)) return null;
  const peers = role === 'O' ? r : o;
  if (!rules.contractByDocument && peerPromise !== null && peers.nonce !== peerPromise.nonce) return null;
  return contract(o, r, !rules.invisible);
}

/** What the arbiter finds in an escrow: it opens, under the label and for the template, or null. */
export function opens(rules: Rules, x: Exchange, role: Role, promise: PromiseTerm | null): SignatureTerm | null {
  if (promise === null || promise.arbiter !== 't' || promise.quality === 'simulated') return null;
  const labelled = promise.xid === x.xid && promise.role === role && promise.to === x[other(role)];
  if (rules.arbiterLabel && !labelled) return null;
  if (!rules.opensWhatVerifies && promise.quality === 'odd') return null;
  const made = signature(promise.by, promise.document, promise.nonce);
  return fitsTemplate(x, role, made) || !rules.arbiterTemplate ? made : null;
}

/** Does the proof of `by` show that the other's content in x is wrong? */
export function provesWrong(rules: Rules, x: Exchange, by: Role, proof: ProofTerm | null): boolean {
  if (proof === null || contentOf(x, other(by)) === null || proof.of !== other(by)) return false;
  if (proof.xid !== x.xid && rules.proofBound) return false;
  return proof.quality === 'genuine' || !rules.proofNeedsOrigin;
}

/** Does anybody's verifier take these two signatures for a contract between these two? */
export function verifiesAsContract(rules: Rules, named: readonly Name[], o: SignatureTerm, r: SignatureTerm): boolean {
  if (o.document !== r.document || o.by === r.by) return false;
  return !rules.namesInText || (named.includes(o.by) && named.includes(r.by));
}
