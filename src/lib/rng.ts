/** Randomness as a port. */
import { randomBytes } from 'node:crypto';

export type Rng = (bytes: number) => Uint8Array;

export const systemRng: Rng = (bytes) => new Uint8Array(randomBytes(bytes));

/** Crockford's base32 in lower case: no i, l, o, u. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Deal ids: 12 characters, 60 bits. */
export function newId(rng: Rng): string {
  return Array.from(rng(12), (byte) => ALPHABET[byte & 31]).join('');
}

export const ID_PATTERN = /^[0-9abcdefghjkmnpqrstvwxyz]{12}$/;
