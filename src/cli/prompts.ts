/**
 * Questions to a person at the terminal. Each says which option would have answered it when there is nobody to ask.
 */
import { Writable } from 'node:stream';
import { FitError } from '../lib/errors.ts';
import { PASSPHRASE_FLAGS } from './passphrase.ts';
import { interrupted, openTerminal, type Terminal } from './terminal.ts';

function terminalFor(
  nonInteractive: boolean,
  what: string,
  flags: string,
  code: 'needs-passphrase' | 'needs-terminal',
) {
  const terminal = nonInteractive ? undefined : openTerminal();
  if (terminal !== undefined) return terminal;
  const why = nonInteractive ? 'no questions may be asked' : 'there is no terminal to ask at';
  throw new FitError(code, `${what} is missing and ${why}`, { hint: `give ${flags}` });
}

/** inquirer ends the output that it is given, after every question: it gets one that passes on everything but the end. */
function outputOf(terminal: Terminal): Writable & { readonly columns: number } {
  const output = new Writable({ write: (chunk, _encoding, done) => void terminal.output.write(chunk, done) });
  return Object.assign(output, { columns: terminal.columns, rows: terminal.rows, isTTY: true });
}

/** inquirer, over the terminal, leaving no trace of the question. */
async function ask(
  terminal: Terminal,
  question: { readonly type: 'password' | 'input'; readonly message: string },
): Promise<string> {
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({
    input: terminal.input,
    output: outputOf(terminal),
    clearPromptOnDone: true,
  });
  try {
    const answers: Record<string, unknown> = await prompt([{ ...question, name: 'answer' }]);
    return String(answers.answer ?? '');
  } catch (error) {
    if (error instanceof Error && /ExitPrompt|AbortPrompt|CancelPrompt/.test(error.name)) throw interrupted();
    throw error;
  }
}

export async function askPassphrase(question: string, nonInteractive: boolean): Promise<string> {
  const terminal = terminalFor(nonInteractive, 'the passphrase', PASSPHRASE_FLAGS, 'needs-passphrase');
  return ask(terminal, { type: 'password', message: question });
}

/** Asked twice until both are the same and not empty. */
export async function askNewPassphrase(nonInteractive: boolean, flags: string): Promise<string> {
  const terminal = terminalFor(nonInteractive, 'the new passphrase', flags, 'needs-passphrase');
  for (;;) {
    const first = await ask(terminal, { type: 'password', message: 'new passphrase' });
    if (first === '') throw new FitError('needs-passphrase', 'no passphrase was given');
    if ((await ask(terminal, { type: 'password', message: 'the same again' })) === first) return first;
    terminal.write('fit: they differ, once more\n');
  }
}

/** One line of text; `flags` names what would have answered it. */
export async function askLine(question: string, nonInteractive: boolean, flags: string): Promise<string> {
  const terminal = terminalFor(nonInteractive, question, flags, 'needs-terminal');
  return (await ask(terminal, { type: 'input', message: question })).trim();
}
