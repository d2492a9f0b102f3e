/** What both ends of bench/bulk-link.ts have in common. */
import '../src/p2p/polyfill.ts';
import { noise } from '@chainsafe/libp2p-noise';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { toHex } from '../src/lib/bytes.ts';
import type { Binder } from '../src/p2p/link.ts';
import { silentLogger } from '../src/p2p/logger.ts';

export const LOCAL = '/ip4/127.0.0.1/tcp/0';
export const RAW = '/bench/raw/1';
export const REPLY_BYTES = 1024 * 1024;
export const RAW_BYTES = 256 * 1024 * 1024;

/** Believes everybody: identities are not what is measured. */
export function openBinder(number: number): Binder {
  return { hello: () => new Uint8Array(32).fill(number), accept: async (_, hello) => toHex(hello) };
}

/** libp2p as it comes, with the same transport, encryption and multiplexing. */
export async function plainNode(listen: readonly string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: [...listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    logger: silentLogger,
  });
}
