/**
 * Two worker threads on one content: beside the job that reads or writes it a second one hashes, so that neither hash waits for
 * the other. They share a few bytes of memory: how far the first one is, and what the second one found.
 *
 * Guarantees: nobody waits for one that has ended (`abandon`, `leave`): the first then does the second's work itself, and the
 * second stops. Blocking, so for worker threads alone, but for `abandon` and `leave`.
 */
import { HASH_BYTES } from '../crypto/content.ts';

/** Below it a second thread costs more than it gives. */
export const BESIDE_LEAST_BYTES = 8 * 1024 * 1024;

const RUNNING = 0;
const DONE = 1;
const ABANDONED = 2;

/** Words: state of the second, changes of the first; then how far the first is, in bytes (8), and the hashes. */
const [STATE, CHANGES] = [0, 1];
const HEAD_BYTES = 16;
const LEFT = -1n;

/** With room for so many hashes. */
export function besideBuffer(hashes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + hashes * HASH_BYTES);
}

export function beside(buffer: SharedArrayBuffer) {
  const words = new Int32Array(buffer, 0, 2);
  const far = new BigInt64Array(buffer, 8, 1);
  const hashes = new Uint8Array(buffer, HEAD_BYTES);
  const move = (to: bigint): void => {
    if (Atomics.load(far, 0) === LEFT) return;
    Atomics.store(far, 0, to);
    Atomics.add(words, CHANGES, 1);
    Atomics.notify(words, CHANGES);
  };
  const settle = (state: number): void => {
    if (Atomics.compareExchange(words, STATE, RUNNING, state) === RUNNING) Atomics.notify(words, STATE);
  };
  return {
    /** The first: so many bytes are there. */
    reach(bytes: number): void {
      move(BigInt(bytes));
    },
    /** The first has ended, and needs no more of the second. */
    leave(): void {
      move(LEFT);
    },
    /** The second: until so many bytes are there. False if the first has left. */
    waitFor(bytes: number): boolean {
      for (;;) {
        const changes = Atomics.load(words, CHANGES);
        const now = Atomics.load(far, 0);
        if (now === LEFT) return false;
        if (now >= BigInt(bytes)) return true;
        Atomics.wait(words, CHANGES, changes);
      }
    },
    get left(): boolean {
      return Atomics.load(far, 0) === LEFT;
    },
    /** The second: what it found, in order. */
    give(found: readonly Uint8Array[]): void {
      found.forEach((hash, index) => {
        hashes.set(hash, index * HASH_BYTES);
      });
      settle(DONE);
    },
    /** The second will give nothing. */
    abandon(): void {
      settle(ABANDONED);
    },
    /** The first: what the second found; null if there is none. */
    take(): readonly Uint8Array[] | null {
      while (Atomics.load(words, STATE) === RUNNING) Atomics.wait(words, STATE, RUNNING);
      if (Atomics.load(words, STATE) === ABANDONED) return null;
      const count = hashes.length / HASH_BYTES;
      return Array.from({ length: count }, (_, at) => hashes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES));
    },
  };
}
