/**
 * The logger port, and the rule of what may be logged, applied in one place.
 *
 * Guarantees, whatever the caller passes: fields named like secrets are never written; at `info` and above no text that a
 * peer or a document could have chosen is written (string fields must look like an identifier, an address or a code,
 * else they are withheld; errors give name, code and stack frames without their message); nothing written can carry a control character.
 * `message` is a constant of our own source.
 */
import { isFitError } from './errors.ts';
import { safeText } from './text.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values of any other type are written as the name of their type. `error` holds whatever was caught. */
export type LogFields = Readonly<Record<string, unknown>>;

type Log = (fields: LogFields, message: string) => void;
export type Logger = Readonly<Record<LogLevel, Log>>;

/** Receives one line's fields, already cleaned. */
export type LogSink = (
  level: LogLevel,
  fields: Readonly<Record<string, string | number | boolean>>,
  message: string,
) => void;

const SECRET = /pass|secret|seed|private|token|witness|signature|key$/i;
/** Identifiers, hexadecimal, codes, multiaddrs, times, file paths: no spaces, no quotes. */
const PLAIN = /^[\w.:@/+=-]{0,256}$/;
const DEBUG_TEXT_LENGTH = 500;
const MAX_FRAMES = 8;

function describeError(error: unknown, quiet: boolean): string {
  if (!(error instanceof Error)) return typeof error;
  const code = 'code' in error && typeof error.code === 'string' && PLAIN.test(error.code) ? `(${error.code})` : '';
  // The message of a FitError is ours by contract (errors.ts); others may quote what was received.
  const said = isFitError(error) || !quiet ? `: ${error.message}` : '';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const where = isFitError(error) ? [] : frames.slice(0, MAX_FRAMES).map((line) => line.trim());
  return safeText([`${error.name}${code}${said}`, ...where].join(' | '), { maxLength: 2000 });
}

function clean(level: LogLevel, fields: LogFields): Record<string, string | number | boolean> {
  const quiet = level !== 'debug' && level !== 'trace';
  const cleaned: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (name === 'error' || value instanceof Error) cleaned[name] = describeError(value, quiet);
    else if (SECRET.test(name)) cleaned[name] = '(secret)';
    else if (typeof value === 'number' || typeof value === 'boolean') cleaned[name] = value;
    else if (typeof value === 'string') {
      if (quiet) cleaned[name] = PLAIN.test(value) ? value : `(withheld: ${value.length} characters)`;
      else cleaned[name] = safeText(value, { maxLength: DEBUG_TEXT_LENGTH });
    } else cleaned[name] = value instanceof Uint8Array ? `(${value.length} bytes)` : `(${typeof value})`;
  }
  return cleaned;
}

/** A logger that writes lines of `level` and more severe ones to `sink`. */
export function createLogger(level: LogLevel, sink: LogSink): Logger {
  const last = LOG_LEVELS.indexOf(level);
  const at = (one: LogLevel): Log =>
    LOG_LEVELS.indexOf(one) > last ? () => {} : (fields, message) => sink(one, clean(one, fields), message);
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug'), trace: at('trace') };
}

export const silentLogger: Logger = createLogger('error', () => {});
