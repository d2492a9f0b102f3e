/**
 * The statements of a transfer as a daemon makes and checks them: CMS over the text that the record makes. Whether one may be made
 * is the consent's; that is the driver's (transfers.ts).
 */
import { sha256 } from '../crypto/hash.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import {
  type TransferRecord,
  type TransferStatement,
  transferText,
  verifyTransferStatement,
} from '../exchange/transfer-record.ts';
import { PeerFault } from '../lib/errors.ts';
import type { Keyring } from './keyring.ts';
import { signStatement } from './statement-signing.ts';

/** `now`: seconds since 1970. */
export function createTransferSigning(keyring: Keyring, now: () => number) {
  return {
    /** A statement of ours. Throws `FitError('clock-wrong')` if our certificate is not valid now. */
    sign: (record: TransferRecord, statement: TransferStatement): Uint8Array =>
      signStatement(keyring, sha256(transferText(record, statement)), now()),

    /** Whether it is the other side's, of a time that can be: not before the note (`noted`), nor in the future. */
    verifies(record: TransferRecord, statement: TransferStatement, p7s: Uint8Array, noted: number): boolean {
      try {
        const { signingTime } = verifyTransferStatement(record, statement, p7s);
        return signingTime >= noted - DEFAULT_SKEW && signingTime <= now() + DEFAULT_SKEW;
      } catch (error) {
        if (error instanceof PeerFault) return false;
        throw error;
      }
    },
  };
}
