/**
 * Where a trader stands in a swap, in plain words. What a swap cannot do is said at every step: who releases last may have
 * released junk, and then the other side has a proof and the arbiter's word, but its own content is out.
 *
 * Guarantee: what happens next comes from a walk over the tables of a swap (`outlook.ts`), as in `explain.ts`: once with their
 * content as they say it is, and, where it has not been compared, once with wrong content. Names are safe to show already;
 * sentences are lower case without a full stop.
 */
import { type Outlook, outlook } from './outlook.ts';
import type { PartyRole } from './party.ts';
import {
  type Circumstances,
  commonNotes,
  type Explanation,
  holdsPromise,
  hours,
  isOpen,
  type Position,
} from './position.ts';

const LIMIT =
  'a swap is fair about the keys, not about what they open: wrong content is found out only when it is opened, and then yours may be out';
const UNBOUND = 'nothing happens, and nobody has anything';

interface Facts {
  /** Their content is what is known of it; what is not is right. */
  readonly right: Outlook;
  /** Their content is wrong. The same as `right` once it is known. */
  readonly junk: Outlook;
}

/** Whether theirs is wrong, where it has been compared or nothing more comes of it. */
function knownWrong({ phase, wrong }: Position): boolean | null {
  if (phase === 'complaining') return true;
  if (phase === 'contracted') return wrong;
  // Void is void whose content it was; what ended otherwise was never found wrong.
  return phase === 'aborted' && !wrong ? false : null;
}

function factsOf(position: Position): Facts {
  const role = position.role === 'originator' ? 'O' : 'R';
  const phase = position.phase !== 'offered' ? position.phase : role === 'O' ? 'proving' : 'idle';
  const holds = holdsPromise(position);
  const known = knownWrong(position);
  const under = (theirsWrong: boolean | null): Outlook =>
    outlook(role, phase, holds, 'swap', { ownWrong: position.wrong ? null : false, theirsWrong });
  if (phase === 'aborted') return { right: under(known), junk: under(known) };
  return { right: under(known ?? false), junk: under(known ?? true) };
}

/** Neither a promise nor a key of ours has left. */
const isEarly = ({ right }: Facts): boolean => right.peerHoldsPromise === 'no';
const theyGetOurs = ({ right, junk }: Facts): boolean =>
  right.peerEnds.has('contracted') || junk.peerEnds.has('contracted');

function youHold(position: Position, { them, arbiter }: Circumstances): string {
  const { phase, wrong, lost } = position;
  if (lost && isOpen(position))
    return `their key and ${them}'s statement of origin; the files are lost on your own disk`;
  switch (phase) {
    case 'offered':
    case 'dropped':
      return 'nothing that opens their files';
    case 'opening':
    case 'waiving':
      return `their key and ${them}'s statement of origin; each part is being compared with the note`;
    case 'complaining':
      return `their key, ${them}'s statement of origin, and a proof that their content is wrong`;
    case 'contracted':
      return wrong
        ? `files that are wrong, with ${them}'s statement of origin: ${arbiter} heard of it when the window was over`
        : 'their files as the note says, and their statement of origin';
    case 'aborted':
      return wrong
        ? `${arbiter}'s word that this swap is void, because content was proven wrong`
        : `${arbiter}'s word that it will not complete this swap`;
    default:
      return holdsPromise(position)
        ? `their files encrypted, and a promise of their key that only ${arbiter} can open`
        : 'their files encrypted, and nothing that opens them';
  }
}

function theyHold({ phase, wrong }: Position, facts: Facts, { arbiter }: Circumstances): string {
  const { peerHoldsRelease } = facts.right;
  if (phase === 'offered' || phase === 'dropped') return 'nothing that opens your files';
  if (phase === 'contracted') return 'your files, and your statement of origin';
  if (isEarly(facts)) return 'your files encrypted, and nothing that opens them';
  if (phase === 'aborted' && wrong) return 'your files, if your key was out before';
  if (peerHoldsRelease === 'yes') return 'your files, once your key reaches them';
  const promise = 'your files encrypted, and a promise of their key that';
  if (phase === 'aborted' && !theyGetOurs(facts)) return `${promise} ${arbiter} will not act on`;
  return peerHoldsRelease === 'maybe'
    ? `${promise} only ${arbiter} can open, and the key itself if it left already`
    : `${promise} only ${arbiter} can open`;
}

function ifYouStop(position: Position, facts: Facts, { arbiter, until }: Circumstances): string {
  const { phase, wrong } = position;
  const { right } = facts;
  if (phase === 'contracted') return wrong ? 'nothing changes: it is over' : 'nothing changes: you have their files';
  if (phase === 'aborted') return 'nothing changes: it is over';
  if (!theyGetOurs(facts)) return phase === 'complaining' ? 'your proof stays unheard' : UNBOUND;
  const out = right.peerHoldsRelease === 'yes';
  const taken = out ? 'they have your key' : `they can have your key from ${arbiter} until ${until}`;
  if (phase === 'complaining') return `your proof stays unheard, and ${taken}`;
  // Who stops while comparing has the key already, and tells nobody of what is wrong.
  if (phase === 'opening' || phase === 'waiving') return `${taken}, and what is wrong in theirs stays unsaid`;
  if (out) return `they get your files; you get theirs from ${arbiter}, but only if it is asked before ${until}`;
  const both = `${taken}, and you theirs when you are back before then`;
  return right.peerEnds.has('dropped') || right.peerEnds.has('idle')
    ? `it is in their hands: ${both}, or they let it fail`
    : both;
}

