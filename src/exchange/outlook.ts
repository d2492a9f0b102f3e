/**
 * What can still happen: a walk over the three transition tables together, both parties honest, every message lost or late
 * as it pleases. `explain.ts` turns its facts into sentences, so no sentence rests on a list kept beside the tables.
 *
 * The world is small (a few hundred states) and is walked once.
 */
import { assert, present } from '../lib/assert.ts';
import { ARBITER, type ArbiterPhase, type ArbiterRole, type ArbiterRow } from './arbiter.ts';
import type { Role } from './items.ts';
import { otherRole } from './items.ts';
import { findRow } from './machine.ts';
import { isFinal, ORIGINATOR, type PartyPhase, RESPONDER } from './party.ts';

/** `idle`: a responder that has not seen message 1. */
export type WalkPhase = PartyPhase | 'idle';

const FLAGS = ['promise', 'release', 'declined', 'askAbort', 'askResolve', 'gotPromise'] as const;
type Flag = (typeof FLAGS)[number];

interface Side {
  readonly phase: WalkPhase;
  /** What has left this party, what it has asked the arbiter, and whether it holds the peer's promise. */
  readonly did: ReadonlySet<Flag>;
}

interface World {
  readonly O: Side;
  readonly R: Side;
  readonly arbiter: ArbiterPhase;
  /** `notAfter` has passed. */
  readonly late: boolean;
}

const START: World = {
  O: { phase: 'proving', did: new Set() },
  R: { phase: 'idle', did: new Set() },
  arbiter: 'none',
  late: false,
};

function keyOf(world: World): string {
  const side = ({ phase, did }: Side) => `${phase}:${FLAGS.filter((flag) => did.has(flag)).join('+')}`;
  return [side(world.O), side(world.R), world.arbiter, world.late].join(' ');
}

function plus(side: Side, ...flags: readonly Flag[]): Side {
  return { ...side, did: new Set([...side.did, ...flags]) };
}

/** Whether the input can come to this party now. Timers and a person's orders always can. */
function canCome(world: World, role: Role, on: string, answered: boolean): boolean {
  const own = world[role].did;
  const peer = world[otherRole(role)].did;
  const asked = answered && (own.has('askAbort') || own.has('askResolve'));
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
};

/** Every step that one party can take; guards of its rows depend on clock and consent, so each may hold or not. */
function partyMoves(world: World, role: Role, answered: boolean): readonly World[] {
  const side = world[role];
  if (side.phase === 'idle')
    return world.O.did.has('promise') ? [{ ...world, R: plus({ ...side, phase: 'proving' }, 'gotPromise') }] : [];
  return (role === 'O' ? ORIGINATOR : RESPONDER)
    .filter((row) => row.from === side.phase && canCome(world, role, row.on, answered))
    .map((row) => {
      const flags = row.effects.flatMap((effect) => FLAG_OF_EFFECT[effect] ?? []);
      const got: readonly Flag[] = row.on === 'promise' ? ['gotPromise'] : [];
      return { ...world, [role]: plus({ ...side, phase: row.to }, ...flags, ...got) };
    });
}

function arbiterRow(world: World, on: ArbiterRow['on'], by: ArbiterRole): ArbiterRow {
  const holds = (guard: string) =>
    guard === 'expired' ? world.late : guard === 'byOriginator' ? by === 'O' : guard === 'bothOpened';
  return present(findRow(ARBITER, world.arbiter, on, holds), 'a row for every request');
}

/** The arbiter takes up what was asked. Promises of honest parties open. */
function arbiterMoves(world: World): readonly World[] {
  const asked = (['O', 'R'] as const).flatMap((by) => [
    ...(world[by].did.has('askAbort') ? [{ on: 'abort', by } as const] : []),
    ...(world[by].did.has('askResolve') ? [{ on: 'resolve', by } as const] : []),
  ]);
  return asked.map(({ on, by }) => {
    const row = arbiterRow(world, on, by);
    const decided = row.effects.includes('open') ? arbiterRow(world, 'opened', by) : row;
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

let everything: readonly World[] | undefined;

function worlds(): readonly World[] {
  everything ??= [...walk([START], { roles: ['O', 'R'], arbiter: true, clock: true }).values()];
  return everything;
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

/** `holdsPromise`: whether this party has the peer's verified promise. */
export function outlook(role: Role, phase: WalkPhase, holdsPromise: boolean): Outlook {
  const here = worlds().filter(
    (world) => world[role].phase === phase && world[role].did.has('gotPromise') === holdsPromise,
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
export function worldCount(): number {
  return worlds().length;
}

/** Every position (role, phase, holds the peer's promise) that the walk reaches. */
export function positions(): readonly {
  readonly role: Role;
  readonly phase: WalkPhase;
  readonly holdsPromise: boolean;
}[] {
  const found = new Map<string, { role: Role; phase: WalkPhase; holdsPromise: boolean }>();
  for (const world of worlds())
    for (const role of ['O', 'R'] as const) {
      const { phase, did } = world[role];
      const holdsPromise = did.has('gotPromise');
      found.set(`${role} ${phase} ${holdsPromise}`, { role, phase, holdsPromise });
    }
  return [...found.values()];
}
