// The trees and the proof of a wrong chunk: right content never gives a proof, one wrong chunk always does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CHUNK_BYTES,
  type ContentFacts,
  chunkKeys,
  chunkLength,
  chunksOf,
  contentLeaf,
  createRoot,
  decodeWrongChunk,
  encodeWrongChunk,
  merklePath,
  merkleRoot,
  provesWrong,
  rootOfPath,
  saltOf,
  sealChunk,
  sealedLeaf,
  type Tree,
  type WrongChunk,
} from '../../src/crypto/content.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, fromInt, toHex } from '../../src/lib/bytes.ts';

/** What a sender made: it may give out any chunks and leaves, and the roots are those of what it gave out. */
interface Sent {
  readonly x: Uint8Array;
  readonly bytes: number;
  readonly sealed: readonly Uint8Array[];
  readonly leaves: readonly Uint8Array[];
}

/** Content that needs no file: byte `at` of chunk `index` follows from both, so that chunks differ. */
function honest(bytes: number, secret: number): Sent {
  const x = fromInt(BigInt(secret), 32);
  const keyOf = chunkKeys(x, publicPoint(x));
  const seed = new Uint8Array(32).fill(secret % 256);
  const each = Array.from({ length: chunksOf(bytes) }, (_, index) => {
    const chunk = new Uint8Array(chunkLength(bytes, index)).fill(index + secret);
    const salt = saltOf(seed, index);
    return { leaf: contentLeaf(index, salt, chunk), sealed: sealChunk(keyOf(index), salt, chunk) };
  });
  return { x, bytes, sealed: each.map(({ sealed }) => sealed), leaves: each.map(({ leaf }) => leaf) };
}

const treesOf = ({ sealed, leaves }: Sent) => ({
  sealedLeaves: concat(...sealed.map((chunk, index) => sealedLeaf(index, chunk))),
  contentLeaves: concat(...leaves),
});

function factsOf(sent: Sent): ContentFacts {
  const { sealedLeaves, contentLeaves } = treesOf(sent);
  const { x, bytes } = sent;
  return {
    x,
    point: publicPoint(x),
    sealedRoot: merkleRoot('sealed', sealedLeaves),
    contentRoot: merkleRoot('content', contentLeaves),
    bytes,
    chunks: chunksOf(bytes),
  };
}

function proofAt(sent: Sent, index: number): WrongChunk {
  const { sealedLeaves, contentLeaves } = treesOf(sent);
  return {
    index,
    sealed: present(sent.sealed[index], 'chunk'),
    sealedPath: merklePath('sealed', sealedLeaves, index),
    leaf: present(sent.leaves[index], 'leaf'),
    leafPath: merklePath('content', contentLeaves, index),
  };
}

/** As a peer hands it in. */
const accepted = (sent: Sent, index: number): boolean =>
  provesWrong(factsOf(sent), decodeWrongChunk(encodeWrongChunk(proofAt(sent, index))));

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, place) => (place === at % bytes.length ? byte ^ 1 : byte));

const size = fc.oneof(
  fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 5 * CHUNK_BYTES + 17),
  fc.integer({ min: 0, max: 6 * CHUNK_BYTES }),
);
const secret = fc.integer({ min: 1, max: 2 ** 31 });
const place = fc.nat({ max: 2 ** 20 });

