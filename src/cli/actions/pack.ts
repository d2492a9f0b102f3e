/** fit pack, fit unpack, fit inspect: containers. Offline, unless something is to be signed. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  ATTRIBUTES,
  type Attribute,
  type Certificate,
  type Container,
  certificatesOf,
  closeContainer,
  compareAll,
  createTurns,
  type Demands,
  demand,
  evidenceOf,
  findPath,
  openContainer,
  type Package,
  packageOf,
  pack as packFiles,
  pathOf,
  plan,
  type Refused,
  readLeaf,
  receiptsOf,
  type Sealer,
  sealOnce,
  showAs,
  takeOut,
  type Work,
} from '../../evidence/container.ts';
import { authoritiesIn } from '../../evidence/timestamp.ts';
import { seconds } from '../../lib/clock.ts';
import { EXIT, FitError, isFitError } from '../../lib/errors.ts';
import type { StatementResult } from '../../rpc/approvals.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { readInput, writeFolder } from '../files.ts';
import { checkDigest, parseTimeoutMs } from '../times.ts';
import * as voice from '../voice.ts';
import { hasTerminal, prove, requireUnlocked } from './consent.ts';
import { checkWaitOptions } from './outcome.ts';

interface PackOptions {
  readonly out: string;
  readonly sign?: boolean;
  readonly anonymous?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly timestampBy?: string;
  readonly timestampUrl?: string;
  readonly attr: readonly string[];
  readonly statement: readonly string[];
  readonly credential: readonly string[];
}

const now = (): number => seconds(Date.now());

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function size(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}

const files = (count: number): string => `${count} ${count === 1 ? 'file' : 'files'}`;

/** `PATH=signed,receipt`, and --sign and --anonymous for the container itself. */
function wantedOf(options: PackOptions): ReadonlyMap<string, readonly Attribute[]> {
  const wanted = new Map<string, Set<Attribute>>();
  const want = (path: string, attribute: Attribute) => {
    const at = path === '' || path === './' ? '.' : path.replace(/\/+$/, '');
    wanted.set(at, (wanted.get(at) ?? new Set()).add(attribute));
  };
  if (options.sign === true) want('.', 'signed');
  if (options.anonymous === true) want('.', 'anonymous');
  for (const text of options.attr) {
    const [, path, names] = /^(.+)=([a-z,]+)$/.exec(text) ?? [];
    if (path === undefined || names === undefined)
      throw new FitError('usage', '--attr is a path, = and attributes', { hint: 'for example --attr plans=signed' });
    for (const name of names.split(',')) {
      const attribute = ATTRIBUTES.find((one) => one === name);
      if (attribute === undefined)
        throw new FitError('usage', '--attr names no attribute', { hint: `one of ${ATTRIBUTES.join(', ')}` });
      want(path, attribute);
    }
  }
  return new Map(
    [...wanted].map(([path, attributes]) => [path, ATTRIBUTES.filter((one) => attributes.has(one))] as const),
  );
}

/** Refuses before anything is read what could not be done afterwards. */
function checkWanted(wanted: ReadonlyMap<string, readonly Attribute[]>): void {
  for (const attribute of [...wanted.values()].flat()) {
    if (attribute === 'encrypted')
      throw new FitError('usage', 'containers cannot be encrypted by this version: nothing was packed', {
        hint: 'fit send encrypts what it delivers',
      });
  }
}

/** With the passphrase, at a terminal after reading it, by a rule, or with --wait when somebody else has granted it. */
async function signing(
  context: Context,
  options: Pick<PackOptions, 'wait' | 'timeout'>,
  as: 'signed' | 'receipt',
  about: Package,
): Promise<{ readonly time: number; readonly bytes: Uint8Array; readonly text: Uint8Array }> {
  const agent = await context.agent();
  const sealed = ({ time, p7s, text }: StatementResult) => {
    if (p7s === null) throw new FitError('internal', 'the statement was granted and is not signed');
    const bytes = new Uint8Array(Buffer.from(p7s, 'base64'));
    return { time, bytes, text: new Uint8Array(Buffer.from(text, 'base64')) };
  };
  const given = await context.givenPassphrase();
  if (given === undefined && (await hasTerminal(context))) {
    const { decideHeld } = await import('./approve.ts');
    const { request } = await decideHeld(context, agent, 'sign', () => agent.statementSign({ about, as, hold: true }));
    return sealed(await agent.statementShow({ request: request.id }));
  }
  if (given !== undefined) await prove(context, agent, 'passphrase, to sign');
  try {
    return sealed(await agent.statementSign({ about, as, waits: options.wait === true }));
  } catch (error) {
    const request = isFitError(error) && error.code === 'needs-approval' ? error.data?.request : undefined;
    if (options.wait !== true || typeof request !== 'object' || request === null || !('id' in request)) throw error;
    return sealed(await decided(context, agent, String(request.id), options.timeout));
  }
}

