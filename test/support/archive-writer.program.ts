/**
 * Appends numbered entries to the journal of the archive in argv[2] and prints each number after its write resolved, until it is killed.
 * Several appends are under way at once, so that some share a write.
 */
import { join } from 'node:path';
import { openJournal } from '../../src/archive/journal.ts';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { utf8 } from '../../src/lib/bytes.ts';

const folder = process.argv[2] ?? '';
const store = await openLevelStore(join(folder, 'archive'));
const archive = await createArchive(store, { spoolKey: new Uint8Array(32).fill(1), headPath: join(folder, 'head') });
archive.unlock(new Uint8Array(32).fill(2));
const journal = await openJournal(archive);
let number = journal.head.seq;
async function appendForEver(): Promise<never> {
  for (;;) {
    number += 1;
    const mine = `n${number}`;
    await journal.append(
      [{ time: 1, kind: 'number', ref: mine, payload: new Uint8Array(300) }],
      [{ kind: 'put', space: 'deals', key: mine, value: utf8(mine) }],
    );
    process.stdout.write(`${mine}\n`);
  }
}
await Promise.all([appendForEver(), appendForEver(), appendForEver()]);
