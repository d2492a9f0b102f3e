/**
 * The invariants, numbered as PROTOCOL §13 numbers them; C (one promise for one consent) and A
 * (nothing transferable from an undecided arbiter) are rules of the protocol without a number, L is liveness,
 * W what a window is for.
 * Each is a named function that says what is wrong, or null. These are asked of every state, in this order; what must remain
 * possible (5 and L) is in `possibilities.ts`.
 */
import type { ArbiterPhase } from '../../src/exchange/arbiter.ts';
import { isFinal } from '../../src/exchange/party.ts';
import { fitsTemplate, type Rules, verifiesAsContract } from './rules.ts';
import {
  type AnswerTerm,
  type ContractTerm,
  contentOf,
  type Exchange,
  type KeyTerm,
  other,
  type PromiseTerm,
  type ReplyTerm,
  type Role,
  type SignatureTerm,
  type Statement,
  signature,
  type Term,
} from './terms.ts';
import { type Cell, courseOf, layoutOf, type Seat, type State, type World } from './world.ts';

export type InvariantNumber =
  | '1'
  | '2'
  | '3'
  | '4'
  | '5'
  | '6'
  | '7'
  | '8'
  | '9'
  | '10'
  | '11'
  | '12'
  | '14'
  | 'A'
  | 'C'
  | 'L'
  | 'W';

export interface Invariant {
  readonly number: InvariantNumber;
  readonly name: string;
}

type Answered = ReplyTerm['statement']['kind'];

interface Seen {
  readonly world: World;
  readonly rules: Rules;
  readonly state: State;
}

export interface StateInvariant extends Invariant {
  check(seen: Seen): string | null;
}

function eachSeat(seen: Seen, check: (seat: Seat, cell: Cell) => string | null): string | null {
  for (const seat of layoutOf(seen.world).seats) {
    const what = check(seat, seen.state.cells[seat.index] as Cell);
    if (what !== null) return what;
  }
  return null;
}

function eachReply(seen: Seen, check: (reply: ReplyTerm, x: Exchange, court: number) => string | null): string | null {
  if (seen.world.arbiter === 'lying') return null;
  for (const reply of seen.state.replies as readonly ReplyTerm[]) {
    const court = seen.world.exchanges.findIndex((x) => x.xid === reply.statement.xid);
    const what = check(reply, seen.world.exchanges[court] as Exchange, court);
    if (what !== null) return what;
  }
  return null;
}

/** Does anyone but the signer hold this signature: sent, disclosed by the arbiter, or opened by a corrupt one? */
function isOut({ state, world }: Seen, seat: Seat): boolean {
  const mine = seat.signature;
  if (state.sent.includes(mine)) return true;
  if (seat.exchange.T !== 't' && state.sent.includes(seat.promise)) return true;
  return (state.replies as readonly ReplyTerm[]).some(({ statement, to }) => {
    if (
      (statement.kind !== 'answer' && statement.kind !== 'key') ||
      (to === seat.role && world.honest.includes(seat.name))
    )
      return false;
    return statement.kind === 'key' ? statement.made === mine : statement.o === mine || statement.r === mine;
  });
}

/** A key is on the way to an end, whatever that will be; but not to an abort. */
const excludes = (one: Answered, two: Answered): boolean =>
  one !== two && (one === 'token' || two === 'token' || (one !== 'key' && two !== 'key'));

function exclusive(seen: Seen): string | null {
  return eachReply(seen, ({ statement }, x) => {
    const against = (seen.state.replies as readonly ReplyTerm[]).some(
      (one) => one.statement.xid === x.xid && excludes(one.statement.kind, statement.kind),
    );
    return against ? `the arbiter answered two ways for ${x.xid}` : null;
  });
}