/** From the contact or the address that was named, else from the configured authority. */
async function stamping(context: Context, options: PackOptions, about: Package): ReturnType<Sealer> {
  const { timestampBy: by, timestampUrl: url } = options;
  const agent = await context.agent();
  const whom = { ...(by === undefined ? {} : { by }), ...(url === undefined ? {} : { url }) };
  const { response, time } = await agent.timestampMake({ digest: about.folder, ...whom });
  return { time: Date.parse(time) / 1000, bytes: new Uint8Array(Buffer.from(response, 'base64')) };
}

/** Until somebody has decided about the request. */
async function decided(
  context: Context,
  agent: AgentClient,
  request: string,
  timeout: string | undefined,
): Promise<StatementResult> {
  context.out.talk(`waiting for a decision about request ${request}: fit approve grant ${request}`);
  const endsAt = Date.now() + parseTimeoutMs(timeout);
  for (;;) {
    const shown = await agent.statementShow({ request });
    if (shown.p7s !== null) return shown;
    if (shown.state !== 'pending' && shown.state !== 'granted')
      throw new FitError('refused', `the request is ${shown.state}: nothing was signed`);
    if (Date.now() >= endsAt)
      throw new FitError('timed-out', 'nobody has decided in time', { hint: `fit approve show ${request}` });
    await new Promise((resolveTurn) => setTimeout(resolveTurn, POLL_MS));
  }
}

const POLL_MS = 300;

const progress = (what: string, work: Work) => (): string =>
  work.bytes > 0 ? `${what}: ${size(work.bytes)}` : `${what}: ${work.entries} entries`;

export async function pack(context: Context, options: PackOptions, named: readonly string[]): Promise<number> {
  const { out } = context;
  const { statement: statements, credential: credentials } = options;
  if (named.length + statements.length + credentials.length === 0)
    throw new FitError('usage', 'there is nothing to pack', { hint: 'name a file or a folder' });
  checkWaitOptions(options);
  const wanted = wantedOf(options);
  checkWanted(wanted);
  const work: Work = { bytes: 0, entries: 0 };
  const sealer: Sealer = async (attribute, about) =>
    attribute === 'signed'
      ? signing(context, options, 'signed', about)
      : attribute === 'timestamped'
        ? stamping(context, options, about)
        : sealOnce(about, now());
  // Nobody should wait for a million files to hear that the keys are locked.
  if ([...wanted.values()].flat().some((one) => one === 'signed' || one === 'timestamped'))
    await requireUnlocked(await context.agent());
  const target = resolve(options.out);
  const run = async () => {
    const nodes = await plan({ files: named, statements, credentials }, now(), work);
    demand(nodes, wanted);
    work.entries = 0;
    return packFiles(nodes, target, sealer, work);
  };
  const packed = await out.busy(progress('packing', work), run());
  if (out.isJson) out.json({ file: target, root: packed.root, files: packed.leaves, bytes: packed.bytes });
  else {
    out.line(`packed  ${voice.peer(options.out, 4096)}  ${files(packed.leaves)}, ${size(packed.bytes)}`);
    out.line(`root    ${packed.root}`);
  }
  return EXIT.done;
}

interface ReadOptions {
  readonly certificates?: string;
  readonly root?: string;
  readonly signer?: string;
}

/** Those of the file that was named; else of the daemon, if there is a home and the keys are there; else none. */
async function authoritiesFor(context: Context, file: string | undefined): Promise<readonly Certificate[]> {
  if (file !== undefined)
    return certificatesOf(authoritiesIn(Buffer.from(await readInput(file, MAX_PEM_BYTES)).toString('latin1')));
  if (!existsSync(context.paths().home)) return [];
  const agent = await context.agent();
  if ((await agent.status()).locked) return [];
  const { authorities } = await agent.timestampAuthorities();
  return certificatesOf(authorities.map(({ certificate }) => new Uint8Array(Buffer.from(certificate, 'base64'))));
}

const MAX_PEM_BYTES = 1024 * 1024;

/** Signs for every folder that asks for it, once all of it has been compared, and writes text and signature to a new folder. */
async function giveReceipts(
  context: Context,
  options: UnpackOptions,
  container: Container,
  target: number,
  folder: string,
  work: Work,
): Promise<void> {
  if (existsSync(folder)) throw new FitError('file-exists', `${folder} exists already`, { hint: 'name a new folder' });
  const wanted = receiptsOf(container, target);
  for (const index of wanted) {
    const why = await compareAll(container, index, work);
    if (why !== null) throw new FitError('bad-file', `no receipt was signed: ${why}`);
  }
  for (const [at, index] of wanted.entries()) {
    const { bytes, text } = await signing(context, options, 'receipt', packageOf(container.tree, index));
    const files = [
      { name: `${at + 1}.txt`, data: Buffer.from(text).toString('base64') },
      { name: `${at + 1}.p7s`, data: Buffer.from(bytes).toString('base64') },
    ];
    writeFolder(resolve(folder), files, false);
  }
}

