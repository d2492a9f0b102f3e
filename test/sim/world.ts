/**
 * What is explored: a world (who is honest, what may happen, how often) and its states. A state is a plain value with a
 * canonical key; everything in it is either durable (`stored`, the courts) or lost in a crash.
 *
 * The network only ever gains messages: whatever was sent can be delivered at any later time, any number of times, in any
 * order, or never. So loss, delay, duplication and reordering are unbounded; the numbers in `World` bound the rest.
 */
import type { ArbiterState } from '../../src/exchange/arbiter.ts';
import type { PartyState, Times } from '../../src/exchange/party.ts';
import type { Exchange, Name, Role, SignatureTerm, Statement, Term } from './terms.ts';

export interface World {
  readonly name: string;
  readonly exchanges: readonly Exchange[];
  readonly honest: readonly Name[];
  /** `lying`: the arbiter signs whatever it can make. */
  readonly arbiter: 'honest' | 'lying';
  /** Crashes per run, for each honest party and for the arbiter ('t'). */
  readonly crashes: Partial<Record<Name, number>>;
  /** `stopped`; `expiry`: clocks may pass the margin and notAfter; `retention`: also notAfter + retention, and pruning. */
  readonly clock: 'stopped' | 'expiry' | 'retention';
  /**
   * The assumption that a party which owes the arbiter a request since before the margin reaches it before notAfter:
   * has its answer by then, or has been received by then, or (`none`) not at all.
   */
  readonly punctual: 'answered' | 'received' | 'none';
  /** The own clock passes the end of the consent before it passes the margin. */
  readonly consentEnds: boolean;
  /** Persons may order abort and resolve at any time; `withdraw` also withdraws a consent. */
  readonly persons: 'none' | 'orders' | 'withdraw';
  /** Patience may end at any time after it was started. */
  readonly patience: boolean;
  /** How many consents a person gives for one text: the second only when every earlier exchange of it has ended. */
  readonly consents: number;
  /** Do not rely on the rule "one unfinished exchange per text at a daemon". */
  readonly parallel: boolean;
  /** Restores of the originator from a backup made when it had promised, per run. */
  readonly restores: number;
  /** Corrupt parties make two good promises with different nonces, and odd ones. */
  readonly variants: boolean;
}

export const TIMES: Times = { notAfter: 40, margin: 10 };
export const RETENTION = 10;

/** Readings of a party's clock: start, end of consent (where the world has it), margin. */
export const partyTimes = (world: World): readonly number[] => (world.consentEnds ? [0, 20, 30] : [0, 30]);
/** Readings of the arbiter's clock: start, notAfter, notAfter + retention. */
export const ARBITER_TIMES: readonly number[] = [0, 40, 50];

/** One honest party's run of one exchange. */
export interface Seat {
  readonly index: number;
  readonly exchange: Exchange;
  readonly court: number;
  readonly role: Role;
  readonly name: Name;
  readonly party: number;
  readonly account: number;
}

/** A seat's memory. */
export interface Cell {
  readonly state: PartyState<Term> | null;
  readonly stored: PartyState<Term> | null;
  readonly patience: boolean;
  readonly deadline: boolean;
  readonly backup: PartyState<Term> | null;
  readonly restored: boolean;
  /** The arbiter's signed answers, where it may lie: kept by the party, and heard by it. */
  readonly statements: readonly Statement[];
  readonly heard: readonly Statement[];
  /** Told by the explorer, unknown to the party: a message that binds first left inside the margin. */
  readonly late: boolean;
  /** Likewise: promised without a standing consent. */
  readonly unconsented: boolean;
}

/** An opening under way, one for each requester at a time, with what it will find. */
export interface Opening {
  readonly by: Role;
  readonly o: SignatureTerm | null;
  readonly r: SignatureTerm | null;
  readonly seen: ArbiterState<Statement>;
}

/** The arbiter's memory of one exchange. */
export interface Court {
  readonly stored: ArbiterState<Statement>;
  readonly openings: readonly Opening[];
}

/** One person's consents for one text. */
export interface Account {
  readonly granted: number;
  readonly used: readonly string[];
  readonly withdrawn: boolean;
}

export interface State {
  cells: Cell[];
  courts: Court[];
  /** Everything that has been on the links. */
  sent: readonly Term[];
  /** Requests of honest parties on their way to the arbiter, and its answers. */
  asked: readonly Term[];
  replies: readonly Term[];
  clocks: number[];
  arbiterClock: number;
  down: boolean[];
  crashes: number[];
  accounts: Account[];
  restores: number;
}

export const IDLE: Cell = {
  state: null,
  stored: null,
  patience: false,
  deadline: false,
  backup: null,
  restored: false,
  statements: [],
  heard: [],
  late: false,
  unconsented: false,
};

export interface Layout {
  readonly seats: readonly Seat[];
  readonly accounts: readonly { readonly name: Name; readonly document: string }[];
}

