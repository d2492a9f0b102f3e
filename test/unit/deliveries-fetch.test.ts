// Fetching: room, a full disk, the rate, stopping and going on, many files and their names.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDocument } from '../../src/commerce/document.ts';
import { chunksOf } from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import type { ContentTerms, FileTerms } from '../../src/exchange/terms.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { DEAL, ELM, isCode, MIB, note, OAK, offered, side, until } from '../support/delivery-sides.ts';
import { ManualClock } from '../support/manual-clock.ts';

test('room is counted once: what was accepted before and is not here yet needs its own', async (t) => {
  const it = await offered(t, [randomBytes(100)]);
  const { bavail, bsize } = await statfs(it.oak.folder);
  const bytes = Math.floor(bavail * bsize * 0.3);
  const files = [{ name: 'film.bin', size: bytes, sha256: OAK }];
  const content: ContentTerms = { root: ELM, bytes, chunks: chunksOf(bytes), credential: null, files };
  await it.oak.deliveries.checkRoom(content);
  const text = note(content);
  const document = toHex(sha256(text));
  it.oak.documents.set(document, text);
  const { ops } = await it.oak.deliveries.accept(document, DEAL, toHex(ELM), null);
  await it.oak.archive.batch(ops);
  await it.oak.deliveries.checkRoom(content);
  const other = { ...content, root: OAK };
  await assert.rejects(it.oak.deliveries.checkRoom(other), isCode('disk-full'));
  it.oak.set('declined', it.digest);
  await it.oak.deliveries.checkRoom(other);
});

/** No file of this process may grow beyond this: the nearest to a full disk that needs no disk of its own. */
const limitFiles = (bytes: number | 'unlimited'): void =>
  void execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);

test('a full disk while fetching: told, nothing lost, and it goes on when there is room', async (t) => {
  const content = randomBytes(6 * MIB);
  const it = await offered(t, [content]);
  limitFiles(2.5 * MIB);
  t.after(() => limitFiles('unlimited'));
  await it.accept();
  await until('told', async () => /no space/.test((await it.view()).trouble ?? ''), it.clock);
  const { size } = await stat(it.oak.contents.sealed(await it.folderOf(it.oak)));
  assert.ok(size <= 2.5 * MIB && size >= 2 * MIB, `${size}`);
  limitFiles('unlimited');
  const before = it.chunksAsked().length;
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  assert.equal((await it.view()).trouble, null);
  assert.ok((it.chunksAsked()[before]?.from ?? 0) >= 32, 'what was there is not asked for again');
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  limitFiles(3 * MIB);
  await assert.rejects(it.opened(), isCode('disk-full'));
  assert.match((await it.view()).trouble ?? '', /no space/);
  limitFiles('unlimited');
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  assert.equal((await it.view()).trouble, null);
  assert.deepEqual(await it.files(), [content]);
});

test('a limit of the rate is kept, also when its sender comes and goes', async (t) => {
  const it = await offered(t, [randomBytes(8 * MIB)]);
  const begun = it.clock.now();
  await it.accept(MIB);
  const seen: (readonly [seconds: number, mib: number])[] = [];
  await until(
    'fetched',
    async () => {
      it.oak.deliveries.wake();
      const { phase, done } = await it.view();
      seen.push([(it.clock.now() - begun) / 1000, done / MIB]);
      return phase === 'fetched';
    },
    it.clock,
  );
  const took = (it.clock.now() - begun) / 1000;
  assert.ok(took >= 7 && took <= 9, `${took} s`);
  for (const [at, done] of seen) assert.ok(done <= at + 1.1, `${done} MiB after ${at} s`);

  const unlimited = await offered(t, [randomBytes(2 * MIB)]);
  const then = unlimited.clock.now();
  await unlimited.accept();
  await until('fetched', async () => (await unlimited.phase()) === 'fetched');
  assert.equal(unlimited.clock.now(), then, 'without a limit nothing waits for the clock');
});