/** Opens with the demands of the command line; always closed. */
async function reading<T>(
  context: Context,
  options: ReadOptions,
  file: string,
  receipts: boolean,
  use: (container: Container, work: Work) => Promise<T>,
): Promise<T> {
  const { root, signer } = options;
  checkDigest(root, '--root');
  checkDigest(signer, '--signer');
  const work: Work = { bytes: 0, entries: 0 };
  const run = async (): Promise<T> => {
    const demands = async (asked: ReadonlySet<Attribute>): Promise<Demands> => ({
      now: now(),
      receipts,
      ...(signer === undefined ? {} : { signer }),
      ...(asked.has('timestamped') ? { authorities: await authoritiesFor(context, options.certificates) } : {}),
    });
    const container = await openContainer(file, demands, work);
    try {
      if (root !== undefined && root !== rootOf(container))
        throw new FitError('bad-file', 'this is another container than the one that --root names');
      return await use(container, work);
    } finally {
      closeContainer(container);
    }
  };
  return context.out.busy(progress('reading', work), run());
}

const rootOf = ({ head }: Container): string => Buffer.from(head.root).toString('hex');

function nodeAt({ tree }: Container, only: string | undefined): number {
  const path = (only ?? '').split('/').filter((one) => one !== '' && one !== '.');
  const found = findPath(tree.nodes, path.join('/'));
  if (found === undefined) throw new FitError('not-found', '--only names nothing that is in the container');
  return found;
}

function sayRefused(context: Context, refused: readonly Refused[]): void {
  for (const { path, why } of refused.slice(0, MOST_SAID))
    context.out.talk(`refused  ${voice.peer(path, 500)}: ${voice.peer(why, 500)}`);
  if (refused.length > MOST_SAID) context.out.talk(`refused  ${refused.length - MOST_SAID} more`);
}

const MOST_SAID = 50;

function signersOf({ tree, verdicts }: Container) {
  return [...verdicts.signers].map(([index, signer]) => ({
    path: pathOf(tree.nodes, index) || '.',
    name: signer.name,
    fingerprint: signer.fingerprint,
    time: new Date(signer.time * 1000).toISOString(),
    good: !verdicts.refused.has(index),
  }));
}

function stampsOf({ tree, verdicts }: Container) {
  return [...verdicts.stamps].map(([index, time]) => ({
    path: pathOf(tree.nodes, index) || '.',
    time: new Date(time * 1000).toISOString(),
    good: !verdicts.refused.has(index),
  }));
}

interface UnpackOptions extends ReadOptions {
  readonly to?: string;
  readonly as?: string;
  readonly only?: string;
  readonly receipt?: string;
  readonly wait?: boolean;
  readonly timeout?: string;
}

export async function unpack(context: Context, options: UnpackOptions, file: string): Promise<number> {
  const { out } = context;
  checkWaitOptions(options);
  const wantsReceipt = options.receipt !== undefined;
  if ((options.to === undefined) === (options.as === undefined))
    throw new FitError('usage', 'name a folder with --to, or a new container with --as');
  const { root, signers, taken } = await reading(context, options, file, wantsReceipt, async (container, work) => {
    const target = nodeAt(container, options.only);
    if (options.receipt !== undefined) await giveReceipts(context, options, container, target, options.receipt, work);
    const made =
      options.as === undefined
        ? await takeOut(container, target, resolve(options.to ?? '.'), work)
        : await showAs(container, target, resolve(options.as), work);
    return { root: rootOf(container), signers: signersOf(container), taken: made };
  });
  const ok = taken.refused.length === 0;
  if (out.isJson) {
    const to = resolve(options.to ?? options.as ?? '.');
    out.json({ ok, root, to, files: taken.leaves, bytes: taken.bytes, signers, refused: taken.refused });
  } else {
    const what = options.as === undefined ? 'unpacked' : 'shown';
    out.line(`${what}  ${files(taken.leaves)}, ${size(taken.bytes)}`);
    for (const one of signers.filter(({ good }) => good))
      out.line(`signed by ${voice.peer(one.name)}  ${one.fingerprint}  ${voice.peer(one.path, 500)}`);
    sayRefused(context, taken.refused);
  }
  return ok ? EXIT.done : EXIT.negative;
}

