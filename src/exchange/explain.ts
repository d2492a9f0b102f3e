/**
 * Where a trader stands, in plain words: what each side holds, what happens if either stops now, who could cheat.
 *
 * Guarantee: what happens next comes from a walk over the transition tables (`outlook.ts`); the sentences here only name it.
 * Names are given by the caller, already safe to show; sentences are lower case without a full stop (they stand in a table). Of content and receipts `explain-delivery.ts` speaks.
 */

import { explainDelivery, fairnessOfDelivery } from './explain-delivery.ts';
import { explainSwap, fairnessOfSwap } from './explain-swap.ts';
import type { Role } from './items.ts';
import { type Outlook, outlook } from './outlook.ts';
import type { Course, PartyRole } from './party.ts';
import { type Circumstances, commonNotes, type Explanation, holdsPromise, isOpen, type Position } from './position.ts';
import type { Mode } from './record.ts';

function promiseOf(whose: string, mode: Mode, arbiter: string): string {
  return mode === 'invisible'
    ? `a promise of ${whose} signature that only ${arbiter} can open`
    : `${whose} signed promise, which ${arbiter} can turn into a statement that stands for both signatures`;
}

function youHold(position: Position, { them, arbiter }: Circumstances): string {
  const { phase, via, mode } = position;
  if (phase === 'contracted')
    return via === 'arbiter' && mode === 'affidavit'
      ? `the contract: ${arbiter}'s statement with both promises`
      : 'the contract, signed by both';
  if (phase === 'aborted') return `${arbiter}'s word that it will not complete this exchange`;
  if (phase === 'offered' || phase === 'dropped' || !holdsPromise(position)) return 'nothing of theirs that binds them';
  return promiseOf(`${them}'s`, mode, arbiter);
}

function theyHold(position: Position, facts: Outlook, { arbiter }: Circumstances): string {
  if (position.phase === 'contracted')
    return facts.peerHoldsRelease === 'yes'
      ? 'your signature, and with it the contract'
      : `the same contract, or all they need to have it from ${arbiter}`;
  if (facts.peerHoldsPromise === 'no') return 'nothing of yours that binds you';
  if (facts.peerHoldsRelease === 'yes') return 'your signature; once it reaches them they have the contract';
  const promise = promiseOf('your', position.mode, arbiter);
  if (facts.peerHoldsRelease === 'maybe') return `${promise}, and your signature if it left before time was short`;
  return position.phase === 'aborted' ? `a promise of yours that ${arbiter} will not act on` : promise;
}

function endsWithout(ends: ReadonlySet<string>): boolean {
  return ends.has('aborted') || ends.has('dropped') || ends.has('idle');
}

function ifYouStop(position: Position, facts: Outlook, { arbiter, until }: Circumstances): string {
  if (position.phase === 'contracted') return 'nothing changes: you have the contract';
  if (facts.lateOnly && facts.peerEnds.has('contracted')) return 'nothing changes: the time is over';
  if (!facts.peerEnds.has('contracted')) return 'nothing happens, and nobody is bound';
  return endsWithout(facts.peerEnds)
    ? `it is in their hands: they can have it completed with ${arbiter}'s help until ${until}, or let it fail`
    : `they get the contract, if need be from ${arbiter}; you get it when you are back before ${until}`;
}

function ifTheyStop(position: Position, facts: Outlook, { them, arbiter, until }: Circumstances): string {
  if (position.phase === 'contracted') return 'nothing changes: you have the contract';
  if (position.phase === 'aborted') return `nothing happens: ${arbiter} completes it for nobody`;
  if (facts.canAsk.has('resolve')) {
    const get =
      position.mode === 'invisible'
        ? `you get their signature from ${arbiter}, who needs no one's help for it`
        : `you get from ${arbiter} a statement that stands for their signature`;
    return facts.ownEnds.has('aborted')
      ? `${get}, until ${until}; if ${them} stopped it there before, nobody is bound`
      : `${get}, until ${until}`;
  }
  if (facts.canAsk.has('abort') && facts.peerHoldsPromise === 'yes')
    return `you ask ${arbiter} to stop it: nobody is bound, or, if they had it completed before, you get the contract too`;
  return 'nothing happens: nothing of yours has left';
}

