/** A raw libp2p node, as anybody could write one, against a link. */
import { noise } from '@chainsafe/libp2p-noise';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { FrameChannel } from '../../src/p2p/channel.ts';
import { delimit, encodeAnswer, encodeRequest } from '../../src/p2p/frames.ts';
import { IDENTITY_PROTOCOL } from '../../src/p2p/handshake.ts';
import { transportKey } from '../../src/p2p/identity.ts';
import { silentLogger } from '../../src/p2p/logger.ts';
import { PROLOGUE } from '../../src/p2p/node.ts';
import { helloOf, seedOf } from './links.ts';

export interface HostileSetup {
  readonly prologue?: Uint8Array;
  readonly listen?: readonly string[];
  /** Address that its connections come from. */
  readonly from?: string;
}

export async function hostileNode(number: number, setup: HostileSetup = {}): Promise<Libp2p> {
  // Node's own option, which the transport passes on.
  const dialOpts = { noDelay: true, ...(setup.from === undefined ? {} : { localAddress: setup.from }) };
  const node = await createLibp2p({
    privateKey: transportKey(seedOf(number)),
    addresses: { listen: [...(setup.listen ?? [])] },
    transports: [tcp({ dialOpts })],
    connectionEncrypters: [noise({ prologueBytes: setup.prologue ?? PROLOGUE })],
    streamMuxers: [yamux({ maxOutboundStreams: 10_000, enableKeepAlive: false })],
    connectionMonitor: { enabled: false },
    connectionManager: { reconnectRetries: 0 },
    logger: silentLogger,
  });
  return node;
}

export async function dial(node: Libp2p, addresses: readonly string[]): Promise<Connection> {
  return node.dial(
    addresses.map((address) => multiaddr(address)),
    { force: true, signal: AbortSignal.timeout(5_000) },
  );
}

export async function open(connection: Connection, protocol: string): Promise<Stream> {
  return connection.newStream(protocol, { signal: AbortSignal.timeout(5_000), maxOutboundStreams: 10_000 });
}

/** The whole handshake, as it should be. */
export async function prove(connection: Connection, number: number): Promise<void> {
  const channel = new FrameChannel(await open(connection, IDENTITY_PROTOCOL), 65_536);
  channel.send(encodeRequest(helloOf(number)));
  if ((await channel.read(5_000, 5_000)) === undefined) throw new Error('no answer to the hello');
  channel.send(encodeAnswer(new Uint8Array()));
}

/** One proper request; its reply's frame, or undefined. */
export async function exchange(
  connection: Connection,
  body: Uint8Array,
  protocol = '/fit/message/1',
): Promise<Uint8Array | undefined> {
  const channel = new FrameChannel(await open(connection, protocol), 2_000_000);
  channel.send(encodeRequest(body));
  return channel.read(5_000, 5_000);
}

/** Sends bytes as they are on a new stream and tells how the stream ended: `reset`, `ended`, or `open` after `ms`. */
export async function sendRaw(
  connection: Connection,
  protocol: string,
  pieces: readonly Uint8Array[],
  options: { readonly end?: boolean; readonly everyMs?: number } = {},
): Promise<Stream> {
  const stream = await open(connection, protocol);
  // Reads and forgets, as a peer does that only talks.
  stream.addEventListener('message', () => {});
  for (const [i, piece] of pieces.entries()) {
    if (stream.status !== 'open') break;
    stream.send(piece);
    if (options.everyMs !== undefined && i < pieces.length - 1)
      await new Promise((resolve) => setTimeout(resolve, options.everyMs));
  }
  if (options.end === true) await stream.close({ signal: AbortSignal.timeout(1_000) });
  return stream;
}

export function frameOf(...bytes: readonly number[]): Uint8Array {
  return delimit(Uint8Array.from(bytes));
}
