import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { checkLogs, crc32c, logState } from '../../src/archive/level-log.ts';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { temporaryFolder } from '../support/temporary.ts';

test('crc32c: the check value of the catalogue, and one of RFC 3720', () => {
  assert.equal(crc32c(utf8('123456789')), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
});

/** A log as LevelDB itself writes it: batches within a block, one over several blocks, and one after it. */
async function realLog(folder: string): Promise<{ name: string; bytes: Buffer }> {
  const store = await openLevelStore(folder);
  for (const size of [10, 3000, 100_000, 20, 40_000, 7, 500])
    await store.batch([{ kind: 'put', space: 'deals', key: `k${size}`, value: new Uint8Array(size).fill(size % 251) }]);
  await store.close();
  const name = (await readdir(folder)).find((one) => one.endsWith('.log')) ?? '';
  return { name: join(folder, name), bytes: await readFile(join(folder, name)) };
}

describe('a log of LevelDB', () => {
  test('whole; torn at its end; damaged before it', async (t) => {
    const { bytes } = await realLog(await temporaryFolder(t));
    assert.equal(logState(bytes), 'whole');
    assert.equal(logState(Buffer.alloc(0)), 'whole');
    const states = { whole: 0, torn: 0, damaged: 0 };
    // Cut anywhere: what a crash leaves, never "damaged".
    for (let at = 1; at < bytes.length; at += 997) {
      const state = logState(bytes.subarray(0, at));
      assert.notEqual(state, 'damaged', `cut at ${at}`);
      states[state] += 1;
    }
    assert.ok(states.torn > 100);
    // A flipped bit: damaged, but in the last batch of 500 bytes torn.
    for (let at = 0; at < bytes.length; at += 1499) {
      const copy = Buffer.from(bytes);
      copy.writeUInt8(copy.readUInt8(at) ^ (1 << (at % 8)), at);
      const state = logState(copy);
      if (state !== 'damaged') assert.ok(at > bytes.length - 600 || state === 'whole', `flip at ${at}: ${state}`);
      states[state] += 1;
    }
    assert.ok(states.damaged > 80);
    // What a power cut may leave of the last batch: blank or foreign bytes.
    for (const filling of [0, 0xff, 7]) {
      const copy = Buffer.from(bytes);
      copy.fill(filling, bytes.length - 300);
      assert.equal(logState(copy), 'torn');
    }
  });

  test('a batch spread over blocks whose first part was not written is torn, not damaged', async (t) => {
    const { bytes } = await realLog(await temporaryFolder(t));
    // Up to the end of the batch of 100 000 bytes, which begins in the first block.
    const cut = Buffer.from(bytes.subarray(0, 4 * 32_768));
    const start = 3400;
    cut.fill(0, start, 32_768);
    assert.equal(logState(cut.subarray(0, 3 * 32_768)), 'torn');
  });

  test('two logs: the older must be whole once the newer has batches', async (t) => {
    const { name, bytes } = await realLog(await temporaryFolder(t));
    const folder = await temporaryFolder(t);
    const older = join(folder, '000005.log');
    const newer = join(folder, '000007.log');
    const corrupt = (error: unknown) => isFitError(error) && error.code === 'archive-corrupt';
    await writeFile(older, bytes);
    await writeFile(newer, bytes);
    await checkLogs(folder);
    await writeFile(older, bytes.subarray(0, -5));
    await assert.rejects(checkLogs(folder), corrupt);
    await writeFile(newer, '');
    await checkLogs(folder);
    assert.ok(name.endsWith('.log'));
  });
});
