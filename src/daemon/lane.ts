/**
 * The lane: a TCP connection beside the link on which the ciphertext of a content goes from one daemon's worker thread to the
 * other's, without passing through their event loops. The link remains who may have what and what all of it is: a grant of a
 * part is asked for with an id, and given with a key, over it (bulk.ts); both serve that part once. Where no lane can be had, the
 * link carries the chunks as well.
 *
 *   receiver   the id that it asked with, 16 bytes; then, as it stores, how many chunks of the part it has, 4 bytes each time
 *   sender     for each chunk of the part in order its sealed bytes under AES-256-GCM: nonce = index of the chunk in 12 bytes, no
 *              associated data, the tag of 16 bytes behind it; then the end
 *
 * Guarantees: a chunk is sent once under a key, so no nonce is used twice; lengths follow from the note, so nothing on the lane
 * says a length; what was changed on the way is known before it is stored, and is nobody's fault but the network's. A sender names
 * the port, and chooses not a byte of what is then said there, whatever listens: the id is the receiver's. Who sees the
 * lane learns what who sees the link learns: that and how much is sent (THREATS.md).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { SEALED_CHUNK_BYTES } from '../crypto/content.ts';

export const LANE_ID_BYTES = 16;
export const LANE_KEY_BYTES = 32;
const TAG_BYTES = 16;
const COUNT_BYTES = 4;

/** Chunks of one grant: 256 MiB. Then the link is asked again whether there may be more. */
export const LANE_CHUNKS = 4096;
/** Chunks that are sent and not known to be stored: 4 MiB, so that a break costs no more. */
export const LANE_AHEAD = 64;
/** The receiver says what it has after so many chunks, and at the end. */
export const LANE_STEP = 16;
/** Fewer are not worth a connection. */
export const LANE_LEAST = 64;

const CIPHER = 'aes-256-gcm';

export interface LaneOffer {
  readonly port: number;
  readonly key: Uint8Array;
  /** Chunks from the one that was asked for. */
  readonly count: number;
}

function nonceOf(index: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(index));
  return nonce;
}

/** Ciphertext and tag, as they go on the lane. */
export function sealRecord(key: Uint8Array, index: number, sealed: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const cipher = createCipheriv(CIPHER, key, nonceOf(index));
  const bytes = cipher.update(sealed);
  cipher.final();
  return [bytes, cipher.getAuthTag()];
}

/** Null for what was not made under this key for this chunk. */
export function openRecord(key: Uint8Array, index: number, record: Uint8Array): Uint8Array | null {
  const decipher = createDecipheriv(CIPHER, key, nonceOf(index), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(record.subarray(record.length - TAG_BYTES));
  const sealed = decipher.update(record.subarray(0, record.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return sealed;
}

export function recordLength(sealedBytes: number): number {
  return sealedBytes + TAG_BYTES;
}

export const MAX_RECORD_BYTES = recordLength(SEALED_CHUNK_BYTES);

export function encodeCount(count: number): Uint8Array {
  const bytes = new Uint8Array(COUNT_BYTES);
  new DataView(bytes.buffer).setUint32(0, count);
  return bytes;
}

/** Reads what a receiver says: the id once, then counts, each more than the one before and no more than `sent`. */
export function createReceiverWords(sent: () => number) {
  const held = new Uint8Array(LANE_ID_BYTES);
  let have = 0;
  let id: string | null = null;
  let stored = 0;
  return {
    get id(): string | null {
      return id;
    },
    get stored(): number {
      return stored;
    },
    /** False for what no receiver says. */
    push(bytes: Uint8Array): boolean {
      for (const byte of bytes) {
        held[have] = byte;
        have += 1;
        if (have < (id === null ? LANE_ID_BYTES : COUNT_BYTES)) continue;
        have = 0;
        if (id === null) {
          id = Buffer.from(held).toString('hex');
          continue;
        }
        const said = new DataView(held.buffer).getUint32(0);
        if (said <= stored || said > sent()) return false;
        stored = said;
      }
      return true;
    },
  };
}
