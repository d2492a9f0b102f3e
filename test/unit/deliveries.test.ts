// Deliveries between two traders over a link that tests break, on the built worker: damage made good, what stays behind, a full
// disk, the rate, resuming, names.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { type Deal, type DealState, newDeal } from '../../src/commerce/deal.ts';
import { parseDocument } from '../../src/commerce/document.ts';
import { noteOf } from '../../src/commerce/note.ts';
import { chunksOf, HASH_BYTES, SEALED_CHUNK_BYTES } from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { type BulkRequest, decodeBulkReply, decodeBulkRequest, encodeBulkRequest } from '../../src/daemon/bulk.ts';
import type { Consent } from '../../src/daemon/consents.ts';
import { createContentStore } from '../../src/daemon/content-store.ts';
import { createContentWork } from '../../src/daemon/content-work.ts';
import { createDeliveries } from '../../src/daemon/deliveries.ts';
import { createEvents } from '../../src/daemon/events.ts';
import { joinFrontMatter } from '../../src/exchange/document.ts';
import type { ExchangeRecord } from '../../src/exchange/record.ts';
import { type ContentTerms, exchangedItems, type FileTerms, type Terms } from '../../src/exchange/terms.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { withResolvers } from '../../src/p2p/polyfill.ts';
import type { FitEvent } from '../../src/rpc/agent.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';

const worker = pathToFileURL(resolve('dist/content-worker.js'));
const isCode = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;
const MIB = 2 ** 20;
const ELM = new Uint8Array(32).fill(0xe1);
const OAK = new Uint8Array(32).fill(0x0a);
const DEAL = '0123456789ab'.replaceAll(/[ilou]/g, 'x');

function note(content: ContentTerms): Uint8Array {
  const parties = [
    { role: 'sender', name: 'Elm', certificate: ELM },
    { role: 'receiver', name: 'Oak', certificate: OAK },
  ] as const;
  const terms: Terms = {
    format: 'delivery/1',
    content,
    other: null,
    want: null,
    title: 'Delivery',
    deal: DEAL,
    references: [],
    parties,
    arbiter: { name: 'Notary', certificate: sha256(utf8('T')), terms: sha256(utf8('terms')), mode: 'invisible' },
    transfer: null,
    items: exchangedItems('delivery/1', parties),
    check: 'window=3600',
    offerUntil: 1_900_000_000,
    notAfter: 1_900_100_000,
    margin: 3600,
    attachments: [],
  };
  return utf8(joinFrontMatter(terms, noteOf(content, 3600)));
}

/** One trader's side: real archive, worker and files; deals, consents and contacts are what the test says. */
async function side(t: TestContext, clock: ManualClock, us: Uint8Array, them: Uint8Array) {
  const folder = await temporaryFolder(t);
  const root = join(folder, 'content');
  const archive = await createArchive(createMemoryStore(), { spoolKey: new Uint8Array(32).fill(1) });
  archive.unlock(new Uint8Array(32).fill(2));
  const contents = createContentStore(archive, root);
  const work = createContentWork(worker);
  t.after(() => work.close());
  const events = createEvents(clock);
  const told: FitEvent[] = [];
  events.listen(undefined, (event) => told.push(event));
  const deals = new Map<string, Deal>();
  const documents = new Map<string, Uint8Array>();
  let consents: readonly Pick<Consent, 'deal' | 'status' | 'document'>[] = [];
  const posted: number[] = [];
  const asked: BulkRequest[] = [];
  const wire = {
    request: async (_: BulkRequest, __: Uint8Array): Promise<Uint8Array> => Promise.reject(new Error('no link')),
  };
  const make = () =>
    createDeliveries(
      {
        archive,
        store: {
          get: (id) => deals.get(id),
          fetch: async (_, digest) => documents.get(digest) ?? assert.fail('no such document'),
        },
        consents: { of: (deal) => consents.filter((one) => one.deal === deal) },
        contacts: { peerOf: () => 'peer' },
        link: {
          async request(_, __, ___, body) {
            const request = decodeBulkRequest(body);
            asked.push(request);
            return wire.request(request, body);
          },
        },
        clock,
        log: silentLogger,
        events,
        rng: systemRng,
        outbox: () => ({
          post: () => ({ ops: [], posted: () => void posted.push(0) }),
        }),
      },
      contents,
      work,
    );
  const one = {
    folder,
    root,
    archive,
    contents,
    told,
    documents,
    asked,
    wire,
    us,
    deliveries: make(),
    /** A daemon that starts again over the same archive and files. */
    async restart() {
      one.deliveries.pause();
      one.deliveries = make();
      await one.deliveries.resume();
    },
    get posts() {
      return posted.length;
    },
    pending(deal: string, document: string | undefined) {
      consents = document === undefined ? [] : [{ deal, document, status: 'pending' }];
    },
    /** The deal comes into a state, as its writes tell it. */
    set(state: DealState, document: Uint8Array) {
      const version = { number: 1, document, arbiterCard: OAK, by: ELM, offerUntil: 0, transaction: OAK, time: 0 };
      deals.set(DEAL, { ...newDeal(DEAL, us, them), state, versions: [version] });
      events.emit({ kind: 'message', deal: DEAL, state });
    },
    folders: async () => (await readdir(root).catch(() => [])).toSorted(),
  };
  t.after(() => one.deliveries.pause());
  return one;
}

