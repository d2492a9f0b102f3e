/**
 * The tree of a container: read record by record and checked from the leaves up, and any part of it shown alone.
 *
 * Guarantees: nothing here calls itself, however deep a tree claims to be; an entry counts only at its place, since the hashes of
 * a folder's entries form a tree of the shape of RFC 6962 §2.1; what is hidden keeps its place and number, and nothing else
 * of it is told. A folder whose entries are not those that it names is refused with all that is in it; others stay usable.
 */
import { siblings } from '../crypto/content.ts';
import { assert, present } from '../lib/assert.ts';
import { equal, utf8 } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';
import { foldedName } from '../lib/file-name.ts';
import {
  type Attribute,
  type ContainerRecord,
  decodeRecord,
  EMPTY_ROOT,
  encodeRecord,
  type FolderRecord,
  MAX_LEVELS,
  MAX_NODES,
  MAX_PATHS,
  pairHash,
  recordHash,
} from './container-format.ts';

/** One record in its place. Kept small: there may be a million. */
export interface TreeNode {
  readonly kind: ContainerRecord['kind'];
  readonly name: string;
  /** Index of the folder that it is in; −1 for the container itself. */
  readonly parent: number;
  /** 0 for the container itself. */
  readonly depth: number;
  /** Of the leaf, or of all leaves of the folder. */
  readonly bytes: number;
  readonly attributes: readonly Attribute[];
  /** The encoded record. */
  readonly record: Uint8Array;
}

export interface Tree {
  readonly root: Uint8Array;
  /** In the order of reading: a folder, then what is in it. */
  readonly nodes: readonly TreeNode[];
  /** Index of a folder → why it is refused: one sentence of ours. */
  readonly faults: ReadonlyMap<number, string>;
}

/** The root of entries that come one after the other, some of them as hidden ranges. O(log n) memory. */
export function createEntries(): {
  /** A range that is no subtree where it stands throws `PeerFault`. `total`: entries of the whole folder. */
  add(hash: Uint8Array, count: number, total: number): void;
  root(): Uint8Array;
} {
  const open: { hash: Uint8Array; count: number }[] = [];
  let from = 0;
  return {
    add(given, entries, total) {
      const isPerfect = (entries & (entries - 1)) === 0;
      const isAligned = from % entries === 0;
      const isLast = from + entries === total && (from === 0 || entries < (from & -from));
      if (entries < 1 || !(isPerfect ? isAligned : isLast))
        throw new PeerFault('malformed', 'hidden entries that are no part of their folder');
      from += entries;
      let [hash, count] = [given, entries];
      for (let left = open.at(-1); isPerfect && left?.count === count; left = open.at(-1)) {
        hash = pairHash(left.hash, hash);
        count *= 2;
        open.pop();
      }
      open.push({ hash, count });
    },
    root() {
      const [last, ...before] = open.map(({ hash }) => hash).reverse();
      return last === undefined ? EMPTY_ROOT : before.reduce((right, left) => pairHash(left, right), last);
    },
  };
}

const sizeOf = (record: ContainerRecord): number => {
  switch (record.kind) {
    case 'file':
    case 'folder':
    case 'sealed':
      return record.bytes;
    case 'statement':
      return utf8(record.text).length;
    case 'credential':
      return record.der.length;
    case 'hidden':
      return 0;
  }
};

const NO_ATTRIBUTES: readonly Attribute[] = [];

interface Open {
  readonly index: number;
  readonly folder: FolderRecord;
  readonly entries: ReturnType<typeof createEntries>;
  readonly names: Set<string>;
  /** Characters of its path, with what follows it in those of its entries. */
  readonly path: number;
  last: string;
  left: number;
  leaves: number;
  bytes: number;
  isWhole: boolean;
}

/** Reads records in their order. `root`: the hash that the container is known by. Throws `PeerFault` for what is no tree. */
export function createTreeReader(root: Uint8Array): { add(record: Uint8Array): void; end(): Tree } {
  const nodes: TreeNode[] = [];
  const faults = new Map<number, string>();
  const open: Open[] = [];
  let paths = 0;

  const close = ({ index, folder, entries, isWhole, leaves, bytes }: Open): void => {
    if (!equal(entries.root(), folder.root)) faults.set(index, 'what is in it is not what it was packed with');
    else if (isWhole && (leaves !== folder.leaves || bytes !== folder.bytes))
      faults.set(index, 'it is not as large as it says');
  };

  const enter = (into: Open, record: Exclude<ContainerRecord, { readonly kind: 'hidden' }>): void => {
    const { name } = record;
    const folded = foldedName(name);
    if (name === '') throw new PeerFault('malformed', 'an entry without a name');
    if (into.names.has(folded)) throw new PeerFault('malformed', 'two entries of one folder with the same name');
    if (name <= into.last) throw new PeerFault('malformed', 'entries that are not in the order of their names');
    into.names.add(folded);
    into.last = name;
    into.leaves += record.kind === 'folder' ? record.leaves : 1;
    into.bytes += sizeOf(record);
  };

  return {
    add(bytes) {
      const record = decodeRecord(bytes);
      if (nodes.length === MAX_NODES) throw new PeerFault('oversized', `more than ${MAX_NODES} entries`);
      const into = open.at(-1);
      const index = nodes.length;
      if (into === undefined) {
        if (index > 0) throw new PeerFault('malformed', 'a record after the end of the tree');
        if (record.kind !== 'folder' || record.name !== '')
          throw new PeerFault('malformed', 'the first record is not the container');
        if (!equal(recordHash(bytes), root)) faults.set(0, 'it is not the container that its head names');
      } else if (record.kind === 'hidden') {
        if (record.count > into.left) throw new PeerFault('malformed', 'more entries than their folder has');
        into.entries.add(record.hash, record.count, into.folder.count);
        into.left -= record.count;
        into.isWhole = false;
      } else {
        enter(into, record);
        into.entries.add(recordHash(bytes), 1, into.folder.count);
        into.left -= 1;
      }
      const path = (into?.path ?? 0) + (record.kind === 'hidden' ? 0 : record.name.length + 1);
      paths += path;
      if (paths > MAX_PATHS) throw new PeerFault('oversized', 'paths that are too long together');
      nodes.push({
        kind: record.kind,
        name: record.kind === 'hidden' ? '' : record.name,
        parent: into?.index ?? -1,
        depth: open.length,
        bytes: sizeOf(record),
        attributes: record.kind === 'folder' ? record.attributes : NO_ATTRIBUTES,
        record: bytes,
      });
      if (record.kind === 'folder') {
        if (open.length > MAX_LEVELS) throw new PeerFault('oversized', `folders of more than ${MAX_LEVELS} levels`);
        open.push({
          index,
          folder: record,
          entries: createEntries(),
          names: new Set(),
          path,
          last: '',
          left: record.count,
          leaves: 0,
          bytes: 0,
          isWhole: true,
        });
      }
      for (let done = open.at(-1); done?.left === 0; done = open.at(-1)) {
        close(done);
        open.pop();
      }
    },
    end() {
      if (nodes.length === 0 || open.length > 0) throw new PeerFault('malformed', 'a tree that has no end');
      return { root, nodes, faults };
    },
  };
}

