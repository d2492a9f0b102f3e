/**
 * The bytes of containers (fit-container(5)): a head, the tree as records in the order of reading, contents, seals.
 * Guarantees: every record and seal has one encoding; folders hold each other by place and never by a reference, so that no
 * cycle can be written; a record's hash can be read as no hash of contents or of a pair of hashes.
 */
import { HASH_BYTES, MAX_CONTENT_BYTES } from '../crypto/content.ts';
import { sha256 } from '../crypto/hash.ts';
import { concat, equal, utf8 } from '../lib/bytes.ts';
import { type Cbor, decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { isFileName } from '../lib/file-name.ts';

/** In the one order in which folders name them. */
export const ATTRIBUTES = ['signed', 'encrypted', 'receipt', 'timestamped', 'anonymous'] as const;
export type Attribute = (typeof ATTRIBUTES)[number];

/** Levels of folders below the container itself. */
export const MAX_LEVELS = 64;
export const MAX_NODES = 1_000_000;
/** Characters of the paths of all entries together: a folder in the tree has its name once, and in what is said of each entry again. */
export const MAX_PATHS = 128 * 1024 * 1024;
/** Random bytes of each record, without which a hash would tell what can be guessed of something hidden. */
export const RECORD_SALT_BYTES = 32;
/** Statements and credentials lie in the tree itself. */
export const MAX_INLINE_BYTES = 64 * 1024;
export const MAX_RECORD_BYTES = MAX_INLINE_BYTES + 1024;
/** Of all records together, with their lengths. */
export const MAX_TREE_BYTES = 256 * 1024 * 1024;
export const MAX_SEALS_BYTES = 64 * 1024 * 1024;
const MAX_NAME = 200;

interface Named {
  readonly salt: Uint8Array;
  /** Empty for the container itself, and for nothing else. */
  readonly name: string;
}

/** `bytes` of content lie in the container's content part; `root`: of its chunks, salted from `salt` (crypto/content.ts). */
export interface FileRecord extends Named {
  readonly kind: 'file';
  readonly bytes: number;
  readonly root: Uint8Array;
}

/** A text that may be signed: what somebody says, in the tree. */
export interface StatementRecord extends Named {
  readonly kind: 'statement';
  readonly text: string;
}

/** An X.509 certificate or attribute certificate (DER). */
export interface CredentialRecord extends Named {
  readonly kind: 'credential';
  readonly der: Uint8Array;
}

export interface FolderRecord extends Named {
  readonly kind: 'folder';
  readonly attributes: readonly Attribute[];
  /** Entries, and the root of their hashes. */
  readonly count: number;
  readonly root: Uint8Array;
  /** Of everything below: leaves, and their bytes. */
  readonly leaves: number;
  readonly bytes: number;
}

/** Encrypted folders of one container: each is an open file while it is read. */
export const MAX_SEALED = 256;
/** The name of what is in an encrypted folder. */
export const SEALED_NAME = 'sealed.age';

/**
 * All that an encrypted folder has: `bytes` of an age file in the content part, whose `root` is that of a file's chunks. What
 * it opens to is a container of its own with the root `inner`, which tells nothing, since every record in there has its salt.
 */
export interface SealedRecord extends Named {
  readonly kind: 'sealed';
  readonly bytes: number;
  readonly root: Uint8Array;
  readonly inner: Uint8Array;
}

/** `count` entries side by side that are not shown. */
export interface HiddenRecord {
  readonly kind: 'hidden';
  readonly count: number;
  readonly hash: Uint8Array;
}

export type LeafRecord = FileRecord | StatementRecord | CredentialRecord | SealedRecord;
export type ContainerRecord = LeafRecord | FolderRecord | HiddenRecord;

export function encodeRecord(record: ContainerRecord): Uint8Array {
  switch (record.kind) {
    case 'file':
      return enc(1, record.salt, record.name, record.bytes, record.root);
    case 'statement':
      return enc(2, record.salt, record.name, record.text);
    case 'credential':
      return enc(3, record.salt, record.name, record.der);
    case 'folder': {
      const { salt, name, attributes, count, root, leaves, bytes } = record;
      return enc(4, salt, name, [...attributes], count, root, leaves, bytes);
    }
    case 'hidden':
      return enc(5, record.count, record.hash);
    case 'sealed':
      return enc(6, record.salt, record.name, record.bytes, record.root, record.inner);
  }
}

function nameOf(value: Cbor | undefined): string {
  const name = read.text(value, MAX_NAME, 'name');
  if (name !== '' && !isFileName(name)) throw new PeerFault('malformed', 'a name that is no name of a file');
  return name;
}

function sizeOf(value: Cbor | undefined): number {
  const bytes = read.uint(value, 'size');
  if (bytes > MAX_CONTENT_BYTES) throw new PeerFault('oversized', 'more than 1 TiB');
  return bytes;
}

function countOf(value: Cbor | undefined): number {
  const count = read.uint(value, 'count');
  if (count > MAX_NODES) throw new PeerFault('oversized', `more than ${MAX_NODES} entries`);
  return count;
}

function attributesOf(value: Cbor | undefined): readonly Attribute[] {
  const list = read.list(value, ATTRIBUTES.length, 'attributes').map((one) => read.oneOf(one, ATTRIBUTES, 'attribute'));
  const order = list.map((one) => ATTRIBUTES.indexOf(one));
  if (order.some((one, at) => at > 0 && one <= (order[at - 1] ?? 0)))
    throw new PeerFault('malformed', 'attributes: not in their order');
  return list;
}

/** Throws `PeerFault`. */
export function decodeRecord(bytes: Uint8Array): ContainerRecord {
  const fields = read.list(decode(bytes, MAX_RECORD_BYTES), 8, 'record');
  const [tag, first, name] = fields;
  if (tag === 5) {
    const [, count, hash] = read.array(fields, 3, 'hidden');
    return { kind: 'hidden', count: countOf(count), hash: read.bytes(hash, HASH_BYTES, 'hash') };
  }
  const named = { salt: read.bytes(first, RECORD_SALT_BYTES, 'salt'), name: nameOf(name) };
  switch (tag) {
    case 1: {
      const [, , , size, root] = read.array(fields, 5, 'file');
      return { kind: 'file', ...named, bytes: sizeOf(size), root: read.bytes(root, HASH_BYTES, 'root') };
    }
    case 2: {
      const [, , , text] = read.array(fields, 4, 'statement');
      return { kind: 'statement', ...named, text: read.text(text, MAX_INLINE_BYTES, 'statement') };
    }
    case 3: {
      const [, , , der] = read.array(fields, 4, 'credential');
      return { kind: 'credential', ...named, der: read.blob(der, MAX_INLINE_BYTES, 'credential') };
    }
    case 4: {
      const [, , , attributes, count, root, leaves, size] = read.array(fields, 8, 'folder');
      return {
        kind: 'folder',
        ...named,
        attributes: attributesOf(attributes),
        count: countOf(count),
        root: read.bytes(root, HASH_BYTES, 'root'),
        leaves: countOf(leaves),
        bytes: sizeOf(size),
      };
    }
    case 6: {
      const [, , , size, root, inner] = read.array(fields, 6, 'sealed');
      read.literal(named.name, SEALED_NAME, 'name of what is sealed');
      return {
        kind: 'sealed',
        ...named,
        bytes: sizeOf(size),
        root: read.bytes(root, HASH_BYTES, 'root'),
        inner: read.bytes(inner, HASH_BYTES, 'root of what is sealed'),
      };
    }
    default:
      throw new PeerFault('malformed', 'record: unknown kind');
  }
}

/** Content hashes begin with 0 to 3 (crypto/content.ts). */
const RECORD_TAG = Uint8Array.of(4);
const PAIR_TAG = Uint8Array.of(5);

export function recordHash(record: Uint8Array): Uint8Array {
  return sha256(concat(RECORD_TAG, record));
}

export function pairHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(PAIR_TAG, left, right));
}

