/** How hard a passphrase is to guess, by the estimator of zxcvbn: loaded only where one is chosen. */
import { zxcvbn, zxcvbnOptions } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';

export interface Strength {
  /** 0 hopeless … 4 strong. */
  readonly score: number;
  /** One sentence of ours. */
  readonly words: string;
}

const MAX_LENGTH = 100;
const WORDS = [
  'hopeless: guessed at once',
  'weak: guessed in hours',
  'fair: it holds a while against one computer',
  'good',
  'strong',
] as const;

export function strengthOf(passphrase: string, own: readonly string[]): Strength {
  zxcvbnOptions.setOptions({ graphs: adjacencyGraphs, dictionary });
  // What it makes of a very long one takes long and says nothing new.
  const { score } = zxcvbn(passphrase.slice(0, MAX_LENGTH), [...own]);
  return { score, words: WORDS[score] ?? '' };
}
