/** The transition tables themselves: every phase with every input, and rules that no row may break. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ARBITER,
  ARBITER_PHASES,
  type ArbiterInput,
  type ArbiterState,
  type ArbiterTimes,
  initialArbiterState,
  stepArbiter,
} from '../../src/exchange/arbiter.ts';
import type { Row } from '../../src/exchange/machine.ts';
import {
  begin,
  isFinal,
  ON_RESUME,
  ORIGINATOR,
  PARTY_PHASES,
  type PartyInput,
  type PartyPhase,
  type PartyRole,
  type PartyState,
  RESPONDER,
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
    { kind: 'token', token: 'token', now },
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

function stateIn(role: PartyRole, phase: PartyPhase): PartyState<string> {
  const state = begin<string>(role, TIMES, role === 'responder' ? 'theirs' : null);
  return { ...state, phase, promise: 'own', release: 'rel', resolve: 'req' };
}

for (const role of ROLES) {
  test(`${role}: every phase with every input is either a row or nothing`, () => {
    let taken = 0;
    let ignored = 0;
    for (const phase of PARTY_PHASES)
      for (const input of partyInputs()) {
        const state = stateIn(role, phase);
        const before = structuredClone(state);
        const [after, effects] = step(state, input);
        assert.deepEqual(state, before, 'the old state is left alone');
        const expected = tableOf(role).find(
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

  test(`${role}: a final phase hears nothing`, () => {
    for (const phase of PARTY_PHASES.filter(isFinal))
      for (const input of partyInputs()) {
        const state = stateIn(role, phase);
        assert.deepEqual(step(state, input), [state, []]);
      }
  });

  test(`${role}: every row can be taken`, () => {
    const table = tableOf(role);
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

  test(`${role}: what is taken with a guard is taken with its opposite too`, () => {
    for (const row of tableOf(role)) {
      if (row.when === undefined) continue;
      const whens = tableOf(role).filter((one) => one.from === row.from && one.on === row.on);
      assert.equal(whens.length, 2, `${row.from} × ${row.on}`);
    }
  });

  test(`${role}: after a crash a phase repeats what its entry did, and never records or consumes`, () => {
    for (const phase of PARTY_PHASES) {
      const names = ON_RESUME[role][phase];
      const state = stateIn(role, phase);
      const [after, effects] = step(state, { kind: 'resumed', now: EARLY });
      assert.equal(after, state);
      assert.equal(effects.length, names.length);
      const entering = new Set<string>(
        tableOf(role)
          .filter((row) => row.to === phase)
          .flatMap((row) => row.effects),
      );
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
  for (const row of [...ORIGINATOR, ...RESPONDER]) {
    assert.ok(row.effects[0] === 'record' || row.effects[0] === 'consume', `${row.from} × ${row.on}`);
    assert.ok(!row.effects.slice(1).some((effect) => effect === 'record' || effect === 'consume'));
  }
});

test('a consent is consumed by the promise and by nothing else, once', () => {
  for (const table of [ORIGINATOR, RESPONDER]) {
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
  assert.ok(RESPONDER.every((row) => !row.effects.includes('askAbort')));
  const released = after(ORIGINATOR, 'sendRelease');
  for (const row of ORIGINATOR)
    if (row.effects.includes('askAbort')) assert.ok(!released.has(row.from), `${row.from} × ${row.on}`);
});

test('nobody releases after having asked to abort, and nobody without the peer’s promise', () => {
  const aborting = after(ORIGINATOR, 'askAbort');
  for (const row of ORIGINATOR)
    if (row.effects.includes('sendRelease')) {
      assert.ok(!aborting.has(row.from));
      assert.equal(row.on, 'promise');
      assert.equal(row.when, 'inTime');
    }
  for (const row of RESPONDER) if (row.effects.includes('sendRelease')) assert.equal(row.to, 'contracted');
});

test('whoever has sent a promise ends only with a contract or the arbiter’s word', () => {
  for (const table of [ORIGINATOR, RESPONDER])
    for (const row of table)
      if (row.from !== 'proving') {
        if (row.to === 'contracted') assert.ok(['release', 'resolved'].includes(row.on));
        if (row.to === 'aborted') assert.equal(row.on, 'token');
        assert.notEqual(row.to, 'dropped');
      }
});

test('from every phase an end is reachable with nobody’s help but the arbiter’s', () => {
  const own = new Set(['proved', 'patience', 'deadline', 'abort', 'resolve', 'resolved', 'token']);
  for (const role of ROLES)
    for (const phase of PARTY_PHASES) {
      if (role === 'responder' && (phase === 'released' || phase === 'aborting')) continue;
      const seen = new Set<PartyPhase>([phase]);
      for (let size = -1; size !== seen.size; ) {
        size = seen.size;
        for (const row of tableOf(role)) if (seen.has(row.from) && own.has(row.on)) seen.add(row.to);
      }
      assert.ok([...seen].some(isFinal), `${role} ${phase}`);
    }
});

const ARBITER_TIMES: ArbiterTimes = { notAfter: 1000, retention: 500 };

function arbiterInputs(): readonly ArbiterInput<string>[] {
  return [999, 1000, 1499, 1500].flatMap((now) =>
    (['O', 'R'] as const).flatMap((by): readonly ArbiterInput<string>[] => [
      { kind: 'abort', by, now },
      { kind: 'resolve', by, now },
      { kind: 'status', by, now },
      { kind: 'opened', by, answer: 'both', now },
      { kind: 'opened', by, answer: null, now },
    ]),
  );
}

const ARBITER_STATES: Readonly<Record<(typeof ARBITER_PHASES)[number], ArbiterState<string>>> = {
  none: initialArbiterState(),
  aborted: { phase: 'aborted', token: 'stored token', cause: 'request', answer: null },
  resolved: { phase: 'resolved', token: null, cause: null, answer: 'stored answer' },
};

function arbiterGuards(state: ArbiterState<string>, input: ArbiterInput<string>, times: ArbiterTimes) {
  return {
    forgotten: input.now >= 1500 || (state.phase === 'none' && times.lost === true),
    expired: input.now >= 1000,
    byOriginator: input.by === 'O',
    bothOpened: input.kind === 'opened' && input.answer !== null,
  };
}

test('arbiter: every phase with every input takes the first row that fits, and there always is one', () => {
  const used = new Set<number>();
  for (const times of [ARBITER_TIMES, { ...ARBITER_TIMES, lost: true }])
    for (const phase of ARBITER_PHASES)
      for (const input of arbiterInputs()) {
        const state = ARBITER_STATES[phase];
        const guards = arbiterGuards(state, input, times);
        const at = ARBITER.findIndex(
          (row) => row.from === phase && row.on === input.kind && (row.when === undefined || guards[row.when]),
        );
        used.add(at);
        const expected = ARBITER[at];
        assert.ok(expected !== undefined);
        const [next, effects] = stepArbiter({ token: () => 'token' }, times, state, input);
        assert.equal(next.phase, expected.to);
        assert.deepEqual(
          effects.map(({ kind }) => kind),
          expected.effects,
        );
      }
  for (const [i, row] of ARBITER.entries()) assert.ok(used.has(i), `${row.from} × ${row.on} [${row.when}] is shadowed`);
});

test('arbiter: a decision stays, and its answer is always the stored one', () => {
  for (const phase of ['aborted', 'resolved'] as const)
    for (const input of arbiterInputs()) {
      const state = ARBITER_STATES[phase];
      const [next, [effect, ...more]] = stepArbiter({ token: () => 'another token' }, ARBITER_TIMES, state, input);
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
  for (const row of ARBITER)
    if (row.effects.includes('answer') && row.from === 'none') {
      assert.notEqual(row.to, 'none');
      assert.ok(row.effects.indexOf('record') < row.effects.indexOf('answer'));
    }
});

test('arbiter: only the originator of X aborts before time', () => {
  const [state, effects] = stepArbiter({ token: () => 'token' }, ARBITER_TIMES, initialArbiterState<string>(), {
    kind: 'abort',
    by: 'R',
    now: 999,
  });
  assert.equal(state.phase, 'none');
  assert.deepEqual(effects, [{ kind: 'refuse', to: 'R' }]);
});

test('⚔ arbiter: after a restore an unrecorded exchange is neither aborted nor expired', () => {
  for (const input of arbiterInputs()) {
    if (input.kind === 'opened') continue;
    const lost = { ...ARBITER_TIMES, lost: true };
    const [state, effects] = stepArbiter({ token: () => 'token' }, lost, initialArbiterState<string>(), input);
    assert.equal(state.phase, 'none');
    assert.deepEqual(effects, [{ kind: 'unknown', to: input.by }]);
  }
});