const layouts = new WeakMap<World, Layout>();

export function layoutOf(world: World): Layout {
  let layout = layouts.get(world);
  if (layout !== undefined) return layout;
  const seats: Seat[] = [];
  const accounts: { name: Name; document: string }[] = [];
  world.exchanges.forEach((exchange, court) => {
    for (const role of ['O', 'R'] as const) {
      const name = exchange[role];
      const party = world.honest.indexOf(name);
      if (party < 0) continue;
      const { document } = exchange;
      let account = accounts.findIndex((a) => a.name === name && a.document === document);
      if (account < 0) account = accounts.push({ name, document }) - 1;
      seats.push({ index: seats.length, exchange, court, role, name, party, account });
    }
  });
  layout = { seats, accounts };
  layouts.set(world, layout);
  return layout;
}

export const FRESH_COURT: ArbiterState<Statement> = { phase: 'none', token: null, cause: null, answer: null };

export function initialState(world: World): State {
  const { seats, accounts } = layoutOf(world);
  return {
    cells: seats.map(() => IDLE),
    courts: world.exchanges.map(() => ({ stored: FRESH_COURT, openings: [] })),
    sent: [],
    asked: [],
    replies: [],
    clocks: world.honest.map(() => 0),
    arbiterClock: 0,
    down: world.honest.map(() => false),
    crashes: [...world.honest, 't' as const].map((name) => world.crashes[name] ?? 0),
    accounts: accounts.map(() => ({ granted: 1, used: [], withdrawn: false })),
    restores: world.restores,
  };
}

/** A copy to work on: the lists that change in place are copied, the rest is shared. */
export function draftOf(state: State): State {
  return {
    ...state,
    cells: state.cells.slice(),
    courts: state.courts.slice(),
    clocks: state.clocks.slice(),
    down: state.down.slice(),
    crashes: state.crashes.slice(),
    accounts: state.accounts.slice(),
  };
}

/** Sorted by number, without repeats. */
export function withTerm<T extends Term>(list: readonly T[], term: T): readonly T[] {
  if (list.includes(term)) return list;
  return [...list, term].sort((one, two) => one.id - two.id);
}

const stateKeys = new WeakMap<object, string>();
const id = (term: Term | null): string => (term === null ? '' : String(term.id));

function keyOfParty(state: PartyState<Term> | null): string {
  if (state === null) return '-';
  let key = stateKeys.get(state);
  if (key === undefined) {
    const { phase, promise, release, peerPromise, resolve, contract, token, via } = state;
    key = `${phase}.${[promise, release, peerPromise, resolve, contract, token].map(id).join('.')}.${via ?? ''}`;
    stateKeys.set(state, key);
  }
  return key;
}

function keyOfArbiter(state: ArbiterState<Statement>): string {
  return `${state.phase}.${id(state.token)}.${id(state.answer)}.${state.cause ?? ''}`;
}

function keyOfCell(cell: Cell): string {
  let key = stateKeys.get(cell);
  if (key === undefined) {
    const flags = [cell.patience, cell.deadline, cell.restored, cell.late, cell.unconsented].map(Number).join('');
    const stored = cell.stored === cell.state ? '=' : keyOfParty(cell.stored);
    key = `${keyOfParty(cell.state)}~${stored === keyOfParty(cell.state) ? '=' : stored}~${flags}~${keyOfParty(cell.backup)}~${ids(cell.statements)}~${ids(cell.heard)}`;
    stateKeys.set(cell, key);
  }
  return key;
}

function keyOfCourt(court: Court): string {
  let key = stateKeys.get(court);
  if (key === undefined) {
    const openings = court.openings.map((o) => `${o.by}${id(o.o)}.${id(o.r)}.${keyOfArbiter(o.seen)}`).sort();
    key = `${keyOfArbiter(court.stored)}~${openings.join('+')}`;
    stateKeys.set(court, key);
  }
  return key;
}

const ids = (list: readonly Term[]): string => {
  let key = stateKeys.get(list);
  if (key === undefined) {
    key = list.map((term) => term.id).join('.');
    stateKeys.set(list, key);
  }
  return key;
};

/** Equal exactly for equal states. */
export function keyOf(state: State): string {
  let key = '';
  for (const cell of state.cells) key += `${keyOfCell(cell)}/`;
  for (const court of state.courts) key += `${keyOfCourt(court)}/`;
  key += `${ids(state.sent)}/${ids(state.asked)}/${ids(state.replies)}/${state.clocks.join('')}${state.arbiterClock}`;
  for (const down of state.down) key += down ? 'd' : 'u';
  for (const left of state.crashes) key += left;
  for (const account of state.accounts) {
    key += `/${account.granted}${account.withdrawn ? 'w' : ''}${account.used.join('.')}`;
  }
  return `${key}/${state.restores}`;
}
