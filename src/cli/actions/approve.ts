/** fit approve list|show|grant|refuse. */
import { createHash } from 'node:crypto';
import { fromUtf8 } from '../../lib/bytes.ts';
import { FitError } from '../../lib/errors.ts';
import type { ApprovalRequest } from '../../rpc/approvals.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { checkDigest } from '../times.ts';
import * as voice from '../voice.ts';
import * as approvals from '../voice-approvals.ts';
import { prove } from './consent.ts';
import { checkWaitOptions, finish, type WaitOptions } from './outcome.ts';

export async function list(context: Context, options: { readonly all?: boolean }): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.approveList(options.all === true ? { all: true } : {});
  if (context.out.isJson) context.out.json(result);
  else for (const line of approvals.requests(result.requests)) context.out.line(line);
  return undefined;
}

export async function show(context: Context, _options: object, id: string): Promise<undefined> {
  const { out } = context;
  const agent = await context.agent();
  const { request, text, verdict } = await agent.approveShow({ request: id });
  const decoded = fromUtf8(Buffer.from(text, 'base64'));
  if (out.isJson) {
    out.json({ request, text: decoded, verdict });
    return undefined;
  }
  for (const line of approvals.request(request)) out.line(line);
  const { layOut } = await import('../reader.ts');
  for (const line of layOut(decoded, process.stdout.columns ?? 100)) out.line(line);
  if (request.state === 'pending') out.hint(`fit approve grant ${request.id}`);
  return undefined;
}

/** The exact bytes of a request, read page by page; returns when the person wants to sign. */
export async function readRequest(
  context: Context,
  agent: AgentClient,
  id: string,
  verb: string,
): Promise<ApprovalRequest> {
  const { openTerminal } = await import('../terminal.ts');
  const terminal = context.nonInteractive ? undefined : openTerminal();
  if (terminal === undefined) {
    const { PASSPHRASE_FLAGS } = await import('../passphrase.ts');
    throw new FitError('needs-passphrase', 'this needs the passphrase and there is no terminal to ask at', {
      hint: `give ${PASSPHRASE_FLAGS}`,
    });
  }
  const { request, text } = await agent.approveShow({ request: id });
  const bytes = Buffer.from(text, 'base64');
  if (createHash('sha256').update(bytes).digest('hex') !== request.digest)
    throw new FitError('internal', 'the text is not the one that the request names');
  const isStatement = request.kind === 'statement';
  const explained = request.kind === 'acceptance' ? voice.explain(await agent.dealExplain({ deal: request.deal })) : [];
  const { readAndDecide } = await import('../reader.ts');
  await readAndDecide(terminal, {
    heading: isStatement
      ? `${voice.peer(request.title, 60)} · ${verb}`
      : `${voice.peer(request.title, 60)} · ${request.deal} · ${verb} · with ${approvals.peerOf(request)}`,
    text: fromUtf8(bytes),
    summary: [
      ...approvals.request(request),
      ...explained,
      ...(isStatement || request.peer.verified
        ? []
        : ['warning: the other side is NOT verified: it may be someone else']),
      ...(!isStatement && request.arbiter.contact === null && request.arbiter.fingerprint !== ''
        ? ['warning: the arbiter is not among your contacts']
        : []),
    ],
    verb,
  });
  return request;
}

interface GrantOptions extends WaitOptions {
  readonly document?: string;
}

export async function grant(context: Context, options: GrantOptions, id: string): Promise<number | undefined> {
  checkWaitOptions(options);
  const { document } = options;
  checkDigest(document, '--document');
  const agent = await context.agent();
  const given = await context.givenPassphrase();
  let digest = document;
  if (given === undefined) {
    const read = await readRequest(context, agent, id, 'sign');
    if (document !== undefined && read.digest !== document)
      throw new FitError('wrong-state', 'the text is not the one that --document names: nothing was signed');
    digest = read.digest;
  }
  await prove(context, agent, 'passphrase, to sign');
  const granted = await context.out.busy(
    'signing',
    agent.approveGrant({ request: id, ...(digest === undefined ? {} : { digest }) }),
  );
  const { deal, request } = granted;
  if (request.kind === 'statement') {
    if (context.out.isJson) context.out.json({ state: granted.state, document: request.digest, request });
    else context.out.line(`granted  ${request.id}  the statement is signed`);
    return undefined;
  }
  const { state } = await agent.dealShow({ deal });
  const change = { deal, document: request.digest, state, warnings: [], request };
  return finish(context, agent, change, options, 'granted');
}

export async function refuse(context: Context, _options: object, id: string): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.approveRefuse({ request: id });
  if (context.out.isJson) context.out.json(result);
  else context.out.line(`refused  ${result.request.id}  nothing was signed`);
  return undefined;
}

/**
 * Reads what a held request is about and grants it: the way of every signature that is given at this terminal. A person who
 * leaves refuses it.
 */
export async function decideHeld(
  context: Context,
  agent: AgentClient,
  verb: string,
  hold: () => Promise<unknown>,
): Promise<Awaited<ReturnType<AgentClient['approveGrant']>>> {
  const id = await heldBy(hold);
  try {
    const { digest } = await readRequest(context, agent, id, verb);
    await prove(context, agent, `passphrase, to ${verb}`);
    return await context.out.busy('signing', agent.approveGrant({ request: id, digest }));
  } catch (error) {
    await agent.approveRefuse({ request: id }).catch(() => {});
    throw error;
  }
}

/** With `hold` a call fails with the request that waits for this connection. */
async function heldBy(hold: () => Promise<unknown>): Promise<string> {
  try {
    await hold();
  } catch (error) {
    const request = error instanceof FitError && error.code === 'needs-approval' ? error.data?.request : undefined;
    if (typeof request === 'object' && request !== null && 'id' in request) return String(request.id);
    throw error;
  }
  throw new FitError('wrong-state', 'this is accepted already', { hint: 'fit deal list' });
}
