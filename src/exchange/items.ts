/**
 * What an exchange swaps (PROTOCOL §3, §4). Each item is something an arbiter can hand over.
 *
 * Version 1 of the contract signs documents; content and statement items have their place in the encoding and are decoded
 * strictly, and `checkFrame` (frame.ts) refuses them until the deliveries that use them exist.
 */
import { type Cbor, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';

/** `O` originator, `R` responder: the role under which a party stands in X and in every label. */
export type Role = 'O' | 'R';
export const ROLES: readonly Role[] = ['O', 'R'];

export function otherRole(role: Role): Role {
  return role === 'O' ? 'R' : 'O';
}

export type Item =
  /** The party's signature on the document. `digest`: SHA-256 of its bytes. */
  | { readonly kind: 'document'; readonly digest: Uint8Array }
  /** A file whose key is the discrete logarithm of `point` (33 bytes); roots of ciphertext and plaintext, 32 bytes each. */
  | {
      readonly kind: 'content';
      readonly point: Uint8Array;
      readonly ciphertextRoot: Uint8Array;
      readonly plaintextRoot: Uint8Array;
      readonly bytes: number;
      readonly chunks: number;
    }
  /** The party's signature on a text that the named template makes from X. */
  | { readonly kind: 'statement'; readonly template: string };

const MAX_TEMPLATE_NAME = 64;

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
        bytes: read.uint(bytes, 'content size'),
        chunks: read.uint(chunks, 'content chunks'),
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
