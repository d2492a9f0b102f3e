/**
 * Every mutant of both lists that PROTOCOL §13 names, and those that the explorer's own findings suggest: how it is
 * expressed, and what must catch it. `killedBy` is the set of invariants of which one must be the first to fail;
 * `alone`, if given, also catches it when nothing else is asked, which shows that no invariant hides behind another.
 */
import { ARBITER, type ArbiterRow } from '../../src/exchange/arbiter.ts';
import { ORIGINATOR, RESPONDER } from '../../src/exchange/party.ts';
import { assert } from '../../src/lib/assert.ts';
import type { InvariantNumber } from './invariants.ts';
import type { Rules } from './rules.ts';
import type { World } from './world.ts';
import * as worlds from './worlds.ts';

export interface ExploredMutant {
  readonly name: string;
  readonly world: World;
  readonly rules: Partial<Rules>;
  readonly killedBy: readonly InvariantNumber[];
  readonly alone?: readonly InvariantNumber[];
}

type PartyRow = (typeof ORIGINATOR)[number];

/** A table with some rows changed, left out (null) or put in front; refuses to be the table itself. */
export function changed<R extends PartyRow | ArbiterRow>(
  table: readonly R[],
  change: (row: R) => R | null,
): readonly R[] {
  const made = table.map(change);
  assert(
    made.some((row, index) => row !== table[index]),
    'a mutated table differs',
  );
  return made.filter((row) => row !== null);
}

export const at = (row: PartyRow | ArbiterRow, from: string, on: string): boolean => row.from === from && row.on === on;

function unguarded<R extends PartyRow | ArbiterRow>(row: R): R {
  const { when: _, ...rest } = row;
  return rest as R;
}

const answersFirst = (row: ArbiterRow): ArbiterRow =>
  row.effects.includes('record') ? { ...row, effects: [...row.effects].reverse() } : row;

/** The first list, of the invariants themselves. */
const RESEARCH: readonly ExploredMutant[] = [
  {
    name: 'no lock: `opened` is judged by the state when the opening began',
    world: worlds.againstO,
    rules: { lock: false },
    killedBy: ['1'],
    alone: ['2', '6'],
  },
  {
    name: 'the arbiter replies before it stores',
    world: worlds.crashesO,
    rules: { arbiter: changed(ARBITER, answersFirst) },
    killedBy: ['10'],
    alone: ['1'],
  },
  {
    name: 'the arbiter stores one item, the counterpart of who asked',
    world: worlds.againstO,
    rules: { storesBoth: false },
    killedBy: ['5'],
  },
  {
    name: 'R may abort',
    world: worlds.againstO,
    rules: { arbiter: changed(ARBITER, (row) => (row.when === 'byOriginator' ? unguarded(row) : row)) },
    killedBy: ['2'],
  },
  {
    name: 'late abort: O aborts after message 3',
    world: worlds.againstO,
    rules: {
      originator: changed(ORIGINATOR, (row) =>
        at(row, 'released', 'patience') ? { ...row, to: 'aborting', effects: ['record', 'askAbort'] } : row,
      ),
    },
    killedBy: ['9'],
    alone: ['2'],
  },
  {
    name: 'label omitted',
    world: worlds.sameTextR,
    rules: { label: false, arbiterLabel: false },
    killedBy: ['11'],
    alone: ['2', '7'],
  },
  {
    name: 'label omitted by the arbiter only',
    world: worlds.sameTextR,
    rules: { arbiterLabel: false },
    killedBy: ['7'],
    alone: ['2'],
  },
  {
    name: 'party names omitted from the signed text',
    world: worlds.againstO,
    rules: { namesInText: false },
    killedBy: ['7'],
  },
  {
    name: 'contract identified by transcript: the promised nonce demanded of the arbiter’s answer',
    world: worlds.againstO,
    rules: { contractByDocument: false },
    killedBy: ['5'],
  },
];