/** Waits for what happens between threads and files; with `clock` time passes while something waits for it. */
async function until(what: string, holds: () => boolean | Promise<boolean>, clock?: ManualClock): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    if (clock !== undefined && clock.timers > 0) await clock.pass(100);
    await new Promise((next) => setImmediate(next));
  }
}

/** Elm has offered `contents`; oak's daemon can ask elm's. */
async function offered(t: TestContext, contents: readonly Uint8Array[], names?: readonly string[]) {
  const clock = new ManualClock();
  const [elm, oak] = [await side(t, clock, ELM, OAK), await side(t, clock, OAK, ELM)];
  const paths = await Promise.all(
    contents.map(async (content, index) => {
      const path = join(elm.folder, `file-${index}.bin`);
      await writeFile(path, content);
      return path;
    }),
  );
  await elm.deliveries.resume();
  await oak.deliveries.resume();
  const made = await elm.deliveries.make(DEAL, paths, names);
  const text = note(made.content);
  const { digest } = parseDocument(text);
  const document = toHex(digest);
  for (const one of [elm, oak]) {
    one.documents.set(document, text);
    one.set('offered', digest);
  }
  await elm.archive.batch([made.keep(document, DEAL)]);
  const serve = (body: Uint8Array) =>
    elm.deliveries.serve({ peer: 'oak', certificate: toHex(OAK) } as Parameters<typeof elm.deliveries.serve>[0], body);
  oak.wire.request = async (_, body) => serve(body);
  const record = { document: digest } as ExchangeRecord;
  const folderOf = async (one: typeof elm) =>
    ((await one.contents.in(document)) ?? (await one.contents.out(document)))?.folder ?? assert.fail('no record');
  return {
    clock,
    elm,
    oak,
    made,
    paths,
    document,
    digest,
    record,
    serve,
    folderOf,
    async accept(rate: number | null = null) {
      const { ops, begin } = await oak.deliveries.accept(document, DEAL, toHex(ELM), rate);
      await oak.archive.batch(ops);
      begin();
    },
    view: async (one = oak) => (await one.deliveries.view(document)) ?? assert.fail('no view'),
    async phase() {
      return (await oak.deliveries.view(document))?.phase;
    },
    opened: async () => oak.deliveries.open(record, await elm.deliveries.key(record)),
    async files() {
      const folder = await folderOf(oak);
      return Promise.all(contents.map((_, index) => readFile(oak.contents.file(folder, index))));
    },
    chunksAsked: () => oak.asked.flatMap((one) => (one.kind === 'chunks' ? [one] : [])),
  };
}

const changeByte = async (path: string, at: number): Promise<void> => {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
};

