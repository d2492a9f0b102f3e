/** What traders are told about every position of a delivery: content, key, receipt and window. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain, fairness } from '../../src/exchange/explain.ts';
import { outlook, positions, type WalkPhase, worldCount } from '../../src/exchange/outlook.ts';
import type { Circumstances, Position } from '../../src/exchange/position.ts';

const AT_EASE: Circumstances = {
  them: 'Trader Oak',
  arbiter: 'Notary Elm',
  verified: true,
  until: '12 Dec 2026',
  deadline: '11 Dec 2026',
  margin: 25 * 3600,
  window: 72 * 3600,
  arbiterSilent: 'no',
};

function at(role: 'O' | 'R', phase: Position['phase'], changes: Partial<Position> = {}): Position {
  const holdsPromise = role === 'R' ? phase !== 'offered' : ['released', 'resolving'].includes(phase);
  const there = { course: 'delivery', phase, holdsPromise, via: null, mode: 'invisible' } as const;
  const wrong = phase === 'complaining';
  return { role: role === 'O' ? 'originator' : 'responder', ...there, wrong, ...changes };
}

const told = (position: Position, changes: Partial<Circumstances> = {}) =>
  explain(position, { ...AT_EASE, ...changes });
const sentencesOf = (position: Position, changes: Partial<Circumstances> = {}): readonly string[] => {
  const { notes, ...rest } = told(position, changes);
  return [...Object.values(rest), ...notes];
};

/** Every position, with what can be known of the content there. */
const all: readonly Position[] = positions('delivery').flatMap(({ role, phase, holdsPromise }) => {
  const position = at(role, phase === 'idle' ? 'offered' : phase, { holdsPromise });
  const end = phase === 'aborted' || (phase === 'contracted' && role === 'R');
  const mayLose = role === 'R' && ['opening', 'waiving', 'contracted'].includes(phase);
  return [position, ...(end ? [{ ...position, wrong: true }] : []), ...(mayLose ? [{ ...position, lost: true }] : [])];
});

test('the walk over the tables of a delivery covers as many worlds as ever', () => {
  assert.equal(worldCount('delivery'), 598);
  assert.equal(positions('delivery').length, 20);
});

test('a full check has worlds of its own, without a window and without a key that comes before the end', () => {
  assert.equal(worldCount('delivery', true), 414);
  assert.equal(positions('delivery', true).length, 20);
});

test('every position is explained in the house’s voice, and as a delivery', () => {
  for (const position of [...all, at('O', 'offered')])
    for (const arbiterSilent of ['no', 'yet', 'gone'] as const)
      for (const margin of [90_000, 600])
        for (const verified of [true, false])
          for (const window of [AT_EASE.window, 0])
            for (const sentence of sentencesOf(position, { arbiterSilent, margin, verified, window })) {
              assert.match(sentence, /^(?:[a-z]|Trader Oak|Notary Elm)/, sentence);
              assert.doesNotMatch(sentence, /[.!]$|undefined|null|xid|CMS|PeerId|originator|responder/, sentence);
              assert.doesNotMatch(sentence, /contract|signature/, sentence);
            }
});

test('a delivery whose exchange is closed is explained from its state alone', () => {
  for (const role of ['O', 'R'] as const)
    for (const phase of ['offered', 'contracted', 'aborted', 'dropped'] as const)
      for (const holdsPromise of [true, false])
        for (const via of ['peer', 'arbiter', null] as const)
          assert.ok(told(at(role, phase, { holdsPromise, via })).youHold.length > 0);
});

test('facts, not a list: what stopping means follows from the tables', () => {
  const ends = (role: 'O' | 'R', phase: WalkPhase, holds: boolean, wrong: boolean | null) => {
    const known = role === 'O' ? { ownWrong: wrong, theirsWrong: null } : { ownWrong: null, theirsWrong: wrong };
    const facts = outlook(role, phase, holds, 'delivery', known);
    return {
      peer: [...facts.peerEnds].sort(),
      own: [...facts.ownEnds].sort(),
      alone: [...facts.ownEndsWithoutArbiter].sort(),
    };
  };
  assert.deepEqual(ends('O', 'released', true, false), { peer: ['contracted'], own: ['contracted'], alone: [] });
  assert.deepEqual(ends('R', 'opening', true, false).alone, ['contracted'], 'right content needs no arbiter');
  assert.deepEqual(ends('R', 'opening', true, true).alone, [], 'wrong content is the arbiter’s to void');
  // Void in time; owed once the window is over; stopped before by the sender or by time.
  assert.deepEqual(ends('R', 'complaining', true, true).own, ['aborted', 'contracted']);
  assert.deepEqual(ends('R', 'opening', true, false).peer, ['contracted'], 'a receiver that stops owes the receipt');
});

test('a receiver is told of the window wherever it matters, in the window’s own length', () => {
  for (const phase of ['offered', 'proving', 'promised', 'resolving', 'opening', 'complaining'] as const)
    for (const [window, length] of [
      [72 * 3600, '72 h'],
      [90, '1 min'],
    ] as const) {
      const { notes } = told(at('R', phase), { window });
      const named = `you must be online and unlocked within ${length} after Notary Elm was first asked`;
      assert.ok(
        notes.some((note) => note.startsWith(named)),
        `${phase} ${window}`,
      );
    }
  for (const phase of ['contracted', 'aborted', 'dropped'] as const)
    assert.ok(!told(at('R', phase)).notes.some((note) => /online/.test(note)));
});

