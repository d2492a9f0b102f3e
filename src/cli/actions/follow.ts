/**
 * How far content is, while a command waits for it: one line for people, or, with --progress and --json, JSON Lines on standard
 * error. What it says comes from the daemon's `progress` events, at most two a second.
 */
import type { FitEvent } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { jsonLine } from '../output.ts';
import { FINAL_STATES, parseTimeoutMs } from '../times.ts';
import * as voice from '../voice.ts';
import { type Pace, paceOf, progressLine } from '../voice-delivery.ts';
import type { Waited } from './outcome.ts';

/** How often it is asked what keeps a content. */
const LOOK_MS = 500;

export interface Progress {
  /** Waits for what is done while files of so many bytes are read. */
  reading<T>(bytes: number, work: Promise<T>): Promise<T>;
  /** Until the deal has ended. */
  ended(deal: string, timeout: string | undefined): Promise<Waited>;
}

/** Listens from here on, in place of whoever listened; the connection is or will be subscribed. */
export function startProgress(context: Context, agent: AgentClient, wanted: boolean): Progress {
  const { out } = context;
  const asLines = wanted && out.isJson;
  let isOurs: (event: FitEvent) => boolean = () => false;
  let pace: Pace | undefined;

  agent.onEvent((event) => {
    if (event.kind !== 'progress' || !isOurs(event)) return;
    pace = paceOf(pace, event, Date.now());
    if (asLines && pace !== undefined) {
      const { begun: _, ...said } = pace;
      process.stderr.write(jsonLine({ kind: 'progress', ...said }));
    }
  });

  /** Lines of JSON alone, or one that is drawn again and again. */
  const busy = <T>(what: () => string, work: Promise<T>): Promise<T> => (asLines ? work : out.busy(what, work));

  return {
    reading(bytes, work) {
      // Its id is not known before it is made.
      isOurs = ({ phase, total }) => phase === 'reading' && total === bytes;
      return busy(() => (pace === undefined ? 'reading the files' : progressLine(pace)), work);
    },
    async ended(deal, timeout) {
      pace = undefined;
      isOurs = (event) => event.deal === deal;
      let otherwise = `waiting for the end of ${deal}`;
      let trouble: string | null = null;
      const look = async (): Promise<void> => {
        const view = await agent.deliveryShow({ deal });
        trouble = view.trouble;
        const isDone = pace !== undefined && pace.done >= pace.total;
        if (isDone || (view.phase !== 'fetching' && pace?.phase === 'fetching')) pace = undefined;
        otherwise = view.direction === 'out' ? 'waiting for the receiver' : 'waiting for the sender’s key';
      };
      const said = (): string => {
        const line = pace === undefined ? otherwise : progressLine(pace);
        return trouble === null ? line : `${line} (${voice.peer(trouble, 500)})`;
      };
      const timer = setInterval(() => void look().catch(() => {}), LOOK_MS);
      try {
        const waiting = agent.dealWait({ deal, for: FINAL_STATES, timeoutMs: parseTimeoutMs(timeout) });
        return await busy(said, waiting);
      } finally {
        clearInterval(timer);
      }
    },
  };
}
