/**
 * The symbolic shell of an honest trader: does what the daemon's driver does around `step`. It verifies before it hands in,
 * performs effects in order, can stop after each of them, and starts again from what is stored.
 */
import { begin, isFinal, type PartyEffect, type PartyInput, type PartyState, step } from '../../src/exchange/party.ts';
import type { Actor, Step } from './moves.ts';
import { acceptsPromise, acceptsRecord, acceptsRelease, contractIn } from './rules.ts';
import {
  complaint,
  contentOf,
  contract,
  declined,
  type KeyTerm,
  other,
  type PromiseTerm,
  type ProofTerm,
  proofOf,
  type ReplyTerm,
  type Role,
  request,
  type Term,
} from './terms.ts';
import {
  type Account,
  alterAccount,
  alterCell,
  type Cell,
  countCrash,
  courseOf,
  draftOf,
  layoutOf,
  partyTimes,
  type Seat,
  type State,
  TIMES,
  type World,
  withTerm,
} from './world.ts';

type Phased = PartyState<Term>;

const NOTHING_RUNS = { patience: false, deadline: false, checking: false } as const;

export function clockOf(world: World, s: State, seat: Seat): number {
  return partyTimes(world)[s.clocks[seat.party] as number] as number;
}

export const insideMargin = (now: number): boolean => now >= TIMES.notAfter - TIMES.margin;

/** Granted, not used up, not withdrawn, not over by the own clock. */
export function consentStands(world: World, s: State, seat: Seat): boolean {
  const account = s.accounts[seat.account] as Account;
  const over = world.consentEnds && clockOf(world, s, seat) >= 20;
  return account.used.length < account.granted && !account.withdrawn && !over;
}

/** The same as the shell sees it, which in a mutant is not the same. */
function consentSeen({ world, rules }: Step, s: State, seat: Seat): boolean {
  const account = s.accounts[seat.account] as Account;
  const over = world.consentEnds && rules.consentByOwnClock && clockOf(world, s, seat) >= 20;
  const unused = account.used.length < account.granted || !rules.consentOnce;
  return unused && !(account.withdrawn && rules.withdrawalCounts) && !over;
}

export function perform(at: Step, s: State, seat: Seat, effect: PartyEffect<Term>): void {
  const x = seat.exchange;
  const now = clockOf(at.world, s, seat);
  const cell = s.cells[seat.index] as Cell;
  switch (effect.kind) {
    case 'record': {
      const backup = at.world.restores > 0 && effect.state.phase === 'promised' ? effect.state : cell.backup;
      alterCell(s, seat, { stored: effect.state, backup });
      if (!effect.consume) return;
      if (!consentStands(at.world, s, seat)) alterCell(s, seat, { unconsented: true });
      const account = s.accounts[seat.account] as Account;
      alterAccount(s, seat.account, { used: [...account.used, x.xid] });
      return;
    }
    case 'send': {
      const binds = effect.message === 'release' ? seat.role === 'O' : seat.role === 'R';
      if (binds && insideMargin(now) && !s.sent.includes(effect.value)) alterCell(s, seat, { late: true });
      s.sent = withTerm(s.sent, effect.value);
      return;
    }
    case 'sendDeclined':
      s.sent = withTerm(s.sent, declined(x.xid, seat.name));
      return;
    case 'checkContent':
      alterCell(s, seat, { checking: true });
      return;
    case 'timer':
      alterCell(s, seat, effect.timer === 'patience' ? { patience: true } : { deadline: true });
      return;
    case 'ask':
      s.asked = withTerm(s.asked, requestFor(seat, effect));
      return;
  }
}

function requestFor(seat: Seat, effect: PartyEffect<Term> & { kind: 'ask' }): Term {
  switch (effect.request) {
    case 'abort':
      return seat.abort;
    case 'resolve':
      return effect.value;
    case 'misbehaviour':
      return complaint(seat.exchange, seat.name, effect.value as ProofTerm);
  }
}

/** Everything that was not stored is gone, for all exchanges of this party. */
export function crash(world: World, s: State, party: number): void {
  for (const seat of layoutOf(world).seats) {
    if (seat.party !== party) continue;
    const { state, stored } = s.cells[seat.index] as Cell;
    if (state !== null) alterCell(s, seat, { state: stored, ...NOTHING_RUNS });
  }
  s.down = s.down.with(party, true);
  countCrash(s, party);
}

