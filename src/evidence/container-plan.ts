/**
 * What goes into a container: the files and folders that were named, in the order of the tree, with every name checked before
 * anything is read. Symbolic links and whatever is neither file nor folder are refused, as are names that some system
 * cannot keep apart or cannot have.
 */
import { closeSync, lstatSync, readdirSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import {
  type Attribute,
  contradictionOf,
  inlineFault,
  MAX_INLINE_BYTES,
  MAX_LEVELS,
  MAX_NODES,
  MAX_PATHS,
} from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { fromUtf8 } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { foldedName, isFileName } from '../lib/file-name.ts';
import { createTurns, fileError, openPlain, readAt, type Work } from './container-io.ts';

export interface Planned {
  readonly kind: 'file' | 'statement' | 'credential' | 'folder' | 'sealed';
  readonly name: string;
  readonly parent: number;
  readonly depth: number;
  /** Where it is now; empty for the container itself. */
  readonly source: string;
  /** Of the leaf, or of all leaves of the folder. */
  bytes: number;
  /** Entries of the folder, and all leaves in it. */
  count: number;
  leaves: number;
  attributes: readonly Attribute[];
  /** Of statements and credentials. */
  readonly inline: Uint8Array | null;
  /** Of what is sealed: the root of the container in it, and its bytes, made anew each time. */
  readonly sealed: { readonly inner: Uint8Array; open(): AsyncIterable<Uint8Array> } | null;
}

export interface Named {
  readonly files: readonly string[];
  readonly statements: readonly string[];
  readonly credentials: readonly string[];
}

type Kind = Planned['kind'];

interface Found {
  readonly name: string;
  readonly source: string;
  readonly kind: Kind;
  readonly bytes: number;
  readonly inline: Uint8Array | null;
}

function look(source: string, name: string): Found {
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(source);
  } catch (error) {
    throw fileError(error, source);
  }
  if (stat.isSymbolicLink())
    throw new FitError('bad-file', `${source} is a symbolic link`, { hint: 'pack what it points to' });
  if (!stat.isFile() && !stat.isDirectory()) throw new FitError('bad-file', `${source} is neither a file nor a folder`);
  return { name, source, kind: stat.isFile() ? 'file' : 'folder', bytes: stat.isFile() ? stat.size : 0, inline: null };
}

const CERTIFICATE = /^-----BEGIN ((?:ATTRIBUTE )?CERTIFICATE)-----([A-Za-z0-9+/=\s]*)-----END \1-----\s*$/;

function lookInline(source: string, kind: 'statement' | 'credential', now: number): Found {
  const { fd, bytes } = openPlain(source);
  try {
    if (bytes > MAX_INLINE_BYTES)
      throw new FitError('bad-file', `${source} is larger than ${MAX_INLINE_BYTES / 1024} KiB`);
    const raw = readAt(fd, new Uint8Array(bytes), 0);
    const [, , body] = kind === 'credential' ? (CERTIFICATE.exec(Buffer.from(raw).toString('latin1')) ?? []) : [];
    const inline = body === undefined ? raw : new Uint8Array(Buffer.from(body, 'base64'));
    const fault =
      kind === 'credential'
        ? inlineFault({ kind, der: inline }, now)
        : inlineFault({ kind, text: textOf(inline, source) }, now);
    if (fault !== null) throw new FitError('bad-file', `${source}: ${fault}`);
    return { name: basename(source), source, kind, bytes: inline.length, inline };
  } finally {
    closeSync(fd);
  }
}

function textOf(bytes: Uint8Array, source: string): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw new FitError('bad-file', `${source} is not a text`);
  }
}

