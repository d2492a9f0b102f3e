/** How far a content is: told seldom whatever a peer does, kept for nobody, and said with a rate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pace, paceOf, progressLine } from '../../src/cli/voice-delivery.ts';
import { createEvents } from '../../src/daemon/events.ts';
import { createMeter } from '../../src/daemon/progress.ts';
import { present } from '../../src/lib/assert.ts';
import type { FitEvent } from '../../src/rpc/agent.ts';
import { ManualClock } from '../support/manual-clock.ts';

const DEAL = '0123456789ab';

function setUp() {
  const clock = new ManualClock();
  const events = createEvents(clock);
  const told: FitEvent[] = [];
  events.listen(undefined, (event) => told.push(event));
  return { clock, events, told, tell: createMeter(clock, events) };
}

test('a content is told of once a second, and its end at once; a peer that asks for ends again and again tells nothing', async () => {
  const { clock, told, tell } = setUp();
  const step = { deal: DEAL, direction: 'out', phase: 'serving', total: 100 } as const;
  for (const done of [1, 2, 3]) tell({ ...step, done });
  assert.deepEqual(
    told.map((one) => one.done),
    [1],
  );
  tell({ ...step, done: 130 });
  for (let more = 0; more < 50; more += 1) for (const done of [100, 1]) tell({ ...step, done });
  assert.deepEqual(
    told.map((one) => one.done),
    [1, 100],
  );
  await clock.pass(1000);
  tell({ ...step, done: 7 });
  assert.deepEqual([told.length, told.at(-1)?.done], [3, 7]);
  // Another phase, direction or deal is another thing.
  tell({ ...step, direction: 'in', phase: 'fetching', done: 1 });
  tell({ ...step, direction: 'in', phase: 'opening', done: 1 });
  tell({ ...step, deal: 'ba9876543210', done: 1 });
  assert.equal(told.length, 6);
});

test('thousands of contents are told of, and forgotten', async () => {
  const { clock, told, tell } = setUp();
  const step = { direction: 'in', phase: 'fetching', done: 1, total: 2 } as const;
  for (let at = 0; at < 1000; at += 1) tell({ ...step, deal: `deal ${at}` });
  await clock.pass(1000);
  for (let at = 0; at < 1000; at += 1) tell({ ...step, deal: `deal ${at}` });
  for (let at = 0; at < 1000; at += 1) tell({ ...step, deal: `deal ${at}` });
  assert.equal(told.length, 2000);
});

test('progress pushes nothing out of what is kept for whoever listens later', () => {
  const { events, told } = setUp();
  events.emit({ kind: 'offer', deal: DEAL });
  for (let more = 0; more < 2000; more += 1) events.emit({ kind: 'progress', deal: DEAL, done: more, total: 2000 });
  assert.equal(told.length, 2001);
  const later: FitEvent[] = [];
  events.listen(0, (event) => later.push(event));
  assert.deepEqual(
    later.map((one) => one.kind),
    ['offer'],
  );
});

test('the rate is that of the phase, and what is left follows from it', () => {
  const event = (phase: NonNullable<FitEvent['phase']>, done: number): FitEvent => {
    const direction = phase === 'reading' ? 'out' : 'in';
    return { seq: 1, at: '', kind: 'progress', deal: DEAL, direction, phase, done, total: 40 * 2 ** 20 };
  };
  let pace: Pace | undefined = paceOf(undefined, event('fetching', 2 ** 20), 5000);
  assert.equal(progressLine(present(pace, 'pace')), '1.0 MiB of 40.0 MiB fetched');
  pace = paceOf(pace, event('fetching', 9 * 2 ** 20), 9000);
  assert.deepEqual([pace?.rate, pace?.left], [2 * 2 ** 20, 16]);
  assert.equal(progressLine(present(pace, 'pace')), '9.0 MiB of 40.0 MiB fetched, 2.0 MiB/s, 16 s left');
  // Fetched again from the beginning, or another phase: nothing is known of its rate.
  assert.equal(paceOf(pace, event('fetching', 0), 9500)?.rate, null);
  assert.equal(paceOf(pace, event('opening', 20 * 2 ** 20), 9500)?.rate, null);
  assert.equal(paceOf(pace, { seq: 1, at: '', kind: 'offer', deal: DEAL }, 9500), pace);
});
