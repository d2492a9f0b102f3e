/**
 * One large delivery through kills: three of each side and one of the arbiter, at different parts of the fetch; then the same
 * file undisturbed. What was sent twice is what the sender wrote more in the disturbed run, from the kernel's count.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeRandom } from './deliveries.ts';
import type { Row } from './report.ts';
import { startTrader, type Trader } from './traders.ts';

const WAIT = 900_000;
const MIB = 1024 * 1024;

/** Bytes that a process has written, to files and sockets. */
const written = (pid: number): number => Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

type Who = 'elm' | 'oak' | 'notary';

export interface People {
  elm: Trader;
  oak: Trader;
  notary: Trader;
}

/** Delivers and opens; `kills`: who is killed when so much of it is there. Bytes that the sender wrote. */
async function run(people: People, path: string, kills: readonly (readonly [Who, number])[]): Promise<number> {
  const { deal } = await people.elm.agent.dealDeliver({ files: [path], to: 'oak', arbiter: 'notary' });
  let sum = 0;
  let mark = written(people.elm.pid);
  await people.oak.agent.dealWait({ deal, for: ['offered'], timeoutMs: WAIT });
  await people.oak.agent.dealAccept({ deal });
  for (const [who, part] of kills) {
    for (;;) {
      const { phase, done, total } = await people.oak.agent.deliveryShow({ deal });
      if (phase !== 'fetching' || done >= part * total) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const one = people[who];
    if (who === 'elm') sum += written(one.pid) - mark;
    process.kill(one.pid, 'SIGKILL');
    await one.agent.closed;
    people[who] = await startTrader(one.name, one.home);
    if (who === 'elm') mark = written(people.elm.pid);
  }
  for (const { agent } of [people.elm, people.oak]) {
    const end = await agent.dealWait({ deal, for: ['completed'], timeoutMs: WAIT });
    if (end.state !== 'completed') throw new Error(`it ended as ${end.state}`);
  }
  sum += written(people.elm.pid) - mark;
  const [file] = (await people.oak.agent.deliveryShow({ deal })).files;
  if (file?.path == null || (await digest(file.path)) !== (await digest(path))) throw new Error('other bytes came');
  await people.oak.agent.deliveryTaken({ deal });
  return sum;
}

/** `mib`: size of the file. */
export async function measureSurvival(folder: string, people: People, mib: number): Promise<Row[]> {
  const path = join(folder, 'large');
  writeRandom(path, mib * MIB);
  const kills: readonly (readonly [Who, number])[] = [
    ['oak', 0.1],
    ['elm', 0.25],
    ['oak', 0.4],
    ['notary', 0.5],
    ['elm', 0.6],
    ['oak', 0.75],
    ['elm', 0.9],
  ];
  const plain = await run(people, path, []);
  const disturbed = await run(people, path, kills);
  return [
    {
      id: 'survival.resent',
      what: `${mib} MiB through three kills of each side, sent twice`,
      value: ((disturbed - plain) / (mib * MIB)) * 100,
      unit: '%',
      most: 1,
      note: 'and one of the arbiter; the bytes are the same',
    },
  ];
}
