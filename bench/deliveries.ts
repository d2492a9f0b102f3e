/**
 * Files delivered for a signed receipt between two daemons on loopback: hashed and sealed, offered, pulled, compared, exchanged,
 * opened. Done when both daemons say `completed` and the files can be had. In turn with one raw libp2p stream of as many bytes
 * between two processes, so that a machine's changing load meets both; `cp` of the same file says what the disk does,
 * `scp` and `rsync` what others do, where there is an sshd.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../src/lib/assert.ts';
import { connectRaw, type Raw, startPeer } from './bulk-ends.ts';
import { type Copying, startCopying, type Tool } from './copying.ts';
import { cpuMs, median, medianRatio, memory, nowMs, timed } from './measure.ts';
import type { Row } from './report.ts';
import { environmentOf, type Trader } from './traders.ts';

const WAIT = 900_000;
const MIB = 1024 * 1024;

/** A file of random bytes, on the disk. */
export function writeRandom(path: string, bytes: number): void {
  const fd = openSync(path, 'w');
  for (let left = bytes; left > 0; ) left -= writeSync(fd, randomBytes(Math.min(left, 4 * MIB)));
  fsyncSync(fd);
  closeSync(fd);
}

const PHASES = ['prepare', 'fetch', 'exchange'] as const;

/** Milliseconds of the clock and of the CPU, of both daemons together. */
interface Spent {
  readonly wall: number;
  readonly cpu: number;
}

type Delivered = Readonly<Record<(typeof PHASES)[number], Spent>>;

async function deliver(
  elm: Trader,
  oak: Trader,
  files: readonly string[],
  take: (path: string) => void = () => {},
): Promise<Delivered> {
  const now = (): Spent => ({ wall: nowMs(), cpu: cpuMs(elm.pid) + cpuMs(oak.pid) });
  const between = (from: Spent, to: Spent): Spent => ({ wall: to.wall - from.wall, cpu: to.cpu - from.cpu });
  const begun = now();
  const { deal } = await elm.agent.dealDeliver({ files, to: oak.name, arbiter: 'notary' });
  const offered = now();
  await oak.agent.dealWait({ deal, for: ['offered'], timeoutMs: WAIT });
  const fetched = new Promise<Spent>((done) => {
    oak.agent.onEvent((event) => {
      if (event.kind === 'fetched' && event.deal === deal) done(now());
    });
  });
  await oak.agent.dealAccept({ deal });
  const here = await fetched;
  const ends = await Promise.all(
    [elm, oak].map(({ agent }) => agent.dealWait({ deal, for: ['completed'], timeoutMs: WAIT })),
  );
  if (!ends.every(({ state, via }) => state === 'completed' && via === 'peer')) throw new Error('not delivered');
  const done = now();
  const [file] = (await oak.agent.deliveryShow({ deal })).files;
  take(present(file?.path, 'opened file'));
  await oak.agent.deliveryTaken({ deal });
  return { prepare: between(begun, offered), fetch: between(offered, here), exchange: between(here, done) };
}

/** In `rounds` turns. */
async function measureSize(
  folder: string,
  elm: Trader,
  oak: Trader,
  raw: Raw,
  copying: Copying | undefined,
  size: number,
  rounds: number,
): Promise<Row[]> {
  const path = join(folder, `file-${size}`);
  writeRandom(path, size * MIB);
  const peaks = () => [elm, oak].map(({ pid }) => memory(pid).peak);
  const before = peaks();
  const spent: Delivered[] = [];
  const plain: number[] = [];
  const copies: number[] = [];
  const tools = new Map<Tool, number[]>();
  for (let round = 0; round < rounds; round += 1) {
    spent.push(await deliver(elm, oak, [path]));
    plain.push(await timed(() => raw.pull(size * MIB)));
    copies.push(await timed(() => copyFileSync(path, `${path}.copy`)));
    for (const tool of copying?.tools ?? [])
      tools.set(tool, [...(tools.get(tool) ?? []), (await copying?.copy(tool, path)) ?? Number.NaN]);
  }
  const grown = Math.max(...peaks().map((peak, at) => peak - (before[at] ?? 0)));
  rmSync(path);
  rmSync(`${path}.copy`);
  const of = (phase: (typeof PHASES)[number], what: keyof Spent) => median(spent.map((one) => one[phase][what]));
  const all = (what: keyof Spent) => spent.map((one) => PHASES.reduce((sum, phase) => sum + one[phase][what], 0));
  const speed = (ms: number) => size / (ms / 1000);
  const id = `delivery.${size}`;
  return [
    {
      id: `${id}.speed`,
      what: `${size} MiB delivered for a receipt`,
      value: speed(median(all('wall'))),
      unit: 'MiB/s',
      note: copying === undefined ? 'read to opened; no sshd here to compare with' : 'read to opened',
    },
    { id: `${id}.prepare`, what: '  read, hashed and sealed', value: speed(of('prepare', 'wall')), unit: 'MiB/s' },
    { id: `${id}.fetch`, what: '  pulled and compared', value: speed(of('fetch', 'wall')), unit: 'MiB/s' },
    { id: `${id}.exchange`, what: '  four messages and opened', value: of('exchange', 'wall'), unit: 'ms' },
    { id: `${id}.raw`, what: '  one raw libp2p stream of the same', value: speed(median(plain)), unit: 'MiB/s' },
    { id: `${id}.ratio`, what: '  delivered over raw', value: medianRatio(plain, all('wall')), unit: '×', least: 0.4 },
    ...[...tools].map(([tool, ms]) => ({
      id: `${id}.${tool}`,
      what: `  ${tool} of it over a local sshd`,
      value: speed(median(ms)),
      unit: 'MiB/s',
    })),
    { id: `${id}.cp`, what: '  a copy of the file', value: speed(median(copies)), unit: 'MiB/s' },
    { id: `${id}.cpu`, what: '  CPU of both daemons', value: median(all('cpu')) / size, unit: 'ms/MiB' },
    ...PHASES.map((phase) => ({
      id: `${id}.${phase}Cpu`,
      what: `    ${phase}`,
      value: of(phase, 'cpu') / size,
      unit: 'ms/MiB',
    })),
    { id: `${id}.memory`, what: '  growth of a daemon’s memory', value: grown, unit: 'MB', most: 64 * 1.048576 },
  ];
}

