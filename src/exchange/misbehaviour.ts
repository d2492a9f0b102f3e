/**
 * The proof that content is not what its sender signed (PROTOCOL §8): the sender's witness (statement of origin and key) and
 * one chunk whose ciphertext is in the tree that X names and which does not open to the leaf that X's other tree names.
 *
 * Guarantees: it takes the sender's own signature, so an invented key frames nobody; one wrong chunk always gives a proof and
 * right content never does; checking it needs no secret and none of the rest of the content.
 */
import { decodeWrongChunk, provesWrong, WRONG_CHUNK_MAX_BYTES } from '../crypto/content.ts';
import { decode, enc, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { itemOf, keyIn, WITNESS_MAX_BYTES } from './completion.ts';
import type { Parties } from './frame.ts';
import type { Role } from './items.ts';
import { isWitnessOf } from './promise.ts';
import type { ExchangeRecord } from './record.ts';

const VERSION = 1;
/** Under 100 KB whatever the size of the content. */
export const MISBEHAVIOUR_MAX_BYTES = WRONG_CHUNK_MAX_BYTES + WITNESS_MAX_BYTES + 16;

/** `wrong`: an encoded `WrongChunk` (crypto/content.ts). */
export function encodeMisbehaviour(witness: Uint8Array, wrong: Uint8Array): Uint8Array {
  return enc(VERSION, witness, wrong);
}

/** Whether `proof` shows that the content of `sender` is wrong. Never throws for what a peer can send. */
export function provesMisbehaviour(record: ExchangeRecord, parties: Parties, sender: Role, proof: Uint8Array): boolean {
  const item = itemOf(record, sender);
  if (item.kind !== 'content') return false;
  try {
    const [version, first, second] = read.array(decode(proof, MISBEHAVIOUR_MAX_BYTES), 3, 'proof');
    if (version !== VERSION) return false;
    const witness = read.bytes(first, WITNESS_MAX_BYTES, 'witness');
    const key = keyIn(witness);
    if (key === null || !isWitnessOf(record, sender, parties, witness)) return false;
    const { point, ciphertextRoot, plaintextRoot, bytes, chunks } = item;
    const wrong = decodeWrongChunk(read.blob(second, WRONG_CHUNK_MAX_BYTES, 'wrong chunk'));
    return provesWrong({ x: key, point, sealedRoot: ciphertextRoot, contentRoot: plaintextRoot, bytes, chunks }, wrong);
  } catch (error) {
    if (error instanceof PeerFault) return false;
    throw error;
  }
}
