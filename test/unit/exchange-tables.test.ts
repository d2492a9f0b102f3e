/** The transition tables themselves: every phase with every input, and rules that no row may break. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ARBITER,
  ARBITER_PHASES,
  type ArbiterInput,
  type ArbiterState,
  type ArbiterTimes,
  CONTENT_ARBITER,
  initialArbiterState,
  stepArbiter,
} from '../../src/exchange/arbiter.ts';
import type { Row } from '../../src/exchange/machine.ts';
import {
  begin,
  COURSES,
  type Course,
  isFinal,
  ON_RESUME,
  ORIGINATOR,
  PARTY_PHASES,
  type PartyInput,
  type PartyPhase,
  type PartyRole,
  type PartyState,
  RECEIVER,
  RESPONDER,
  SENDER,
  step,
  tableOf,
} from '../../src/exchange/party.ts';

const TIMES = { notAfter: 1000, margin: 100 };
const EARLY = 899;
const LATE = 900;
const ROLES: readonly PartyRole[] = ['originator', 'responder'];

/** Every input that a party can get, at a time before the margin and at one within it. */
function partyInputs(): readonly PartyInput<string>[] {
  return [EARLY, LATE].flatMap((now): readonly PartyInput<string>[] => [
    ...[true, false].map(
      (consent) => ({ kind: 'proved', promise: 'own', release: 'rel', resolve: 'req', consent, now }) as const,
    ),
    { kind: 'promise', promise: 'theirs', resolve: 'req', now },
    { kind: 'release', contract: 'contract', now },
    { kind: 'resolved', contract: 'contract', now },
    { kind: 'key', contract: 'contract', now },
    { kind: 'token', token: 'token', now },
    { kind: 'void', token: 'void', now },
    { kind: 'right', now },
    { kind: 'wrong', proof: 'proof', now },
    { kind: 'declined', now },
    { kind: 'patience', now },
    { kind: 'deadline', now },
    { kind: 'abort', now },
    { kind: 'resolve', now },
  ]);
}

const guardOf = (input: PartyInput<string>) => {
  const inTime = input.now < TIMES.notAfter - TIMES.margin;
  const agreed = inTime && input.kind === 'proved' && input.consent;
  return { inTime, late: !inTime, agreed, notAgreed: !agreed };
};

/** A role in a course, and the phases that it has there. */
const SIDES = COURSES.flatMap((course) => ROLES.map((role) => ({ course, role, table: tableOf(role, course) })));
const phasesOf = (table: readonly { from: PartyPhase; to: PartyPhase }[]): readonly PartyPhase[] =>
  PARTY_PHASES.filter((phase) => table.some((row) => row.from === phase || row.to === phase));

function stateIn(role: PartyRole, phase: PartyPhase, course: Course): PartyState<string> {
  const state = begin<string>(role, TIMES, role === 'responder' ? 'theirs' : null, course);
  return { ...state, phase, promise: 'own', release: 'rel', resolve: 'req' };
}

