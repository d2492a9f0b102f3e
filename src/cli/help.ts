/** Pieces that the commands' help texts share. */
import type { Command, OutputConfiguration } from 'commander';
import { safeText } from '../lib/text.ts';
import { jsonLine } from './output.ts';

/** `EXAMPLES` as commander's help ends. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}

const HELP_HINT = 'fit --help lists the commands, and --help after a command its options';

/** commander's own complaints in our voice: `error: unknown option '--x'\n(Did you mean --y?)`. */
export const outputConfiguration: OutputConfiguration = {
  outputError(text, write) {
    const [first = '', ...rest] = text.trim().split('\n');
    const message = first.replace(/^error: /, '').replace(/\.$/, '');
    const suggestion = /\(Did you mean (?:one of )?(.+)\?\)/.exec(rest.join(' '))?.[1];
    const hint = suggestion === undefined ? HELP_HINT : `did you mean ${suggestion}`;
    if (process.argv.includes('--json')) write(jsonLine({ error: { code: 'usage', message, hint } }));
    write(safeText(`fit: ${message}`, { maxLength: 500 }));
    write(`\nfit: hint: ${hint}\n`);
  },
};