function fair(seen: Seen): string | null {
  if (seen.world.arbiter === 'lying') return null;
  return eachSeat(seen, (seat, { state }) => {
    if (state === null || !isFinal(state.phase)) return null;
    const who = `${seat.name} in ${seat.exchange.xid}`;
    if (state.phase !== 'contracted') {
      // Whose content is wrong has no claim; and what a swap cannot take back, whoever lost it has a proof of, or the arbiter's word.
      if (contentOf(seat.exchange, seat.role) === 'wrong') return null;
      if (courseOf(seat.exchange) === 'swap' && (state.proof !== null || state.voided)) return null;
      return isOut(seen, seat) ? `${who} is ${state.phase}, and its signature is out` : null;
    }
    const held = state.contract as ContractTerm | null;
    const good = held !== null && fitsTemplate(seat.exchange, 'O', held.o) && fitsTemplate(seat.exchange, 'R', held.r);
    return good ? null : `${who} is contracted without the peer's signature`;
  });
}

/** Two honest parties that are finished agree. */
function agreed(seen: Seen): string | null {
  if (seen.world.arbiter === 'lying') return null;
  return eachSeat(seen, (seat, { state }) => {
    const peer = layoutOf(seen.world).seats.find((one) => one.court === seat.court && one.role !== seat.role);
    const its = peer === undefined ? null : (seen.state.cells[peer.index] as Cell).state;
    if (state === null || !isFinal(state.phase) || !its || !isFinal(its.phase)) return null;
    const same = (state.phase === 'contracted') === (its.phase === 'contracted');
    return same ? null : `in ${seat.exchange.xid} one is ${state.phase} and the other ${its.phase}`;
  });
}

export const isFaultFree = (world: World): boolean =>
  world.honest.length === 2 && world.persons === 'none' && !world.patience && world.clock === 'stopped';

/** Without a fault the arbiter hears nothing. */
function effective({ world, state }: Seen): string | null {
  if (!isFaultFree(world) || world.arbiter === 'lying' || Object.keys(world.crashes).length > 0) return null;
  return state.asked.length === 0 && state.replies.length === 0
    ? null
    : 'the arbiter was asked in a run without faults';
}

/** The answer is a function of exchange and role. */
function idempotent(seen: Seen): string | null {
  return eachReply(seen, ({ statement, to }, x) => {
    const differs = (seen.state.replies as readonly ReplyTerm[]).some(
      (one) =>
        one.to === to &&
        one.statement.xid === x.xid &&
        one.statement !== statement &&
        (one.statement.kind === 'key') === (statement.kind === 'key'),
    );
    return differs ? `two answers to ${to} in ${x.xid}` : null;
  });
}

const madeIn = (x: Exchange, made: SignatureTerm): boolean =>
  made.nonce === x.xid || made.nonce.startsWith(`${x.xid}/`);

/** What the arbiter disclosed was promised in that exchange and role, and is for the template of X. */
function disclosesWhatWasPromised(x: Exchange, given: AnswerTerm | KeyTerm): boolean {
  const one = (role: Role, made: SignatureTerm | null): boolean =>
    made === null || (fitsTemplate(x, role, made) && madeIn(x, made));
  if (given.kind === 'key') return one(given.made.by === x.O ? 'O' : 'R', given.made);
  return one('O', given.o) && one('R', given.r);
}

function bound(seen: Seen): string | null {
  const disclosed = eachReply(seen, ({ statement }, x) =>
    statement.kind === 'token' || statement.kind === 'void' || disclosesWhatWasPromised(x, statement)
      ? null
      : `the arbiter disclosed in ${x.xid} what was not promised there`,
  );
  return disclosed ?? noForeignContract(seen);
}

/** A signature that an honest party gave serves no contract with anybody but the peer that its text names. */
function noForeignContract(seen: Seen): string | null {
  return eachSeat(seen, (seat) => {
    const mine = seat.signature;
    const foreign = signature('n', seat.exchange.document, 'n');
    const named = [seat.exchange.O, seat.exchange.R];
    return seen.state.sent.includes(mine) && verifiesAsContract(seen.rules, named, mine, foreign)
      ? `${seat.name}'s signature serves as a contract with a stranger`
      : null;
  });
}

