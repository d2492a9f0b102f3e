/**
 * What a daemon keeps of the contents that it sends and fetches, under the digest of their delivery note. The record is in the
 * archive (it holds the key); ciphertext, leaves and opened files are in a folder of their own, where all is named by us.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import type { SourceFile } from './content-files.ts';

/** Content of ours: where it is, and what seals it. 32 bytes each but `point` (33). */
export interface Outgoing {
  readonly kind: 'out';
  readonly deal: string;
  readonly folder: string;
  readonly files: readonly SourceFile[];
  readonly x: Uint8Array;
  readonly seed: Uint8Array;
  readonly point: Uint8Array;
  readonly contentRoot: Uint8Array;
  readonly sealedRoot: Uint8Array;
}

export const INCOMING_PHASES = ['fetching', 'fetched', 'opened', 'taken', 'failed'] as const;
export type IncomingPhase = (typeof INCOMING_PHASES)[number];

/** Content that we accepted. */
export interface Incoming {
  readonly kind: 'in';
  readonly deal: string;
  readonly folder: string;
  /** Certificate of its sender, SHA-256, hex. */
  readonly peer: string;
  readonly phase: IncomingPhase;
  /** Key point and root of the ciphertext, once its sender has named them. */
  readonly sealed: { readonly point: Uint8Array; readonly root: Uint8Array } | null;
  /** Bytes a second that are fetched at most. */
  readonly rate: number | null;
  /** What a person should know. */
  readonly trouble: string | null;
}

export type Delivery = Outgoing | Incoming;

/** Of 16 random bytes. */
const FOLDER = /^[0-9a-f]{32}$/;
const MAX_RECORD_BYTES = 2 * 1024 * 1024;
const MAX_PATH = 4096;

function encodeDelivery(one: Delivery): Uint8Array {
  if (one.kind === 'out') {
    const files = one.files.map(({ path, size }) => [path, size]);
    return encode([1, 'out', one.deal, one.folder, files, one.x, one.seed, one.point, one.contentRoot, one.sealedRoot]);
  }
  const sealed = one.sealed === null ? null : [one.sealed.point, one.sealed.root];
  return encode([1, 'in', one.deal, one.folder, one.peer, one.phase, sealed, one.rate, one.trouble]);
}

function decodeDelivery(bytes: Uint8Array): Delivery {
  const fields = read.list(decode(bytes, MAX_RECORD_BYTES), 10, 'delivery');
  read.literal(fields[0], 1, 'delivery version');
  const deal = read.text(fields[2], 12, 'deal');
  const folder = read.text(fields[3], 64, 'folder');
  const hash = (value: Cbor | undefined) => read.bytes(value, 32, 'delivery');
  if (read.oneOf(fields[1], ['out', 'in'], 'direction') === 'out') {
    const [, , , , files, x, seed, point, contentRoot, sealedRoot] = fields;
    return {
      kind: 'out',
      deal,
      folder,
      files: read.list(files, 1000, 'files').map((file) => {
        const [path, size] = read.array(file, 2, 'file');
        return { path: read.text(path, MAX_PATH, 'path'), size: read.uint(size, 'size') };
      }),
      x: hash(x),
      seed: hash(seed),
      point: read.bytes(point, 33, 'point'),
      contentRoot: hash(contentRoot),
      sealedRoot: hash(sealedRoot),
    };
  }
  const [, , , , peer, phase, sealed, rate, trouble] = fields;
  const pair = sealed === null ? null : read.array(sealed, 2, 'sealed');
  return {
    kind: 'in',
    deal,
    folder,
    peer: read.text(peer, 64, 'peer'),
    phase: read.oneOf(phase, INCOMING_PHASES, 'phase'),
    sealed: pair === null ? null : { point: read.bytes(pair[0], 33, 'point'), root: hash(pair[1]) },
    rate: rate === null ? null : read.uint(rate, 'rate'),
    trouble: trouble === null ? null : read.text(trouble, 500, 'trouble'),
  };
}

export type ContentStore = ReturnType<typeof createContentStore>;

/** `root`: the folder of all contents. */
export function createContentStore(archive: Archive, root: string) {
  /** A swap has one of each under its text. */
  const keyOf = (kind: Delivery['kind'], document: string): string => `${kind}/${document}`;
  const get = async (kind: Delivery['kind'], document: string): Promise<Delivery | undefined> => {
    const stored = await archive.get('deliveries', keyOf(kind, document));
    return stored === undefined ? undefined : decodeDelivery(stored);
  };
  const at = (folder: string, ...rest: readonly string[]): string => join(root, folder, ...rest);
  return {
    root,
    async out(document: string): Promise<Outgoing | undefined> {
      const found = await get('out', document);
      return found?.kind === 'out' ? found : undefined;
    },
    async in(document: string): Promise<Incoming | undefined> {
      const found = await get('in', document);
      return found?.kind === 'in' ? found : undefined;
    },
    put: (document: string, delivery: Delivery): StoreOp => ({
      kind: 'put',
      space: 'deliveries',
      key: keyOf(delivery.kind, document),
      value: encodeDelivery(delivery),
    }),
    remove: (kind: Delivery['kind'], document: string): StoreOp => ({
      kind: 'delete',
      space: 'deliveries',
      key: keyOf(kind, document),
    }),
    async *all(): AsyncIterable<readonly [document: string, delivery: Delivery]> {
      for await (const [document, value] of archive.list('deliveries'))
        yield [document.slice(document.indexOf('/') + 1), decodeDelivery(value)];
    },
    leaves: (folder: string): string => at(folder, 'leaves'),
    sealed: (folder: string): string => at(folder, 'ciphertext'),
    /** Of a content that its note describes wrongly: with its files they prove it. */
    salts: (folder: string): string => at(folder, 'salts'),
    file: (folder: string, index: number): string => at(folder, 'files', String(index)),
    /** Takes away what is not needed any more. */
    discard: (folder: string): Promise<void> => rm(at(folder), { recursive: true, force: true }),
    discardSealed: (folder: string): Promise<void> => rm(at(folder, 'ciphertext'), { force: true }),
    discardLeaves: (folder: string): Promise<void> => rm(at(folder, 'leaves'), { force: true }),
    /** The folders that are there. Whatever else lies beside them is not ours. */
    async folders(): Promise<readonly string[]> {
      const found = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
        throw error;
      });
      return found.filter((one) => one.isDirectory() && FOLDER.test(one.name)).map((one) => one.name);
    },
  };
}
