/**
 * `fit archive verify`: reads everything once, as a stream, while the daemon goes on writing. Finds every changed value, every
 * record that vanished, came back or was put in, and every break in the journal and in the audit log; it changes nothing.
 */
import { isFitError } from '../lib/errors.ts';
import { AUDIT, type ChainEntry, type ChainHead, createWalk, decodeHead, JOURNAL, START } from './chain.ts';
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

/** Throws `FitError('locked')` and what the disk makes it throw; damage is a verdict. `onAudited` is told every entry of the audit log. */
export async function verifyArchive(
  archive: Archive,
  onAudited: (entry: ChainEntry) => void = () => {},
): Promise<ArchiveVerdict> {
  const walks = { journal: createWalk(JOURNAL), audit: createWalk(AUDIT) };
  const heads: Record<'journal' | 'audit', ChainHead> = { journal: START, audit: START };
  let records = 0;
  let entries = 0;
  try {
    await archive.audit((space, key, value) => {
      if (space === 'journal') {
        walks.journal.step(key, value);
        entries += 1;
      } else if (space === 'audit') onAudited(walks.audit.step(key, value));
      else if (space === 'meta' && key === JOURNAL.headKey) heads.journal = decodeHead(JOURNAL, value);
      else if (space === 'meta' && key === AUDIT.headKey) heads.audit = decodeHead(AUDIT, value);
      records += 1;
    });
    walks.journal.end(heads.journal);
    walks.audit.end(heads.audit);
    return { ok: true, records, entries, problem: null };
  } catch (error) {
    if (isFitError(error) && error.code === 'archive-corrupt')
      return { ok: false, records, entries, problem: error.message };
    throw error;
  }
}
