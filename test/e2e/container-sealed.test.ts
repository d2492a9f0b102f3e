/**
 * Encrypted folders through the real programs: who is named opens them, with the daemon, an identity or a passphrase; whoever is
 * not is refused the folder and nothing else; the age tool opens them too.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { generateAgeKey } from '../../src/crypto/age.ts';
import { fromUtf8 } from '../../src/lib/bytes.ts';
import type { ContactResult, WhoamiResult } from '../../src/rpc/agent.ts';
import { needsAge } from '../support/age.ts';
import { commands, endAll, fit, introduce, parsed, runProgram, Trader, temporary } from '../support/traders.ts';

const folder = temporary();
const elm = new Trader(folder, 'elm');
const oak = new Trader(folder, 'oak');
const at = (...names: readonly string[]) => join(folder, ...names);
const environment = { FIT_HOME: at('nobody') };
const { said, refused } = commands({ cwd: folder, env: environment });

interface Unpacked {
  readonly ok: boolean;
  readonly files: number;
  readonly signers: readonly { readonly path: string; readonly name: string; readonly good: boolean }[];
  readonly refused: readonly { readonly path: string; readonly why: string }[];
}

const opened = async (trader: Trader, code: number, ...args: readonly string[]): Promise<Unpacked> => {
  const ran = await trader.fit('unpack', ...args, '--json');
  assert.equal(ran.code, code, ran.stdout + ran.stderr);
  return parsed<Unpacked>(ran);
};

function samePlans(to: string): void {
  for (const name of ['ground.txt', 'roof/north.bin', 'roof/south.txt'])
    assert.deepEqual(readFileSync(at(to, 'plans', name)), readFileSync(at('plans', name)), name);
  assert.deepEqual(readdirSync(at(to, 'plans', 'empty')), []);
}

const NOT_HERE = 'it is encrypted, and there is no key here: name one with --identity, or --sealed-passphrase-file';
const NOT_GIVEN = 'it is encrypted, and what was given does not open it';
let recipient = '';

before(async () => {
  mkdirSync(at('plans', 'roof'), { recursive: true });
  mkdirSync(at('plans', 'empty'));
  writeFileSync(at('plans', 'ground.txt'), 'ground floor\n');
  writeFileSync(at('plans', 'roof', 'north.bin'), Buffer.alloc(200_000, 7));
  writeFileSync(at('plans', 'roof', 'south.txt'), 'south gable\n');
  writeFileSync(at('letter.txt'), 'for everybody\n');
  const [key, other] = [await generateAgeKey(), await generateAgeKey()];
  recipient = key.recipient;
  writeFileSync(at('key.txt'), `# made by a test\n${fromUtf8(key.secret)}\n`, { mode: 0o600 });
  writeFileSync(at('other.txt'), `${fromUtf8(other.secret)}\n`, { mode: 0o600 });
  await Promise.all([elm.init(), oak.init()]);
  await Promise.all([elm.start(), oak.start()]);
  await introduce([elm, oak]);
});
after(endAll);

test('without a key the folder is refused and the rest is taken out; with it all is there', async () => {
  const args = ['pack', 'plans', 'letter.txt', '--out', 'age.fitc', '--attr', 'plans=encrypted'];
  await refused(2, /nobody is named to whom plans is encrypted/, ...args);
  await refused(2, /not an age recipient/, ...args, '--recipient', `${recipient.slice(0, -1)}1`);
  await refused(2, /letter.txt, which is not encrypted/, ...args, '--recipient', `letter.txt=${recipient}`);
  assert.ok(!existsSync(at('age.fitc')));
  await said<Unpacked>(0, ...args, '--recipient', recipient);
  const bytes = readFileSync(at('age.fitc')).toString('latin1');
  for (const secret of ['ground', 'south', 'north', 'roof', recipient]) assert.ok(!bytes.includes(secret), secret);

  const without = await said<Unpacked>(1, 'unpack', 'age.fitc', '--to', 'without');
  assert.deepEqual(without.refused, [{ path: 'plans', why: NOT_HERE }]);
  assert.deepEqual(readdirSync(at('without')), ['letter.txt']);
  const foreign = await said<Unpacked>(1, 'unpack', 'age.fitc', '--to', 'foreign', '--identity', 'other.txt');
  assert.deepEqual(foreign.refused, [{ path: 'plans', why: NOT_GIVEN }]);
  await refused(2, /no file of age identities/, 'unpack', 'age.fitc', '--to', 'x', '--identity', 'letter.txt');

  const all = await said<Unpacked>(
    0,
    'unpack',
    'age.fitc',
    '--to',
    'all',
    '--identity',
    'other.txt',
    '--identity',
    'key.txt',
  );
  assert.deepEqual([all.ok, all.files], [true, 4]);
  samePlans('all');
  assert.deepEqual(readdirSync(at('all')).sort(), ['letter.txt', 'plans'], 'nothing is left beside it');
});

test('a part of an encrypted folder is taken out alone; a part that is shown stays encrypted', async () => {
  await said<Unpacked>(
    0,
    'unpack',
    'age.fitc',
    '--to',
    'part',
    '--only',
    'plans/roof/south.txt',
    '--identity',
    'key.txt',
  );
  assert.deepEqual(readdirSync(at('part')), ['south.txt']);
  const none = await said<Unpacked>(1, 'unpack', 'age.fitc', '--to', 'nopart', '--only', 'plans/roof/south.txt');
  assert.deepEqual(none.refused, [{ path: 'plans', why: NOT_HERE }]);
  await refused(
    3,
    /names nothing/,
    'unpack',
    'age.fitc',
    '--to',
    'x',
    '--only',
    'plans/attic',
    '--identity',
    'key.txt',
  );
  await refused(3, /names nothing/, 'unpack', 'age.fitc', '--as', 'x.fitc', '--only', 'plans/roof');
  await said<Unpacked>(0, 'unpack', 'age.fitc', '--only', 'plans', '--as', 'shown.fitc');
  await said<Unpacked>(0, 'inspect', 'shown.fitc', '--full');
  await said<Unpacked>(0, 'unpack', 'shown.fitc', '--to', 'shown', '--identity', 'key.txt');
  samePlans('shown');
});

test('the age tool opens what is sealed, which is a container', needsAge, async () => {
  await said<Unpacked>(0, 'unpack', 'age.fitc', '--only', 'plans/sealed.age', '--to', 'sealed');
  writeFileSync(at('inner.fitc'), execFileSync('age', ['-d', '-i', at('key.txt'), at('sealed', 'sealed.age')]));
  await said<Unpacked>(0, 'inspect', 'inner.fitc', '--full');
  await said<Unpacked>(0, 'unpack', 'inner.fitc', '--to', 'inner/plans');
  samePlans('inner');
});

test('a passphrase in a file opens what was encrypted under it', async () => {
  writeFileSync(at('secret'), 'seven quiet words\n');
  writeFileSync(at('wrong'), 'six quiet words\n');
  for (const name of ['secret', 'wrong']) chmodSync(at(name), 0o600);
  await refused(
    2,
    /not both/,
    'pack',
    'plans',
    '--out',
    'x',
    '--sealed-passphrase-file',
    'secret',
    '--recipient',
    recipient,
  );
  await said<Unpacked>(0, 'pack', 'plans', 'letter.txt', '--out', 'word.fitc', '--sealed-passphrase-file', 'secret');
  const wrong = await said<Unpacked>(1, 'unpack', 'word.fitc', '--to', 'wrongly', '--sealed-passphrase-file', 'wrong');
  assert.deepEqual(wrong.refused, [{ path: '.', why: NOT_GIVEN }]);
  assert.deepEqual(readdirSync(at('wrongly')), []);
  await said<Unpacked>(0, 'unpack', 'word.fitc', '--to', 'word', '--sealed-passphrase-file', 'secret');
  samePlans('word');
  assert.equal(readFileSync(at('word', 'letter.txt'), 'utf8'), 'for everybody\n');
});

test('what is encrypted to a contact is opened by its daemon, and by no other', async () => {
  const me = await oak.ok<WhoamiResult>('whoami');
  const shown = await elm.ok<ContactResult>('contact', 'show', 'oak');
  assert.match(me.recipient ?? '', /^age1/);
  assert.equal(shown.recipient, me.recipient);
  const args = ['--attr', 'plans=encrypted,signed', '--attr', 'plans/roof=signed', '--recipient', 'plans=oak'];
  await elm.ok('pack', 'plans', 'letter.txt', '--out', 'oak.fitc', ...args, ...elm.pw);
  await elm.fails(3, 'pack', 'plans', '--out', 'x.fitc', '--recipient', 'nobody');

  const got = await opened(oak, 0, 'oak.fitc', '--to', 'oaks');
  samePlans('oaks');
  assert.deepEqual(
    got.signers.map(({ path, name, good }) => [path, name, good]),
    [
      ['plans', 'Trader elm', true],
      ['plans/roof', 'Trader elm', true],
    ],
  );
  const strict = await opened(oak, 1, 'oak.fitc', '--to', 'strict', '--signer', '0'.repeat(64));
  assert.deepEqual(strict.refused, [{ path: 'plans', why: 'it is signed by somebody else than was asked for' }]);
  const packers = await opened(elm, 1, 'oak.fitc', '--to', 'elms');
  assert.deepEqual(packers.refused, [{ path: 'plans', why: 'it is encrypted, and not to you' }]);

  await oak.ok('lock');
  const locked = await opened(oak, 1, 'oak.fitc', '--to', 'locked');
  assert.deepEqual(locked.refused, [{ path: 'plans', why: 'it is encrypted, and the keys are locked: fit unlock' }]);
  await oak.ok('unlock', ...oak.pw);
});

test('an encrypted folder in what is delivered is opened where it is received', async () => {
  const { deal } = await elm.ok<{ readonly deal: string }>(
    'send',
    at('oak.fitc'),
    '--to',
    'oak',
    '--no-wait',
    ...elm.pw,
  );
  await oak.waitFor(deal, ['offered']);
  await oak.ok('deal', 'receive', deal, '--to', at('delivered'), '--unpack', ...oak.pw);
  samePlans('delivered');
});

test('a receipt is signed for what was opened and compared, inside and outside, and for nothing else', async () => {
  const args = ['--attr', 'plans=encrypted,receipt', '--attr', 'plans/roof=receipt'];
  const me = (await oak.ok<WhoamiResult>('whoami')).recipient ?? '';
  await said<Unpacked>(0, 'pack', 'plans', '--out', 'receipts.fitc', ...args, '--recipient', me);
  const without = await opened(oak, 1, 'receipts.fitc', '--to', 'unreceipted');
  assert.deepEqual(without.refused, [{ path: 'plans', why: 'it is given for a signed receipt only' }]);
  const blind = await elm.fails(
    2,
    'unpack',
    'receipts.fitc',
    '--to',
    'blind',
    '--receipt',
    'blind-receipts',
    ...elm.pw,
  );
  assert.match(blind.stderr, /no receipt was signed: plans: it is encrypted, and not to you/);
  assert.ok(!existsSync(at('blind-receipts')));
  await opened(oak, 0, 'receipts.fitc', '--to', 'receipted', '--receipt', 'receipts', ...oak.pw);
  samePlans('receipted');
  assert.match(readFileSync(at('receipts', '1.txt'), 'utf8'), /\npath: +plans\n/);
  assert.match(readFileSync(at('receipts', '2.txt'), 'utf8'), /\npath: +roof\n/);
});

test('a changed byte refuses the folder, and nothing of it appears', async () => {
  const bytes = readFileSync(at('age.fitc'));
  const begin = bytes.indexOf('age-encryption.org');
  for (const place of [begin, begin + 40, begin + 160, begin + 220, begin + 66_000, bytes.length - 1]) {
    const copy = Buffer.from(bytes);
    copy[place] = (copy[place] ?? 0) ^ 1;
    writeFileSync(at('changed.fitc'), copy);
    const to = `changed-${place - begin}`;
    const out = await said<Unpacked>(1, 'unpack', 'changed.fitc', '--to', to, '--identity', 'key.txt');
    assert.deepEqual(
      out.refused,
      [{ path: 'plans', why: 'its content is not what it was packed with' }],
      `${place - begin}`,
    );
    assert.deepEqual(readdirSync(at(to)), ['letter.txt']);
  }
});

test('a program that is killed while it decrypts leaves no plaintext', async () => {
  mkdirSync(at('large'));
  writeFileSync(at('large', 'zeros'), '');
  truncateSync(at('large', 'zeros'), 48 * 1024 * 1024);
  await said<Unpacked>(0, 'pack', 'large', '--out', 'large.fitc', '--recipient', recipient);
  mkdirSync(at('killed'));
  const ran = await fit(['unpack', 'large.fitc', '--to', 'killed', '--identity', 'key.txt'], {
    cwd: folder,
    env: environment,
    meanwhile: (child) => {
      // Once for the name that it is made under, once for its end, which comes before the first byte.
      let seen = 0;
      const watcher = watch(at('killed'), (_, name) => {
        if (name?.startsWith('.fit-unpack-') === true) seen += 1;
        if (seen === 2) child.kill('SIGKILL');
      });
      child.once('close', () => watcher.close());
    },
  });
  assert.equal(ran.code, 137, ran.stderr);
  assert.deepEqual(readdirSync(at('killed')), []);
});

test('a full disk leaves nothing under its name, encrypted or not', async () => {
  const limited = (...args: readonly string[]) =>
    runProgram('prlimit', ['--fsize=150000', process.execPath, resolve('bin/fit'), ...args], {
      cwd: folder,
      env: environment,
    });
  await said<Unpacked>(0, 'pack', 'plans', '--out', 'plain.fitc');
  for (const [file, ...args] of [['plain.fitc'], ['age.fitc', '--identity', 'key.txt']] as const) {
    const ran = await limited('unpack', file, '--to', 'full', ...args);
    assert.equal(ran.code, 70, ran.stderr);
    assert.match(ran.stderr, /no room for/);
    assert.deepEqual(readdirSync(at('full')), []);
  }
  const packed = await limited('pack', 'plans', '--out', 'full.fitc', '--recipient', recipient);
  assert.match(packed.stderr, /no room for/);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('full.fitc')),
    [],
  );
});
