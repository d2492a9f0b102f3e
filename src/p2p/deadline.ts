/** The end of a request or a dial: its time, its caller's signal, or the stop of the link. */
import { setMaxListeners } from 'node:events';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';

/** A signal that any number of deadlines may listen to. */
export function stopController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** Aborts after `ms`, for any number of listeners; does not keep the process alive. */
export function timeoutSignal(ms: number): AbortSignal {
  const signal = AbortSignal.timeout(ms);
  setMaxListeners(0, signal);
  return signal;
}

/** `clear` must follow. Its signal's reason is a `FitError`: `peer-unreachable`, or `interrupted` by the caller. */
export class Deadline {
  readonly #controller = stopController();
  readonly #cancelTimer: () => void;
  readonly #release: () => void;

  constructor(
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
    stopped: AbortSignal,
    clock: Clock = systemClock,
  ) {
    const end = (error: FitError) => this.#controller.abort(error);
    const onSignal = () => end(new FitError('interrupted', 'the request was given up'));
    const onStop = () => end(new FitError('peer-unreachable', 'this end is going offline'));
    const { signal } = options;
    this.#cancelTimer = clock.at(clock.now() + options.timeoutMs, () =>
      end(new FitError('peer-unreachable', 'the peer did not reply in time')),
    );
    signal?.addEventListener('abort', onSignal);
    stopped.addEventListener('abort', onStop);
    this.#release = () => {
      signal?.removeEventListener('abort', onSignal);
      stopped.removeEventListener('abort', onStop);
    };
    if (signal?.aborted === true) onSignal();
    if (stopped.aborted) onStop();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The promise's outcome, or the rejection with the signal's reason if that comes first. */
  async race<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this;
    let stop = () => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
    try {
      return await Promise.race([promise, stopped]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  clear(): void {
    this.#cancelTimer();
    this.#release();
  }
}
