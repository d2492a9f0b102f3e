/** Worker entry (dist/lane-worker.js): both ends of lanes (lane-sender.ts, lane-receiver.ts), as lanes.ts asks for them. */
import { parentPort } from 'node:worker_threads';
import { present } from '../lib/assert.ts';
import { movable } from '../lib/bytes.ts';
import { type LanePull, type PullEnd, pullLane } from './lane-receiver.ts';
import { createLaneSender, type Grant, type GrantEnd } from './lane-sender.ts';

export type LaneOrder =
  | { readonly kind: 'listen'; readonly host: string; readonly port: number }
  | { readonly kind: 'give'; readonly grant: Grant }
  | { readonly kind: 'revoke'; readonly id: string }
  | { readonly kind: 'pull'; readonly number: number; readonly job: LanePull }
  | { readonly kind: 'stop'; readonly number: number };

export type LaneReport =
  | { readonly kind: 'listening'; readonly port: number | null }
  | { readonly kind: 'given'; readonly id: string; readonly end: GrantEnd }
  | { readonly kind: 'acknowledged'; readonly id: string; readonly chunks: number }
  | { readonly kind: 'stored'; readonly number: number; readonly leaves: Uint8Array }
  | { readonly kind: 'pulled'; readonly number: number; readonly end: PullEnd };

const port = present(parentPort, 'parent of the lane worker');
const report = (what: LaneReport, moved: readonly ArrayBuffer[] = []): void => port.postMessage(what, moved);

const sender = createLaneSender({
  acknowledged: (id, chunks) => report({ kind: 'acknowledged', id, chunks }),
  ended: (id, end) => report({ kind: 'given', id, end }),
});
const pulls = new Map<number, () => void>();

port.on('message', (order: LaneOrder) => {
  switch (order.kind) {
    case 'listen':
      void sender.listen(order.host, order.port).then((at) => report({ kind: 'listening', port: at }));
      return;
    case 'give':
      sender.give(order.grant);
      return;
    case 'revoke':
      sender.revoke(order.id);
      return;
    case 'pull': {
      const { number, job } = order;
      const stop = pullLane(
        job,
        (leaves) => report({ kind: 'stored', number, leaves }, movable(leaves)),
        (end) => {
          pulls.delete(number);
          report({ kind: 'pulled', number, end });
        },
      );
      pulls.set(number, stop);
      return;
    }
    case 'stop':
      pulls.get(order.number)?.();
      return;
  }
});
