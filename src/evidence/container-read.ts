/**
 * Reads containers (fit-container(5)): the tree first and alone, a leaf's content only when it is wanted, in blocks.
 * Guarantees: whatever the bytes are, the answer is a refusal of the container, or of the parts concerned; only what was compared
 * with the tree gets a name in the folder that it is taken out to, and over nothing.
 */
import { closeSync, fsyncSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CHUNK_BYTES, contentLeaf, createRoot, saltOf } from '../crypto/content.ts';
import { sha256 } from '../crypto/hash.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { toPem } from '../crypto/pki/pem.ts';
import {
  type Attribute,
  createTreeReader,
  createUnframer,
  type Demands,
  decodeHead,
  decodeRecord,
  decodeSeal,
  encodeHead,
  endOf,
  framed,
  HEAD_BYTES,
  type Head,
  judge,
  MAX_RECORD_BYTES,
  MAX_SEAL_BYTES,
  packageOf,
  packageStatement,
  pathOf,
  recordHash,
  type Seal,
  show,
  type Tree,
  type Verdicts,
} from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { concat, equal, toHex, utf8 } from '../lib/bytes.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { EvidenceFile } from './bundle.ts';
import {
  BLOCK_BYTES,
  createAppender,
  createNew,
  createTurns,
  existsAlready,
  fileError,
  isThere,
  openPlain,
  putInPlace,
  readAt,
  type Work,
  withTemporary,
  writeAt,
} from './container-io.ts';

export interface Container {
  readonly head: Head;
  readonly tree: Tree;
  readonly seals: readonly { readonly seal: Seal; readonly encoded: Uint8Array }[];
  readonly verdicts: Verdicts;
  /** Index of a file → where its content begins. */
  readonly places: ReadonlyMap<number, number>;
  readonly fd: number;
}

function asFitError(error: unknown): unknown {
  return error instanceof PeerFault ? new FitError('bad-file', `this is no container: ${error.message}`) : error;
}

function readSeals(fd: number, head: Head): Container['seals'] {
  const at = HEAD_BYTES + head.treeBytes + head.contentBytes;
  const pieces = createUnframer(MAX_SEAL_BYTES + 256);
  const seals: { seal: Seal; encoded: Uint8Array }[] = [];
  try {
    for (const encoded of pieces.feed(readAt(fd, new Uint8Array(head.sealsBytes), at))) {
      const seal = decodeSeal(encoded);
      if (seal !== null) seals.push({ seal, encoded });
    }
  } catch (error) {
    // What cannot be read is not there: the folders that it was for are without.
    if (!(error instanceof PeerFault)) throw error;
  }
  return seals;
}

async function readTree(fd: number, head: Head, work: Work): Promise<Tree> {
  const turn = createTurns();
  const reader = createTreeReader(head.root);
  const pieces = createUnframer(MAX_RECORD_BYTES);
  for (let at = 0; at < head.treeBytes; ) {
    const part = readAt(fd, new Uint8Array(Math.min(BLOCK_BYTES, head.treeBytes - at)), HEAD_BYTES + at);
    if (part.length === 0) throw new PeerFault('malformed', 'it is cut off');
    for (const record of pieces.feed(part)) {
      reader.add(record);
      work.entries += 1;
      await turn();
    }
    at += part.length;
  }
  if (!pieces.isEven()) throw new PeerFault('malformed', 'its tree is cut off');
  return reader.end();
}

/** Reads tree and seals, and no content. To be closed. Throws `bad-file` for what is no container at all. */
export async function openContainer(
  file: string,
  demandsFor: Demands | ((asked: ReadonlySet<Attribute>) => Promise<Demands>),
  work: Work,
): Promise<Container> {
  const { fd, bytes } = openPlain(file, true);
  try {
    const head = decodeHead(readAt(fd, new Uint8Array(HEAD_BYTES), 0));
    const size = HEAD_BYTES + head.treeBytes + head.contentBytes + head.sealsBytes;
    if (bytes > size) throw new PeerFault('malformed', 'there are bytes after its end');
    if (bytes < size) throw new PeerFault('malformed', 'it is cut off');
    const tree = await readTree(fd, head, work);
    const places = new Map<number, number>();
    let at = HEAD_BYTES + head.treeBytes;
    for (const [index, node] of tree.nodes.entries()) {
      if (node.kind !== 'file') continue;
      places.set(index, at);
      at += node.bytes;
    }
    if (at !== HEAD_BYTES + head.treeBytes + head.contentBytes)
      throw new PeerFault('malformed', 'its contents are not those of its tree');
    const seals = readSeals(fd, head);
    const asked = new Set(tree.nodes.flatMap(({ attributes }) => attributes));
    const demands = typeof demandsFor === 'function' ? await demandsFor(asked) : demandsFor;
    const verdicts = judge(
      tree,
      seals.map(({ seal }) => seal),
      demands,
    );
    return { head, tree, seals, verdicts, places, fd };
  } catch (error) {
    closeSync(fd);
    throw fileError(asFitError(error), file);
  }
}

export function closeContainer({ fd }: Container): void {
  closeSync(fd);
}