/** PROTOCOL §13. */
const PROTOCOL: readonly ExploredMutant[] = [
  {
    name: 'abort not tied to X',
    world: worlds.againstO,
    rules: { abortTiedToRecord: false },
    killedBy: ['2'],
  },
  {
    name: 'junk item accepted by all',
    world: worlds.againstO,
    rules: { template: false, arbiterTemplate: false },
    killedBy: ['7'],
    alone: ['5'],
  },
  {
    name: 'junk item accepted by its receiver',
    world: worlds.againstO,
    rules: { template: false },
    killedBy: ['5'],
  },
  {
    name: 'junk item accepted by the arbiter',
    world: worlds.againstO,
    rules: { arbiterTemplate: false },
    killedBy: ['7'],
  },
  {
    name: 'telling refusal',
    world: worlds.againstO,
    rules: { refusalsTellNothing: false },
    killedBy: ['A'],
  },
  {
    name: 'message 3 inside the margin',
    world: worlds.againstO,
    rules: {
      originator: changed(ORIGINATOR, (row) =>
        at(row, 'promised', 'promise') && row.when === 'inTime' ? unguarded(row) : row,
      ),
    },
    killedBy: ['2'],
  },
  {
    name: 'restored abort: a state from before message 3 is restored and aborts',
    world: worlds.restored,
    rules: { restoredIsCareful: false },
    killedBy: ['9'],
    alone: ['2'],
  },
  {
    name: 'expiry answered without storing',
    world: worlds.againstO,
    rules: {
      arbiter: changed(ARBITER, (row) => (row.when === 'expired' ? { ...row, effects: ['answer'] } : row)),
    },
    killedBy: ['10'],
    alone: ['1'],
  },
  {
    name: 'pruned, then answered as expired',
    world: worlds.retentionO,
    rules: { arbiter: changed(ARBITER, (row) => (row.when === 'forgotten' ? null : row)) },
    killedBy: ['1'],
  },
  {
    name: 'the arbiter refuses what the verifier accepts',
    world: worlds.againstO,
    rules: { opensWhatVerifies: false },
    killedBy: ['5'],
  },
  {
    name: 'V taken from X',
    world: worlds.againstR,
    rules: { ownVerifierKey: false },
    killedBy: ['5'],
  },
  {
    name: 'the arbiter as a party',
    world: worlds.againstR,
    rules: { partiesDiffer: false },
    killedBy: ['2'],
  },
  {
    name: 'consent used twice',
    world: worlds.sameTextR,
    rules: { consentOnce: false },
    killedBy: ['C'],
  },
  {
    name: 'backdated signing time: consent judged by it, not by the own clock',
    world: worlds.consentEnds,
    rules: { consentByOwnClock: false },
    killedBy: ['C'],
  },
  {
    name: 'X differs from the text: another arbiter',
    world: worlds.againstR,
    rules: { comparesRecord: false },
    killedBy: ['2'],
  },
];

