/**
 * How every protocol machine is written: a literal table of rows `from × on [when] → to, effects`, and one interpreter.
 *
 * Guarantees: pure and synchronous; an input that no row takes leaves the state unchanged and has no effects; effects are
 * listed in the order in which they must be performed, and the `record` that justifies a message comes before it
 * (DESIGN §2.2). The tables are data: `diagram.ts` draws them, `explain.ts` walks them, the explorer searches them.
 */

export interface Row<Phase extends string, Input extends string, Guard extends string, Effect extends string> {
  readonly from: Phase;
  readonly on: Input;
  /** The row is taken only if this guard holds; rows are tried in order. */
  readonly when?: Guard;
  readonly to: Phase;
  readonly effects: readonly Effect[];
  /** Why the row is there, for readers of table and diagram. */
  readonly why: string;
}

/** The first row that takes the input, or undefined: the input is ignored. */
export function findRow<P extends string, I extends string, G extends string, E extends string>(
  table: readonly Row<P, I, G, E>[],
  from: P,
  on: I,
  holds: (guard: G) => boolean,
): Row<P, I, G, E> | undefined {
  return table.find((row) => row.from === from && row.on === on && (row.when === undefined || holds(row.when)));
}
