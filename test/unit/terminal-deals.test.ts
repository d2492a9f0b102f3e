/** The first screen's order, what it costs, and which deal stays selected when the list moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byNewest, createSession, type Session, type Snapshot } from '../../src/cli/terminal/session.ts';
import { indexOfSame, windowStart } from '../../src/cli/terminal/widgets/list.tsx';
import type { DealResult, DealSummary, FitEvent } from '../../src/rpc/agent.ts';
import type { AgentClient } from '../../src/rpc/client.ts';

const START = Date.parse('2026-11-20T12:00:00Z');

function dealAt(at: number, waitsFor: DealSummary['waitsFor'], minutes: number): DealSummary {
  return {
    deal: `d${at}`,
    kind: 'contract' as const,
    references: [],
    title: `Bell ${at}`,
    state: waitsFor === 'nobody' ? 'contracted' : 'offered',
    with: 'oak',
    verified: true,
    offeredBy: 'them',
    version: 1,
    document: 'ab'.repeat(32),
    waitsFor,
    until: null,
    updated: new Date(START + minutes * 60_000).toISOString(),
  };
}

const anyDeals = fc
  .array(fc.tuple(fc.constantFrom('you', 'them', 'arbiter', 'nobody'), fc.integer({ min: 0, max: 9 })), {
    maxLength: 40,
  })
  .map((all) => all.map(([waitsFor, minutes], at) => dealAt(at, waitsFor, minutes)));

test('what waits for you comes first, then the newest, and the order is always the same', () => {
  fc.assert(
    fc.property(anyDeals, fc.integer(), (deals, seed) => {
      const sorted = deals.toSorted(byNewest);
      sorted.forEach((deal, at) => {
        const next = sorted[at + 1];
        if (next === undefined) return;
        if (deal.waitsFor !== 'you') assert.notEqual(next.waitsFor, 'you');
        if ((deal.waitsFor === 'you') === (next.waitsFor === 'you')) assert.ok(deal.updated >= next.updated);
      });
      const turned = deals.toSorted((a, b) => ((a.deal.length * seed) % 7) - ((b.deal.length * seed) % 7)).reverse();
      assert.deepEqual(turned.toSorted(byNewest), sorted);
    }),
  );
});

test('the selection stays on its deal wherever that goes, and in its row when the deal is gone', () => {
  fc.assert(
    fc.property(anyDeals, anyDeals, fc.nat({ max: 39 }), (before, after, index) => {
      const selected = before[index]?.deal;
      const at = indexOfSame(after, index, selected, (deal) => deal.deal);
      if (after.some((deal) => deal.deal === selected)) assert.equal(after[at]?.deal, selected);
      else assert.equal(at, Math.min(index, Math.max(after.length - 1, 0)));
      const first = windowStart(0, at, after.length, 5);
      assert.ok(first <= at && at < first + 5);
    }),
  );
});

/** A daemon with `deals`, as far as the session asks it; counts how often an order looks at a deal. */
function daemonOf(deals: DealSummary[]): {
  readonly client: AgentClient;
  readonly looks: () => number;
  tell(event: FitEvent): void;
} {
  let looks = 0;
  let listener: (event: FitEvent) => void = () => {};
  const counted = (deal: DealSummary): DealSummary =>
    Object.defineProperty({ ...deal }, 'waitsFor', {
      enumerable: true,
      get() {
        looks += 1;
        return deal.waitsFor;
      },
    });
  const some: Partial<AgentClient> = {
    status: async () => ({
      pid: 1,
      version: '',
      name: 'elm',
      home: '',
      locked: false,
      addresses: [],
      roles: [],
      certificate: '',
      started: '2026-11-20T12:00:00Z',
      received: { arbiter: 0 },
      deals: deals.length,
      waiting: 0,
    }),
    contactList: async () => ({ contacts: [] }),
    approveList: async () => ({ requests: [] }),
    arbiterCases: async () => ({ cases: [] }),
    dealList: async () => ({ deals: deals.map(counted) }),
    dealShow: async ({ deal }) => deals.find((one) => one.deal === deal) as DealResult,
    configGet: async ({ key }) => ({ key, value: '10m' }),
    subscribe: async () => ({ seq: 0 }),
    onEvent(next) {
      listener = next;
    },
    closed: new Promise(() => {}),
    close() {},
  };
  return { client: some as AgentClient, looks: () => looks, tell: (event) => listener(event) };
}

function until(session: Session, fits: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  return new Promise((resolve) => {
    const look = () => {
      if (!fits(session.snapshot())) return;
      stop();
      resolve(session.snapshot());
    };
    const stop = session.subscribe(look);
    look();
  });
}

test('10,000 deals are put in order once for each change', async (t) => {
  const COUNT = 10_000;
  // Not in order to begin with.
  const deals = Array.from({ length: COUNT }, (_, at) =>
    dealAt(at, at % 3 === 0 ? 'you' : 'them', (at * 7919) % COUNT),
  );
  const daemon = daemonOf(deals);
  const session = createSession({ first: async () => daemon.client, again: () => Promise.reject(new Error('away')) });
  t.after(() => session.close());
  const first = await until(session, (snapshot) => snapshot.isComplete);
  assert.equal(first.deals.length, COUNT);
  assert.equal(first.deals[0]?.waitsFor, 'you');
  // Two looks for each comparison of one sort.
  const most = 2 * COUNT * Math.ceil(Math.log2(COUNT));
  const before = daemon.looks();
  assert.ok(before <= most, `${before} looks`);
  // One that waited for them waits for you now, and is the newest of all.
  const moved = dealAt(4000, 'you', COUNT + 1);
  deals[4000] = moved;
  daemon.tell({ seq: 1, at: moved.updated, kind: 'counter-offer', deal: moved.deal, state: 'offered' });
  const next = await until(session, (snapshot) => snapshot.deals[0]?.deal === moved.deal);
  assert.equal(next.deals.length, COUNT);
  assert.ok(daemon.looks() - before <= most, `${daemon.looks() - before} looks`);
});
