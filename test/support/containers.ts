/** Containers made in memory, by the letter of fit-container(5) and not by the packer, right or wrong on purpose. */
import { createHash } from 'node:crypto';
import { contentLeaf, merkleRoot, saltOf } from '../../src/crypto/content.ts';
import {
  type Attribute,
  type ContainerRecord,
  encodeRecord,
  type FolderRecord,
} from '../../src/exchange/container-format.ts';
import { createTreeReader, type Tree } from '../../src/exchange/container-tree.ts';
import { concat } from '../../src/lib/bytes.ts';

export type Spec =
  | { readonly name: string; readonly content: string }
  | { readonly name: string; readonly statement: string }
  | { readonly name: string; readonly der: Uint8Array }
  | {
      readonly name: string;
      readonly entries: readonly Spec[];
      readonly attributes?: readonly Attribute[];
      /** Lies about itself. */
      readonly lies?: Partial<FolderRecord>;
    };

export interface Built {
  readonly hash: Uint8Array;
  readonly records: readonly Uint8Array[];
  readonly leaves: number;
  readonly bytes: number;
}

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(concat(...parts))
      .digest(),
  );

export const hashOf = (record: Uint8Array): Uint8Array => sha256(Uint8Array.of(4), record);

/** RFC 6962 §2.1 as it is written there. */
export function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes;
  if (only === undefined) return sha256(Uint8Array.of(5));
  if (hashes.length === 1) return only;
  let left = 1;
  while (left * 2 < hashes.length) left *= 2;
  return sha256(Uint8Array.of(5), rootOf(hashes.slice(0, left)), rootOf(hashes.slice(left)));
}

export const saltFor = (name: string): Uint8Array => sha256(Buffer.from(`salt of ${name}`));

function leafRecord(spec: Exclude<Spec, { readonly entries: readonly Spec[] }>): {
  record: ContainerRecord;
  bytes: number;
} {
  const named = { salt: saltFor(spec.name), name: spec.name };
  if ('statement' in spec)
    return { record: { kind: 'statement', ...named, text: spec.statement }, bytes: Buffer.byteLength(spec.statement) };
  if ('der' in spec) return { record: { kind: 'credential', ...named, der: spec.der }, bytes: spec.der.length };
  const content = Buffer.from(spec.content);
  const root = merkleRoot('content', contentLeaf(0, saltOf(named.salt, 0), content));
  return { record: { kind: 'file', ...named, bytes: content.length, root }, bytes: content.length };
}

/** A tree of small files. */
export function build(spec: Spec): Built {
  if (!('entries' in spec)) {
    const { record, bytes } = leafRecord(spec);
    const encoded = encodeRecord(record);
    return { hash: hashOf(encoded), records: [encoded], leaves: 1, bytes };
  }
  const built = spec.entries.map(build);
  const sum = (of: (one: Built) => number) => built.reduce((total, one) => total + of(one), 0);
  const [leaves, bytes] = [sum((one) => one.leaves), sum((one) => one.bytes)];
  const record = encodeRecord({
    kind: 'folder',
    salt: saltFor(`/${spec.name}`),
    name: spec.name,
    attributes: spec.attributes ?? [],
    count: built.length,
    root: rootOf(built.map(({ hash }) => hash)),
    leaves,
    bytes,
    ...spec.lies,
  });
  return {
    hash: hashOf(record),
    records: [record, ...built.flatMap(({ records }) => records)],
    leaves: spec.lies?.leaves ?? leaves,
    bytes: spec.lies?.bytes ?? bytes,
  };
}

export const container = (...entries: readonly Spec[]): Built => build({ name: '', entries });

export function readTree({ hash, records }: Pick<Built, 'hash' | 'records'>): Tree {
  const reader = createTreeReader(hash);
  for (const record of records) reader.add(record);
  return reader.end();
}
