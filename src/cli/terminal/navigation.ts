/**
 * Where the person is: a few top-level screens side by side, each with a stack of screens that were opened from it.
 * The screens of the current stack stay as they are while others lie on top; those of other top-level screens start anew.
 */
import type { ReactElement } from 'react';
import { createStore, type Store } from './store.ts';

/**
 * A screen: to add one, write a component that uses `useKeys`, `useSize`, `useSnapshot` … (ui.tsx), export a function that
 * makes this from its parameters, and push it: `navigation.push(readerScreen(deal))`.
 */
export interface Screen {
  /** For people, in the header of the screen: `Deals`, `k7q2 Sale of a bicycle`. Safe text. */
  readonly title: string;
  readonly element: ReactElement;
  /** One or two sentences for the help: what this screen is for. */
  readonly help?: string;
}

/** A screen in its place; `key` is the same as long as it lies there. */
export interface Placed extends Screen {
  readonly key: number;
}

export interface Place {
  /** Which top-level screen. */
  readonly top: number;
  /** From the top-level screen to what is seen. */
  readonly stack: readonly Placed[];
}

export interface Navigation {
  readonly place: Store<Place>;
  readonly tops: readonly Screen[];
  push(screen: Screen): void;
  /** Back by one; false on a top-level screen. */
  pop(): boolean;
  /** In place of what is seen now. */
  replace(screen: Screen): void;
  switchTo(top: number): void;
}

export function createNavigation(tops: readonly Screen[]): Navigation {
  let lastKey = 0;
  const placed = (screen: Screen): Placed => ({ ...screen, key: ++lastKey });
  const topPlace = (top: number): Place => {
    const screen = tops[top];
    if (screen === undefined) throw new RangeError(`no top-level screen ${top}`);
    return { top, stack: [placed(screen)] };
  };
  const place = createStore(topPlace(0));
  return {
    place,
    tops,
    push(screen) {
      const { top, stack } = place.get();
      place.set({ top, stack: [...stack, placed(screen)] });
    },
    pop() {
      const { top, stack } = place.get();
      if (stack.length === 1) return false;
      place.set({ top, stack: stack.slice(0, -1) });
      return true;
    },
    replace(screen) {
      const { top, stack } = place.get();
      place.set({ top, stack: [...stack.slice(0, -1), placed(screen)] });
    },
    switchTo(top) {
      const wanted = (top + tops.length) % tops.length;
      if (wanted !== place.get().top || place.get().stack.length > 1) place.set(topPlace(wanted));
    },
  };
}