for (const { course, role, table } of SIDES) {
  const name = `${role}, ${course}`;
  test(`${name}: every phase with every input is either a row or nothing`, () => {
    let taken = 0;
    let ignored = 0;
    for (const phase of PARTY_PHASES)
      for (const input of partyInputs()) {
        const state = stateIn(role, phase, course);
        const before = structuredClone(state);
        const [after, effects] = step(state, input);
        assert.deepEqual(state, before, 'the old state is left alone');
        const expected = table.find(
          (row) => row.from === phase && row.on === input.kind && (row.when === undefined || guardOf(input)[row.when]),
        );
        if (expected === undefined) {
          assert.equal(after, state);
          assert.deepEqual(effects, []);
          ignored++;
        } else {
          assert.equal(after.phase, expected.to);
          assert.equal(effects.length, expected.effects.length);
          const recorded = effects[0];
          assert.ok(recorded?.kind === 'record', 'the first effect records');
          assert.equal(recorded.state, after);
          taken++;
        }
      }
    assert.ok(taken > 20 && ignored > 100, `${taken} taken, ${ignored} ignored`);
  });

  test(`${name}: a final phase hears nothing`, () => {
    for (const phase of PARTY_PHASES.filter(isFinal))
      for (const input of partyInputs()) {
        const state = stateIn(role, phase, course);
        assert.deepEqual(step(state, input), [state, []]);
      }
  });

  test(`${name}: every row can be taken`, () => {
    const used = new Set<number>();
    for (const phase of PARTY_PHASES)
      for (const input of partyInputs())
        used.add(
          table.findIndex(
            (row) =>
              row.from === phase && row.on === input.kind && (row.when === undefined || guardOf(input)[row.when]),
          ),
        );
    for (const [i, row] of table.entries()) assert.ok(used.has(i), `${row.from} × ${row.on} [${row.when}] is shadowed`);
  });

  test(`${name}: what is taken with a guard is taken with its opposite too`, () => {
    for (const row of table) {
      if (row.when === undefined) continue;
      const whens = table.filter((one) => one.from === row.from && one.on === row.on);
      assert.equal(whens.length, 2, `${row.from} × ${row.on}`);
    }
  });

  test(`${name}: after a crash a phase repeats what its entry did, and never records or consumes`, () => {
    for (const phase of phasesOf(table)) {
      const names = ON_RESUME[role][phase];
      const state = stateIn(role, phase, course);
      const [after, effects] = step(state, { kind: 'resumed', now: EARLY });
      assert.equal(after, state);
      assert.equal(effects.length, names.length);
      const entering = new Set<string>(table.filter((row) => row.to === phase).flatMap((row) => row.effects));
      for (const name of names) {
        assert.ok(!['record', 'consume'].includes(name));
        assert.ok(entering.has(name), `${phase}: ${name} is something that entering the phase did`);
      }
    }
  });
}

type AnyRow = Row<PartyPhase, string, string, string>;

/** Phases that can follow, by any inputs, after a row with the wanted effect. */
function after(table: readonly AnyRow[], effect: string): ReadonlySet<PartyPhase> {
  const seen = new Set(table.filter((row) => row.effects.includes(effect)).map((row) => row.to));
  for (let size = -1; size !== seen.size; ) {
    size = seen.size;
    for (const row of table) if (seen.has(row.from)) seen.add(row.to);
  }
  return seen;
}

test('record comes first in every row, and alone justifies what follows', () => {
  for (const row of SIDES.flatMap((side) => side.table)) {
    assert.ok(row.effects[0] === 'record' || row.effects[0] === 'consume', `${row.from} × ${row.on}`);
    assert.ok(!row.effects.slice(1).some((effect) => effect === 'record' || effect === 'consume'));
  }
});

test('a consent is consumed by the promise and by nothing else, once', () => {
  for (const { table } of SIDES) {
    const consuming = table.filter((row) => row.effects.includes('consume'));
    assert.equal(consuming.length, 1);
    assert.deepEqual(
      consuming,
      table.filter((row) => row.effects.includes('sendPromise')),
    );
    assert.ok(!after(table, 'consume').has('proving'));
  }
});

test('only the originator may abort, and never once message 3 may be out', () => {
  for (const table of [RESPONDER, RECEIVER]) assert.ok(table.every((row) => !row.effects.includes('askAbort')));
  for (const table of [ORIGINATOR, SENDER]) {
    const released = after(table, 'sendRelease');
    for (const row of table)
      if (row.effects.includes('askAbort')) assert.ok(!released.has(row.from), `${row.from} × ${row.on}`);
  }
});

test('nobody releases after having asked to abort, and nobody without the peer’s promise', () => {
  for (const table of [ORIGINATOR, SENDER]) {
    const aborting = after(table, 'askAbort');
    for (const row of table)
      if (row.effects.includes('sendRelease')) {
        assert.ok(!aborting.has(row.from));
        assert.equal(row.on, 'promise');
        assert.equal(row.when, 'inTime');
      }
  }
  for (const row of [...RESPONDER, ...RECEIVER])
    if (row.effects.includes('sendRelease')) assert.equal(row.to, 'contracted');
});

test('whoever has sent a promise ends only with a contract or the arbiter’s word', () => {
  for (const { table } of SIDES)
    for (const row of table)
      if (row.from !== 'proving') {
        if (row.to === 'contracted') assert.ok(['release', 'resolved', 'right'].includes(row.on));
        if (row.to === 'aborted') assert.ok(['token', 'void'].includes(row.on));
        assert.notEqual(row.to, 'dropped');
      }
});

