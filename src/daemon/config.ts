/**
 * `fit.toml` (fit.toml(5)): read once at start, checked whole, written only by `fit init` and `fit config set`.
 * Guarantees: an unknown key or an unusable value is `FitError('bad-config')` naming the key, and nothing starts on a guess.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'smol-toml';
import { z } from 'zod';
import { MAX_NAME, MAX_TERMS_BYTES } from '../commerce/card.ts';
import { utf8 } from '../lib/bytes.ts';
import { formatDuration, parseDuration } from '../lib/duration.ts';
import { FitError } from '../lib/errors.ts';
import { isPlainLine, lint } from '../lib/lint.ts';
import { EVENT_KINDS } from '../rpc/agent.ts';

const duration = z.string().transform((text, context) => {
  try {
    return parseDuration(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'write a number and s, m, h or d, for example 7d' });
    return z.NEVER;
  }
});

/** HOST:PORT, with an IPv6 host in brackets. */
const LISTEN = /^(\[[0-9a-fA-F:]+\]|[0-9A-Za-z.-]{1,253}):([0-9]{1,5})$/;

/** Kinds on which a program may be run. A failure of a hook is none: it would run itself again. */
const HOOK_KINDS = EVENT_KINDS.filter((kind) => kind !== 'hook-failed' && kind !== 'progress');
const MAX_HOOKS = 32;
const MAX_ARGUMENTS = 64;
const MAX_ARGUMENT = 4096;

const hook = z.strictObject({
  /** Kinds of events, one or more by name: "whatever happens" would also be what the hook itself does. */
  on: z.array(z.enum(HOOK_KINDS, 'name kinds of events, as fit-events(1) lists them')).min(1).max(HOOK_KINDS.length),
  /** The program and its arguments, given to it as they are. */
  run: z
    .array(
      z
        .string()
        .max(MAX_ARGUMENT)
        .refine((text) => !text.includes('\0'), 'a zero byte cannot be given to a program'),
    )
    .min(1)
    .max(MAX_ARGUMENTS)
    .refine(([program]) => program?.startsWith('/') === true, 'write the whole path of the program, from / on'),
  timeout: duration.default(60),
});

export function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

/** Keys of a hook, for the manual's test. */
export const HOOK_KEYS: readonly string[] = Object.keys(hook.shape);

const schema = z.strictObject({
  // What the card could not say would keep the daemon from unlocking.
  name: z.string().refine((text) => isPlainLine(text, MAX_NAME), 'write a plain line of at most 64 characters'),
  listen: z
    .string()
    .refine(
      (text) => Number(LISTEN.exec(text)?.[2] ?? Number.NaN) <= 65_535,
      'write HOST:PORT, for example 127.0.0.1:4001',
    )
    .default('127.0.0.1:0'),
  roles: z
    .array(z.enum(['arbiter', 'timestamp'], 'the roles that can be served are arbiter and timestamp'))
    .max(8)
    .default([]),
  exchange: z
    .strictObject({
      patience: duration.default(120),
      /** How long the arbiter's help lasts for a new offer, from the time of the offer. */
      not_after: duration.default(30 * 86_400),
      margin: duration.default(25 * 3600),
    })
    .prefault({}),
  offer: z.strictObject({ expires: duration.default(7 * 86_400) }).prefault({}),
  consent: z
    .strictObject({
      /** How long a request waits for a person. */
      expires: duration.default(86_400),
      /** How long a proof of the passphrase lasts that nobody uses. */
      idle: duration.default(15 * 60),
    })
    .prefault({}),
  arbiter: z
    .strictObject({
      /** Terms shown to traders; the default text if empty. */
      terms: z
        .string()
        .refine(
          (text) => text === '' || (utf8(text).length <= MAX_TERMS_BYTES && lint(utf8(text)).length === 0),
          'write at most 12 KiB of text that could be signed: fit lint says what is amiss',
        )
        .default(''),
      /** The longest notAfter it serves, from the time of signing. */
      max_not_after: duration.default(90 * 86_400),
      min_margin: duration.default(3600),
      retention: duration.default(180 * 86_400),
    })
    .prefault({}),
  /** The authority that `fit timestamp` asks. */
  timestamp: z
    .strictObject({
      url: z
        .string()
        .max(2048)
        .refine(
          (text) => text === '' || isWebAddress(text),
          'write an address with http:// or https://, without a password',
        )
        .default(''),
      /** PEM: whom to trust with its timestamps. */
      certificates: z
        .string()
        .max(4096)
        .refine((text) => text === '' || text.startsWith('/'), 'write the whole path of a PEM file, from / on')
        .default(''),
    })
    .prefault({}),
  bulk: z
    .strictObject({
      /** Where content is sent beside the link. */
      lane: z
        .string()
        .refine(
          (text) => /^(any|off|[1-9][0-9]{0,4})$/.test(text) && !(Number(text) > 65_535),
          'write any, off, or the number of a port',
        )
        .default('any'),
    })
    .prefault({}),
  log: z.strictObject({ level: z.enum(['error', 'warn', 'info', 'debug']).default('info') }).prefault({}),
  hook: z.array(hook).max(MAX_HOOKS).default([]),
});

