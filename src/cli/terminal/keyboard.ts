/**
 * Who gets the keys. Screens and modals register layers; the newest active layer that knows a key gets it.
 * Guarantees: after `hold` no key that was typed before the release reaches anybody, not even the end of a sequence or of a
 * paste that began before; keys go to active layers only, so that what lies under a modal gets none.
 */
import { createKeyParser, type Key, type Typed } from './keys.ts';

export interface Layer {
  isActive(): boolean;
  /** True if the key was meant for it. */
  handle(key: Key): boolean;
}

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

export function createKeyboard(): Keyboard {
  const parser = createKeyParser();
  const layers: Layer[] = [];
  const watchers = new Set<() => void>();
  let epoch = 0;
  let holds = 0;
  let lastByte = 0;
  let pending: NodeJS.Timeout | undefined;

  function dispatch(keys: readonly Typed[]): void {
    for (const key of keys) {
      // Checked for each: the one before may have opened a question.
      if (holds > 0 || key.epoch !== epoch) continue;
      for (const layer of layers.toReversed()) if (layer.isActive() && layer.handle(key)) break;
    }
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
