/**
 * Passphrases from where a script keeps them: a file descriptor, a file, a command, the matching FIT_ variables or a
 * systemd credential. Never from the command line, where every user of the machine could read it.
 */
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fromUtf8 } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';

export interface PassphraseOptions {
  readonly passphraseFd?: string;
  readonly passphraseFile?: string;
  readonly passphraseCommand?: string;
}

/** What to name when there is none. */
export const PASSPHRASE_FLAGS = '--passphrase-fd, --passphrase-file or --passphrase-command';

const MAX_PASSPHRASE_BYTES = 1024;
const SYSTEMD_CREDENTIAL = 'fit-passphrase';

type Environment = Readonly<Record<string, string | undefined>>;

/** The first line without its line end. */
async function firstLine(stream: Readable, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const end = chunk.indexOf(0x0a);
      const part = end === -1 ? chunk : chunk.subarray(0, end);
      parts.push(part);
      size += part.length;
      if (end !== -1 || size > MAX_PASSPHRASE_BYTES + 1) break;
    }
  } catch (cause) {
    throw new FitError('needs-passphrase', `cannot read the passphrase from ${what}`, {
      hint: `check ${what}`,
      cause,
    });
  }
  const line = Buffer.concat(parts, size);
  const bytes = line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
  if (bytes.length > MAX_PASSPHRASE_BYTES) {
    throw new FitError('usage', `the passphrase in ${what} is longer than ${MAX_PASSPHRASE_BYTES} bytes`);
  }
  if (bytes.length === 0) throw new FitError('needs-passphrase', `the passphrase in ${what} is empty`);
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new FitError('usage', `the passphrase in ${what} is not UTF-8`, { cause });
  }
}

function fromDescriptor(text: string): Promise<string> {
  const descriptor = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(descriptor)) throw new FitError('usage', `not a file descriptor: ${text}`);
  if (descriptor === 0) return firstLine(process.stdin, 'standard input');
  return firstLine(createReadStream('', { fd: descriptor, autoClose: true }), `file descriptor ${descriptor}`);
}

function warnIfOpen(file: string): void {
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) process.stderr.write(`fit: warning: others can read the passphrase file: chmod 600 it\n`);
  } catch {
    // Reading it will say what is wrong.
  }
}

function fromFile(file: string): Promise<string> {
  if (file === '-') return firstLine(process.stdin, 'standard input');
  warnIfOpen(file);
  return firstLine(createReadStream(file), 'the passphrase file');
}

async function fromCommand(command: string): Promise<string> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['inherit', 'pipe', 'inherit'] });
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const [line, code] = await Promise.allSettled([firstLine(child.stdout, 'the passphrase command'), exited]);
  if (code.status === 'rejected' || code.value !== 0) {
    throw new FitError('needs-passphrase', 'the passphrase command failed', { hint: 'run it by hand to see why' });
  }
  if (line.status === 'rejected') throw line.reason;
  return line.value;
}

/** Options before variables; more than one option is a mistake. Undefined if no source is named. */
export async function givenPassphrase(
  options: PassphraseOptions,
  environment: Environment,
): Promise<string | undefined> {
  const named = [options.passphraseFd, options.passphraseFile, options.passphraseCommand].filter(
    (value) => value !== undefined,
  );
  if (named.length > 1) throw new FitError('usage', `give only one of ${PASSPHRASE_FLAGS}`);
  if (options.passphraseFd !== undefined) return fromDescriptor(options.passphraseFd);
  if (options.passphraseFile !== undefined) return fromFile(options.passphraseFile);
  if (options.passphraseCommand !== undefined) return fromCommand(options.passphraseCommand);
  if (environment.FIT_PASSPHRASE_FD) return fromDescriptor(environment.FIT_PASSPHRASE_FD);
  if (environment.FIT_PASSPHRASE_FILE) return fromFile(environment.FIT_PASSPHRASE_FILE);
  if (environment.FIT_PASSPHRASE_COMMAND) return fromCommand(environment.FIT_PASSPHRASE_COMMAND);
  if (environment.CREDENTIALS_DIRECTORY) {
    const credential = join(environment.CREDENTIALS_DIRECTORY, SYSTEMD_CREDENTIAL);
    if (existsSync(credential)) return firstLine(createReadStream(credential), 'the systemd credential');
  }
  return undefined;
}

/** Which of the sources `givenPassphrase` would read: for the audit log. */
export function sourceOf(
  options: PassphraseOptions,
  environment: Environment,
): 'terminal' | 'descriptor' | 'file' | 'command' | 'credential' {
  if (options.passphraseFd !== undefined) return 'descriptor';
  if (options.passphraseFile !== undefined) return 'file';
  if (options.passphraseCommand !== undefined) return 'command';
  if (environment.FIT_PASSPHRASE_FD) return 'descriptor';
  if (environment.FIT_PASSPHRASE_FILE) return 'file';
  if (environment.FIT_PASSPHRASE_COMMAND) return 'command';
  return environment.CREDENTIALS_DIRECTORY && existsSync(join(environment.CREDENTIALS_DIRECTORY, SYSTEMD_CREDENTIAL))
    ? 'credential'
    : 'terminal';
}
