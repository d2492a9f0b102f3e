/** Files of a delivery on another file system: interrupted amid them nothing half appears, and the next time completes it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { endAll, runProgram, type Said, startTrio, type Trader, type Trio } from '../support/traders.ts';

let trio: Trio;
let elm: Trader;
let oak: Trader;

before(async () => {
  trio = await startTrio({ patience: '1h' });
  ({ elm, oak } = trio);
});
after(endAll);

/** A folder that is not on the disk of the homes. */
function elsewhere(t: TestContext): string {
  const folder = mkdtempSync('/dev/shm/fit-e2e-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  assert.notEqual(statSync(folder).dev, statSync(oak.home).dev, 'another file system');
  return folder;
}

let made = 0;
/** Small files around a large one, delivered and opened; who takes them comes next. */
async function opened(): Promise<{ readonly deal: string; readonly files: ReadonlyMap<string, Buffer> }> {
  made += 1;
  const folder = join(elm.folder, `out-${made}`);
  mkdirSync(folder);
  const files = new Map<string, Buffer>();
  for (let at = 0; at < 30; at += 1) files.set(`part ${at}.bin`, randomBytes(at === 15 ? 2_000_000 : 1000 * at));
  for (const [name, data] of files) writeFileSync(join(folder, name), data);
  const paths = [...files.keys()].map((name) => join(folder, name));
  const send = ['send', ...paths, '--to', 'oak', '--arbiter', 'notary', '--no-wait', ...elm.pw];
  const { deal } = await elm.ok<{ deal: string }>(...send);
  await oak.waitFor(deal, ['offered']);
  await (await oak.consenting()).dealAccept({ deal });
  assert.equal(await oak.waitFor(deal, ['completed']), 'completed');
  return { deal, files };
}

/** As with a disk that is full: no file of the program's grows beyond a megabyte. */
function receiveWithoutRoom(deal: string, to: string): Promise<Said> {
  const args = [
    '--fsize=1000000',
    process.execPath,
    resolve('bin/fit'),
    'deal',
    'receive',
    deal,
    '--to',
    to,
    ...oak.pw,
  ];
  return runProgram('prlimit', args, { env: { FIT_HOME: oak.home, FIT_NON_INTERACTIVE: '1' } });
}

function allAreWhole(to: string, files: ReadonlyMap<string, Buffer>): void {
  for (const name of readdirSync(to)) assert.deepEqual(readFileSync(join(to, name)), files.get(name), name);
}

test('no room amid many files: said so, what appeared is whole, and the next time puts the others beside it', async (t) => {
  const to = elsewhere(t);
  const { deal, files } = await opened();
  const said = await receiveWithoutRoom(deal, to);
  assert.equal(said.code, 70, said.stderr);
  assert.match(
    said.stderr,
    /fit: there is no room for part 15\.bin in \S+\nfit: hint: make room, then receive it again/,
  );
  assert.equal(said.stdout, '');
  assert.equal(readdirSync(to).length, 15);
  allAreWhole(to, files);
  const before = statSync(join(to, 'part 3.bin')).ino;
  await oak.ok('deal', 'receive', deal, '--to', to, ...oak.pw);
  assert.deepEqual(readdirSync(to).toSorted(), [...files.keys()].toSorted());
  allAreWhole(to, files);
  assert.equal(statSync(join(to, 'part 3.bin')).ino, before, 'what was there is not written again');
  assert.equal((await (await oak.agent()).deliveryShow({ deal })).phase, 'taken');
});

test('what a killed run left half goes; a file of somebody else’s under one of the names stays, and stops it', async (t) => {
  const to = elsewhere(t);
  const { deal, files } = await opened();
  // Killed while it copied the third: two are there, and what it was copying is beside.
  for (const name of ['part 0.bin', 'part 1.bin']) writeFileSync(join(to, name), files.get(name) ?? '');
  const beside = join(to, `.${deal}.part`);
  mkdirSync(beside);
  writeFileSync(join(beside, 'part 2.bin'), 'half');
  writeFileSync(join(to, 'part 20.bin'), 'mine');
  const refused = await oak.fails(2, 'deal', 'receive', deal, '--to', to, ...oak.pw);
  assert.match(refused.stderr, /part 20\.bin exists/);
  assert.equal(readFileSync(join(to, 'part 20.bin'), 'utf8'), 'mine');
  assert.equal(readdirSync(to).length, 4, 'nothing more appeared');
  rmSync(join(to, 'part 20.bin'));
  // Of the right size is not enough.
  writeFileSync(join(to, 'part 1.bin'), Buffer.alloc(1000));
  await oak.fails(2, 'deal', 'receive', deal, '--to', to, ...oak.pw);
  writeFileSync(join(to, 'part 1.bin'), files.get('part 1.bin') ?? '');
  await oak.ok('deal', 'receive', deal, '--to', to, ...oak.pw);
  assert.deepEqual(readdirSync(to).toSorted(), [...files.keys()].toSorted());
  allAreWhole(to, files);
});

test('killed as soon as something appears: whatever is there is whole, and the next time completes it', async (t) => {
  const to = elsewhere(t);
  const { deal, files } = await opened();
  await oak.fitWith(
    {
      meanwhile(child) {
        const look = (): void => {
          if (child.exitCode !== null) return;
          if (readdirSync(to).some((name) => files.has(name))) child.kill('SIGKILL');
          else setImmediate(look);
        };
        look();
      },
    },
    ...['deal', 'receive', deal, '--to', to, ...oak.pw],
  );
  for (const name of readdirSync(to).filter((one) => files.has(one)))
    assert.deepEqual(readFileSync(join(to, name)), files.get(name), name);
  await oak.fit('deal', 'receive', deal, '--to', to, ...oak.pw);
  assert.deepEqual(readdirSync(to).toSorted(), [...files.keys()].toSorted());
  allAreWhole(to, files);
});
