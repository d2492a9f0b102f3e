/**
 * The trader's day as a program sees it: one connection to the daemon and what is known through it, kept fresh by events.
 * No React and no terminal here: the screens and the plain mode both stand on it.
 *
 * Guarantees: `snapshot()` is the same object until something in it changed; what events touch is asked for at most once at a
 * time, however many come; a lost daemon is looked for until it answers, and what was known stays; the proof of the passphrase
 * ends by `forget`, with the connection, and when nobody has touched a key for `idleMs`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseDuration } from '../../lib/duration.ts';
import { FitError, isFitError } from '../../lib/errors.ts';
import type { Agent, CaseResult, ContactResult, DealSummary, FitEvent, StatusResult } from '../../rpc/agent.ts';
import type { ApprovalRequest } from '../../rpc/approvals.ts';
import { AGENT_METHODS, type AgentClient } from '../../rpc/client.ts';

export interface Snapshot {
  /** `away`: the connection was lost, and is looked for. */
  readonly connection: 'connecting' | 'online' | 'away';
  /** All that the first screen shows has come once. */
  readonly isComplete: boolean;
  readonly status: StatusResult | undefined;
  readonly isLocked: boolean;
  /** This connection has proven the passphrase: it can give consent. */
  readonly isProven: boolean;
  /** What waits for this trader first, then the newest first. */
  readonly deals: readonly DealSummary[];
  readonly contacts: readonly ContactResult[];
  /** Pending requests for approval, oldest first. */
  readonly requests: readonly ApprovalRequest[];
  readonly cases: readonly CaseResult[];
  /** Newest first, at most `KEPT_EVENTS`. */
  readonly events: readonly FitEvent[];
  /** Why something could not be asked for, until it could. */
  readonly problem: string | undefined;
}

export interface Session {
  snapshot(): Snapshot;
  /** Called after every change of the snapshot; never during one. */
  subscribe(listener: () => void): () => void;
  /** Called for every new event, after the snapshot has it. */
  onEvent(listener: (event: FitEvent) => void): () => void;
  /** All that the daemon can do, over the connection of the moment. */
  readonly agent: Agent;
  prove(passphrase: string): Promise<void>;
  forget(): Promise<void>;
  unlock(passphrase: string): Promise<void>;
  /** A person is there: the idle time begins anew. */
  active(): void;
  /** Asks for everything again. */
  refresh(): void;
  close(): void;
}

export interface SessionOptions {
  /** The first connection; may start the daemon. */
  readonly first: () => Promise<AgentClient>;
  /** Later ones: throws `daemon-unreachable` as long as nobody answers. */
  readonly again: () => Promise<AgentClient>;
  /** Used if the settings name none. */
  readonly idleMs?: number;
}

export const KEPT_EVENTS = 500;
const IDLE_MS = 10 * 60 * 1000;
const LOOK_AGAIN_MS = 250;
/** One question for each deal up to so many, else one for all. */
const MAX_SINGLE_DEALS = 16;

const EMPTY: Snapshot = {
  connection: 'connecting',
  isComplete: false,
  status: undefined,
  isLocked: true,
  isProven: false,
  deals: [],
  contacts: [],
  requests: [],
  cases: [],
  events: [],
  problem: undefined,
};

type Part = 'status' | 'deals' | 'contacts' | 'requests' | 'cases';
const PARTS: readonly Part[] = ['status', 'deals', 'contacts', 'requests', 'cases'];

/** What has to be asked for again. */
interface Wanted {
  readonly parts: Set<Part>;
  readonly deals: Set<string>;
}

/** The order of the first screen: what waits for you, then what changed last. */
export function byNewest(a: DealSummary, b: DealSummary): number {
  const isMine = a.waitsFor === 'you';
  if (isMine !== (b.waitsFor === 'you')) return isMine ? -1 : 1;
  if (a.updated !== b.updated) return a.updated < b.updated ? 1 : -1;
  return a.deal < b.deal ? -1 : a.deal > b.deal ? 1 : 0;
}

/** A list entry out of more (`dealShow` gives the versions and the history too). */
function summaryOf(deal: DealSummary): DealSummary {
  const { deal: id, kind, references, title, state, with: other, verified, version, document, ...rest } = deal;
  const { offeredBy, waitsFor, until, updated } = rest;
  const text = { kind, references, title, version, document, offeredBy };
  return { deal: id, ...text, state, with: other, verified, waitsFor, until, updated };
}

