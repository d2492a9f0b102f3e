/**
 * The invariants that ask what remains possible from every state: timeliness (5) and liveness (L). They need the whole graph.
 */
import { isFinal } from '../../src/exchange/party.ts';
import { type Invariant, isFaultFree } from './invariants.ts';
import type { Actor } from './moves.ts';
import type { Name } from './terms.ts';
import { type Cell, delivers, layoutOf, type State, type World } from './world.ts';

/** The whole graph, for what must remain possible. */
export interface Reached {
  readonly states: readonly State[];
  readonly froms: readonly number[];
  readonly tos: readonly number[];
  actorOf(edge: number): { actor: Actor; whose: Name | null };
}

export interface WholeInvariant extends Invariant {
  check(world: World, reached: Reached): { what: string; at: number } | null;
}

/** Marks every state from which a goal can be reached over allowed edges; answers the first that is none of both. */
function firstStuck(
  reached: Reached,
  isGoal: (state: State) => boolean,
  allowed: (edge: number) => boolean,
  exempt: (state: State) => boolean,
): number | null {
  const count = reached.states.length;
  const good = new Uint8Array(count);
  const into: number[][] = Array.from({ length: count }, () => []);
  reached.tos.forEach((to, edge) => {
    if (allowed(edge)) into[to]?.push(reached.froms[edge] as number);
  });
  const queue: number[] = [];
  reached.states.forEach((state, index) => {
    if (isGoal(state)) queue.push(index);
  });
  for (const index of queue) good[index] = 1;
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const from of into[next] as number[]) {
      if (good[from]) continue;
      good[from] = 1;
      queue.push(from);
    }
  }
  const stuck = reached.states.findIndex((state, index) => !good[index] && !exempt(state));
  return stuck < 0 ? null : stuck;
}

const over = (cell: Cell): boolean => cell.state === null || isFinal(cell.state.phase);

/** From every state an honest party comes to an end by itself and with the arbiter, without waiting for notAfter; for a window it must. */
function timely(world: World, reached: Reached): { what: string; at: number } | null {
  if (isFaultFree(world) || world.arbiter === 'lying') return null;
  // That a receiver attends means that an end of the window waits for it; so then its own daemon is part of passing time.
  const together = delivers(world) && world.honest.length === 2;
  for (const seat of layoutOf(world).seats) {
    const at = firstStuck(
      reached,
      (state) => !state.down[seat.party] && over(state.cells[seat.index] as Cell),
      (edge) => {
        const { actor, whose } = reached.actorOf(edge);
        if (whose === null) return actor === 'arbiter' || actor === 'window';
        return (whose === seat.name || together) && (actor === 'own' || actor === 'person' || actor === 'arbiter');
      },
      // A restored originator may have to wait until the arbiter has decided.
      (state) => (state.cells[seat.index] as Cell).restored && state.courts[seat.court]?.stored.phase === 'none',
    );
    if (at !== null) return { what: `${seat.name} in ${seat.exchange.xid} cannot come to an end by itself`, at };
  }
  return null;
}

/** With a network that delivers in the end, and no person, everybody who began comes to an end. */
function live(world: World, reached: Reached): { what: string; at: number } | null {
  if (world.arbiter === 'lying') return null;
  const at = firstStuck(
    reached,
    (state) => state.cells.every(over) && !state.down.includes(true),
    (edge) => {
      const { actor } = reached.actorOf(edge);
      return actor !== 'person' && actor !== 'crash' && actor !== 'adversary';
    },
    (state) => state.cells.some((cell) => cell.restored),
  );
  return at === null ? null : { what: 'not everybody can come to an end', at };
}

export const WHOLE_INVARIANTS: readonly WholeInvariant[] = [
  { number: '5', name: 'timeliness', check: timely },
  { number: 'L', name: 'liveness', check: live },
];
