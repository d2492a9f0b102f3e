import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Level } from 'level';
import { type ChainEntry, createWalk, decodeHead, entryKey, JOURNAL } from '../../src/archive/chain.ts';
import { createGroupCommit } from '../../src/archive/group-commit.ts';
import { openJournal } from '../../src/archive/journal.ts';
import { storeError } from '../../src/archive/level-errors.ts';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive, SPOOL_SPACES } from '../../src/archive/sealed-store.ts';
import { SPACES, type Store, type StoreOp } from '../../src/archive/store.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { FitError, isFitError } from '../../src/lib/errors.ts';
import { temporaryFolder } from '../support/temporary.ts';

const spoolKey = new Uint8Array(32).fill(1);
const vaultKey = new Uint8Array(32).fill(2);
const code = (wanted: string) => (error: unknown) => isFitError(error) && error.code === wanted;
const put = (space: StoreOp['space'], key: string, value = key): StoreOp => ({
  kind: 'put',
  space,
  key,
  value: utf8(value),
});

async function unlocked(store: Store = createMemoryStore()) {
  const archive = await createArchive(store, { spoolKey });
  archive.unlock(vaultKey);
  return { store, archive, journal: await openJournal(archive) };
}

const entry = (n: number, payload = '') => ({ time: n, kind: 'test', ref: `r${n}`, payload: utf8(payload) });

/** A store that fails while it is told to, before it writes anything. */
function fragile(inner: Store): Store & { broken: boolean; writes: number } {
  return {
    broken: false,
    writes: 0,
    get: (space, key) => inner.get(space, key),
    list: (space, options) => inner.list(space, options),
    async batch(ops) {
      this.writes += 1;
      if (this.broken) throw new FitError('disk-full', 'the disk is full');
      await inner.batch(ops);
    },
    close: () => inner.close(),
  };
}

describe('level store', () => {
  test('a second opener is told that a daemon is running, in this process and in another', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openLevelStore(folder);
    t.after(() => store.close());
    await assert.rejects(openLevelStore(folder), code('daemon-running'));
    const script =
      "import { Level } from 'level'; await new Level(process.argv[1]).open().catch((e) => console.log(e.cause.code));";
    const other = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, folder]);
    assert.equal(other.stdout.trim(), 'LEVEL_LOCKED');
  });

  test('asks the disk to make every write durable, and takes one write for what waits', async (t) => {
    const asked = t.mock.method(Level.prototype, 'batch');
    const store = await openLevelStore(await temporaryFolder(t));
    t.after(() => store.close());
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.batch([put('deals', `${i}`)])));
    assert.ok(asked.mock.callCount() >= 1 && asked.mock.callCount() <= 3, `${asked.mock.callCount()} writes`);
    for (const { arguments: given } of asked.mock.calls) assert.deepEqual([...given][1], { sync: true });
  });

  test('makes its folder for the owner alone, and keeps what was written over a restart', async (t) => {
    const folder = join(await temporaryFolder(t), 'deep', 'archive');
    const first = await openLevelStore(folder);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    await first.batch([put('deals', 'a')]);
    await first.close();
    await first.close();
    const second = await openLevelStore(folder);
    assert.deepEqual(await second.get('deals', 'a'), new Uint8Array(utf8('a')));
    await second.close();
  });

  test('a path that cannot be a folder is an operational error', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(openLevelStore(join(folder, 'file', 'archive')), code('disk-failed'));
    await assert.rejects(openLevelStore(join(folder, 'file')), code('disk-failed'));
  });

  test('a write that the disk took but did not confirm is taken back, and nothing of it is seen', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openLevelStore(folder);
    t.after(() => store.close());
    await store.batch([put('deals', 'a', 'old')]);
    const original = Level.prototype.batch as (this: unknown, ...given: unknown[]) => Promise<void>;
    const old = await store.get('deals', 'a');
    // As LevelDB behaves when fsync fails: the log has the write, the tables in memory do not.
    t.mock.method(Level.prototype, 'getMany', async () => [old, undefined], { times: 1 });
    const batch = t.mock.method(Level.prototype, 'batch', async function (this: unknown, ...given: unknown[]) {
      await original.apply(this, given);
      throw Object.assign(new Error('IO error: 000003.log: Input/output error'), { code: 'LEVEL_IO_ERROR' });
    });
    await assert.rejects(store.batch([put('deals', 'a', 'new'), put('deals', 'b')]), code('disk-failed'));
    // The first attempt to take it back fails too.
    await assert.rejects(store.batch([put('deals', 'c')]), code('disk-failed'));
    batch.mock.restore();
    await store.batch([put('deals', 'd')]);
    const found: string[] = [];
    for await (const [key, value] of store.list('deals')) found.push(`${key} ${Buffer.from(value)}`);
    assert.deepEqual(found, ['a old', 'd d']);
  });

  test('names the errors of the disk', () => {
    const level = (message: string) => storeError(Object.assign(new Error(message), { code: 'LEVEL_IO_ERROR' }));
    for (const text of ['No space left on device', 'File too large', 'Disk quota exceeded'])
      assert.ok(code('disk-full')(level(`IO error: /x/000003.log: ${text}`)));
    assert.ok(code('disk-failed')(level('IO error: /x/000003.log: Input/output error')));
    assert.ok(code('archive-corrupt')(level('IO error: /x/000003.ldb: No such file or directory')));
    const bug = new TypeError('x is undefined');
    assert.equal(storeError(bug), bug);
  });
});

