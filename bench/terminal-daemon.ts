/**
 * A socket with many deals behind it, for bench/terminal.ts: the real server over an agent that only lists.
 * `node terminal-daemon.js SOCKET DEALS`; says `ready` when it listens. Ends with its standard input.
 */
import { FitError } from '../src/lib/errors.ts';
import type { Agent, DealSummary, StatusResult } from '../src/rpc/agent.ts';
import { serve } from '../src/rpc/server.ts';

const [, , socket = '', count = '0'] = process.argv;
const NAMES = ['Trader Oak', 'Trader Fir', 'Händlerin Esche', '商人 松', 'Trader Ash 🌳'];
const STARTED = '2026-11-20T12:00:00Z';

const deals: DealSummary[] = Array.from({ length: Number(count) }, (_, at) => ({
  deal: `${(at + 32 ** 4).toString(32)}k7q2m3xd`,
  kind: 'contract' as const,
  references: [],
  title: `Sale of bicycle number ${at}`,
  state: at % 3 === 0 ? 'offered' : 'contracted',
  with: NAMES[at % NAMES.length] ?? '',
  verified: at % 2 === 0,
  version: 1 + (at % 4),
  document: 'ab'.repeat(32),
  offeredBy: 'them' as const,
  waitsFor: at % 3 === 0 ? 'you' : 'nobody',
  until: at % 3 === 0 ? '2026-12-27T12:00:00Z' : null,
  updated: new Date(Date.parse(STARTED) - at * 60_000).toISOString(),
}));

const status: StatusResult = {
  pid: process.pid,
  version: '0.1.0',
  name: 'Trader Elm',
  home: '',
  locked: false,
  addresses: [],
  roles: [],
  certificate: 'cd'.repeat(32),
  started: STARTED,
  received: { arbiter: 0 },
  deals: deals.length,
  waiting: 0,
};

const text = Buffer.from('# Sale\n\nOne blue bicycle for 120 euros.\n').toString('base64');

const agent: Partial<Agent> = {
  status: async () => status,
  contactList: async () => ({ contacts: [] }),
  dealList: async () => ({ deals }),
  approveList: async () => ({ requests: [] }),
  arbiterCases: async () => ({ cases: [] }),
  dealText: async ({ deal }) => ({ deal, version: 1, document: 'ab'.repeat(32), data: text }),
  subscribe: async () => ({ seq: 0 }),
  async configGet() {
    throw new FitError('not-found', 'no such setting');
  },
};

const server = await serve(() => agent as Agent, socket);
process.stdout.write('ready\n');
process.stdin.resume().once('end', () => void server.close().then(() => process.exit(0)));