/** Gives the machine an input and performs what it answers, wholly and, while crashes are left, only in part. */
function give(at: Step, s: State, seat: Seat, input: PartyInput<Term>, actor: Actor, label: () => string): boolean {
  const { world } = at;
  const before = (s.cells[seat.index] as Cell).state as Phased;
  const [after, effects] = step(before, input, tableFor(at, seat));
  if (after === before && effects.length === 0) return false;
  at.taken?.add(`${before.course} ${before.role} ${before.phase} ${input.kind} ${after.phase} ${effects.length}`);
  const upTo = (count: number): State => {
    const next = draftOf(s);
    if (after.phase !== before.phase) alterCell(next, seat, NOTHING_RUNS);
    alterCell(next, seat, { state: after });
    for (const effect of effects.slice(0, count)) perform(at, next, seat, effect);
    return next;
  };
  at.emit(actor, seat.name, label, upTo(effects.length));
  if ((s.crashes[seat.party] as number) === 0) return true;
  for (let count = 1; count < effects.length; count++) {
    const next = upTo(count);
    crash(world, next, seat.party);
    at.emit('crash', seat.name, () => `${label()}, crash after ${effects[count - 1]?.kind}`, next);
  }
  return true;
}

export function tableFor({ rules }: Step, seat: Seat): typeof rules.originator {
  const [originator, responder] = {
    contract: [rules.originator, rules.responder] as const,
    delivery: [rules.sender, rules.receiver] as const,
    swap: [rules.swapOriginator, rules.swapResponder] as const,
  }[courseOf(seat.exchange)];
  return seat.role === 'O' ? originator : responder;
}

/** May this party take up the exchange: a consent, and (unless the world goes without) every earlier one of the text ended. */
function mayBegin(at: Step, s: State, seat: Seat): boolean {
  if (!acceptsRecord(at.rules, seat.exchange) || !consentSeen(at, s, seat)) return false;
  return at.world.parallel || earlierEnded(at.world, s, seat);
}

function earlierEnded(world: World, s: State, seat: Seat): boolean {
  return layoutOf(world).seats.every((one) => {
    const { state } = s.cells[one.index] as Cell;
    if (one.account !== seat.account || one.index === seat.index || state === null) return true;
    return state.phase === 'aborted' || state.phase === 'dropped';
  });
}

/**
 * A restored originator leaves every road that leads to an abort or to message 3 to a person and to the arbiter. A responder has
 * none of them: it does again what it did.
 */
export const careful = (at: Step, cell: Cell): boolean =>
  cell.restored && at.rules.restoredIsCareful && cell.state?.role === 'originator' && cell.state.phase === 'promised';

/** What the party does without hearing from anybody. */
export function ownMoves(at: Step, s: State, seat: Seat): void {
  const { world } = at;
  const cell = s.cells[seat.index] as Cell;
  const { state } = cell;
  const who = `${seat.name} in ${seat.exchange.xid}`;
  const now = clockOf(world, s, seat);
  if (state === null) {
    if (seat.role !== 'O' || !mayBegin(at, s, seat)) return;
    const next = draftOf(s);
    alterCell(next, seat, { state: begin<Term>('originator', TIMES, null, courseOf(seat.exchange)) });
    at.emit('person', seat.name, () => `${who} begins`, next);
    return;
  }
  if (isFinal(state.phase)) return;
  if (state.phase === 'proving') {
    const { promise } = seat;
    const both = seat.role === 'R' ? { o: state.peerPromise as PromiseTerm, r: promise } : null;
    const resolve = both === null ? {} : { resolve: request('resolve', seat.exchange, seat.name, both) };
    const consent = consentSeen(at, s, seat);
    const input = { kind: 'proved', promise, release: seat.signature, consent, now, ...resolve } as const;
    give(at, s, seat, input, 'own', () => `${who} has proved (consent ${consent ? 'stands' : 'is gone'})`);
  }
  if (cell.checking) {
    const theirs = other(seat.role);
    const wrong = contentOf(seat.exchange, theirs) === 'wrong';
    const input = wrong
      ? ({ kind: 'wrong', proof: proofOf(seat.exchange, theirs, 'genuine'), now } as const)
      : ({ kind: 'right', now } as const);
    give(at, s, seat, input, 'own', () => `${who} has compared the content: ${input.kind}`);
  }
  const orders = world.persons !== 'none';
  if (orders && !careful(at, cell)) {
    give(at, s, seat, { kind: 'abort', now }, 'person', () => `${who}: a person aborts`);
  }
  if (orders) give(at, s, seat, { kind: 'resolve', now }, 'person', () => `${who}: a person resolves`);
  if (careful(at, cell)) return;
  const peer = s.cells.find((_, i) => isPeer(world, seat, i));
  const acknowledged = seat.role === 'O' && state.phase === 'promised' && (peer === undefined || peer.state !== null);
  if (world.patience && (cell.patience || acknowledged)) {
    give(at, s, seat, { kind: 'patience', now }, 'own', () => `${who}: patience ends`);
  }
  if (cell.deadline && insideMargin(now)) {
    give(at, s, seat, { kind: 'deadline', now }, 'own', () => `${who}: the margin has come`);
  }
}

