/** How transfers look from outside: where each side stands, and what their evidence is made of. Reads only. */
import { currentVersion, type Deal, isFinalState } from '../commerce/deal.ts';
import type { TransferInput } from '../evidence/transfer.ts';
import { explainTransfer, type TransferPosition } from '../exchange/explain-transfer.ts';
import type { LogEntry } from '../exchange/log.ts';
import type { Explanation } from '../exchange/position.ts';
import type { TransferTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import type { Transfer } from './transfer-store.ts';

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
    isProven: (transfer?.machine.proof ?? null) !== null,
  };
  return explainTransfer(position, terms, circumstances);
}

/** Undefined if nobody signed anything that could be shown. */
export function evidenceOfTransfer(
  { record, certificates, machine }: Transfer,
  note: Uint8Array,
  chains: readonly Uint8Array[],
  log: readonly LogEntry[],
): ({ readonly kind: 'transfer' } & TransferInput) | undefined {
  const { side, phase, origin, receipt } = machine;
  const proof = side === 'receiver' && origin !== null ? machine.proof : null;
  const isWhole = phase === 'completed' && (origin !== null || receipt !== null);
  if (!isWhole && proof === null) return undefined;
  return { kind: 'transfer', note, record, origin, receipt, proof, certificates: [...certificates, ...chains], log };
}

/** The transfer of the deal's current text. */
export function transferOf(
  deal: Deal,
  find: (document: string) => Promise<Transfer | undefined>,
): Promise<Transfer | undefined> {
  return find(toHex(present(currentVersion(deal), 'version').document));
}
