/**
 * The proof that one chunk of 1 GiB is wrong, as its receiver makes it and the arbiter checks it: its size, and the time of a check.
 * All leaves but those of the chunk are random: no proof looks at what is behind them.
 */
import { randomBytes } from 'node:crypto';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  contentLeaf,
  encodeWrongChunk,
  HASH_BYTES,
  merklePath,
  merkleRoot,
  SALT_BYTES,
  sealChunk,
  sealedLeaf,
} from '../src/crypto/content.ts';
import { signP256 } from '../src/crypto/ecdsa.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../src/crypto/p256.ts';
import { joinWitness } from '../src/exchange/completion.ts';
import { template } from '../src/exchange/contract.ts';
import { RECEIPT } from '../src/exchange/items.ts';
import { encodeMisbehaviour, provesMisbehaviour } from '../src/exchange/misbehaviour.ts';
import { assert } from '../src/lib/assert.ts';
import { median, timed } from './measure.ts';
import { makeMeeting } from './parties.ts';
import type { Row } from './report.ts';

const BYTES = 2 ** 30;
const INDEX = 12_345;

export async function measureMisbehaviour(rounds: number): Promise<Row[]> {
  const { parties, keys, recordFor } = await makeMeeting();
  const chunks = chunksOf(BYTES);
  const x = scalarBytes(scalarFromWide(new Uint8Array(randomBytes(48))));
  const point = publicPoint(x);
  const salt = new Uint8Array(randomBytes(SALT_BYTES));
  const sealed = sealChunk(chunkKeys(x, point)(INDEX), salt, new Uint8Array(randomBytes(CHUNK_BYTES)));
  const leaf = contentLeaf(INDEX, salt, new Uint8Array(CHUNK_BYTES));
  const leavesWith = (one: Uint8Array): Uint8Array => {
    const leaves = new Uint8Array(randomBytes(chunks * HASH_BYTES));
    leaves.set(one, INDEX * HASH_BYTES);
    return leaves;
  };
  const [content, ciphertext] = [leavesWith(leaf), leavesWith(sealedLeaf(INDEX, sealed))];
  const record = {
    ...recordFor(new Uint8Array(randomBytes(HASH_BYTES))),
    check: 'window=259200' as const,
    itemO: {
      kind: 'content' as const,
      point,
      ciphertextRoot: merkleRoot('sealed', ciphertext),
      plaintextRoot: merkleRoot('content', content),
      bytes: BYTES,
      chunks,
    },
    itemR: { kind: 'statement' as const, template: RECEIPT },
  };
  const signature = signP256(keys.O, template(record, 'O', parties).signedAttributes);
  const wrong = {
    index: INDEX,
    sealed,
    sealedPath: merklePath('sealed', ciphertext, INDEX),
    leaf,
    leafPath: merklePath('content', content, INDEX),
  };
  const proof = encodeMisbehaviour(joinWitness(signature, x), encodeWrongChunk(wrong));
  const spent: number[] = [];
  for (let round = 0; round < rounds; round += 1)
    spent.push(await timed(() => assert(provesMisbehaviour(record, parties, 'O', proof), 'the proof holds')));
  return [
    {
      id: 'misbehaviour.bytes',
      what: 'proof of a wrong chunk of 1 GiB',
      value: proof.length,
      unit: 'bytes',
      most: 1e5,
    },
    { id: 'misbehaviour.check', what: '  checked by the arbiter', value: median(spent), unit: 'ms', most: 50 },
  ];
}
