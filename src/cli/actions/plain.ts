/**
 * `fit ui --plain`: line by line, for screen readers, slow lines and terminals that cannot draw. Each line is a command of
 * `fit` without the `fit`, or a short word for one, so that everything the commands can do can be done here; texts are read
 * page by page and signed after the last one, as everywhere. What happens meanwhile is told between two lines.
 */
import { createInterface, type Interface } from 'node:readline';
import { isFitError } from '../../lib/errors.ts';
import { safeText } from '../../lib/text.ts';
import { connect } from '../../rpc/client.ts';
import { connectOrStart } from '../autostart.ts';
import type { Context } from '../context.ts';
import { createProgram } from '../program.ts';
import { createSession } from '../terminal/session.ts';
import * as voice from '../voice.ts';

const SHORT: Readonly<Record<string, readonly string[]>> = {
  deals: ['deal', 'list'],
  show: ['deal', 'show'],
  read: ['deal', 'show', '--text'],
  propose: ['deal', 'propose'],
  counter: ['deal', 'counter'],
  accept: ['deal', 'accept'],
  decline: ['deal', 'decline'],
  withdraw: ['deal', 'withdraw'],
  message: ['deal', 'message'],
  explain: ['deal', 'explain'],
  diff: ['deal', 'diff'],
  abort: ['deal', 'abort'],
  resolve: ['deal', 'resolve'],
  wait: ['deal', 'wait'],
  export: ['deal', 'export'],
  contacts: ['contact', 'list'],
  add: ['contact', 'add'],
  words: ['contact', 'show'],
  verify: ['contact', 'verify'],
  requests: ['approve', 'list'],
  grant: ['approve', 'grant'],
  refuse: ['approve', 'refuse'],
  cases: ['arbiter', 'cases'],
  settings: ['config', 'list'],
};

const HELP = [
  'a line is a command of fit without the fit: deal list, contact show oak, policy show',
  `short words: ${Object.keys(SHORT).join(', ')}`,
  'help: this; help and a command: its options; quit: leave',
];

/** Words of a line; quotes hold words together. */
export function wordsOf(line: string): string[] {
  return Array.from(
    line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

function ask(): { readonly line: Promise<string | undefined>; readonly input: Interface } {
  const input = createInterface({ input: process.stdin, output: process.stdout, prompt: 'fit> ', historySize: 100 });
  const line = new Promise<string | undefined>((resolve) => {
    input.once('line', resolve);
    input.once('close', () => resolve(undefined));
    input.once('SIGINT', () => resolve(undefined));
  });
  return { line, input };
}

async function perform(words: readonly string[], home: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...home, ...words], { from: 'user' });
  } catch (error) {
    // commander has printed its own.
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')) return;
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(`fit: ${safeText(message, { maxLength: 1000 })}\n`);
    if (isFitError(error) && error.hint !== undefined)
      process.stdout.write(`fit: hint: ${safeText(error.hint, { maxLength: 1000 })}\n`);
  }
}

export async function plain(context: Context): Promise<number> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const session = createSession({ first: () => connectOrStart(context), again: () => connect(context.paths().socket) });
  const news: string[] = [];
  let input: Interface | undefined;
  const tell = (): void => {
    // Never into a line that is being typed, nor between a command and its answer.
    if (input === undefined || input.line !== '' || news.length === 0) return;
    process.stdout.write('\n');
    for (const line of news.splice(0)) say(line);
    input.prompt();
  };
  session.onEvent((event) => {
    const waits =
      event.kind === 'request'
        ? `request ${event.request ?? ''} waits for you: grant ${event.request ?? ''}`
        : undefined;
    news.push(waits ?? voice.event(event));
    tell();
  });
  const home = context.options.home === undefined ? [] : ['--home', context.options.home];
  say('fit, line by line; help says how, quit leaves');
  await perform(['deal', 'list'], home);
  for (;;) {
    for (const line of news.splice(0)) say(line);
    const asked = ask();
    input = asked.input;
    input.prompt();
    const line = await asked.line;
    input = undefined;
    asked.input.close();
    if (line === undefined) break;
    const [first = '', ...rest] = wordsOf(line);
    if (first === '') continue;
    if (first === 'quit' || first === 'q' || first === 'exit') break;
    if (first === 'help' && rest.length === 0) for (const one of HELP) say(one);
    else if (first === 'ui') say('fit: this is it');
    else await perform([...(SHORT[first] ?? [first]), ...rest], home);
  }
  session.close();
  return 0;
}
