/**
 * What a screen or a modal works with: the hooks of `fit ui`. A screen reads `useSnapshot`, `useSize`, `useTheme`, acts by
 * `useUi().session.agent`, takes keys by `useKeys`, and goes on by `useUi().navigation` and `useUi().modals`.
 */
import { createContext, useContext, useLayoutEffect, useRef, useState, useSyncExternalStore } from 'react';
import { isFitError } from '../../lib/errors.ts';
import { safeText } from '../../lib/text.ts';
import type { Context } from '../context.ts';
import type { Keyboard } from './keyboard.ts';
import type { Key } from './keys.ts';
import type { Lines } from './lines.ts';
import type { Modals } from './modals.ts';
import type { Navigation } from './navigation.ts';
import type { Session, Snapshot } from './session.ts';
import type { Store } from './store.ts';
import type { Theme } from './theme.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly text: string;
}

/** One thing that a key does. The key line, the help and the menu of actions are made of these. */
export interface Binding {
  /** Names of keys.ts; the first is the one that is shown. */
  readonly keys: readonly string[];
  /** For the key line, in a word or two: `accept`. Without it the key is not shown there. */
  readonly label?: string;
  /** For the help and the menu: one sentence. Without it the key is in neither. */
  readonly does?: string;
  /** Also in the menu of actions (`:`). */
  readonly isAction?: boolean;
  readonly run: (key: Key) => void;
}

/** The bindings of one component, while it is mounted. */
export interface Bound {
  /** As they are now. */
  read(): readonly Binding[];
  readonly isActive: boolean;
  /** What people see of them: differs when the key line must be drawn anew. */
  readonly shown: string;
}

export interface Ui {
  readonly session: Session;
  readonly navigation: Navigation;
  readonly modals: Modals;
  readonly keyboard: Keyboard;
  readonly theme: Theme;
  /** The text of all rows (widgets/line.tsx). */
  readonly lines: Lines;
  /** The command's context: paths, environment. */
  readonly context: Context;
  readonly size: Store<Size>;
  readonly notice: Store<Notice | undefined>;
  /** All that is bound now, in the order of mounting. */
  readonly bound: Store<readonly Bound[]>;
  /** Values that outlive their screen (`useKept`). */
  readonly kept: Map<string, unknown>;
  /** Resolves when everything drawn up to now is on its way to the terminal. */
  drawn(): Promise<void>;
  /** Gives the terminal to another program and draws anew afterwards. */
  lend<T>(work: () => Promise<T>): Promise<T>;
  suspend(): void;
  /** Ends the program. */
  quit(code?: number): void;
}

const UiContext = createContext<Ui | undefined>(undefined);
/** Whether the keys go to what is inside: the screen on top, or the open modal. */
const ActiveContext = createContext(false);
/** What a screen may fill. */
const AreaContext = createContext<Size>({ columns: 80, rows: 20 });

export const UiProvider = UiContext.Provider;
export const ActiveProvider = ActiveContext.Provider;
export const AreaProvider = AreaContext.Provider;

export function useUi(): Ui {
  const ui = useContext(UiContext);
  if (ui === undefined) throw new Error('used outside of the user interface');
  return ui;
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** What is known of the trader's day; draws again when it changes. */
export function useSnapshot(): Snapshot {
  const { session } = useUi();
  return useSyncExternalStore(session.subscribe, session.snapshot);
}

export function useSession(): Session {
  return useUi().session;
}

export function useTheme(): Theme {
  return useUi().theme;
}

/** Columns and rows that this screen may fill (without header and key line). */
export function useSize(): Size {
  return useContext(AreaContext);
}

/** The keys go to this component's screen or modal now. */
export function useIsActive(): boolean {
  return useContext(ActiveContext);
}

/** State that is still there when the person comes back to this screen. */
export function useKept<T>(key: string, first: T): [T, (next: T) => void] {
  const { kept } = useUi();
  const [value, setValue] = useState<T>(() => (kept.has(key) ? (kept.get(key) as T) : first));
  return [
    value,
    (next) => {
      kept.set(key, next);
      setValue(next);
    },
  ];
}

interface KeyOptions {
  /** Every other key, for what is typed into. */
  readonly typing?: (key: Key) => void;
  /** False: as if it were not there. */
  readonly when?: boolean;
}

function signature(bindings: readonly Binding[]): string {
  return bindings.map((one) => `${one.keys.join(' ')}\t${one.label ?? ''}\t${one.does ?? ''}`).join('\n');
}

/** Binds keys while the component is mounted and its screen or modal is the active one. */
export function useKeys(bindings: readonly Binding[], options: KeyOptions = {}): void {
  const { keyboard, bound } = useUi();
  const isActive = useIsActive() && options.when !== false;
  const latest = useRef({ bindings, typing: options.typing, isActive });
  const entry = useRef<Bound | undefined>(undefined);
  useLayoutEffect(() => {
    latest.current = { bindings, typing: options.typing, isActive };
  });
  useLayoutEffect(() => {
    const remove = keyboard.add({
      isActive: () => latest.current.isActive,
      handle(key) {
        const { bindings: all, typing } = latest.current;
        const found = all.find((one) => one.keys.includes(key.name));
        if (found !== undefined) found.run(key);
        else if (typing === undefined) return 'not mine';
        else {
          typing(key);
          return 'typed';
        }
        return 'acted';
      },
    });
    return () => {
      remove();
      bound.set(bound.get().filter((one) => one !== entry.current));
      entry.current = undefined;
    };
  }, [keyboard, bound]);
  const shown = signature(bindings);
  useLayoutEffect(() => {
    const mine: Bound = { isActive, shown, read: () => latest.current.bindings };
    const before = entry.current;
    entry.current = mine;
    const all = bound.get();
    bound.set(before === undefined ? [...all, mine] : all.map((one) => (one === before ? mine : one)));
  }, [bound, shown, isActive]);
}

/** Says how something went, above the key line, until the next key. */
export function useSay(): (text: string) => void {
  const { notice } = useUi();
  return (text) => notice.set({ kind: 'done', text });
}

/** A failure in our words, safe for the terminal. */
export function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const hint = isFitError(error) && error.hint !== undefined ? ` (${error.hint})` : '';
  return safeText(message + hint, { maxLength: 500 });
}

/** Runs something that can fail; a failure becomes a notice, and the result undefined. */
export function useAttempt(): <T>(work: () => Promise<T>) => Promise<T | undefined> {
  const { notice } = useUi();
  return async (work) => {
    try {
      return await work();
    } catch (error) {
      notice.set({ kind: 'failed', text: wordsOf(error) });
      return undefined;
    }
  };
}
