/**
 * Where a trader stands in a delivery, in plain words: content and its key against a receipt, and the window in which wrong
 * content can be disputed, or the arbiter that compares it (a delivery without a window has a full check).
 *
 * Guarantee: what happens next comes from a walk over the tables of a delivery (`outlook.ts`), as in `explain.ts`; names are
 * safe to show already; sentences are lower case without a full stop.
 */
import { type Known, type Outlook, outlook } from './outlook.ts';
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

/** Whoever compares the content, or has given up waiting for it, needs nothing more to open it. */
const hasKey = (phase: Position['phase']): boolean => phase === 'opening' || phase === 'waiving';

/** The sentences of one side. */
type Sentence = (position: Position, facts: Outlook, circumstances: Circumstances) => string;
type Voice = Readonly<Record<Exclude<keyof Explanation, 'notes'>, Sentence>>;

const isFull = ({ window }: Circumstances): boolean => window === 0;

const UNBOUND = 'nothing happens, and nobody is bound';

function wordOf({ wrong }: Position, { arbiter }: Circumstances): string {
  return wrong
    ? `${arbiter}'s word that this delivery is void, because the content was proven wrong`
    : `${arbiter}'s word that it will not complete this delivery`;
}

/** Nothing that opens the content, and nothing that binds the receiver, has left. */
const isEarly = (facts: Outlook): boolean => facts.peerHoldsPromise === 'no';

const SENDER: Voice = {
  youHold(position, _facts, circumstances) {
    const { them, arbiter } = circumstances;
    if (position.phase === 'contracted') return `the receipt for the files, signed by ${them}`;
    if (position.phase === 'aborted') return wordOf(position, circumstances);
    return holdsPromise(position)
      ? `a promise of ${them}'s receipt that only ${arbiter} can open`
      : 'nothing of theirs that binds them';
  },
  theyHold({ phase, wrong }, facts, circumstances) {
    const { arbiter } = circumstances;
    if (phase === 'offered') return 'your delivery note, and nothing that opens the files';
    if (phase === 'contracted') return 'the files, and your statement of origin';
    if (isEarly(facts)) return 'nothing that opens the files';
    // The arbiter may have found it, before the key was out.
    if (wrong && isFull(circumstances) && facts.peerHoldsRelease !== 'yes')
      return facts.peerHoldsRelease === 'no' ? 'nothing that opens the files' : 'the key, if it has left you';
    if (wrong) return `the key, your statement of origin, and a proof that the content is wrong`;
    if (facts.peerHoldsRelease === 'yes') return 'the files encrypted, and their key once it reaches them';
    const promise = `the files encrypted, and a promise of the key that`;
    if (facts.peerHoldsRelease === 'maybe')
      return `${promise} only ${arbiter} can open, and the key itself if it left before time was short`;
    return phase === 'aborted' ? `${promise} ${arbiter} will not act on` : `${promise} only ${arbiter} can open`;
  },
  ifYouStop({ phase }, facts, { arbiter, until }) {
    if (phase === 'contracted') return 'nothing changes: you have the receipt';
    if (facts.lateOnly && facts.peerEnds.has('contracted')) return 'nothing changes: the time is over';
    if (!facts.peerEnds.has('contracted')) return UNBOUND;
    return facts.peerEnds.has('dropped') || facts.peerEnds.has('idle')
      ? `it is in their hands: they can have the key from ${arbiter} until ${until}, which brings you the receipt when you are back, or let it fail`
      : `they get the files; you get the receipt from ${arbiter}, but only if it is asked before ${until}`;
  },
  ifTheyStop({ phase }, facts, circumstances) {
    const { arbiter, until, window } = circumstances;
    if (phase === 'contracted') return 'nothing changes: you have the receipt';
    if (phase === 'aborted') return `nothing happens: ${arbiter} completes it for nobody`;
    if (facts.canAsk.has('resolve') && isFull(circumstances))
      return `you get the receipt from ${arbiter} as soon as it has compared the files; it must be asked before ${until}`;
    if (facts.canAsk.has('resolve'))
      return `you get the receipt from ${arbiter}, ${hours(window)} after it was first asked; it must be asked before ${until}`;
    if (facts.canAsk.has('abort') && !isEarly(facts))
      return `you ask ${arbiter} to stop it: nobody is bound, or, if they had the key from it before, you get the receipt`;
    return 'nothing happens: nothing that opens the files has left';
  },
  whoCouldCheat({ phase, wrong }, facts, circumstances) {
    const { them, arbiter } = circumstances;
    if (phase === 'contracted') return 'nobody: the receipt stands by itself';
    if (isEarly(facts)) return 'nobody: nothing that opens the files has left';
    if (wrong && isFull(circumstances)) return 'nobody: it is void, and nobody owes anything';
    if (wrong) return 'nobody: the proof of wrong content stands by itself';
    if (facts.peerHoldsRelease !== 'no' && phase !== 'aborted' && !facts.ownEndsWithoutArbiter.has('contracted'))
      return `${arbiter}, if it never answers: they would have the files and you no receipt`;
    return `${arbiter}, only together with ${them}: it could open the key for them in secret`;
  },
};

