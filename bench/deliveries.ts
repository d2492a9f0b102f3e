/**
 * Files delivered for a signed receipt between two daemons on loopback: hashed and sealed, offered, pulled, compared, exchanged,
 * opened. Done when both daemons say `completed` and the files can be had. The raw stream of the same machine is in the part
 * `bulk`; `cp` of the same file says what the disk does.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMs, memory, nowMs, timed } from './measure.ts';
import type { Row } from './report.ts';
import type { Trader } from './traders.ts';

const WAIT = 900_000;
const MIB = 1024 * 1024;

function writeRandom(path: string, bytes: number): void {
  const fd = openSync(path, 'w');
  for (let left = bytes; left > 0; ) left -= writeSync(fd, randomBytes(Math.min(left, 4 * MIB)));
  fsyncSync(fd);
  closeSync(fd);
}

interface Spent {
  readonly prepare: number;
  readonly fetch: number;
  readonly exchange: number;
}

async function deliver(elm: Trader, oak: Trader, files: readonly string[]): Promise<Spent> {
  const begun = nowMs();
  const { deal } = await elm.agent.dealDeliver({ files, to: oak.name, arbiter: 'notary' });
  const offered = nowMs();
  await oak.agent.dealWait({ deal, for: ['offered'], timeoutMs: WAIT });
  const fetched = new Promise<number>((done) => {
    oak.agent.onEvent((event) => {
      if (event.kind === 'fetched' && event.deal === deal) done(nowMs());
    });
  });
  await oak.agent.dealAccept({ deal });
  const here = await fetched;
  const ends = await Promise.all(
    [elm, oak].map(({ agent }) => agent.dealWait({ deal, for: ['completed'], timeoutMs: WAIT })),
  );
  if (!ends.every(({ state, via }) => state === 'completed' && via === 'peer')) throw new Error('not delivered');
  const done = nowMs();
  await oak.agent.deliveryTaken({ deal });
  return { prepare: offered - begun, fetch: here - offered, exchange: done - here };
}

/** `sizes`: MiB. */
export async function measureDeliveries(
  folder: string,
  elm: Trader,
  oak: Trader,
  sizes: readonly number[],
): Promise<Row[]> {
  const own = mkdtempSync(join(folder, 'deliver-'));
  const rows: Row[] = [];
  try {
    await oak.agent.subscribe({});
    const warm = join(own, 'warm');
    writeRandom(warm, 8 * MIB);
    await deliver(elm, oak, [warm]);
    for (const size of sizes) {
      const path = join(own, `file-${size}`);
      writeRandom(path, size * MIB);
      const before = [elm, oak].map(({ pid }) => ({ cpu: cpuMs(pid), peak: memory(pid).peak }));
      const spent = await deliver(elm, oak, [path]);
      const after = [elm, oak].map(({ pid }) => ({ cpu: cpuMs(pid), peak: memory(pid).peak }));
      const copy = await timed(() => copyFileSync(path, `${path}.copy`));
      const whole = spent.prepare + spent.fetch + spent.exchange;
      const grown = Math.max(...after.map((one, at) => one.peak - (before[at]?.peak ?? 0)));
      const cpu = after.reduce((sum, one, at) => sum + one.cpu - (before[at]?.cpu ?? 0), 0);
      const id = `delivery.${size}`;
      rows.push(
        {
          id: `${id}.speed`,
          what: `${size} MiB delivered for a receipt`,
          value: size / (whole / 1000),
          unit: 'MiB/s',
          note: 'read to opened',
        },
        { id: `${id}.prepare`, what: '  read, hashed and sealed', value: size / (spent.prepare / 1000), unit: 'MiB/s' },
        { id: `${id}.fetch`, what: '  pulled and compared', value: size / (spent.fetch / 1000), unit: 'MiB/s' },
        { id: `${id}.exchange`, what: '  four messages and opened', value: spent.exchange, unit: 'ms' },
        { id: `${id}.cp`, what: '  a copy of the file', value: size / (copy / 1000), unit: 'MiB/s' },
        { id: `${id}.cpu`, what: '  CPU of both daemons', value: cpu / size, unit: 'ms/MiB' },
        { id: `${id}.memory`, what: '  growth of a daemon’s memory', value: grown, unit: 'MB', most: 64 },
      );
    }
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return rows;
}
