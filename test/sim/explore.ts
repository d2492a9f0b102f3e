/**
 * Breadth-first search over all states of a world, each visited once by its canonical key. The first violation found is at
 * the end of a shortest trace. Edges are kept, with who took them, for the invariants that ask what remains possible.
 */
import { moves } from './adversary.ts';
import { type Invariant, type InvariantNumber, STATE_INVARIANTS } from './invariants.ts';
import { keyOf } from './keys.ts';
import { ACTORS, type Actor, type Step } from './moves.ts';
import { type Reached, WHOLE_INVARIANTS } from './possibilities.ts';
import type { Rules } from './rules.ts';
import type { Name } from './terms.ts';
import { initialState, type State, type World } from './world.ts';

export interface Violation {
  readonly invariant: Invariant['number'];
  readonly what: string;
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  readonly violation: Violation | null;
}

/** A search that gets larger than this is a mistake in a world, not a result. */
const MAX_STATES = 400_000;

class Graph implements Reached {
  readonly states: State[] = [];
  readonly froms: number[] = [];
  readonly tos: number[] = [];
  readonly actors: number[] = [];
  readonly parents: number[] = [];

  actorOf(edge: number): { actor: Actor; whose: Name | null } {
    const code = this.actors[edge] as number;
    return { actor: ACTORS[code >> 3] as Actor, whose: (NAMES[code & 7] ?? null) as Name | null };
  }
}

const NAMES = ['a', 'b', 'm', 'n', 't', null] as const;
const codeOf = (actor: Actor, whose: Name | null): number => ACTORS.indexOf(actor) * 8 + NAMES.indexOf(whose);

function traceTo(world: World, rules: Rules, graph: Graph, last: number): string[] {
  const path: number[] = [];
  for (let at = last; at > 0; at = graph.parents[at] as number) path.unshift(at);
  return path.map((index) => {
    const target = keyOf(graph.states[index] as State);
    const labels: string[] = [];
    const step: Step = {
      world,
      rules,
      requests: new WeakMap(),
      emit: (_actor, _whose, label, next) => {
        if (keyOf(next) === target) labels.push(label());
      },
    };
    moves(step, graph.states[graph.parents[index] as number] as State);
    return labels[0] ?? 'a step that is not there again';
  });
}

export interface Options {
  /** Only these invariants are asked; all by default. */
  readonly invariants?: readonly InvariantNumber[];
  readonly taken?: Set<string>;
}

export function explore(world: World, rules: Rules, { invariants, taken }: Options = {}): Exploration {
  const asked = (one: Invariant): boolean => invariants === undefined || invariants.includes(one.number);
  const inStates = STATE_INVARIANTS.filter(asked);
  const graph = new Graph();
  const seen = new Map<string, number>();
  let current = 0;
  const add = (next: State, from: number): number => {
    const key = keyOf(next);
    let index = seen.get(key);
    if (index === undefined) {
      index = graph.states.push(next) - 1;
      graph.parents.push(from);
      seen.set(key, index);
    }
    return index;
  };
  const step: Step = {
    world,
    rules,
    requests: new WeakMap(),
    ...(taken === undefined ? {} : { taken }),
    emit: (actor, whose, _label, next) => {
      const index = add(next, current);
      if (index === current) return;
      graph.froms.push(current);
      graph.tos.push(index);
      graph.actors.push(codeOf(actor, whose));
    },
  };
  const found = (invariant: Invariant, what: string, at: number): Exploration => ({
    states: graph.states.length,
    transitions: graph.tos.length,
    violation: { invariant: invariant.number, what, trace: traceTo(world, rules, graph, at) },
  });
  add(initialState(world), 0);
  for (; current < graph.states.length; current++) {
    const state = graph.states[current] as State;
    for (const invariant of inStates) {
      const what = invariant.check({ world, rules, state });
      if (what !== null) return found(invariant, what, current);
    }
    if (graph.states.length > MAX_STATES) throw new Error(`${world.name}: more than ${MAX_STATES} states`);
    moves(step, state);
  }
  for (const invariant of WHOLE_INVARIANTS.filter(asked)) {
    const broken = invariant.check(world, graph);
    if (broken !== null) return found(invariant, broken.what, broken.at);
  }
  return { states: graph.states.length, transitions: graph.tos.length, violation: null };
}
