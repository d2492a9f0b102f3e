/** What the ends of bench/bulk-link.ts and bench/deliveries.ts have in common: the other process, and a raw libp2p stream from it. */
import '../src/p2p/polyfill.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { noise } from '@chainsafe/libp2p-noise';
import type { Connection, Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { present } from '../src/lib/assert.ts';
import { toHex } from '../src/lib/bytes.ts';
import type { Binder } from '../src/p2p/link.ts';
import { silentLogger } from '../src/p2p/logger.ts';

export const LOCAL = '/ip4/127.0.0.1/tcp/0';
export const RAW = '/bench/raw/1';
export const REPLY_BYTES = 1024 * 1024;

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

/** Built beside main.js. */
const PEER = join(dirname(process.argv[1] ?? ''), 'bulk-peer.js');

export interface Peer {
  readonly pid: number;
  readonly peer: string;
  readonly link: readonly string[];
  readonly raw: readonly string[];
  stop(): Promise<void>;
}

export async function startPeer(): Promise<Peer> {
  const child = spawn(process.execPath, [PEER], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const ends = JSON.parse(line) as Pick<Peer, 'peer' | 'link' | 'raw'>;
  return {
    ...ends,
    pid: present(child.pid, 'pid'),
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}

export interface Raw {
  /** So many bytes by one raw libp2p stream. */
  pull(bytes: number): Promise<void>;
  stop(): Promise<void>;
}

export async function connectRaw(peer: Peer): Promise<Raw> {
  const node = await plainNode([]);
  const connection: Connection = await node.dial(peer.raw.map((address) => multiaddr(address)));
  return {
    async pull(bytes) {
      const stream = await connection.newStream(RAW);
      let left = bytes;
      const whole = new Promise<void>((resolve) => {
        stream.addEventListener('message', (event) => {
          left -= event.data.byteLength;
          if (left <= 0) resolve();
        });
      });
      const request = new Uint8Array(8);
      new DataView(request.buffer).setBigUint64(0, BigInt(bytes));
      stream.send(request);
      await whole;
      await stream.close();
    },
    stop: async () => node.stop(),
  };
}
