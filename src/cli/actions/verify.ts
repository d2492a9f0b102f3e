/** fit verify: the verdict on evidence, offline, without a daemon or a home. Whatever it is given, it says 0 or 1. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ASICS_MAX_BYTES } from '../../evidence/asics.ts';
import { type EvidenceFile, FILE } from '../../evidence/bundle.ts';
import { type Verdict, type VerifyOptions, verifyEvidence, verifyFiles } from '../../evidence/verify.ts';
import { EXIT, FitError, isFitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { readInput } from '../files.ts';
import * as voice from '../voice.ts';
import { type Given, isFolder, withContent } from './verify-content.ts';

interface Options {
  readonly content: readonly string[];
  readonly require?: 'pinned' | 'ca';
  readonly root: readonly string[];
  readonly salts?: string;
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

/** Evidence that cannot be read is evidence that does not verify. */
function unreadable(message: string): Verdict {
  return { ...verifyEvidence(new Uint8Array()), problem: { code: 'unreadable', message } };
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
  if (verdict.proof === 'delivery' || verdict.proof === 'swap' || verdict.proof === 'transfer')
    rows.push(['proof', `of a ${verdict.proof}`]);
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
  for (const { name, size, sha256, from, compared } of verdict.files.slice(0, MAX_FILES_SHOWN)) {
    const by = verdict.proof === 'swap' ? ` by ${voice.peer(from)}` : '';
    rows.push([
      verdict.proof === 'swap' ? 'given' : verdict.proof === 'transfer' ? 'transferred' : 'delivered',
      `${voice.peer(name, 255)}${by}, ${size} bytes${compared ? ', the file given is the same' : ''}`,
    ]);
    rows.push(['', sha256]);
  }
  if (verdict.files.length > MAX_FILES_SHOWN)
    rows.push(['', `and ${verdict.files.length - MAX_FILES_SHOWN} more; --json has all`]);
  for (const { from, credential } of verdict.contents) {
    if (credential === null) continue;
    const { kind, subject, fingerprint, issuer, issuerFingerprint, attributes, validFrom, validUntil } = credential;
    const ofWhom = subject === null ? '' : ` of ${voice.peer(subject, 160)}`;
    rows.push(['credential', `${voice.peer(from)} gives ${voice.aCredential(kind)}${ofWhom}`]);
    if (issuer !== null)
      rows.push([
        '',
        `by ${voice.peer(issuer, 160)}, ${issuerFingerprint === null ? 'whose certificate is not beside it' : `whose certificate is ${issuerFingerprint}`}`,
      ]);
    if (attributes !== null) rows.push(['', `attributes ${attributes}`]);
    if (validFrom !== null) rows.push(['', `valid from ${voice.when(validFrom)}`]);
    if (validUntil !== null) rows.push(['', `valid until ${voice.when(validUntil)}`]);
    if (fingerprint !== null) rows.push(['', fingerprint]);
  }
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
