/**
 * Taking the terminal and giving it back: alternate screen, raw mode, cursor, pasting in brackets.
 * Guarantees: whatever ends this program but SIGKILL, the terminal is as it was before; while it is stopped or another program
 * has the terminal, too; what is said on the way out is said on the screen that stays.
 */
import type { ReadStream, WriteStream } from 'node:tty';

// Wrapping is off: a picture that is wider than we think cuts its line and does not move the others.
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?2004h\u001b[?7l\u001b[2J\u001b[H';
// Emptied before it is left: terminals that were resized meanwhile (tmux) show lines of it on the other screen.
const LEAVE = '\u001b[0m\u001b[2J\u001b[H\u001b[?7h\u001b[?2004l\u001b[?25h\u001b[?1049l';

export interface ScreenOwner {
  /** Gives the terminal to `work` (an editor) and takes it back. */
  lend<T>(work: () => Promise<T>): Promise<T>;
  /** Ctrl-Z: back to the shell until `fg`. */
  suspend(): void;
  /** For good. */
  release(): void;
}

export interface Reactions {
  /** The terminal is no longer ours: draw nothing. */
  readonly left: () => void;
  /** It is ours again and empty. */
  readonly entered: () => void;
  readonly input: (chunk: Buffer) => void;
  /** Nothing more can be typed: the terminal is gone. */
  readonly inputEnded: () => void;
}

/** An orphaned process group cannot be stopped: after this time we are plainly still running. */
const NOT_STOPPED_MS = 300;
/** Before main.ts's own listeners, which write and exit. */
const ENDS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function takeTerminal(input: ReadStream, output: WriteStream, reactions: Reactions): ScreenOwner {
  let isOurs = false;

  function enter(): void {
    if (isOurs) return;
    isOurs = true;
    output.write(ENTER);
    input.setRawMode(true);
    input.ref();
    input.resume();
    reactions.entered();
  }

  function leave(): void {
    if (!isOurs) return;
    isOurs = false;
    reactions.left();
    // Writes to a terminal are synchronous: this is out before the process can end.
    output.write(LEAVE);
    input.pause();
    try {
      if (!input.destroyed) input.setRawMode(false);
    } catch {
      // A terminal that hung up has no mode to restore.
    }
  }

  function stop(): void {
    leave();
    process.off('SIGTSTP', stop);
    let timer: NodeJS.Timeout | undefined;
    const goOn = () => {
      clearTimeout(timer);
      process.off('SIGCONT', goOn);
      process.on('SIGTSTP', stop);
      enter();
    };
    process.once('SIGCONT', goOn);
    // The whole job, as the terminal itself would: what started us stops too.
    process.kill(0, 'SIGTSTP');
    timer = setTimeout(goOn, NOT_STOPPED_MS);
  }

  const onData = (chunk: Buffer) => {
    if (isOurs) reactions.input(chunk);
  };
  const onEnd = () => reactions.inputEnded();
  input.on('data', onData);
  input.once('end', onEnd);
  input.once('error', onEnd);
  for (const end of ENDS) process.prependListener(end, leave);
  process.prependListener('uncaughtException', leave);
  process.on('exit', leave);
  process.on('SIGTSTP', stop);
  enter();

  return {
    async lend(work) {
      leave();
      process.off('SIGTSTP', stop);
      try {
        return await work();
      } finally {
        process.on('SIGTSTP', stop);
        enter();
      }
    },
    suspend: stop,
    release() {
      leave();
      input.off('data', onData);
      input.off('end', onEnd);
      input.off('error', onEnd);
      for (const end of ENDS) process.off(end, leave);
      process.off('uncaughtException', leave);
      process.off('exit', leave);
      process.off('SIGTSTP', stop);
      input.unref();
    },
  };
}