function whoCouldCheat(position: Position, facts: Outlook, { them, arbiter }: Circumstances): string {
  if (position.phase === 'contracted') return 'nobody: the contract stands by itself';
  if (facts.peerHoldsPromise === 'no') return 'nobody: nothing of yours has left';
  const proof = 'two answers that contradict each other would prove it';
  if (facts.peerHoldsRelease !== 'no' && !facts.ownEndsWithoutArbiter.has('contracted') && position.phase !== 'aborted')
    return `${arbiter}, if it never answers: they would have your signature and you not theirs`;
  return position.mode === 'invisible'
    ? `${arbiter}, only together with ${them}: it could open your promise in secret; ${proof}`
    : `${arbiter}, only together with ${them}: it could make its statement late; ${proof}`;
}

function openNotes(facts: Outlook, { them, arbiter, until, deadline }: Circumstances): readonly string[] {
  const theyCan = facts.peerCanAsk.has('resolve');
  const youCan = facts.canAsk.has('resolve');
  return [
    ...(theyCan && youCan ? [`each of you can have it completed by ${arbiter} without the other`] : []),
    ...(theyCan && !youCan ? [`${them} can have it completed by ${arbiter} without you; you cannot yet`] : []),
    ...(!theyCan && youCan ? [`you can have it completed by ${arbiter} without them`] : []),
    ...(youCan && facts.peerHoldsPromise === 'yes'
      ? [
          `your daemon must reach ${arbiter} before ${until}; it asks by itself, on ${deadline} at the latest, if it is running`,
        ]
      : []),
  ];
}

/** What the acceptance that is about to be given leads to: the position after message 1. */
function onceAccepted(position: Position, circumstances: Circumstances): readonly string[] {
  const accepted: Position = { ...position, phase: 'promised', holdsPromise: false };
  const facts = outlook('O', 'promised', false);
  return [
    `once you accept they hold ${theyHold(accepted, facts, circumstances)}`,
    `once you accept, if they stop: ${ifTheyStop(accepted, facts, circumstances)}`,
    `once you accept, who could cheat: ${whoCouldCheat(accepted, facts, circumstances)}`,
  ];
}

function notes(position: Position, facts: Outlook, circumstances: Circumstances): readonly string[] {
  const { them } = circumstances;
  const open = isOpen(position);
  const ahead = open || position.phase === 'offered';
  const promised = facts.peerHoldsPromise !== 'no';
  return [
    ...(open ? openNotes(facts, circumstances) : []),
    ...(position.phase === 'offered' && position.role === 'originator' ? onceAccepted(position, circumstances) : []),
    ...(position.phase === 'offered' && position.role === 'responder'
      ? ['if they accept, your daemon answers by itself; you can withdraw until it has']
      : []),
    ...(position.phase === 'aborted' && facts.peerEnds.has('contracted')
      ? [`the time ran out while your signature was out: ${them} may hold the contract, and it would bind you`]
      : []),
    ...(open && promised && position.mode === 'invisible'
      ? ['a promise convinces nobody but its receiver, who could have made it alone']
      : []),
    ...(ahead && position.mode === 'affidavit'
      ? ['promises are signed: who holds one can show it to others, though by the text it binds nobody alone']
      : []),
    ...commonNotes(position, circumstances),
  ];
}

/** One sentence for whoever is about to consent: what happens if the other side stops half-way, once our promise is out. */
export function fairness(role: PartyRole, course: Course, mode: Mode, circumstances: Circumstances): string {
  if (course === 'delivery') return fairnessOfDelivery(role, circumstances);
  if (course === 'swap') return fairnessOfSwap(role, circumstances);
  const there = { phase: 'promised', holdsPromise: role === 'responder', via: null, wrong: false } as const;
  const position: Position = { role, course, mode, ...there };
  const facts = outlook(role === 'originator' ? 'O' : 'R', 'promised', position.holdsPromise);
  return `if they stop half-way, ${ifTheyStop(position, facts, circumstances)}`;
}

/** Never throws for a phase that the role's machine can be in; an impossible one is our bug. */
export function explain(position: Position, circumstances: Circumstances): Explanation {
  if (position.course === 'delivery') return explainDelivery(position, circumstances);
  if (position.course === 'swap') return explainSwap(position, circumstances);
  const role: Role = position.role === 'originator' ? 'O' : 'R';
  const phase = position.phase !== 'offered' ? position.phase : role === 'O' ? 'proving' : 'idle';
  const facts = outlook(role, phase, holdsPromise(position));
  return {
    youHold: youHold(position, circumstances),
    theyHold:
      position.phase === 'offered' && role === 'R'
        ? 'your offer, which binds you only once both have signed'
        : theyHold(position, facts, circumstances),
    ifYouStop: ifYouStop(position, facts, circumstances),
    ifTheyStop: ifTheyStop(position, facts, circumstances),
    whoCouldCheat: whoCouldCheat(position, facts, circumstances),
    notes: notes(position, facts, circumstances),
  };
}
