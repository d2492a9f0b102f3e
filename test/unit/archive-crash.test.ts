/** The archive against what a machine does to it: SIGKILL at any moment, and a disk that is full for a while. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openJournal } from '../../src/archive/journal.ts';
import { openLevelStore } from '../../src/archive/level-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** The build puts programs beside tests: build/test-N/unit/x.test.js and build/test-N/support/y.program.js. */
const program = (name: string) => fileURLToPath(new URL(`../support/${name}.program.js`, import.meta.url));

async function readBack(folder: string): Promise<{ refs: string[]; deals: Set<string> }> {
  const store = await openLevelStore(join(folder, 'archive'));
  const archive = await createArchive(store, { spoolKey: new Uint8Array(32).fill(1), headPath: join(folder, 'head') });
  archive.unlock(new Uint8Array(32).fill(2));
  try {
    const journal = await openJournal(archive);
    const refs: string[] = [];
    for await (const entry of journal.entries()) refs.push(entry.ref);
    const deals = new Set<string>();
    for await (const [key] of archive.list('deals')) deals.add(key);
    const verdict = await verifyArchive(archive);
    assert.deepEqual({ ok: verdict.ok, problem: verdict.problem }, { ok: true, problem: null });
    return { refs, deals };
  } finally {
    await archive.close();
  }
}

test('kill -9 at a random moment loses nothing that was confirmed, and leaves nothing half-done', async (t) => {
  const folder = await temporaryFolder(t);
  const printed: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    const child = spawn(process.execPath, [program('archive-writer'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    // A different number of entries each time, and then within a write as often as between two.
    const stopAfter = printed.length + 1 + Math.floor(Math.random() * 60);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      printed.push(...lines);
      if (printed.length >= stopAfter) child.kill('SIGKILL');
    });
    const [code, signal] = await once(child, 'close');
    assert.deepEqual([code, signal], [null, 'SIGKILL']);
    const { refs, deals } = await readBack(folder);
    const found = new Set(refs);
    for (const ref of printed) assert.ok(found.has(ref) && deals.has(ref), `${ref} was confirmed and is not there`);
    assert.deepEqual(deals, found, 'an entry and what belongs to it are stored together');
  }
  assert.ok(printed.length >= 6);
});

const prlimit = spawnSync('prlimit', ['--version']);

test('a full disk: refused as a whole, read on, and written again when there is space', {
  skip: prlimit.error === undefined && process.platform === 'linux' ? false : 'needs prlimit of util-linux',
}, async (t) => {
  const folder = await temporaryFolder(t);
  // Blocks of 1 KiB; the soft limit only, so that the program may lift it.
  const script = 'ulimit -S -f 150; exec "$0" "$@"';
  const done = spawnSync('bash', ['-c', script, process.execPath, program('full-disk'), folder], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const said = JSON.parse(done.stdout);
  assert.deepEqual(said.codes, ['disk-full']);
  assert.ok(said.storedBefore > 30 && said.refused.length === 3, done.stdout);
  assert.equal(said.readable, said.storedBefore);
  assert.equal(said.lastWhileFull, said.lastStored);
  assert.equal(said.stored.length, said.storedBefore + 20);
  const store = await openLevelStore(folder);
  t.after(() => store.close());
  const found: string[] = [];
  for await (const [key] of store.list('deals')) found.push(key);
  assert.deepEqual(new Set(found), new Set(said.stored));
});
