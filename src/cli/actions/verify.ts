/** fit verify: the verdict on evidence, offline, without a daemon or a home. Whatever it is given, it says 0 or 1. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ASICS_MAX_BYTES } from '../../evidence/asics.ts';
import { type EvidenceFile, FILE } from '../../evidence/bundle.ts';
import { type Verdict, type VerifyOptions, verifyEvidence, verifyFiles } from '../../evidence/verify.ts';
import { compareContent, type GivenFile, judgeDescription, rootOfContent } from '../../evidence/verify-delivery.ts';
import { EXIT, FitError, isFitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { readInput } from '../files.ts';
import * as voice from '../voice.ts';

interface Options {
  readonly content: readonly string[];
  readonly require?: 'pinned' | 'ca';
  readonly root: readonly string[];
  readonly salts?: string;
}

/** What the evidence is held against. */
interface Given {
  readonly content: readonly string[];
  readonly salts: string | undefined;
}

const MAX_ROOTS_BYTES = 4 * 1024 * 1024;
const MAX_ATTACHMENTS = 256;
const MAX_FILES_SHOWN = 20;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

async function readRoots(files: readonly string[]): Promise<readonly Uint8Array[]> {
  const roots: Uint8Array[] = [];
  for (const file of files) {
    const text = Buffer.from(await readInput(file, MAX_ROOTS_BYTES)).toString('latin1');
    const found = Array.from(
      text.matchAll(CERTIFICATE),
      ([, body]) => new Uint8Array(Buffer.from(body ?? '', 'base64')),
    );
    if (found.length === 0) throw new FitError('bad-file', `there is no certificate (PEM) in ${file}`);
    roots.push(...found);
  }
  return roots;
}

/** The files that belong to evidence; others in the folder are the user's own and are left alone. */
async function readFolder(folder: string): Promise<readonly EvidenceFile[]> {
  const files: EvidenceFile[] = [];
  const add = async (name: string) => {
    files.push({ name, data: await readInput(join(folder, name), ASICS_MAX_BYTES) });
  };
  const { attachments, ...names } = FILE;
  const present = new Set(readdirSync(folder));
  for (const name of Object.values(names)) if (present.has(name)) await add(name);
  if (present.has(basename(attachments))) {
    const listed = readdirSync(join(folder, attachments)).slice(0, MAX_ATTACHMENTS);
    for (const name of listed) await add(attachments + name);
  }
  return files;
}

function isFolder(file: string): boolean {
  try {
    return file !== '-' && statSync(file).isDirectory();
  } catch {
    return false;
  }
}

/** Evidence that cannot be read is evidence that does not verify. */
function unreadable(message: string): Verdict {
  return { ...verifyEvidence(new Uint8Array()), problem: { code: 'unreadable', message } };
}

async function described(path: string): Promise<GivenFile> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(part);
    size += part.length;
  }
  return { name: basename(path), size, sha256: hash.digest('hex') };
}

async function* bytesOf(paths: readonly string[]): AsyncIterable<Uint8Array> {
  for (const path of paths) yield* createReadStream(path) as AsyncIterable<Buffer>;
}

/** Of files one after the other, with the salts of their chunks. */
async function rootOf(paths: readonly string[], saltsFile: string): Promise<Uint8Array> {
  const salts = await open(saltsFile);
  try {
    return await rootOfContent(bytesOf(paths), async (salt, position) => {
      await salts.read(salt, 0, salt.length, position);
    });
  } finally {
    await salts.close();
  }
}

/** The verdict with the files compared that were given: each by itself, of a folder all that the note names. */
async function withContent(verdict: Verdict, { content, salts }: Given): Promise<Verdict> {
  if (content.length === 0 || !verdict.ok || verdict.type === 'p7s') return verdict;
  if (verdict.proof !== 'delivery') {
    throw new FitError('usage', '--content is for a .p7s file or a delivery', {
      hint: 'this evidence holds the document itself',
    });
  }
  const paths = content.flatMap((path) =>
    isFolder(path) ? verdict.files.map(({ name }) => join(path, name)) : [path],
  );
  const given: GivenFile[] = [];
  for (const path of paths) {
    try {
      given.push(await described(path));
    } catch {
      return { ...verdict, ok: false, problem: { code: 'unreadable', message: `cannot read ${path}` } };
    }
  }
  const compared = compareContent(verdict, given);
  if (salts === undefined || compared.ok) return compared;
  const inOrder = verdict.files.map(({ name }) => paths.find((path) => basename(path) === name));
  const all = inOrder.filter((path) => path !== undefined);
  if (all.length < inOrder.length) throw new FitError('usage', '--salts needs all files that the note names');
  try {
    return judgeDescription(compared, await rootOf(all, salts));
  } catch {
    return { ...compared, problem: { code: 'unreadable', message: `cannot read ${salts}` } };
  }
}

