/** fit unpack and fit inspect: containers read. Offline, unless a receipt is to be signed or the daemon has the key of a folder. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type Attribute,
  type Certificate,
  type Container,
  certificatesOf,
  closeContainer,
  compareAll,
  createTurns,
  type DemandsFor,
  evidenceOf,
  findPath,
  openContainer,
  openSealed,
  type Place,
  packageOf,
  pathIn,
  pathOf,
  type Refused,
  readLeaf,
  receiptsOf,
  refusals,
  showAs,
  type Taken,
  takeOut,
  type Work,
} from '../../evidence/container.ts';
import { authoritiesIn } from '../../evidence/timestamp.ts';
import { EXIT, FitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import { readInput, writeFolder } from '../files.ts';
import { checkDigest } from '../times.ts';
import * as voice from '../voice.ts';
import { type KeyOptions, keysOf, normalPath } from './container-keys.ts';
import { signing } from './container-signing.ts';
import { files, now, progress, size } from './container-words.ts';
import { checkWaitOptions } from './outcome.ts';

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
  wanted: readonly Place[],
  folder: string,
  work: Work,
): Promise<void> {
  if (existsSync(folder)) throw new FitError('file-exists', `${folder} exists already`, { hint: 'name a new folder' });
  for (const { container, index } of wanted) {
    const why = await compareAll(container, index, work);
    if (why !== null) throw new FitError('bad-file', `no receipt was signed: ${why}`);
  }
  for (const [at, { container, index }] of wanted.entries()) {
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
  use: (container: Container, work: Work, demands: DemandsFor) => Promise<T>,
): Promise<T> {
  const { root, signer } = options;
  checkDigest(root, '--root');
  checkDigest(signer, '--signer');
  const work: Work = { bytes: 0, entries: 0 };
  const run = async (): Promise<T> => {
    const demands: DemandsFor = async (asked) => ({
      now: now(),
      receipts,
      ...(signer === undefined ? {} : { signer }),
      ...(asked.has('timestamped') ? { authorities: await authoritiesFor(context, options.certificates) } : {}),
    });
    const container = await openContainer(file, demands, work);
    try {
      if (root !== undefined && root !== rootOf(container))
        throw new FitError('bad-file', 'this is another container than the one that --root names');
      return await use(container, work, demands);
    } finally {
      closeContainer(container);
    }
  };
  return context.out.busy(progress('reading', work), run());
}

const rootOf = ({ head }: Container): string => Buffer.from(head.root).toString('hex');

interface Target {
  readonly index: number;
  /** Of what lies in the encrypted folder at `index`: its path there. */
  readonly within: string | null;
}

function targetOf({ tree }: Container, only: string | undefined, seesSealed: boolean): Target {
  const path = normalPath(only ?? '');
  const whole = findPath(tree.nodes, path);
  if (whole !== undefined) return { index: whole, within: null };
  const names = path.split('/');
  for (let count = names.length - 1; seesSealed && count >= 0; count -= 1) {
    const index = findPath(tree.nodes, names.slice(0, count).join('/'));
    if (index === undefined) continue;
    if (tree.nodes[index]?.attributes.includes('encrypted') !== true) break;
    return { index, within: names.slice(count).join('/') };
  }
  throw notThere();
}

const notThere = (): FitError => new FitError('not-found', '--only names nothing that is in the container');

/** A part of what is in an encrypted folder, which was opened; null if the folder is refused or does not open. */
function placeWithin({ tree, opened }: Container, { index, within }: Target): Place | null {
  if (within === null || tree.nodes[index] === undefined) return null;
  const inner = opened.get(index + 1);
  if (inner === undefined || typeof inner === 'string') return null;
  const found = findPath(inner.tree.nodes, within);
  if (found === undefined) throw notThere();
  return { container: inner, index: found };
}

