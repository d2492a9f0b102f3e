/**
 * What can still happen: a walk over the three transition tables of a course together, both parties following them, every
 * message lost or late as it pleases. `explain.ts` and the modules of other courses turn its facts into sentences,
 * so no sentence rests on a list kept beside the tables. Content may be wrong, which its receiver learns when it compares.
 *
 * The worlds are small (some hundred states) and each course is walked once.
 */
import { assert, present } from '../lib/assert.ts';
import { ARBITER, type ArbiterPhase, type ArbiterRole, type ArbiterRow, CONTENT_ARBITER } from './arbiter.ts';
import type { Role } from './items.ts';
import { otherRole } from './items.ts';
import { findRow } from './machine.ts';
import { type Course, isFinal, type PartyPhase, tableOf } from './party.ts';

/** `idle`: a responder that has not seen message 1. */
export type WalkPhase = PartyPhase | 'idle';

const FLAGS = ['promise', 'release', 'declined', 'askAbort', 'askResolve', 'complain', 'gotPromise'] as const;
type Flag = (typeof FLAGS)[number];

interface Side {
  readonly phase: WalkPhase;
  /** What has left this party, what it has asked the arbiter, and whether it holds the peer's promise. */
  readonly did: ReadonlySet<Flag>;
}

interface World {
  readonly course: Course;
  /** The arbiter compares the content before it decides. */
  readonly full: boolean;
  /** Whose content is not what was promised. */
  readonly wrong: Readonly<Record<Role, boolean>>;
  readonly O: Side;
  readonly R: Side;
  readonly arbiter: ArbiterPhase;
  /** `notAfter` has passed. */
  readonly late: boolean;
}

/** Who gives content can give wrong content. */
const GIVES: Readonly<Record<Course, readonly Role[]>> = { contract: [], delivery: ['O'], swap: ['O', 'R'] };

function starts(course: Course, full: boolean): readonly World[] {
  const either = (role: Role) => (GIVES[course].includes(role) ? [false, true] : [false]);
  return either('O').flatMap((O) =>
    either('R').map((R) => ({
      course,
      full,
      wrong: { O, R },
      O: { phase: 'proving', did: new Set() },
      R: { phase: 'idle', did: new Set() },
      arbiter: 'none',
      late: false,
    })),
  );
}

function keyOf(world: World): string {
  const side = ({ phase, did }: Side) => `${phase}:${FLAGS.filter((flag) => did.has(flag)).join('+')}`;
  return [side(world.O), side(world.R), world.arbiter, world.late, world.wrong.O, world.wrong.R].join(' ');
}

function plus(side: Side, ...flags: readonly Flag[]): Side {
  return { ...side, did: new Set([...side.did, ...flags]) };
}

/** Whether the input can come to this party now. Timers and a person's orders always can. */
function canCome(world: World, role: Role, on: string, answered: boolean): boolean {
  const own = world[role].did;
  const peer = world[otherRole(role)].did;
  const asked = answered && (own.has('askAbort') || own.has('askResolve') || own.has('complain'));
  switch (on) {
    case 'promise':
      return peer.has('promise');
    case 'release':
      return peer.has('release') && own.has('gotPromise');
    case 'declined':
      return peer.has('declined');
    case 'token':
      return asked && world.arbiter === 'aborted';
    case 'resolved':
      return asked && world.arbiter === 'resolved';
    case 'key':
      return asked && world.arbiter === 'pending';
    case 'void':
      return asked && world.arbiter === 'voided';
    case 'right':
      return !world.wrong[otherRole(role)];
    case 'wrong':
      return world.wrong[otherRole(role)];
    default:
      return true;
  }
}

const FLAG_OF_EFFECT: Readonly<Record<string, Flag>> = {
  sendPromise: 'promise',
  sendRelease: 'release',
  sendDeclined: 'declined',
  askAbort: 'askAbort',
  askResolve: 'askResolve',
  complain: 'complain',
};

/** Every step that one party can take; guards of its rows depend on clock and consent, so each may hold or not. */
function partyMoves(world: World, role: Role, answered: boolean): readonly World[] {
  const side = world[role];
  if (side.phase === 'idle')
    return world.O.did.has('promise') ? [{ ...world, R: plus({ ...side, phase: 'proving' }, 'gotPromise') }] : [];
  return tableOf(role === 'O' ? 'originator' : 'responder', world.course)
    .filter((row) => row.from === side.phase && canCome(world, role, row.on, answered))
    .map((row) => {
      const flags = row.effects.flatMap((effect) => FLAG_OF_EFFECT[effect] ?? []);
      const got: readonly Flag[] = row.on === 'promise' ? ['gotPromise'] : [];
      return { ...world, [role]: plus({ ...side, phase: row.to }, ...flags, ...got) };
    });
}

