/** Why a deal ended as it did, in one sentence, where no person has given a reason: `fit deal show` and whoever waited say it. */
import { currentVersion, type Deal } from '../commerce/deal.ts';
import type { Terms } from '../exchange/terms.ts';
import { equal } from '../lib/bytes.ts';

export function reasonOf(
  deal: Deal,
  { content, format, check }: Pick<Terms, 'content' | 'format' | 'check'>,
): string | null {
  if (deal.reason !== null) return deal.reason;
  if (deal.state === 'expired') return 'the offer ran out';
  if (deal.state !== 'aborted') return null;
  if (content === null) return 'the arbiter will not complete this signing; no contract came about';
  if (deal.transactions.at(-1)?.payload.kind !== 'void')
    return 'the arbiter will not complete this delivery; nobody owes anything';
  const complained = deal.transactions.some(({ payload, by }) => payload.kind === 'complaint' && equal(by, deal.us));
  const version = currentVersion(deal);
  // Without a complaint of ours it is void too: the arbiter has compared the content, or we were restored from before we complained.
  const receives = format === 'delivery/1' && version !== undefined && !equal(version.by, deal.us);
  if (complained || receives)
    return 'a part of the content is not what its sender signed: the arbiter found it void, and you owe no receipt';
  return check === 'full'
    ? 'a part of the content is not what you signed: the arbiter found it void, and there is no receipt'
    : 'the receiver proved to the arbiter that a part of the content is not what you signed: it is void, and there is no receipt';
}
