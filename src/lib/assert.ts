/**
 * Our own bugs. A failed assertion means that the program is wrong, never that a peer or a user is:
 * the daemon stops on it and starts again from its journal.
 */

export class AssertionFailed extends Error {
  override name = 'AssertionFailed' as const;
}

export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionFailed(what);
}

/** The end of a `switch` over a discriminated union. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable: ${JSON.stringify(value)}`);
}

/** The value, which our own code guarantees to be there. */
export function present<T>(value: T | undefined | null, what: string): T {
  assert(value !== undefined && value !== null, `missing ${what}`);
  return value;
}
