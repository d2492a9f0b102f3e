/**
 * What is explored: a world (who is honest, what may happen, how often) and its states. A state is a plain value with a
 * canonical key; everything in it is either durable (`stored`, the courts) or lost in a crash.
 *
 * The network only ever gains messages: whatever was sent can be delivered at any later time, any number of times, in any
 * order, or never. So loss, delay, duplication and reordering are unbounded; the numbers in `World` bound the rest.
 */
import type { ArbiterState } from '../../src/exchange/arbiter.ts';
import type { Course, PartyState, Times } from '../../src/exchange/party.ts';
import {
  type Exchange,
  type Name,
  type PromiseTerm,
  promiseOf,
  type RequestTerm,
  type Role,
  request,
  type SignatureTerm,
  type Statement,
  signatureOf,
  type Term,
} from './terms.ts';

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
  /** Restores of an honest party from a backup made when it had promised, per run. */
  readonly restores: number;
  /** A receiver of content that is honest comes to its end while the window is open. */
  readonly attends: boolean;
  /** Corrupt parties make two good promises with different nonces, and odd ones. */
  readonly variants: boolean;
}

export const TIMES: Times = { notAfter: 40, margin: 10 };
export const RETENTION = 10;

/** Readings of a party's clock: start, end of consent (where the world has it), margin. */
export const partyTimes = (world: World): readonly number[] => (world.consentEnds ? [0, 20, 30] : [0, 30]);
/** Seconds in which content can be disputed. */
export const WINDOW = 20;

export function courseOf(x: Exchange): Course {
  if (x.content === null) return 'contract';
  return x.contentR === null ? 'delivery' : 'swap';
}

/** A world of content has no exchange without. */
export const delivers = (world: World): boolean => world.exchanges.some((x) => x.content !== null);

const SIGNING_TIMES = { stopped: [0], expiry: [0, 40], retention: [0, 40, 50] } as const;
/** With the ends of windows: of what was pending at the start, and at notAfter. */
const DELIVERY_TIMES = { stopped: [0, 20], expiry: [0, 20, 40, 60], retention: [0, 20, 40, 60, 80] } as const;

/** Readings of the arbiter's clock: start, notAfter, notAfter + retention. */
export function arbiterTimes(world: World): readonly number[] {
  return (delivers(world) ? DELIVERY_TIMES : SIGNING_TIMES)[world.clock];
}

/** Longer than the window where there is one: nothing is forgotten that can still be disputed. */
export const retentionOf = (world: World): number => (delivers(world) ? 2 * WINDOW : RETENTION);

/** One honest party's run of one exchange. */
export interface Seat {
  readonly index: number;
  readonly exchange: Exchange;
  readonly court: number;
  readonly role: Role;
  readonly name: Name;
  readonly party: number;
  readonly account: number;
  /** What an honest party makes in this exchange. */
  readonly promise: PromiseTerm;
  readonly signature: SignatureTerm;
  readonly abort: RequestTerm;
}

/** Parts of a state carry the number of their contents once it is known: WeakMaps for all of them were half of the run. */
export interface Numbered {
  number: number | null;
}

/** A seat's memory. */
export interface Cell extends Numbered {
  readonly state: PartyState<Term> | null;
  readonly stored: PartyState<Term> | null;
  readonly patience: boolean;
  readonly deadline: boolean;
  /** Comparing the content. */
  readonly checking: boolean;
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
export interface Court extends Numbered {
  readonly stored: ArbiterState<Statement>;
  readonly openings: readonly Opening[];
  /** Full check: the ciphertext was brought. It is not durable. */
  readonly here: boolean;
}

/** One person's consents for one text. */
export interface Account extends Numbered {
  readonly granted: number;
  readonly used: readonly string[];
  readonly withdrawn: boolean;
}

/** A draft is changed by putting new lists in: what is not changed is shared with the state before. */
export interface State {
  cells: readonly Cell[];
  courts: readonly Court[];
  /** Everything that has been on the links. */
  sent: readonly Term[];
  /** Requests of honest parties on their way to the arbiter, and its answers. */
  asked: readonly Term[];
  replies: readonly Term[];
  clocks: readonly number[];
  arbiterClock: number;
  down: readonly boolean[];
  crashes: readonly number[];
  accounts: readonly Account[];
  restores: number;
}

export const IDLE: Cell = {
  number: null,
  state: null,
  stored: null,
  patience: false,
  deadline: false,
  checking: false,
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
      seats.push({
        index: seats.length,
        exchange,
        court,
        role,
        name,
        party,
        account,
        promise: promiseOf(exchange, role),
        signature: signatureOf(exchange, role),
        abort: request('abort', exchange, name),
      });
    }
  });
  layout = { seats, accounts };
  layouts.set(world, layout);
  return layout;
}

export const FRESH_COURT: ArbiterState<Statement> = {
  phase: 'none',
  token: null,
  cause: null,
  answer: null,
  until: null,
};

export function initialState(world: World): State {
  const { seats, accounts } = layoutOf(world);
  return {
    cells: seats.map(() => IDLE),
    courts: world.exchanges.map(() => ({ stored: FRESH_COURT, openings: [], here: false, number: null })),
    sent: [],
    asked: [],
    replies: [],
    clocks: world.honest.map(() => 0),
    arbiterClock: 0,
    down: world.honest.map(() => false),
    crashes: [...world.honest, 't' as const].map((name) => world.crashes[name] ?? 0),
    accounts: accounts.map(() => ({ granted: 1, used: [], withdrawn: false, number: null })),
    restores: world.restores,
  };
}

/** A copy to work on. */
export function draftOf(s: State): State {
  return {
    cells: s.cells,
    courts: s.courts,
    sent: s.sent,
    asked: s.asked,
    replies: s.replies,
    clocks: s.clocks,
    arbiterClock: s.arbiterClock,
    down: s.down,
    crashes: s.crashes,
    accounts: s.accounts,
    restores: s.restores,
  };
}

export function alterCell(s: State, seat: Seat, change: Partial<Cell>): void {
  s.cells = s.cells.with(seat.index, { ...(s.cells[seat.index] as Cell), ...change, number: null });
}

export function alterCourt(s: State, court: number, change: Partial<Court>): void {
  s.courts = s.courts.with(court, { ...(s.courts[court] as Court), ...change, number: null });
}

export function alterAccount(s: State, account: number, change: Partial<Account>): void {
  s.accounts = s.accounts.with(account, { ...(s.accounts[account] as Account), ...change, number: null });
}

/** One crash fewer for the process: a party by its number, or the arbiter, which is last. */
export function countCrash(s: State, process: number): void {
  s.crashes = s.crashes.with(process, (s.crashes.at(process) as number) - 1);
}

const extended = new WeakMap<readonly Term[], Map<Term, readonly Term[]>>();

/** Sorted by number, without repeats. Remembered, since the same lists grow in the same ways again and again. */
export function withTerm<T extends Term>(list: readonly T[], term: T): readonly T[] {
  if (list.includes(term)) return list;
  let known = extended.get(list);
  if (known === undefined) {
    known = new Map();
    extended.set(list, known);
  }
  let longer = known.get(term);
  if (longer === undefined) {
    longer = [...list, term].sort((one, two) => one.id - two.id);
    known.set(term, longer);
  }
  return longer as readonly T[];
}