function fit(trader: Trader, ...args: readonly string[]): void {
  const done = spawnSync(process.execPath, ['bin/fit', ...args], { env: environmentOf(trader.home), encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`fit ${args[0]}: ${done.stderr}`);
}

const FOLDER_FILES = 1000;

/** A folder of many small files as a person delivers it: packed, delivered for a receipt, unpacked and durable. */
async function measureFolder(
  folder: string,
  elm: Trader,
  oak: Trader,
  raw: Raw,
  copying: Copying | undefined,
  rounds: number,
): Promise<Row[]> {
  const source = join(folder, 'many');
  mkdirSync(source);
  for (let index = 0; index < FOLDER_FILES; index += 1) writeRandom(join(source, `file-${index}`), FILE_BYTES);
  const parts = { pack: [] as number[], deliver: [] as number[], unpack: [] as number[] };
  const plain: number[] = [];
  const tools = new Map<Tool, number[]>();
  for (let round = 0; round < rounds; round += 1) {
    const [packed, into] = [join(folder, `many-${round}.fitc`), join(folder, `unpacked-${round}`)];
    parts.pack.push(await timed(() => fit(elm, 'pack', source, '--out', packed)));
    const begun = nowMs();
    let unpacked = 0;
    await deliver(elm, oak, [packed], (path) => {
      parts.deliver.push(nowMs() - begun);
      const from = nowMs();
      fit(oak, 'unpack', path, '--to', into);
      unpacked = nowMs() - from;
    });
    parts.unpack.push(unpacked);
    plain.push(await timed(() => raw.pull(FOLDER_FILES * FILE_BYTES)));
    for (const tool of copying?.tools ?? [])
      tools.set(tool, [...(tools.get(tool) ?? []), (await copying?.copy(tool, source)) ?? Number.NaN]);
    rmSync(packed);
    rmSync(into, { recursive: true });
  }
  rmSync(source, { recursive: true });
  const all = parts.pack.map((ms, at) => ms + (parts.deliver[at] ?? 0) + (parts.unpack[at] ?? 0));
  const row = (id: string, what: string, ms: readonly number[]): Row => ({
    id: `delivery.folder${id}`,
    what,
    value: median(ms),
    unit: 'ms',
  });
  return [
    row('', `a folder of ${FOLDER_FILES} files of 10 KiB`, all),
    row('.pack', '  packed', parts.pack),
    row('.deliver', '  delivered for a receipt', parts.deliver),
    row('.unpack', '  unpacked, each file durable', parts.unpack),
    row('.raw', '  one raw libp2p stream of as many bytes', plain),
    ...[...tools].map(([tool, ms]) => row(`.${tool}`, `  ${tool} -r of it over a local sshd`, ms)),
  ];
}

const FILES = 400;
const FILE_BYTES = 10 * 1024;

/** Many small files as one delivery, in `rounds` turns. */
async function measureFiles(folder: string, elm: Trader, oak: Trader, rounds: number): Promise<Row[]> {
  const paths = Array.from({ length: FILES }, (_, index) => join(folder, `small-${index}`));
  for (const path of paths) writeRandom(path, FILE_BYTES);
  const spent: Delivered[] = [];
  for (let round = 0; round < rounds; round += 1) spent.push(await deliver(elm, oak, paths));
  const ms = spent.map((one) => PHASES.reduce((sum, phase) => sum + one[phase].wall, 0));
  const cpu = spent.map((one) => PHASES.reduce((sum, phase) => sum + one[phase].cpu, 0));
  return [
    { id: 'delivery.files', what: `${FILES} files of 10 KiB in one delivery`, value: median(ms), unit: 'ms' },
    ...PHASES.map((phase) => ({
      id: `delivery.files.${phase}`,
      what: `  ${phase}`,
      value: median(spent.map((one) => one[phase].wall)),
      unit: 'ms',
    })),
    { id: 'delivery.files.cpu', what: '  CPU of both daemons', value: median(cpu), unit: 'ms' },
  ];
}

/** `sizes`: MiB. */
export async function measureDeliveries(
  folder: string,
  elm: Trader,
  oak: Trader,
  sizes: readonly number[],
  rounds: number,
): Promise<Row[]> {
  const peer = await startPeer();
  const raw = await connectRaw(peer);
  const own = mkdtempSync(join(folder, 'deliver-'));
  const rows: Row[] = [];
  let copying: Copying | undefined;
  try {
    copying = await startCopying(join(own, 'ssh'));
    await oak.agent.subscribe({});
    const warm = join(own, 'warm');
    writeRandom(warm, 8 * MIB);
    await deliver(elm, oak, [warm]);
    await raw.pull(8 * MIB);
    rows.push(...(await measureFiles(own, elm, oak, rounds)));
    rows.push(...(await measureFolder(own, elm, oak, raw, copying, Math.min(rounds, 3))));
    for (const size of sizes)
      rows.push(...(await measureSize(own, elm, oak, raw, copying, size, size > 100 ? 1 : rounds)));
  } finally {
    await copying?.stop();
    await raw.stop();
    await peer.stop();
    rmSync(own, { recursive: true, force: true });
  }
  return rows;
}