test('⚔ full check: each side is told that there is no window, and that an arbiter that is asked can read the files', () => {
  for (const [role, phase] of [
    ['R', 'offered'],
    ['R', 'promised'],
    ['O', 'offered'],
    ['O', 'released'],
  ] as const) {
    const sentences = sentencesOf(at(role, phase), { window: 0 });
    assert.ok(
      sentences.some((one) => /there is no window/.test(one)),
      `${role} ${phase}`,
    );
    assert.ok(sentences.some((one) => /if it is asked, it can read them/.test(one)));
    for (const one of sentences) assert.doesNotMatch(one, /online|after it was first asked|0 s|0 h/);
  }
  assert.match(told(at('R', 'promised'), { window: 0 }).ifYouStop, /but only if the files are right/);
  assert.match(told(at('O', 'released'), { window: 0 }).ifTheyStop, /as soon as it has compared the files/);
  for (const role of ['originator', 'responder'] as const)
    assert.match(fairness(role, 'delivery', 'invisible', { ...AT_EASE, window: 0 }), /can read them$/);
  const ends = outlook('R', 'promised', true, 'delivery', undefined, true);
  assert.deepEqual([...ends.ownEnds].sort(), ['aborted', 'contracted']);
  const wrong = outlook('O', 'released', true, 'delivery', { ownWrong: true, theirsWrong: null }, true);
  assert.deepEqual([...wrong.ownEnds], ['aborted'], 'who gave wrong content gets no receipt');
  // Only an arbiter that does not follow its table leads here.
  assert.match(told(at('R', 'contracted', { wrong: true }), { window: 0 }).youHold, /took them for right$/);
});

test('who stops while a receipt can be had is told that it is owed, whatever the content is', () => {
  for (const phase of ['promised', 'resolving', 'opening'] as const)
    assert.match(told(at('R', phase)).ifYouStop, /can have your receipt .* even if the content is wrong/);
  assert.match(told(at('R', 'complaining')).ifYouStop, /although the content is wrong/);
  assert.equal(told(at('R', 'proving')).ifYouStop, 'nothing happens, and nobody is bound');
});

test('⚔ content that is lost here: nobody is told that the arbiter has it, and each end that a person can bring about is named', () => {
  for (const phase of ['opening', 'waiving'] as const)
    for (const window of [AT_EASE.window, 0]) {
      const { youHold, notes } = told(at('R', phase, { lost: true }), { window });
      assert.match(youHold, /lost on your own disk$/);
      const said = notes.join('\n');
      assert.match(said, /Notary Elm has none of them and can give nothing but the key/);
      assert.match(said, phase === 'opening' ? /fit deal resolve ends it/ : /you wait no longer/);
      assert.match(said, /nobody owes anything$/m);
      assert.doesNotMatch(said, /online/);
      if (window === 0) assert.doesNotMatch(said, /0 s|after Notary Elm was first asked/);
    }
  assert.match(told(at('R', 'contracted', { lost: true })).youHold, /lost on your own disk$/);
  const facts = outlook('R', 'waiving', true, 'delivery');
  assert.deepEqual(
    [...facts.ownEnds].sort(),
    ['aborted', 'contracted'],
    'a person who waits no longer comes to an end',
  );
});

test('a key that is out is never called harmless', () => {
  const released = told(at('O', 'released'));
  assert.match(released.theyHold, /their key once it reaches them/);
  assert.match(released.whoCouldCheat, /if it never answers: they would have the files and you no receipt/);
  assert.ok(released.notes.some((note) => /holds the receipt back for 72 h/.test(note)));
  const tooLate = told(at('O', 'aborted', { holdsPromise: true }));
  assert.ok(tooLate.notes.some((note) => /may have the files without a receipt/.test(note)));
  assert.deepEqual(told(at('O', 'aborted')).notes, []);
});

test('void and not completed are told apart, and so is a complaint that came too late', () => {
  for (const role of ['O', 'R'] as const) {
    assert.match(told(at(role, 'aborted')).youHold, /will not complete this delivery/);
    assert.match(told(at(role, 'aborted', { wrong: true })).youHold, /is void, because the content was proven wrong/);
  }
  assert.match(told(at('R', 'contracted')).youHold, /^the files as the delivery note says/);
  assert.match(told(at('R', 'contracted', { wrong: true })).youHold, /^files that are wrong/);
});

test('before anything has left, nothing can go wrong and nobody can cheat', () => {
  for (const position of [at('O', 'offered'), at('R', 'offered'), at('O', 'proving'), at('O', 'dropped')]) {
    const { ifYouStop, whoCouldCheat } = told(position);
    assert.match(ifYouStop, /^nothing happens/);
    assert.match(whoCouldCheat, /^nobody/);
  }
});

test('who is asked to accept a delivery is told what follows, with the window', () => {
  const after = told(at('R', 'promised'));
  const { notes } = told(at('R', 'offered'));
  assert.ok(notes.includes(`once you accept they hold ${after.theyHold}`));
  assert.ok(notes.includes(`once you accept, if they stop: ${after.ifTheyStop}`));
  assert.ok(notes.includes(`once you accept, who could cheat: ${after.whoCouldCheat}`));
  assert.ok(!told(at('O', 'offered')).notes.some((note) => note.startsWith('once you accept')));
});

test('at consent each side is told what happens if the other stops half-way', () => {
  const receiver = fairness('responder', 'delivery', 'invisible', AT_EASE);
  assert.match(receiver, /^if they stop half-way, you get the key from Notary Elm, until 12 Dec 2026/);
  assert.match(receiver, /wrong content is void if you are online and unlocked within 72 h/);
  const sender = fairness('originator', 'delivery', 'invisible', AT_EASE);
  assert.match(sender, /^if they stop half-way, you ask Notary Elm to stop it/);
  assert.match(sender, /you get the receipt, unless the content is proven wrong$/);
  assert.doesNotMatch(fairness('responder', 'contract', 'invisible', AT_EASE), /content|receipt|key/);
});
