/**
 * `fit ui` in a terminal that script(1) makes: how long until the deals are on the screen, how long a key takes, how many
 * frames a second a long list scrolls at, and what a moved selection sends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { homePaths } from '../src/lib/paths.ts';
import { median, nowMs } from './measure.ts';
import type { Row } from './report.ts';

/** Built beside main.js. */
const DAEMON = join(dirname(process.argv[1] ?? ''), 'terminal-daemon.js');
const FIT = resolve('bin/fit');
const LIMIT_MS = 30_000;
/** What ends every frame (src/cli/terminal/frame.ts). */
const FRAME_END = '\u001b[?2026l';
const KEYS = 60;
const SCROLLED = 150;

interface Terminal {
  /** All that came so far. */
  readonly text: () => string;
  type(keys: string): void;
  /** Resolves with the time at which `isThere` was first true of what came since the last call, and with what came. */
  until(isThere: (since: string) => boolean): Promise<{ readonly ms: number; readonly bytes: number }>;
  ended(): Promise<void>;
}

/** Runs `command` in a terminal of 120 by 40. */
function inTerminal(command: string, home: string): Terminal {
  const child = spawn('script', ['-qec', `stty rows 40 cols 120; exec ${command}`, '/dev/null'], {
    env: { ...process.env, FIT_HOME: home, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  let text = '';
  let seen = 0;
  let look: () => void = () => {};
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    look();
  });
  return {
    text: () => text,
    type: (keys) => void child.stdin.write(keys),
    until: (isThere) =>
      new Promise((found, failed) => {
        const timer = setTimeout(() => {
          child.kill('SIGKILL');
          failed(new Error(`the terminal did not show it:\n${text.slice(-3000)}`));
        }, LIMIT_MS);
        look = () => {
          const since = text.slice(seen);
          if (!isThere(since)) return;
          look = () => {};
          clearTimeout(timer);
          seen = text.length;
          found({ ms: nowMs(), bytes: Buffer.byteLength(since) });
        };
        look();
      }),
    ended: () => closed,
  };
}

async function serveDeals(folder: string, count: number): Promise<{ readonly home: string; stop(): Promise<void> }> {
  const home = join(folder, `deals-${count}`);
  const paths = homePaths({ FIT_HOME: home });
  mkdirSync(dirname(paths.socket), { recursive: true, mode: 0o700 });
  writeFileSync(paths.config, 'name = "Trader Elm"\n');
  const child: ChildProcess = spawn(process.execPath, [DAEMON, paths.socket, String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  await new Promise<void>((ready, failed) => {
    child.stdout?.once('data', () => ready());
    child.once('close', () => failed(new Error('the daemon of the bench has ended')));
  });
  return {
    home,
    stop() {
      child.stdin?.end();
      return closed;
    },
  };
}

const isFrame = (since: string): boolean => since.includes(FRAME_END);
const hasList = (since: string): boolean => since.includes('bicycle number 0');

/** `fit ui` opened and its list shown. */
async function open(home: string): Promise<Terminal> {
  const terminal = inTerminal(`${process.execPath} ${FIT} ui`, home);
  await terminal.until(hasList);
  return terminal;
}

async function quit(terminal: Terminal): Promise<void> {
  terminal.type('q');
  await terminal.ended();
}

async function firstScreens(home: string, rounds: number): Promise<{ readonly node: number; readonly extra: number }> {
  const node: number[] = [];
  const extra: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    let start = nowMs();
    await inTerminal(`${process.execPath} -e 0`, home).ended();
    const bare = nowMs() - start;
    start = nowMs();
    const terminal = inTerminal(`${process.execPath} ${FIT} ui`, home);
    const { ms } = await terminal.until(hasList);
    await quit(terminal);
    // The first round fills the page cache.
    if (round === 0) continue;
    node.push(bare);
    extra.push(ms - start - bare);
  }
  return { node: median(node), extra: median(extra) };
}

/** One key after another, each after the frame of the one before. Two frames may come of a key: the list, then the preview. */
async function press(terminal: Terminal, key: string, times: number): Promise<{ ms: number[]; bytes: number[] }> {
  const ms: number[] = [];
  const bytes: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const start = nowMs();
    terminal.type(key);
    const frame = await terminal.until((since) => isFrame(since) && since.includes('▸'));
    ms.push(frame.ms - start);
    bytes.push(frame.bytes);
  }
  return { ms, bytes };
}

export async function measureTerminal(folder: string, rounds: number): Promise<Row[]> {
  const few = await serveDeals(folder, 1000);
  const many = await serveDeals(folder, 10_000);
  try {
    const first = await firstScreens(few.home, rounds);
    const scrolling = await open(few.home);
    const start = nowMs();
    const scrolled = await press(scrolling, 'j', SCROLLED);
    const frames = (SCROLLED * 1000) / (nowMs() - start);
    await quit(scrolling);
    const full = await open(many.home);
    const keys = await press(full, 'j', KEYS);
    const pages = await press(full, '\u001b[6~', KEYS);
    await quit(full);
    return [
      { id: 'terminal.node', what: 'node -e 0 in a terminal', value: first.node, unit: 'ms' },
      {
        id: 'terminal.first',
        what: 'fit ui: 1,000 deals shown, after that',
        value: first.extra,
        unit: 'ms',
        most: 350,
      },
      { id: 'terminal.frames', what: '  scrolled by a key', value: frames, unit: 'frames/s', least: 30 },
      { id: 'terminal.bytes', what: '  sent for a moved selection', value: median(scrolled.bytes), unit: 'bytes' },
      { id: 'terminal.key', what: 'key → frame, 10,000 deals', value: median(keys.ms), unit: 'ms', most: 50 },
      { id: 'terminal.keyWorst', what: '  the slowest of 60', value: Math.max(...keys.ms), unit: 'ms' },
      { id: 'terminal.page', what: 'page → frame, 10,000 deals', value: median(pages.ms), unit: 'ms', most: 50 },
    ];
  } finally {
    await Promise.all([few.stop(), many.stop()]);
  }
}