const RECEIVER: Voice = {
  youHold(position, _facts, circumstances) {
    const { them, arbiter } = circumstances;
    if (position.lost) return `the key and ${them}'s statement of origin; the files are lost on your own disk`;
    switch (position.phase) {
      case 'offered':
        return 'the delivery note, and nothing that opens the files';
      case 'dropped':
        return 'nothing that opens the files';
      case 'contracted':
        return position.wrong
          ? `files that are wrong, with ${them}'s statement of origin: ${arbiter} ${isFull(circumstances) ? 'took them for right' : 'heard of it when the window was over'}`
          : `the files as the delivery note says, and ${them}'s statement of origin`;
      case 'aborted':
        return wordOf(position, circumstances);
      case 'opening':
      case 'waiving':
        return `the key and ${them}'s statement of origin; each part is being compared with the delivery note`;
      case 'complaining':
        return `the key, ${them}'s statement of origin, and a proof that the content is not what they promised`;
      default:
        return `the files encrypted, and a promise of the key that only ${arbiter} can open`;
    }
  },
  theyHold({ phase, wrong }, facts, circumstances) {
    const { arbiter, window } = circumstances;
    if (phase === 'contracted') return wrong ? `all they need to have your receipt from ${arbiter}` : 'your receipt';
    if (isEarly(facts)) return 'nothing of yours that binds you';
    if (phase === 'aborted') return `a promise of your receipt that ${arbiter} will not act on`;
    if (isFull(circumstances))
      return `a promise of your receipt that only ${arbiter} can open, and will only for the files as the delivery note says`;
    return `a promise of your receipt that only ${arbiter} can open, and not before ${hours(window)} after it was first asked`;
  },
  ifYouStop({ phase, wrong, lost }, facts, circumstances) {
    const { arbiter, until, window } = circumstances;
    if (lost && phase === 'contracted') return 'nothing changes: it is over';
    if (phase === 'contracted') return wrong ? 'nothing changes: it is over' : 'nothing changes: you have the files';
    if (!facts.peerEnds.has('contracted')) return UNBOUND;
    if (isFull(circumstances)) {
      const right = `they can have your receipt from ${arbiter}, but only if the files are right`;
      return hasKey(phase) ? right : `${right}; then you get the key from it too, when you are back`;
    }
    const owed = `they can have your receipt from ${arbiter} ${hours(window)} after it was first asked`;
    if (phase === 'complaining') return `${owed}, although the content is wrong`;
    if (hasKey(phase)) return `${owed}, even if the content is wrong`;
    return `${owed}, even if the content is wrong; you get the key from ${arbiter} when you are back before ${until}`;
  },
  ifTheyStop({ phase, wrong, lost }, facts, { them, arbiter, until }) {
    if (lost && phase === 'contracted') return 'nothing changes: it is over';
    if (lost) return 'the files stay lost: nobody else can give them again';
    if (phase === 'contracted') return wrong ? 'nothing changes: it is over' : 'nothing changes: you have the files';
    if (phase === 'aborted') return `nothing happens: ${arbiter} completes it for nobody`;
    if (hasKey(phase)) return 'nothing changes: you have the key';
    if (phase === 'complaining') return `nothing changes: ${arbiter} needs nothing but your proof`;
    if (!facts.canAsk.has('resolve')) return 'nothing happens: nothing of yours has left';
    const get = `you get the key from ${arbiter}, until ${until}`;
    return facts.ownEnds.has('aborted') ? `${get}; if ${them} stopped it there before, nobody is bound` : get;
  },
  whoCouldCheat({ phase, wrong, lost }, facts, circumstances) {
    const { them, arbiter } = circumstances;
    if (lost) return `${them}, if the content was wrong: it cannot be compared any more`;
    if (phase === 'contracted')
      return wrong
        ? `${them}, who gave wrong content: your proof still shows it to anybody`
        : 'nobody: the files are compared, and whose they are is signed';
    if (isEarly(facts)) return 'nobody: nothing of yours has left';
    if (phase === 'complaining')
      return `${arbiter}, only together with ${them}: it could leave your proof unheard; the proof still shows it to anybody`;
    return `${arbiter}, only together with ${them}: it could open your receipt in secret, or ${isFull(circumstances) ? 'for wrong files' : 'too early'}`;
  },
};

