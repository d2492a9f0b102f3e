/** A link under attack: its peers honest and hostile, what was reported of them, and the parts of requests that are none. */
import { test } from 'node:test';
import type { Connection, Libp2p, StreamMuxer } from '@libp2p/interface';
import { delimit, encodeRequest } from '../../src/p2p/frames.ts';
import { peerOf } from '../../src/p2p/identity.ts';
import { createLibp2pLink, type Libp2pLink } from '../../src/p2p/libp2p-link.ts';
import type { LinkLimits } from '../../src/p2p/limits.ts';
import { dial, type HostileSetup, hostileNode, prove } from './hostile.ts';
import { binderOf, GENEROUS, seedOf } from './links.ts';

export const BODY = Uint8Array.of(1, 2, 3);
export const TIME = { timeoutMs: 5_000 };

export interface Scene {
  readonly link: Libp2pLink;
  readonly reported: string[];
  handled: number;
  node(number: number, setup?: HostileSetup): Promise<Libp2p>;
  honest(number: number): Promise<Libp2pLink>;
}

/** Runs with a link (number 1) that echoes, and closes everything. */
export function scene(name: string, limits: Partial<LinkLimits>, run: (scene: Scene) => Promise<void>): void {
  test(name, async () => {
    const stops: (() => Promise<void>)[] = [];
    const reported: string[] = [];
    const start = async (number: number, own: Partial<LinkLimits>) => {
      const link = createLibp2pLink({
        seed: seedOf(number),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        binder: binderOf(number),
        limits: own,
        onFault: (peer, fault) => number === 1 && reported.push(`${peer.slice(-4)} ${fault.code}`),
      });
      stops.push(() => link.stop());
      await link.start();
      return link;
    };
    const link = await start(1, { ...GENEROUS, ...limits });
    const made: Scene = {
      link,
      reported,
      handled: 0,
      async node(number, setup) {
        const node = await hostileNode(number, setup);
        stops.push(async () => node.stop());
        return node;
      },
      async honest(number) {
        const honest = await start(number, {});
        honest.learn(link.peer, link.addresses());
        return honest;
      },
    };
    link.handle('/fit/message/1', async (_, body) => {
      made.handled += 1;
      return body;
    });
    try {
      await run(made);
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  });
}

export const attacker = peerOf(seedOf(7));
export const last4 = attacker.slice(-4);

export async function enter(at: Scene): Promise<Connection> {
  const connection = await dial(await at.node(7), at.link.addresses());
  await prove(connection, 7);
  return connection;
}

export function varint(value: number): Uint8Array {
  return delimit(new Uint8Array(value)).subarray(0, -value);
}

export const request = delimit(encodeRequest(BODY));

export function muxerOf(connection: Connection): StreamMuxer {
  return Reflect.get(connection, 'muxer') as StreamMuxer;
}
