// Content by fixed vectors, which another implementation (Python, OpenSSL's command line) made; sizes, limits, malformed proofs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunkLength,
  chunksOf,
  contentLeaf,
  decodeWrongChunk,
  encodeWrongChunk,
  MAX_CONTENT_BYTES,
  merklePath,
  merkleRoot,
  openChunk,
  openRight,
  provesWrong,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  saltOf,
  sealChunk,
  sealedBytes,
  sealedLeaf,
  sealedLength,
  siblings,
  WRONG_CHUNK_MAX_BYTES,
  type WrongChunk,
} from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { concat, fromInt, toHex } from '../../src/lib/bytes.ts';
import { type Cbor, enc } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';

const x = Uint8Array.from({ length: 32 }, (_, at) => at + 1);
const point = publicPoint(x);
const seed = new Uint8Array(32).fill(7);
const keyOf = chunkKeys(x, point);

test('three chunks of known bytes', () => {
  const bytes = 2 * CHUNK_BYTES + 5;
  const data = Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + Math.floor(at / 256)) % 256);
  const chunks = [0, 1, 2].map((index) => data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES));
  const sealed = chunks.map((chunk, index) => sealChunk(keyOf(index), saltOf(seed, index), chunk));
  const leaves = chunks.map((chunk, index) => contentLeaf(index, saltOf(seed, index), chunk));
  const sealedLeaves = sealed.map((chunk, index) => sealedLeaf(index, chunk));
  const [last, leaf, ofSealed] = [sealed[2], leaves[2], sealedLeaves[2]];
  assert.ok(last !== undefined && leaf !== undefined && ofSealed !== undefined);
  assert.deepEqual(
    {
      point: toHex(point),
      salt: toHex(saltOf(seed, 2)),
      key: toHex(keyOf(2)),
      sealed: toHex(last),
      leaf: toHex(leaf),
      sealedLeaf: toHex(ofSealed),
      contentRoot: toHex(merkleRoot('content', concat(...leaves))),
      sealedRoot: toHex(merkleRoot('sealed', concat(...sealedLeaves))),
    },
    {
      point: '02515c3d6eb9e396b904d3feca7f54fdcd0cc1e997bf375dca515ad0a6c3b4035f',
      salt: 'df3ee652e8b834785613018234f919ad',
      key: '06cb1f9af9767adf364515e73870a426a794324cbb51456d2493e4bd96a53796',
      sealed: 'be9421f594a7fc2c87116a2d064dc1d33759b6ce0d',
      leaf: '848c143254f080b183a1516302696bbdbd9b213c776cc2149983d46433a0f5a2',
      sealedLeaf: '1f2e3bb9d848e69144a3104ea44ee3711976f7248a0cab6065b8dcd16c7d153d',
      contentRoot: '9408b794fcebc3a259d67890bb4bbe93d1349c057965d7fc13022f144c831a1d',
      sealedRoot: '5a52e0371aa18b3610b0be72e006a4392d3fabc36bdbb2a1613d6617c8d81e77',
    },
  );
  const opened = openChunk(keyOf(2), last);
  assert.deepEqual([toHex(opened.salt), toHex(opened.chunk)], [toHex(saltOf(seed, 2)), toHex(data.subarray(-5))]);
  assert.deepEqual(openRight(keyOf(2), bytes, 2, last, leaf), opened);
  assert.equal(openRight(keyOf(1), bytes, 2, last, leaf), null);
});

test('empty content is one empty chunk, whose leaf is its root', () => {
  const empty = new Uint8Array();
  const sealed = sealChunk(keyOf(0), saltOf(seed, 0), empty);
  const leaf = contentLeaf(0, saltOf(seed, 0), empty);
  assert.equal(toHex(sealed), '5b164b64a6bcf47d2e26cddf7568bd73');
  assert.equal(toHex(leaf), 'f6d86c12e6e4e078e52d128790c7c54d079c3c32870c68dba01c2f95613b28f4');
  assert.equal(
    toHex(merkleRoot('sealed', sealedLeaf(0, sealed))),
    '5688cad22bc41a109146917e0691c7974cd1b1829c17cd0ccaa1d67fec1e4104',
  );
  assert.deepEqual(merklePath('content', leaf, 0), []);
});

test('sizes: the chunks of every size add up to it', () => {
  for (const bytes of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]) {
    const indexes = Array.from({ length: chunksOf(bytes) }, (_, index) => index);
    const sum = (of: (bytes: number, index: number) => number) =>
      indexes.reduce((total, index) => total + of(bytes, index), 0);
    assert.equal(sum(chunkLength), bytes);
    assert.equal(sum(sealedLength), sealedBytes(bytes));
    assert.equal(chunkLength(bytes, chunksOf(bytes)), 0);
  }
  assert.deepEqual([chunksOf(0), chunksOf(CHUNK_BYTES), chunksOf(CHUNK_BYTES + 1)], [1, 1, 2]);
  assert.equal(chunksOf(MAX_CONTENT_BYTES), 2 ** 24);
  assert.equal(SEALED_CHUNK_BYTES, CHUNK_BYTES + SALT_BYTES);
});

