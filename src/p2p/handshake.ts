/**
 * Proving identities on `/fit/identity/1`; whoever dialled speaks first:
 *
 *   dialler → [1, hello]    listener → [1, 0, hello]    dialler → [1, 0, empty]
 *
 * Each side sends its second word only after it accepted the other's hello, so that what a side reads last tells it that
 * both were accepted. Hellos are the binder's (link.ts) and are about the PeerIds that the transport authenticated.
 */
import { FitError, PeerFault } from '../lib/errors.ts';
import type { FrameChannel } from './channel.ts';
import { decodeReply, decodeRequest, encodeAnswer, encodeRefusal, encodeRequest } from './frames.ts';
import { isPeerFault, type LinkLimits, type PeerAccount, refusalError } from './limits.ts';
import type { Binder } from './link.ts';

export const IDENTITY_PROTOCOL = '/fit/identity/1';

/** A certificate of at most 8 KiB, its chain and the statements around it. */
export const MAX_HELLO_BYTES = 32 * 1024;

interface Host {
  readonly limits: LinkLimits;
  readonly binder: Binder;
}

export function gone(): FitError {
  return new FitError('peer-unreachable', 'the peer ended the connection');
}

/** The dialler's part: the certificate that the listener has proven. Throws `PeerFault` or `FitError`. */
export async function greet(channel: FrameChannel, peer: string, { binder, limits }: Host): Promise<string> {
  channel.send(encodeRequest(binder.hello()));
  const frame = await channel.read(limits.handshakeMs, limits.handshakeMs);
  if (frame === undefined) throw gone();
  const reply = decodeReply(frame, MAX_HELLO_BYTES);
  if (reply.kind === 'refusal') throw refusalError(reply.code);
  const certificate = await binder.accept(peer, reply.body);
  channel.send(encodeAnswer(new Uint8Array()));
  void channel.end(limits.frameMs);
  return certificate;
}

/**
 * The listener's part: the certificate that the dialler has proven, or the fault for which a refusal was sent. Throws
 * `PeerFault` or `FitError` where there is nothing to send.
 */
export async function welcome(
  channel: FrameChannel,
  peer: string,
  { binder, limits }: Host,
  account: PeerAccount,
): Promise<string | PeerFault> {
  const frame = await channel.read(limits.handshakeMs, limits.handshakeMs);
  if (frame === undefined) throw gone();
  if (!account.handshake()) {
    channel.send(encodeRefusal('flood'));
    return new PeerFault('flood', 'too many identity handshakes');
  }
  const hello = decodeRequest(frame, MAX_HELLO_BYTES);
  let certificate: string;
  try {
    certificate = await binder.accept(peer, hello);
  } catch (error) {
    if (!isPeerFault(error)) throw error;
    channel.send(encodeRefusal('bad-binding'));
    return error;
  }
  channel.send(encodeAnswer(binder.hello()));
  const last = await channel.read(limits.handshakeMs, limits.handshakeMs);
  if (last === undefined) throw gone();
  const accepted = decodeReply(last, 0);
  if (accepted.kind === 'refusal') throw refusalError(accepted.code);
  void channel.end(limits.frameMs);
  return certificate;
}