async function take(container: Container, target: Target, to: string, work: Work): Promise<Taken> {
  if (target.within === null) return takeOut(container, target.index, to, work);
  const outer = pathOf(container.tree.nodes, target.index);
  const place = placeWithin(container, target);
  if (place !== null) {
    const taken = await takeOut(place.container, place.index, to, work);
    return { ...taken, refused: taken.refused.map(({ path, why }) => ({ path: pathIn(outer, path), why })) };
  }
  const why = container.opened.get(target.index + 1);
  const own = refusals(container, target.index, target.index + 1);
  const refused = own.length > 0 ? own : [{ path: outer || '.', why: String(why) }];
  return { leaves: 0, bytes: 0, names: [], refused };
}

/** The folders that a receipt is to be given for, before `target` is taken out. */
function receiptsFor(container: Container, target: Target): readonly Place[] {
  const all = receiptsOf(container, target.index);
  if (target.within === null) return all;
  const place = placeWithin(container, target);
  const outer = all.filter((one) => one.container === container);
  return place === null ? outer : [...outer, ...receiptsOf(place.container, place.index)];
}

function sayRefused(context: Context, refused: readonly Refused[]): void {
  for (const { path, why } of refused.slice(0, MOST_SAID))
    context.out.talk(`refused  ${voice.peer(path, 500)}: ${voice.peer(why, 500)}`);
  if (refused.length > MOST_SAID) context.out.talk(`refused  ${refused.length - MOST_SAID} more`);
}

const MOST_SAID = 50;

interface SignerLine {
  readonly path: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly time: string;
  readonly good: boolean;
}

/** Also those of what was sealed and is opened. */
function signersOf({ tree, verdicts, opened }: Container, outer = ''): readonly SignerLine[] {
  const inner = [...opened].flatMap(([index, one]) =>
    typeof one === 'string' ? [] : signersOf(one, pathOf(tree.nodes, tree.nodes[index]?.parent ?? 0)),
  );
  const own = [...verdicts.signers].map(([index, signer]) => ({
    path: pathIn(outer, pathOf(tree.nodes, index)),
    name: signer.name,
    fingerprint: signer.fingerprint,
    time: new Date(signer.time * 1000).toISOString(),
    good: !verdicts.refused.has(index),
  }));
  return [...own, ...inner];
}

function stampsOf({ tree, verdicts }: Container) {
  return [...verdicts.stamps].map(([index, time]) => ({
    path: pathOf(tree.nodes, index) || '.',
    time: new Date(time * 1000).toISOString(),
    good: !verdicts.refused.has(index),
  }));
}

interface UnpackOptions extends ReadOptions, KeyOptions {
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
  const to = resolve(options.to ?? options.as ?? '.');
  const isShown = options.as !== undefined;
  const { root, signers, taken } = await reading(
    context,
    options,
    file,
    wantsReceipt,
    async (container, work, demands) => {
      const target = targetOf(container, options.only, !isShown);
      const { index } = target;
      const keys = () => keysOf(context, options);
      if (!isShown) await openSealed(container, index, keys, demands, to, work);
      if (options.receipt !== undefined)
        await giveReceipts(context, options, receiptsFor(container, target), options.receipt, work);
      const made = isShown ? await showAs(container, index, to, work) : await take(container, target, to, work);
      return { root: rootOf(container), signers: signersOf(container), taken: made };
    },
  );
  const ok = taken.refused.length === 0;
  if (out.isJson) {
    out.json({ ok, root, to, files: taken.leaves, bytes: taken.bytes, signers, refused: taken.refused });
  } else {
    const what = isShown ? 'shown' : 'unpacked';
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
    if (isFull && why === null && (kind === 'file' || kind === 'sealed'))
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
      const kind = ['statement', 'credential', 'sealed'].includes(one.kind) ? `  ${one.kind}` : '';
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

/** Takes out what was delivered: the receipt was given for all of it. Says what is refused. */
export async function unpackDelivered(context: Context, file: string, to: string): Promise<readonly string[]> {
  const taken = await reading(context, {}, file, true, async (container, work, demands) => {
    await openSealed(container, 0, () => keysOf(context, {}), demands, to, work);
    return takeOut(container, 0, to, work);
  });
  sayRefused(context, taken.refused);
  return taken.names.map((name) => resolve(to, name));
}