/** In the order of the tree. Throws for names that cannot be in one folder. */
function inOrder(found: Found[], folder: string): Found[] {
  const names = new Map<string, string>();
  for (const { name, source } of found) {
    if (!isFileName(name))
      throw new FitError('bad-file', `${source} has a name that cannot be in a container`, {
        hint: 'no name may begin with a dot or a hyphen, or have a character that some system does not take',
      });
    const folded = foldedName(name);
    const other = names.get(folded);
    if (other !== undefined)
      throw new FitError('bad-file', `${other} and ${name} are the same name on some systems`, {
        hint: `both are in ${folder === '' ? 'what was named' : folder}: rename one`,
      });
    names.set(folded, name);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readFolder(folder: string): Found[] {
  try {
    return readdirSync(folder).map((name) => look(`${folder}/${name}`, name));
  } catch (error) {
    throw fileError(error, folder);
  }
}

const NONE: readonly Attribute[] = [];

/** Everything that was named, the container itself first. `work` counts entries. `now`: seconds since 1970. */
export async function plan(named: Named, now: number, work: Work): Promise<readonly Planned[]> {
  const turn = createTurns();
  const nodes: Planned[] = [];
  /** Characters of each path, as whoever reads it counts them. */
  const paths: number[] = [];
  let pathsInAll = 0;
  const top = inOrder(
    [
      ...named.files.map((file) => look(resolve(file), basename(resolve(file)))),
      ...named.statements.map((file) => lookInline(resolve(file), 'statement', now)),
      ...named.credentials.map((file) => lookInline(resolve(file), 'credential', now)),
    ],
    '',
  );
  const add = (found: Found, parent: number): number => {
    const depth = parent < 0 ? 0 : present(nodes[parent], 'folder').depth + 1;
    if (nodes.length === MAX_NODES) throw new FitError('bad-file', `more than ${MAX_NODES} files and folders`);
    if (found.kind === 'folder' && depth > MAX_LEVELS)
      throw new FitError('bad-file', `folders of more than ${MAX_LEVELS} levels: ${found.source.slice(0, 200)}`);
    const path = (paths[parent] ?? 0) + found.name.length + 1;
    pathsInAll += path;
    if (pathsInAll > MAX_PATHS)
      throw new FitError('bad-file', 'paths that are too long together', { hint: 'pack it as several containers' });
    paths.push(path);
    const isLeaf = found.kind !== 'folder';
    work.entries += 1;
    const { kind, name, source, bytes, inline } = found;
    const leaves = isLeaf ? 1 : 0;
    nodes.push({ kind, name, parent, depth, source, bytes, count: 0, leaves, attributes: NONE, inline, sealed: null });
    return nodes.length - 1;
  };
  const root = add({ name: '', source: '', kind: 'folder', bytes: 0, inline: null }, -1);
  present(nodes[root], 'container').count = top.length;
  const waiting = top.reverse().map((found) => ({ found, parent: root }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { found, parent } = next;
    const index = add(found, parent);
    if (found.kind === 'folder') {
      const entries = inOrder(readFolder(found.source), found.source);
      present(nodes[index], 'folder').count = entries.length;
      for (const entry of entries.reverse()) waiting.push({ found: entry, parent: index });
    }
    await turn();
  }
  sumUp(nodes);
  return nodes;
}

/** Folders have the leaves and bytes of what is in them. */
export function sumUp(nodes: readonly Planned[]): void {
  for (const node of nodes) if (node.kind === 'folder') [node.leaves, node.bytes] = [0, 0];
  for (const node of [...nodes].reverse()) {
    const parent = nodes[node.parent];
    if (parent === undefined) continue;
    parent.leaves += node.leaves;
    parent.bytes += node.bytes;
  }
}

/** Writes down what folders ask for. `wanted`: by path, `.` or nothing for the container itself. */
export function demand(nodes: readonly Planned[], wanted: ReadonlyMap<string, readonly Attribute[]>): void {
  const children = new Map<string, number>();
  if (wanted.size > 0)
    for (const [index, { parent, name }] of nodes.entries()) children.set(`${parent}/${name}`, index);
  for (const [path, attributes] of wanted) {
    let at = 0;
    for (const name of path.split('/').filter((one) => one !== '' && one !== '.')) {
      const child = children.get(`${at}/${name}`);
      if (child === undefined)
        throw new FitError('usage', `--attr names ${path}, which is not in the container`, {
          hint: 'a path begins with the name of what is packed, for example plans/roof; a dot is the container itself',
        });
      at = child;
    }
    const node = present(nodes[at], 'node');
    if (node.kind !== 'folder')
      throw new FitError('usage', `--attr names ${path}, which is a file`, {
        hint: 'attributes belong to folders: put it into one of its own',
      });
    node.attributes = attributes;
  }
  for (const [index, node] of nodes.entries()) {
    const why = node.attributes.length === 0 ? null : contradictionOf(nodes, index);
    if (why !== null) throw new FitError('usage', `${node.name === '' ? 'the container' : node.name}: ${why}`);
  }
}
