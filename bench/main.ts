/**
 * `npm run bench -- [--contracts N] [--records N] [--rounds N] [--full] [--only PART,…] [--json FILE] [--profile FOLDER]`
 *
 * Measures the budgets of DESIGN §14, each side by side with what it is compared to, in one run; prints a table, and the
 * same as one line of JSON (on standard output, or in FILE). Exit code 1 if a budget is missed. By default under a minute;
 * `--full` makes 1,000 contracts and 1,000,000 records. The part `survival` (a large delivery through kills) is made when named. `--profile` has Node write CPU profiles of the daemons.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measureArchive } from './archive.ts';
import { measureBulkLink } from './bulk-link.ts';
import { measureContracts, measureIdle } from './contracts.ts';
import { measureDeliveries } from './deliveries.ts';
import { measureMisbehaviour } from './misbehaviour.ts';
import { json, type Row, table, within } from './report.ts';
import { measureSigning } from './signing.ts';
import { measureStart } from './start.ts';
import { measureSurvival } from './survival.ts';
import { measureTerminal } from './terminal.ts';
import { introduce, makeTrader, type Trader } from './traders.ts';

const PARTS = ['start', 'contracts', 'signing', 'archive', 'bulk', 'deliveries', 'terminal', 'survival'] as const;

const { values: options } = parseArgs({
  options: {
    contracts: { type: 'string' },
    records: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    full: { type: 'boolean', default: false },
    only: { type: 'string', default: PARTS.filter((part) => part !== 'survival').join(',') },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
});

function count(text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`not a number from ${least} on: ${text}`);
  return value;
}

const contracts = count(options.contracts ?? (options.full ? '1000' : '60'), 20);
const records = count(options.records ?? (options.full ? '1000000' : '20000'), 100);
const rounds = count(options.rounds, 3);
const wanted = options.only.split(',');
const wants = (part: (typeof PARTS)[number]): boolean => wanted.includes(part);

const say = (text: string): void => {
  process.stderr.write(`bench: ${text}\n`);
};

async function withDaemons(folder: string, started: Trader[]): Promise<Row[]> {
  const nodeOptions = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`];
  const make = async (name: string, extra: readonly string[] = []): Promise<Trader> => {
    const trader = await makeTrader(folder, name, { extra, nodeOptions });
    started.push(trader);
    return trader;
  };
  const [elm, oak, notary] = [await make('elm'), await make('oak'), await make('notary', ['--role', 'arbiter'])];
  await introduce([elm, oak, notary]);
  const rows: Row[] = [];
  if (wants('start')) rows.push(...measureStart(elm, rounds));
  if (wants('contracts')) {
    rows.push(...measureIdle(elm), ...(await measureContracts({ elm, oak }, contracts, say)));
    const { received } = await notary.agent.status();
    if (received.arbiter !== 0) throw new Error('the arbiter was asked');
  }
  if (wants('deliveries'))
    rows.push(
      ...(await measureDeliveries(folder, elm, oak, options.full ? [100, 1024] : [100], Math.max(3, rounds >> 1))),
      ...(await measureMisbehaviour(rounds)),
    );
  if (wants('survival')) {
    const people = { elm, oak, notary };
    try {
      rows.push(...(await measureSurvival(folder, people, options.full ? 1024 : 256)));
    } finally {
      started.push(...Object.values(people).filter((one) => !started.includes(one)));
    }
  }
  return rows;
}

const folder = mkdtempSync(join(tmpdir(), 'fit-bench-'));
const started: Trader[] = [];
const rows: Row[] = [];
const circumstances = {
  node: process.versions.node,
  cpus: cpus().length,
  cpu: cpus()[0]?.model ?? '',
  load: loadavg()[0] ?? 0,
  date: new Date().toISOString(),
};
try {
  if (wants('start') || wants('contracts') || wants('deliveries') || wants('survival')) {
    rows.push(...(await withDaemons(folder, started)));
    for (const trader of started.splice(0)) await trader.stop();
  }
  if (wants('signing')) rows.push(...(await measureSigning(folder)));
  if (wants('archive')) rows.push(...(await measureArchive(folder, records)));
  if (wants('bulk')) rows.push(...(await measureBulkLink(Math.max(3, rounds >> 1))));
  if (wants('terminal')) rows.push(...(await measureTerminal(folder, rounds)));
} finally {
  for (const trader of started) await trader.stop();
  rmSync(folder, { recursive: true, force: true });
}

process.stdout.write(table(rows));
if (options.json === undefined) process.stdout.write(json(rows, circumstances));
else writeFileSync(options.json, json(rows, circumstances));
if (!rows.every(within)) process.exitCode = 1;