interface InspectOptions extends ReadOptions {
  readonly full?: boolean;
  readonly evidence?: string;
}

interface Line {
  readonly path: string;
  readonly kind: string;
  readonly bytes: number;
  readonly attributes: readonly Attribute[];
  readonly verdict: 'good' | 'refused' | 'hidden';
  readonly why: string | null;
}

async function linesOf(container: Container, isFull: boolean, work: Work): Promise<Line[]> {
  const { tree, verdicts } = container;
  const lines: Line[] = [];
  const block = new Uint8Array(1024 * 1024);
  const paths: string[] = [];
  const turn = createTurns();
  for (const [index, { kind, name, depth, bytes, attributes }] of tree.nodes.entries()) {
    paths.length = depth;
    paths.push(name);
    let why = verdicts.refused.get(index) ?? null;
    if (isFull && why === null && kind === 'file')
      why = await readLeaf(
        container,
        index,
        block,
        () => {},
        async (count) => {
          work.bytes += count;
        },
      );
    await turn();
    const path = kind === 'hidden' ? `${paths.slice(1, -1).join('/')}/` : paths.slice(1).join('/');
    const verdict = kind === 'hidden' ? 'hidden' : why === null ? 'good' : 'refused';
    lines.push({ path: index === 0 ? '.' : path, kind, bytes, attributes, verdict, why });
  }
  return lines;
}

export async function inspect(context: Context, options: InspectOptions, file: string): Promise<number> {
  const { out } = context;
  const { root, signers, stamps, lines, statements } = await reading(
    context,
    options,
    file,
    true,
    async (container, work) => ({
      root: rootOf(container),
      statements: options.evidence === undefined ? [] : evidenceOf(container),
      signers: signersOf(container),
      stamps: stampsOf(container),
      lines: await linesOf(container, options.full === true, work),
    }),
  );
  if (options.evidence !== undefined) {
    const found = statements.map(({ name, data }) => ({ name, data: Buffer.from(data).toString('base64') }));
    writeFolder(resolve(options.evidence), found, false);
  }
  const ok = lines.every(({ verdict }) => verdict !== 'refused');
  if (out.isJson) out.json({ ok, root, full: options.full === true, signers, stamps, nodes: lines });
  else {
    out.line(`root  ${root}`);
    for (const one of lines) {
      const depth = one.path === '.' ? 0 : one.path.split('/').length;
      const name = one.kind === 'hidden' ? 'hidden' : voice.peer(one.path.split('/').at(-1) ?? '', 255);
      const marks = one.attributes.length === 0 ? '' : `  [${one.attributes.join(', ')}]`;
      const verdict = one.verdict === 'refused' ? out.paint('red', `  REFUSED: ${voice.peer(one.why ?? '', 500)}`) : '';
      const ends = one.kind === 'folder' ? '/' : '';
      const kind = one.kind === 'statement' || one.kind === 'credential' ? `  ${one.kind}` : '';
      const bytes = one.kind === 'hidden' ? '' : `  ${size(one.bytes)}`;
      out.line(
        `${'  '.repeat(depth)}${one.path === '.' ? '' : name}${one.path === '.' ? '.' : ends}${bytes}${kind}${marks}${verdict}`,
      );
    }
    for (const one of signers)
      out.line(
        `signed by ${voice.peer(one.name)}  ${one.fingerprint}  at ${voice.when(one.time)}  ${voice.peer(one.path, 500)}`,
      );
    for (const one of stamps) out.line(`timestamped at ${voice.when(one.time)}  ${voice.peer(one.path, 500)}`);
    if (options.full !== true) out.hint('contents were not read: fit inspect --full compares them too');
  }
  return ok ? EXIT.done : EXIT.negative;
}

/** Packs a folder into a container beside it, which no folder asks anything of. */
export async function packBeside(context: Context, folder: string): Promise<string> {
  const file = `${resolve(folder)}.fitc`;
  const work: Work = { bytes: 0, entries: 0 };
  const nothing: Sealer = async () => {
    throw new FitError('internal', 'a folder that asks for nothing was to be sealed');
  };
  const run = async () =>
    packFiles(await plan({ files: [folder], statements: [], credentials: [] }, now(), work), file, nothing, work);
  await context.out.busy(progress(`packing ${voice.peer(folder, 200)}`, work), run());
  return file;
}

/** Takes out what was delivered: the receipt was given for all of it. Says what is refused. */
export async function unpackDelivered(context: Context, file: string, to: string): Promise<readonly string[]> {
  const taken = await reading(context, {}, file, true, (container, work) => takeOut(container, 0, to, work));
  sayRefused(context, taken.refused);
  return taken.names.map((name) => resolve(to, name));
}
