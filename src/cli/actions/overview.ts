/** `fit` alone: what to do first, the screen at a terminal, else how things stand. */
import { existsSync } from 'node:fs';
import type { Context } from '../context.ts';
import { deals, FIRST_STEPS } from '../voice.ts';

export async function overview(context: Context): Promise<number | undefined> {
  const { out } = context;
  const paths = context.paths();
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  if (!existsSync(paths.config)) {
    if (out.isJson) out.json({ home: null, next: 'fit init' });
    else if (!isTerminal || context.nonInteractive) for (const line of FIRST_STEPS) out.line(line);
    // The first questions, then the screen or its lines.
    else return (await import('./ui.ts')).ui(context);
    return undefined;
  }
  if (isTerminal && !out.isJson && !context.nonInteractive && process.env.TERM !== 'dumb') {
    const { ui } = await import('./ui.ts');
    return ui(context);
  }
  const agent = await context.agent();
  const [{ name, locked }, list] = await Promise.all([agent.status(), agent.dealList()]);
  if (out.isJson) {
    out.json({ home: paths.home, name, locked, deals: list.deals });
    return undefined;
  }
  for (const line of deals(list.deals)) out.line(line);
  if (locked) out.hint('the keys are locked: fit unlock');
  else out.hint('fit --help lists the commands');
  return undefined;
}