/** Reads a leaf and compares it: why it is refused, or null. `write` is given the bytes before that is known. */
export async function readLeaf(
  { fd, tree, places }: Container,
  index: number,
  block: Uint8Array,
  write: (bytes: Uint8Array) => void,
  done: (bytes: number) => Promise<void>,
): Promise<string | null> {
  const record = decodeRecord(present(tree.nodes[index], 'leaf').record);
  if (record.kind === 'statement') write(utf8(record.text));
  if (record.kind === 'credential') write(record.der);
  if (record.kind !== 'file') return null;
  const root = createRoot('content');
  const from = present(places.get(index), 'place');
  let chunk = 0;
  let at = 0;
  do {
    const part = readAt(fd, block.subarray(0, Math.min(block.length, record.bytes - at)), from + at);
    if (part.length === 0 && at < record.bytes) return 'its content is cut off';
    for (let start = 0; start === 0 || start < part.length; start += CHUNK_BYTES, chunk += 1)
      root.add(contentLeaf(chunk, saltOf(record.salt, chunk), part.subarray(start, start + CHUNK_BYTES)));
    write(part);
    at += part.length;
    await done(part.length);
  } while (at < record.bytes);
  return equal(root.root(), record.root) ? null : 'its content is not what it was packed with';
}

/** The folders in `target` for which a receipt is to be given. */
export function receiptsOf({ tree, verdicts }: Container, target: number): readonly number[] {
  const found: number[] = [];
  // One below as well as one above, since nothing is taken out of it otherwise.
  for (let at = tree.nodes[target]?.parent ?? -1; at >= 0; at = tree.nodes[at]?.parent ?? -1) found.push(at);
  const end = endOf(tree.nodes, target);
  for (let index = target; index < end; index += 1) found.push(index);
  return found.filter(
    (index) => tree.nodes[index]?.attributes.includes('receipt') === true && !verdicts.refused.has(index),
  );
}

/** Compares all contents of a folder: the first sentence about what is not right in it, or null. */
export async function compareAll(container: Container, folder: number, work: Work): Promise<string | null> {
  const { nodes } = container.tree;
  const block = new Uint8Array(BLOCK_BYTES);
  const turn = createTurns();
  const end = endOf(nodes, folder);
  for (let index = folder; index < end; index += 1) {
    const why =
      container.verdicts.refused.get(index) ??
      (await readLeaf(
        container,
        index,
        block,
        () => {},
        async (count) => {
          work.bytes += count;
          await turn();
        },
      ));
    if (nodes[index]?.kind === 'hidden') return 'not all of it is shown';
    if (why !== null) return `${pathOf(nodes, index) || 'the container'}: ${why}`;
  }
  return null;
}

/**
 * Of every signed folder statement, signature and certificate, for `openssl cms`: `1.txt`, `1.p7s`, `1.pem` and so on; of every
 * timestamped one the hash, in hex, and what the authority answered, for `openssl ts`: `1.sha256`, `1.tsr`.
 */
export function evidenceOf({ tree, seals, verdicts }: Container): readonly EvidenceFile[] {
  const bySeal = new Map(seals.map(({ seal }) => [`${toHex(seal.folder)} ${seal.attribute}`, seal]));
  const sealFor = (index: number, attribute: Attribute): Seal =>
    present(bySeal.get(`${packageOf(tree, index).folder} ${attribute}`), 'seal');
  const signed = [...verdicts.signers.keys()].flatMap((index, at) => {
    const { time, bytes } = sealFor(index, 'signed');
    const text = utf8(packageStatement('signed', packageOf(tree, index), time));
    const result = verifySignedData(bytes, sha256(text));
    const certificates = result.ok
      ? result.signers.map(({ certificate }) => toPem('CERTIFICATE', certificate.der))
      : [];
    return [
      { name: `${at + 1}.txt`, data: text },
      { name: `${at + 1}.p7s`, data: bytes },
      { name: `${at + 1}.pem`, data: utf8(certificates.join('')) },
    ];
  });
  const stamped = [...verdicts.stamps.keys()].flatMap((index, at) => [
    { name: `${at + 1}.sha256`, data: utf8(`${packageOf(tree, index).folder}\n`) },
    { name: `${at + 1}.tsr`, data: sealFor(index, 'timestamped').bytes },
  ]);
  return [...signed, ...stamped];
}

export interface Refused {
  readonly path: string;
  readonly why: string;
}

/** What is refused for itself: what is in it is not told again. */
export function refusals({ tree, verdicts }: Container, from = 0, end = tree.nodes.length): Refused[] {
  const found: Refused[] = [];
  for (let index = from; index < end; index += 1) {
    const why = verdicts.refused.get(index);
    const isTop = index === from || !verdicts.refused.has(tree.nodes[index]?.parent ?? -1);
    if (why !== undefined && isTop) found.push({ path: pathOf(tree.nodes, index) || '.', why });
  }
  return found;
}

export interface Taken {
  readonly leaves: number;
  readonly bytes: number;
  /** What is new in the folder. */
  readonly names: readonly string[];
  readonly refused: readonly Refused[];
}

