/**
 * `fit archive verify`: reads everything once, as a stream, while the daemon goes on writing. Finds every changed value, every
 * record that vanished, came back or was put in, and every break in the journal; it changes nothing.
 */
import { isFitError } from '../lib/errors.ts';
import { createWalk, decodeHead, HEAD_KEY, type JournalHead, START } from './journal.ts';
import type { Archive } from './sealed-store.ts';

export interface ArchiveVerdict {
  readonly ok: boolean;
  /** Read and decrypted without error, up to the problem if there is one. */
  readonly records: number;
  /** Entries of the journal among them. */
  readonly entries: number;
  /** In our own words, without content; `null` when all is well. */
  readonly problem: string | null;
}

/** Throws `FitError('locked')` and what the disk makes it throw; damage is a verdict. */
export async function verifyArchive(archive: Archive): Promise<ArchiveVerdict> {
  const walk = createWalk();
  let records = 0;
  let entries = 0;
  let head: JournalHead = START;
  try {
    await archive.audit((space, key, value) => {
      if (space === 'journal') {
        walk.step(key, value);
        entries += 1;
      } else if (space === 'meta' && key === HEAD_KEY) head = decodeHead(value);
      records += 1;
    });
    walk.end(head);
    return { ok: true, records, entries, problem: null };
  } catch (error) {
    if (isFitError(error) && error.code === 'archive-corrupt')
      return { ok: false, records, entries, problem: error.message };
    throw error;
  }
}
