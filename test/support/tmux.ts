/** Real terminals for tests: a tmux server of their own, keys in, the screen's text out. Nothing waits for a fixed time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 40;
const WAIT_MS = 25_000;
let count = 0;

export const needsTmux = {
  skip: spawnSync('tmux', ['-V']).error === undefined ? false : 'tmux is not installed',
};

export interface Screen {
  /** What is typed, as tmux names keys: `Enter`, `Escape`, `C-c`; other text as it is. */
  keys(...keys: readonly string[]): void;
  type(text: string): void;
  text(): string;
  /** `alternate 0 cursor 1`: which screen is shown, and whether the cursor is. */
  flags(): string;
  /** The screen's text once it fits. */
  until(what: RegExp): Promise<string>;
  resize(columns: number, rows: number): void;
  close(): void;
}

/** Runs `command` (through a shell) in a terminal of this size. When it ends the screen says `ended with CODE`. */
export function openScreen(
  command: string,
  env: Readonly<Record<string, string>>,
  size: { readonly columns: number; readonly rows: number } = { columns: 80, rows: 24 },
): Screen {
  const socket = `fit-test-${process.pid}-${++count}`;
  const tmux = (...args: readonly string[]) => {
    const ran = spawnSync('tmux', ['-L', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' });
    return ran.stdout;
  };
  const variables = Object.entries({ LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', ...env }).flatMap(([name, value]) => [
    '-e',
    `${name}=${value}`,
  ]);
  const shell = `${command}; echo "ended with $?"; cat`;
  tmux('new-session', '-d', '-x', String(size.columns), '-y', String(size.rows), ...variables, shell);
  const text = () => tmux('capture-pane', '-p');
  return {
    keys: (...keys) => void tmux('send-keys', ...keys),
    type: (typed) => void tmux('send-keys', '-l', typed),
    text,
    flags: () => tmux('display-message', '-p', 'alternate #{alternate_on} cursor #{cursor_flag}').trim(),
    async until(what) {
      const end = Date.now() + WAIT_MS;
      for (;;) {
        const now = text();
        if (what.test(now)) return now;
        if (Date.now() > end) assert.fail(`${what} did not come:\n${now}`);
        await delay(LOOK_MS);
      }
    },
    resize: (columns, rows) => void tmux('resize-window', '-x', String(columns), '-y', String(rows)),
    close: () => void tmux('kill-server'),
  };
}
