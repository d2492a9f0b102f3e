/**
 * Every run of a transfer: the two tables with a network that delivers a message that was posted never, later or often, a crash of
 * each side after every step, a person who ends the waiting, and either side cheating. No fairness is claimed; what is shown is
 * that nobody signs for what was not compared, nobody takes for a receipt what is none, and honest sides always can end well.
 * The search is worth what it catches: broken tables must be found.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransferTerms } from '../../src/exchange/terms.ts';
import {
  beginTransfer,
  isTransferFinal,
  stepTransfer,
  TRANSFER_RECEIVER,
  TRANSFER_SENDER,
  type TransferEffect,
  type TransferInput,
  type TransferState,
} from '../../src/exchange/transfer.ts';

type Tables = { readonly sender: typeof TRANSFER_SENDER; readonly receiver: typeof TRANSFER_RECEIVER };
const REAL: Tables = { sender: TRANSFER_SENDER, receiver: TRANSFER_RECEIVER };

interface World {
  readonly terms: TransferTerms;
  readonly corrupt: 'sender' | 'receiver' | null;
  readonly content: 'right' | 'wrong';
  readonly aborts: boolean;
}

interface Run {
  readonly sender: TransferState<string>;
  readonly receiver: TransferState<string>;
  /** Posted and never forgotten: each may arrive at any time, any number of times. */
  readonly posted: readonly string[];
  /** Times that a consent was used. */
  readonly used: readonly [number, number];
  /** The comparison runs; forgotten in a crash. */
  readonly comparing: boolean;
  readonly aborted: boolean;
}

const KEYS = ['key good', 'key wrong', 'key unsigned'] as const;
const ANSWERS = ['done receipt', 'done bare', 'done junk', 'fault wrong-content'] as const;

function messageOf(effect: TransferEffect, state: TransferState<string>): string | undefined {
  if (effect === 'sendKey') return state.origin === null ? 'key unsigned' : 'key good';
  if (effect === 'sendDone') return state.receipt === null ? 'done bare' : 'done receipt';
  return effect === 'sendFault' ? `fault ${state.fault}` : undefined;
}

/** The run after one side has taken an input, or undefined if nothing changes. */
function take(run: Run, side: 'sender' | 'receiver', input: TransferInput<string>, tables: Tables): Run | undefined {
  const [state, effects] = stepTransfer(run[side], input, tables[side]);
  if (effects.length === 0) return undefined;
  const messages = effects.flatMap((effect) => messageOf(effect, state) ?? []);
  const isUse = effects.includes('consume');
  return {
    ...run,
    [side]: state,
    posted: [...new Set([...run.posted, ...messages])].sort(),
    used: [run.used[0] + Number(isUse && side === 'sender'), run.used[1] + Number(isUse && side === 'receiver')],
    comparing: run.comparing || effects.includes('checkContent'),
  };
}

/** What a key message is for the receiver's machine: its shell has verified it. */
function keyInput(message: string, { terms }: World, { phase }: TransferState<string>): TransferInput<string> {
  const origin = message === 'key unsigned' ? null : 'origin';
  const isJunk = message === 'key wrong' || (terms.origin && origin === null);
  return isJunk && phase === 'waiting'
    ? { kind: 'junk', fault: message === 'key wrong' ? 'wrong-key' : 'wrong-origin' }
    : { kind: 'key', key: 'key', origin: terms.origin ? origin : null };
}

function answerInput(message: string, { terms }: World): TransferInput<string> {
  if (message.startsWith('fault'))
    return { kind: 'faulted', fault: message === 'fault ended' ? 'ended' : 'wrong-content' };
  if (terms.receipt === 'none') return { kind: 'acknowledged', receipt: null };
  return message === 'done receipt' ? { kind: 'acknowledged', receipt: 'receipt' } : { kind: 'unreceipted' };
}

