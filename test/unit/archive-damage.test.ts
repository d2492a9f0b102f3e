/**
 * One flipped bit, or a cut, anywhere in the files of an archive: opening or verifying says so, or everything that was
 * confirmed is still there unchanged. Never lost or changed in silence.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openJournal } from '../../src/archive/journal.ts';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { type Archive, createArchive } from '../../src/archive/sealed-store.ts';
import { SPACES, type StoreOp } from '../../src/archive/store.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';

const spoolKey = new Uint8Array(32).fill(1);
const vaultKey = new Uint8Array(32).fill(2);

async function openAt(folder: string): Promise<Archive> {
  const store = await openLevelStore(join(folder, 'archive'));
  try {
    const archive = await createArchive(store, { spoolKey, headPath: join(folder, 'head') });
    archive.unlock(vaultKey);
    return archive;
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function write(folder: string, from: number, to: number): Promise<void> {
  const archive = await openAt(folder);
  const journal = await openJournal(archive);
  for (let i = from; i < to; i += 1) {
    const ops: StoreOp[] = [
      { kind: 'put', space: 'deals', key: `deal ${i}`, value: utf8('text '.repeat(i % 60)) },
      { kind: 'put', space: 'outbox', key: `letter ${i}`, value: utf8(`to ${i}`) },
      { kind: 'delete', space: 'outbox', key: `letter ${i - 3}` },
    ];
    await journal.append([{ time: i, kind: 'offer', ref: `deal ${i}`, payload: utf8(`payload ${i}`) }], ops);
    // Not everything is in the journal.
    await archive.batch([{ kind: 'put', space: 'contacts', key: `contact ${i % 7}`, value: utf8(`${i}`) }]);
  }
  await archive.close();
}

async function contents(archive: Archive): Promise<string[]> {
  const all: string[] = [];
  for (const space of SPACES)
    for await (const [key, value] of archive.list(space)) all.push(`${space} ${key} ${toHex(value)}`);
  return all;
}

/** What opening and verifying say: the problem, or the contents. */
async function inspect(folder: string): Promise<{ problem: string } | { contents: string[] }> {
  let archive: Archive | undefined;
  try {
    archive = await openAt(folder);
    await openJournal(archive);
    const verdict = await verifyArchive(archive);
    if (verdict.problem !== null) return { problem: verdict.problem };
    return { contents: await contents(archive) };
  } catch (error) {
    if (isFitError(error) && error.code === 'archive-corrupt') return { problem: error.message };
    throw error;
  } finally {
    await archive?.close();
  }
}

