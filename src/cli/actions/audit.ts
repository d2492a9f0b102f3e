/** fit audit list|show|verify. */
import { EXIT } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { parseNumber } from '../times.ts';
import * as voice from '../voice.ts';
import * as approvals from '../voice-approvals.ts';

interface ListOptions {
  readonly from?: string;
  readonly limit: string;
}

export async function list(context: Context, options: ListOptions): Promise<undefined> {
  const from = options.from === undefined ? {} : { from: parseNumber(options.from, '--from') };
  const limit = parseNumber(options.limit, '--limit');
  const agent = await context.agent();
  const result = await agent.auditList({ ...from, limit });
  if (context.out.isJson) context.out.json(result);
  else for (const line of approvals.audit(result.entries)) context.out.line(line);
  return undefined;
}

export async function show(context: Context, _options: object, id: string): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.auditShow({ request: id });
  if (context.out.isJson) context.out.json(result);
  else for (const line of approvals.audit(result.entries)) context.out.line(line);
  return undefined;
}

export async function verify(context: Context): Promise<number> {
  const agent = await context.agent();
  const result = await context.out.busy('reading every record', agent.auditVerify());
  if (context.out.isJson) context.out.json(result);
  else if (result.ok) context.out.line(`the audit log is whole: ${result.entries} entries, the last is ${result.head}`);
  else context.out.line(`the audit log is damaged: ${voice.peer(result.problem ?? 'unknown', 500)}`);
  return result.ok ? EXIT.done : EXIT.negative;
}