function nextRuns(run: Run, world: World, tables: Tables): readonly Run[] {
  const { terms, corrupt, content } = world;
  const runs: (Run | undefined)[] = [];
  const post = (message: string): void =>
    void runs.push({ ...run, posted: [...new Set([...run.posted, message])].sort() });
  if (corrupt === 'sender') KEYS.forEach(post);
  if (corrupt === 'receiver') ['ready', ...ANSWERS].forEach(post);
  if (corrupt !== 'receiver' && run.receiver.phase === 'waiting') post('ready');
  for (const message of run.posted) {
    if (message === 'ready' && corrupt !== 'sender')
      runs.push(take(run, 'sender', { kind: 'accepted', key: 'key', origin: terms.origin ? 'origin' : null }, tables));
    else if (message.startsWith('key') && corrupt !== 'receiver')
      runs.push(take(run, 'receiver', keyInput(message, world, run.receiver), tables));
    else if (!message.startsWith('key') && message !== 'ready' && corrupt !== 'sender')
      runs.push(take(run, 'sender', answerInput(message, world), tables));
  }
  if (run.comparing) {
    const receipt = terms.receipt === 'asked' ? 'receipt' : null;
    const input: TransferInput<string> =
      content === 'right' ? { kind: 'right', receipt } : { kind: 'wrong', proof: 'proof' };
    const after = take(run, 'receiver', input, tables);
    runs.push(after === undefined ? undefined : { ...after, comparing: false });
  }
  for (const side of ['sender', 'receiver'] as const) {
    const crashed = side === 'receiver' ? { ...run, comparing: false } : run;
    runs.push(take(crashed, side, { kind: 'resumed' }, tables) ?? crashed);
  }
  for (const side of ['sender', 'receiver'] as const) {
    const aborted = world.aborts && !run.aborted ? take(run, side, { kind: 'abort' }, tables) : undefined;
    runs.push(aborted === undefined ? undefined : { ...aborted, aborted: true });
  }
  return runs.flatMap((one) => one ?? []);
}

/** What is wrong with a run, if anything. */
function fault({ sender, receiver, posted, used }: Run, { terms, corrupt, content }: World): string | undefined {
  if (used[0] > 1 || used[1] > 1) return 'a consent served twice';
  const signed = posted.includes('done receipt') && corrupt !== 'receiver';
  if (signed && terms.receipt === 'none') return 'a receipt that was not asked for';
  if (signed && content === 'wrong') return 'a receipt for wrong content';
  if (signed && used[1] === 0) return 'a receipt without consent';
  if (receiver.phase === 'completed' && content === 'wrong') return 'wrong content was taken';
  if (receiver.phase === 'completed' && terms.origin && receiver.origin === null) return 'taken without the statement';
  if (receiver.phase === 'failed' && receiver.fault === 'wrong-content' && receiver.proof === null)
    return 'wrong content and no proof';
  if (sender.phase === 'completed' && terms.receipt === 'asked' && sender.receipt !== 'receipt')
    return 'completed without the receipt that was asked for';
  const out = corrupt !== 'sender' && posted.some((one) => one.startsWith('key'));
  if (out && used[0] === 0) return 'the key left without consent';
  const honest = corrupt === null && content === 'right';
  if (honest && receiver.phase === 'failed' && receiver.fault !== 'ended') return 'right content was refused';
  const given = receiver.fault === 'ended' ? 'ended' : 'given-up';
  if (honest && sender.phase === 'failed' && sender.fault !== given && sender.fault !== 'given-up')
    return 'an honest receiver was blamed';
  return undefined;
}

interface Found {
  readonly states: number;
  readonly fault: string | undefined;
}

/** All runs. In worlds of honest sides with right content, from every state in which nobody gave it up both can end completed. */
function explore(world: World, tables: Tables = REAL): Found {
  const start: Run = {
    sender: beginTransfer('sender'),
    receiver: beginTransfer('receiver'),
    posted: [],
    used: [0, 0],
    comparing: false,
    aborted: false,
  };
  const keyOf = (run: Run): string => JSON.stringify(run);
  const seen = new Map([[keyOf(start), start]]);
  const before = new Map<string, Set<string>>();
  const queue = [start];
  for (let run = queue.pop(); run !== undefined; run = queue.pop()) {
    const wrong = fault(run, world);
    if (wrong !== undefined) return { states: seen.size, fault: wrong };
    for (const next of nextRuns(run, world, tables)) {
      const key = keyOf(next);
      before.set(key, (before.get(key) ?? new Set()).add(keyOf(run)));
      if (seen.has(key)) continue;
      seen.set(key, next);
      queue.push(next);
    }
    assert.ok(seen.size < 100_000, 'a search that gets this large is a mistake in the world');
  }
  if (world.corrupt !== null || world.content === 'wrong') return { states: seen.size, fault: undefined };
  const good = [...seen].filter(([, { sender, receiver }]) =>
    [sender, receiver].every(({ phase }) => phase === 'completed'),
  );
  const reaches = new Set(good.map(([key]) => key));
  const back = [...reaches];
  for (let key = back.pop(); key !== undefined; key = back.pop())
    for (const one of before.get(key) ?? []) {
      if (reaches.has(one)) continue;
      reaches.add(one);
      back.push(one);
    }
  const ended = [...seen.values()].filter(({ receiver }) => receiver.fault === 'ended').length;
  return {
    states: seen.size,
    fault: reaches.size === seen.size - ended ? undefined : 'a run that cannot end well any more',
  };
}

