/** The two sides of a delivery over a link that tests break, on the built worker: real archives, files and deliveries, deals as the test says. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { type Deal, type DealState, newDeal } from '../../src/commerce/deal.ts';
import { parseDocument } from '../../src/commerce/document.ts';
import { noteOf } from '../../src/commerce/note.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { type BulkRequest, decodeBulkRequest } from '../../src/daemon/bulk.ts';
import type { Consent } from '../../src/daemon/consents.ts';
import { createContentStore } from '../../src/daemon/content-store.ts';
import { createContentWork } from '../../src/daemon/content-work.ts';
import { createDeliveries } from '../../src/daemon/deliveries.ts';
import { createEvents } from '../../src/daemon/events.ts';
import { createLanes } from '../../src/daemon/lanes.ts';
import { joinFrontMatter } from '../../src/exchange/document.ts';
import type { ExchangeRecord } from '../../src/exchange/record.ts';
import { type ContentTerms, exchangedItems, type Terms } from '../../src/exchange/terms.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { systemRng } from '../../src/lib/rng.ts';
import type { FitEvent } from '../../src/rpc/agent.ts';
import { ManualClock } from './manual-clock.ts';
import { temporaryFolder } from './temporary.ts';

const worker = pathToFileURL(resolve('dist/content-worker.js'));
const laneWorker = pathToFileURL(resolve('dist/lane-worker.js'));
export const isCode = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;
export const MIB = 2 ** 20;
export const ELM = new Uint8Array(32).fill(0xe1);
export const OAK = new Uint8Array(32).fill(0x0a);
export const DEAL = '0123456789ab'.replaceAll(/[ilou]/g, 'x');

export function note(content: ContentTerms): Uint8Array {
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
export async function side(t: TestContext, clock: ManualClock, us: Uint8Array, them: Uint8Array, hasLanes = false) {
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
  const lanes = createLanes({
    worker: laneWorker,
    place: hasLanes ? { host: '127.0.0.1', port: 0 } : null,
    rng: systemRng,
    link: { onPeer: (listener) => listener({ peer: 'peer', certificate: toHex(them), host: '127.0.0.1' }, true) },
  });
  const make = () =>
    createDeliveries(
      {
        archive,
        lanes,
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
export async function until(what: string, holds: () => boolean | Promise<boolean>, clock?: ManualClock): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    if (clock !== undefined && clock.timers > 0) await clock.pass(100);
    await new Promise((next) => setImmediate(next));
  }
}

/** Elm has offered `contents`; oak's daemon can ask elm's. */
export async function offered(
  t: TestContext,
  contents: readonly Uint8Array[],
  names?: readonly string[],
  hasLanes = false,
) {
  const clock = new ManualClock();
  const [elm, oak] = [await side(t, clock, ELM, OAK, hasLanes), await side(t, clock, OAK, ELM, hasLanes)];
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

export const changeByte = async (path: string, at: number): Promise<void> => {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
};
