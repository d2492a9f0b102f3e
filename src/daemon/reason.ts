/** Why a deal ended as it did, in one sentence, where no person has given a reason: `fit deal show` and whoever waited say it. */
import type { Deal } from '../commerce/deal.ts';
import { equal } from '../lib/bytes.ts';

export function reasonOf(deal: Deal, kind: 'contract' | 'delivery'): string | null {
  if (deal.reason !== null) return deal.reason;
  if (deal.state === 'expired') return 'the offer ran out';
  if (deal.state !== 'aborted') return null;
  if (kind === 'contract') return 'the arbiter will not complete this signing; no contract came about';
  if (deal.transactions.at(-1)?.payload.kind !== 'void')
    return 'the arbiter will not complete this delivery; nobody owes anything';
  const complained = deal.transactions.some(({ payload, by }) => payload.kind === 'complaint' && equal(by, deal.us));
  return complained
    ? 'a part of the content is not what its sender signed: the arbiter found it void, and you owe no receipt'
    : 'the receiver proved to the arbiter that a part of the content is not what you signed: it is void, and there is no receipt';
}
