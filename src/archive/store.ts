/**
 * The storage port: ordered spaces of keys and opaque values. `level-store.ts` keeps them on disk, `memory-store.ts` for
 * tests; both pass `test/conformance/store.ts`. Encryption sits above (`sealed-store.ts`), so a store sees ciphertext only.
 *
 * Obligations: `batch` is atomic and durable when it resolves (a power cut after that loses nothing, one before it leaves
 * all or none) and leaves nothing when it rejects; batches take effect in call order; `get` and `list` see every batch that
 * has resolved; `list` shows the moment of its call, whatever is written while it is read; values are copied both ways; keys
 * are text of 1 to 200 bytes in UTF-8 without NUL (else `RangeError`); after `close` every call rejects.
 */

/** One space per kind of record. Key order within a space is that of UTF-8 bytes. */
export const SPACES = [
  'meta',
  'journal',
  'contacts',
  'deals',
  'exchanges',
  'consents',
  'audit',
  'policy',
  'evidence',
  'cases',
  'outbox',
  'inbox',
  'spool',
  /** What is sent and fetched: keys and sources of contents, and how far they are. */
  'deliveries',
] as const;
export type Space = (typeof SPACES)[number];

export type StoreOp =
  | { readonly kind: 'put'; readonly space: Space; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly space: Space; readonly key: string };

export interface ListOptions {
  /** Inclusive lower and exclusive upper bound. */
  readonly from?: string;
  readonly to?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export interface Store {
  get(space: Space, key: string): Promise<Uint8Array | undefined>;
  list(space: Space, options?: ListOptions): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  batch(ops: readonly StoreOp[]): Promise<void>;
  close(): Promise<void>;
}
