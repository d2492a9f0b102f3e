/**
 * The ciphertext of a delivery for an arbiter that compares it (PROTOCOL §8): the receiver's lies on its disk, its sender makes it
 * again from its files. At most `MAX_FULL_BYTES` of content, so it is held in memory.
 *
 * Guarantee: it is the ciphertext that X names, or an error; what is damaged on our own disk is made good as for opening it.
 */
import { readFile, stat } from 'node:fs/promises';
import { sealedBytes } from '../crypto/content.ts';
import type { ContentItem } from '../exchange/items.ts';
import type { PartyRole } from '../exchange/party.ts';
import { isCiphertext } from '../exchange/pieces.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { assert } from '../lib/assert.ts';
import { concat, toHex } from '../lib/bytes.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { CHUNKS_PER_REPLY, decodeBulkReply } from './bulk.ts';
import type { ContentStore, Incoming, Outgoing } from './content-store.ts';
import type { ContentWork } from './content-work.ts';

export interface CiphertextsParts {
  readonly contents: ContentStore;
  readonly work: Pick<ContentWork, 'run'>;
  outgoing(document: string): Promise<Outgoing>;
  incoming(document: string): Promise<Incoming>;
  /** Leaves of ours are damaged; a file of ours is not what it was. */
  damagedOurs(document: string, found: Outgoing): void;
  changedOurs(document: string, found: Outgoing, begun: number): void;
  /** What we fetched is damaged: it is fetched again. */
  fetchAgain(document: string, found: Incoming): Promise<void>;
  now(): number;
}

interface Of {
  readonly record: ExchangeRecord;
  readonly role: PartyRole;
}

/** For the request that a locked daemon sends: what it may have to bring. */
export interface SpooledCiphertext {
  /** Under the folder of all contents. */
  readonly folder: string;
  readonly bytes: number;
  readonly root: Uint8Array;
}

export type Ciphertexts = ReturnType<typeof createCiphertexts>;

/** The file, unless it has another size: nothing large is read by mistake. */
export async function readCiphertext(path: string, bytes: number): Promise<Uint8Array | null> {
  try {
    return (await stat(path)).size === sealedBytes(bytes) ? await readFile(path) : null;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

export function createCiphertexts(parts: CiphertextsParts) {
  const { contents, work } = parts;

  const ofOurs = async (document: string, item: ContentItem): Promise<Uint8Array | null> => {
    const found = await parts.outgoing(document);
    const { files, x, point, seed, folder, contentRoot } = found;
    const job = { files, leavesPath: contents.leaves(folder), contentRoot, x, point, seed, count: CHUNKS_PER_REPLY };
    const begun = parts.now();
    const made: Uint8Array[] = [];
    try {
      for (let from = 0; from < item.chunks; from += CHUNKS_PER_REPLY) {
        const reply = decodeBulkReply(await work.run('seal', { ...job, from }));
        assert(reply.kind === 'data', 'sealed chunks');
        made.push(reply.data);
      }
    } catch (error) {
      if (isFitError(error) && error.code === 'archive-corrupt') parts.damagedOurs(document, found);
      if (isFitError(error) && error.code === 'file-changed') parts.changedOurs(document, found, begun);
      throw error;
    }
    return concat(...made);
  };

  const ofTheirs = async (document: string, item: ContentItem): Promise<Uint8Array | null> => {
    const found = await parts.incoming(document);
    if (found.phase !== 'fetched') throw new FitError('interrupted', 'the content is not here');
    const read = await readCiphertext(contents.sealed(found.folder), item.bytes);
    if (read !== null && isCiphertext(item, read)) return read;
    await parts.fetchAgain(document, found);
    return null;
  };

  return {
    /** Throws `file-changed`, `archive-corrupt`, `interrupted`: later it may be there again. */
    async ciphertext({ record, role }: Of): Promise<Uint8Array> {
      const { document, itemO } = record;
      assert(itemO.kind === 'content', 'a delivery');
      const found = await (role === 'originator' ? ofOurs : ofTheirs)(toHex(document), itemO);
      if (found === null || !isCiphertext(itemO, found))
        throw new FitError('archive-corrupt', 'the ciphertext on this disk is damaged', {
          hint: 'it is fetched again by itself',
        });
      return found;
    },

    /** Where the ciphertext lies that an arbiter may have to compare, as a daemon that is locked finds it; null if none does. */
    async ciphertextHere({ record, role }: Of): Promise<SpooledCiphertext | null> {
      const { check, itemO, document } = record;
      if (check !== 'full' || itemO.kind !== 'content' || role !== 'responder') return null;
      const found = await contents.in(toHex(document));
      return found === undefined ? null : { folder: found.folder, bytes: itemO.bytes, root: itemO.ciphertextRoot };
    },
  };
}
