/**
 * The store port in memory, for tests and for what need not outlive its process. Keeps every obligation of the port but
 * durability, and copies values on the way in and out as a disk would.
 */
import { FitError } from '../lib/errors.ts';
import { checkKey, checkList, checkOps, compareKeys } from './keys.ts';
import { type ListOptions, SPACES, type Space, type Store } from './store.ts';

export function createMemoryStore(): Store {
  const spaces = new Map(SPACES.map((space) => [space, new Map<string, Uint8Array>()]));
  let closed = false;

  function contents(space: Space): Map<string, Uint8Array> {
    const found = spaces.get(space);
    if (closed) throw new FitError('internal', 'the store is closed');
    if (found === undefined) throw new RangeError('not a space');
    return found;
  }

  function select(space: Space, options: ListOptions): (readonly [string, Uint8Array])[] {
    const { from, to, reverse = false, limit } = options;
    const chosen = [...contents(space)]
      .filter(([key]) => from === undefined || compareKeys(key, from) >= 0)
      .filter(([key]) => to === undefined || compareKeys(key, to) < 0)
      .sort(([a], [b]) => (reverse ? compareKeys(b, a) : compareKeys(a, b)));
    return chosen.slice(0, limit);
  }

  return {
    async get(space, key) {
      checkKey(key);
      return contents(space).get(key)?.slice();
    },
    list(space, options = {}) {
      checkList(options);
      const chosen = closed ? [] : select(space, options);
      return (async function* () {
        for (const [key, value] of chosen) {
          contents(space);
          yield [key, value.slice()] as const;
        }
        contents(space);
      })();
    },
    async batch(ops) {
      checkOps(ops);
      for (const { space } of ops) contents(space);
      if (closed) throw new FitError('internal', 'the store is closed');
      for (const op of ops) {
        if (op.kind === 'put') contents(op.space).set(op.key, op.value.slice());
        else contents(op.space).delete(op.key);
      }
    },
    async close() {
      closed = true;
    },
  };
}