test('from every phase an end is reachable with nobody’s help but the arbiter’s', () => {
  const own = new Set([
    'proved',
    'patience',
    'deadline',
    'abort',
    'resolve',
    'resolved',
    'token',
    'right',
    'wrong',
    'void',
  ]);
  for (const { role, course, table } of SIDES)
    for (const phase of phasesOf(table)) {
      const seen = new Set<PartyPhase>([phase]);
      for (let size = -1; size !== seen.size; ) {
        size = seen.size;
        for (const row of table) if (seen.has(row.from) && own.has(row.on)) seen.add(row.to);
      }
      assert.ok([...seen].some(isFinal), `${role} ${course} ${phase}`);
    }
});

test('⚔ a receiver of content gives its receipt only for content that was compared', () => {
  for (const row of RECEIVER)
    if (row.to === 'contracted' && row.effects.includes('sendRelease'))
      assert.deepEqual([row.from, row.on], ['opening', 'right']);
  for (const row of RECEIVER) if (row.on === 'wrong') assert.ok(row.effects.includes('complain'));
});

test('⚔ a key that comes from an open window after message 3 does not end a complaint', () => {
  const state = stateIn('responder', 'complaining', 'delivery');
  assert.deepEqual(step(state, { kind: 'key', contract: 'contract', now: EARLY }), [state, []]);
  assert.equal(step(state, { kind: 'resolved', contract: 'contract', now: EARLY })[0].phase, 'contracted');
  for (const phase of ['promised', 'resolving'] as const)
    assert.equal(
      step(stateIn('responder', phase, 'delivery'), { kind: 'key', contract: 'c', now: EARLY })[0].phase,
      'opening',
    );
});

const ARBITER_TIMES: ArbiterTimes = { notAfter: 1000, retention: 500 };

/** The machine without content and with it: its table, its phases, its times. */
const COURTS = [
  { table: ARBITER, phases: ['none', 'aborted', 'resolved'], times: ARBITER_TIMES },
  { table: CONTENT_ARBITER, phases: ARBITER_PHASES, times: { ...ARBITER_TIMES, window: 300 } },
] as const;

/** Without a window: the arbiter compares the content. */
const FULL = { table: CONTENT_ARBITER, phases: ARBITER_PHASES, times: { ...ARBITER_TIMES, full: true } } as const;

const PORTS = { token: () => 'token', voidToken: () => 'void' };

function arbiterInputs(): readonly ArbiterInput<string>[] {
  return [999, 1000, 1199, 1200, 1499, 1500].flatMap((now) =>
    (['O', 'R'] as const).flatMap((by): readonly ArbiterInput<string>[] => [
      { kind: 'abort', by, now },
      { kind: 'resolve', by, now },
      { kind: 'resolve', by, uploaded: true, now },
      { kind: 'status', by, now },
      { kind: 'opened', by, answer: 'both', now },
      ...(['right', 'wrong', 'missing'] as const).flatMap((content) => [
        { kind: 'opened', by, answer: 'both', content, now } as const,
        { kind: 'opened', by, answer: null, content, now } as const,
      ]),
      { kind: 'opened', by, answer: null, now },
      { kind: 'misbehaviour', by, valid: true, now },
      { kind: 'misbehaviour', by, valid: false, now },
    ]),
  );
}

const ARBITER_STATES: Readonly<Record<(typeof ARBITER_PHASES)[number], ArbiterState<string>>> = {
  none: initialArbiterState(),
  aborted: { phase: 'aborted', token: 'stored token', cause: 'request', answer: null, until: null },
  resolved: { phase: 'resolved', token: null, cause: null, answer: 'stored answer', until: null },
  pending: { phase: 'pending', token: null, cause: null, answer: 'stored answer', until: 1200 },
  voided: { phase: 'voided', token: 'stored void', cause: null, answer: null, until: null },
};

