/**
 * Tells when what was set in the screens has become what they show and what their keys do.
 * Guarantees: `settled` resolves after every state that was set before it was asked, and at once when nothing is mounted.
 */
import { type ReactElement, useLayoutEffect, useState } from 'react';

export interface Settling {
  settled(): Promise<void>;
  /** Stands beside the screens. */
  readonly element: ReactElement;
}

export function createSettling(): Settling {
  const waiting: (() => void)[] = [];
  let beat: (() => void) | undefined;
  const settle = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };

  // Its state is set in the same moment and with the same priority as the screens' own: one commit has them all.
  function Beat(): null {
    const [count, setCount] = useState(0);
    useLayoutEffect(() => {
      beat = () => setCount((before) => before + 1);
      return () => {
        beat = undefined;
        settle();
      };
    }, []);
    useLayoutEffect(() => {
      if (count > 0) settle();
    }, [count]);
    return null;
  }

  return {
    settled: () =>
      new Promise((resolve) => {
        if (beat === undefined) return resolve();
        waiting.push(resolve);
        beat();
      }),
    element: <Beat />,
  };
}
