/** What happens after a deal was changed: warnings, the result, waiting for the end of it. */
import { EXIT, FitError } from '../../lib/errors.ts';
import type { DealChange, DealStateName } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { FINAL_STATES, parseTimeoutMs } from '../times.ts';
import * as voice from '../voice.ts';

export interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** Checked before anything is signed: a mistyped time must not be told afterwards. */
export function checkWaitOptions(options: WaitOptions): void {
  if (options.timeout !== undefined && options.wait !== true) {
    throw new FitError('usage', '--timeout needs --wait');
  }
  parseTimeoutMs(options.timeout);
}

export function warn(context: Context, warnings: readonly string[]): void {
  if (context.out.isJson) return;
  for (const warning of warnings) context.out.warn(voice.peer(warning, 500));
}

export interface Waited {
  readonly deal: string;
  readonly state: DealStateName;
  readonly reached: boolean;
  readonly via: 'peer' | 'arbiter' | null;
}

/** The line for people, or the JSON, and the exit code. */
export async function reportWaited(
  context: Context,
  agent: AgentClient,
  waited: Waited,
  extra: object,
  started: number | null,
): Promise<number> {
  const { out } = context;
  if (out.isJson) out.json({ ...extra, ...waited });
  else {
    const shown = await agent.dealShow({ deal: waited.deal });
    out.line(
      voice.outcome({ ...shown, state: waited.state }, waited.via, started === null ? null : Date.now() - started),
    );
    if (shown.reason !== null && waited.state !== 'contracted') out.talk(voice.peer(shown.reason, 500));
    const next = voice.next({ ...shown, state: waited.state });
    if (next !== undefined) out.hint(next);
  }
  return waited.reached ? EXIT.done : EXIT.negative;
}

/** With --wait: until the deal has ended; exit 0 for a contract or a completed delivery, 1 for any other end. */
export async function finish(
  context: Context,
  agent: AgentClient,
  change: DealChange,
  options: WaitOptions,
  said: string,
): Promise<number | undefined> {
  const { out } = context;
  warn(context, change.warnings);
  const { text, ...fields } = change;
  if (options.wait !== true) {
    if (out.isJson) out.json(fields);
    else {
      out.line(voice.said(said, change));
      const next = voice.next(await agent.dealShow({ deal: change.deal }));
      if (next !== undefined) out.hint(next);
    }
    return undefined;
  }
  const started = Date.now();
  const waited = await out.busy(
    `waiting for the end of ${change.deal}`,
    agent.dealWait({ deal: change.deal, for: FINAL_STATES, timeoutMs: parseTimeoutMs(options.timeout) }),
  );
  const reached = waited.state === 'contracted' || waited.state === 'completed';
  return reportWaited(context, agent, { ...waited, reached }, fields, started);
}
