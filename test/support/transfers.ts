/** Statements of a transfer, signed by whoever a test says. */
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import { type TransferRecord, type TransferStatement, transferText } from '../../src/exchange/transfer-record.ts';
import { type Identity, NOW } from './identities.ts';

export function signedTransfer(
  record: TransferRecord,
  which: TransferStatement,
  by: Pick<Identity, 'key' | 'certificate'>,
  at = NOW,
): Uint8Array {
  const attributes = signedAttributes({
    digest: sha256(transferText(record, which)),
    signingTime: at,
    certificateHash: by.certificate.hash,
  });
  const signature = signP256(by.key, attributes);
  return assembleSignedData([{ certificate: by.certificate, signedAttributes: attributes, signature }]);
}
