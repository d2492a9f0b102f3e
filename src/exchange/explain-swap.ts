/**
 * Where a trader stands in a swap, in plain words. What a swap cannot do is said at every step: who releases last may have
 * released junk, and then the other side has a proof and the arbiter's word, but its own content is out.
 */
import type { PartyRole } from './party.ts';
import { type Circumstances, commonNotes, type Explanation, hours, isOpen, type Position } from './position.ts';

const LIMIT =
  'a swap is fair about the keys, not about what they open: wrong content is found out only when it is opened, and then yours may be out';

function held({ phase, wrong }: Position, { them, arbiter }: Circumstances): string {
  switch (phase) {
    case 'offered':
    case 'proving':
    case 'dropped':
      return 'nothing that opens their files';
    case 'promised':
    case 'released':
    case 'aborting':
    case 'resolving':
      return `their files encrypted, and what ${arbiter} can make the key of once both have promised`;
    case 'opening':
    case 'waiving':
      return `their key and ${them}'s statement of origin; each part is being compared with the note`;
    case 'complaining':
      return `their key, ${them}'s statement of origin, and a proof that their content is wrong`;
    case 'contracted':
      return 'their files as the note says, and their statement of origin';
    case 'aborted':
      return wrong
        ? `${arbiter}'s word that this swap is void, because content was proven wrong`
        : `${arbiter}'s word that it will not complete this swap`;
  }
}

function given({ role, phase, wrong }: Position, { arbiter }: Circumstances): string {
  switch (phase) {
    case 'offered':
    case 'proving':
    case 'dropped':
      return 'nothing that opens your files';
    case 'promised':
    case 'aborting':
      return `your files encrypted, and a promise of their key that only ${arbiter} can open`;
    case 'released':
    case 'resolving':
      return role === 'originator'
        ? 'your files, once your key reaches them'
        : `your files encrypted, and a promise of their key that only ${arbiter} can open`;
    case 'opening':
    case 'waiving':
    case 'complaining':
      return role === 'originator'
        ? 'your files'
        : `your files encrypted, and their key from ${arbiter} if they ask for it`;
    case 'contracted':
      return 'your files';
    case 'aborted':
      return wrong ? 'your files, if your key was out before' : `a promise that ${arbiter} will not act on`;
  }
}

function ifTheyStop({ role, phase }: Position, { arbiter, until }: Circumstances): string {
  switch (phase) {
    case 'offered':
    case 'proving':
    case 'dropped':
      return 'nothing happens: nothing of yours has left';
    case 'promised':
      return role === 'originator'
        ? `you ask ${arbiter} to stop it: nobody has anything, or, if they had it completed before, you get their key too`
        : `you get their key from ${arbiter}, until ${until}`;
    case 'released':
    case 'resolving':
      return `you get their key from ${arbiter}, until ${until}`;
    case 'aborting':
      return `${arbiter} stops it, or you get their key too`;
    case 'opening':
    case 'waiving':
      return 'nothing changes: you have their key';
    case 'complaining':
      return `nothing changes: ${arbiter} needs nothing but your proof`;
    case 'contracted':
      return 'nothing changes: you have their files';
    case 'aborted':
      return `nothing happens: ${arbiter} completes it for nobody`;
  }
}

function ifYouStop(position: Position, { arbiter, until }: Circumstances): string {
  const { phase } = position;
  if (phase === 'contracted') return 'nothing changes: you have their files';
  if (!isOpen(position) || phase === 'proving') return 'nothing happens, and nobody has anything';
  if (phase === 'complaining') return 'your proof stays unheard';
  return `they can have your key from ${arbiter} until ${until}, and you theirs when you are back before then`;
}

export function explainSwap(position: Position, circumstances: Circumstances): Explanation {
  const { phase } = position;
  const { them, arbiter, window } = circumstances;
  const open = isOpen(position);
  return {
    youHold: held(position, circumstances),
    theyHold: given(position, circumstances),
    ifYouStop: ifYouStop(position, circumstances),
    ifTheyStop: ifTheyStop(position, circumstances),
    whoCouldCheat:
      phase === 'contracted'
        ? 'nobody: the files are compared, and whose they are is signed'
        : `${them}, with wrong content: your proof would show it, and not bring yours back; ${arbiter}, only together with ${them}`,
    notes: [
      ...(phase === 'contracted' ? [] : [LIMIT]),
      ...(open ? [`what is wrong must be shown to ${arbiter} within ${hours(window)} after it was first asked`] : []),
      ...commonNotes(position, circumstances),
    ],
  };
}

export function fairnessOfSwap(role: PartyRole, circumstances: Circumstances): string {
  const there = { phase: 'promised', holdsPromise: role === 'responder', via: null, wrong: false } as const;
  const position: Position = { role, course: 'swap', mode: 'invisible', ...there };
  return `if they stop half-way, ${ifTheyStop(position, circumstances)}; wrong content is found out only when it is opened`;
}
