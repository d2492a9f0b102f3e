/**
 * What consent asks of the policy and what the policy is told: types only, so that neither needs the other's inside.
 * Times are seconds since 1970; certificates are SHA-256, hex.
 */
import type { NewEntry } from '../../archive/chain.ts';
import type { StoreOp } from '../../archive/store.ts';
import type { PolicyStatus, PolicyVerdict, RequestItem, RequestKind } from '../../rpc/approvals.ts';

/** One request, as rules see it: from the text, the exchange record that follows from it, and the contacts of now. */
export interface Facts {
  readonly kind: RequestKind;
  /** The peer. `contact` is null for a certificate that is no contact. `attested`: verified with the passphrase given. */
  readonly peer: { readonly contact: string | null; readonly certificate: string; readonly attested: boolean };
  readonly arbiter: { readonly contact: string | null; readonly certificate: string };
  readonly mode: 'invisible' | 'affidavit';
  /** One way, without an arbiter. */
  readonly transfer: boolean;
  readonly template: string;
  /** Without the two signatures on the text. */
  readonly items: readonly RequestItem[];
  readonly attachments: number;
  readonly notAfter: number;
  readonly now: number;
}

/** A consent that a rule gave and that counts in totals: it stands unused, or its promise was made and not freed. */
export interface Reserved {
  readonly rule: string;
  readonly peer: string;
  /** `EUR 120.00` */
  readonly amounts: readonly string[];
  /** Time of the promise; null while it stands unused, and then it counts in today's totals, whatever day it is. */
  readonly usedAt: number | null;
}

export interface Judgement extends PolicyVerdict {
  /** Of the file that decided; null unless outcome is by a rule. */
  readonly policy: string | null;
}

export interface Policy {
  readonly path: string;
  /** Reads the stored confirmation; after an unlock. */
  load(): Promise<void>;
  unload(): void;
  /** First rule that matches, with totals over `reserved`. `ask` whenever the policy is not in force. */
  judge(facts: Facts, reserved: Iterable<Reserved>): Judgement;
  /** Whether the file on disk is, now, the confirmed one with this hash. Reads the disk; synchronous. */
  inForce(hash: string): boolean;
  status(reserved: Iterable<Reserved>): PolicyStatus;
  /** The writes that confirm the file with this hash; throws `wrong-state` if the file is another one by now. */
  confirm(hash: string): {
    readonly ops: readonly StoreOp[];
    readonly audit: readonly NewEntry[];
    readonly done: () => void;
  };
  /** Ends watching the file. */
  stop(): void;
}
