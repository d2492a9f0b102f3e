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
