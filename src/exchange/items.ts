/**
 * What an exchange swaps (PROTOCOL §3, §4), and how the arbiter checks content (§8). Each item is something an arbiter can
 * hand over: a signature on the document, the key of encrypted content with the sender's statement of origin, a signature on
 * a statement that a template makes from X. Which of them may meet is `checkFrame`'s to say (frame.ts).
 */
import { chunksOf, MAX_CONTENT_BYTES } from '../crypto/content.ts';
import { type Cbor, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import { MAX_WINDOW, MIN_WINDOW } from '../lib/window.ts';

/** `O` originator, `R` responder: the role under which a party stands in X and in every label. */
export type Role = 'O' | 'R';
export const ROLES: readonly Role[] = ['O', 'R'];

export function otherRole(role: Role): Role {
  return role === 'O' ? 'R' : 'O';
}

/** Content whose key is the discrete logarithm of `point` (33 bytes); roots of ciphertext and plaintext, 32 bytes each. */
export interface ContentItem {
  readonly kind: 'content';
  readonly point: Uint8Array;
  readonly ciphertextRoot: Uint8Array;
  readonly plaintextRoot: Uint8Array;
  readonly bytes: number;
  readonly chunks: number;
}

/** What the text says of an item: the sender of content chooses key and ciphertext for each exchange. */
export type NamedItem = Exclude<Item, ContentItem> | Omit<ContentItem, 'point' | 'ciphertextRoot'>;

/** The statements of version 1. */
export const RECEIPT = 'receipt';

export type Item =
  /** The party's signature on the document. `digest`: SHA-256 of its bytes. */
  | { readonly kind: 'document'; readonly digest: Uint8Array }
  | ContentItem
  /** The party's signature on a text that the named template makes from X. */
  | { readonly kind: 'statement'; readonly template: string };

const MAX_TEMPLATE_NAME = 64;

/**
 * `none`: nothing to check. `window=N`: what the arbiter completes stays open for N seconds, in which a proof of wrong content
 * voids it. `full`: who asks the arbiter brings the ciphertext, and the arbiter compares all of it before it decides (PROTOCOL §8).
 */
export type ContentCheck = 'none' | 'full' | `window=${number}`;

/** What an arbiter is asked to take and compare: larger content has a window. */
export const MAX_FULL_BYTES = 16 * 1024 * 1024;

/** Seconds of the window; 0 where there is none. */
export function windowOf(check: ContentCheck): number {
  return check === 'none' || check === 'full' ? 0 : Number(check.slice('window='.length));
}

/** A check in its one form, or undefined. */
export function readCheck(text: string): ContentCheck | undefined {
  if (text === 'none' || text === 'full') return text;
  const [, digits = ''] = /^window=([1-9][0-9]{0,8})$/.exec(text) ?? [];
  const seconds = Number(digits);
  return seconds >= MIN_WINDOW && seconds <= MAX_WINDOW ? `window=${seconds}` : undefined;
}

function contentSize(bytes: Cbor | undefined, chunks: Cbor | undefined): { bytes: number; chunks: number } {
  const size = read.uint(bytes, 'content size');
  if (size > MAX_CONTENT_BYTES) throw new PeerFault('malformed', 'content size: too large');
  if (read.uint(chunks, 'content chunks') !== chunksOf(size))
    throw new PeerFault('malformed', 'content chunks: not the number of that size');
  return { bytes: size, chunks: chunksOf(size) };
}

export function itemToCbor(item: Item): Cbor {
  switch (item.kind) {
    case 'document':
      return [1, item.digest];
    case 'content':
      return [2, item.point, item.ciphertextRoot, item.plaintextRoot, item.bytes, item.chunks];
    case 'statement':
      return [3, item.template];
  }
}

export function itemFromCbor(value: Cbor | undefined): Item {
  const tag = read.list(value, 6, 'item')[0];
  switch (tag) {
    case 1: {
      const [, digest] = read.array(value, 2, 'document item');
      return { kind: 'document', digest: read.bytes(digest, 32, 'document digest') };
    }
    case 2: {
      const [, point, rz, rx, bytes, chunks] = read.array(value, 6, 'content item');
      return {
        kind: 'content',
        point: read.bytes(point, 33, 'content point'),
        ciphertextRoot: read.bytes(rz, 32, 'ciphertext root'),
        plaintextRoot: read.bytes(rx, 32, 'plaintext root'),
        ...contentSize(bytes, chunks),
      };
    }
    case 3: {
      const [, template] = read.array(value, 2, 'statement item');
      return { kind: 'statement', template: read.text(template, MAX_TEMPLATE_NAME, 'statement template') };
    }
    default:
      throw new PeerFault('malformed', 'item: unknown kind');
  }
}
