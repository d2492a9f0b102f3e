/** A running daemon, as its agent and its doctor see it. compose.ts makes it. */
import type { KeyObject } from 'node:crypto';
import type { Certificate } from '../crypto/pki/certificate.ts';
import type { HomePaths } from '../lib/paths.ts';
import type { ArbiterRole } from './arbiter-role.ts';
import type { Deals } from './deals.ts';
import type { Parts } from './parts.ts';
import type { Views } from './views.ts';

export interface Daemon {
  readonly parts: Parts;
  readonly deals: Deals;
  readonly views: Views;
  readonly arbiter: ArbiterRole;
  readonly paths: HomePaths;
  readonly startedMs: number;
  /** Unlocked, and everything unfinished has been taken up again. */
  readonly open: boolean;
  unlock(passphrase: string): Promise<void>;
  lock(): Promise<void>;
  /** Another certificate, with another key or for the same one. Only while no deal is open. */
  replaceIdentity(
    chain: readonly Certificate[],
    other: { readonly key: KeyObject; readonly passphrase: string } | undefined,
  ): Promise<void>;
  /** Ends everything in order; resolves `stopped`. */
  stop(): Promise<void>;
  /** A bug of ours: says so and ends at once. What was recorded is what the next start continues from. */
  crash(error: unknown): void;
  readonly stopped: Promise<void>;
}
