/** `fit verify` on the evidence of a delivery: the built program, offline, without a home. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeAsics } from '../../src/evidence/asics.ts';
import type { EvidenceFile } from '../../src/evidence/bundle.ts';
import { buildDelivery } from '../../src/evidence/delivery.ts';
import type { Verdict } from '../../src/evidence/verify.ts';
import { makeVoid } from '../../src/exchange/answers.ts';
import { xidOf } from '../../src/exchange/record.ts';
import { makeScene } from '../support/evidence.ts';
import { makeDelivery } from '../support/evidence-delivery.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { fit } from '../support/traders.ts';

const scene = await makeScene();
const { input, record, files } = makeDelivery(scene);

function write(folder: string, list: readonly EvidenceFile[]): void {
  mkdirSync(folder, { recursive: true });
  for (const { name, data } of list) writeFileSync(join(folder, name), data);
}

/** A folder with the evidence in both forms and the files that were delivered. */
async function prepared(t: TestContext) {
  const folder = await temporaryFolder(t);
  write(join(folder, 'out'), buildDelivery(input));
  write(join(folder, 'in'), files);
  writeFileSync(join(folder, 'x.asics'), writeAsics(buildDelivery(input)));
  const run = async (expected: number, ...args: readonly string[]): Promise<Verdict> => {
    const said = await fit(['verify', ...args, '--json'], { cwd: folder });
    assert.equal(said.code, expected, said.stdout + said.stderr);
    return JSON.parse(said.stdout) as Verdict;
  };
  const usage = async (...args: readonly string[]): Promise<string> => {
    const said = await fit(['verify', ...args], { cwd: folder });
    assert.equal(said.code, 2, said.stdout + said.stderr);
    return said.stderr;
  };
  return { folder, run, usage };
}

test('container and folder are good, and the files that were delivered are compared', async (t) => {
  const { folder, run, usage } = await prepared(t);
  for (const evidence of ['x.asics', 'out']) {
    const plain = await run(0, evidence);
    assert.deepEqual([plain.proof, plain.files.map((one) => one.compared)], ['delivery', [false, false]]);
    const one = await run(0, evidence, '--content', 'in/plan 1.txt');
    assert.deepEqual(
      one.files.map(({ compared }) => compared),
      [true, false],
    );
    const all = await run(0, evidence, '--content', 'in');
    assert.deepEqual(
      all.files.map(({ compared }) => compared),
      [true, true],
    );
    assert.equal((await run(1, evidence, '--content', 'in/nothing.txt')).problem?.code, 'unreadable');
    assert.equal((await run(1, evidence, '--content', 'x.asics')).problem?.code, 'other-content');
    assert.ok((await run(0, evidence, '--require', 'pinned', '--root', 'out/certificates.pem')).ok);
  }
  writeFileSync(join(folder, 'in', 'plan 1.txt'), 'a drawinG\n');
  assert.equal((await run(1, 'x.asics', '--content', 'in')).problem?.code, 'other-content');
  assert.match(await usage('x.asics', '--require', 'pinned'), /--root/);
});

test('people are told what was delivered and who signed', async (t) => {
  const { folder } = await prepared(t);
  const said = await fit(['verify', 'x.asics', '--content', 'in'], { cwd: folder });
  assert.equal(said.code, 0);
  for (const part of [
    /verdict +good/,
    /of a delivery/,
    /plan 1\.txt, 10 bytes, the file given is the same/,
    /Second Trader/,
  ])
    assert.match(said.stdout, part);
});

test('an altered file, and the arbiter’s word that it is void, make it negative', async (t) => {
  const { folder, run } = await prepared(t);
  const answer = makeVoid(xidOf(record), scene.arbiter.key);
  writeFileSync(join(folder, 'void.asics'), writeAsics(buildDelivery({ ...input, receipt: null, answer })));
  assert.equal((await run(1, 'void.asics')).problem?.code, 'void');
  const enclosed = buildDelivery({ ...input, answer }).find(({ name }) => name === 'answer.cbor');
  assert.ok(enclosed !== undefined);
  write(join(folder, 'out'), [enclosed]);
  assert.equal((await run(1, 'out')).problem?.code, 'void');
  const receipt = join(folder, 'out', 'receipt.txt');
  writeFileSync(receipt, readFileSync(receipt, 'utf8').replace('seconds', 'minutes'));
  assert.equal((await run(1, 'out')).problem?.code, 'altered');
});
