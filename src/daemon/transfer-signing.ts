/**
 * The statements of a transfer as a daemon makes and checks them: CMS over the text that the record makes. Whether one may be made
 * is the consent's; that is the driver's (transfers.ts).
 */
import { signP256 } from '../crypto/ecdsa.ts';
import { sha256 } from '../crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../crypto/pki/cms.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import {
  type TransferRecord,
  type TransferStatement,
  transferText,
  verifyTransferStatement,
} from '../exchange/transfer-record.ts';
import { present } from '../lib/assert.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { Keyring } from './keyring.ts';

/** `now`: seconds since 1970. */
export function createTransferSigning(keyring: Keyring, now: () => number) {
  return {
    /** A statement of ours. Throws `FitError('clock-wrong')` if our certificate is not valid now. */
    sign(record: TransferRecord, statement: TransferStatement): Uint8Array {
      const certificate = present(keyring.chain[0], 'certificate');
      const signingTime = now();
      if (signingTime < certificate.notBefore || signingTime > certificate.notAfter)
        throw new FitError('clock-wrong', 'your certificate is not valid now: nothing was signed', {
          hint: 'fit doctor',
        });
      const digest = sha256(transferText(record, statement));
      const attributes = signedAttributes({ digest, signingTime, certificateHash: certificate.hash });
      const signature = signP256(keyring.secrets().signing, attributes);
      return assembleSignedData([{ certificate, signedAttributes: attributes, signature }]);
    },

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
