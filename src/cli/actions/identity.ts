/** fit init, whoami, card. */

import { utf8 } from '../../lib/bytes.ts';
import { parseDuration } from '../../lib/duration.ts';
import { FitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { PASSPHRASE_FLAGS } from '../passphrase.ts';
import * as voice from '../voice.ts';

interface InitOptions {
  readonly name?: string;
  readonly listen?: string;
  readonly role: readonly string[];
  readonly patience?: string;
}

export async function init(context: Context, options: InitOptions): Promise<undefined> {
  const { out } = context;
  const [{ existsSync }, { fitdInit }] = await Promise.all([import('node:fs'), import('../fitd.ts')]);
  const paths = context.paths();
  if (existsSync(paths.config)) {
    throw new FitError('home-exists', `there is a trader in ${paths.home} already`, {
      hint: 'another --home makes another trader',
    });
  }
  if (options.patience !== undefined) parseDuration(options.patience);
  let { name } = options;
  if (name === undefined) {
    const { askLine } = await import('../prompts.ts');
    name = await askLine('your name, as it stands in contracts', context.nonInteractive, '--name');
  }
  if (name === '') throw new FitError('usage', 'the name is empty', { hint: 'fit init --name "Your Name"' });
  const passphrase = (await context.givenPassphrase()) ?? (await askNew(context, name));

  // With `=`, so that a name may begin with a hyphen.
  const args = [`--name=${name}`, ...options.role.map((role) => `--role=${role}`)];
  if (options.listen !== undefined) args.push(`--listen=${options.listen}`);
  if (options.patience !== undefined) args.push(`--patience=${options.patience}`);
  const made = await out.busy('making keys', fitdInit(args, passphrase, context.environment, paths));
  if (out.isJson) out.json(made);
  else {
    out.line(`made the trader ${name} in ${paths.home}`);
    out.hint('nobody can restore the passphrase: keep it well');
    out.hint('fit daemon start, then fit card > me.card');
  }
  return undefined;
}

async function askNew(context: Context, name: string): Promise<string> {
  const { choosePassphrase } = await import('./first-run.ts');
  return choosePassphrase(context, name, PASSPHRASE_FLAGS);
}

export async function whoami(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.whoami();
  if (context.out.isJson) context.out.json(result);
  else for (const line of voice.whoami(result)) context.out.line(line);
  return undefined;
}

interface CardOptions {
  readonly out?: string;
  readonly qr?: boolean;
  readonly force?: boolean;
}

/** The capacity of the largest QR code, in bytes, at the lowest error correction. */
const MAX_QR_BYTES = 2953;

export async function card(context: Context, options: CardOptions): Promise<undefined> {
  const { out } = context;
  const agent = await context.agent();
  const result = await agent.card();
  if (options.qr === true) {
    if (result.card.length > MAX_QR_BYTES) {
      throw new FitError('bad-card', 'the card is too large for a QR code', {
        hint: 'a certificate chain makes it large: give the file instead',
      });
    }
    const { renderUnicodeCompact } = await import('uqr');
    if (out.isJson) out.json(result);
    else out.line(renderUnicodeCompact(result.card, { border: 2 }));
    return undefined;
  }
  if (options.out !== undefined) {
    const { writeOutput } = await import('../files.ts');
    await writeOutput(out, options.out, utf8(`${result.card}\n`), { force: options.force === true });
    if (options.out === '-') return undefined;
  }
  if (out.isJson) out.json(options.out === undefined ? result : { ...result, file: options.out });
  else if (options.out === undefined) out.line(result.card);
  else out.talk(`wrote your card to ${options.out}`);
  return undefined;
}
