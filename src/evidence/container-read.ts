/**
 * Reads containers (fit-container(5)): the tree first and alone, a leaf's content only when it is wanted, in blocks.
 * Guarantee: whatever the bytes are, the answer is a refusal of the container, or of the parts concerned.
 */
import { closeSync } from 'node:fs';
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
  endOf,
  HEAD_BYTES,
  type Head,
  judge,
  MAX_RECORD_BYTES,
  MAX_SEAL_BYTES,
  packageOf,
  packageStatement,
  pathOf,
  type Seal,
  type Tree,
  type Verdicts,
} from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex, utf8 } from '../lib/bytes.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { EvidenceFile } from './bundle.ts';
import { createContentHash } from './container-content.ts';
import { BLOCK_BYTES, createTurns, fileError, openPlain, readAt, type Work } from './container-io.ts';

export interface Container {
  readonly head: Head;
  readonly tree: Tree;
  readonly seals: readonly { readonly seal: Seal; readonly encoded: Uint8Array }[];
  readonly verdicts: Verdicts;
  /** Index of a file, or of what is sealed → where its content begins. */
  readonly places: ReadonlyMap<number, number>;
  /** Index of what is sealed → the container in it, or why it does not open (container-open.ts). */
  readonly opened: Map<number, Container | string>;
  readonly fd: number;
}

export type DemandsFor = (asked: ReadonlySet<Attribute>) => Promise<Demands>;

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
export async function openContainer(file: string, demandsFor: DemandsFor, work: Work): Promise<Container> {
  const { fd, bytes } = openPlain(file, true);
  try {
    return await readContainer(fd, bytes, demandsFor, work);
  } catch (error) {
    closeSync(fd);
    throw fileError(asFitError(error), file);
  }
}

/** The same of an open file of `bytes`, which stays open. Throws `PeerFault` for what is no container. */
export async function readContainer(fd: number, bytes: number, demandsFor: DemandsFor, work: Work): Promise<Container> {
  const head = decodeHead(readAt(fd, new Uint8Array(HEAD_BYTES), 0));
  const size = HEAD_BYTES + head.treeBytes + head.contentBytes + head.sealsBytes;
  if (bytes > size) throw new PeerFault('malformed', 'there are bytes after its end');
  if (bytes < size) throw new PeerFault('malformed', 'it is cut off');
  const tree = await readTree(fd, head, work);
  const places = new Map<number, number>();
  let at = HEAD_BYTES + head.treeBytes;
  for (const [index, node] of tree.nodes.entries()) {
    if (node.kind !== 'file' && node.kind !== 'sealed') continue;
    places.set(index, at);
    at += node.bytes;
  }
  if (at !== HEAD_BYTES + head.treeBytes + head.contentBytes)
    throw new PeerFault('malformed', 'its contents are not those of its tree');
  const seals = readSeals(fd, head);
  const asked = new Set(tree.nodes.flatMap(({ attributes }) => attributes));
  const demands = await demandsFor(asked);
  const verdicts = judge(
    tree,
    seals.map(({ seal }) => seal),
    demands,
  );
  return { head, tree, seals, verdicts, places, opened: new Map(), fd };
}

export function closeContainer({ fd, opened }: Container): void {
  closeSync(fd);
  for (const inner of opened.values()) if (typeof inner !== 'string') closeContainer(inner);
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
  if (record.kind !== 'file' && record.kind !== 'sealed') return null;
  const hash = createContentHash(record.salt);
  const from = present(places.get(index), 'place');
  for (let at = 0; at < record.bytes; ) {
    const part = readAt(fd, block.subarray(0, Math.min(block.length, record.bytes - at)), from + at);
    if (part.length === 0) return 'its content is cut off';
    hash.add(part);
    write(part);
    at += part.length;
    await done(part.length);
  }
  return equal(hash.root(), record.root) ? null : 'its content is not what it was packed with';
}

/** A folder, of the container or of one that was sealed in it. */
export interface Place {
  readonly container: Container;
  readonly index: number;
}

/** The folders in `target`, also in what is sealed there and was opened, for which a receipt is to be given. */
export function receiptsOf(container: Container, target: number): readonly Place[] {
  const { tree, verdicts, opened } = container;
  const found: number[] = [];
  // One below as well as one above, since nothing is taken out of it otherwise.
  for (let at = tree.nodes[target]?.parent ?? -1; at >= 0; at = tree.nodes[at]?.parent ?? -1) found.push(at);
  const end = endOf(tree.nodes, target);
  for (let index = target; index < end; index += 1) found.push(index);
  const own = found
    .filter((index) => tree.nodes[index]?.attributes.includes('receipt') === true && !verdicts.refused.has(index))
    .map((index) => ({ container, index }));
  const inner = [...opened]
    .filter(([index]) => index >= target && index < end)
    .flatMap(([, one]) => (typeof one === 'string' ? [] : receiptsOf(one, 0)));
  return [...own, ...inner];
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
    const inner = container.opened.get(index) ?? 'it was not opened';
    if (nodes[index]?.kind !== 'sealed') continue;
    const within = typeof inner === 'string' ? inner : await compareAll(inner, 0, work);
    if (within !== null) return `${pathOf(nodes, nodes[index]?.parent ?? 0) || 'the container'}: ${within}`;
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
