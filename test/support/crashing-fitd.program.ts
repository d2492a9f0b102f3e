/**
 * The real daemon, that stops itself at a chosen write, lives at another time, or cheats with content. Options in
 * FIT_TEST_DAEMON (JSON):
 * `aheadSec`: its clock against ours; `clock`: a file with the same as text, read at the start and at each SIGUSR2, which a line
 * on stdout answers; `cheat`: its content worker is rogue-content.program.ts;
 * `orders`: a file that, once it is there, is read, removed and followed: `space` and `n`
 * name the nth write from then on that puts something into that space of the archive, `when` says before or after it is
 * durable, `signal` what the daemon then sends to itself, after a line on stdout.
 */
import { closeSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openLevelStore } from '../../src/archive/level-store.ts';
import type { Store } from '../../src/archive/store.ts';
import { startDaemon } from '../../src/daemon/compose.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { exitCodeOf } from '../../src/lib/errors.ts';
import { homePaths } from '../../src/lib/paths.ts';
import type { Cheat } from './rogue-content.program.ts';

export interface Orders {
  readonly space: string;
  readonly n: number;
  readonly when: 'before' | 'after';
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

interface Options {
  readonly aheadSec?: number;
  readonly orders?: string;
  readonly clock?: string;
  readonly cheat?: Cheat;
}

const options: Options = JSON.parse(process.env.FIT_TEST_DAEMON ?? '{}');

function aheadMsNow(): number {
  const { clock: file, aheadSec = 0 } = options;
  return (file !== undefined && existsSync(file) ? Number(readFileSync(file, 'utf8')) : aheadSec) * 1000;
}

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
  cancel: () => void;
}

let aheadMs = aheadMsNow();
const timers = new Set<Timer>();
function arm(timer: Timer): void {
  timer.cancel = systemClock.at(timer.atMs - aheadMs, () => {
    timers.delete(timer);
    timer.callback();
  });
}
const clock: Clock = {
  now: () => systemClock.now() + aheadMs,
  at(atMs, callback) {
    const timer: Timer = { atMs, callback, cancel: () => {} };
    timers.add(timer);
    arm(timer);
    return () => {
      timers.delete(timer);
      timer.cancel();
    };
  },
};
process.on('SIGUSR2', () => {
  aheadMs = aheadMsNow();
  for (const timer of [...timers]) {
    timer.cancel();
    arm(timer);
  }
  writeSync(1, 'moved\n');
});

/** The escrow worker; beside it, under the name that the daemon looks for, the content worker: the product's or the cheat. */
function workers(): URL {
  const product = pathToFileURL(resolve('dist/escrow-worker.js'));
  if (options.cheat === undefined) return product;
  const folder = `${homePaths().archive}.workers`;
  mkdirSync(folder, { recursive: true });
  const rogue = new URL('./rogue-content.program.js', import.meta.url);
  const files = {
    'package.json': '{"type":"module"}',
    'escrow-worker.js': `import ${JSON.stringify(product.href)};`,
    'content-worker.js': `process.env.FIT_TEST_CHEAT = ${JSON.stringify(options.cheat)}; await import(${JSON.stringify(rogue.href)});`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return pathToFileURL(join(folder, 'escrow-worker.js'));
}

let orders: Orders | undefined;
let count = 0;

function look(): void {
  const file = options.orders;
  if (file === undefined || !existsSync(file)) return;
  orders = JSON.parse(readFileSync(file, 'utf8'));
  rmSync(file);
  count = 0;
}

function stopHere({ signal }: Orders): void {
  orders = undefined;
  writeSync(1, 'here\n');
  process.kill(process.pid, signal);
}

async function openStore(path: string): Promise<Store> {
  const store = await openLevelStore(path);
  return {
    ...store,
    async batch(ops) {
      look();
      const mine = orders;
      const isMeant = mine !== undefined && ops.some((op) => op.kind === 'put' && op.space === mine.space);
      if (isMeant) count += 1;
      const isHere = isMeant && count === mine.n;
      if (isHere && mine.when === 'before') stopHere(mine);
      await store.batch(ops);
      if (isHere && mine.when === 'after') stopHere(mine);
    },
  };
}

try {
  const passphrase = process.argv.includes('--passphrase-fd') ? readFileSync(3, 'utf8').split('\n')[0] : undefined;
  const daemon = await startDaemon(homePaths(), { passphrase, clock, openStore, worker: workers() });
  process.once('SIGTERM', () => void daemon.stop());
  process.on('unhandledRejection', (error) => daemon.crash(error));
  writeSync(4, 'ready\n');
  closeSync(4);
  await daemon.stopped;
  process.exit(0);
} catch (error) {
  process.stderr.write(`fit: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(exitCodeOf(error));
}