test('a receiver that stops and goes on asks for nothing twice; a broken link costs what was under way', async (t) => {
  const content = randomBytes(24 * MIB);
  const it = await offered(t, [content]);
  let slow: (() => void)[] = [];
  let held = false;
  it.oak.wire.request = (_, body) => {
    const reply = it.serve(body);
    return held ? new Promise((go) => slow.push(() => go(reply))) : reply;
  };
  await it.accept();
  for (let stops = 1; stops <= 3; stops += 1) {
    await until('some of it', async () => (await it.view()).done > stops * 4 * MIB, it.clock);
    held = true;
    await until('replies on their way', () => slow.length > 0, it.clock);
    // Stopped with replies on their way, and started again before they are there.
    it.oak.deliveries.pause();
    await it.oak.deliveries.resume();
    held = false;
    for (const go of slow) go();
    slow = [];
  }
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  const asked = it.chunksAsked().flatMap(({ from, count }) => Array.from({ length: count }, (_, at) => from + at));
  assert.deepEqual(asked, [...new Set(asked)], 'a chunk was asked for twice');
  assert.equal(asked.length, it.made.content.chunks);
  assert.equal(it.oak.asked.filter((one) => one.kind === 'leaves').length, 1);

  const other = await offered(t, [content]);
  let broken = false;
  other.oak.wire.request = async (request, body) => {
    if (!broken && request.kind === 'chunks' && request.from >= 192) {
      broken = true;
      throw new Error('the link broke');
    }
    return other.serve(body);
  };
  await other.accept();
  await until('fetched', async () => (await other.phase()) === 'fetched', other.clock);
  const sum = other.chunksAsked().reduce((all, one) => all + one.count, 0);
  // At most four replies of 16 chunks: under 1 % of all deliveries of 400 MiB and more.
  assert.ok(sum - other.made.content.chunks <= 4 * 16, `${sum - other.made.content.chunks} chunks twice`);
});

test('400 files are one delivery, and come back each as it was', async (t) => {
  const contents = Array.from({ length: 400 }, (_, at) => randomBytes(at % 7 === 0 ? 0 : at * 11));
  const names = contents.map((_, at) => `report of the month, part ${at}.pdf`);
  const it = await offered(t, contents, names);
  assert.equal(parseDocument(note(it.made.content)).terms.content?.files.length, 400);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  assert.deepEqual(await it.files(), contents);
  assert.deepEqual(
    (await it.view()).files.map((one) => one.name),
    names,
  );
  const long = contents.map((_, at) => `${'a'.repeat(100)}${at}`);
  await assert.rejects(it.elm.deliveries.make(DEAL, it.paths, long), /no room for the names of these 400 files/);
});

const BAD_NAMES = [
  ...[
    '..',
    '.',
    '',
    'a/b',
    '../a',
    'a\\b',
    '/etc/passwd',
    'C:a',
    'a.',
    'a ',
    ' a',
    '.hidden',
    '-rf',
    'a\0b',
    'a\nb',
    'a\tb',
  ],
  ...[
    'a\u001b[2Jb',
    'a\u202eb',
    'a\u200bb',
    'e\u0301',
    'CON',
    'nul.txt',
    'Com1.log',
    'lpt9',
    'aux',
    'clock$',
    'a?',
    'a*',
    'a|b',
    'a<b',
    'a"b',
  ],
  ...['a'.repeat(201), 'é'.repeat(101), 'a'.repeat(192)],
];

test('names that some system does not take are refused at both ends before anything is signed', async (t) => {
  const clock = new ManualClock();
  const elm = await side(t, clock, ELM, OAK);
  const path = join(elm.folder, 'file');
  await writeFile(path, 'content');
  const file = (name: string): FileTerms => ({ name, size: 7, sha256: sha256(utf8('content')) });
  const noteOfNames = (...names: readonly string[]): Uint8Array =>
    note({ root: OAK, bytes: 7 * names.length, chunks: 1, credential: null, files: names.map(file) });
  for (const name of BAD_NAMES) {
    const what = JSON.stringify(name);
    await assert.rejects(elm.deliveries.make(DEAL, [path], [name]), (error) => {
      assert.ok(isCode('bad-file')(error) && error instanceof FitError, what);
      assert.match(error.message, /not every system takes/);
      assert.match(error.message, /^[\x20-\x7e…é]*$/, 'a terminal takes the message');
      assert.match(error.hint ?? '', /200 bytes/);
      return true;
    });
    assert.throws(() => parseDocument(noteOfNames(name)), isCode('bad-document'), what);
  }
  for (const [one, other] of [
    ['a.txt', 'A.TXT'],
    ['straße', 'STRASSE'],
    ['ﬁle', 'file'],
    ['same', 'same'],
    ['K', 'K'],
  ] as const) {
    await assert.rejects(
      elm.deliveries.make(DEAL, [path, path], [one, other]),
      /one name on some systems|not every system/,
    );
    assert.throws(() => parseDocument(noteOfNames(one, other)), isCode('bad-document'), `${one} ${other}`);
  }
  assert.deepEqual(await elm.folders(), []);
  await assert.rejects(elm.deliveries.make(DEAL, [path], ['a'.repeat(161)]), /not every system takes/);
  for (const name of ['a'.repeat(160), 'é'.repeat(100), 'a b.tar.gz', 'console.txt', 'com10', '契約書.pdf', 'a..b'])
    assert.equal(parseDocument(noteOfNames(name)).terms.content?.files[0]?.name, name);
  assert.throws(
    () => parseDocument(noteOfNames(...Array.from({ length: 401 }, (_, at) => `f${at}`))),
    isCode('bad-document'),
  );
});
