/**
 * Questions over the screen: one at a time, the others wait in line.
 * Guarantees: nothing covers an open modal; before one takes keys, those typed before it was on the terminal are gone.
 */
import type { ReactElement } from 'react';
import { createStore, type Store } from './store.ts';

export interface OpenModal {
  readonly key: number;
  readonly element: ReactElement;
  /** False until it has been drawn and what was typed before is gone. */
  readonly isReady: boolean;
}

export interface Modals {
  readonly open: Store<OpenModal | undefined>;
  /**
   * Shows what `render` gives, when its turn comes, until it calls `done`. The promise is what it was called with.
   * An element is a component that uses `useKeys` and a `ModalFrame` (widgets/modal-frame.tsx).
   */
  show<T>(render: (done: (answer: T) => void) => ReactElement): Promise<T>;
  /** How many wait behind the open one. */
  readonly waiting: number;
}

/** `hold` resolves when the modal that was just opened may have keys (keyboard.ts). */
export function createModals(hold: () => Promise<void>): Modals {
  const open = createStore<OpenModal | undefined>(undefined);
  const queue: (() => void)[] = [];
  let lastKey = 0;

  function next(): void {
    if (open.get() === undefined) queue.shift()?.();
  }

  return {
    open,
    get waiting() {
      return queue.length;
    },
    show: (render) =>
      new Promise((resolve) => {
        queue.push(() => {
          const key = ++lastKey;
          const element = render((answer) => {
            if (open.get()?.key !== key) return;
            open.set(undefined);
            resolve(answer);
            // Whoever waits for this answer may ask on before others do.
            setImmediate(next);
          });
          open.set({ key, element, isReady: false });
          void hold().then(() => {
            const now = open.get();
            if (now?.key === key) open.set({ ...now, isReady: true });
          });
        });
        next();
      }),
  };
}
