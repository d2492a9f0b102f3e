/**
 * The 16 words that two people compare aloud (PROTOCOL §1): 8 of 11 bits for each of them, from SHA-256 over certificate,
 * PeerId and V, the lower certificate hash first, so that both sides read the same 16. All 16 are compared.
 */
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { H } from '../crypto/hash.ts';
import { assert } from '../lib/assert.ts';
import { compare } from '../lib/bytes.ts';

export interface WordsOf {
  /** SHA-256 of the certificate. */
  readonly certificate: { readonly hash: Uint8Array };
  /** PeerId, 38 bytes. */
  readonly peer: Uint8Array;
  /** V, 33 bytes. */
  readonly verifier: Uint8Array;
}

const WORDS_EACH = 8;
const BITS = 11;

/** The first `count` groups of 11 bits as words. */
function wordsIn(hash: Uint8Array, count: number): string[] {
  const bits = Array.from(hash.subarray(0, Math.ceil((count * BITS) / 8)), (byte) =>
    byte.toString(2).padStart(8, '0'),
  ).join('');
  return Array.from({ length: count }, (_, index) => {
    const word = wordlist[Number.parseInt(bits.slice(index * BITS, (index + 1) * BITS), 2)];
    assert(word !== undefined, 'a list of 2048 words');
    return word;
  });
}

function wordsOf({ certificate, peer, verifier }: WordsOf): string[] {
  return wordsIn(H('fit words v1', certificate.hash, peer, verifier), WORDS_EACH);
}

const WORDS_OF_DIGEST = 6;

/**
 * The first 66 bits of a SHA-256 as six words, separated by single spaces: for eye and ear beside the digits, to see that two
 * screens show the same text. What is signed is the digest.
 */
export function digestWords(digest: Uint8Array): string {
  return wordsIn(digest, WORDS_OF_DIGEST).join(' ');
}

/** 16 words, separated by single spaces; the same from both sides. */
export function contactWords(one: WordsOf, other: WordsOf): string {
  const pair = [one, other].sort((a, b) => compare(a.certificate.hash, b.certificate.hash));
  return pair.flatMap(wordsOf).join(' ');
}

/** Whether a person's input is these words, case and kind of white space ignored, nothing left out. */
export function sameWords(input: string, words: string): boolean {
  return input.trim().toLowerCase().split(/\s+/).join(' ') === words;
}