/** Durations in seconds. */
export type Config = z.output<typeof schema>;
export type Hook = Config['hook'][number];

function check(value: unknown): Config {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FitError(
      'bad-config',
      `fit.toml: ${issue?.path.join('.') || 'file'}: ${issue?.message.toLowerCase() ?? 'unusable'}`,
      {
        hint: 'see fit.toml(5)',
      },
    );
  }
  return parsed.data;
}

export function readConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new FitError('no-home', 'there is no trader here yet', {
      hint: 'fit init --name NAME makes one',
      cause: error,
    });
  }
  return check(parseToml(text));
}

function parseToml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new FitError('bad-config', 'fit.toml is not valid TOML', { cause: error });
  }
}

/** Replaces the file whole or not at all. */
function writeFileWhole(file: string, text: string): void {
  const fresh = `${file}.new`;
  writeFileSync(fresh, text, { mode: 0o600, flush: true });
  renameSync(fresh, file);
}

export interface InitialConfig {
  readonly name: string;
  readonly listen?: string;
  readonly roles: readonly string[];
  readonly patience?: string;
}

function fileOf(initial: InitialConfig) {
  return {
    name: initial.name,
    ...(initial.listen === undefined ? {} : { listen: initial.listen }),
    roles: [...initial.roles],
    ...(initial.patience === undefined ? {} : { exchange: { patience: initial.patience } }),
  };
}

export function checkInitialConfig(initial: InitialConfig): Config {
  return check(fileOf(initial));
}

export function writeInitialConfig(file: string, initial: InitialConfig): Config {
  const config = checkInitialConfig(initial);
  writeFileWhole(file, stringify(fileOf(initial)));
  return config;
}

const DURATION_KEYS: ReadonlySet<string> = new Set([
  'exchange.patience',
  'exchange.not_after',
  'exchange.margin',
  'offer.expires',
  'consent.expires',
  'consent.idle',
  'arbiter.max_not_after',
  'arbiter.min_margin',
  'arbiter.retention',
]);

/**
 * Every key with its value in force, as `fit config list` shows them. Hooks are none of them: a program to be run is written
 * into the file by a person, and `fit doctor` lists it.
 */
export function flatten({ hook: _, ...config }: Config): Record<string, string> {
  const flat: Record<string, string> = {};
  const walk = (value: unknown, path: string): void => {
    if (Array.isArray(value)) flat[path] = value.join(',');
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
    } else flat[path] = typeof value === 'number' && DURATION_KEYS.has(path) ? formatDuration(value) : String(value);
  };
  walk(config, '');
  return flat;
}

/** Sets one key in the file; the daemon uses it from its next start on. */
export function setConfig(file: string, key: string, value: string): Config {
  const current = parseToml(readFileSync(file, 'utf8')) as Record<string, unknown>;
  if (!Object.hasOwn(flatten(check(current)), key))
    throw new FitError('not-found', 'there is no such setting', { hint: 'fit config list' });
  const [section = key, name] = key.split('.');
  const typed = key === 'roles' ? value.split(',').filter((role) => role !== '') : value;
  if (name === undefined) current[section] = typed;
  else current[section] = { ...(current[section] as Record<string, unknown> | undefined), [name]: typed };
  const config = check(current);
  writeFileWhole(file, stringify(current));
  return config;
}
