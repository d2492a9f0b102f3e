/** `fit verify` on the evidence of a swap and of a credential: the built program, offline, without a home; openssl agrees. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { unzipSync } from 'fflate';
import { saltOf } from '../../src/crypto/content.ts';
import { writeAsics } from '../../src/evidence/asics.ts';
import type { EvidenceFile } from '../../src/evidence/bundle.ts';
import { buildSwap } from '../../src/evidence/swap.ts';
import type { Verdict } from '../../src/evidence/verify.ts';
import { makeVoid } from '../../src/exchange/answers.ts';
import { xidOf } from '../../src/exchange/record.ts';
import { makeScene } from '../support/evidence.ts';
import { makeSwap, SEED } from '../support/evidence-swap.ts';
import { openssl } from '../support/openssl.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { fit } from '../support/traders.ts';

const scene = await makeScene();
const swap = makeSwap(scene);

function write(folder: string, list: readonly EvidenceFile[]): void {
  for (const { name, data } of list) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), data);
  }
}

/** A folder with the evidence in both forms, what each side gave, and all of it in one. */
async function prepared(t: TestContext) {
  const folder = await temporaryFolder(t);
  const files = buildSwap(swap.input);
  write(join(folder, 'out'), files);
  writeFileSync(join(folder, 'x.asics'), writeAsics(files));
  for (const role of ['O', 'R'] as const) write(join(folder, role), swap.files[role]);
  write(join(folder, 'both'), [...swap.files.O, ...swap.files.R]);
  const run = async (expected: number, ...args: readonly string[]): Promise<Verdict> => {
    const said = await fit(['verify', ...args, '--json'], { cwd: folder });
    assert.equal(said.code, expected, said.stdout + said.stderr);
    return JSON.parse(said.stdout) as Verdict;
  };
  return { folder, run };
}

const compared = (verdict: Verdict): readonly string[] =>
  verdict.files.filter((file) => file.compared).map((file) => file.name);

test('container and folder are good; what either side gave is compared', async (t) => {
  const { folder, run } = await prepared(t);
  for (const evidence of ['x.asics', 'out']) {
    const plain = await run(0, evidence);
    assert.deepEqual([plain.proof, plain.signers.length, compared(plain)], ['swap', 2, []]);
    assert.deepEqual(compared(await run(0, evidence, '--content', 'O')), ['plan 1.txt', 'empty.bin']);
    assert.deepEqual(compared(await run(0, evidence, '--content', 'R')), ['licence.txt']);
    assert.equal(compared(await run(0, evidence, '--content', 'both')).length, 3);
    assert.deepEqual(compared(await run(0, evidence, '--content', join('O', 'plan 1.txt'))), ['plan 1.txt']);
    assert.equal(
      (await run(1, evidence, '--content', 'out')).problem?.code,
      'unreadable',
      'a folder with none of them',
    );
    assert.equal((await run(1, evidence, '--content', 'x.asics')).problem?.code, 'other-content');
    assert.ok((await run(0, evidence, '--require', 'pinned', '--root', join('out', 'certificates.pem'))).ok);
  }
  writeFileSync(join(folder, 'O', 'plan 1.txt'), 'a drawinG\n');
  assert.equal((await run(1, 'x.asics', '--content', 'O')).problem?.code, 'other-content');
});

test('people are told what was given by whom, that it is a credential, and who signed', async (t) => {
  const { folder } = await prepared(t);
  const said = await fit(['verify', 'x.asics', '--content', 'R'], { cwd: folder });
  assert.equal(said.code, 0, said.stderr);
  for (const part of [
    /verdict +good/,
    /of a swap/,
    /licence\.txt by [\w-]+, 9 bytes, the file given is the same/,
    /plan 1\.txt by [\w-]+, 10 bytes\n/,
    /credential +[\w-]+ gives a token\n/,
    /First Trader/,
    /Second Trader/,
  ])
    assert.match(said.stdout, part);
});

test('⚔ a side whose note names another digest than its files have is shown by files and salts', async (t) => {
  const { folder, run } = await prepared(t);
  for (const [role, other] of [
    ['O', 'R'],
    ['R', 'O'],
  ] as const) {
    const lie = makeSwap(scene, { misdescribed: role });
    writeFileSync(join(folder, 'lie.asics'), writeAsics(buildSwap(lie.input)));
    writeFileSync(join(folder, 'salts'), saltOf(SEED, 0));
    writeFileSync(join(folder, 'other.salts'), saltOf(SEED, 1));
    const judged = async (...args: readonly string[]) => (await run(1, 'lie.asics', ...args)).problem?.code;
    assert.equal(await judged('--content', role), 'other-content');
    assert.equal(await judged('--content', role, '--salts', 'salts'), 'misdescribed');
    assert.equal(await judged('--content', role, '--salts', 'other.salts'), 'other-content');
    assert.equal(await judged('--content', role, '--salts', 'nowhere'), 'unreadable');
    assert.deepEqual(compared(await run(0, 'lie.asics', '--content', other)).length, swap.files[other].length);
  }
});

test('an altered statement, and the arbiter’s word that it is void, make it negative', async (t) => {
  const { folder, run } = await prepared(t);
  const cheat = makeSwap(scene, { wrong: 'R' });
  const answer = makeVoid(xidOf(cheat.record), scene.arbiter.key);
  const origins = { O: null, R: cheat.input.origins.R };
  const voided = buildSwap({ ...cheat.input, origins, answer, proof: cheat.proof('R') });
  writeFileSync(join(folder, 'void.asics'), writeAsics(voided));
  write(join(folder, 'void'), voided);
  for (const evidence of ['void.asics', 'void']) assert.equal((await run(1, evidence)).problem?.code, 'void');
  // Of a whole swap too, whoever puts the word beside it.
  cpSync(join(folder, 'out'), join(folder, 'shown'), { recursive: true });
  const own = buildSwap({ ...swap.input, answer: makeVoid(xidOf(swap.record), scene.arbiter.key) });
  write(
    join(folder, 'shown'),
    own.filter(({ name }) => name === 'answer.cbor'),
  );
  assert.equal((await run(1, 'shown')).problem?.code, 'void');
  const statement = join(folder, 'out', 'origin-responder.txt');
  writeFileSync(statement, readFileSync(statement, 'utf8').replace('seconds', 'minutes'));
  assert.equal((await run(1, 'out')).problem?.code, 'altered');
});

test('openssl verifies both statements as the README says, from a folder and from the container', async (t) => {
  const { folder } = await prepared(t);
  const unpacked = unzipSync(readFileSync(join(folder, 'x.asics')));
  write(
    join(folder, 'zip'),
    Object.entries(unpacked).map(([name, data]) => ({ name, data })),
  );
  const readme = readFileSync(join(folder, 'out', 'README.txt'), 'utf8');
  const commands = readme.replaceAll('\\\n', '').match(/openssl cms .*/g) ?? [];
  assert.equal(commands.length, 4);
  for (const [at, command] of commands.entries()) {
    const [, ...args] = command.split(/ +/);
    // The evidence of these tests was signed at a time that openssl does not know.
    const time = ['-attime', String(swap.record.signingTime)];
    const said = openssl([...args, ...time], { cwd: join(folder, at < 2 ? 'out' : 'zip') });
    assert.ok(said.ok, `${command}: ${said.text}`);
  }
});
