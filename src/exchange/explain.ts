/**
 * Where a trader stands, in plain words: what each side holds, what happens if either stops now, who could cheat.
 *
 * Guarantee: what happens next comes from a walk over the transition tables (`outlook.ts`); the sentences here only name it.
 * Names are given by the caller, already safe to show; sentences are lower case without a full stop (they stand in a table).
 */
import { DEFAULT_MARGIN } from './frame.ts';
import type { Role } from './items.ts';
import { type Outlook, outlook } from './outlook.ts';
import type { PartyPhase, PartyRole } from './party.ts';
import type { Mode } from './record.ts';

export interface Position {
  readonly role: PartyRole;
  /** `offered`: a text is on the table and no exchange has begun. */
  readonly phase: PartyPhase | 'offered';
  /** Whether the peer's verified promise is here; counts for an originator that is contracted or aborted. */
  readonly holdsPromise: boolean;
  readonly via: 'peer' | 'arbiter' | null;
  readonly mode: Mode;
}

export interface Circumstances {
  /** How this trader calls the peer and the arbiter. */
  readonly them: string;
  readonly arbiter: string;
  readonly verified: boolean;
  /** End of the arbiter's help, as it is to be shown. */
  readonly until: string;
  /** When this daemon asks by itself at the latest (`notAfter − margin`), as it is to be shown. */
  readonly deadline: string;
  /** Seconds. */
  readonly margin: number;
  /** The arbiter has been asked and has not answered: not yet, or not before `notAfter`. */
  readonly arbiterSilent: 'no' | 'yet' | 'gone';
}

export interface Explanation {
  readonly youHold: string;
  readonly theyHold: string;
  readonly ifYouStop: string;
  readonly ifTheyStop: string;
  readonly whoCouldCheat: string;
  readonly notes: readonly string[];
}

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

function hours(seconds: number): string {
  const whole = Math.floor(seconds / 3600);
  if (whole > 0) return `${whole} h`;
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
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
  const { them, arbiter, verified, margin, arbiterSilent } = circumstances;
  const open = !['offered', 'contracted', 'aborted', 'dropped'].includes(position.phase);
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
    ...(ahead && margin < DEFAULT_MARGIN
      ? [`only ${hours(margin)} are kept for reaching ${arbiter} (usual: ${hours(DEFAULT_MARGIN)})`]
      : []),
    ...(open && arbiterSilent === 'yet' ? [`${arbiter} has not answered yet; your daemon keeps asking`] : []),
    ...(open && arbiterSilent === 'gone'
      ? [`arbiter gone: ${arbiter} has not answered in time, and without it nobody can tell whether ${them} is bound`]
      : []),
    ...(ahead && !verified ? [`${them} is not verified: who gave you the card could be someone else`] : []),
  ];
}

/**
 * Whether the peer's promise is here, where the phase leaves no choice: a deal whose exchange is closed (or never was) is
 * explained from its state alone.
 */
function holdsPromise({ role, phase, holdsPromise }: Position): boolean {
  if (role === 'responder') return phase !== 'offered';
  if (phase === 'contracted' || phase === 'aborted') return holdsPromise;
  return phase === 'released' || phase === 'resolving';
}

/** One sentence for whoever is about to consent: what happens if the other side stops half-way, once our promise is out. */
export function fairness(role: PartyRole, mode: Mode, circumstances: Circumstances): string {
  const position: Position = { role, phase: 'promised', holdsPromise: role === 'responder', via: null, mode };
  const facts = outlook(role === 'originator' ? 'O' : 'R', 'promised', position.holdsPromise);
  return `if they stop half-way, ${ifTheyStop(position, facts, circumstances)}`;
}

/** Never throws for a phase that the role's machine can be in; an impossible one is our bug. */
export function explain(position: Position, circumstances: Circumstances): Explanation {
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
