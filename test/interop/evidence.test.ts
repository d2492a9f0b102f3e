/** Evidence as a court's expert sees it: files, `openssl`, a ZIP program, and none of our software. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { unzipSync } from 'fflate';
import { writeAsics } from '../../src/evidence/asics.ts';
import { buildEvidence, type EvidenceFile } from '../../src/evidence/bundle.ts';
import { buildDelivery } from '../../src/evidence/delivery.ts';
import { makeVoid } from '../../src/exchange/answers.ts';
import { xidOf } from '../../src/exchange/record.ts';
import { fromUtf8 } from '../../src/lib/bytes.ts';
import { makeContract, makeScene, NOW } from '../support/evidence.ts';
import { makeDelivery } from '../support/evidence-delivery.ts';
import { issue } from '../support/identities.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { temporaryFolder } from '../support/temporary.ts';

const scene = await makeScene();

function write(folder: string, files: readonly EvidenceFile[]): void {
  for (const { name, data } of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, data);
  }
}

/** The commands of the README, as they stand there, with the time of the signature as the time to check for. */
function commands(readme: string): readonly string[][] {
  return readme
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([program]) => program === 'openssl')
    .map(([, ...args]) => (args[1] === '-verify' ? [...args, '-attime', String(NOW)] : args));
}

const chained = () => {
  const root = issue({ name: 'Root', ca: true });
  const middle = issue({ name: 'Middle', ca: true, issuer: root });
  const author = issue({ name: 'First', issuer: middle });
  return makeContract({ ...scene, author }, { extra: [root.certificate, middle.certificate] });
};

/** Of a delivery that the arbiter voided: no receipt. */
const voided = () => {
  const { input, record } = makeDelivery(scene);
  return buildDelivery({ ...input, receipt: null, answer: makeVoid(xidOf(record), scene.arbiter.key) });
};

/** `signatures`: how many there are; each is verified in the folder and in the container. */
for (const [what, make, signed, signatures] of [
  ['a contract', () => buildEvidence(makeContract(scene).input), 'contract.md', 1],
  ['a contract with issued certificates', () => buildEvidence(chained().input), 'contract.md', 1],
  ['an affidavit', () => buildEvidence(makeContract(scene, { mode: 'affidavit' }).input), 'affidavit.txt', 1],
  ['a delivery', () => buildDelivery(makeDelivery(scene).input), 'receipt.txt', 2],
  ['a delivery that is void', voided, 'origin.txt', 1],
] as const) {
  test(
    `openssl verifies ${what} by the commands of its README, in the folder and in the container`,
    needsOpenssl,
    async (t) => {
      const files = make();
      const folder = await temporaryFolder(t);
      const unpacked = await temporaryFolder(t);
      write(folder, files);
      write(
        unpacked,
        Object.entries(unzipSync(writeAsics(files))).map(([name, data]) => ({ name, data })),
      );
      const readme = readFileSync(join(folder, 'README.txt'), 'utf8');
      let verified = 0;
      for (const args of commands(readme).filter((one) => !one.includes('FILE'))) {
        const inContainer = args.some((arg) => arg.startsWith('META-INF/'));
        const said = openssl(args, { cwd: inContainer ? unpacked : folder });
        assert.ok(said.ok, `${args.join(' ')}: ${said.text}`);
        if (args[1] === '-verify') {
          assert.match(said.text, /CAdES Verification successful/);
          verified += 1;
        }
      }
      assert.equal(verified, 2 * signatures);
      const path = join(folder, signed);
      writeFileSync(path, readFileSync(path, 'utf8').replace('e', 'a'));
      const changed = commands(readme).find((args) => args[1] === '-verify');
      assert.ok(changed !== undefined && !openssl(changed, { cwd: folder }).ok, 'a changed text');
    },
  );
}

test('both statements name the note as openssl does, and the note its files', needsOpenssl, async (t) => {
  const { input, files } = makeDelivery(scene);
  const folder = await temporaryFolder(t);
  write(folder, [...buildDelivery(input), ...files]);
  const digest = (name: string) =>
    /= ([0-9a-f]{64})/.exec(openssl(['dgst', '-sha256', name], { cwd: folder }).text)?.[1];
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  for (const name of ['receipt.txt', 'origin.txt'])
    assert.ok(read(name).includes(`delivery note: ${digest('delivery.md') ?? 'none'}`), name);
  for (const { name } of files) assert.ok(read('delivery.md').includes(digest(name) ?? 'none'), name);
});

test('the exact command of the manual, and the fingerprints, are right', needsOpenssl, async (t) => {
  const { input, document } = makeContract(scene);
  const folder = await temporaryFolder(t);
  write(folder, buildEvidence(input));
  const command =
    'cms -verify -cades -binary -inform der -in contract.p7s -content contract.md -CAfile certificates.pem -attime';
  const said = openssl([...command.split(' '), String(NOW)], { cwd: folder });
  assert.ok(said.ok, said.text);
  assert.ok(said.text.startsWith(fromUtf8(document.bytes)), 'and prints the very text');
  const printed = openssl(['x509', '-noout', '-fingerprint', '-sha256', '-in', 'certificates.pem'], { cwd: folder });
  const fingerprint = /Fingerprint=([0-9A-F:]+)/.exec(printed.text)?.[1]?.replaceAll(':', '').toLowerCase();
  assert.ok(readFileSync(join(folder, 'README.txt'), 'utf8').includes(fingerprint ?? 'none'));
});

const python = spawnSync('python3', ['-c', 'import zipfile']).status === 0 ? {} : { skip: 'python3 is not installed' };

test('another ZIP program reads the container', python, async (t) => {
  const folder = await temporaryFolder(t);
  const script =
    'import zipfile; z = zipfile.ZipFile("deal.asics"); assert z.testzip() is None; print("\\n".join(z.namelist()))';
  const list = (files: readonly EvidenceFile[]) => {
    writeFileSync(join(folder, 'deal.asics'), writeAsics(files));
    const done = spawnSync('python3', ['-c', script], { cwd: folder, encoding: 'utf8', timeout: 20_000 });
    assert.equal(done.status, 0, done.stderr);
    return done.stdout.trim().split('\n');
  };
  assert.deepEqual(list(buildDelivery(makeDelivery(scene).input)), [
    'mimetype',
    'receipt.txt',
    'META-INF/signature.p7s',
    'META-INF/fit/delivery.md',
    'META-INF/fit/origin.txt',
    'META-INF/fit/origin.p7s',
    'META-INF/fit/record.cbor',
    'META-INF/fit/certificates.pem',
    'META-INF/fit/log.jsonl',
    'META-INF/fit/README.txt',
  ]);
  assert.deepEqual(list(buildEvidence(makeContract(scene).input)), [
    'mimetype',
    'contract.md',
    'META-INF/signature.p7s',
    'META-INF/fit/certificates.pem',
    'META-INF/fit/log.jsonl',
    'META-INF/fit/README.txt',
    'META-INF/fit/attachments/plan 1.txt',
  ]);
});
