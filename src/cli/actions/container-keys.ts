/**
 * Whom folders of a container are encrypted to, and what opens them. Guarantees: an encrypted folder for which nobody is named
 * is not packed; secrets come from files and never from the command line, where every user of the machine could read them.
 */
import { existsSync } from 'node:fs';
import { identitiesIn, isRecipient, MAX_IDENTITY_FILE_BYTES, maxRecipients } from '../../evidence/age-keys.ts';
import type { Attribute, Keys, Lock, Opener } from '../../evidence/container.ts';
import { FitError, isFitError } from '../../lib/errors.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { readInput } from '../files.ts';
import { givenPassphrase } from '../passphrase.ts';

export interface LockOptions {
  readonly recipient: readonly string[];
  readonly sealedPassphraseFile?: string;
}

export interface KeyOptions {
  readonly identity?: readonly string[];
  readonly sealedPassphraseFile?: string;
}

export const normalPath = (path: string): string =>
  path
    .split('/')
    .filter((one) => one !== '' && one !== '.')
    .join('/');

async function sealedPassphrase(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : givenPassphrase({ passphraseFile: file }, {});
}

/** An age recipient, or what the card of a contact names. */
async function recipientOf(context: Context, who: string): Promise<string> {
  if (await isRecipient(who)) return who;
  if (/^age1/i.test(who))
    throw new FitError('usage', 'this is not an age recipient that can be encrypted to', {
      hint: 'age1 and 58 letters and digits, as age-keygen prints it; nothing was packed',
    });
  const agent = await context.agent();
  const { contact, recipient, verified } = await agent.contactShow({ contact: who });
  if (recipient === null)
    throw new FitError('wrong-state', `the card of ${contact} names nothing that can be encrypted to`, {
      hint: 'ask for their present card, and fit contact add it with --replace; nothing was packed',
    });
  if (!verified)
    context.out.talk(`warning: ${contact} is not verified: if the card is not theirs, somebody else can open this`);
  return recipient;
}

/** What `--recipient` says: for all encrypted folders, or by the path of one. */
function namedRecipients(options: LockOptions): ReadonlyMap<string | null, readonly string[]> {
  const named = new Map<string | null, string[]>();
  for (const text of options.recipient) {
    const at = text.lastIndexOf('=');
    const path = at < 0 ? null : normalPath(text.slice(0, at));
    const who = text.slice(at + 1);
    if (who === '' || at === 0)
      throw new FitError('usage', '--recipient is a recipient, or a path, = and a recipient', {
        hint: 'for example --recipient plans=age1…',
      });
    named.set(path, [...(named.get(path) ?? []), who]);
  }
  return named;
}

/** Whether the options say that something is encrypted, though no folder was named. */
export const isLocked = (options: LockOptions): boolean =>
  options.recipient.some((one) => !one.includes('=')) || options.sealedPassphraseFile !== undefined;

/** How each folder that is `encrypted` in `wanted` is locked. Throws `usage` for one that nobody could open. */
export async function locksOf(
  context: Context,
  options: LockOptions,
  wanted: ReadonlyMap<string, readonly Attribute[]>,
): Promise<(path: string) => Lock> {
  const named = namedRecipients(options);
  const paths = [...wanted]
    .filter(([, attributes]) => attributes.includes('encrypted'))
    .map(([path]) => normalPath(path));
  for (const path of named.keys())
    if (path !== null && !paths.includes(path))
      throw new FitError('usage', `--recipient names ${path || '.'}, which is not encrypted`, {
        hint: `--attr ${path || '.'}=encrypted`,
      });
  const general = named.get(null) ?? [];
  if (paths.length === 0 && (general.length > 0 || options.sealedPassphraseFile !== undefined))
    throw new FitError('usage', 'nothing is encrypted that --recipient could be for');
  if (general.length > 0 && options.sealedPassphraseFile !== undefined)
    throw new FitError('usage', 'a folder is encrypted to recipients or under a passphrase, not both');
  const passphrase = await sealedPassphrase(options.sealedPassphraseFile);
  const locks = new Map<string, Lock>();
  for (const path of paths) {
    const who = named.get(path) ?? general;
    const recipients = [...new Set(await Promise.all(who.map((one) => recipientOf(context, one))))];
    if (recipients.length > (await maxRecipients()))
      throw new FitError('usage', `a folder is encrypted to at most ${await maxRecipients()} recipients`);
    if (recipients.length > 0) locks.set(path, { kind: 'recipients', recipients });
    else if (passphrase !== undefined) locks.set(path, { kind: 'passphrase', passphrase });
    else
      throw new FitError('usage', `nobody is named to whom ${path || 'the container'} is encrypted`, {
        hint: 'with --recipient, or --sealed-passphrase-file; nothing was packed',
      });
  }
  return (path) => {
    const lock = locks.get(path);
    if (lock === undefined) throw new FitError('internal', 'an encrypted folder without a lock');
    return lock;
  };
}

async function identitiesOf(file: string): Promise<readonly Opener[]> {
  const bytes = await readInput(file, MAX_IDENTITY_FILE_BYTES);
  const identities = await identitiesIn(Buffer.from(bytes).toString('latin1'));
  bytes.fill(0);
  if (identities === null)
    throw new FitError('bad-file', `${file} is no file of age identities`, { hint: 'age-keygen -o FILE makes one' });
  return identities.map((identity) => ({ kind: 'identity', identity }));
}

/** What was given opens folders, or else the daemon. */
export async function keysOf(context: Context, options: KeyOptions): Promise<Keys> {
  const passphrase = await sealedPassphrase(options.sealedPassphraseFile);
  const openers: Opener[] = (await Promise.all((options.identity ?? []).map(identitiesOf))).flat();
  if (passphrase !== undefined) openers.push({ kind: 'passphrase', passphrase });
  if (openers.length > 0) return { openers, otherwise: 'it is encrypted, and what was given does not open it' };
  if (!existsSync(context.paths().home)) return { openers, otherwise: NO_KEY };
  let agent: AgentClient;
  try {
    agent = await context.agent();
  } catch (error) {
    if (!isFitError(error) || error.code !== 'daemon-unreachable') throw error;
    return { openers, otherwise: 'it is encrypted, and the daemon, which has the key, cannot be reached' };
  }
  if ((await agent.status()).locked)
    return { openers, otherwise: 'it is encrypted, and the keys are locked: fit unlock' };
  const open = async (header: Uint8Array): Promise<Uint8Array | null> => {
    const { key } = await agent.sealedKey({ header: Buffer.from(header).toString('base64') });
    return key === null ? null : new Uint8Array(Buffer.from(key, 'base64'));
  };
  return { openers: [{ kind: 'keeper', open }], otherwise: 'it is encrypted, and not to you' };
}

const NO_KEY = 'it is encrypted, and there is no key here: name one with --identity, or --sealed-passphrase-file';
