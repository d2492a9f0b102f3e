/**
 * The real daemon, that stops itself at a chosen write, or lives at another time. Options in FIT_TEST_DAEMON (JSON):
 * `aheadSec`: its clock against ours; `orders`: a file that, once it is there, is read, removed and followed: `space` and `n`
 * name the nth write from then on that puts something into that space of the archive, `when` says before or after it is
 * durable, `signal` what the daemon then sends to itself, after a line on stdout.
 */
import { closeSync, existsSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openLevelStore } from '../../src/archive/level-store.ts';
import type { Store } from '../../src/archive/store.ts';
import { startDaemon } from '../../src/daemon/compose.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { exitCodeOf } from '../../src/lib/errors.ts';
import { homePaths } from '../../src/lib/paths.ts';

export interface Orders {
  readonly space: string;
  readonly n: number;
  readonly when: 'before' | 'after';
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

interface Options {
  readonly aheadSec?: number;
  readonly orders?: string;
}

const options: Options = JSON.parse(process.env.FIT_TEST_DAEMON ?? '{}');
const aheadMs = (options.aheadSec ?? 0) * 1000;
const clock: Clock = {
  now: () => systemClock.now() + aheadMs,
  at: (atMs, callback) => systemClock.at(atMs - aheadMs, callback),
};

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
  const worker = pathToFileURL(resolve('dist/escrow-worker.js'));
  const daemon = await startDaemon(homePaths(), { passphrase, clock, openStore, worker });
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