function arbiterGuards(state: ArbiterState<string>, input: ArbiterInput<string>, times: ArbiterTimes) {
  return {
    forgotten: input.now >= 1500 || (state.phase === 'none' && times.lost === true),
    expired: input.now >= 1000,
    byOriginator: input.by === 'O',
    bothOpened: input.kind === 'opened' && input.answer !== null && times.full !== true,
    missing:
      times.full === true &&
      ((input.kind === 'resolve' && input.uploaded === undefined) ||
        (input.kind === 'opened' && input.content === 'missing')),
    foundRight: times.full === true && input.kind === 'opened' && input.answer !== null && input.content === 'right',
    foundWrong: times.full === true && input.kind === 'opened' && input.answer !== null && input.content === 'wrong',
    proven: input.kind === 'misbehaviour' && input.valid && input.by === 'R',
    windowOver: state.until !== null && input.now >= state.until,
  };
}

test('arbiter: every phase with every input takes the first row that fits, and there always is one', () => {
  const used = new Map<unknown, Set<number>>([
    [ARBITER, new Set()],
    [CONTENT_ARBITER, new Set()],
  ]);
  for (const court of [...COURTS, FULL]) {
    for (const times of [court.times, { ...court.times, lost: true }])
      for (const phase of court.phases)
        for (const input of arbiterInputs()) {
          if (input.kind === 'misbehaviour' && court.table === ARBITER) continue;
          const state = ARBITER_STATES[phase];
          const guards = arbiterGuards(state, input, times);
          const at = court.table.findIndex(
            (row) => row.from === phase && row.on === input.kind && (row.when === undefined || guards[row.when]),
          );
          used.get(court.table)?.add(at);
          const expected = court.table[at];
          assert.ok(expected !== undefined);
          const [next, effects] = stepArbiter(PORTS, times, state, input);
          assert.equal(next.phase, expected.to);
          // While the window is open the answer is a part of the stored one.
          const kinds = effects.map(({ kind }) => (kind === 'released' || kind === 'pending' ? 'answer' : kind));
          assert.deepEqual(kinds, expected.effects);
        }
  }
  for (const table of [ARBITER, CONTENT_ARBITER])
    for (const [i, row] of table.entries())
      assert.ok(used.get(table)?.has(i), `${row.from} × ${row.on} [${row.when}] is shadowed`);
});

test('⚔ full check: nothing is opened before the ciphertext is here, and what it opens to decides at once', () => {
  const none = initialArbiterState<string>();
  const at = (input: ArbiterInput<string>, state = none) => stepArbiter(PORTS, FULL.times, state, input);
  for (const by of ['O', 'R'] as const) {
    assert.deepEqual(at({ kind: 'resolve', by, now: 900 }), [none, [{ kind: 'wanted', to: by }]]);
    assert.deepEqual(at({ kind: 'resolve', by, uploaded: true, now: 900 }), [none, [{ kind: 'open', by }]]);
    const opened = { kind: 'opened', by, answer: 'both', now: 900 } as const;
    // Never pending, whatever the shell says or forgets to say.
    assert.deepEqual(at(opened), [none, [{ kind: 'refuse', to: by }]]);
    assert.deepEqual(at({ ...opened, content: 'missing' }), [none, [{ kind: 'wanted', to: by }]]);
    assert.deepEqual(at({ ...opened, answer: null, content: 'wrong' }), [none, [{ kind: 'refuse', to: by }]]);
    assert.deepEqual(at({ ...opened, content: 'right' })[1].at(-1), {
      kind: 'answer',
      to: by,
      verdict: 'resolved',
      value: 'both',
    });
    const [voided, effects] = at({ ...opened, content: 'wrong' });
    assert.deepEqual([voided.phase, voided.token, voided.answer], ['voided', 'void', null]);
    assert.deepEqual(effects.at(-1), { kind: 'answer', to: by, verdict: 'voided', value: 'void' });
    // What has been decided meanwhile stays.
    const aborted = ARBITER_STATES.aborted;
    assert.equal(at({ ...opened, content: 'right' }, aborted)[0], aborted);
  }
  // A proof is taken as ever: the receiver may have the key from the sender.
  assert.equal(at({ kind: 'misbehaviour', by: 'R', valid: true, now: 900 })[0].phase, 'voided');
});

test('⚔ a receiver whose arbiter compared wrong content owes nothing, without a proof of its own', () => {
  for (const phase of ['promised', 'resolving'] as const) {
    const [after] = step(stateIn('responder', phase, 'delivery'), { kind: 'void', token: 'void', now: EARLY });
    assert.deepEqual([after.phase, after.voided, after.proof], ['aborted', true, null]);
  }
});

