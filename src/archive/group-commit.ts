/**
 * Group commit: a disk takes one durable write at a time, so what is asked for while one runs is joined into the next.
 * Guarantees: units take effect in the order of their calls; the units of one group succeed or fail together; a unit's
 * `build` runs only when everything before it has settled or stands earlier in the same group, so it may read what that left.
 */

export interface Unit<T> {
  /** Called once, when the unit's group is formed. A throw fails this unit alone. */
  build(): readonly T[];
  /** Called before the next group is formed: whether what `build` returned is durable. Not called if `build` threw. */
  settled?(durable: boolean): void;
}

export interface GroupCommit<T> {
  add(unit: Unit<T>): Promise<void>;
  /** Resolves when everything added so far has settled; never rejects. */
  idle(): Promise<void>;
}

interface Waiting<T> {
  readonly unit: Unit<T>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Bounds the memory of one group and the time that its first unit waits for the others. */
const MAX_GROUP_ITEMS = 4096;

export function createGroupCommit<T>(write: (items: readonly T[]) => Promise<void>): GroupCommit<T> {
  let queue: Waiting<T>[] = [];
  let running: Promise<void> | undefined;

  function formGroup(): { members: Waiting<T>[]; items: T[] } {
    const members: Waiting<T>[] = [];
    const items: T[] = [];
    let taken = 0;
    for (const waiting of queue) {
      if (items.length >= MAX_GROUP_ITEMS) break;
      taken += 1;
      try {
        items.push(...waiting.unit.build());
        members.push(waiting);
      } catch (error) {
        waiting.reject(error);
      }
    }
    queue = queue.slice(taken);
    return { members, items };
  }

  async function run(): Promise<void> {
    // Whatever is asked for in the same turn goes into the first group too.
    await Promise.resolve();
    while (queue.length > 0) {
      const { members, items } = formGroup();
      if (members.length === 0) continue;
      let failure: { readonly error: unknown } | undefined;
      try {
        if (items.length > 0) await write(items);
      } catch (error) {
        failure = { error };
      }
      for (const { unit } of members) unit.settled?.(failure === undefined);
      for (const { resolve, reject } of members) {
        if (failure === undefined) resolve();
        else reject(failure.error);
      }
    }
    running = undefined;
  }

  return {
    add: (unit) =>
      new Promise((resolve, reject) => {
        queue.push({ unit, resolve, reject });
        running ??= run();
      }),
    async idle() {
      while (running !== undefined) await running;
    },
  };
}