test('right content: no chunk proves it wrong, however the proof is changed', () => {
  const changes: readonly ((proof: WrongChunk, other: WrongChunk, at: number) => WrongChunk)[] = [
    (proof) => proof,
    (proof, other) => ({ ...proof, index: other.index }),
    (proof, _, at) => ({ ...proof, index: proof.index + 1 + at }),
    (proof) => ({ ...proof, index: Number.MAX_SAFE_INTEGER }),
    (proof, _, at) => ({ ...proof, sealed: flipped(proof.sealed, at) }),
    (proof, _, at) => ({ ...proof, sealed: proof.sealed.subarray(0, at % proof.sealed.length) }),
    (proof) => ({ ...proof, sealed: concat(proof.sealed, Uint8Array.of(0)) }),
    (proof) => ({ ...proof, sealed: new Uint8Array() }),
    (proof, other) => ({ ...proof, sealed: other.sealed }),
    (proof, other) => ({ ...proof, sealed: other.sealed, sealedPath: other.sealedPath }),
    (proof, _, at) => ({ ...proof, leaf: flipped(proof.leaf, at) }),
    (proof, other) => ({ ...proof, leaf: other.leaf }),
    (proof, other) => ({ ...proof, leaf: other.leaf, leafPath: other.leafPath }),
    (proof) => ({ ...proof, leaf: sealedLeaf(proof.index, proof.sealed), leafPath: proof.sealedPath }),
    (proof) => ({ ...proof, sealedPath: proof.leafPath, leafPath: proof.sealedPath }),
    (proof, _, at) => ({
      ...proof,
      leafPath: proof.leafPath.map((hash) => flipped(hash, at)),
      leaf: flipped(proof.leaf, at),
    }),
    (proof) => ({
      ...proof,
      leaf: proof.leafPath[0] ?? proof.sealed.subarray(0, 32),
      leafPath: proof.leafPath.slice(1),
    }),
    (proof) => ({ ...proof, sealedPath: proof.sealedPath.slice(1) }),
    (proof) => ({ ...proof, leafPath: [...proof.leafPath, proof.leaf] }),
  ];
  fc.assert(
    fc.property(size, secret, place, place, place, (bytes, number, one, two, at) => {
      const sent = honest(bytes, number);
      const facts = factsOf(sent);
      const proof = proofAt(sent, one % facts.chunks);
      const other = proofAt(sent, two % facts.chunks);
      changes.forEach((change, which) => {
        assert.equal(provesWrong(facts, change(proof, other, at)), false, `change ${which}`);
      });
    }),
    { numRuns: 60 },
  );
});

test('right content: an invented key and a number of chunks that is not that of the size frame nobody', () => {
  fc.assert(
    fc.property(size, secret, place, (bytes, number, at) => {
      const sent = honest(bytes, number);
      const facts = factsOf(sent);
      const proof = proofAt(sent, at % facts.chunks);
      const invented = fromInt(BigInt(number) + 1n, 32);
      assert.equal(provesWrong({ ...facts, x: invented }, proof), false);
      for (const x of [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(31), new Uint8Array()])
        assert.equal(provesWrong({ ...facts, x }, proof), false);
      assert.equal(provesWrong({ ...facts, bytes: bytes + 2 * CHUNK_BYTES }, proof), false);
      assert.equal(provesWrong({ ...facts, chunks: facts.chunks + 1 }, proof), false);
    }),
    { numRuns: 60 },
  );
});

test('wrong content: the proof of the wrong chunk is accepted, and that of every right one is not', () => {
  const put = (list: readonly Uint8Array[], index: number, value: Uint8Array): readonly Uint8Array[] =>
    list.map((one, at) => (at === index ? value : one));
  const wrongs: readonly ((sent: Sent, index: number, at: number) => Sent)[] = [
    ({ sealed, ...rest }, index, at) => ({
      ...rest,
      sealed: put(sealed, index, flipped(present(sealed[index], 'chunk'), at)),
    }),
    ({ sealed, ...rest }, index, at) => {
      const chunk = present(sealed[index], 'chunk');
      return { ...rest, sealed: put(sealed, index, chunk.subarray(0, at % chunk.length)) };
    },
    ({ leaves, ...rest }, index, at) => ({
      ...rest,
      leaves: put(leaves, index, flipped(present(leaves[index], 'leaf'), at)),
    }),
  ];
  fc.assert(
    fc.property(size, secret, place, place, fc.constantFrom(...wrongs), (bytes, number, one, at, wrong) => {
      const right = honest(bytes, number);
      const index = one % chunksOf(bytes);
      const sent = wrong(right, index, at);
      for (let chunk = 0; chunk < chunksOf(bytes); chunk += 1)
        assert.equal(accepted(sent, chunk), chunk === index, `chunk ${chunk} of ${chunksOf(bytes)}`);
    }),
    { numRuns: 80 },
  );
});

