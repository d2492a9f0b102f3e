/**
 * A deal as a pure reduction of its transactions (DESIGN §6, PROTOCOL §6). Both sides reduce the same negotiation and the
 * exchanges that each of them sees; whatever order crossing messages arrive in, both come to the same current version.
 *
 * Rules:
 * - the current version is the one with the highest number, and of two with one number the one with the lower digest; a
 *   new version takes the place of all others, whoever made them, and only the current one can be accepted;
 * - the numbers of one author rise, so that of each number there are at most two versions, one of each side;
 * - a decline or withdrawal ends the deal, unless an exchange is open: then the exchange decides;
 * - while an exchange is open no other version is taken (`under-way`);
 * - one unfinished exchange per document digest; a deal is aborted only when none of its exchanges is open;
 * - contracted, completed (a delivery), declined, withdrawn, expired, aborted and failed are final, but a contract is a contract: it is taken in
 *   every state, because it binds whatever else was said.
 */
import { assert, unreachable } from '../lib/assert.ts';
import { compare, equal } from '../lib/bytes.ts';
import { type ExchangeKind, makeTransaction, type Payload, type Transaction } from './transaction.ts';

/** From here on messages and offers are refused; what an exchange and the end of a deal have to say is still taken. */
export const MAX_TRANSACTIONS = 1000;

export type DealState =
  | 'offered'
  | 'signing'
  | 'contracted'
  | 'completed'
  | 'declined'
  | 'withdrawn'
  | 'expired'
  | 'aborted'
  | 'failed';

export interface Version {
  readonly number: number;
  readonly document: Uint8Array;
  /** null for a transfer. */
  readonly arbiterCard: Uint8Array | null;
  /** Certificate hash of its author. */
  readonly by: Uint8Array;
  /** Seconds since 1970. */
  readonly offerUntil: number;
  readonly transaction: Uint8Array;
  readonly time: number;
}

export interface DealExchange {
  readonly xid: Uint8Array;
  readonly document: Uint8Array;
  readonly outcome: 'open' | 'contracted' | 'aborted' | 'ended';
  /** Certificate hash of who accepted. */
  readonly acceptor: Uint8Array;
}

export interface Deal {
  readonly id: string;
  /** Certificate hashes. */
  readonly us: Uint8Array;
  readonly them: Uint8Array;
  readonly state: DealState;
  /** By number, then digest; the last of the highest number need not be the current one: use `currentVersion`. */
  readonly versions: readonly Version[];
  readonly exchanges: readonly DealExchange[];
  /** Oldest first. */
  readonly transactions: readonly Transaction[];
  /** Why it ended: text of the decline, withdrawal or failure; who sent it may be the peer. */
  readonly reason: string | null;
}

/** `wrong-state`: our own order does not fit; never told to a peer. */
export type DealRefusal =
  | 'unknown-sender'
  | 'unknown-deal'
  | 'unknown-parent'
  | 'bad-document'
  | 'bad-card'
  | 'not-current'
  | 'under-way'
  | 'ended'
  | 'expired'
  | 'full'
  | 'not-yours'
  | 'malformed'
  | 'wrong-state'
  | 'exchange-open';

export type Reduction =
  | { readonly ok: true; readonly deal: Deal; readonly changed: boolean }
  | { readonly ok: false; readonly code: DealRefusal };

const refuse = (code: DealRefusal): Reduction => ({ ok: false, code });

export function isFinalState(state: DealState): boolean {
  return state !== 'offered' && state !== 'signing';
}

export function newDeal(id: string, us: Uint8Array, them: Uint8Array): Deal {
  assert(!equal(us, them), 'a deal has two parties');
  return { id, us, them, state: 'offered', versions: [], exchanges: [], transactions: [], reason: null };
}

/** The only version that can be accepted; undefined before the first offer. */
export function currentVersion(deal: Deal): Version | undefined {
  return deal.versions.reduce<Version | undefined>((best, one) => {
    if (best === undefined || one.number > best.number) return one;
    return one.number === best.number && compare(one.document, best.document) < 0 ? one : best;
  }, undefined);
}

export function openExchange(deal: Deal): DealExchange | undefined {
  return deal.exchanges.find((exchange) => exchange.outcome === 'open');
}

/** The parent of the next transaction: the version it is about, which both sides know. */
export function tipOf(deal: Deal): Uint8Array | null {
  return currentVersion(deal)?.transaction ?? null;
}

function append(deal: Deal, transaction: Transaction, change: Partial<Deal>): Reduction {
  return {
    ok: true,
    changed: true,
    deal: { ...deal, ...change, transactions: [...deal.transactions, transaction] },
  };
}

