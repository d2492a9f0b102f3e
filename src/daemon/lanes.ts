/**
 * The lanes of a daemon, as its event loop has them: offers for peers that may have a content, pulls of what a peer offers. The work
 * and the sockets are in one worker thread, which begins with the first of them and ends when none is left.
 *
 * Guarantees: without a place to listen nothing is offered, and a worker that dies is as a lane that breaks; a content has one lane,
 * and a peer so many that others have theirs; `pause` ends everything and forgets every key, and nothing begins before `resume`.
 */
import { Worker } from 'node:worker_threads';
import { unreachable } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import type { Rng } from '../lib/rng.ts';
import type { Link } from '../p2p/link.ts';
import type { SealJob } from './content-sending.ts';
import { LANE_CHUNKS, LANE_ID_BYTES, LANE_KEY_BYTES, type LaneOffer } from './lane.ts';
import type { LanePull, PullEnd } from './lane-receiver.ts';
import type { GrantEnd } from './lane-sender.ts';
import type { LaneOrder, LaneReport } from './lane-worker.ts';

export interface LanesParts {
  /** The built entry. */
  readonly worker: URL;
  /** Where to listen: port 0 for any. Null to have none, neither way. */
  readonly place: { readonly host: string; readonly port: number } | null;
  readonly rng: Rng;
  readonly link: Pick<Link, 'onPeer'>;
}

export type Lanes = ReturnType<typeof createLanes>;

const IDLE_MS = 60_000;
/** Lanes that are offered or serve: of all peers, and of one. Who asks for more is served over the link. */
const MAX_GRANTS = 64;
const MAX_GRANTS_OF_PEER = 8;

export interface GrantEvents {
  /** So many chunks from the beginning of the content are stored at the other side. */
  acknowledged(chunks: number): void;
  ended(end: GrantEnd): void;
}

/** For whom a lane is: what it asked for, and the id that it will say. */
export interface LaneTaker {
  readonly peer: string;
  readonly document: string;
  readonly id: Uint8Array;
}

interface Given extends Pick<LaneTaker, 'peer' | 'document'> {
  readonly events: GrantEvents;
}

interface Pull {
  readonly stored: (leaves: Uint8Array) => void;
  readonly ended: (end: PullEnd) => void;
}

export function createLanes({ worker: url, place, rng, link }: LanesParts) {
  /** The address at the other end of the connection to a peer, where a lane of its is looked for. */
  const hosts = new Map<string, string>();
  link.onPeer(({ peer, host }, up) => {
    if (!up) hosts.delete(peer);
    else if (host !== undefined) hosts.set(peer, host);
  });
  let worker: Worker | undefined;
  let listening: Promise<number | null> | undefined;
  let heard: ((port: number | null) => void) | undefined;
  let idle: NodeJS.Timeout | undefined;
  let last = 0;
  let running = true;
  const grants = new Map<string, Given>();
  const pulls = new Map<number, Pull>();

  const stop = (): void => {
    clearTimeout(idle);
    const old = worker;
    worker = undefined;
    listening = undefined;
    heard?.(null);
    heard = undefined;
    for (const { events } of [...grants.values()]) events.ended({ kind: 'over' });
    for (const { ended } of [...pulls.values()]) ended({ kind: 'lost' });
    grants.clear();
    pulls.clear();
    void old?.terminate();
  };

  const rest = (): void => {
    clearTimeout(idle);
    if (grants.size === 0 && pulls.size === 0) idle = setTimeout(stop, IDLE_MS).unref();
  };

  const receive = (report: LaneReport): void => {
    switch (report.kind) {
      case 'listening':
        heard?.(report.port);
        heard = undefined;
        // Whoever has the port now may give it back.
        if (report.port === null) listening = undefined;
        rest();
        return;
      case 'given': {
        const grant = grants.get(report.id);
        grants.delete(report.id);
        grant?.events.ended(report.end);
        rest();
        return;
      }
      case 'acknowledged':
        grants.get(report.id)?.events.acknowledged(report.chunks);
        return;
      case 'stored':
        pulls.get(report.number)?.stored(report.leaves);
        return;
      case 'pulled': {
        const pull = pulls.get(report.number);
        pulls.delete(report.number);
        pull?.ended(report.end);
        rest();
        return;
      }
      default:
        unreachable(report);
    }
  };

  const tell = (order: LaneOrder): void => {
    clearTimeout(idle);
    if (worker === undefined) {
      // Chunks are garbage soon: a small space for what is young has their memory used again before there is much of it.
      const resourceLimits = { maxYoungGenerationSizeMb: 2 };
      const made = new Worker(url, { name: 'fit-lane', env: {}, execArgv: [], resourceLimits });
      made.unref();
      made.on('message', receive);
      const died = (): void => {
        if (worker === made) stop();
      };
      made.on('error', died);
      made.on('exit', died);
      worker = made;
    }
    worker.postMessage(order);
  };

  const portOf = ({ host, port }: { readonly host: string; readonly port: number }): Promise<number | null> => {
    listening ??= new Promise((resolve) => {
      heard = resolve;
      tell({ kind: 'listen', host, port });
    });
    return listening;
  };

  /** Of a content: the lanes that are offered or serve end. */
  const revoke = (document: string): void => {
    for (const [id, given] of grants) if (given.document === document) tell({ kind: 'revoke', id });
  };

  return {
    /** Where to look for the lane of a peer; undefined while no connection to it is there, and where there are to be no lanes. */
    hostOf: (peer: string): string | undefined => (place === null ? undefined : hosts.get(peer)),

    /** What a pull will say. */
    newId: (): Uint8Array => rng(LANE_ID_BYTES),

    /** A lane for the part from `from` on of so many chunks, in place of an earlier one of this content; or null if there is none. */
    async offer(
      { peer, document, id }: LaneTaker,
      job: SealJob,
      from: number,
      chunks: number,
      events: GrantEvents,
    ): Promise<LaneOffer | null> {
      if (place === null || !running) return null;
      const port = await portOf(place);
      if (port === null || !running) return null;
      revoke(document);
      const ofPeer = [...grants.values()].filter((one) => one.peer === peer).length;
      if (grants.size >= MAX_GRANTS || ofPeer >= MAX_GRANTS_OF_PEER || grants.has(toHex(id))) return null;
      const key = rng(LANE_KEY_BYTES);
      const count = Math.min(LANE_CHUNKS, chunks - from);
      grants.set(toHex(id), { peer, document, events });
      tell({ kind: 'give', grant: { id: toHex(id), key, job, from, count } });
      return { port, key, count };
    },

    revoke,

    /** `stored` is called with the leaves of what is written, in order. */
    pull(job: LanePull, stored: (leaves: Uint8Array) => void): { readonly ended: Promise<PullEnd>; stop(): void } {
      if (!running) return { ended: Promise.resolve({ kind: 'lost' }), stop: () => {} };
      last += 1;
      const number = last;
      const ended = new Promise<PullEnd>((resolve) => {
        pulls.set(number, { stored, ended: resolve });
      });
      tell({ kind: 'pull', number, job });
      return {
        ended,
        stop: () => {
          if (pulls.has(number)) tell({ kind: 'stop', number });
        },
      };
    },

    resume(): void {
      running = true;
    },
    pause(): void {
      running = false;
      stop();
    },
  };
}