test('wrong content: chunks that changed places, and a chunk longer than its place, are proved', () => {
  fc.assert(
    fc.property(fc.integer({ min: CHUNK_BYTES + 1, max: 5 * CHUNK_BYTES }), secret, place, (bytes, number, one) => {
      const right = honest(bytes, number);
      const last = chunksOf(bytes) - 1;
      const index = one % last;
      const [first, second] = [present(right.sealed[index], 'chunk'), present(right.sealed[last], 'chunk')];
      const sealed = right.sealed.map((chunk, at) => (at === index ? second : at === last ? first : chunk));
      assert.equal(accepted({ ...right, sealed }, index), true);
      assert.equal(accepted({ ...right, sealed }, last), true);
      const leaves = right.leaves.map((leaf, at) =>
        present(right.leaves[at === index ? last : at === last ? index : at] ?? leaf, 'leaf'),
      );
      assert.equal(accepted({ ...right, leaves }, index), true);
      assert.equal(accepted({ ...right, leaves }, last), true);
    }),
    { numRuns: 40 },
  );
});

test('wrong content: a chunk whose leaf is right and whose length is not is proved', () => {
  fc.assert(
    fc.property(size, secret, place, place, (bytes, number, one, at) => {
      const right = honest(bytes, number);
      const index = one % chunksOf(bytes);
      const due = chunkLength(bytes, index);
      const lengths = [due - 1, due + 1, at % CHUNK_BYTES].filter(
        (length) => length >= 0 && length <= CHUNK_BYTES && length !== due,
      );
      for (const length of lengths) {
        const [salt, chunk] = [saltOf(new Uint8Array(32), index), new Uint8Array(length)];
        const made = sealChunk(chunkKeys(right.x, publicPoint(right.x))(index), salt, chunk);
        const sealed = right.sealed.map((other, place) => (place === index ? made : other));
        const leaves = right.leaves.map((leaf, place) => (place === index ? contentLeaf(index, salt, chunk) : leaf));
        assert.equal(accepted({ ...right, sealed, leaves }, index), true, `${length} instead of ${due}`);
      }
    }),
    { numRuns: 40 },
  );
});

test('paths of every leaf of every tree up to 70 leaves lead to the root, and with no other length', () => {
  const seed = new Uint8Array(32).fill(9);
  for (const tree of ['content', 'sealed'] as const satisfies readonly Tree[]) {
    for (let count = 1; count <= 70; count += 1) {
      const each = Array.from({ length: count }, (_, index) => contentLeaf(index, saltOf(seed, index), seed));
      const leaves = concat(...each);
      const root = merkleRoot(tree, leaves);
      each.forEach((leaf, index) => {
        const path = merklePath(tree, leaves, index);
        const found = present(rootOfPath(tree, leaf, index, count, path), 'root');
        assert.equal(toHex(found), toHex(root), `${index} of ${count}`);
        for (let length = 0; length <= path.length + 2; length += 1) {
          if (length === path.length) continue;
          const other = Array.from({ length }, (_, at) => path[at] ?? seed);
          assert.equal(rootOfPath(tree, leaf, index, count, other), null, `${index} of ${count} by ${length}`);
        }
        for (const outside of [count, count + 1, -1, 0.5, Number.NaN, 2 ** 53])
          assert.equal(rootOfPath(tree, leaf, outside, count, path), null);
      });
    }
  }
});

test('the root that grows leaf by leaf is that of the leaves so far, also while it grows and from a buffer used again', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 70 }),
      (leaves) => {
        const growing = createRoot('sealed');
        const buffer = new Uint8Array(32);
        leaves.forEach((leaf, index) => {
          buffer.set(leaf);
          growing.add(buffer);
          const expected = merkleRoot('sealed', concat(...leaves.slice(0, index + 1)));
          assert.deepEqual(new Uint8Array(growing.root()), new Uint8Array(expected));
        });
      },
    ),
    { numRuns: 60 },
  );
});
