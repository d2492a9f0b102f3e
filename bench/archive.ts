/**
 * The archive on its own: records appended through the journal, each with an entry of its own, many in one durable write as
 * under load, then all of them read, decrypted, hashed and counted by what `fit archive verify` runs.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openJournal } from '../src/archive/journal.ts';
import { openLevelStore } from '../src/archive/level-store.ts';
import { createArchive } from '../src/archive/sealed-store.ts';
import type { StoreOp } from '../src/archive/store.ts';
import { verifyArchive } from '../src/archive/verify.ts';
import { assert } from '../src/lib/assert.ts';
import { timed } from './measure.ts';
import type { Row } from './report.ts';

/** As large as a record of the archive of a daemon that makes contracts is on average (exchanges hold proofs). */
const RECORD_BYTES = 4096;
const PER_WRITE = 256;

/** `records` in all, half of them entries of the journal. */
export async function measureArchive(folder: string, records: number): Promise<Row[]> {
  const pairs = Math.ceil(records / 2);
  const archive = await createArchive(await openLevelStore(join(folder, 'archive')), {
    spoolKey: new Uint8Array(randomBytes(32)),
    headPath: join(folder, 'archive.head'),
  });
  archive.unlock(new Uint8Array(randomBytes(32)));
  const journal = await openJournal(archive);
  const value = new Uint8Array(randomBytes(2 * RECORD_BYTES - 250));
  const append = await timed(async () => {
    for (let at = 0; at < pairs; at += PER_WRITE) {
      const numbers = Array.from({ length: Math.min(PER_WRITE, pairs - at) }, (_, i) => at + i);
      const ops = numbers.map(
        (n): StoreOp => ({ kind: 'put', space: 'exchanges', key: n.toString(16).padStart(64, '0'), value }),
      );
      const entries = numbers.map((n) => ({
        time: 1_800_000_000,
        kind: 'exchange-contracted',
        ref: n.toString(16).padStart(64, '0'),
        payload: new Uint8Array(64),
      }));
      await journal.append(entries, ops);
    }
  });
  const bytes = pairs * (value.length + 250);
  let found = 0;
  const verify = await timed(async () => {
    const verdict = await verifyArchive(archive);
    assert(verdict.ok, 'the archive is whole');
    found = verdict.records;
  });
  await archive.close();
  const mbPerS = (ms: number): number => bytes / 1e6 / (ms / 1000);
  return [
    {
      id: 'archive.append',
      what: `archive: ${found} records appended`,
      value: mbPerS(append),
      unit: 'MB/s',
      note: `${PER_WRITE} to a durable write, 4 KiB on average`,
    },
    { id: 'archive.verify', what: '  verified', value: mbPerS(verify), unit: 'MB/s', least: 100 },
    { id: 'archive.perRecord', what: '  verified, a record', value: (verify * 1000) / found, unit: 'µs' },
  ];
}
