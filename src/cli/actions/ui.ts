/** fit ui: the trusted terminal, on the screen or line by line; where there is no trader yet, the first run before it. */
import { existsSync } from 'node:fs';
import { FitError } from '../../lib/errors.ts';
import { requireHome } from '../autostart.ts';
import type { Context } from '../context.ts';

export async function ui(context: Context, options: { readonly plain?: boolean } = {}): Promise<number> {
  if (context.out.isJson) throw new FitError('usage', 'a screen has no JSON: use the other commands');
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  if (!isTerminal) {
    throw new FitError('needs-terminal', 'fit ui needs a terminal on standard input and output', {
      hint: 'with a terminal that cannot draw: fit ui --plain; in a script: the other commands',
    });
  }
  const paths = context.paths();
  if (!existsSync(paths.config) && !context.nonInteractive) await (await import('./first-run.ts')).firstRun(context);
  requireHome(paths);
  if (options.plain === true || process.env.TERM === 'dumb') {
    const { plain } = await import('./plain.ts');
    process.exit(await plain(context));
  }
  // Connects while the screens are loaded; the session says what goes wrong.
  context.agent().catch(() => {});
  const { runTerminal } = await import('../terminal/main.tsx');
  const code = await runTerminal(context);
  // Ink and the terminal may keep handles; nothing is left to do.
  context.close();
  process.exit(code);
}
