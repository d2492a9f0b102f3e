/** The libp2p node of a link: TCP, noise, yamux and nothing else, with our limits instead of libp2p's. */
import './polyfill.ts';
import type { Ed25519PrivateKey, Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { utf8 } from '../lib/bytes.ts';
import { encrypter } from './encrypter.ts';
import type { Gate } from './gate.ts';
import { IDENTITY_PROTOCOL } from './handshake.ts';
import type { LinkLimits } from './limits.ts';
import { PROTOCOLS } from './link.ts';
import { silentLogger } from './logger.ts';
import { watchedYamux } from './muxer.ts';

/** Peers of another network, or of another generation of this one, fail in the noise handshake. */
export const PROLOGUE = utf8('fit/1');

export interface NodeOptions {
  readonly key: Ed25519PrivateKey;
  readonly listen: readonly string[];
  readonly limits: LinkLimits;
  readonly gate: Gate;
}

/** Not started yet. */
export async function createNode({ key, listen, limits, gate }: NodeOptions): Promise<Libp2p> {
  return createLibp2p({
    start: false,
    privateKey: key,
    addresses: { listen: [...listen] },
    transports: [tcp({ backlog: 64, maxConnections: limits.connections })],
    connectionEncrypters: [encrypter(PROLOGUE)],
    streamMuxers: [watchedYamux(limits, [IDENTITY_PROTOCOL, ...PROTOCOLS])],
    connectionGater: gate,
    // Probes are the muxer's (muxer.ts); the monitor of libp2p opens a stream for each.
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: limits.connections,
      maxIncomingPendingConnections: limits.connections,
      inboundConnectionThreshold: limits.connectionRate,
      inboundUpgradeTimeout: limits.upgradeMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeMs,
      outboundStreamProtocolNegotiationTimeout: limits.handshakeMs,
      dialTimeout: limits.dialMs,
      addressDialTimeout: Math.ceil(limits.dialMs / 2),
      reconnectRetries: 0,
    },
    nodeInfo: { name: 'fit', version: '1', userAgent: 'fit' },
    logger: silentLogger,
  });
}
