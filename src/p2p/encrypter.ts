/**
 * Noise over TCP, every message of it handed to the socket in one piece. By itself it gives length and ciphertext apart, and
 * the transport writes them apart: two system calls and two packets for each, on both ends.
 */
import { noise } from '@chainsafe/libp2p-noise';
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';

type Components = Parameters<ReturnType<typeof noise>>[0];

/** Changes `stream`. A message is at most 64 KiB, so the copy costs far less than a system call. */
function inOnePiece(stream: MessageStream): MessageStream {
  const send = stream.send.bind(stream);
  stream.send = (data) => send(data.subarray());
  return stream;
}

export function encrypter(prologue: Uint8Array): (components: Components) => ConnectionEncrypter {
  return (components) => {
    const inner = noise({ prologueBytes: prologue })(components);
    return {
      protocol: inner.protocol,
      secureInbound: (connection, options) => inner.secureInbound(inOnePiece(connection), options),
      secureOutbound: (connection, options) => inner.secureOutbound(inOnePiece(connection), options),
    };
  };
}