function takeOffer(
  deal: Deal,
  transaction: Transaction,
  payload: Payload & { kind: 'offer' | 'counter-offer' },
  now: number,
): Reduction {
  const ours = equal(transaction.by, deal.us);
  const highest = currentVersion(deal)?.number ?? 0;
  if (isFinalState(deal.state)) return refuse('ended');
  if (openExchange(deal) !== undefined) return refuse('under-way');
  if ((payload.kind === 'offer') !== (payload.version === 1)) return refuse('malformed');
  if (payload.version > highest + 1 || (ours && payload.version !== highest + 1)) return refuse('not-current');
  if (deal.versions.some((version) => equal(version.document, payload.document))) return refuse('not-current');
  // Else an author could put another text behind a number that was read already.
  if (deal.versions.some((version) => equal(version.by, transaction.by) && version.number >= payload.version))
    return refuse('not-current');
  if (now >= payload.offerUntil) return refuse('expired');
  const version: Version = {
    number: payload.version,
    document: payload.document,
    arbiterCard: payload.arbiterCard,
    by: transaction.by,
    offerUntil: payload.offerUntil,
    transaction: transaction.id,
    time: transaction.time,
  };
  const versions = [...deal.versions, version].sort((a, b) => a.number - b.number || compare(a.document, b.document));
  return append(deal, transaction, { versions });
}

/** A decline by the addressee of a version, or a withdrawal by its author. */
function takeEnd(deal: Deal, transaction: Transaction, payload: Payload & { kind: 'decline' | 'withdraw' }): Reduction {
  if (isFinalState(deal.state)) return refuse('ended');
  const meant = deal.versions.find((version) => equal(version.document, payload.document));
  if (meant === undefined) return refuse('not-current');
  const byAuthor = equal(meant.by, transaction.by);
  if (byAuthor !== (payload.kind === 'withdraw')) return refuse('not-yours');
  const ours = equal(transaction.by, deal.us);
  if (ours && currentVersion(deal) !== meant) return refuse('not-current');
  if (openExchange(deal) !== undefined) {
    if (ours) return refuse('under-way');
    // Noted once: the exchange decides, and a peer that repeats itself must not make the log grow.
    const noted = deal.transactions.some((one) => one.payload.kind === payload.kind);
    return noted ? { ok: true, deal, changed: false } : append(deal, transaction, {});
  }
  const state = payload.kind === 'withdraw' ? 'withdrawn' : 'declined';
  return append(deal, transaction, { state, reason: payload.text === '' ? null : payload.text });
}

function takeAcceptance(
  deal: Deal,
  transaction: Transaction,
  payload: Payload & { kind: ExchangeKind },
  now: number,
): Reduction {
  if (deal.exchanges.some((exchange) => equal(exchange.xid, payload.xid))) return { ok: true, deal, changed: false };
  if (isFinalState(deal.state)) return refuse('ended');
  if (openExchange(deal) !== undefined) return refuse('exchange-open');
  const current = currentVersion(deal);
  if (current === undefined || !equal(current.document, payload.document)) return refuse('not-current');
  if (equal(current.by, transaction.by)) return refuse('not-yours');
  if (now >= current.offerUntil) return refuse('expired');
  const exchange: DealExchange = {
    xid: payload.xid,
    document: payload.document,
    outcome: 'open',
    acceptor: transaction.by,
  };
  return append(deal, transaction, { state: 'signing', exchanges: [...deal.exchanges, exchange] });
}

function takeExchangeEvent(deal: Deal, transaction: Transaction, payload: Payload & { kind: ExchangeKind }): Reduction {
  const at = deal.exchanges.findIndex(
    (exchange) => equal(exchange.xid, payload.xid) && equal(exchange.document, payload.document),
  );
  const found = deal.exchanges[at];
  if (found === undefined) return refuse('not-current');
  const close = (outcome: DealExchange['outcome'], state: DealState) => {
    const exchanges = deal.exchanges.with(at, { ...found, outcome });
    const open = exchanges.some((exchange) => exchange.outcome === 'open');
    return append(deal, transaction, { exchanges, state: open && outcome !== 'contracted' ? 'signing' : state });
  };
  switch (payload.kind) {
    case 'contract':
    case 'completion':
      return found.outcome === 'contracted'
        ? { ok: true, deal, changed: false }
        : close('contracted', payload.kind === 'contract' ? 'contracted' : 'completed');
    case 'void':
    case 'aborted':
      if (found.outcome === 'aborted') return { ok: true, deal, changed: false };
      return found.outcome === 'open' ? close('aborted', 'aborted') : refuse('ended');
    case 'end':
      // Nothing binds anybody: the offer stands as before, or the deal ends as a message said meanwhile.
      if (found.outcome === 'ended') return { ok: true, deal, changed: false };
      return found.outcome === 'open' ? close('ended', stateWithoutExchange(deal)) : refuse('ended');
    case 'promise':
    case 'release':
    case 'abort':
    case 'resolve':
    case 'key':
    case 'complaint':
      return found.outcome === 'open' ? append(deal, transaction, {}) : refuse('ended');
    case 'acceptance':
      return refuse('malformed');
    default:
      return unreachable(payload.kind);
  }
}