/** The root of no entries. */
export const EMPTY_ROOT: Uint8Array = sha256(PAIR_TAG);

const FRAME_BYTES = 4;

/** A record or seal behind its length. */
export function framed(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(FRAME_BYTES);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(length, bytes);
}

/** Takes framed pieces out of bytes that come in parts. */
export function createUnframer(maxBytes: number): {
  feed(part: Uint8Array): readonly Uint8Array[];
  /** Whether nothing is left over. */
  isEven(): boolean;
} {
  let rest: Uint8Array = new Uint8Array();
  return {
    feed(part) {
      const bytes = rest.length === 0 ? part : concat(rest, part);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const pieces: Uint8Array[] = [];
      let at = 0;
      while (bytes.length - at >= FRAME_BYTES) {
        const length = view.getUint32(at);
        if (length > maxBytes) throw new PeerFault('oversized', `a record of more than ${maxBytes} bytes`);
        if (bytes.length - at - FRAME_BYTES < length) break;
        pieces.push(bytes.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length));
        at += FRAME_BYTES + length;
      }
      rest = bytes.subarray(at);
      return pieces;
    },
    isEven: () => rest.length === 0,
  };
}

export interface Head {
  /** Hash of the container's own record. */
  readonly root: Uint8Array;
  readonly treeBytes: number;
  readonly contentBytes: number;
  readonly sealsBytes: number;
}

