/** fit timestamp: the daemon asks an authority, only for a digest; what came is verified there, and here by anybody later. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { authoritiesIn, judgeTimestamp, type StampVerdict } from '../../evidence/timestamp.ts';
import { EXIT, FitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { readInput, writeOutput } from '../files.ts';
import * as voice from '../voice.ts';
import { requireUnlocked } from './consent.ts';

const MAX_TOKEN_BYTES = 64 * 1024;
const MAX_PEM_BYTES = 1024 * 1024;

/** SHA-256 of a file of any size. */
async function digestOf(file: string): Promise<Uint8Array> {
  const hash = createHash('sha256');
  try {
    const stream = file === '-' ? process.stdin : createReadStream(file);
    for await (const part of stream as AsyncIterable<Buffer>) hash.update(part);
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new FitError('bad-file', missing ? `there is no file ${file}` : `cannot read ${file}`, { cause });
  }
  return hash.digest();
}

async function readAuthorities(file: string): Promise<readonly Uint8Array[]> {
  return authoritiesIn(Buffer.from(await readInput(file, MAX_PEM_BYTES)).toString('latin1'));
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

interface MakeOptions {
  readonly by?: string;
  readonly url?: string;
  readonly certificates?: string;
  readonly out?: string;
  readonly force?: boolean;
}

/** Where each timestamp goes; nothing is asked for that could not be written. */
function outputsOf(files: readonly string[], { out, force }: MakeOptions): readonly string[] {
  if (out !== undefined && files.length > 1) throw new FitError('usage', '--out is for one file');
  if (out === undefined && files.includes('-'))
    throw new FitError('usage', 'standard input has no name: give --out', { hint: '--out - is standard output' });
  const outputs = out === undefined ? files.map((file) => `${file}.tsr`) : [out];
  if (new Set(outputs).size < outputs.length) throw new FitError('usage', 'a file is named twice');
  for (const output of outputs) {
    if (output === '-' || force === true || !existsSync(output)) continue;
    throw new FitError('file-exists', `${output} exists already`, { hint: 'another name, or --force to replace it' });
  }
  return outputs;
}

export async function make(context: Context, options: MakeOptions, files: readonly string[]): Promise<undefined> {
  const { out } = context;
  const { by, url, certificates } = options;
  if (by !== undefined && (url ?? certificates) !== undefined)
    throw new FitError('usage', '--by is for a contact, --url and --certificates are for another authority');
  const outputs = outputsOf(files, options);
  if (outputs[0] === '-' && out.isJson)
    throw new FitError('usage', 'standard output cannot be both JSON and a timestamp', { hint: 'give --out FILE' });
  const whom = {
    ...(by === undefined ? {} : { by }),
    ...(url === undefined ? {} : { url }),
    ...(certificates === undefined ? {} : { certificates: (await readAuthorities(certificates)).map(base64) }),
  };
  const digests: Uint8Array[] = [];
  for (const file of files) digests.push(await digestOf(file));
  const agent = await context.agent();
  if (by !== undefined) await requireUnlocked(agent);
  const made: object[] = [];
  for (const [at, file] of files.entries()) {
    const output = outputs[at] ?? '-';
    const sha256 = Buffer.from(digests[at] ?? []).toString('hex');
    const asked = agent.timestampMake({ digest: sha256, ...whom });
    const { response, ...stamp } = await out.busy('asking for a timestamp', asked);
    await writeOutput(out, output, Buffer.from(response, 'base64'), { force: options.force === true });
    made.push({ file, out: output, sha256, ...stamp });
    if (!out.isJson && output !== '-')
      out.line(`${voice.peer(output, 4096)}  ${voice.when(stamp.time)}, by ${voice.peer(stamp.authority)}`);
  }
  if (out.isJson) out.json({ timestamps: made });
}

interface VerifyOptions {
  readonly token: string;
  readonly certificates?: string;
}

/** From the file that was named, else from the daemon: configured ones, those of contacts, our own. */
async function trusted(
  context: Context,
  file: string | undefined,
): Promise<readonly { readonly contact: string | null; readonly certificate: Uint8Array }[]> {
  if (file !== undefined) return (await readAuthorities(file)).map((certificate) => ({ contact: null, certificate }));
  const agent = await context.agent();
  await requireUnlocked(agent);
  const { authorities } = await agent.timestampAuthorities();
  return authorities.map((one) => ({ contact: one.contact, certificate: Buffer.from(one.certificate, 'base64') }));
}

function print(context: Context, verdict: StampVerdict, contact: string | null): void {
  const { out } = context;
  const rows: [string, string][] = [
    ['verdict', verdict.ok ? out.paint('green', 'good') : out.paint('red', 'NOT GOOD')],
  ];
  if (verdict.problem !== null) rows.push(['problem', voice.peer(verdict.problem.message, 500)]);
  const { stamp } = verdict;
  if (stamp !== null) {
    rows.push(['existed at', `${voice.when(stamp.time)} (${stamp.time})`]);
    rows.push(['says', `${voice.peer(stamp.authority)}${contact === null ? '' : `, your contact ${contact}`}`]);
    rows.push(['', stamp.fingerprint]);
  }
  for (const line of voice.facts(rows)) out.line(line);
}

export async function verify(context: Context, options: VerifyOptions, file: string): Promise<number> {
  if (file === '-' && options.token === '-') throw new FitError('usage', 'only one thing can come from standard input');
  const token = await readInput(options.token, MAX_TOKEN_BYTES);
  const digest = await digestOf(file);
  const known = await trusted(context, options.certificates);
  const verdict = judgeTimestamp(token, { digest, authorities: known.map((one) => one.certificate) });
  const by = verdict.stamp?.trustedBy;
  const named = known.find(({ certificate }) => createHash('sha256').update(certificate).digest('hex') === by);
  const contact = named?.contact ?? null;
  if (context.out.isJson)
    context.out.json({
      file,
      sha256: Buffer.from(digest).toString('hex'),
      ok: verdict.ok,
      problem: verdict.problem,
      contact,
      ...verdict.stamp,
    });
  else print(context, verdict, contact);
  return verdict.ok ? EXIT.done : EXIT.negative;
}
