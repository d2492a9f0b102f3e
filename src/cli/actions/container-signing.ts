/** Signatures on folders of containers and receipts for them: by the daemon, after consent as for every signature. */
import type { Package } from '../../evidence/container.ts';
import { FitError, isFitError } from '../../lib/errors.ts';
import type { StatementResult } from '../../rpc/approvals.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { parseTimeoutMs } from '../times.ts';
import { hasTerminal, prove } from './consent.ts';

export interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** With the passphrase, at a terminal after reading it, by a rule, or with --wait when somebody else has granted it. */
export async function signing(
  context: Context,
  options: WaitOptions,
  as: 'signed' | 'receipt',
  about: Package,
): Promise<{ readonly time: number; readonly bytes: Uint8Array; readonly text: Uint8Array }> {
  const agent = await context.agent();
  const sealed = ({ time, p7s, text }: StatementResult) => {
    if (p7s === null) throw new FitError('internal', 'the statement was granted and is not signed');
    const bytes = new Uint8Array(Buffer.from(p7s, 'base64'));
    return { time, bytes, text: new Uint8Array(Buffer.from(text, 'base64')) };
  };
  const given = await context.givenPassphrase();
  if (given === undefined && (await hasTerminal(context))) {
    const { decideHeld } = await import('./approve.ts');
    const { request } = await decideHeld(context, agent, 'sign', () => agent.statementSign({ about, as, hold: true }));
    return sealed(await agent.statementShow({ request: request.id }));
  }
  if (given !== undefined) await prove(context, agent, 'passphrase, to sign');
  try {
    return sealed(await agent.statementSign({ about, as, waits: options.wait === true }));
  } catch (error) {
    const request = isFitError(error) && error.code === 'needs-approval' ? error.data?.request : undefined;
    if (options.wait !== true || typeof request !== 'object' || request === null || !('id' in request)) throw error;
    return sealed(await decided(context, agent, String(request.id), options.timeout));
  }
}

/** Until somebody has decided about the request. */
async function decided(
  context: Context,
  agent: AgentClient,
  request: string,
  timeout: string | undefined,
): Promise<StatementResult> {
  context.out.talk(`waiting for a decision about request ${request}: fit approve grant ${request}`);
  const endsAt = Date.now() + parseTimeoutMs(timeout);
  for (;;) {
    const shown = await agent.statementShow({ request });
    if (shown.p7s !== null) return shown;
    if (shown.state !== 'pending' && shown.state !== 'granted')
      throw new FitError('refused', `the request is ${shown.state}: nothing was signed`);
    if (Date.now() >= endsAt)
      throw new FitError('timed-out', 'nobody has decided in time', { hint: `fit approve show ${request}` });
    await new Promise((resolveTurn) => setTimeout(resolveTurn, POLL_MS));
  }
}

const POLL_MS = 300;