const MAGIC = utf8('fit container 1\n');
export const HEAD_BYTES = MAGIC.length + HASH_BYTES + 3 * 8;

export function encodeHead(head: Head): Uint8Array {
  const sizes = new Uint8Array(24);
  const view = new DataView(sizes.buffer);
  [head.treeBytes, head.contentBytes, head.sealsBytes].forEach((size, at) => {
    view.setBigUint64(at * 8, BigInt(size));
  });
  return concat(MAGIC, head.root, sizes);
}

/** Whether a file can be a container: its first bytes say so. */
export function isContainer(bytes: Uint8Array): boolean {
  return equal(bytes.subarray(0, MAGIC.length), MAGIC);
}

/** Throws `PeerFault`. */
export function decodeHead(bytes: Uint8Array): Head {
  if (bytes.length !== HEAD_BYTES || !isContainer(bytes))
    throw new PeerFault('malformed', 'it does not begin like one');
  const view = new DataView(bytes.buffer, bytes.byteOffset + MAGIC.length + HASH_BYTES, 24);
  const size = (at: number, most: number, what: string): number => {
    const value = view.getBigUint64(at * 8);
    if (value > BigInt(most)) throw new PeerFault('oversized', `${what}: more than ${most} bytes`);
    return Number(value);
  };
  return {
    root: bytes.slice(MAGIC.length, MAGIC.length + HASH_BYTES),
    treeBytes: size(0, MAX_TREE_BYTES, 'tree'),
    contentBytes: size(1, MAX_CONTENT_BYTES, 'content'),
    sealsBytes: size(2, MAX_SEALS_BYTES, 'seals'),
  };
}

/** What stands for an attribute of a folder: a signature, a timestamp. Outside of the tree, because it is about its hashes. */
export interface Seal {
  /** Hash of the folder's record. */
  readonly folder: Uint8Array;
  readonly attribute: Attribute;
  /** Seconds since 1970. */
  readonly time: number;
  readonly bytes: Uint8Array;
}

export const MAX_SEAL_BYTES = 64 * 1024;

export function encodeSeal(seal: Seal): Uint8Array {
  return enc(1, seal.folder, seal.attribute, seal.time, seal.bytes);
}

/** Null for what is no seal: the folder that it was for is without. */
export function decodeSeal(bytes: Uint8Array): Seal | null {
  try {
    const [version, folder, attribute, time, data] = read.array(decode(bytes, MAX_SEAL_BYTES + 256), 5, 'seal');
    read.literal(version, 1, 'seal version');
    return {
      folder: read.bytes(folder, HASH_BYTES, 'folder'),
      attribute: read.oneOf(attribute, ATTRIBUTES, 'attribute'),
      time: read.uint(time, 'time'),
      bytes: read.blob(data, MAX_SEAL_BYTES, 'seal'),
    };
  } catch (error) {
    if (error instanceof PeerFault) return null;
    throw error;
  }
}