function openNotes(facts: Outlook, { role, phase }: Position, circumstances: Circumstances): readonly string[] {
  const { them, arbiter, until, deadline } = circumstances;
  // Who has the key needs it from nobody.
  const theyCan = facts.peerCanAsk.has('resolve');
  const youCan = facts.canAsk.has('resolve') && !hasKey(phase) && phase !== 'complaining';
  const sends = role === 'originator';
  return [
    ...(theyCan && youCan ? [`each of you can have it completed by ${arbiter} without the other`] : []),
    ...(theyCan && !youCan && sends
      ? [`${them} can have the key from ${arbiter} without you; you cannot have the receipt yet`]
      : []),
    ...(!theyCan && youCan && !sends ? [`you can have the key from ${arbiter} without them`] : []),
    ...(youCan && !isEarly(facts)
      ? [
          `your daemon must reach ${arbiter} before ${until}; it asks by itself, on ${deadline} at the latest, if it is running`,
        ]
      : []),
    ...(isEarly(facts) ? [] : ['a promise convinces nobody but its receiver, who could have made it alone']),
  ];
}

/** What is left to whoever has the key and has lost what it opens. */
function lostNotes({ phase }: Position, { them, arbiter, until, window }: Circumstances): readonly string[] {
  if (phase === 'contracted') return ['the receipt is out, and the files never came again'];
  const ends =
    window === 0
      ? `once ${them} brings them to ${arbiter}, and it finds them right`
      : `${hours(window)} after ${arbiter} was first asked`;
  return [
    `your daemon asks ${them} for the files again as long as the deal is open; ${arbiter} has none of them and can give nothing but the key`,
    phase === 'waiving'
      ? `you wait no longer: it ends ${ends}, with a receipt for them and without the files; if it was not asked before ${until}, nobody owes anything`
      : `fit deal resolve ends it if they do not come: ${ends}, with a receipt for them and without the files; if nobody asks before ${until}, nobody owes anything`,
  ];
}

/** What a full check asks of each side, and what it costs them. */
function fullNotes(position: Position, { arbiter }: Circumstances): readonly string[] {
  const { role, phase } = position;
  if (!isOpen(position) && phase !== 'offered') return [];
  return [
    `if ${arbiter} is asked, it compares all of the files before it completes anything, so there is no window: ${role === 'responder' ? 'you need not be there in time, and wrong content is void' : 'the receipt comes at once'}`,
    `for that ${arbiter} is brought the files encrypted and opens their key: if it is asked, it can read them`,
    ...(role === 'originator' && (phase === 'released' || phase === 'resolving')
      ? [`your daemon must be unlocked, and the files as they were, to bring them to ${arbiter}`]
      : []),
  ];
}

/** What the receiver must do for its safety, and what the sender waits for. */
function checkNotes(position: Position, circumstances: Circumstances): readonly string[] {
  const { role, phase } = position;
  const { them, arbiter, window } = circumstances;
  if (isFull(circumstances)) return fullNotes(position, circumstances);
  if (role === 'responder' && (isOpen(position) || phase === 'offered'))
    return [
      `you must be online and unlocked within ${hours(window)} after ${arbiter} was first asked, also if ${them} asks it: later nobody voids wrong content`,
    ];
  if (role === 'originator' && (phase === 'released' || phase === 'resolving'))
    return [
      `${arbiter} holds the receipt back for ${hours(window)} after it was first asked; a proof of wrong content in that time voids it`,
    ];
  return [];
}

const PROMISED = { course: 'delivery', phase: 'promised', via: null, mode: 'invisible', wrong: false } as const;

