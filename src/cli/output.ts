/**
 * The output boundary. Results go to stdout, talk to stderr with `fit:` in front; with --json stdout carries JSON and
 * nothing else. Guarantees: no character that could steer a terminal leaves here unless we made it.
 */

import { safeJsonLine } from '../lib/json.ts';
import { safeText } from '../lib/text.ts';
import { SCHEMA } from '../rpc/agent.ts';
import { columnsOf, wrapped } from './columns.ts';

export type ColorChoice = 'auto' | 'always' | 'never';
export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const CODES: Readonly<Record<Paint, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

type Environment = Readonly<Record<string, string | undefined>>;

/** NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb, as no-color.org and bixense.com/clicolors say; --color decides over them. */
export function wantsColor(choice: ColorChoice, environment: Environment, isTerminal: boolean): boolean {
  if (choice !== 'auto') return choice === 'always';
  if ((environment.NO_COLOR ?? '') !== '') return false;
  if ((environment.CLICOLOR_FORCE ?? '0') !== '0') return true;
  if (environment.CLICOLOR === '0' || environment.TERM === 'dumb') return false;
  return isTerminal;
}

export function jsonLine(fields: object): string {
  return safeJsonLine({ schema: SCHEMA, ...fields });
}

export interface Output {
  readonly isJson: boolean;
  /** One line of JSON with `schema`. */
  json(fields: object): void;
  /** A line of the result for people. `text` is ours; what a peer wrote went through `peer`. */
  line(text: string): void;
  /** Bytes as they are: a file on stdout. */
  bytes(data: Uint8Array): Promise<void>;
  talk(text: string): void;
  hint(text: string): void;
  warn(text: string): void;
  /** Text that a peer wrote, made safe for one line. */
  peer(text: string, maxLength?: number): string;
  paint(style: Paint, text: string): string;
  /** Shows `what` on stderr once `work` takes longer than a second, until it ends. */
  busy<T>(what: string | (() => string), work: Promise<T>): Promise<T>;
}

/** Characters of a peer's text in one line, unless the caller has more room. */
const PEER_LINE = 200;
const FIRST_PROGRESS_MS = 1000;
const REDRAW_MS = 1000;
const NEXT_LINE_MS = 5000;

async function withProgress<T>(what: string | (() => string), work: Promise<T>, redraws: boolean): Promise<T> {
  const started = Date.now();
  let timer: NodeJS.Timeout;
  let isShown = false;
  const show = () => {
    const seconds = Math.round((Date.now() - started) / 1000);
    const said = typeof what === 'string' ? what : what();
    process.stderr.write(redraws ? `\r\u001b[2Kfit: ${said}  ${seconds} s` : `fit: ${said}  ${seconds} s\n`);
    isShown = true;
    timer = setTimeout(show, redraws ? REDRAW_MS : NEXT_LINE_MS);
  };
  timer = setTimeout(show, FIRST_PROGRESS_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    if (isShown && redraws) process.stderr.write('\r\u001b[2K');
  }
}

export function createOutput(options: { readonly json: boolean; readonly color: ColorChoice }): Output {
  const colors = wantsColor(options.color, process.env, process.stdout.isTTY === true);
  const redraws = process.stderr.isTTY === true && process.env.TERM !== 'dumb';
  return {
    isJson: options.json,
    json: (fields) => void process.stdout.write(jsonLine(fields)),
    line: (text) => void process.stdout.write(`${text}\n`),
    bytes: (data) =>
      new Promise((resolve, reject) => process.stdout.write(data, (error) => (error ? reject(error) : resolve()))),
    talk: (text) => void process.stderr.write(`fit: ${text}\n`),
    hint: (text) => void process.stderr.write(`fit: hint: ${text}\n`),
    warn: (text) =>
      void process.stderr.write(`${wrapped(`fit: warning: ${text}`, columnsOf(process.stderr), 5).join('\n')}\n`),
    peer: (text, maxLength = PEER_LINE) => safeText(text, { maxLength }),
    paint: (style, text) => (colors ? `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m` : text),
    busy: (what, work) => withProgress(what, work, redraws),
  };
}