test('⚔ content: the receiver has the key at once, the sender its receipt only after the window, nobody after a void', () => {
  const [, content] = COURTS;
  const at = (state: ArbiterState<string>, input: ArbiterInput<string>) =>
    stepArbiter(PORTS, content.times, state, input);
  const [pending] = at(initialArbiterState(), { kind: 'opened', by: 'O', answer: 'both', now: 900 });
  assert.deepEqual([pending.phase, pending.until], ['pending', 1200]);
  const ask = { kind: 'resolve', now: 1199 } as const;
  assert.deepEqual(at(pending, { ...ask, by: 'R' })[1], [{ kind: 'released', to: 'R', value: 'both' }]);
  assert.deepEqual(at(pending, { ...ask, by: 'O' })[1], [{ kind: 'pending', to: 'O', until: 1200 }]);
  const proof = { kind: 'misbehaviour', valid: true, now: 1199 } as const;
  assert.equal(at(pending, { ...proof, by: 'O' })[0].phase, 'pending', 'only the receiver complains');
  assert.equal(at(pending, { ...proof, valid: false, by: 'R' })[0].phase, 'pending');
  const [voided] = at(pending, { ...proof, by: 'R' });
  assert.deepEqual([voided.phase, voided.token, voided.answer], ['voided', 'void', null]);
  assert.deepEqual(at(voided, { ...ask, by: 'O', now: 1300 })[1], [
    { kind: 'answer', to: 'O', verdict: 'voided', value: 'void' },
  ]);
  const [final, effects] = at(pending, { ...proof, by: 'R', now: 1200 });
  assert.equal(final.phase, 'resolved', 'the window was over');
  assert.deepEqual(effects.at(-1), { kind: 'answer', to: 'R', verdict: 'resolved', value: 'both' });
  // Also before anybody has asked, or the sender could resolve later and be paid for a bad file.
  assert.equal(at(initialArbiterState(), { ...proof, by: 'R', now: 900 })[0].phase, 'voided');
});

test('arbiter: a decision stays, and its answer is always the stored one', () => {
  for (const phase of ['aborted', 'resolved'] as const)
    for (const input of arbiterInputs()) {
      const state = ARBITER_STATES[phase];
      if (input.kind === 'misbehaviour') continue;
      const other = { token: () => 'another token', voidToken: () => 'another void' };
      const [next, [effect, ...more]] = stepArbiter(other, ARBITER_TIMES, state, input);
      assert.equal(next, state);
      assert.deepEqual(more, []);
      const answer = phase === 'aborted' ? 'stored token' : 'stored answer';
      const expected =
        input.now >= 1500
          ? { kind: 'unknown', to: input.by }
          : { kind: 'answer', to: input.by, verdict: phase, value: answer };
      assert.deepEqual(effect, expected);
    }
});

test('arbiter: nothing signed is answered that is not stored', () => {
  for (const row of [...ARBITER, ...CONTENT_ARBITER])
    if (row.effects.includes('answer') && row.from === 'none') {
      assert.notEqual(row.to, 'none');
      assert.ok(row.effects.indexOf('record') < row.effects.indexOf('answer'));
    }
});

test('arbiter: only the originator of X aborts before time', () => {
  const [state, effects] = stepArbiter(PORTS, ARBITER_TIMES, initialArbiterState<string>(), {
    kind: 'abort',
    by: 'R',
    now: 999,
  });
  assert.equal(state.phase, 'none');
  assert.deepEqual(effects, [{ kind: 'refuse', to: 'R' }]);
});

test('⚔ arbiter: after a restore an unrecorded exchange is neither aborted nor expired', () => {
  for (const input of arbiterInputs()) {
    if (input.kind === 'opened' || input.kind === 'misbehaviour') continue;
    const lost = { ...ARBITER_TIMES, lost: true };
    const [state, effects] = stepArbiter(PORTS, lost, initialArbiterState<string>(), input);
    assert.equal(state.phase, 'none');
    assert.deepEqual(effects, [{ kind: 'unknown', to: input.by }]);
  }
});