const TERMS = [true, false].flatMap((origin) =>
  (['asked', 'none'] as const).map((receipt): TransferTerms => ({ origin, receipt })),
);
const WORLDS: readonly World[] = TERMS.flatMap((terms) => [
  { terms, corrupt: null, content: 'right', aborts: false },
  { terms, corrupt: null, content: 'right', aborts: true },
  { terms, corrupt: 'receiver', content: 'right', aborts: true },
  { terms, corrupt: 'sender', content: 'right', aborts: false },
  { terms, corrupt: 'sender', content: 'wrong', aborts: false },
]);

for (const world of WORLDS) {
  const { terms, corrupt, content, aborts } = world;
  const named = `origin ${terms.origin}, receipt ${terms.receipt}, ${corrupt === null ? 'both honest' : `corrupt ${corrupt}`}`;
  test(`${named}, content ${content}${aborts ? ', a person gives up' : ''}`, (t) => {
    const found = explore(world);
    t.diagnostic(`${found.states} states`);
    assert.equal(found.fault, undefined);
    assert.ok(found.states > 5);
  });
}

type Row = (typeof TRANSFER_SENDER)[number];
const changed = (side: keyof Tables, from: Row['from'], on: Row['on'], change: Partial<Row> | null): Tables => {
  const rows = REAL[side].flatMap((row) =>
    row.from === from && row.on === on ? (change === null ? [] : [{ ...row, ...change }]) : [row],
  );
  assert.notDeepEqual(rows, REAL[side], 'a mutant differs');
  return { ...REAL, [side]: rows };
};

const MUTANTS: readonly (readonly [what: string, tables: Tables])[] = [
  [
    'the receipt before the comparison',
    changed('receiver', 'waiting', 'key', { to: 'completed', effects: ['consume', 'sendDone'] }),
  ],
  [
    'wrong content is taken',
    changed('receiver', 'opening', 'wrong', { to: 'completed', effects: ['record', 'sendDone'] }),
  ],
  ['junk is opened', changed('receiver', 'waiting', 'junk', { to: 'opening', effects: ['consume', 'checkContent'] })],
  ['no consent for the receipt', changed('receiver', 'waiting', 'key', { effects: ['record', 'checkContent'] })],
  ['no consent for the key', changed('sender', 'ready', 'accepted', { effects: ['record', 'sendKey'] })],
  ['anything is a receipt', changed('sender', 'keyed', 'unreceipted', { to: 'completed' })],
  [
    'the answer is lost, and is not given again',
    {
      ...REAL,
      receiver: changed('receiver', 'opening', 'right', { effects: ['record'] }).receiver.filter(
        ({ from, on }) => from !== 'completed' || on !== 'key',
      ),
    },
  ],
  ['the key never leaves', changed('sender', 'ready', 'accepted', { effects: ['consume'] })],
  ['right content is not taken', changed('receiver', 'opening', 'right', null)],
  ['a late receipt counts for nothing', changed('sender', 'failed', 'acknowledged', null)],
];

for (const [what, tables] of MUTANTS) {
  test(`a broken table is found: ${what}`, (t) => {
    const faults = WORLDS.flatMap((world) => explore(world, tables).fault ?? []);
    assert.ok(faults.length > 0, 'no world finds it');
    t.diagnostic(faults[0] ?? '');
  });
}

test('whatever changes a state records it first, and final states are left by a late receipt alone', () => {
  for (const table of [TRANSFER_SENDER, TRANSFER_RECEIVER])
    for (const { from, on, to, effects } of table) {
      if (from === to) assert.ok(!effects.includes('record') && !effects.includes('consume'), `${from} × ${on}`);
      else assert.match(effects[0] ?? '', /^(record|consume)$/, `${from} × ${on}`);
      if (isTransferFinal(from) && from !== to)
        assert.deepEqual([from, on, to], ['failed', 'acknowledged', 'completed']);
    }
});
