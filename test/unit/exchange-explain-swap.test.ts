/** What traders are told about every position that the machines of a swap can be in, and what the tables say of it. */
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

function at(role: 'O' | 'R', phase: Position['phase'], holdsPromise: boolean, wrong: boolean): Position {
  const there = { course: 'swap', phase, holdsPromise, via: null, mode: 'invisible', wrong } as const;
  return { role: role === 'O' ? 'originator' : 'responder', ...there };
}

const all: readonly Position[] = positions('swap').flatMap(({ role, phase, holdsPromise }) =>
  [false, true].map((wrong) => at(role, phase === 'idle' ? 'offered' : phase, holdsPromise, wrong)),
);

test('the walk over the tables of a swap covers as many worlds as ever', () => {
  assert.equal(worldCount('swap'), 1613);
  assert.equal(positions('swap').length, 23);
});

test('every position is explained in the house’s voice, and as a swap', () => {
  for (const position of [...all, at('O', 'offered', false, false)])
    for (const arbiterSilent of ['no', 'yet', 'gone'] as const) {
      const { notes, ...rest } = explain(position, { ...AT_EASE, arbiterSilent, margin: 600, verified: false });
      for (const sentence of [...Object.values(rest), ...notes]) {
        assert.match(sentence, /^(?:[a-z]|Trader Oak|Notary Elm)/, sentence);
        assert.doesNotMatch(sentence, /[.!]$|undefined|null|xid|CMS|PeerId|originator|responder/, sentence);
        assert.doesNotMatch(sentence, /contract|signature|receipt/, sentence);
      }
    }
  for (const role of ['originator', 'responder'] as const)
    assert.match(fairness(role, 'swap', 'invisible', AT_EASE), /^if they stop half-way, you .*wrong content/);
});

test('the tables of a swap: what is void, what stands, and that a peer with the key needs nobody', () => {
  const ends = (role: 'O' | 'R', phase: WalkPhase, theirsWrong: boolean) => {
    const facts = outlook(role, phase, true, 'swap', { ownWrong: false, theirsWrong });
    return { own: [...facts.ownEnds].sort(), alone: [...facts.ownEndsWithoutArbiter].sort() };
  };
  for (const role of ['O', 'R'] as const) {
    assert.deepEqual(ends(role, 'opening', false), { own: ['contracted'], alone: ['contracted'] });
    // Void within the window, or owed after it.
    assert.deepEqual(ends(role, 'opening', true), { own: ['aborted', 'contracted'], alone: [] });
    assert.deepEqual(ends(role, 'complaining', true).alone, []);
  }
  assert.deepEqual(ends('O', 'released', false).own, ['contracted'], 'right content for right content');
});

/** What the tables say of a position, with content that is right on both sides, or wrong on theirs. */
const facts = (role: 'O' | 'R', phase: WalkPhase, holds: boolean, theirsWrong = false) =>
  outlook(role, phase, holds, 'swap', { ownWrong: false, theirsWrong });

const open = positions('swap').filter(({ phase }) => !['idle', 'contracted', 'aborted', 'dropped'].includes(phase));

