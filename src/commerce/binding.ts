/**
 * The binding of a certificate to a PeerId (DESIGN §5): each of the two keys signs the other. Sent on every connection
 * (`/fit/identity/1`), where the transport has proven the PeerId; the card carries the transport key's half.
 *
 * Guarantees: a binding for one PeerId is refused from any other, and no other signature of either key is one.
 */

import { verifyControl } from '../crypto/control.ts';
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { verifyTransport } from '../crypto/transport.ts';
import { concat, utf8 } from '../lib/bytes.ts';
import { type Cbor, decode, enc, encode, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';

export const BINDING_MAX_BYTES = 9 * 1024;
const CERTIFICATE_MAX_BYTES = 8 * 1024;
const VERSION = 1;

/** `signControl` with the certificate's key: the key itself stays with the keyring. */
export type ControlSigner = (purpose: string, ...items: readonly Cbor[]) => Uint8Array;
/** `signTransport` with the transport key's seed. */
export type TransportSigner = (message: Uint8Array) => Uint8Array;

const TRANSPORT_TAG = utf8('fit transport v1\0');

/** What the transport key signs: that it speaks for this certificate until `expiry` (seconds since 1970). */
export function transportStatement(certificateHash: Uint8Array, expiry: number): Uint8Array {
  return concat(TRANSPORT_TAG, enc(certificateHash, expiry));
}

export function makeBinding(
  binding: { readonly certificate: Certificate; readonly peer: Uint8Array; readonly expiry: number },
  signers: { readonly control: ControlSigner; readonly transport: TransportSigner },
): Uint8Array {
  const { certificate, peer, expiry } = binding;
  return encode([
    VERSION,
    certificate.der,
    expiry,
    signers.control('binding', peer, certificate.hash, expiry),
    signers.transport(transportStatement(certificate.hash, expiry)),
  ]);
}

/**
 * The certificate that the other end of a connection has proven: `peer` is its authenticated PeerId (38 bytes), `now` in
 * seconds. Whether it is the certificate we expect is for the caller. Throws `PeerFault` ('bad-binding', 'malformed').
 */
export function checkBinding(peer: Uint8Array, bytes: Uint8Array, now: number): Certificate {
  const [version, der, until, byCertificate, byTransport] = read.array(decode(bytes, BINDING_MAX_BYTES), 5, 'binding');
  if (version !== VERSION) throw new PeerFault('unknown-version', 'binding of another version');
  const certificate = parseCertificate(read.blob(der, CERTIFICATE_MAX_BYTES, 'certificate'));
  const expiry = read.uint(until, 'expiry');
  const control = read.bytes(byCertificate, 64, 'signature');
  const transport = read.bytes(byTransport, 64, 'signature');
  if (now >= expiry) throw new PeerFault('bad-binding', 'the binding is over; or a clock is wrong');
  if (!verifyControl(certificate.publicKey, 'binding', control, peer, certificate.hash, expiry))
    throw new PeerFault('bad-binding', 'the certificate did not sign this peer id');
  if (!verifyTransport(peer, transportStatement(certificate.hash, expiry), transport))
    throw new PeerFault('bad-binding', 'the peer id did not sign this certificate');
  return certificate;
}