/** Takes `target`, with all that is in it, out to a folder. */
export async function takeOut(container: Container, target: number, to: string, work: Work): Promise<Taken> {
  const { tree, verdicts } = container;
  const { nodes } = tree;
  const end = endOf(nodes, target);
  const depth = present(nodes[target], 'node').depth + (target === 0 ? 1 : 0);
  const tops: number[] = [];
  for (let index = target; index < end; index += 1)
    if (nodes[index]?.depth === depth && nodes[index]?.kind !== 'hidden') tops.push(index);
  const refused = refusals(container, target, end);
  const stage = join(to, `.fit-unpack-${process.pid}`);
  return withTemporary(stage, async () => {
    let at = to;
    try {
      mkdirSync(to, { recursive: true });
      for (const index of tops)
        if (isThere(join(to, nodes[index]?.name ?? ''))) throw existsAlready(join(to, nodes[index]?.name ?? ''));
      mkdirSync(stage, { mode: 0o700 });
      const block = new Uint8Array(BLOCK_BYTES);
      const turn = createTurns();
      const folders: string[] = [];
      let [leaves, bytes] = [0, 0];
      for (let index = target; index < end; index += 1) {
        const node = present(nodes[index], 'node');
        if (node.kind === 'hidden' || verdicts.refused.has(index)) continue;
        at = node.depth < depth ? stage : join(folders[node.depth - 1] ?? stage, node.name);
        if (node.kind === 'folder') {
          folders[node.depth] = at;
          if (at !== stage) mkdirSync(at);
        } else {
          const why = await writeLeaf(container, index, at, block, async (count) => {
            work.bytes += count;
            await turn();
          });
          if (why === null) {
            leaves += 1;
            bytes += node.bytes;
          } else refused.push({ path: pathOf(nodes, index), why });
        }
        work.entries += 1;
        await turn();
      }
      const names: string[] = [];
      for (const index of tops) {
        const { name, kind } = present(nodes[index], 'node');
        at = join(to, name);
        if (!isThere(join(stage, name))) continue;
        putInPlace(join(stage, name), at, kind === 'folder');
        names.push(name);
      }
      return { leaves, bytes, names, refused };
    } catch (error) {
      throw fileError(error, at);
    }
  });
}

async function writeLeaf(
  container: Container,
  index: number,
  path: string,
  block: Uint8Array,
  done: (bytes: number) => Promise<void>,
): Promise<string | null> {
  const fd = createNew(path);
  let why: string | null;
  try {
    let at = 0;
    const write = (bytes: Uint8Array): void => {
      writeAt(fd, bytes, at);
      at += bytes.length;
    };
    why = await readLeaf(container, index, block, write, done);
  } finally {
    closeSync(fd);
  }
  if (why !== null) rmSync(path);
  return why;
}

/**
 * Writes a container in which `target` is shown with its place and nothing else is, under the same root. What is refused in it
 * is not shown: throws `bad-file`.
 */
export async function showAs(container: Container, target: number, out: string, work: Work): Promise<Taken> {
  const { tree, verdicts, head, seals } = container;
  if (isThere(out)) throw existsAlready(out);
  const { records, of } = show(tree, target);
  const kept = of.filter((index) => index >= 0);
  const [bad] = kept.flatMap((index) => {
    const why = verdicts.refused.get(index);
    return why === undefined ? [] : [{ path: pathOf(tree.nodes, index) || '.', why }];
  });
  if (bad !== undefined) throw new FitError('bad-file', `${bad.path} is refused: ${bad.why}`);
  const folders = new Set(kept.map((index) => toHex(recordHash(present(tree.nodes[index], 'node').record))));
  const sealed = concat(
    ...seals.filter(({ seal }) => folders.has(toHex(seal.folder))).map(({ encoded }) => framed(encoded)),
  );
  const part = join(dirname(out), `.${basename(out)}.part-${process.pid}`);
  return withTemporary(part, async () => {
    let fd: number | undefined;
    try {
      fd = createNew(part);
      const appender = createAppender(fd, HEAD_BYTES);
      for (const record of records) appender.write(framed(record));
      const contentAt = appender.flush();
      const block = new Uint8Array(BLOCK_BYTES);
      const turn = createTurns();
      let [leaves, bytes] = [0, 0];
      for (const index of kept) {
        const node = present(tree.nodes[index], 'node');
        if (node.kind === 'folder') continue;
        leaves += 1;
        bytes += node.bytes;
        const write = node.kind === 'file' ? appender.write : () => {};
        const why = await readLeaf(container, index, block, write, async (count) => {
          work.bytes += count;
          await turn();
        });
        if (why !== null) throw new FitError('bad-file', `${pathOf(tree.nodes, index)} is refused: ${why}`);
      }
      appender.write(sealed);
      const contentBytes = appender.flush() - contentAt - sealed.length;
      const treeBytes = contentAt - HEAD_BYTES;
      writeAt(fd, encodeHead({ root: head.root, treeBytes, contentBytes, sealsBytes: sealed.length }), 0);
      fsyncSync(fd);
      putInPlace(part, out, false);
      return { leaves, bytes, names: [out], refused: [] };
    } catch (error) {
      throw fileError(error, out);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  });
}