/** The evidence is the two signatures and nothing else, whoever completed it; between honest parties the same bytes. */
function invisible(seen: Seen): string | null {
  return eachSeat(seen, (seat, { state }) => {
    const held = state?.contract as ContractTerm | null | undefined;
    if (!held) return null;
    if (held.trace) return `${seat.name}'s evidence shows the arbiter`;
    const peer = layoutOf(seen.world).seats.find((one) => one.court === seat.court && one.role !== seat.role);
    const its = peer === undefined ? null : (seen.state.cells[peer.index] as Cell).state?.contract;
    return !its || its === held ? null : `the evidence of ${seat.exchange.xid} differs`;
  });
}

function neverBoth({ world, state }: Seen): string | null {
  return eachSeat({ world, state } as Seen, (seat) => {
    const aborts = state.asked.includes(seat.abort);
    return aborts && state.sent.includes(seat.signature)
      ? `${seat.name} both asked to abort ${seat.exchange.xid} and sent its signature`
      : null;
  });
}

const JUSTIFIES: Readonly<Record<Answered, readonly ArbiterPhase[]>> = {
  token: ['aborted'],
  void: ['voided'],
  answer: ['resolved'],
  key: ['pending', 'resolved', 'voided'],
};

/** Whatever left is justified by what is stored. */
function recordedFirst(seen: Seen): string | null {
  const { state } = seen;
  const parties = eachSeat(seen, (seat, { stored, restored }) => {
    if (restored) return null;
    const phase = stored?.phase ?? 'proving';
    const { exchange: x, role, name } = seat;
    const ahead = (what: string): string => `${what} of ${name} in ${x.xid} left while ${phase} is stored`;
    const account = state.accounts[seat.account];
    if (state.sent.includes(seat.promise)) {
      if (phase === 'proving' || phase === 'dropped') return ahead('the promise');
      if (!account?.used.includes(x.xid)) return ahead('the promise, its consent unused,');
    }
    if (state.sent.includes(seat.signature)) {
      const early = role === 'R' ? phase !== 'contracted' : phase === 'proving' || phase === 'promised';
      if (early) return ahead('the release');
    }
    // A resolve request may leave as soon as it is stored.
    const asked = state.asked.some(
      (one) => one.kind === 'request' && one.by === name && one.xid === x.xid && one !== stored?.resolve,
    );
    const complained = state.asked.some(
      (one) => one.kind === 'request' && one.by === name && one.xid === x.xid && one.proof,
    );
    if (complained && (stored === null || stored.proof === null)) return ahead('a complaint');
    return asked && (phase === 'proving' || phase === 'promised' || phase === 'released') ? ahead('a request') : null;
  });
  if (parties !== null || seen.world.clock === 'retention') return parties;
  return eachReply(seen, ({ statement }, x, court) => {
    const { phase } = (state.courts[court] as State['courts'][number]).stored;
    return JUSTIFIES[statement.kind].includes(phase)
      ? null
      : `the arbiter answered for ${x.xid} while ${phase} is stored`;
  });
}

/** What a machine holds belongs to its exchange and to the peer's role in it. */
function ofItsOwnExchange(seen: Seen): string | null {
  return eachSeat(seen, (seat, { state }) => {
    if (state === null) return null;
    const { exchange: x, role, name } = seat;
    const promise = state.peerPromise as PromiseTerm | null;
    const foreign = (what: string): string => `${name} took ${what} of another exchange or role into ${x.xid}`;
    if (promise !== null && (promise.xid !== x.xid || promise.role !== other(role) || promise.to !== name)) {
      return foreign('a promise');
    }
    const held = state.contract as ContractTerm | null;
    if (held !== null && !(madeIn(x, held.o) && madeIn(x, held.r))) return foreign('a signature');
    const token = state.token as Term | null;
    return (token?.kind === 'token' || token?.kind === 'void') && token.xid !== x.xid ? foreign('a token') : null;
  });
}

