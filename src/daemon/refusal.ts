/** What a person reads when the rules of a deal (commerce/deal.ts) refuse a step. */
import type { DealRefusal } from '../commerce/deal.ts';
import { FitError } from '../lib/errors.ts';

/** ID stands for the deal's. */
const REFUSAL_TEXT: Readonly<Record<DealRefusal, readonly [message: string, hint: string]>> = {
  'unknown-sender': ['the peer is not a contact', 'fit contact add'],
  'unknown-deal': ['there is no such deal', 'fit deal list'],
  'unknown-parent': ['something before this is missing', 'fit deal show ID'],
  'bad-document': ['the document may not be signed', 'fit lint'],
  'bad-card': ['the arbiter’s card is not valid', 'fit contact show'],
  'not-current': ['this is not the current version', 'fit deal diff ID, then decide again'],
  'under-way': ['an acceptance is under way', 'fit deal explain ID'],
  ended: ['the deal has ended', 'fit deal show ID says how; a new proposal starts a new deal'],
  expired: ['the offer has expired', 'propose it again'],
  full: ['the deal has too many transactions', 'start a new one'],
  'not-yours': ['this is not yours to do', 'fit deal show ID says whose move it is'],
  malformed: ['this does not fit the deal', 'fit deal show ID'],
  'wrong-state': ['not possible in the state that the deal is in', 'fit deal show ID'],
  'exchange-open': ['an acceptance is under way', 'fit deal explain ID'],
};

export function refusal(code: DealRefusal, deal: string): FitError {
  const [message, hint] = REFUSAL_TEXT[code];
  return new FitError('wrong-state', message, { hint: hint.replace('ID', deal), data: { refusal: code } });
}