/** The parts that an event of this kind may have changed. */
export function touchedBy(event: FitEvent): readonly Part[] {
  const parts: Part[] = [];
  if (event.request !== undefined || event.kind === 'request') parts.push('requests');
  if (event.contact !== undefined || event.kind === 'online' || event.kind === 'offline') parts.push('contacts');
  if (event.kind.startsWith('contact')) parts.push('contacts', 'deals');
  if (event.kind === 'case' || event.kind === 'arbiter-request') parts.push('cases', 'status');
  if (event.kind === 'locked' || event.kind === 'unlocked') parts.push(...PARTS);
  return parts;
}

export function createSession(options: SessionOptions): Session {
  let snapshot = EMPTY;
  let client: AgentClient | undefined;
  let isClosed = false;
  let idleMs = options.idleMs ?? IDLE_MS;
  let idle: NodeJS.Timeout | undefined;
  let wanted: Wanted = { parts: new Set(), deals: new Set() };
  let refreshing: Promise<void> | undefined;
  let lastSeq = 0;
  let isReplaying = false;
  const listeners = new Set<() => void>();
  const eventListeners = new Set<(event: FitEvent) => void>();
  const closing = new AbortController();

  function change(some: Partial<Snapshot>): void {
    if (isClosed) return;
    snapshot = { ...snapshot, ...some };
    for (const listener of [...listeners]) listener();
  }

  function current(): Agent {
    if (client === undefined) {
      throw new FitError('daemon-unreachable', 'the daemon is away', { hint: 'wait a moment, or fit daemon start' });
    }
    return client;
  }

  const agent = Object.fromEntries(
    AGENT_METHODS.map((method) => [
      method,
      async (params?: object) => {
        const call = current()[method] as (params?: object) => Promise<unknown>;
        try {
          return await call(params);
        } catch (error) {
          // The daemon forgets by itself too: unused for long enough, or locked meanwhile.
          if (isFitError(error) && error.code === 'needs-passphrase') change({ isProven: false });
          throw error;
        }
      },
    ]),
  ) as unknown as Agent;

  async function fetchDeals(from: AgentClient, ids: ReadonlySet<string>): Promise<readonly DealSummary[]> {
    const found = await Promise.all(
      [...ids].map(async (deal) => {
        try {
          return summaryOf(await from.dealShow({ deal }));
        } catch (error) {
          if (isFitError(error) && error.code === 'not-found') return undefined;
          throw error;
        }
      }),
    );
    const fresh = new Map(found.filter((one) => one !== undefined).map((one) => [one.deal, one]));
    const others = snapshot.deals.filter((one) => !fresh.has(one.deal) && !ids.has(one.deal));
    return [...fresh.values(), ...others].sort(byNewest);
  }

  /** What a locked daemon cannot tell stays as it was. */
  async function unlessLocked<T>(ask: Promise<T>, before: T): Promise<T> {
    try {
      return await ask;
    } catch (error) {
      if (isFitError(error) && (error.code === 'locked' || error.code === 'not-found')) return before;
      throw error;
    }
  }

  async function fetch(from: AgentClient, { parts, deals }: Wanted): Promise<void> {
    const has = snapshot;
    const some: { -readonly [K in keyof Snapshot]?: Snapshot[K] } = {};
    const asked: Promise<unknown>[] = [];
    const ask = async <K extends keyof Snapshot>(key: K, work: Promise<Snapshot[K]>) => {
      some[key] = await unlessLocked(work, has[key]);
    };
    if (parts.has('status')) asked.push(ask('status', from.status()));
    if (parts.has('contacts')) {
      asked.push(
        ask(
          'contacts',
          from.contactList().then((result) => result.contacts),
        ),
      );
    }
    if (parts.has('cases')) {
      asked.push(
        ask(
          'cases',
          from.arbiterCases().then((result) => result.cases),
        ),
      );
    }
    if (parts.has('requests')) {
      asked.push(
        ask(
          'requests',
          from.approveList({}).then((result) => result.requests.filter((one) => one.state === 'pending')),
        ),
      );
    }
    if (parts.has('deals') || deals.size > MAX_SINGLE_DEALS) {
      asked.push(
        ask(
          'deals',
          from.dealList().then((result) => result.deals.toSorted(byNewest)),
        ),
      );
    } else if (deals.size > 0) asked.push(ask('deals', fetchDeals(from, deals)));
    await Promise.all(asked);
    if (client !== from) return;
    const { status } = some;
    change({
      ...some,
      ...(status === undefined ? {} : { isLocked: status.locked }),
      isComplete: true,
      problem: undefined,
    });
  }

  /** One at a time; what is wanted meanwhile is asked for together afterwards. */
  function refresh(): void {
    if (refreshing !== undefined || client === undefined || isClosed) return;
    if (wanted.parts.size === 0 && wanted.deals.size === 0) return;
    const now = wanted;
    wanted = { parts: new Set(), deals: new Set() };
    refreshing = fetch(client, now)
      .catch((error: unknown) => {
        // A lost connection asks for everything again; another failure is shown and not repeated.
        if (client !== undefined) change({ problem: error instanceof Error ? error.message : String(error) });
      })
      .finally(() => {
        refreshing = undefined;
        refresh();
      });
  }

  function want(parts: readonly Part[], deal?: string): void {
    for (const part of parts) wanted.parts.add(part);
    if (deal !== undefined) wanted.deals.add(deal);
    // After the events of the same moment.
    queueMicrotask(refresh);
  }

  function received(event: FitEvent): void {
    lastSeq = event.seq;
    // Of use to a screen that shows that content, and no news. What is still being read belongs to no deal yet.
    if (event.kind === 'progress') {
      if (event.phase !== 'reading') want([], event.deal);
      return;
    }
    // A proof ends when the keys are put away.
    if (event.kind === 'locked' && !isReplaying) change({ isProven: false });
    change({ events: [event, ...snapshot.events].slice(0, KEPT_EVENTS) });
    // Everything is asked for after them.
    if (isReplaying) return;
    want(touchedBy(event), event.deal);
    for (const listener of [...eventListeners]) listener(event);
  }

  /** From the settings, which may say nothing of it. */
  async function readIdle(from: AgentClient): Promise<void> {
    if (options.idleMs !== undefined) return;
    try {
      idleMs = parseDuration((await from.configGet({ key: 'consent.idle' })).value) * 1000;
    } catch (error) {
      if (!isFitError(error)) throw error;
    }
  }

  async function use(next: AgentClient): Promise<void> {
    client = next;
    next.onEvent(received);
    void next.closed.then(() => lost(next));
    try {
      // Events of this daemon from its start on, as far as it still has them; another daemon counts anew.
      if (snapshot.status?.started !== undefined) {
        const status = await next.status();
        if (status.started !== snapshot.status.started) {
          lastSeq = 0;
          change({ events: [] });
        }
      }
      isReplaying = true;
      await next.subscribe({ since: lastSeq });
      isReplaying = false;
      change({ connection: 'online' });
      want(PARTS);
      void readIdle(next).catch(() => {});
    } catch {
      // The connection broke at once: `lost` goes on.
      next.close();
    }
  }

  async function lost(gone: AgentClient): Promise<void> {
    if (client !== gone) return;
    client = undefined;
    clearTimeout(idle);
    change({ connection: 'away', isProven: false, requests: [] });
    await lookAgain();
  }

  /** Until somebody answers. */
  async function lookAgain(): Promise<void> {
    while (!isClosed) {
      try {
        await delay(LOOK_AGAIN_MS, undefined, { signal: closing.signal });
        const next = await options.again();
        if (isClosed) next.close();
        else await use(next);
        return;
      } catch {
        // Not yet.
      }
    }
  }

  function active(): void {
    clearTimeout(idle);
    if (snapshot.isProven) idle = setTimeout(() => void forget().catch(() => {}), idleMs);
  }

  async function forget(): Promise<void> {
    clearTimeout(idle);
    if (!snapshot.isProven) return;
    change({ isProven: false });
    await current().forget();
  }

  void options.first().then(
    (first) => (isClosed ? first.close() : use(first)),
    (error: unknown) => {
      change({ problem: error instanceof Error ? error.message : String(error), connection: 'away' });
      void lookAgain();
    },
  );

  return {
    snapshot: () => snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onEvent(listener) {
      eventListeners.add(listener);
      return () => eventListeners.delete(listener);
    },
    agent,
    async prove(passphrase) {
      await current().prove({ passphrase, source: 'terminal' });
      change({ isProven: true });
      active();
    },
    forget,
    async unlock(passphrase) {
      const status = await current().unlock({ passphrase });
      change({ status, isLocked: status.locked });
      want(PARTS);
    },
    active,
    refresh: () => want(PARTS),
    close() {
      isClosed = true;
      clearTimeout(idle);
      closing.abort();
      listeners.clear();
      client?.close();
    },
  };
}
