/** fit ui: the trusted terminal, on the screen or line by line. */
import { EXIT, FitError } from '../../lib/errors.ts';
import { requireHome } from '../autostart.ts';
import type { Context } from '../context.ts';

export async function ui(context: Context): Promise<number> {
  if (context.out.isJson) throw new FitError('usage', 'a screen has no JSON: use the other commands');
  if (process.stdin.isTTY !== true || process.stdout.isTTY !== true || process.env.TERM === 'dumb') {
    throw new FitError('needs-terminal', 'fit ui needs a terminal that can draw, on standard input and output', {
      hint: 'the commands do the same, line by line: fit --help',
    });
  }
  requireHome(context.paths());
  const { runTerminal } = await import('../terminal/main.tsx');
  const code = await runTerminal(context);
  // Ink and the terminal may keep handles; nothing is left to do.
  context.close();
  process.exit(code === EXIT.interrupted ? EXIT.interrupted : code);
}