/** Two contradictory statements about one exchange, both signed by the arbiter. */
export function provesMisbehaviour(kept: readonly Statement[]): boolean {
  return kept.some((one) =>
    kept.some((two) => one.xid === two.xid && one.kind !== two.kind && one.signed && two.signed),
  );
}

/** What honest parties heard from the arbiter, if it is contradictory, they can prove together. */
function accountable(seen: Seen): string | null {
  if (seen.world.arbiter === 'honest') return null;
  const contradicts = (list: readonly Statement[]): boolean =>
    list.some((one) => list.some((two) => one.xid === two.xid && one.kind !== two.kind));
  const { cells } = seen.state;
  if (!contradicts(cells.flatMap((cell) => cell.heard))) return null;
  return provesMisbehaviour(cells.flatMap((cell) => cell.statements)) ? null : 'nobody can prove that the arbiter lied';
}

const isWrong = (x: Exchange): boolean => x.content === 'wrong' || x.contentR === 'wrong';

/** Right content is never void. That void and final exclude each other is part of 1. */
function neverVoidIfRight({ world, state }: Seen): string | null {
  const court = state.courts.findIndex(
    ({ stored }, index) => stored.phase === 'voided' && !isWrong(world.exchanges[index] as Exchange),
  );
  return court < 0 ? null : `the right content of ${world.exchanges[court]?.xid} is void`;
}

/** A receiver that attends owes no receipt for wrong content, and never takes it for right. */
function noReceiptForWrong(seen: Seen): string | null {
  return eachSeat(seen, (seat, { state }) => {
    if (contentOf(seat.exchange, other(seat.role)) !== 'wrong') return null;
    if (courseOf(seat.exchange) === 'delivery' && isOut(seen, seat))
      return `${seat.name}'s receipt for the wrong content of ${seat.exchange.xid} is out`;
    return state?.phase === 'contracted' ? `${seat.name} took the wrong content of ${seat.exchange.xid}` : null;
  });
}

/** Nothing transferable about an exchange comes from an arbiter that has not decided it. */
function abuseFree({ state }: Seen): string | null {
  const term = state.sent.find((one) => one.kind === 'certification');
  return term === undefined ? null : 'a signed refusal certifies a promise';
}

/** One consent, one promise, while it stands. */
function consented(seen: Seen): string | null {
  return eachSeat(seen, (seat, cell) => {
    if (cell.unconsented) return `${seat.name} promised in ${seat.exchange.xid} without a standing consent`;
    const account = seen.state.accounts[seat.account] as State['accounts'][number];
    const promises = layoutOf(seen.world).seats.filter(
      (one) => one.account === seat.account && seen.state.sent.includes(one.promise),
    );
    return promises.length > account.granted ? `${seat.name} promised more often than consented` : null;
  });
}

export const STATE_INVARIANTS: readonly StateInvariant[] = [
  { number: '1', name: 'the arbiter never answers both ways', check: exclusive },
  { number: '2', name: 'strong fairness', check: fair },
  { number: '3', name: 'agreement of honest parties', check: agreed },
  { number: '4', name: 'without a fault the arbiter hears nothing', check: effective },
  { number: '6', name: 'the answer is a function of exchange and role', check: idempotent },
  { number: '7', name: 'the arbiter discloses what was promised there', check: bound },
  { number: '8', name: 'the arbiter leaves no trace in the evidence', check: invisible },
  { number: '9', name: 'abort and release exclude each other', check: neverBoth },
  { number: '10', name: 'what left is recorded', check: recordedFirst },
  { number: '11', name: 'nothing of another exchange or role is taken', check: ofItsOwnExchange },
  { number: '12', name: 'right content is never void', check: neverVoidIfRight },
  { number: 'W', name: 'no receipt for wrong content', check: noReceiptForWrong },
  { number: '14', name: 'contradictory answers are provable', check: accountable },
  { number: 'A', name: 'no refusal certifies a promise', check: abuseFree },
  { number: 'C', name: 'one promise for one consent', check: consented },
];
