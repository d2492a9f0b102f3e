/**
 * Opens what is sealed in encrypted folders: the age file is compared with the tree, decrypted to a file without a name, and read
 * as the container that it has to be.
 *
 * Guarantees: plaintext lies on the disk under no name, and is gone with the program however that ends; what opens to another
 * container than the folder names is refused, as is what no key opens, each for itself and in one sentence.
 */
import { closeSync, constants, fstatSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Opener } from '../crypto/age.ts';
import {
  attributesAbove,
  decodeRecord,
  endOf,
  MAX_NODES,
  MAX_SEALED,
  type SealedRecord,
} from '../exchange/container.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import { BLOCK_BYTES, createAppender, createTurns, fileError, makeFolder, readAt, type Work } from './container-io.ts';
import { type Container, closeContainer, type DemandsFor, readContainer, readLeaf } from './container-read.ts';

/** What may open a folder, and what to say when nothing of it does. */
export interface Keys {
  readonly openers: readonly Opener[];
  readonly otherwise: string;
}

/** A file without a name: nobody else can open it, and nothing has to take it away. */
function createNameless(folder: string): number {
  const path = join(folder, `.fit-unpack-${process.pid}.part`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  rmSync(path);
  return fd;
}

async function* blocksOf(fd: number, from: number, bytes: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes; ) {
    const part = readAt(fd, new Uint8Array(Math.min(BLOCK_BYTES, bytes - at)), from + at);
    if (part.length === 0) return;
    yield part;
    at += part.length;
  }
}

const UNOPENED = {
  damaged: 'it does not open: its encryption is not whole',
  costly: 'it is not opened: its passphrase would take more work and memory than fit pack asks for',
} as const;

type Plain = { readonly fd: number; readonly bytes: number } | string;

async function decryptTo(
  container: Container,
  index: number,
  record: SealedRecord,
  keys: Keys,
  folder: string,
  work: Work,
): Promise<Plain> {
  const age = await import('../crypto/age.ts');
  const turn = createTurns();
  const block = new Uint8Array(BLOCK_BYTES);
  const why = await readLeaf(
    container,
    index,
    block,
    () => {},
    async () => turn(),
  );
  if (why !== null) return why;
  const from = present(container.places.get(index), 'place');
  const begin = new Uint8Array(Math.min(age.MAX_HEADER_BYTES, record.bytes));
  const header = age.headerOf(readAt(container.fd, begin, from));
  if (header === null) return 'it must be encrypted and is not: what is in it is no age file';
  const opened = await age.decrypt(keys.openers, header, blocksOf(container.fd, from, record.bytes));
  if (!opened.ok) return opened.reason === 'no-key' ? keys.otherwise : UNOPENED[opened.reason];
  makeFolder(folder);
  const fd = createNameless(folder);
  try {
    const appender = createAppender(fd, 0);
    try {
      for await (const part of opened.parts) {
        appender.write(part);
        work.bytes += part.length;
        await turn();
      }
    } catch (error) {
      if (error instanceof FitError || (error instanceof Error && 'syscall' in error)) throw error;
      closeSync(fd);
      return UNOPENED.damaged;
    }
    appender.flush();
    return { fd, bytes: fstatSync(fd).size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function openOne(
  container: Container,
  index: number,
  keys: Keys,
  demandsFor: DemandsFor,
  folder: string,
  work: Work,
): Promise<Container | string> {
  const { nodes } = container.tree;
  const record = decodeRecord(present(nodes[index], 'sealed').record);
  if (record.kind !== 'sealed') return 'it is not encrypted';
  const plain = await decryptTo(container, index, record, keys, folder, work);
  if (typeof plain === 'string') return plain;
  const above = attributesAbove(nodes, index);
  try {
    const inner = await readContainer(
      plain.fd,
      plain.bytes,
      async (asked) => ({ ...(await demandsFor(asked)), above }),
      work,
    );
    if (equal(inner.head.root, record.inner)) return inner;
    closeContainer(inner);
    return 'what is encrypted is something else than it names';
  } catch (error) {
    closeSync(plain.fd);
    if (error instanceof PeerFault) return `what is encrypted is no container: ${error.message}`;
    throw error;
  }
}

/**
 * Opens everything sealed in `target` that is not refused, into `container.opened`. `folder`: on a disk where plaintext may lie.
 * `keys` is asked once, if there is anything to open. `most`: entries, in all of them together, since all are held at once.
 */
export async function openSealed(
  container: Container,
  target: number,
  keys: () => Promise<Keys>,
  demandsFor: DemandsFor,
  folder: string,
  work: Work,
  most = MAX_NODES,
): Promise<void> {
  const { tree, verdicts, opened } = container;
  const end = endOf(tree.nodes, target);
  let known: Keys | undefined;
  let entries = tree.nodes.length;
  // What is sealed, named itself, is wanted as it is.
  for (let index = target + 1; index < end; index += 1) {
    if (tree.nodes[index]?.kind !== 'sealed' || verdicts.refused.has(index)) continue;
    if (opened.size === MAX_SEALED) {
      opened.set(index, `there are more than ${MAX_SEALED} encrypted folders`);
      return;
    }
    known ??= await keys();
    try {
      const inner = await openOne(container, index, known, demandsFor, folder, work);
      if (typeof inner !== 'string') entries += inner.tree.nodes.length;
      if (typeof inner !== 'string' && entries > most) {
        closeContainer(inner);
        entries -= inner.tree.nodes.length;
        opened.set(index, `with what else is encrypted it has more than ${most} entries: name it alone with --only`);
      } else opened.set(index, inner);
    } catch (error) {
      throw fileError(error, folder);
    }
  }
}