describe('damage to the files of an archive', () => {
  let original: string;
  let intact: string[];
  let files: { name: string; size: number }[];

  before(async () => {
    original = await mkdtemp(join(tmpdir(), 'fit-test-'));
    // Three sessions, so that there are tables as well as a log, and older values below newer ones.
    await write(original, 0, 20);
    await write(original, 20, 30);
    await write(original, 30, 45);
    intact = await (async () => {
      const copy = `${original}-read`;
      await cp(original, copy, { recursive: true });
      const archive = await openAt(copy);
      const all = await contents(archive);
      await archive.close();
      await rm(copy, { recursive: true });
      return all;
    })();
    const names = (await readdir(join(original, 'archive'))).map((name) => `archive/${name}`);
    files = await Promise.all(
      [...names, 'head'].map(async (name) => ({ name, size: (await readFile(join(original, name))).length })),
    );
  });
  after(() => rm(original, { recursive: true, force: true }));

  async function damaged<T>(change: (copy: string) => Promise<void>, then: (copy: string) => Promise<T>): Promise<T> {
    const copy = await mkdtemp(join(tmpdir(), 'fit-test-'));
    try {
      await cp(original, copy, { recursive: true });
      await change(copy);
      return await then(copy);
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  }

  async function foundOrHarmless(what: string, change: (copy: string) => Promise<void>): Promise<'found' | 'harmless'> {
    const result = await damaged(change, inspect);
    if ('problem' in result) return 'found';
    assert.deepEqual(result.contents, intact, `${what} changed the contents in silence`);
    return 'harmless';
  }

  test('undamaged, it verifies', async () => {
    const result = await damaged(async () => {}, inspect);
    assert.deepEqual(result, { contents: intact });
    assert.ok(files.some(({ name }) => name.endsWith('.log')) && files.some(({ name }) => name.endsWith('.ldb')));
  });

  /** Fixed sample: the same offsets in each run. */
  function* offsets(size: number, count: number): Generator<number> {
    for (let i = 0; i < Math.min(size, count); i += 1) yield Math.floor(((i + 0.5) * size) / Math.min(size, count));
  }

  for (const [kind, pattern, count] of [
    ['log', /\.log$/, 50],
    ['table', /\.ldb$/, 30],
    ['manifest and CURRENT', /MANIFEST|CURRENT/, 25],
    ['head file', /^head$/, 8],
  ] as const) {
    test(`a flipped bit in the ${kind}`, async () => {
      const tally = { found: 0, harmless: 0 };
      for (const { name, size } of files.filter((file) => pattern.test(file.name) && file.size > 0))
        for (const at of offsets(size, count)) {
          const result = await foundOrHarmless(`${name} at ${at}`, async (copy) => {
            const bytes = await readFile(join(copy, name));
            bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
            await writeFile(join(copy, name), bytes);
          });
          tally[result] += 1;
        }
      // In a table, much is older values and index keys; of the head file, any bit makes it unreadable, and so unneeded.
      assert.ok(kind === 'head file' ? tally.found === 0 : tally.found > 0, JSON.stringify(tally));
      if (kind === 'log') assert.equal(tally.harmless, 0);
    });
  }

  test('damage inside a log, or a lost CURRENT, is refused before LevelDB rewrites or deletes anything', async () => {
    const log = files.find(({ name }) => name.endsWith('.log'));
    assert.ok(log);
    const changes: ((copy: string) => Promise<void>)[] = [
      (copy) => rm(join(copy, 'archive/CURRENT')),
      async (copy) => {
        const bytes = await readFile(join(copy, log.name));
        bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
        await writeFile(join(copy, log.name), bytes);
      },
    ];
    const all = async (copy: string) =>
      Promise.all(
        (await readdir(join(copy, 'archive'))).map(async (name) => [name, await readFile(join(copy, 'archive', name))]),
      );
    for (const change of changes)
      await damaged(change, async (copy) => {
        const before = await all(copy);
        assert.ok('problem' in (await inspect(copy)));
        assert.deepEqual(await all(copy), before);
      });
  });

  test('a log cut off anywhere', async () => {
    const log = files.find(({ name }) => name.endsWith('.log'));
    assert.ok(log);
    for (const at of offsets(log.size, 25))
      assert.equal(await foundOrHarmless(`cut at ${at}`, (copy) => truncate(join(copy, log.name), at)), 'found');
  });

  test('a file of the database that is gone', async () => {
    for (const { name } of files.filter((file) => /\.log|\.ldb|MANIFEST|CURRENT/.test(file.name)))
      assert.equal(await foundOrHarmless(`without ${name}`, (copy) => rm(join(copy, name))), 'found', name);
  });

  test('the whole database gone or set back to an earlier state, with the head file left', async () => {
    assert.equal(
      await foundOrHarmless('no database', (copy) => rm(join(copy, 'archive'), { recursive: true })),
      'found',
    );
    const result = await damaged(
      (copy) => write(copy, 45, 46),
      async (copy) => {
        await rm(join(copy, 'archive'), { recursive: true });
        await cp(join(original, 'archive'), join(copy, 'archive'), { recursive: true });
        return inspect(copy);
      },
    );
    assert.match('problem' in result ? result.problem : '', /records are missing from the archive: its last 2 writes/);
  });
});