/** The largest proof that there can be, by shape: nothing in it is right. */
function largest(): WrongChunk {
  const path = Array.from({ length: 24 }, (_, at) => new Uint8Array(32).fill(at));
  return {
    index: 2 ** 24 - 1,
    sealed: new Uint8Array(SEALED_CHUNK_BYTES),
    sealedPath: path,
    leaf: new Uint8Array(32),
    leafPath: path,
  };
}

test('a proof for content of 1 GiB stays below 100 KB, the largest one within its limit; both come back whole', () => {
  const bytes = 2 ** 30;
  const chunks = chunksOf(bytes);
  const index = 11_111;
  const salt = saltOf(seed, index);
  const chunk = new Uint8Array(CHUNK_BYTES).fill(1);
  const wrong = sealChunk(keyOf(index), salt, new Uint8Array(CHUNK_BYTES).fill(2));
  const all = (what: string) => concat(...Array.from({ length: chunks }, (_, at) => sha256(enc(what, at))));
  const [contentLeaves, sealedLeaves] = [all('content'), all('sealed')];
  contentLeaves.set(contentLeaf(index, salt, chunk), index * 32);
  sealedLeaves.set(sealedLeaf(index, wrong), index * 32);
  const proof = encodeWrongChunk({
    index,
    sealed: wrong,
    sealedPath: merklePath('sealed', sealedLeaves, index),
    leaf: contentLeaf(index, salt, chunk),
    leafPath: merklePath('content', contentLeaves, index),
  });
  assert.ok(proof.length < 100_000, `${proof.length} bytes`);
  const contentRoot = merkleRoot('content', contentLeaves);
  const sealedRoot = merkleRoot('sealed', sealedLeaves);
  const facts = { x, point, contentRoot, sealedRoot, bytes, chunks };
  assert.equal(provesWrong(facts, decodeWrongChunk(proof)), true);
  assert.deepEqual(encodeWrongChunk(decodeWrongChunk(proof)), proof);

  const most = encodeWrongChunk(largest());
  assert.ok(most.length <= WRONG_CHUNK_MAX_BYTES && WRONG_CHUNK_MAX_BYTES < 68 * 1024, `${most.length} bytes`);
  assert.deepEqual(encodeWrongChunk(decodeWrongChunk(most)), most);
  assert.equal(siblings(2 ** 24 - 1, chunksOf(MAX_CONTENT_BYTES)).length, 24);
});

test('what is not a proof is a fault of the peer', () => {
  const { index, sealed, sealedPath, leaf, leafPath } = largest();
  const short = new Uint8Array(31);
  const malformed: readonly Cbor[][] = [
    [1, index, sealed, sealedPath, leaf],
    [1, index, sealed, sealedPath, leaf, leafPath, 0],
    [2, index, sealed, sealedPath, leaf, leafPath],
    [1, 'index', sealed, sealedPath, leaf, leafPath],
    [1, index, null, sealedPath, leaf, leafPath],
    [1, index, new Uint8Array(SEALED_CHUNK_BYTES + 1), sealedPath, leaf, []],
    [1, index, sealed, [...sealedPath, leaf], leaf, []],
    [1, index, sealed, [short], leaf, leafPath],
    [1, index, sealed, sealedPath, short, leafPath],
    [1, index, sealed, sealedPath, leaf, [short]],
    [1, index, sealed, sealedPath, leaf, leaf],
  ];
  const isFault = (code: string) => (error: unknown) => error instanceof PeerFault && error.code === code;
  for (const [at, items] of malformed.entries())
    assert.throws(() => decodeWrongChunk(enc(...items)), isFault('malformed'), `case ${at}`);
  const whole = encodeWrongChunk(largest());
  assert.throws(() => decodeWrongChunk(whole.subarray(0, -1)), isFault('malformed'));
  assert.throws(() => decodeWrongChunk(new Uint8Array()), isFault('malformed'));
  assert.throws(() => decodeWrongChunk(new Uint8Array(WRONG_CHUNK_MAX_BYTES + 1)), isFault('oversized'));
  // An index that no tree has is readable, and proves nothing.
  const far = decodeWrongChunk(enc(1, Number.MAX_SAFE_INTEGER, sealed, sealedPath, leaf, leafPath));
  const facts = { x: fromInt(1n, 32), point: publicPoint(fromInt(1n, 32)), bytes: 0, chunks: 1 };
  assert.equal(provesWrong({ ...facts, contentRoot: leaf, sealedRoot: leaf }, far), false);
});
