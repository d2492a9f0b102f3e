/**
 * Writes to the store in argv[2] until the size limit of files that it was started with stops it, goes on reading, has the
 * limit lifted, and writes again. Prints one JSON line of what happened.
 */
import { execFileSync } from 'node:child_process';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { isFitError } from '../../src/lib/errors.ts';

const store = await openLevelStore(process.argv[2] ?? '');
const stored: string[] = [];
const refused: string[] = [];
const codes = new Set<string>();

async function attempt(key: string): Promise<void> {
  const value = new Uint8Array(2000).fill(stored.length % 256);
  try {
    await store.batch([
      { kind: 'put', space: 'deals', key, value },
      { kind: 'put', space: 'meta', key: 'last', value: Buffer.from(key) },
    ]);
    stored.push(key);
  } catch (error) {
    refused.push(key);
    codes.add(isFitError(error) ? error.code : String(error));
  }
}

for (let i = 0; i < 500 && refused.length < 3; i += 1) await attempt(`before ${i}`);
const lastWhileFull = Buffer.from((await store.get('meta', 'last')) ?? []).toString();
const lastStored = stored.at(-1);
let readable = 0;
for await (const _ of store.list('deals')) readable += 1;
const storedBefore = stored.length;
execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
for (let i = 0; i < 20; i += 1) await attempt(`after ${i}`);
await store.close();
process.stdout.write(
  JSON.stringify({ stored, storedBefore, refused, codes: [...codes], readable, lastWhileFull, lastStored }),
);
