/** Serial execution per key: tasks of one key run one after the other in call order, those of different keys at once. */

export interface Mutex {
  /** Resolves or rejects as `task` does; a task that fails does not disturb those that wait. */
  run<T>(key: string, task: () => Promise<T> | T): Promise<T>;
  /** Keys with a task running or waiting. */
  readonly size: number;
}

export function createMutex(): Mutex {
  /** The last task of each key; removed when it ends as the last, so idle keys cost nothing. */
  const tails = new Map<string, Promise<void>>();
  return {
    get size() {
      return tails.size;
    },
    run(key, task) {
      const before = tails.get(key) ?? Promise.resolve();
      const result = before.then(task);
      const tail: Promise<void> = result
        .then(
          () => undefined,
          () => undefined,
        )
        .then(() => {
          if (tails.get(key) === tail) tails.delete(key);
        });
      tails.set(key, tail);
      return result;
    },
  };
}
