/**
 * Where a trader stands in a transfer, in plain words. No fairness is claimed: the key leaves first, so the sentences say what the
 * other side can do with it, and what is left to whoever was cheated.
 *
 * Names are safe to show already; sentences are lower case without a full stop.
 */
import type { Circumstances, Explanation } from './position.ts';
import type { TransferTerms } from './terms.ts';
import type { TransferFault, TransferPhase, TransferSide } from './transfer.ts';

export interface TransferPosition {
  readonly side: TransferSide;
  /** `over`: it ended before anything had left. */
  readonly phase: Exclude<TransferPhase, 'ready' | 'waiting'> | 'offered' | 'over';
  readonly fault: TransferFault | null;
  /** Receiver: one wrong chunk is kept. There is none if the chunks are right and the note describes them wrongly. */
  readonly isProven: boolean;
}

type Voice = (
  position: TransferPosition,
  terms: TransferTerms,
  circumstances: Pick<Circumstances, 'them' | 'verified'>,
) => Explanation;

const NOTHING = 'nothing happens, and nobody is bound';
const signedOrNot = (origin: boolean): string => (origin ? ', and your signed statement of origin' : '');

/** What a receiver can prove to others about content that is wrong. */
const proofOf = (origin: boolean, them: string): string =>
  origin
    ? `${them}'s signed statement of origin and one wrong chunk, which prove to anybody that the content is not what they signed`
    : 'nothing that proves it: the sender signed no statement of origin';

const UNPROVEN =
  'nothing that proves it: every chunk is what the note’s root names, and the note describes the file wrongly';

const sender: Voice = ({ phase, fault }, { origin, receipt }, { them }) => {
  const asked = receipt === 'asked';
  const out = phase === 'keyed' || phase === 'failed' || phase === 'completed';
  const youHold =
    phase === 'completed' && asked
      ? `the receipt for the files, signed by ${them}`
      : phase === 'completed'
        ? `the word of ${them}'s daemon that the files are there, which proves nothing to others`
        : 'nothing of theirs';
  const theyHold =
    phase === 'offered'
      ? 'your note, and nothing that opens the files'
      : phase === 'over'
        ? 'nothing that opens the files'
        : phase === 'completed'
          ? `the files${signedOrNot(origin)}`
          : `the files encrypted, and their key once it reaches them${signedOrNot(origin)}`;
  return {
    youHold,
    theyHold,
    ifYouStop: !out
      ? NOTHING
      : phase === 'keyed'
        ? 'they may have the files already; a receipt that comes later is kept all the same'
        : 'nothing changes',
    ifTheyStop: !out
      ? NOTHING
      : phase !== 'keyed'
        ? 'nothing changes'
        : asked
          ? `they may have the files, and you have no receipt: nobody can get it for you`
          : 'they may have the files, and you do not know it',
    whoCouldCheat:
      phase === 'completed' || phase === 'over'
        ? 'nobody any more'
        : asked
          ? `${them}: they can keep the files and sign no receipt`
          : `nobody: no receipt was asked of ${them}`,
    notes: fault === 'wrong-content' ? [`${them}'s daemon says that the content is not what your note names`] : [],
  };
};

const receiver: Voice = ({ phase, fault, isProven }, { origin, receipt }, { them }) => {
  const asked = receipt === 'asked';
  const theirs = origin ? `, and ${them}'s signed statement of origin` : '';
  const youHold =
    phase === 'completed'
      ? `the files as the note says${theirs}`
      : phase === 'opening'
        ? `the key${theirs}; each part is being compared with the note`
        : phase === 'failed' && fault === 'wrong-content'
          ? isProven
            ? proofOf(origin, them)
            : UNPROVEN
          : 'the note, and nothing that opens the files';
  return {
    youHold,
    theyHold: phase === 'completed' && asked ? 'your receipt' : 'nothing of yours that binds you',
    ifYouStop:
      phase === 'opening'
        ? 'your daemon goes on when it runs again'
        : phase === 'offered'
          ? NOTHING
          : 'nothing changes',
    ifTheyStop: phase === 'offered' ? 'you get nothing, and owe nothing' : 'nothing changes',
    whoCouldCheat:
      phase === 'offered' || phase === 'opening'
        ? `${them}: they can send something else than the note says; your daemon finds it and ${asked ? 'signs no receipt' : 'keeps none of it'}; you would have ${proofOf(origin, them)}`
        : 'nobody any more',
    notes:
      phase === 'offered' && asked
        ? ['if you accept, your daemon signs the receipt once all of it is here and compared']
        : [],
  };
};

export function explainTransfer(
  position: TransferPosition,
  terms: TransferTerms,
  circumstances: Pick<Circumstances, 'them' | 'verified'>,
): Explanation {
  const said = (position.side === 'sender' ? sender : receiver)(position, terms, circumstances);
  const { them, verified } = circumstances;
  const ahead = position.phase === 'offered' || position.phase === 'keyed';
  return {
    ...said,
    notes: [
      ...said.notes,
      ...(ahead ? ['a transfer has no arbiter: nothing here is exchanged fairly'] : []),
      ...(ahead && !verified ? [`${them} is not verified: who gave you the card could be someone else`] : []),
    ],
  };
}

/** One sentence for whoever is about to consent. */
export function fairnessOfTransfer(side: TransferSide, { origin, receipt }: TransferTerms, them: string): string {
  const signs = origin ? 'you sign that they are yours and what the note says, and ' : '';
  if (side === 'sender')
    return receipt === 'asked'
      ? `no arbiter: ${signs}${them} can keep the files without signing a receipt`
      : `no arbiter: ${signs}${them} is asked for no receipt`;
  return receipt === 'asked'
    ? `you sign a receipt once all of it is here and compared; no arbiter: if ${them} sends something else you get nothing and sign nothing`
    : `you sign nothing; no arbiter: if ${them} sends something else you get nothing`;
}
