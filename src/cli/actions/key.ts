/** fit key csr|import|export|passphrase. */
import { utf8 } from '../../lib/bytes.ts';
import { FitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { readInput, writeOutput } from '../files.ts';
import { givenPassphrase, type PassphraseOptions } from '../passphrase.ts';
import * as voice from '../voice.ts';
import { prove, withPassphrase } from './consent.ts';

interface FileOptions {
  readonly out?: string;
  readonly force?: boolean;
}

/** PEM to a file or stdout, or fields as JSON. */
async function deliver(
  context: Context,
  options: FileOptions,
  text: string,
  fields: object,
  mode: number,
): Promise<undefined> {
  const { out } = context;
  const file = options.out ?? '-';
  if (out.isJson && file === '-') {
    out.json(fields);
    return undefined;
  }
  await writeOutput(out, file, utf8(text), { force: options.force === true, mode });
  if (file === '-') return undefined;
  if (out.isJson) out.json({ file });
  else out.talk(`wrote ${file}`);
  return undefined;
}

export async function csr(context: Context, options: FileOptions): Promise<undefined> {
  const agent = await context.agent();
  await prove(context, agent);
  const result = await agent.keyCsr();
  return deliver(context, options, result.csr, result, 0o666);
}

export async function exportKey(context: Context, options: FileOptions): Promise<undefined> {
  const agent = await context.agent();
  await prove(context, agent);
  const result = await agent.keyExport();
  const text = [result.key, result.certificates].map((pem) => `${pem.trimEnd()}\n`).join('');
  return deliver(context, options, text, result, 0o600);
}

const MAX_KEY_BYTES = 256 * 1024;

interface ImportOptions {
  readonly importPassphraseFd?: string;
  readonly importPassphraseFile?: string;
}

function named(options: Readonly<Record<keyof PassphraseOptions, string | undefined>>): PassphraseOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export async function importKey(context: Context, options: ImportOptions, file: string): Promise<undefined> {
  const data = await readInput(file, MAX_KEY_BYTES);
  const dataPassphrase = await givenPassphrase(
    named({
      passphraseFd: options.importPassphraseFd,
      passphraseFile: options.importPassphraseFile,
      passphraseCommand: undefined,
    }),
    {},
  );
  const agent = await context.agent();
  const result = await withPassphrase(context, 'passphrase', async (passphrase) => {
    await agent.prove({ passphrase });
    return agent.keyImport({
      data: Buffer.from(data).toString('base64'),
      passphrase,
      ...(dataPassphrase === undefined ? {} : { dataPassphrase }),
    });
  });
  if (context.out.isJson) context.out.json(result);
  else {
    for (const line of voice.whoami(result)) context.out.line(line);
    context.out.hint('your card has changed: give it to your contacts again');
  }
  return undefined;
}

interface NewPassphraseOptions {
  readonly newPassphraseFd?: string;
  readonly newPassphraseFile?: string;
  readonly newPassphraseCommand?: string;
}

const NEW_FLAGS = '--new-passphrase-fd, --new-passphrase-file or --new-passphrase-command';

export async function changePassphrase(context: Context, options: NewPassphraseOptions): Promise<undefined> {
  const agent = await context.agent();
  const given = await givenPassphrase(
    named({
      passphraseFd: options.newPassphraseFd,
      passphraseFile: options.newPassphraseFile,
      passphraseCommand: options.newPassphraseCommand,
    }),
    {},
  );
  const result = await withPassphrase(context, 'the passphrase until now', async (old) => {
    await agent.prove({ passphrase: old });
    const fresh = given ?? (await (await import('../prompts.ts')).askNewPassphrase(context.nonInteractive, NEW_FLAGS));
    if (fresh === old) throw new FitError('usage', 'the new passphrase is the old one');
    return agent.keyPassphrase({ old, new: fresh });
  });
  if (context.out.isJson) context.out.json(result);
  else context.out.talk('the passphrase is changed');
  return undefined;
}
