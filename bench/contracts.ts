/**
 * Fair contracts between two daemons on loopback, beside their cryptography measured in the same minute. A contract is
 * proposed, received, accepted, and done when both daemons say `contracted`; each connection has proven the passphrase once.
 */
import { contractCryptography } from './cryptography.ts';
import { cpuMs, median, medianRatio, memory, nowMs, timed } from './measure.ts';
import type { Row } from './report.ts';
import type { Trader } from './traders.ts';

export interface Traders {
  readonly elm: Trader;
  readonly oak: Trader;
}

const WAIT = 120_000;
const WARM_UP = 10;
const SEQUENTIAL = 30;
const IN_FLIGHT = 8;

const text = (n: number): string =>
  Buffer.from(
    `# Sale of a bicycle, number ${n}\n\nThe seller hands over one blue bicycle, and the buyer pays 120 euros for it\nbefore the end of the month.\n`,
  ).toString('base64');

/** Resolves with the times of its two halves: until the other has the proposal, until both have the contract. */
async function contract({ elm, oak }: Traders, n: number): Promise<{ offer: number; exchange: number }> {
  let deal = '';
  const offer = await timed(async () => {
    ({ deal } = await elm.agent.dealPropose({ document: text(n), to: oak.name, arbiter: 'notary' }));
    await oak.agent.dealWait({ deal, for: ['offered'], timeoutMs: WAIT });
  });
  const exchange = await timed(async () => {
    await oak.agent.dealAccept({ deal });
    const done = await Promise.all(
      [elm, oak].map(({ agent }) => agent.dealWait({ deal, for: ['contracted'], timeoutMs: WAIT })),
    );
    if (!done.every(({ state, via }) => state === 'contracted' && via === 'peer')) throw new Error('no contract');
  });
  return { offer, exchange };
}

/** One contract after the other, each followed by its cryptography alone, so that both meet the same load. */
async function oneByOne(traders: Traders, count: number): Promise<Row[]> {
  const cryptography = await contractCryptography();
  for (let i = 0; i < WARM_UP; i += 1) {
    await contract(traders, i);
    cryptography();
  }
  const pids = [traders.elm.pid, traders.oak.pid];
  const whole: number[] = [];
  const exchange: number[] = [];
  const sum: number[] = [];
  const sumCpu: number[] = [];
  const cpuBefore = pids.map(cpuMs);
  for (let i = 0; i < count; i += 1) {
    const took = await contract(traders, i);
    whole.push(took.offer + took.exchange);
    exchange.push(took.exchange);
    const spent = cryptography();
    sum.push(spent.wallMs);
    sumCpu.push(spent.cpuMs);
  }
  const cpu = pids.reduce((total, pid, i) => total + cpuMs(pid) - (cpuBefore[i] ?? 0), 0) / count;
  return [
    {
      id: 'contract.cryptography',
      what: 'cryptography of a contract',
      value: median(sum),
      unit: 'ms',
      note: '2 proofs, 2 verifications, signatures',
    },
    {
      id: 'contract.wall',
      what: 'a contract, one at a time',
      value: median(whole),
      unit: 'ms',
      note: 'proposal to contracted at both',
    },
    { id: 'contract.ratio', what: '  beside its cryptography', value: medianRatio(whole, sum), unit: '×', most: 1.5 },
    { id: 'contract.exchangeRatio', what: '  acceptance to contracted', value: medianRatio(exchange, sum), unit: '×' },
    {
      id: 'contract.cryptographyCpu',
      what: 'CPU of its cryptography',
      value: sumCpu.reduce((a, b) => a + b, 0) / count,
      unit: 'ms',
    },
    {
      id: 'contract.cpu',
      what: 'CPU of a contract',
      value: cpu,
      unit: 'ms',
      most: 150,
      note: 'both daemons, all threads',
    },
  ];
}

/** The rest of `count`, eight at a time. */
async function together(traders: Traders, count: number): Promise<Row[]> {
  const pids = [traders.elm.pid, traders.oak.pid];
  const cpuBefore = pids.map(cpuMs);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await contract(traders, next);
    }
  };
  const ms = await timed(() => Promise.all(Array.from({ length: IN_FLIGHT }, worker)));
  const cpu = pids.reduce((total, pid, i) => total + cpuMs(pid) - (cpuBefore[i] ?? 0), 0) / count;
  return [
    { id: 'contract.rate', what: `contracts, ${IN_FLIGHT} at a time`, value: (count / ms) * 1000, unit: '/s' },
    { id: 'contract.rateCpu', what: '  CPU of a contract', value: cpu, unit: 'ms', note: 'both daemons, all threads' },
  ];
}

export async function measureContracts(traders: Traders, count: number, say: (text: string) => void): Promise<Row[]> {
  const start = nowMs();
  const sequential = Math.min(SEQUENTIAL, count - WARM_UP);
  const rows = await oneByOne(traders, sequential);
  say(`${sequential} contracts one at a time: ${Math.round(nowMs() - start)} ms`);
  rows.push(...(await together(traders, count - WARM_UP - sequential)));
  for (const { pid, name } of [traders.elm, traders.oak]) {
    const { rss, own, peak } = memory(pid);
    rows.push({
      id: `rss.after.${name}`,
      what: `RSS of ${name} after ${count} contracts`,
      value: rss,
      unit: 'MB',
      note: `own ${Math.round(own)}, highest ${Math.round(peak)}`,
    });
  }
  return rows;
}

export function measureIdle(trader: Trader): Row[] {
  const { rss, own, peak } = memory(trader.pid);
  const note = `own ${Math.round(own)}, highest ${Math.round(peak)}; unlocked, connected to its contacts`;
  return [{ id: 'rss.idle', what: 'RSS of an idle daemon', value: rss, unit: 'MB', most: 110, note }];
}
