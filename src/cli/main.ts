/**
 * `fit`: the command line of one trader (fit(1)). A thin client: it holds no keys, and asks the daemon over its socket.
 * Guarantees: every way out has the exit code of fit(1); an interruption at any moment gives 130 and a working terminal.
 */
import type { CommanderError } from 'commander';
import { EXIT, exitCodeOf, isFitError } from '../lib/errors.ts';
import { VERSION } from '../lib/version.ts';

const SIGNALS = { SIGINT: 2, SIGHUP: 1, SIGTERM: 15 } as const;

for (const [signal, number] of Object.entries(SIGNALS)) {
  process.on(signal, () => {
    // What was asked for is done and said: too late to be interrupted.
    if (process.exitCode !== undefined) process.exit();
    // The terminal's module is loaded only if a question was asked; its own exit listener restores the mode.
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
    process.stderr.write('fit: interrupted\n');
    process.exit(128 + number);
  });
}

// A reader that has seen enough (head, less) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.internal);
});
process.stderr.on('error', () => {});

async function printJsonError(code: string, message: string, hint?: string, data?: unknown): Promise<void> {
  const { jsonLine } = await import('./output.ts');
  const error = { code, message, ...(hint === undefined ? {} : { hint }), ...(data === undefined ? {} : { data }) };
  process.stderr.write(jsonLine({ error }));
}

interface Finding {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

function isFinding(value: unknown): value is Finding {
  return typeof value === 'object' && value !== null && 'line' in value && 'column' in value && 'message' in value;
}

/** commander has printed its complaint (help.ts), or what was asked for. */
function isCommanderError(error: unknown): error is CommanderError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}

async function fail(error: unknown, isJson: boolean): Promise<number> {
  if (isCommanderError(error)) {
    if (error.exitCode === 0) return EXIT.done;
    if (error.code === 'commander.help') process.stderr.write('fit: one of these commands is missing\n');
    return EXIT.usage;
  }
  const { safeText } = await import('../lib/text.ts');
  const safe = (text: string) => safeText(text, { maxLength: 1000 });
  if (!isFitError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    if (isJson) await printJsonError('internal', message);
    if (process.env.FIT_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.stderr.write(
      `fit: internal error: ${safe(message)}\nfit: hint: run it again with FIT_DEBUG=1 and report it\n`,
    );
    return EXIT.internal;
  }
  if (isJson) await printJsonError(error.code, error.message, error.hint, error.data);
  const findings = error.data?.findings;
  if (Array.isArray(findings) && !isJson) {
    for (const one of findings.filter(isFinding)) {
      process.stderr.write(
        `fit: line ${Number(one.line)}, column ${Number(one.column)}: ${safe(String(one.message))}\n`,
      );
    }
  }
  process.stderr.write(`fit: ${safe(error.message)}\n`);
  if (error.hint !== undefined) process.stderr.write(`fit: hint: ${safe(error.hint)}\n`);
  return exitCodeOf(error);
}

const isJson = process.argv.includes('--json');

process.on('uncaughtException', (error) => {
  void fail(error, isJson).then((code) => process.exit(code));
});

async function main(): Promise<void> {
  const [only, ...others] = process.argv.slice(2);
  if ((only === '--version' || only === '-V') && others.length === 0) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  const { programFor, withDaemonWait } = await import('./program.ts');
  const args = withDaemonWait(process.argv.slice(2));
  const { program, isBare } = programFor(args);
  if (!isBare) {
    await program.parseAsync(args, { from: 'user' });
    return;
  }
  const { createContext } = await import('./context.ts');
  const { overview } = await import('./actions/overview.ts');
  const context = createContext(program.opts());
  try {
    process.exitCode = (await overview(context)) ?? EXIT.done;
  } finally {
    context.close();
  }
}

main().catch(async (error: unknown) => {
  process.exitCode = await fail(error, isJson);
});
