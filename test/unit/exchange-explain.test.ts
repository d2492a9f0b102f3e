/** What traders are told about every position that the machines can be in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from '../../src/exchange/explain.ts';
import { outlook, positions, worldCount } from '../../src/exchange/outlook.ts';
import type { Circumstances, Position } from '../../src/exchange/position.ts';
import { MODES } from '../../src/exchange/record.ts';

const AT_EASE: Circumstances = {
  them: 'Trader Oak',
  arbiter: 'Notary Elm',
  verified: true,
  until: '12 Dec 2026',
  deadline: '11 Dec 2026',
  margin: 25 * 3600,
  window: 0,
  arbiterSilent: 'no',
};

function at(role: 'O' | 'R', phase: Position['phase'], changes: Partial<Position> = {}): Position {
  const via = phase === 'contracted' ? 'peer' : null;
  const holdsPromise = role === 'R' ? phase !== 'offered' : ['released', 'resolving'].includes(phase);
  const there = { course: 'contract', phase, holdsPromise, via, mode: 'invisible', wrong: false } as const;
  return { role: role === 'O' ? 'originator' : 'responder', ...there, ...changes };
}

const all: readonly Position[] = positions().flatMap(({ role, phase, holdsPromise }) =>
  MODES.map((mode) => at(role, phase === 'idle' ? 'offered' : phase, { holdsPromise, mode })),
);

test('the walk over the three tables covers as many worlds as ever', () => {
  assert.equal(worldCount(), 146);
  assert.equal(positions().length, 17);
});

test('every position in every mode is explained in the house’s voice', () => {
  for (const position of all)
    for (const arbiterSilent of ['no', 'yet', 'gone'] as const)
      for (const margin of [90_000, 600])
        for (const verified of [true, false]) {
          const told = explain(position, { ...AT_EASE, arbiterSilent, margin, verified });
          const { notes, ...rest } = told;
          for (const sentence of [...Object.values(rest), ...notes]) {
            assert.match(sentence, /^(?:[a-z]|Trader Oak|Notary Elm)/, sentence);
            assert.doesNotMatch(sentence, /[.!]$|undefined|null|xid|CMS|PeerId|originator|responder/, sentence);
          }
        }
});

test('a deal whose exchange is closed is explained from its state alone', () => {
  for (const role of ['O', 'R'] as const)
    for (const phase of ['offered', 'contracted', 'aborted', 'dropped'] as const)
      for (const holdsPromise of [true, false])
        for (const via of ['peer', 'arbiter', null] as const)
          for (const mode of MODES)
            assert.ok(explain(at(role, phase, { holdsPromise, via, mode }), AT_EASE).youHold.length > 0);
});

test('after message 1 the responder can conclude alone, after message 2 both can', () => {
  const afterMessage1 = explain(at('O', 'promised'), AT_EASE);
  assert.ok(afterMessage1.notes.includes('Trader Oak can have it completed by Notary Elm without you; you cannot yet'));
  const beforeMessage2 = explain(at('R', 'proving'), AT_EASE);
  assert.ok(beforeMessage2.notes.includes('you can have it completed by Notary Elm without them'));
  for (const position of [at('R', 'promised'), at('O', 'released')])
    assert.ok(
      explain(position, AT_EASE).notes.includes('each of you can have it completed by Notary Elm without the other'),
    );
});

test('who is asked to accept is told what follows from it', () => {
  for (const mode of ['invisible', 'affidavit'] as const) {
    const after = explain(at('O', 'promised', { mode }), AT_EASE);
    const { notes } = explain(at('O', 'offered', { mode }), AT_EASE);
    assert.ok(notes.includes(`once you accept they hold ${after.theyHold}`));
    assert.ok(notes.includes(`once you accept, if they stop: ${after.ifTheyStop}`));
    assert.ok(notes.includes(`once you accept, who could cheat: ${after.whoCouldCheat}`));
  }
  assert.ok(!explain(at('R', 'offered'), AT_EASE).notes.some((note) => note.startsWith('once you accept')));
});

test('facts, not a list: what stopping means follows from the tables', () => {
  const ends = (role: 'O' | 'R', phase: Position['phase'], holds: boolean) => {
    const facts = outlook(role, phase === 'offered' ? 'idle' : phase, holds);
    return {
      peer: [...facts.peerEnds].sort(),
      own: [...facts.ownEnds].sort(),
      alone: [...facts.ownEndsWithoutArbiter],
    };
  };
  assert.deepEqual(ends('O', 'released', true), { peer: ['contracted'], own: ['contracted'], alone: [] });
  assert.deepEqual(ends('R', 'promised', true).own, ['aborted', 'contracted']);
  assert.deepEqual(ends('R', 'proving', true).peer, ['aborted']);
  assert.deepEqual(ends('O', 'promised', false).peer, ['contracted', 'dropped', 'idle']);
  assert.deepEqual(ends('O', 'promised', false).alone, [], 'who has promised needs the peer or the arbiter to end');
  assert.deepEqual(
    ends('O', 'aborted', false).peer.includes('contracted'),
    false,
    'an abort in time is an abort for both',
  );
  assert.equal(outlook('O', 'aborted', true).lateOnly, true);
});

test('a signature that is out is never called harmless', () => {
  const released = explain(at('O', 'released'), AT_EASE);
  assert.match(released.theyHold, /^your signature/);
  assert.match(released.whoCouldCheat, /if it never answers: they would have your signature and you not theirs/);
  assert.ok(released.notes.some((note) => /must reach Notary Elm before 12 Dec 2026/.test(note)));
  const tooLate = explain(at('O', 'aborted', { holdsPromise: true }), AT_EASE);
  assert.ok(tooLate.notes.some((note) => /Trader Oak may hold the contract/.test(note)));
  const inTime = explain(at('O', 'aborted'), AT_EASE);
  assert.deepEqual(inTime.notes, []);
});

test('before anything has left, nothing can go wrong and nobody can cheat', () => {
  for (const position of [at('O', 'offered'), at('R', 'offered'), at('O', 'proving'), at('O', 'dropped')]) {
    const told = explain(position, AT_EASE);
    assert.match(told.ifYouStop, /^nothing happens/);
    assert.match(told.whoCouldCheat, /^nobody/);
  }
});

test('promises of affidavit mode are called transferable, others not', () => {
  const affidavit = explain(at('R', 'promised', { mode: 'affidavit' }), AT_EASE);
  assert.ok(affidavit.notes.some((note) => /can show it to others/.test(note)));
  assert.match(affidavit.youHold, /signed promise/);
  const invisible = explain(at('R', 'promised'), AT_EASE);
  assert.ok(invisible.notes.some((note) => /convinces nobody but its receiver/.test(note)));
  assert.ok(!invisible.notes.some((note) => /show it to others/.test(note)));
});

test('a short margin, a silent arbiter and an unverified peer are named', () => {
  const notesOf = (changes: Partial<Circumstances>) => explain(at('R', 'promised'), { ...AT_EASE, ...changes }).notes;
  assert.ok(notesOf({ margin: 2 * 3600 }).includes('only 2 h are kept for reaching Notary Elm (usual: 25 h)'));
  assert.ok(notesOf({ margin: 600 }).some((note) => note.startsWith('only 10 min')));
  assert.ok(notesOf({ arbiterSilent: 'gone' }).some((note) => note.startsWith('arbiter gone')));
  assert.ok(notesOf({ arbiterSilent: 'gone' }).every((note) => !/aborted/.test(note)));
  assert.ok(notesOf({ arbiterSilent: 'yet' }).some((note) => /keeps asking/.test(note)));
  assert.ok(notesOf({ verified: false }).some((note) => note.startsWith('Trader Oak is not verified')));
});
