/**
 * Between commander and the handlers: makes the context, loads the handler, sets the exit code. Part of the eager path,
 * so it imports nothing heavy.
 */
import type { Command } from 'commander';
import { FitError } from '../lib/errors.ts';
import { createContext, type GlobalOptions, type Handler } from './context.ts';

/** The action of a command whose handler `load` fetches when it is needed. */
export function run<Args extends readonly unknown[], Options>(
  load: () => Promise<Handler<Args, Options>>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // commander passes the arguments, the command's own options and the command.
    const command = given.at(-1) as Command;
    const args = given.slice(0, -2) as unknown as Args;
    const options = command.optsWithGlobals() as Options & GlobalOptions;
    const context = createContext(options);
    const fromStdin = [...args, options.passphraseFile].filter((value) => value === '-');
    if (fromStdin.length > 1) throw new FitError('usage', 'only one thing can come from standard input');
    try {
      const handler = await load();
      process.exitCode = (await handler(context, options, ...args)) ?? 0;
    } finally {
      context.close();
    }
  };
}