/** Names from the container down, joined by slashes; empty for the container itself. */
export function pathOf(nodes: readonly TreeNode[], index: number): string {
  const names: string[] = [];
  for (let node = nodes[index]; node !== undefined && node.parent >= 0; node = nodes[node.parent])
    names.push(node.name);
  return names.reverse().join('/');
}

/** The end of what is in the node, which begins at it. */
export function endOf(nodes: readonly TreeNode[], index: number): number {
  const depth = nodes[index]?.depth ?? 0;
  let end = index + 1;
  while ((nodes[end]?.depth ?? -1) > depth) end += 1;
  return end;
}

/** The node with this path; undefined if there is none. */
export function findPath(nodes: readonly TreeNode[], path: string): number | undefined {
  let at = 0;
  for (const name of path === '' ? [] : path.split('/')) {
    const [from, end, depth] = [at + 1, endOf(nodes, at), (nodes[at]?.depth ?? 0) + 1];
    let found = -1;
    for (let index = from; index < end && found < 0; index += 1) {
      const node = present(nodes[index], 'node');
      if (node.depth === depth && node.kind !== 'hidden' && node.name === name) found = index;
    }
    if (found < 0) return undefined;
    at = found;
  }
  return at;
}

interface Entry {
  readonly index: number;
  readonly from: number;
  readonly count: number;
  readonly hash: Uint8Array;
}

function entriesOf(nodes: readonly TreeNode[], folder: number): Entry[] {
  const depth = present(nodes[folder], 'folder').depth + 1;
  const entries: Entry[] = [];
  let from = 0;
  const end = endOf(nodes, folder);
  for (let index = folder + 1; index < end; index = endOf(nodes, index)) {
    const node = present(nodes[index], 'entry');
    assert(node.depth === depth, 'an entry of the folder');
    const record = decodeRecord(node.record);
    const [count, hash] = record.kind === 'hidden' ? [record.count, record.hash] : [1, recordHash(node.record)];
    entries.push({ index, from, count, hash });
    from += count;
  }
  return entries;
}

/**
 * The records that show one node in its place: the folders above it, it with all that is in it, and everything else hidden.
 * They are a tree of their own with the same root. `of`: for each record, the node that it shows, or −1.
 */
export function show(
  tree: Tree,
  target: number,
): { readonly records: readonly Uint8Array[]; readonly of: readonly number[] } {
  const { nodes } = tree;
  const above: number[] = [];
  for (let at = nodes[target]?.parent ?? -1; at >= 0; at = nodes[at]?.parent ?? -1) above.unshift(at);
  const before: { record: Uint8Array; of: number }[] = [];
  const after: { record: Uint8Array; of: number }[][] = [];
  for (const [level, folder] of above.entries()) {
    before.push({ record: present(nodes[folder], 'folder').record, of: folder });
    const entries = entriesOf(nodes, folder);
    const next = above[level + 1] ?? target;
    const place = present(
      entries.find((one) => one.index === next),
      'the entry that is shown',
    ).from;
    const total = entries.reduce((sum, one) => sum + one.count, 0);
    const hidden = siblings(place, total)
      .map(({ from, to }) => {
        const part = createEntries();
        for (const one of entries) if (one.from >= from && one.from < to) part.add(one.hash, one.count, to - from);
        return { from, record: encodeRecord({ kind: 'hidden', count: to - from, hash: part.root() }), of: -1 };
      })
      .sort((a, b) => a.from - b.from);
    before.push(...hidden.filter((one) => one.from < place));
    after.unshift(hidden.filter((one) => one.from > place));
  }
  const subtree = nodes.slice(target, endOf(nodes, target)).map(({ record }, at) => ({ record, of: target + at }));
  const all = [...before, ...subtree, ...after.flat()];
  return { records: all.map(({ record }) => record), of: all.map(({ of }) => of) };
}

/** Reads what `show` gave against a root that is known. Throws `PeerFault` for what is no tree, also for another root. */
export function checkShown(root: Uint8Array, records: Iterable<Uint8Array>): Tree {
  const reader = createTreeReader(root);
  for (const record of records) reader.add(record);
  const tree = reader.end();
  if (tree.faults.has(0)) throw new PeerFault('bad-proof', 'shown of another container');
  return tree;
}
