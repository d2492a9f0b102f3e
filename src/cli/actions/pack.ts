/** fit pack: a container from files. Offline, unless something is to be signed or timestamped. */
import { resolve } from 'node:path';
import {
  ATTRIBUTES,
  type Attribute,
  demand,
  type Package,
  pack as packFiles,
  plan,
  type Sealer,
  sealFolders,
  sealOnce,
  type Work,
} from '../../evidence/container.ts';
import { EXIT, FitError } from '../../lib/errors.ts';
import type { Context } from '../context.ts';
import * as voice from '../voice.ts';
import { requireUnlocked } from './consent.ts';
import { isLocked, type LockOptions, locksOf } from './container-keys.ts';
import { signing } from './container-signing.ts';
import { files, now, progress, size } from './container-words.ts';
import { checkWaitOptions } from './outcome.ts';

interface PackOptions extends LockOptions {
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

/** `PATH=signed,receipt`; --sign, --anonymous and a recipient without an encrypted folder are for the container itself. */
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
  if (isLocked(options) && ![...wanted.values()].some((one) => one.has('encrypted'))) want('.', 'encrypted');
  return new Map(
    [...wanted].map(([path, attributes]) => [path, ATTRIBUTES.filter((one) => attributes.has(one))] as const),
  );
}

/** From the contact or the address that was named, else from the configured authority. */
async function stamping(context: Context, options: PackOptions, about: Package): ReturnType<Sealer> {
  const { timestampBy: by, timestampUrl: url } = options;
  const agent = await context.agent();
  const whom = { ...(by === undefined ? {} : { by }), ...(url === undefined ? {} : { url }) };
  const { response, time } = await agent.timestampMake({ digest: about.folder, ...whom });
  return { time: Date.parse(time) / 1000, bytes: new Uint8Array(Buffer.from(response, 'base64')) };
}

export async function pack(context: Context, options: PackOptions, named: readonly string[]): Promise<number> {
  const { out } = context;
  const { statement: statements, credential: credentials } = options;
  if (named.length + statements.length + credentials.length === 0)
    throw new FitError('usage', 'there is nothing to pack', { hint: 'name a file or a folder' });
  checkWaitOptions(options);
  const wanted = wantedOf(options);
  const lockOf = await locksOf(context, options, wanted);
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
    const { root } = await packFiles(await sealFolders(nodes, lockOf, sealer, work), target, sealer, work);
    // What was named, however much of it is sealed.
    return { root, leaves: nodes[0]?.leaves ?? 0, bytes: nodes[0]?.bytes ?? 0 };
  };
  const packed = await out.busy(progress('packing', work), run());
  if (out.isJson) out.json({ file: target, root: packed.root, files: packed.leaves, bytes: packed.bytes });
  else {
    out.line(`packed  ${voice.peer(options.out, 4096)}  ${files(packed.leaves)}, ${size(packed.bytes)}`);
    out.line(`root    ${packed.root}`);
  }
  return EXIT.done;
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
