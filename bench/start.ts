/** Start of the command line beside that of Node itself: what a person waits for at every command. */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { median, medianRatio, nowMs } from './measure.ts';
import type { Row } from './report.ts';
import { environmentOf, type Trader } from './traders.ts';

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const start = nowMs();
  const done = spawnSync(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ms = nowMs() - start;
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`);
  return ms;
}

/** `rounds` runs of each, in turn. `fit` is started as a person starts it, through its first line and PATH. */
export function measureStart(trader: Trader, rounds: number): Row[] {
  const env = { ...environmentOf(trader.home), PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` };
  const node: number[] = [];
  const version: number[] = [];
  const whoami: number[] = [];
  for (let i = 0; i < rounds + 1; i += 1) {
    const one = [
      run(process.execPath, ['-e', '0'], env),
      run('bin/fit', ['--version'], env),
      run('bin/fit', ['whoami'], env),
    ] as const;
    // The first round fills the page cache.
    if (i === 0) continue;
    node.push(one[0]);
    version.push(one[1]);
    whoami.push(one[2]);
  }
  return [
    { id: 'start.node', what: 'node -e 0', value: median(node), unit: 'ms' },
    { id: 'start.version', what: 'fit --version', value: median(version), unit: 'ms' },
    { id: 'start.versionRatio', what: '  beside node -e 0', value: medianRatio(version, node), unit: '×', most: 1.3 },
    { id: 'start.whoami', what: 'fit whoami', value: median(whoami), unit: 'ms' },
    { id: 'start.whoamiRatio', what: '  beside node -e 0', value: medianRatio(whoami, node), unit: '×', most: 1.6 },
  ];
}