/** What a deal is once its exchange has come to nothing: a decline or withdrawal that arrived during it counts now. */
function stateWithoutExchange(deal: Deal): DealState {
  const ending = deal.transactions.find((one) => one.payload.kind === 'decline' || one.payload.kind === 'withdraw');
  if (ending === undefined) return 'offered';
  return ending.payload.kind === 'withdraw' ? 'withdrawn' : 'declined';
}

/**
 * One transaction more. `now` (seconds, our own clock) decides whether offers still stand; 0 when a stored log is read
 * again. `changed: false` for a transaction that is there already. A refusal changes nothing.
 */
export function reduce(deal: Deal, transaction: Transaction, now: number): Reduction {
  if (deal.transactions.some((one) => equal(one.id, transaction.id))) return { ok: true, deal, changed: false };
  const { payload, parent, by } = transaction;
  if (transaction.deal !== deal.id) return refuse('unknown-deal');
  const known = deal.transactions.some((one) => parent !== null && equal(one.id, parent));
  if (!known && (parent !== null || deal.transactions.length > 0)) {
    // Both may open the same deal only by mistake; everything after the first answers something known.
    return refuse('unknown-parent');
  }
  const theirs = equal(by, deal.them);
  const ours = equal(by, deal.us);
  switch (payload.kind) {
    case 'message':
      if (!ours && !theirs) return refuse('not-yours');
      if (deal.transactions.length >= MAX_TRANSACTIONS) return refuse('full');
      return deal.versions.length === 0 ? refuse('unknown-deal') : append(deal, transaction, {});
    case 'offer':
    case 'counter-offer':
      if (!ours && !theirs) return refuse('not-yours');
      if (deal.transactions.length >= MAX_TRANSACTIONS) return refuse('full');
      return takeOffer(deal, transaction, payload, now);
    case 'decline':
    case 'withdraw':
      return ours || theirs ? takeEnd(deal, transaction, payload) : refuse('not-yours');
    case 'acceptance':
      return ours || theirs ? takeAcceptance(deal, transaction, payload, now) : refuse('not-yours');
    case 'promise':
    case 'release':
    case 'abort':
    case 'resolve':
    case 'contract':
    case 'aborted':
    case 'end':
    case 'key':
    case 'complaint':
    case 'completion':
    case 'void':
      return takeExchangeEvent(deal, transaction, payload);
    case 'expiry': {
      const current = currentVersion(deal);
      const due = current !== undefined && equal(current.document, payload.document);
      if (deal.state !== 'offered' || !due) return refuse('wrong-state');
      return append(deal, transaction, { state: 'expired' });
    }
    case 'failure':
      if (deal.state === 'contracted' || deal.state === 'completed' || openExchange(deal) !== undefined)
        return refuse('wrong-state');
      return append(deal, transaction, { state: 'failed', reason: payload.text });
    default:
      return unreachable(payload);
  }
}

/** The transaction by which an offer that has run out ends the deal, or undefined while it stands or is being signed. */
export function expiryOf(deal: Deal, now: number): Transaction | undefined {
  const current = currentVersion(deal);
  if (deal.state !== 'offered' || current === undefined || now < current.offerUntil) return undefined;
  const payload: Payload = { kind: 'expiry', document: current.document };
  return makeTransaction({ deal: deal.id, parent: tipOf(deal), by: deal.us, time: now, payload });
}

/** A deal from its stored log. Throws `AssertionFailed` if the log is not one that `reduce` accepted. */
export function replay(id: string, us: Uint8Array, them: Uint8Array, log: readonly Transaction[]): Deal {
  return log.reduce(
    (deal, transaction) => {
      const reduction = reduce(deal, transaction, 0);
      assert(reduction.ok, `a stored transaction is refused: ${reduction.ok ? '' : reduction.code}`);
      return reduction.deal;
    },
    newDeal(id, us, them),
  );
}

export type Turn = 'us' | 'them' | 'nobody';

/** Whose move it is: the addressee's of the current version; during an exchange the daemons act by themselves. */
export function turnOf(deal: Deal): Turn {
  const current = currentVersion(deal);
  if (isFinalState(deal.state) || current === undefined) return 'nobody';
  if (deal.state === 'signing') return 'them';
  return equal(current.by, deal.us) ? 'them' : 'us';
}
