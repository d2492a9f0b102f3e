/** Content as its sender seals it, small enough for tests, and one of every kind that there is. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  contentLeaf,
  encodeWrongChunk,
  merklePath,
  merkleRoot,
  openRight,
  saltOf,
  sealChunk,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../../src/crypto/p256.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { closeContainer, openContainer, pack, plan, sealOnce } from '../../src/evidence/container.ts';
import { type CredentialTerms, describeCredential, isCredential } from '../../src/exchange/credential.ts';
import { encodeMisbehaviour } from '../../src/exchange/misbehaviour.ts';
import type { ContentTerms } from '../../src/exchange/terms.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, utf8 } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { attributeCertificate } from './attribute-certificates.ts';
import { NOW, trader } from './identities.ts';

export interface GivenFile {
  readonly name: string;
  readonly data: Uint8Array;
}

export interface SealedContent {
  /** As the note names it. */
  readonly terms: ContentTerms;
  readonly key: Uint8Array;
  /** As the record names it. */
  readonly sealed: { readonly point: Uint8Array; readonly ciphertextRoot: Uint8Array };
  /** All of it with this key, or null if a part does not open to its leaf. */
  open(key: Uint8Array): Uint8Array | null;
  /** That this chunk does not open, by the witness of its sender: true if it was sealed wrongly. */
  proof(witness: Uint8Array, index: number): Uint8Array;
}

interface Options {
  readonly credential?: CredentialTerms | null;
  /** Sealed from other bytes than its leaf is of. */
  readonly wrongChunk?: number;
  /** Of the salts; the same content under the same seed has the same root. */
  readonly seed?: Uint8Array;
}

/** With a key of its own each time. */
export function makeContent(files: readonly GivenFile[], options: Options = {}): SealedContent {
  const data = concat(...files.map((file) => file.data));
  const key = scalarBytes(scalarFromWide(systemRng(48)));
  const [point, seed] = [publicPoint(key), options.seed ?? systemRng(32)];
  const keyOf = chunkKeys(key, point);
  const chunks = Array.from({ length: chunksOf(data.length) }, (_, index) => {
    const chunk = data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    const salt = saltOf(seed, index);
    const isWrong = index === options.wrongChunk;
    const sealed = sealChunk(keyOf(index), isWrong ? salt.map((byte) => byte ^ 1) : salt, chunk);
    return { leaf: contentLeaf(index, salt, chunk), sealed };
  });
  const leaves = concat(...chunks.map((one) => one.leaf));
  const sealedLeaves = concat(...chunks.map(({ sealed }, index) => sealedLeaf(index, sealed)));
  return {
    terms: {
      root: new Uint8Array(merkleRoot('content', leaves)),
      bytes: data.length,
      chunks: chunks.length,
      credential: options.credential ?? null,
      files: files.map(({ name, data: bytes }) => ({ name, size: bytes.length, sha256: sha256(bytes) })),
    },
    key,
    sealed: { point, ciphertextRoot: new Uint8Array(merkleRoot('sealed', sealedLeaves)) },
    open(given) {
      const opens = chunkKeys(given, publicPoint(given));
      const parts = chunks.map(({ sealed, leaf }, index) => openRight(opens(index), data.length, index, sealed, leaf));
      return parts.every((part) => part !== null) ? concat(...parts.map((part) => part.chunk)) : null;
    },
    proof(witness, index) {
      const { sealed, leaf } = present(chunks[index], 'a chunk');
      const [sealedPath, leafPath] = [merklePath('sealed', sealedLeaves, index), merklePath('content', leaves, index)];
      return encodeMisbehaviour(witness, encodeWrongChunk({ index, sealed, sealedPath, leaf, leafPath }));
    },
  };
}

export interface ContentKind {
  readonly name: string;
  readonly files: readonly GivenFile[];
  readonly credential: CredentialTerms | null;
  /** What its receiver finds out once it has it. */
  isIt(data: Uint8Array): Promise<boolean>;
}

async function containerBytes(folder: string): Promise<Uint8Array> {
  const source = join(folder, 'deeds');
  mkdirSync(source);
  writeFileSync(join(source, 'deed.txt'), 'sold\n');
  writeFileSync(join(source, 'plan.txt'), 'a drawing\n');
  const nodes = await plan({ files: [source], statements: [], credentials: [] }, NOW, { bytes: 0, entries: 0 });
  const out = join(folder, 'deeds.fit');
  await pack(nodes, out, async (_, about) => sealOnce(about, NOW), { bytes: 0, entries: 0 });
  return new Uint8Array(readFileSync(out));
}

async function isContainer(folder: string, data: Uint8Array): Promise<boolean> {
  const file = join(folder, 'received.fit');
  writeFileSync(file, data);
  try {
    closeContainer(await openContainer(file, async () => ({ now: NOW }), { bytes: 0, entries: 0 }));
    return true;
  } catch (error) {
    if (isFitError(error)) return false;
    throw error;
  }
}

/** One of every kind; `folder` is empty and stays while they are used. */
export async function contentKinds(folder: string): Promise<readonly ContentKind[]> {
  const plain = (name: string, ...files: readonly GivenFile[]): ContentKind => {
    return { name, files, credential: null, isIt: async () => true };
  };
  const credential = (name: string, text: string, as?: 'ticket' | 'licence'): ContentKind => {
    const data = utf8(text);
    const terms = describeCredential(data, as);
    return {
      name,
      files: [{ name: 'access.txt', data }],
      credential: terms,
      isIt: async (got) => isCredential(got, terms),
    };
  };
  const holder = await trader('Access to the archive');
  const certificate = toPem('CERTIFICATE', holder.certificate.der);
  const attributes = toPem('ATTRIBUTE CERTIFICATE', attributeCertificate(holder, 'Reader'));
  return [
    plain('a file', { name: 'scan.pdf', data: systemRng(150_000) }),
    plain('an empty file', { name: 'empty.bin', data: new Uint8Array() }),
    plain('several files', { name: 'a', data: systemRng(CHUNK_BYTES) }, { name: 'b', data: utf8('b') }),
    {
      name: 'a container',
      files: [{ name: 'deeds.fit', data: await containerBytes(folder) }],
      credential: null,
      isIt: async (data) => await isContainer(folder, data),
    },
    credential('a certificate', certificate),
    credential('an attribute certificate', `${attributes}${certificate}`),
    credential('a token', 'eyJ0b2tlbiI6MX0\n'),
    credential('a ticket', 'row 7, seat 12\n', 'ticket'),
    credential('a licence key', 'K3Y-0001\n', 'licence'),
  ];
}
