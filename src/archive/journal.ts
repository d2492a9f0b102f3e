/**
 * The journal: what happened, in order, each entry bound to all before it by a hash (DESIGN §8); and beside it the audit log,
 * a chain of its own of what was asked and decided. Append-only.
 *
 * Guarantee: entries of both, their heads and whatever other operations belong to them become durable in one write or not at
 * all. What an entry is and what breaks a chain is chain.ts's to say.
 */
import { equal } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import {
  AUDIT,
  type ChainEntry,
  type ChainHead,
  type ChainKind,
  checkNew,
  decodeEntry,
  decodeHead,
  entryHash,
  entryKey,
  extend,
  follow,
  JOURNAL,
  type NewEntry,
  START,
} from './chain.ts';
import { corrupt } from './level-errors.ts';
import type { Archive } from './sealed-store.ts';
import type { StoreOp } from './store.ts';

export type { ChainEntry, ChainHead, NewEntry } from './chain.ts';

/** A chain as it is read. */
export interface Chain {
  readonly head: ChainHead;
  /** In order, from `seq` on (default 1). Throws `locked` and `archive-corrupt`, also for a broken chain within what is read. */
  entries(from?: number): AsyncIterable<ChainEntry>;
}

export interface Journal extends Chain {
  readonly audit: Chain;
  /** One atomic, durable write; returns the entries' positions. Rejects as `archive.batch` does, and then nothing was written. */
  append(
    entries: readonly NewEntry[],
    ops?: readonly StoreOp[],
    audit?: readonly NewEntry[],
  ): Promise<readonly ChainHead[]>;
}

async function* walkFrom(archive: Archive, chain: ChainKind, from: number): AsyncGenerator<ChainEntry> {
  let before: ChainHead = START;
  for await (const [key, value] of archive.list(chain.space, { from: entryKey(from) })) {
    const entry = decodeEntry(chain, key, value);
    // In the middle, the first one read is taken at its word for what stood before it.
    if (before.seq === 0 && from > 1) before = { seq: from - 1, hash: entry.previous };
    before = follow(chain, before, entry);
    yield entry;
  }
}

/** A chain's head, and the head after what is being written, which falls back when that fails. */
interface Tip {
  readonly chain: ChainKind;
  head: ChainHead;
  next: ChainHead;
}

async function openTip(archive: Archive, chain: ChainKind): Promise<Tip> {
  const stored = await archive.get('meta', chain.headKey);
  const head = stored === undefined ? START : decodeHead(chain, stored);
  if (!archive.locked && head.seq > 0) {
    const last = await archive.get(chain.space, entryKey(head.seq));
    if (last === undefined) throw corrupt(`records are missing: entry ${head.seq} of the ${chain.name} is not there`);
    if (!equal(entryHash(chain, last), head.hash)) throw corrupt(`the ${chain.name} does not end at its head`);
  }
  return { chain, head, next: head };
}

/** Reads the heads alone, so it works while locked. Throws `archive-corrupt` if, unlocked, a last entry is not the head's. */
export async function openJournal(archive: Archive): Promise<Journal> {
  const journal = await openTip(archive, JOURNAL);
  const audit = await openTip(archive, AUDIT);

  const reader = (tip: Tip): Chain => ({
    get head() {
      return tip.head;
    },
    entries: (from = 1) => walkFrom(archive, tip.chain, from),
  });

  return {
    get head() {
      return journal.head;
    },
    entries: (from = 1) => walkFrom(archive, JOURNAL, from),
    audit: reader(audit),

    async append(entries, ops = [], audited = []) {
      for (const entry of [...entries, ...audited]) checkNew(entry);
      if (archive.locked) throw new FitError('locked', 'the archive is locked', { hint: 'fit unlock' });
      const written: { readonly tip: Tip; readonly heads: readonly ChainHead[] }[] = [];
      await archive.batch({
        build() {
          const all = [...ops];
          const chained = [
            [journal, entries],
            [audit, audited],
          ] as const;
          for (const [tip, fresh] of chained) {
            if (tip === audit && fresh.length === 0) continue;
            const made = extend(tip.chain, tip.next, fresh);
            tip.next = made.heads.at(-1) ?? tip.next;
            written.push({ tip, heads: made.heads });
            all.push(...made.ops);
          }
          return all;
        },
        settled(durable) {
          for (const { tip, heads } of written) {
            if (durable) tip.head = heads.at(-1) ?? tip.head;
            else tip.next = tip.head;
          }
        },
      });
      return written.find(({ tip }) => tip === journal)?.heads ?? [];
    },
  };
}