function isPeer(world: World, seat: Seat, index: number): boolean {
  const one = layoutOf(world).seats[index] as Seat;
  return one.court === seat.court && one.index !== seat.index;
}

/** A term arrives that claims to be a message of this exchange. Whatever does not verify never gets to the machine. */
export function receive(at: Step, s: State, seat: Seat, term: Term, actor: Actor, from: () => string): void {
  const { rules } = at;
  const cell = s.cells[seat.index] as Cell;
  const { state } = cell;
  const x = seat.exchange;
  const now = clockOf(at.world, s, seat);
  const label = (): string => `${seat.name} in ${x.xid} receives ${from()}`;
  if (term.kind === 'promise') {
    if (!acceptsPromise(rules, x, other(seat.role), term, seat.name)) return;
    if (seat.role === 'R' && state === null && mayBegin(at, s, seat)) {
      const next = draftOf(s);
      alterCell(next, seat, { state: begin<Term>('responder', TIMES, term, courseOf(seat.exchange)) });
      at.emit(actor, seat.name, label, next);
    } else if (seat.role === 'O' && state?.phase === 'promised') {
      const resolve = request('resolve', x, seat.name, { o: state.promise as PromiseTerm, r: term });
      const asked = careful(at, cell) ? TIMES.notAfter : now;
      give(at, s, seat, { kind: 'promise', promise: term, resolve, now: asked }, actor, label);
    }
    return;
  }
  if (state === null || isFinal(state.phase)) return;
  if (term.kind === 'signature') {
    const promise = state.peerPromise as PromiseTerm | null;
    if (promise === null || !acceptsRelease(x, other(seat.role), term, promise)) return;
    const mine = seat.signature;
    const made = seat.role === 'O' ? contract(mine, term) : contract(term, mine);
    give(at, s, seat, { kind: 'release', contract: made, now }, actor, label);
  } else if (term.kind === 'declined') {
    if (term.xid !== x.xid || term.by === seat.name || careful(at, cell)) return;
    give(at, s, seat, { kind: 'declined', now }, actor, label);
  }
}

const partOf = ({ xid, made }: KeyTerm, role: Role) => ({
  xid,
  o: role === 'O' ? made : null,
  r: role === 'R' ? made : null,
});

/** An answer of the arbiter arrives, sealed to this party or handed on by a corrupt one. */
export function hear(at: Step, s: State, seat: Seat, term: ReplyTerm, actor: Actor): void {
  const cell = s.cells[seat.index] as Cell;
  const { state } = cell;
  const { statement } = term;
  if (state === null || statement.xid !== seat.exchange.xid) return;
  const now = clockOf(at.world, s, seat);
  const label = (): string => `${seat.name} in ${seat.exchange.xid} hears the arbiter: ${statement.kind}`;
  let after = s;
  if (at.world.arbiter === 'lying') {
    after = draftOf(s);
    const keeps = at.rules.keepsStatements || !isFinal(state.phase);
    if (statement.kind !== 'key') {
      const statements = keeps ? withTerm(cell.statements, statement) : cell.statements;
      alterCell(after, seat, { heard: withTerm(cell.heard, statement), statements });
    }
  }
  let moved = false;
  if (statement.kind === 'token') {
    moved = give(at, after, seat, { kind: 'token', token: statement, now }, actor, label);
  } else if (statement.kind === 'void') {
    moved = give(at, after, seat, { kind: 'void', token: statement, now }, actor, label);
  } else {
    const given = statement.kind === 'key' ? partOf(statement, other(seat.role)) : statement;
    const kind = statement.kind === 'key' && at.rules.keyIsNotFinal ? 'key' : 'resolved';
    const found = contractIn(at.rules, seat.exchange, seat.role, given, state.peerPromise as PromiseTerm | null);
    if (found !== null) moved = give(at, after, seat, { kind, contract: found, now }, actor, label);
  }
  if (!moved && after !== s) at.emit(actor, seat.name, label, after);
}