describe('group commit', () => {
  test('joins what waits into one write, in order; a failed write fails its group alone', async () => {
    const written: string[][] = [];
    const settled: string[] = [];
    const group = createGroupCommit<string>(async (items) => {
      written.push([...items]);
      await new Promise((resolve) => setImmediate(resolve));
      if (items.includes('bad')) throw new Error('refused');
    });
    const add = (name: string) =>
      group.add({ build: () => [name], settled: (durable) => settled.push(`${name} ${durable}`) });
    const first = [add('a'), add('b')];
    await Promise.resolve();
    await Promise.resolve();
    const second = [add('c'), add('bad'), group.add({ build: () => assert.fail('own error') })];
    await Promise.all(first);
    const third = add('d');
    const results = await Promise.allSettled(second);
    await third;
    assert.deepEqual(written, [['a', 'b'], ['c', 'bad'], ['d']]);
    assert.deepEqual(settled, ['a true', 'b true', 'c false', 'bad false', 'd true']);
    assert.deepEqual(
      results.map((result) => result.status === 'rejected' && result.reason.message),
      ['refused', 'refused', 'own error'],
    );
    await group.idle();
  });
});

describe('archive', () => {
  test('stores no plaintext', async () => {
    const { store, archive } = await unlocked();
    const secret = 'an unmistakable sentence';
    await archive.batch(SPACES.map((space) => put(space, 'k', secret)));
    for (const space of SPACES)
      for await (const [, value] of store.list(space)) assert.ok(!Buffer.from(value).includes(secret));
  });

  test('locked: the spool works, the vault says locked', async () => {
    const { archive, store } = await unlocked();
    await archive.batch(SPACES.map((space) => put(space, 'k')));
    archive.lock();
    assert.equal(archive.locked, true);
    for (const space of SPACES) {
      const free = SPOOL_SPACES.includes(space);
      const results = await Promise.allSettled([
        archive.get(space, 'k'),
        archive.batch([put(space, 'k2')]),
        archive.list(space)[Symbol.asyncIterator]().next(),
      ]);
      for (const result of results) {
        assert.equal(result.status, free ? 'fulfilled' : 'rejected', space);
        if (result.status === 'rejected') assert.ok(code('locked')(result.reason));
      }
    }
    await assert.rejects(verifyArchive(archive), code('locked'));
    archive.unlock(vaultKey);
    assert.deepEqual(await archive.get('deals', 'k'), new Uint8Array(utf8('k')));
    assert.equal(await archive.get('deals', 'k2'), undefined);
    const chains = ['journal', 'audit'] as const;
    await archive.batch(chains.map((space) => ({ kind: 'delete', space, key: 'k' })));
    assert.equal((await verifyArchive(archive)).problem, null);
    const again = await createArchive(store, { spoolKey });
    assert.equal(again.locked, true);
    assert.deepEqual(await again.get('outbox', 'k'), new Uint8Array(utf8('k')));
  });

  test('what was accepted before the lock is written; what reads across it is refused, not called damaged', async () => {
    const { archive } = await unlocked();
    await archive.batch([put('deals', 'a'), put('deals', 'b')]);
    const accepted = archive.batch([put('deals', 'c')]);
    const list = archive.list('deals')[Symbol.asyncIterator]();
    await list.next();
    const read = archive.get('deals', 'a');
    archive.lock();
    await accepted;
    await assert.rejects(read, code('locked'));
    await assert.rejects(list.next(), code('locked'));
    archive.unlock(vaultKey);
    assert.deepEqual(await archive.get('deals', 'c'), new Uint8Array(utf8('c')));
  });

  test('a changed, moved, replaced, removed or added value is found, and the space named but no content', async () => {
    const attacks: Record<string, (store: Store) => Promise<void>> = {
      changed: async (store) => {
        const value = (await store.get('deals', 'deal 1')) ?? new Uint8Array();
        value[20] = (value[20] ?? 0) ^ 1;
        await store.batch([{ kind: 'put', space: 'deals', key: 'deal 1', value }]);
      },
      shortened: (store) => store.batch([{ kind: 'put', space: 'deals', key: 'deal 1', value: new Uint8Array(5) }]),
      moved: async (store) => {
        const value = (await store.get('deals', 'deal 1')) ?? new Uint8Array();
        await store.batch([{ kind: 'put', space: 'deals', key: 'deal 2', value }]);
      },
      removed: (store) => store.batch([{ kind: 'delete', space: 'deals', key: 'deal 1' }]),
    };
    for (const [name, attack] of Object.entries(attacks)) {
      const { store, archive } = await unlocked();
      await archive.batch([put('deals', 'deal 1', 'private words'), put('deals', 'deal 2'), put('outbox', 'x')]);
      assert.equal((await verifyArchive(archive)).ok, true);
      await attack(store);
      const verdict = await verifyArchive(archive);
      assert.equal(verdict.ok, false, name);
      assert.match(verdict.problem ?? '', name === 'removed' ? /records were lost or changed: 2/ : /a record in deals/);
      assert.doesNotMatch(verdict.problem ?? '', /private|deal 1/);
      if (name === 'changed') await assert.rejects(archive.get('deals', 'deal 1'), code('archive-corrupt'));
    }
  });

  test('an older value put back, and a removed record put back, are found', async () => {
    const { store, archive } = await unlocked();
    await archive.batch([put('deals', 'a', 'old'), put('consents', 'c', 'unused')]);
    const oldDeal = (await store.get('deals', 'a')) ?? new Uint8Array();
    const oldConsent = (await store.get('consents', 'c')) ?? new Uint8Array();
    await archive.batch([put('deals', 'a', 'new'), { kind: 'delete', space: 'consents', key: 'c' }]);
    const now = (await store.get('deals', 'a')) ?? new Uint8Array();
    await store.batch([{ kind: 'put', space: 'deals', key: 'a', value: oldDeal }]);
    assert.equal((await verifyArchive(archive)).ok, false);
    await store.batch([{ kind: 'put', space: 'deals', key: 'a', value: now }]);
    assert.equal((await verifyArchive(archive)).ok, true);
    await store.batch([{ kind: 'put', space: 'consents', key: 'c', value: oldConsent }]);
    assert.match((await verifyArchive(archive)).problem ?? '', /2 are there, 1 were written/);
  });

  test('another spool key, or a census that is gone, is refused at opening', async () => {
    const { store, archive } = await unlocked();
    await archive.batch([put('deals', 'a')]);
    await assert.rejects(createArchive(store, { spoolKey: new Uint8Array(32).fill(9) }), code('archive-corrupt'));
    await store.batch([{ kind: 'delete', space: 'meta', key: '\u0001census' }]);
    await assert.rejects(createArchive(store, { spoolKey }), /census/);
  });

  test('the head file: behind is a crash, gone or torn is made anew, ahead is missing records', async (t) => {
    const folder = await temporaryFolder(t);
    const headPath = join(folder, 'head');
    // Outlives the archives that are opened over it.
    const store = { ...createMemoryStore(), close: async () => {} };
    async function session(options: { headPath?: string }, ...ops: StoreOp[]): Promise<void> {
      const archive = await createArchive(store, { spoolKey, ...options });
      if (ops.length > 0) await archive.batch(ops);
      await archive.close();
    }
    await session({ headPath }, put('outbox', 'a'));
    await session({}, put('outbox', 'b'));
    await session({ headPath });
    assert.equal((await stat(headPath)).mode & 0o777, 0o600);
    await writeFile(headPath, 'torn');
    await session({ headPath });
    await writeFile(headPath, '');
    await session({ headPath }, put('outbox', 'c'));
    await assert.rejects(createArchive(createMemoryStore(), { spoolKey, headPath }), /its last 3 writes/);
  });

  test('verification sees one moment while writes go on', async () => {
    const { archive, journal } = await unlocked();
    for (let i = 0; i < 50; i += 1) await journal.append([entry(i)], [put('deals', `d${i}`)]);
    const writing = Promise.all(
      Array.from({ length: 50 }, (_, i) => journal.append([entry(i)], [put('deals', `d${i}`, 'again')])),
    );
    const verdicts = await Promise.all([verifyArchive(archive), verifyArchive(archive)]);
    await writing;
    for (const verdict of verdicts) assert.deepEqual([verdict.ok, verdict.problem], [true, null]);
    assert.deepEqual(await verifyArchive(archive), { ok: true, records: 151, entries: 100, problem: null });
  });
});

