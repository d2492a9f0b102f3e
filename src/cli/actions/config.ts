/** fit config get|set|list. */
import type { Context } from '../context.ts';
import { facts, peer } from '../voice.ts';

const VALUE_LENGTH = 4096;

export async function get(context: Context, _options: object, key: string): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.configGet({ key });
  if (context.out.isJson) context.out.json(result);
  else context.out.line(peer(result.value, VALUE_LENGTH));
  return undefined;
}

export async function set(context: Context, _options: object, key: string, value: string): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.configSet({ key, value });
  if (context.out.isJson) context.out.json(result);
  else {
    context.out.talk(`${peer(result.key)} is now ${peer(result.value, VALUE_LENGTH)}`);
    context.out.hint('it counts from the next start of the daemon on: fit daemon stop, then fit daemon start');
  }
  return undefined;
}

export async function list(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.configList();
  if (context.out.isJson) context.out.json(result);
  else {
    const rows = Object.entries(result.config).map(([key, value]) => [key, peer(value, VALUE_LENGTH)] as const);
    for (const line of facts(rows)) context.out.line(line);
  }
  return undefined;
}
