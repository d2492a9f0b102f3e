/** Our signature under a statement, as CMS. Whether one may be made is decided before; nothing is signed outside of our certificate's time. */
import { signP256 } from '../crypto/ecdsa.ts';
import { assembleSignedData, signedAttributes } from '../crypto/pki/cms.ts';
import { present } from '../lib/assert.ts';
import { FitError } from '../lib/errors.ts';
import type { Keyring } from './keyring.ts';

/** `digest`: SHA-256 of the text; `signingTime`: seconds since 1970. Throws `FitError('clock-wrong')`, and `locked`. */
export function signStatement(keyring: Keyring, digest: Uint8Array, signingTime: number): Uint8Array {
  const certificate = present(keyring.chain[0], 'certificate');
  if (signingTime < certificate.notBefore || signingTime > certificate.notAfter)
    throw new FitError('clock-wrong', 'your certificate is not valid at this time: nothing was signed', {
      hint: 'fit doctor',
    });
  const attributes = signedAttributes({ digest, signingTime, certificateHash: certificate.hash });
  const signature = signP256(keyring.secrets().signing, attributes);
  return assembleSignedData([{ certificate, signedAttributes: attributes, signature }]);
}