test('damage on our own disk while the key was on its way is made good: fetched again, and then it is right', async (t) => {
  const contents = [randomBytes(3 * MIB + 5), randomBytes(10)];
  const it = await offered(t, contents);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  const folder = await it.folderOf(it.oak);
  await changeByte(it.oak.contents.sealed(folder), 2 * SEALED_CHUNK_BYTES + 100);
  // The sender is away first.
  let away = true;
  it.oak.wire.request = async (_, body) => (away ? Promise.reject(new Error('away')) : it.serve(body));
  const opening = it.opened();
  await until('it is told', async () => (await it.view()).trouble === 'the sender is away', it.clock);
  assert.equal(await it.phase(), 'fetching');
  away = false;
  await until('again', async () => (await it.phase()) !== 'fetching', it.clock);
  assert.deepEqual(await opening, { kind: 'right', trouble: null });
  assert.deepEqual(
    (await it.files()).map((file) => toHex(sha256(file))),
    contents.map((content) => toHex(sha256(content))),
  );
  assert.equal(it.oak.told.filter((event) => event.kind === 'peer-fault').length, 0);
  // A crash before what follows from it: the same answer again, with nothing left to compare.
  assert.equal(existsSync(it.oak.contents.sealed(folder)), false);
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
});

test('accepted again while it is fetched, it goes on: one fetch, one folder, and the new rate', async (t) => {
  const it = await offered(t, [randomBytes(3 * MIB)]);
  const [first, hold] = [withResolvers<void>(), withResolvers<void>()];
  it.oak.wire.request = async (request, body) => {
    if (request.kind === 'chunks') {
      first.resolve();
      await hold.promise;
    }
    return it.serve(body);
  };
  await it.accept();
  await first.promise;
  const folder = await it.folderOf(it.oak);
  await it.accept(10 * MIB);
  hold.resolve();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  assert.equal(await it.folderOf(it.oak), folder);
  assert.deepEqual(await it.oak.folders(), [folder]);
  assert.equal((await it.oak.contents.in(it.document))?.rate, 10 * MIB);
  // And once it is here.
  await it.accept();
  assert.equal(await it.phase(), 'fetched');
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
});

test('a file that has changed since is looked at again now and then, however often the peer asks', async (t) => {
  const it = await offered(t, [randomBytes(300_000)]);
  await changeByte(it.paths[0] ?? '', 5);
  const told = () => it.elm.told.filter(({ kind }) => kind === 'file-changed').length;
  const ask = async (kind: 'leaves' | 'chunks') =>
    decodeBulkReply(await it.serve(encodeBulkRequest({ kind, document: it.digest, from: 0, count: 1 })));
  const no = { kind: 'no', why: 'file-changed' };
  assert.deepEqual(await ask('chunks'), no);
  for (let more = 0; more < 20; more += 1) assert.deepEqual(await ask('chunks'), no);
  assert.equal(told(), 1, 'one look, one word to its owner');
  assert.match((await it.view(it.elm)).trouble ?? '', /not what it was/);
  // Nor are the hashes made again each time that they are asked for.
  await it.clock.pass(60_000);
  await rm(it.elm.contents.leaves(await it.folderOf(it.elm)), { force: true });
  await assert.rejects(ask('leaves'));
  await until('it is told', () => told() === 2);
  for (let more = 0; more < 20; more += 1) assert.deepEqual(await ask('leaves'), no);
  assert.equal(told(), 2);
  // The right file in its place again is served again.
  await changeByte(it.paths[0] ?? '', 5);
  await it.clock.pass(600_000);
  await assert.rejects(ask('leaves'));
  await until('made again', async () => (await ask('leaves').catch(() => undefined))?.kind === 'data');
  assert.equal((await it.view(it.elm)).trouble, null);
});

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

test('leaves gone, and damage that a restart finds half fetched again', async (t) => {
  const it = await offered(t, [randomBytes(3 * MIB)]);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  await rm(it.oak.contents.leaves(await it.folderOf(it.oak)));
  // One reply comes, then nothing; then the daemon ends.
  let replies = 0;
  it.oak.wire.request = async (_, body) => {
    replies += 1;
    return replies > 2 ? Promise.reject(new Error('away')) : it.serve(body);
  };
  const opening = it.opened();
  await until('one reply', async () => (await it.phase()) === 'fetching' && (await it.view()).done > 0, it.clock);
  it.oak.deliveries.pause();
  await assert.rejects(opening, isCode('interrupted'));
  it.oak.asked.length = 0;
  it.oak.wire.request = async (_, body) => it.serve(body);
  await it.oak.restart();
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  assert.equal(it.chunksAsked()[0]?.from, 16);
});

