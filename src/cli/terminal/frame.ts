/**
 * What Ink has drawn → the terminal. Ink lays out whole screens as text; this keeps the last one and sends only the lines
 * that differ, as one write.
 * Guarantees: no frame is wider or taller than the terminal; nothing is cleared that is not drawn anew in the same write; a
 * terminal that is slow gets the newest frame and not all of them; `drawn` tells when a frame has left this process.
 */
import { EventEmitter } from 'node:events';
import type { Lines } from './lines.ts';

/** The terminal, as far as drawing needs it: `process.stdout` is one. */
export interface Display {
  readonly columns: number;
  readonly rows: number;
  write(text: string, written: () => void): boolean;
}

export interface Painter {
  /** For Ink, in debug mode: it writes each screen as a whole. */
  readonly stdout: NodeJS.WriteStream;
  /** The terminal may show anything (resized, entered again): the next frame is drawn in full. */
  forget(): void;
  /** The size has changed: told to Ink. */
  resized(): void;
  /** Resolves when everything drawn up to now has been handed to the terminal. */
  drawn(): Promise<void>;
  /** Nothing is written while it is paused; going on draws in full. */
  pause(): void;
  resume(): void;
}

const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';
const RESET = '\u001b[0m';
const ERASE_REST = '\u001b[K';
const ERASE_SCREEN = '\u001b[2J';

const at = (row: number) => `\u001b[${row + 1};1H`;

/** The bytes that turn `before` into `after`; `before` undefined: into `after` from anything. */
export function difference(before: readonly string[] | undefined, after: readonly string[], rows: number): string {
  const parts: string[] = [];
  if (before === undefined) parts.push(RESET, ERASE_SCREEN);
  for (let row = 0; row < rows; row++) {
    const line = after[row] ?? '';
    const old = before === undefined ? '' : (before[row] ?? '');
    if (line === old) continue;
    // Erased first: a line that fills its row leaves the cursor on its last column, which erasing would take away.
    parts.push(at(row), ...(old === '' ? [] : [ERASE_REST]), line, RESET);
  }
  return parts.length === 0 ? '' : BEGIN + parts.join('') + END;
}

export function createPainter(display: Display, lines: Lines): Painter {
  let shown: readonly string[] | undefined;
  /** As Ink laid it out, with signs for rows. */
  let wanted: readonly string[] | undefined;
  let isStale = false;
  let isScheduled = false;
  let isWriting = false;
  let isPaused = false;
  const waiting: (() => void)[] = [];

  function settle(): void {
    for (const resolve of waiting.splice(0)) resolve();
  }

  function flush(): void {
    isScheduled = false;
    if (isWriting || isPaused) return;
    if (wanted === undefined) {
      settle();
      return;
    }
    isStale = false;
    const frame = wanted.map(lines.expand);
    const text = difference(shown, frame, display.rows);
    shown = frame;
    if (text === '') {
      settle();
      return;
    }
    isWriting = true;
    display.write(text, () => {
      isWriting = false;
      if (isStale || shown !== frame) schedule();
      else settle();
    });
  }

  function schedule(): void {
    isStale = true;
    if (isScheduled) return;
    isScheduled = true;
    // One frame for all that is drawn in this turn of the event loop.
    setImmediate(flush);
  }

  lines.onChange(schedule);
  // The least that Ink asks of a stream: no terminal, so that it sends no control sequences of its own.
  const stdout = Object.assign(new EventEmitter(), {
    get columns() {
      return display.columns;
    },
    get rows() {
      return display.rows;
    },
    write(output: string, done?: () => void): boolean {
      if (output !== '') {
        wanted = output.split('\n');
        schedule();
      }
      if (typeof done === 'function') setImmediate(done);
      return true;
    },
  });

  return {
    stdout: stdout as unknown as NodeJS.WriteStream,
    forget() {
      shown = undefined;
      schedule();
    },
    resized: () => void stdout.emit('resize'),
    drawn: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        schedule();
      }),
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      shown = undefined;
      schedule();
    },
  };
}