/** Found on the way, or there so that every invariant has something to catch. */
const FURTHER: readonly ExploredMutant[] = [
  {
    name: 'after a restart inside the margin message 3 leaves for the first time',
    world: worlds.crashesO,
    rules: { resumesByTable: false },
    killedBy: ['2'],
  },
  {
    name: 'an opening that outlasts retention decides',
    world: worlds.retentionO,
    rules: {
      arbiter: changed(ARBITER, (row) => (at(row, 'none', 'opened') && row.when === 'forgotten' ? null : row)),
    },
    killedBy: ['1'],
  },
  {
    name: 'a restarted party does nothing again',
    world: worlds.crashesO,
    rules: { resumes: false },
    killedBy: ['5'],
  },
  {
    name: 'O sends before it records',
    world: worlds.crashesO,
    rules: {
      originator: changed(ORIGINATOR, (row) =>
        row.effects.includes('sendRelease') ? { ...row, effects: [...row.effects].reverse() } : row,
      ),
    },
    killedBy: ['10'],
    alone: ['2'],
  },
  {
    name: 'the consent is not used up in the write of the promise',
    world: worlds.againstR,
    rules: {
      responder: changed(RESPONDER, (row) =>
        row.effects[0] === 'consume' ? { ...row, effects: ['record', ...row.effects.slice(1)] } : row,
      ),
    },
    killedBy: ['10'],
  },
  {
    name: 'a withdrawal does not count',
    world: worlds.consentEnds,
    rules: { withdrawalCounts: false },
    killedBy: ['C'],
  },
  {
    name: 'O believes the peer that it will not go on',
    world: worlds.honest,
    rules: {
      originator: changed(ORIGINATOR, (row) =>
        at(row, 'promised', 'declined') || at(row, 'promised', 'patience')
          ? { ...row, to: 'dropped', effects: ['record'] }
          : row,
      ),
    },
    killedBy: ['10'],
    alone: ['2', '3'],
  },
  {
    name: 'R gives its signature to whoever is silent',
    world: worlds.againstR,
    rules: {
      responder: changed(RESPONDER, (row) =>
        at(row, 'promised', 'patience') ? { ...row, effects: ['record', 'sendRelease', 'askResolve'] } : row,
      ),
    },
    killedBy: ['10'],
    alone: ['2'],
  },
  {
    name: 'R never asks the arbiter',
    world: worlds.againstR,
    rules: {
      responder: changed(RESPONDER, (row) =>
        row.effects.includes('askResolve') ? { ...row, effects: ['record'] } : row,
      ),
    },
    killedBy: ['5'],
  },
  {
    name: 'O sets itself no time',
    world: worlds.againstO,
    rules: {
      originator: changed(ORIGINATOR, (row) =>
        row.to === 'released' ? { ...row, effects: ['record', 'sendRelease'] } : row,
      ),
    },
    killedBy: ['L'],
  },
  {
    name: 'O asks the arbiter at once',
    world: worlds.faultFree,
    rules: {
      originator: changed(ORIGINATOR, (row) =>
        row.to === 'released' ? { ...row, effects: [...row.effects, 'askResolve'] } : row,
      ),
    },
    killedBy: ['4'],
  },
  {
    name: 'the arbiter answers from the request, not from its store',
    world: worlds.againstO,
    rules: { answersFromStore: false },
    killedBy: ['6'],
  },
  {
    name: 'evidence completed by the arbiter says so',
    world: worlds.againstO,
    rules: { invisible: false },
    killedBy: ['8'],
  },
  {
    name: 'answers are not signed',
    world: worlds.lying,
    rules: { answersSigned: false },
    killedBy: ['14'],
  },
  {
    name: 'tokens are not signed',
    world: worlds.lying,
    rules: { tokensSigned: false },
    killedBy: ['14'],
  },
  {
    name: 'a statement that comes after the end is thrown away',
    world: worlds.lying,
    rules: { keepsStatements: false },
    killedBy: ['14'],
  },
];

export const SIGNING_MUTANTS: readonly ExploredMutant[] = [...RESEARCH, ...PROTOCOL, ...FURTHER];

/** Mutants of cryptography are made on the real code: the test that names them must be there. */
export const ON_REAL_CODE: readonly { readonly name: string; readonly file: string; readonly test: string }[] = [
  { name: 'label omitted', file: 'unit/escrow-security.test.ts', test: 'mutant: the label left out' },
  { name: 'party names omitted', file: 'unit/escrow-security.test.ts', test: 'mutant: the parties left out' },
  { name: 'role omitted', file: 'unit/escrow-security.test.ts', test: 'mutant: the role left out' },
  { name: 'challenge fixed', file: 'unit/escrow-security.test.ts', test: 'mutant: a challenge known beforehand' },
  { name: 'z = ±s accepted', file: 'unit/escrow-attacks.test.ts', test: 'in every hidden round' },
  { name: 'V taken from X', file: 'unit/exchange-promise.test.ts', test: 'verifier key from X' },
  { name: 'junk item accepted', file: 'unit/exchange-promise.test.ts', test: 'a signature on something else' },
  {
    name: 'Merkle loop shortened',
    file: 'property/content.test.ts',
    test: 'paths of every leaf of every tree up to 70 leaves lead to the root, and with no other length',
  },
  {
    name: 'index of the challenged chunk fixed to 0',
    file: 'property/content.test.ts',
    test: 'wrong content: the proof of the wrong chunk is accepted, and that of every right one is not',
  },
  {
    name: 'a party framed by an invented x',
    file: 'property/content.test.ts',
    test: 'right content: an invented key and a number of chunks that is not that of the size frame nobody',
  },
  { name: 'the arbiter as a party', file: 'unit/exchange-record.test.ts', test: 'nobody is two parties' },
];

/** What they mutate is not there yet. */
export const LATER: readonly { readonly name: string; readonly comesWith: string }[] = [
  { name: 'levels without anchors', comesWith: 'N parties' },
  { name: 'K = n − 1 levels', comesWith: 'N parties' },
];
