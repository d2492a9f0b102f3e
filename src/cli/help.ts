/** Pieces that the commands' help texts share. */
import type { Command, OutputConfiguration } from 'commander';

/** `EXAMPLES` as commander's help ends. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}

/** commander's own complaints in our voice: `error: unknown option '--x'\n(Did you mean --y?)`. */
export const outputConfiguration: OutputConfiguration = {
  outputError(text, write) {
    const [message = '', ...rest] = text.trim().split('\n');
    write(`fit: ${message.replace(/^error: /, '').replace(/\.$/, '')}\n`);
    const suggestion = /\(Did you mean (?:one of )?(.+)\?\)/.exec(rest.join(' '))?.[1];
    write(
      `fit: hint: ${suggestion === undefined ? 'fit --help lists the commands, --help after a command its options' : `did you mean ${suggestion}`}\n`,
    );
  },
};
