/**
 * The controlling terminal, /dev/tty: prompts and secrets use it and never stdin or stdout, which may be files.
 * Guarantees: whatever ends the program, the terminal is as it was.
 */
import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { FitError } from '../lib/errors.ts';
import { atEnd } from './at-end.ts';

export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly rows: number;
  readonly columns: number;
  write(text: string): void;
  /** One key, as the characters that the terminal sent. Ctrl-C throws `interrupted`. */
  readKey(): Promise<string>;
  close(): void;
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';

export function interrupted(): FitError {
  return new FitError('interrupted', 'interrupted');
}

let current: Terminal | undefined;

/** A cursor key comes as several characters, a fast typist's keys come together. */
function keysOf(text: string): readonly string[] {
  return text.match(/\u001b\[[0-9;]*[A-Za-z~]|\u001bO.|[\s\S]/gu) ?? [];
}

/** What is typed next, without waiting for the end of a line. Throws `interrupted` if the terminal goes away. */
function read(input: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = () => {
      input.off('data', onData);
      input.off('close', onClose);
      input.off('error', onClose);
      input.pause();
      if (!input.destroyed) input.setRawMode(false);
    };
    const onData = (chunk: Buffer) => {
      done();
      resolve(chunk.toString());
    };
    const onClose = () => {
      done();
      reject(interrupted());
    };
    input.setRawMode(true);
    input.on('data', onData);
    input.on('close', onClose);
    input.on('error', onClose);
    input.resume();
  });
}

function create(input: ReadStream, output: WriteStream): Terminal {
  const onExit = () => {
    if (input.isRaw) input.setRawMode(false);
  };
  process.once('exit', onExit);
  const typed: string[] = [];
  const terminal: Terminal = {
    input,
    output,
    // A terminal that does not know its size says 0.
    get rows() {
      return Math.max(output.rows || 24, 8);
    },
    get columns() {
      return Math.max(output.columns || 80, 40);
    },
    write: (text) => void output.write(text),
    async readKey() {
      while (typed.length === 0) typed.push(...keysOf(await read(input)));
      const key = typed.shift() ?? '';
      if (key === CTRL_C || key === CTRL_D) throw interrupted();
      return key;
    },
    close() {
      if (current !== terminal) return;
      current = undefined;
      onExit();
      process.off('exit', onExit);
      // Text to a closed terminal (a hung-up session) is nobody's loss.
      output.on('error', () => {});
      output.write('\u001b[?25h');
      input.destroy();
      output.destroy();
    },
  };
  return terminal;
}

/** Undefined if this process has no terminal (cron, a pipe in CI, a service). */
export function openTerminal(): Terminal | undefined {
  if (current !== undefined) return current;
  let inputFd: number | undefined;
  try {
    inputFd = openSync('/dev/tty', 'r');
    const outputFd = openSync('/dev/tty', 'w');
    const terminal = create(new ReadStream(inputFd), new WriteStream(outputFd));
    current = terminal;
    // Open, it would keep the program from ending.
    atEnd(terminal.close);
    return terminal;
  } catch {
    if (inputFd !== undefined && current === undefined) {
      try {
        closeSync(inputFd);
      } catch {
        // Taken over by a stream that failed: closed with it.
      }
    }
    return undefined;
  }
}
