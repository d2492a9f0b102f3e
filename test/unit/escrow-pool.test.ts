// The worker pool, on the built worker: results, errors, crashes, the bound of its queue, and that nobody waits for it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { verify } from '../../src/crypto/escrow.ts';
import { createEscrowPool } from '../../src/crypto/escrow-pool.ts';
import { present } from '../../src/lib/assert.ts';
import { FitError, PeerFault } from '../../src/lib/errors.ts';
import { sample } from '../support/escrow.ts';
import { temporaryFolder } from '../support/temporary.ts';

const worker = pathToFileURL(resolve('dist/escrow-worker.js'));
const isCode = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;

test('proves and verifies in a worker, each proof from its own fresh bytes', async (t) => {
  const pool = createEscrowPool({ worker });
  t.after(() => pool.close());
  const { label, witnesses, keys } = sample('signature');
  const [one, two] = await Promise.all([pool.prove(label, witnesses, keys), pool.prove(label, witnesses, keys)]);
  assert.notDeepEqual(one, two);
  assert.equal(verify(label, one, keys), true);
  assert.equal(await pool.verify(label, two, keys), true);
  assert.equal(await pool.verify({ ...label, role: 'R' }, two, keys), false);
  assert.equal(await pool.verify(label, new Uint8Array(3), keys), false);
});

test('the event loop stays free while a worker proves', async (t) => {
  const pool = createEscrowPool({ worker });
  t.after(() => pool.close());
  const { label, witnesses, keys } = sample('content');
  await pool.prove(label, witnesses, keys);
  let ticks = 0;
  let running = true;
  const tick = () => {
    ticks++;
    if (running) setImmediate(tick);
  };
  tick();
  await Promise.all([1, 2, 3, 4].map(() => pool.prove(label, witnesses, keys)));
  running = false;
  // Some 90 ms of work: on this thread it would let through a handful of ticks.
  assert.ok(ticks > 100, `${ticks} ticks`);
});

test('errors keep their kind, and the worker goes on', async (t) => {
  const pool = createEscrowPool({ worker });
  t.after(() => pool.close());
  const { label, witnesses, keys } = sample('signature');
  const noKey = { ...keys, verifier: new Uint8Array(33) };
  await assert.rejects(
    pool.prove(label, witnesses, noKey),
    (error) => error instanceof PeerFault && error.code === 'bad-proof',
  );
  await assert.rejects(pool.prove(label, [], keys), isCode('internal'));
  assert.equal(verify(label, await pool.prove(label, witnesses, keys), keys), true);
});

/** A worker that dies on what it is told, and otherwise says whether this is the first job of its life. */
const MORTAL = `
import { parentPort } from 'node:worker_threads';
let jobs = 0;
parentPort.on('message', (job) => {
  if (job.proof[0] === 1) throw new Error('worker crashed');
  if (job.proof[0] === 2) process.exit(3);
  if (job.proof[0] === 3) return;
  parentPort.postMessage({ kind: 'verified', valid: jobs++ === 0 });
});`;

async function mortal(t: Parameters<typeof temporaryFolder>[0]): Promise<URL> {
  const file = join(await temporaryFolder(t), 'mortal.mjs');
  await writeFile(file, MORTAL);
  return pathToFileURL(file);
}

test('a worker that dies fails its own job with a clear error; jobs behind it are done by another', async (t) => {
  const pool = createEscrowPool({ worker: await mortal(t) });
  t.after(() => pool.close());
  const { label, keys } = sample('signature');
  const say = (word: number) => pool.verify(label, Uint8Array.of(word), keys);
  const dies = (why: RegExp) => (error: unknown) => isCode('internal')(error) && why.test((error as Error).message);
  const answers = await Promise.allSettled([say(0), say(1), say(0), say(0), say(2), say(0)]);
  const lives = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : null));
  assert.deepEqual(lives, [true, null, true, false, null, true]);
  const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  assert.ok(dies(/the escrow worker stopped: worker crashed/)(reasons[0]));
  assert.ok(dies(/the escrow worker stopped: exit code 3/)(reasons[1]));
});

test('a worker that cannot be started is an error of each job, not of the process', async (t) => {
  const pool = createEscrowPool({ worker: pathToFileURL(join(await temporaryFolder(t), 'absent.mjs')) });
  t.after(() => pool.close());
  const { label, keys } = sample('signature');
  for (let i = 0; i < 2; i++) await assert.rejects(pool.verify(label, Uint8Array.of(0), keys), isCode('internal'));
});

test('the queue is bounded, and closing answers everything that waits', async (t) => {
  const pool = createEscrowPool({ worker: await mortal(t), threads: 2, maxWaiting: 3 });
  const { label, keys } = sample('signature');
  const silent = () => pool.verify(label, Uint8Array.of(3), keys);
  const taken = [1, 2, 3, 4, 5].map(silent);
  const answers = Promise.allSettled(taken);
  await assert.rejects(silent(), isCode('busy'));
  await pool.close();
  for (const answer of await answers) {
    assert.equal(answer.status, 'rejected');
    assert.ok(isCode('interrupted')(present(answer.status === 'rejected' ? answer.reason : null, 'reason')));
  }
  await assert.rejects(silent(), isCode('interrupted'));
  await pool.close();
});

test('an idle worker is stopped, and the next job starts another', async (t) => {
  const pool = createEscrowPool({ worker: await mortal(t), idleMs: 1 });
  t.after(() => pool.close());
  const { label, keys } = sample('signature');
  const say = () => pool.verify(label, Uint8Array.of(0), keys);
  assert.equal(await say(), true);
  // A job of a second life: asked until a pause was long enough for the first to end.
  while (!(await say())) await new Promise((done) => setTimeout(done, 2));
});

test('a pool with an idle worker lets its process end, and one at work does not', { timeout: 20_000 }, async (t) => {
  const program = join(import.meta.dirname, '..', 'support', 'escrow-pool.program.js');
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise((done) => child.on('exit', done));
  assert.equal(code, 0);
  assert.equal(output, 'proved 10775\n');
});