test('what lay here before a restart is not held against its sender, what came in one piece is', async (t) => {
  const it = await offered(t, [randomBytes(2 * MIB)]);
  let replies = 0;
  it.oak.wire.request = async (_, body) => {
    replies += 1;
    return replies > 3 ? Promise.reject(new Error('away')) : it.serve(body);
  };
  await it.accept();
  await until('half', async () => (await it.view()).done > 0, it.clock);
  it.oak.deliveries.pause();
  // Both: the leaves are found first, and fetching them again says nothing about the ciphertext.
  await changeByte(it.oak.contents.sealed(await it.folderOf(it.oak)), 77);
  await changeByte(it.oak.contents.leaves(await it.folderOf(it.oak)), 7);
  it.oak.wire.request = async (_, body) => it.serve(body);
  await it.oak.restart();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  assert.deepEqual(
    it.oak.told.filter((event) => event.kind === 'peer-fault'),
    [],
  );

  const other = await offered(t, [randomBytes(2 * MIB)]);
  other.oak.wire.request = async (request, body) => {
    const reply = await other.serve(body);
    if (request.kind === 'chunks') reply[reply.length - 5] = (reply.at(-5) ?? 0) ^ 1;
    return reply;
  };
  await other.accept();
  await until('failed', async () => (await other.phase()) === 'failed', other.clock);
  assert.match((await other.view()).trouble ?? '', /nothing was signed/);
  assert.deepEqual(
    other.oak.told.filter((event) => event.kind === 'peer-fault').map((event) => event.detail),
    ['wrong-ciphertext'],
  );
  assert.deepEqual(await other.oak.folders(), []);
});

test('leaves of the sender that are damaged are made again, and never given', async (t) => {
  const it = await offered(t, [randomBytes(2 * MIB)]);
  const leaves = it.elm.contents.leaves(await it.folderOf(it.elm));
  await changeByte(leaves, 3 * HASH_BYTES);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  await rm(leaves);
  const chunks = { ...it.chunksAsked()[0] };
  assert.equal(chunks.from, 0);
  it.oak.asked.length = 0;
  await rm(join(it.oak.root, await it.folderOf(it.oak)), { recursive: true });
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  const opening = it.opened();
  await until('again', async () => (await it.phase()) !== 'fetched' && (await it.phase()) !== 'fetching', it.clock);
  assert.deepEqual(await opening, { kind: 'right', trouble: null });
  assert.deepEqual(
    it.elm.told.filter((event) => event.kind === 'file-changed'),
    [],
  );

  // A changed file is one, whatever became of the leaves.
  await rm(leaves);
  await changeByte(it.paths[0] ?? '', 5);
  const request = it.oak.asked.find((one) => one.kind === 'chunks');
  assert.ok(request !== undefined);
  await assert.rejects(it.serve(encodeBulkRequest(request)), isCode('archive-corrupt'));
  await until('told', () => it.elm.told.some((event) => event.kind === 'file-changed'));
  assert.equal(existsSync(leaves), false);
});

test('a deal that ends leaves nothing on either side, also while it is fetched', async (t) => {
  for (const state of ['declined', 'withdrawn', 'expired', 'aborted'] as const) {
    const it = await offered(t, [randomBytes(2 * MIB)]);
    let first = true;
    it.oak.wire.request = async (request, body) => {
      if (request.kind === 'chunks' && !first) return Promise.reject(new Error('away'));
      first &&= request.kind !== 'chunks';
      return it.serve(body);
    };
    await it.accept();
    await until('half', async () => (await it.view()).done > 0, it.clock);
    assert.deepEqual([(await it.oak.folders()).length, (await it.elm.folders()).length], [1, 1]);
    for (const one of [it.elm, it.oak]) one.set(state, it.digest);
    for (const one of [it.elm, it.oak]) await until(`${state}: empty`, async () => (await one.folders()).length === 0);
    await until('failed', async () => (await it.phase()) === 'failed');
    await it.oak.restart();
    assert.deepEqual(await it.oak.folders(), []);
  }
});

