/**
 * Bringing a ciphertext to an arbiter that wants it for a full check (PROTOCOL §8): a few pieces under way at a time.
 *
 * Guarantee: nothing goes out but the ciphertext that X names, so an arbiter that asks without need learns what the link to it
 * shows of nobody's content.
 */
import { chunksOf } from '../crypto/content.ts';
import { decodePieceReply, isCiphertext, piecesOf } from '../exchange/pieces.ts';
import { assert } from '../lib/assert.ts';
import { FitError } from '../lib/errors.ts';
import type { Link } from '../p2p/link.ts';

const UNDER_WAY = 4;
const TIMEOUT_MS = 30_000;

export interface Brought {
  readonly xid: Uint8Array;
  readonly bytes: number;
  readonly ciphertextRoot: Uint8Array;
  readonly ciphertext: Uint8Array;
  /** The first chunk that is wanted. */
  readonly from: number;
}

/** Whether all of it is there; false: nobody wants it, or not yet. Throws what the link throws, and `peer-refused`. */
export async function bring(
  link: Pick<Link, 'request'>,
  arbiter: { readonly peer: string; readonly certificate: string },
  { xid, bytes, ciphertextRoot, ciphertext, from }: Brought,
  signal?: AbortSignal,
): Promise<boolean> {
  assert(isCiphertext({ bytes, ciphertextRoot }, ciphertext), 'the ciphertext of the exchange');
  const options = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  const pieces = piecesOf(xid, bytes, ciphertext, Math.min(from, chunksOf(bytes)))[Symbol.iterator]();
  let over = false;
  const carry = async (): Promise<void> => {
    while (!over) {
      const { done, value } = pieces.next();
      if (done === true) return;
      const { peer, certificate } = arbiter;
      const reply = decodePieceReply(await link.request(peer, certificate, '/fit/arbiter/1', value, options));
      if (reply === 'not-wanted') over = true;
      else if (reply !== 'taken')
        throw new FitError('peer-refused', `the arbiter does not take the ciphertext (${reply})`, {
          hint: 'it is brought again by itself',
        });
    }
  };
  const carriers = Array.from({ length: UNDER_WAY }, () =>
    carry().catch((error: unknown) => {
      over = true;
      throw error;
    }),
  );
  const ended = await Promise.allSettled(carriers);
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  return !over;
}
