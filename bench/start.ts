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

interface Series {
  readonly node: number[];
  readonly version: number[];
  readonly whoami: number[];
}

/** `rounds` runs of each, in turn. `fit` is started as a person starts it, through its first line and PATH. */
function series(env: NodeJS.ProcessEnv, rounds: number): Series {
  const made: Series = { node: [], version: [], whoami: [] };
  for (let i = 0; i <= rounds; i += 1) {
    const node = run(process.execPath, ['-e', '0'], env);
    const version = run('bin/fit', ['--version'], env);
    const whoami = run('bin/fit', ['whoami'], env);
    // The first round fills the page cache.
    if (i === 0) continue;
    made.node.push(node);
    made.version.push(version);
    made.whoami.push(whoami);
  }
  return made;
}

/** What makes every start of Node slower, and so every ratio smaller. */
const SLOWER = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'] as const;

/** In the environment that the bench was started in; and in an empty one, if that makes a difference. */
export function measureStart(trader: Trader, rounds: number): Row[] {
  const bare = { ...environmentOf(trader.home), PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` };
  const here = series({ ...process.env, ...bare }, rounds);
  const slower = SLOWER.filter((name) => (process.env[name] ?? '') !== '');
  const note = slower.length === 0 ? {} : { note: `with ${slower.join(', ')}` };
  const rows: Row[] = [
    { id: 'start.node', what: 'node -e 0', value: median(here.node), unit: 'ms', ...note },
    { id: 'start.version', what: 'fit --version', value: median(here.version), unit: 'ms' },
    {
      id: 'start.versionRatio',
      what: '  beside node -e 0',
      value: medianRatio(here.version, here.node),
      unit: '×',
      most: 1.3,
    },
    { id: 'start.whoami', what: 'fit whoami', value: median(here.whoami), unit: 'ms' },
    {
      id: 'start.whoamiRatio',
      what: '  beside node -e 0',
      value: medianRatio(here.whoami, here.node),
      unit: '×',
      most: 1.6,
    },
  ];
  if (slower.length === 0) return rows;
  const empty = series(bare, rounds);
  const bareNote = `without ${slower.join(', ')}: node -e 0 takes ${Math.round(median(empty.node))} ms`;
  return [
    ...rows,
    {
      id: 'start.bareVersionRatio',
      what: 'fit --version, bare',
      value: medianRatio(empty.version, empty.node),
      unit: '×',
      note: bareNote,
    },
    {
      id: 'start.bareWhoamiRatio',
      what: 'fit whoami, bare',
      value: medianRatio(empty.whoami, empty.node),
      unit: '×',
      note: bareNote,
    },
  ];
}