test('a completed delivery leaves the opened files until they are taken, and nothing at its sender', async (t) => {
  const content = randomBytes(100_000);
  const it = await offered(t, [content]);
  await it.accept();
  await until('fetched', async () => (await it.phase()) === 'fetched', it.clock);
  for (const one of [it.elm, it.oak]) one.set('signing', it.digest);
  assert.deepEqual(await it.opened(), { kind: 'right', trouble: null });
  for (const one of [it.elm, it.oak]) one.set('completed', it.digest);
  await until('sender', async () => (await it.elm.folders()).length === 0);
  const folder = join(it.oak.root, await it.folderOf(it.oak));
  await until('receiver', async () => (await readdir(folder)).join() === 'files');
  assert.deepEqual(await it.files(), [content]);
  await it.oak.restart();
  assert.deepEqual(await it.files(), [content]);
  await it.oak.deliveries.taken(it.document);
  assert.deepEqual(await it.oak.folders(), []);
  assert.equal(await it.phase(), 'taken');
});

test('a request that is refused leaves no files; one that waits keeps them; folders that no record names go at unlock', async (t) => {
  const it = await offered(t, [randomBytes(70_000)]);
  const kept = await it.elm.folders();
  const request = await it.elm.deliveries.make(DEAL, it.paths);
  const [asked, refused] = ['aaaaaaaaaaaa', 'bb'.repeat(32)];
  await it.elm.archive.batch([request.keep(refused, asked)]);
  it.elm.pending(asked, refused);
  it.elm.deliveries.refused(asked, refused);
  await it.elm.restart();
  assert.equal((await it.elm.folders()).length, 2);
  it.elm.pending(asked, undefined);
  it.elm.deliveries.refused(asked, refused);
  await until('gone', async () => (await it.elm.folders()).length === 1);
  assert.equal(await it.elm.contents.out(refused), undefined);

  // Refused while we were locked or ended: found at the unlock.
  const later = await it.elm.deliveries.make(DEAL, it.paths);
  await it.elm.archive.batch([later.keep(refused, asked)]);
  await mkdir(join(it.elm.root, 'f'.repeat(32)));
  await writeFile(join(it.elm.root, 'f'.repeat(32), 'leaves.tmp'), 'x');
  await mkdir(join(it.elm.root, 'not ours'));
  // What this run is making has no record yet.
  await it.elm.restart();
  const making = await it.elm.deliveries.make(DEAL, it.paths);
  await it.elm.deliveries.resume();
  const left = await it.elm.folders();
  assert.equal(left.length, 3, left.join());
  assert.ok(left.includes('not ours') && kept.every((one) => left.includes(one)));
  await making.discard();
  assert.deepEqual(await it.elm.folders(), [...kept, 'not ours'].toSorted());
  // What cannot be prepared leaves nothing either.
  await assert.rejects(it.elm.deliveries.make(DEAL, [join(it.elm.folder, 'missing')]), isCode('bad-file'));
  assert.deepEqual(await it.elm.folders(), [...kept, 'not ours'].toSorted());
});

test('a refused text beside an open deal takes its own files away, and those of another text stay', async (t) => {
  const it = await offered(t, [randomBytes(70_000)]);
  const kept = await it.elm.folders();
  const [same, own] = ['cc'.repeat(32), 'dd'.repeat(32)];
  const again = await it.elm.deliveries.again(same, DEAL, it.made.content);
  assert.ok(again !== undefined);
  const other = await it.elm.deliveries.make(DEAL, it.paths);
  await it.elm.archive.batch([again, other.keep(own, DEAL)]);
  assert.equal((await it.elm.folders()).length, 2);
  for (const document of [same, own]) {
    it.elm.deliveries.refused(DEAL, document);
    await until('no record', async () => (await it.elm.contents.out(document)) === undefined);
  }
  await until('its folder', async () => (await it.elm.folders()).length === 1);
  assert.deepEqual(await it.elm.folders(), kept);
  assert.ok((await it.elm.contents.out(it.document)) !== undefined);
  // Saying it of a text that is on offer changes nothing.
  it.elm.deliveries.refused(DEAL, it.document);
  await it.elm.restart();
  assert.deepEqual(await it.elm.folders(), kept);
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