interface Asked {
  readonly on: ArbiterRow['on'];
  readonly by: ArbiterRole;
  /** The window of what is pending has ended. */
  readonly windowOver: boolean;
}

function arbiterRow(world: World, { on, by, windowOver }: Asked): ArbiterRow {
  const holds = (guard: string): boolean => {
    switch (guard) {
      case 'expired':
        return world.late;
      case 'byOriginator':
        return by === 'O';
      case 'proven':
        return world.wrong[otherRole(by)];
      case 'windowOver':
        return windowOver;
      // Whoever asks brings the ciphertext.
      case 'missing':
        return false;
      case 'foundRight':
        return world.full && !world.wrong.O;
      case 'foundWrong':
        return world.full && world.wrong.O;
      default:
        return guard === 'bothOpened';
    }
  };
  const table = world.course === 'contract' ? ARBITER : CONTENT_ARBITER;
  return present(findRow(table, world.arbiter, on, holds), 'a row for every request');
}

/** The arbiter takes up what was asked, during the window or after it. Promises of honest parties open. */
function arbiterMoves(world: World): readonly World[] {
  const asked = (['O', 'R'] as const).flatMap((by) =>
    (['abort', 'resolve', 'misbehaviour'] as const).flatMap((on): readonly Asked[] => {
      const did = on === 'abort' ? 'askAbort' : on === 'resolve' ? 'askResolve' : 'complain';
      if (!world[by].did.has(did)) return [];
      return (world.arbiter === 'pending' ? [false, true] : [false]).map((windowOver) => ({ on, by, windowOver }));
    }),
  );
  return asked.map((one) => {
    const row = arbiterRow(world, one);
    const decided = row.effects.includes('open') ? arbiterRow(world, { ...one, on: 'opened' }) : row;
    return { ...world, arbiter: decided.to };
  });
}

interface Movers {
  readonly roles: readonly Role[];
  /** Whether the arbiter acts and its answers arrive. */
  readonly arbiter: boolean;
  readonly clock: boolean;
}

function walk(from: readonly World[], movers: Movers): ReadonlyMap<string, World> {
  const seen = new Map(from.map((world) => [keyOf(world), world]));
  const open = [...seen.values()];
  for (let world = open.pop(); world !== undefined; world = open.pop()) {
    const here = world;
    const after = [
      ...movers.roles.flatMap((role) => partyMoves(here, role, movers.arbiter)),
      ...(movers.arbiter ? arbiterMoves(here) : []),
      ...(movers.clock && !here.late ? [{ ...here, late: true }] : []),
    ];
    for (const next of after) {
      const key = keyOf(next);
      if (!seen.has(key)) {
        seen.set(key, next);
        open.push(next);
      }
    }
  }
  return seen;
}

const walked = new Map<string, readonly World[]>();

function worlds(course: Course, full: boolean): readonly World[] {
  const name = full ? `${course} full` : course;
  let all = walked.get(name);
  if (all === undefined) {
    all = [...walk(starts(course, full), { roles: ['O', 'R'], arbiter: true, clock: true }).values()];
    walked.set(name, all);
  }
  return all;
}

export type Certainty = 'no' | 'maybe' | 'yes';

function certainty(all: readonly World[], holds: (world: World) => boolean): Certainty {
  const count = all.filter(holds).length;
  return count === 0 ? 'no' : count === all.length ? 'yes' : 'maybe';
}

/** Facts about one party's position. */
export interface Outlook {
  /** Only while `notAfter` has passed can a party be here. */
  readonly lateOnly: boolean;
  readonly peerHoldsPromise: Certainty;
  readonly peerHoldsRelease: Certainty;
  /** Where the peer can end if this party does nothing any more, with the arbiter's help. */
  readonly peerEnds: ReadonlySet<WalkPhase>;
  /** Where this party ends if the peer does nothing any more, with the arbiter's help and without it. */
  readonly ownEnds: ReadonlySet<PartyPhase>;
  readonly ownEndsWithoutArbiter: ReadonlySet<PartyPhase>;
  /** What this party can ask the arbiter without hearing from the peer again. */
  readonly canAsk: ReadonlySet<'abort' | 'resolve'>;
  /** The same for the peer, if this party stops now. */
  readonly peerCanAsk: ReadonlySet<'abort' | 'resolve'>;
}