test('every sentence of a swap that is under way follows from the tables', () => {
  assert.equal(open.length, 14);
  for (const { role, phase, holdsPromise } of open) {
    const known = phase === 'complaining';
    const told = explain(at(role, phase as Position['phase'], holdsPromise, known), AT_EASE);
    const [here, junk] = [facts(role, phase, holdsPromise, known), facts(role, phase, holdsPromise, true)];
    const what = `${role} ${phase} ${holdsPromise}: ${JSON.stringify(told)}`;
    const getsOurs = here.peerEnds.has('contracted') || junk.peerEnds.has('contracted');
    assert.equal(/your key|your files/.test(told.ifYouStop), getsOurs, what);
    assert.equal(
      /nothing that opens them|nothing that opens your/.test(told.theyHold),
      here.peerHoldsPromise === 'no',
      what,
    );
    assert.equal(/once your key reaches them/.test(told.theyHold), here.peerHoldsRelease === 'yes', what);
    const hasKey = here.ownEndsWithoutArbiter.has('contracted') || phase === 'complaining';
    assert.equal(/^nothing changes/.test(told.ifTheyStop), hasKey, what);
    assert.equal(
      /you get their key from Notary Elm/.test(told.ifTheyStop),
      !hasKey && here.canAsk.has('resolve'),
      what,
    );
    assert.equal(/^nobody/.test(told.whoCouldCheat), here.peerHoldsPromise === 'no', what);
    if (here.peerHoldsPromise !== 'no' && junk.peerEnds.has('contracted'))
      assert.match(told.whoCouldCheat, /^Trader Oak, (?:with|who gave) wrong content/, what);
    // Only whose key may be out depends on an arbiter that answers.
    assert.equal(
      /never answers/.test(told.whoCouldCheat),
      here.peerHoldsRelease !== 'no' && !here.ownEndsWithoutArbiter.has('contracted') && phase !== 'complaining',
      what,
    );
    assert.ok(
      told.notes.some((note) => /within 72 h/.test(note)) && told.notes.some((note) => /not about what/.test(note)),
    );
  }
});

test('a key that is out is never called harmless, and who stops is told what it costs', () => {
  const released = explain(at('O', 'released', true, false), AT_EASE);
  assert.match(
    released.ifYouStop,
    /^they get your files; you get theirs from Notary Elm, but only if it is asked before/,
  );
  assert.match(released.whoCouldCheat, /if it never answers: they would have your files and you not theirs/);
  const comparing = explain(at('R', 'opening', true, false), AT_EASE);
  assert.match(
    comparing.ifYouStop,
    /your key from Notary Elm until 12 Dec 2026, and what is wrong in theirs stays unsaid$/,
  );
  const tooLate = explain(at('O', 'aborted', true, false), AT_EASE);
  assert.ok(tooLate.notes.some((note) => /may have your files, and you not theirs/.test(note)));
  // Who never released, and whom no proof concerns, has lost nothing.
  for (const position of [at('O', 'aborted', false, false), at('R', 'aborted', true, false)]) {
    const { theyHold, notes } = explain(position, AT_EASE);
    assert.match(theyHold, /a promise of their key that Notary Elm will not act on$/);
    assert.ok(!notes.some((note) => /may have your files/.test(note)));
  }
});

test('wrong content: a proof while it counts, a word when it is void, and what is left when it came too late', () => {
  for (const role of ['O', 'R'] as const) {
    assert.match(explain(at(role, 'complaining', true, true), AT_EASE).youHold, /a proof that their content is wrong$/);
    const voided = explain(at(role, 'aborted', true, true), AT_EASE);
    assert.match(voided.youHold, /this swap is void, because content was proven wrong/);
    assert.match(voided.theyHold, /^your files, if your key was out before$/);
    const late = explain(at(role, 'contracted', true, true), AT_EASE);
    assert.match(late.youHold, /^files that are wrong/);
    assert.match(late.whoCouldCheat, /^Trader Oak, who gave wrong content: your proof still shows it/);
  }
});

test('files that are lost here after their key came are not called compared, and nobody is said to have them', () => {
  const lost = explain({ ...at('R', 'opening', true, false), lost: true }, AT_EASE);
  assert.match(lost.youHold, /lost on your own disk$/);
  assert.match(lost.ifTheyStop, /^the files stay lost/);
});

test('who is asked to accept, and who is to be answered, is told what follows', () => {
  for (const role of ['O', 'R'] as const) {
    const { notes, whoCouldCheat } = explain(at(role, 'offered', false, false), AT_EASE);
    const after = explain(at(role, 'promised', role === 'R', false), AT_EASE);
    assert.match(whoCouldCheat, /^nobody/);
    assert.ok(notes.includes(`once it is accepted they hold ${after.theyHold}`));
    assert.ok(notes.includes(`once it is accepted, if they stop: ${after.ifTheyStop}`));
    assert.ok(notes.includes(`once it is accepted, who could cheat: ${after.whoCouldCheat}`));
  }
});
