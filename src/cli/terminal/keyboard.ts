/**
 * Who gets the keys. Screens and modals register layers; the newest active layer that knows a key gets it.
 * Guarantees: after `hold` no key that was typed before the release reaches anybody, not even the end of a sequence or of a
 * paste that began before; keys go to active layers only, so that what lies under a modal gets none; a key finds all that
 * the key before it has changed, however fast the two came: it never acts on what was selected before.
 */
import { createKeyParser, type Key, type Typed } from './keys.ts';

export interface Layer {
  isActive(): boolean;
  /** `typed`: text was added to what is being typed, and no key that follows means another thing for it. */
  handle(key: Key): Handled;
}

export type Handled = 'not mine' | 'typed' | 'acted';

export interface Keyboard {
  feed(chunk: Uint8Array): void;
  add(layer: Layer): () => void;
  /** Drops what is typed until `drawn` resolves and the keys have been quiet for a moment. */
  hold(drawn: Promise<void>): Promise<void>;
  /** Told of every byte that comes: the person is there. */
  onActivity(listener: () => void): () => void;
}

/** A lone escape and the beginning of a sequence look alike for so long. */
const ESCAPE_MS = 50;
/** A person who types on without having seen the question does not pause for so long. */
const QUIET_MS = 150;
/** Keys that wait for the screens; more than that were no person's. */
const MAX_WAITING = 1000;

/** `settled` resolves when what a key has changed counts for the next one. */
export function createKeyboard(settled: () => Promise<void>): Keyboard {
  const parser = createKeyParser();
  const layers: Layer[] = [];
  const watchers = new Set<() => void>();
  let epoch = 0;
  let holds = 0;
  let lastByte = 0;
  let pending: NodeJS.Timeout | undefined;

  const queue: Typed[] = [];
  let isSettling = false;

  function handle(key: Typed): Handled {
    // Checked for each: the one before may have opened a question.
    if (holds > 0 || key.epoch !== epoch) return 'not mine';
    for (const layer of layers.toReversed()) {
      const handled = layer.isActive() ? layer.handle(key) : 'not mine';
      if (handled !== 'not mine') return handled;
    }
    return 'not mine';
  }

  function next(): void {
    while (!isSettling) {
      const key = queue.shift();
      if (key === undefined) return;
      if (handle(key) !== 'acted') continue;
      isSettling = true;
      void settled().then(() => {
        isSettling = false;
        next();
      });
    }
  }

  function dispatch(keys: readonly Typed[]): void {
    queue.push(...keys.slice(0, MAX_WAITING - queue.length));
    next();
  }

  /** Runs after what has come meanwhile was read: in one turn of the loop, timers come before reading, this after it. */
  const afterReading = () => new Promise<void>((resolve) => setImmediate(resolve));

  return {
    feed(chunk) {
      lastByte = Date.now();
      clearTimeout(pending);
      for (const watcher of watchers) watcher();
      dispatch(parser.push(chunk, epoch));
      if (parser.isOpen) pending = setTimeout(() => dispatch(parser.flush()), ESCAPE_MS);
    },
    add(layer) {
      layers.push(layer);
      return () => {
        const found = layers.indexOf(layer);
        if (found !== -1) layers.splice(found, 1);
      };
    },
    async hold(drawn) {
      holds++;
      epoch++;
      try {
        await drawn;
        lastByte = Date.now();
        for (;;) {
          const left = lastByte + QUIET_MS - Date.now();
          if (left <= 0) break;
          await new Promise((resolve) => setTimeout(resolve, left));
          await afterReading();
        }
      } finally {
        epoch++;
        holds--;
      }
    },
    onActivity(listener) {
      watchers.add(listener);
      return () => watchers.delete(listener);
    },
  };
}
