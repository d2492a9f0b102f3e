/** Links for tests: a binder whose statements are readable, seeds by number, a place that stops what a test started. */
import { decode, encode, read } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { peerOf } from '../../src/p2p/identity.ts';
import type { LinkLimits } from '../../src/p2p/limits.ts';
import type { Binder, Link } from '../../src/p2p/link.ts';

export function seedOf(number: number): Uint8Array {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, number);
  return seed;
}

export function certificateOf(number: number): string {
  return number.toString(16).padStart(64, '0');
}

export function helloOf(number: number): Uint8Array {
  return encode([peerOf(seedOf(number)), certificateOf(number)]);
}

/** A hello says which PeerId has which certificate, and is true when that is the PeerId of the connection. */
export function binderOf(number: number, changes: Partial<Binder> = {}): Binder {
  return {
    hello: () => helloOf(number),
    async accept(peer, hello) {
      const [named, certificate] = read.array(decode(hello, 1024), 2, 'hello');
      if (named !== peer) throw new PeerFault('bad-binding', 'a hello of another peer');
      return read.text(certificate, 64, 'certificate');
    },
    ...changes,
  };
}

export interface TestLink extends Link {
  faults(peer: string): number;
}

export interface Started {
  readonly number: number;
  readonly certificate: string;
  readonly link: TestLink;
  /** Codes of the faults it reported, with the PeerId. */
  readonly reported: { readonly peer: string; readonly code: string }[];
  /** `true` for up, `false` for down. */
  readonly seen: { readonly peer: string; readonly certificate: string; readonly up: boolean }[];
}

export interface LinkSetup {
  readonly binder?: Partial<Binder>;
  readonly limits?: Partial<LinkLimits>;
}

/** Limits that never come in the way of a test that is about something else. */
export const GENEROUS: Partial<LinkLimits> = {
  rate: 1e6,
  burst: 1e6,
  outRate: 1e6,
  outBurst: 1e6,
  handshakeRate: 1e6,
  connectionRate: 1e6,
};

/** Waits until `condition` holds, looking often; fails after `ms`. */
export async function until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not in ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The result of the first attempt that succeeds, tried again until `ms` are over. */
export async function eventually<T>(attempt: () => Promise<T>, ms = 5_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