/** One byte tells a signature (a DER sequence) from a container. */
async function judgeFile(file: string, { content }: Given, options: VerifyOptions): Promise<Verdict> {
  const bytes = await readInput(file, ASICS_MAX_BYTES);
  if (bytes[0] !== 0x30) return verifyEvidence(bytes, options);
  const [document, ...more] = content;
  if (more.length > 0) throw new FitError('usage', 'a .p7s file signs one document: give one --content');
  if (document === undefined) return verifyEvidence(bytes, options);
  return verifyEvidence(bytes, { ...options, content: await readInput(document, ASICS_MAX_BYTES) });
}

async function judge(file: string, given: Given, options: VerifyOptions): Promise<Verdict> {
  try {
    const verdict = isFolder(file)
      ? verifyFiles(await readFolder(file), options)
      : await judgeFile(file, given, options);
    return await withContent(verdict, given);
  } catch (error) {
    if (isFitError(error) && error.code === 'bad-file') return unreadable(error.message);
    if (error instanceof Error && 'code' in error && !isFitError(error)) return unreadable(`cannot read ${file}`);
    throw error;
  }
}

const KNOWN = {
  pinned: 'among the certificates that you trust',
  ca: 'issued by a certificate that you trust',
  embedded: 'known from this evidence alone',
} as const;

function print(context: Context, verdict: Verdict, hasRoots: boolean): void {
  const { out } = context;
  const rows: [string, string][] = [
    ['verdict', verdict.ok ? out.paint('green', 'good') : out.paint('red', 'NOT GOOD')],
  ];
  if (verdict.problem !== null) rows.push(['problem', voice.peer(verdict.problem.message, 500)]);
  if (verdict.title !== null) rows.push(['title', voice.peer(verdict.title, 100)]);
  if (verdict.deal !== null) rows.push(['deal', voice.peer(verdict.deal)]);
  if (verdict.document !== null) rows.push(['document', verdict.document]);
  if (verdict.proof === 'affidavit') rows.push(['proof', "the arbiter's statement stands for a signature"]);
  if (verdict.proof === 'delivery') rows.push(['proof', 'of a delivery']);
  for (const digest of verdict.references) rows.push(['under', digest]);
  for (const one of verdict.signers) {
    const subject = one.subject === one.name ? '' : ` (certificate of ${voice.peer(one.subject)})`;
    rows.push([
      'signed by',
      `${voice.peer(one.name)}${subject}, ${voice.peer(one.role)}, at ${voice.when(one.signingTime)}`,
    ]);
    rows.push(['', `${one.fingerprint}, ${KNOWN[one.known]}`]);
  }
  if (verdict.log !== null) rows.push(['history', `${verdict.log} entries, unbroken`]);
  for (const { name, size, sha256, compared } of verdict.files.slice(0, MAX_FILES_SHOWN)) {
    rows.push([
      'delivered',
      `${voice.peer(name, 255)}, ${size} bytes${compared ? ', the file given is the same' : ''}`,
    ]);
    rows.push(['', sha256]);
  }
  if (verdict.files.length > MAX_FILES_SHOWN)
    rows.push(['', `and ${verdict.files.length - MAX_FILES_SHOWN} more; --json has all`]);
  for (const name of verdict.missing) rows.push(['missing', voice.peer(name, 255)]);
  for (const line of voice.facts(rows)) out.line(line);
  if (verdict.ok && !hasRoots) {
    out.hint('compare the fingerprints with those that you know, or give --root; --require makes that strict');
  }
}

export async function verify(context: Context, options: Options, file: string): Promise<number> {
  const roots = await readRoots(options.root);
  if (options.require !== undefined && roots.length === 0) {
    throw new FitError('usage', '--require needs at least one --root', {
      hint: 'a PEM file of certificates that you trust',
    });
  }
  const required = options.require === undefined ? {} : { require: options.require };
  const verdict = await context.out.busy(
    'verifying',
    judge(file, { content: options.content, salts: options.salts }, { roots, ...required }),
  );
  if (context.out.isJson) context.out.json({ file, ...verdict });
  else print(context, verdict, roots.length > 0);
  return verdict.ok ? EXIT.done : EXIT.negative;
}