/** What the acceptance that is about to be given leads to: the position after message 2. */
function onceAccepted(circumstances: Circumstances): readonly string[] {
  const accepted: Position = { ...PROMISED, role: 'responder', holdsPromise: true };
  const facts = outlook('R', 'promised', true, 'delivery', undefined, isFull(circumstances));
  return [
    'once you accept, your daemon fetches the files encrypted, and then answers by itself',
    `once you accept they hold ${RECEIVER.theyHold(accepted, facts, circumstances)}`,
    `once you accept, if they stop: ${RECEIVER.ifTheyStop(accepted, facts, circumstances)}`,
    `once you accept, who could cheat: ${RECEIVER.whoCouldCheat(accepted, facts, circumstances)}`,
  ];
}

function notes(position: Position, facts: Outlook, circumstances: Circumstances): readonly string[] {
  const { role, phase } = position;
  return [
    ...(isOpen(position) ? openNotes(facts, position, circumstances) : []),
    ...(phase === 'offered' && role === 'responder' ? onceAccepted(circumstances) : []),
    ...(phase === 'offered' && role === 'originator'
      ? ['if they accept, your daemon delivers by itself; you can withdraw until it has']
      : []),
    ...(position.lost ? lostNotes(position, circumstances) : checkNotes(position, circumstances)),
    ...(role === 'originator' && phase === 'aborted' && !position.wrong && facts.peerEnds.has('contracted')
      ? [`the time ran out while the key was out: ${circumstances.them} may have the files without a receipt`]
      : []),
    ...commonNotes(position, circumstances),
  ];
}

/** One sentence for whoever is about to consent: what happens if the other side stops half-way, or gives wrong content. */
export function fairnessOfDelivery(role: PartyRole, circumstances: Circumstances): string {
  const holds = role === 'responder';
  const position: Position = { ...PROMISED, role, holdsPromise: holds };
  const facts = outlook(holds ? 'R' : 'O', 'promised', holds, 'delivery', knownOf(position), isFull(circumstances));
  const { arbiter, window } = circumstances;
  if (holds && isFull(circumstances))
    return `if they stop half-way, ${RECEIVER.ifTheyStop(position, facts, circumstances)}; ${arbiter} compares the files and completes it only if they are right; if it is asked, it can read them`;
  if (isFull(circumstances))
    return `if they stop half-way, ${SENDER.ifTheyStop(position, facts, circumstances)}; if ${arbiter} is asked to complete it, it is brought the files and can read them`;
  return holds
    ? `if they stop half-way, ${RECEIVER.ifTheyStop(position, facts, circumstances)}; wrong content is void if you are online and unlocked within ${hours(window)} after ${arbiter} was first asked`
    : `if they stop half-way, ${SENDER.ifTheyStop(position, facts, circumstances)}, unless the content is proven wrong`;
}

/**
 * A sender takes its content for right; a receiver knows when it has compared. An arbiter that took wrong content for right has
 * not followed its table, of which nothing follows.
 */
function knownOf({ role, phase, wrong, lost }: Position, full = false): Known {
  if (full && wrong && phase === 'contracted') return { ownWrong: null, theirsWrong: null };
  if (role === 'originator') return { ownWrong: wrong, theirsWrong: null };
  const compared = wrong || phase === 'complaining' || (phase === 'contracted' && !lost);
  return { ownWrong: null, theirsWrong: compared ? wrong || phase === 'complaining' : null };
}

/** Never throws for a phase that the role's machine can be in; an impossible one is our bug. */
export function explainDelivery(position: Position, circumstances: Circumstances): Explanation {
  const sends = position.role === 'originator';
  const full = isFull(circumstances);
  const phase = position.phase !== 'offered' ? position.phase : sends ? 'proving' : 'idle';
  const facts = outlook(sends ? 'O' : 'R', phase, holdsPromise(position), 'delivery', knownOf(position, full), full);
  const voice = sends ? SENDER : RECEIVER;
  return {
    youHold: voice.youHold(position, facts, circumstances),
    theyHold: voice.theyHold(position, facts, circumstances),
    ifYouStop: voice.ifYouStop(position, facts, circumstances),
    ifTheyStop: voice.ifTheyStop(position, facts, circumstances),
    whoCouldCheat: voice.whoCouldCheat(position, facts, circumstances),
    notes: notes(position, facts, circumstances),
  };
}