describe('journal', () => {
  test('chains entries in call order, also those that share a write', async () => {
    const { archive, journal } = await unlocked();
    assert.equal(journal.head.seq, 0);
    const heads = await Promise.all(Array.from({ length: 20 }, (_, i) => journal.append([entry(i, 'p'), entry(i)])));
    assert.deepEqual(
      heads.flat().map(({ seq }) => seq),
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    const read: ChainEntry[] = [];
    for await (const one of journal.entries()) read.push(one);
    assert.deepEqual(
      read.map(({ hash }) => toHex(hash)),
      heads.flat().map(({ hash }) => toHex(hash)),
    );
    assert.deepEqual(
      read.map(({ time }) => time),
      Array.from({ length: 40 }, (_, i) => Math.floor(i / 2)),
    );
    for (let i = 1; i < read.length; i += 1) assert.deepEqual(read[i]?.previous, read[i - 1]?.hash);
    const later: number[] = [];
    for await (const { seq } of journal.entries(38)) later.push(seq);
    assert.deepEqual(later, [38, 39, 40]);
    assert.deepEqual((await openJournal(archive)).head, journal.head);
  });

  test('after a failed write the chain goes on from what is stored', async () => {
    const store = fragile(createMemoryStore());
    const { archive, journal } = await unlocked(store);
    await journal.append([entry(1)]);
    store.broken = true;
    const failed = await Promise.allSettled([
      journal.append([entry(2)], [put('deals', 'lost')]),
      journal.append([entry(3)]),
    ]);
    assert.ok(failed.every((result) => result.status === 'rejected' && code('disk-full')(result.reason)));
    assert.equal(journal.head.seq, 1);
    store.broken = false;
    const [head] = await journal.append([entry(4)], [put('deals', 'kept')]);
    assert.equal(head?.seq, 2);
    assert.equal(await archive.get('deals', 'lost'), undefined);
    assert.deepEqual(await verifyArchive(archive), { ok: true, records: 4, entries: 2, problem: null });
  });

  test('many appends at once take few writes', async () => {
    const store = fragile(createMemoryStore());
    const { journal } = await unlocked(store);
    await Promise.all(Array.from({ length: 500 }, (_, i) => journal.append([entry(i)])));
    assert.ok(store.writes <= 3, `${store.writes} writes`);
  });

  test('a locked archive takes no entry, but its head can be read', async () => {
    const { archive, journal } = await unlocked();
    await journal.append([entry(1)]);
    archive.lock();
    await assert.rejects(journal.append([entry(2)]), code('locked'));
    assert.equal((await openJournal(archive)).head.seq, 1);
    archive.unlock(vaultKey);
    assert.equal((await journal.append([entry(3)]))[0]?.seq, 2);
  });

  test('bounds are checked before anything is written', async () => {
    const { journal } = await unlocked();
    for (const bad of [
      { ...entry(1), time: -1 },
      { ...entry(1), time: 0.5 },
      { ...entry(1), kind: '' },
      { ...entry(1), kind: 'k'.repeat(65) },
      { ...entry(1), ref: 'r'.repeat(129) },
      { ...entry(1), payload: new Uint8Array((1 << 20) + 1) },
    ])
      await assert.rejects(journal.append([entry(0), bad]), RangeError);
    assert.equal(journal.head.seq, 0);
    await journal.append([{ ...entry(1), payload: new Uint8Array(1 << 20) }]);
  });

  test('missing, exchanged and foreign entries break the chain, even if their writer held the keys', async () => {
    const { archive, journal } = await unlocked();
    for (let i = 1; i <= 4; i += 1) await journal.append([entry(i)]);
    const at = async (seq: number) => (await archive.get('journal', entryKey(seq))) ?? new Uint8Array();
    const two = await at(2);
    const cases: [string, StoreOp[], RegExp][] = [
      ['missing', [{ kind: 'delete', space: 'journal', key: entryKey(2) }], /entry 2 of the journal is not there/],
      ['missing last', [{ kind: 'delete', space: 'journal', key: entryKey(4) }], /ends at 3 of 4/],
      ['in another place', [{ kind: 'put', space: 'journal', key: entryKey(3), value: two }], /malformed/],
      ['no entry', [{ kind: 'put', space: 'journal', key: entryKey(3), value: utf8('?') }], /malformed/],
      ['head lost', [{ kind: 'delete', space: 'meta', key: JOURNAL.headKey }], /does not end at its head/],
    ];
    for (const [name, change, expected] of cases) {
      const other = await unlocked();
      for (let seq = 1; seq <= 4; seq += 1) await other.journal.append([entry(seq)]);
      await other.archive.batch(change);
      const verdict = await verifyArchive(other.archive);
      assert.match(verdict.problem ?? '', expected, name);
    }
    // Another journal's entry with the right number.
    const other = await unlocked();
    for (let i = 1; i <= 4; i += 1) await other.journal.append([entry(i, 'other')]);
    await other.archive.batch([{ kind: 'put', space: 'journal', key: entryKey(4), value: await at(4) }]);
    assert.match((await verifyArchive(other.archive)).problem ?? '', /entry 4 of the journal does not follow/);
    await assert.rejects(openJournal(other.archive), code('archive-corrupt'));
    assert.throws(() => decodeHead(JOURNAL, utf8('?')), code('archive-corrupt'));
    assert.throws(() => createWalk(JOURNAL).step(entryKey(2), two), /entry 1 of the journal is not there/);
  });
});
