/** A bounded map that forgets what was used longest ago: results that cost OpenSSL calls are kept by hash. */

export interface Lru<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  readonly size: number;
}

/** Holds at most `capacity` entries. */
export function createLru<V>(capacity: number): Lru<V> {
  const entries = new Map<string, V>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) {
        entries.delete(key);
        entries.set(key, value);
      }
      return value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > capacity) for (const oldest of entries.keys()) return void entries.delete(oldest);
    },
    get size() {
      return entries.size;
    },
  };
}
