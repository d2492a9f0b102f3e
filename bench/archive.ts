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

/** The records that a contract leaves behind, by space, with their sizes: as found in the archive of a daemon that makes them. */
const LEFT = [
  ['exchanges', 48_400],
  ['evidence', 2_600],
  ['evidence', 1_100],
  ['consents', 360],
  ['deals', 200],
  ['deals', 200],
  ['deals', 200],
  ['deals', 200],
  ['deals', 200],
] as const;
const ENTRIES = 6;
/** Plaintext, with the entries of the journal. */
const CONTRACT_BYTES = LEFT.reduce((sum, [, size]) => sum + size, 0) + ENTRIES * 155;
const PER_WRITE = 16;

const nameOf = (contract: number, part: number): string => `${contract.toString(16).padStart(56, '0')}/${part}`;

/** At least `records` in all. */
export async function measureArchive(folder: string, records: number): Promise<Row[]> {
  const contracts = Math.ceil(records / (LEFT.length + ENTRIES));
  const archive = await createArchive(await openLevelStore(join(folder, 'archive')), {
    spoolKey: new Uint8Array(randomBytes(32)),
    headPath: join(folder, 'archive.head'),
  });
  archive.unlock(new Uint8Array(randomBytes(32)));
  const journal = await openJournal(archive);
  const value = new Uint8Array(randomBytes(48_400));
  const append = await timed(async () => {
    for (let at = 0; at < contracts; at += PER_WRITE) {
      const numbers = Array.from({ length: Math.min(PER_WRITE, contracts - at) }, (_, i) => at + i);
      const ops = numbers.flatMap((n) =>
        LEFT.map(
          ([space, size], part): StoreOp => ({
            kind: 'put',
            space,
            key: nameOf(n, part),
            value: value.subarray(0, size),
          }),
        ),
      );
      const entries = numbers.flatMap((n) =>
        Array.from({ length: ENTRIES }, (_, part) => ({
          time: 1_800_000_000,
          kind: 'exchange-contracted',
          ref: nameOf(n, part),
          payload: value.subarray(0, 32),
        })),
      );
      await journal.append(entries, ops);
    }
  });
  const bytes = contracts * CONTRACT_BYTES;
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
      note: `as contracts leave them, ${PER_WRITE} contracts to a durable write`,
    },
    { id: 'archive.verify', what: '  verified', value: mbPerS(verify), unit: 'MB/s', least: 100 },
    { id: 'archive.perRecord', what: '  verified, a record', value: (verify * 1000) / found, unit: 'µs' },
  ];
}
