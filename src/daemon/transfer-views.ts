/** How transfers look from outside: where each side stands, and what their evidence is made of. Reads only. */
import { currentVersion, type Deal, isFinalState } from '../commerce/deal.ts';
import { explainTransfer, type TransferPosition } from '../exchange/explain-transfer.ts';
import type { Explanation } from '../exchange/position.ts';
import type { TransferTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import type { Transfer } from './transfer-record.ts';

export function explainTransferOf(
  deal: Deal,
  transfer: Transfer | undefined,
  terms: TransferTerms,
  circumstances: { readonly them: string; readonly verified: boolean },
): Explanation {
  const version = present(currentVersion(deal), 'version');
  const side = equal(version.by, deal.us) ? 'sender' : 'receiver';
  const phase = transfer?.machine.phase;
  const begun = phase === 'ready' || phase === 'waiting' ? undefined : phase;
  const position: TransferPosition = {
    side,
    phase: begun ?? (isFinalState(deal.state) ? 'over' : 'offered'),
    fault: transfer?.machine.fault ?? null,
  };
  return explainTransfer(position, terms, circumstances);
}

/** The transfer of the deal's current text. */
export function transferOf(
  deal: Deal,
  find: (document: string) => Promise<Transfer | undefined>,
): Promise<Transfer | undefined> {
  return find(toHex(present(currentVersion(deal), 'version').document));
}