function endsOf(all: Iterable<World>, role: Role): ReadonlySet<PartyPhase> {
  const found = new Set<PartyPhase>();
  for (const world of all) {
    const { phase } = world[role];
    if (phase !== 'idle' && isFinal(phase)) found.add(phase);
  }
  return found;
}

function asks(all: Iterable<World>, role: Role): ReadonlySet<'abort' | 'resolve'> {
  const found = new Set<'abort' | 'resolve'>();
  for (const { [role]: side } of all) {
    if (side.did.has('askAbort')) found.add('abort');
    if (side.did.has('askResolve')) found.add('resolve');
  }
  return found;
}

/** The peer falls silent for good: what it sent and was not seen yet counts as lost. */
function silenced(world: World, peer: Role): World {
  const lost = new Set([...world[peer].did].filter((flag) => flag === 'gotPromise'));
  return { ...world, [peer]: { ...world[peer], did: lost } };
}

/** What a party knows of content: its own and the peer's. Null, and what nobody gives: nothing. */
export interface Known {
  readonly ownWrong: boolean | null;
  readonly theirsWrong: boolean | null;
}

const NOTHING: Known = { ownWrong: null, theirsWrong: null };

/** `holdsPromise`: whether this party has the peer's verified promise. `full`: whether the arbiter compares the content. */
export function outlook(
  role: Role,
  phase: WalkPhase,
  holdsPromise: boolean,
  course: Course = 'contract',
  { ownWrong, theirsWrong }: Known = NOTHING,
  full = false,
): Outlook {
  const possible = (known: boolean | null, wrong: boolean): boolean => known === null || known === wrong;
  const here = worlds(course, full).filter(
    ({ [role]: side, wrong }) =>
      side.phase === phase &&
      side.did.has('gotPromise') === holdsPromise &&
      possible(ownWrong, wrong[role]) &&
      possible(theirsWrong, wrong[otherRole(role)]),
  );
  assert(here.length > 0, `nobody is ever ${phase} as ${role} ${holdsPromise ? 'with' : 'without'} a promise`);
  const early = here.filter((world) => !world.late);
  const lateOnly = early.length === 0;
  const now = lateOnly ? here : early;
  const peer = otherRole(role);
  const alone = now.map((world) => silenced(world, peer));
  const youStop = [...walk(now, { roles: [peer], arbiter: true, clock: false }).values()];
  const theyStop = [...walk(alone, { roles: [role], arbiter: true, clock: false }).values()];
  const stranded = walk(alone, { roles: [role], arbiter: false, clock: false }).values();
  return {
    lateOnly,
    peerHoldsPromise: certainty(now, (world) => world[role].did.has('promise')),
    peerHoldsRelease: certainty(now, (world) => world[role].did.has('release')),
    peerEnds: youStop.some((world) => world.R.phase === 'idle' && peer === 'R')
      ? new Set([...endsOf(youStop, peer), 'idle'])
      : endsOf(youStop, peer),
    ownEnds: endsOf(theyStop, role),
    ownEndsWithoutArbiter: endsOf(stranded, role),
    canAsk: asks(theyStop, role),
    peerCanAsk: asks(youStop, peer),
  };
}

/** How many worlds the walk found: asserted in tests, so that a change of the tables is noticed. */
export function worldCount(course: Course = 'contract', full = false): number {
  return worlds(course, full).length;
}

/** Every position (role, phase, holds the peer's promise) that the walk reaches. */
export function positions(
  course: Course = 'contract',
  full = false,
): readonly {
  readonly role: Role;
  readonly phase: WalkPhase;
  readonly holdsPromise: boolean;
}[] {
  const found = new Map<string, { role: Role; phase: WalkPhase; holdsPromise: boolean }>();
  for (const world of worlds(course, full))
    for (const role of ['O', 'R'] as const) {
      const { phase, did } = world[role];
      const holdsPromise = did.has('gotPromise');
      found.set(`${role} ${phase} ${holdsPromise}`, { role, phase, holdsPromise });
    }
  return [...found.values()];
}