function ifTheyStop({ phase, wrong, lost }: Position, facts: Facts, circumstances: Circumstances): string {
  const { them, arbiter, until } = circumstances;
  const { right } = facts;
  if (phase === 'contracted') return wrong ? 'nothing changes: it is over' : 'nothing changes: you have their files';
  if (phase === 'aborted') return `nothing happens: ${arbiter} completes it for nobody`;
  if (phase === 'complaining') return `nothing changes: ${arbiter} needs nothing but your proof`;
  if (lost) return 'the files stay lost: nobody else can give them again';
  if (right.ownEndsWithoutArbiter.has('contracted')) return 'nothing changes: you have their key';
  if (right.canAsk.has('resolve')) {
    const get = `you get their key from ${arbiter}, until ${until}`;
    return right.ownEnds.has('aborted') ? `${get}; if ${them} stopped it there before, nobody has anything` : get;
  }
  if (right.canAsk.has('abort') && !isEarly(facts))
    return `you ask ${arbiter} to stop it: nobody has anything, or, if they had it completed before, you get their key too`;
  return 'nothing happens: nothing of yours has left';
}

function whoCouldCheat({ phase, wrong }: Position, facts: Facts, { them, arbiter }: Circumstances): string {
  const { right } = facts;
  const secretly = `${arbiter}, only together with ${them}: it could open your key for them in secret`;
  if (phase === 'contracted')
    return wrong
      ? `${them}, who gave wrong content: your proof still shows it to anybody`
      : 'nobody: the files are compared, and whose they are is signed';
  if (isEarly(facts)) return 'nobody: nothing of yours has left';
  if (phase === 'aborted') return wrong ? `nobody any more: ${arbiter} has signed that it is void` : secretly;
  if (phase === 'complaining')
    return `${them}, who gave wrong content: your proof shows it, and does not bring yours back if your key is out`;
  const cheats = theyGetOurs({ right: facts.junk, junk: facts.junk })
    ? [`${them}, with wrong content: your proof would show it, and not bring yours back`]
    : [];
  const gone = right.peerHoldsRelease !== 'no' && !right.ownEndsWithoutArbiter.has('contracted');
  return [
    ...cheats,
    gone ? `${arbiter}, if it never answers: they would have your files and you not theirs` : secretly,
  ].join('; ');
}

function openNotes(position: Position, { right }: Facts, circumstances: Circumstances): readonly string[] {
  const { them, arbiter, until, deadline, window } = circumstances;
  const hasKey = right.ownEndsWithoutArbiter.has('contracted') || position.phase === 'complaining';
  const [youCan, theyCan] = [right.canAsk.has('resolve') && !hasKey, right.peerCanAsk.has('resolve')];
  return [
    ...(youCan && theyCan ? [`each of you can have it completed by ${arbiter} without the other`] : []),
    ...(theyCan && !youCan && !hasKey
      ? [`${them} can have your key from ${arbiter} without you; you can have theirs then, and not before`]
      : []),
    ...(youCan && right.peerHoldsPromise !== 'no'
      ? [
          `your daemon must reach ${arbiter} before ${until}; it asks by itself, on ${deadline} at the latest, if it is running`,
        ]
      : []),
    `what is wrong must be shown to ${arbiter} within ${hours(window)} after it was first asked, also if ${them} asks it: be online and unlocked`,
  ];
}

const PROMISED = { course: 'swap', phase: 'promised', via: null, mode: 'invisible', wrong: false } as const;
const promised = (role: PartyRole): Position => ({ ...PROMISED, role, holdsPromise: role === 'responder' });

/** What the acceptance of a text that names both contents leads to: where this side stands when its promise is out. */
function onceAccepted(role: PartyRole, circumstances: Circumstances): readonly string[] {
  const position = promised(role);
  const facts = factsOf(position);
  return [
    'once a text that names both is accepted, each daemon fetches the files of the other encrypted, and then they exchange the keys by themselves',
    `once it is accepted they hold ${theyHold(position, facts, circumstances)}`,
    `once it is accepted, if they stop: ${ifTheyStop(position, facts, circumstances)}`,
    `once it is accepted, who could cheat: ${whoCouldCheat(position, facts, circumstances)}`,
  ];
}

function notes(position: Position, facts: Facts, circumstances: Circumstances): readonly string[] {
  const { phase, role, wrong } = position;
  return [
    ...(phase === 'contracted' ? [] : [LIMIT]),
    ...(isOpen(position) ? openNotes(position, facts, circumstances) : []),
    ...(phase === 'offered' ? onceAccepted(role, circumstances) : []),
    ...(phase === 'aborted' && !wrong && facts.right.peerEnds.has('contracted')
      ? [`the time ran out while your key was out: ${circumstances.them} may have your files, and you not theirs`]
      : []),
    ...commonNotes(position, circumstances),
  ];
}

/** Never throws for a phase that the role's machine can be in; an impossible one is our bug. */
export function explainSwap(position: Position, circumstances: Circumstances): Explanation {
  const facts = factsOf(position);
  return {
    youHold: youHold(position, circumstances),
    theyHold: theyHold(position, facts, circumstances),
    ifYouStop: ifYouStop(position, facts, circumstances),
    ifTheyStop: ifTheyStop(position, facts, circumstances),
    whoCouldCheat: whoCouldCheat(position, facts, circumstances),
    notes: notes(position, facts, circumstances),
  };
}

/** One sentence for whoever is about to consent: what happens if the other side stops half-way, or gives wrong content. */
export function fairnessOfSwap(role: PartyRole, circumstances: Circumstances): string {
  const position = promised(role);
  const stop = ifTheyStop(position, factsOf(position), circumstances);
  return `if they stop half-way, ${stop}; wrong content is found out only when it is opened`;
}
