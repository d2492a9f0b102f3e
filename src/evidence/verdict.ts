/** What the verifier says, how its parts tell it what is wrong first, and what a kind of evidence is to it. */
import type { CredentialView } from '../exchange/credential.ts';
import type { EvidenceFile } from './bundle.ts';

export type Known = 'pinned' | 'ca' | 'embedded';

export interface VerifyOptions {
  /** The document, for a signature that comes without one. */
  readonly content?: Uint8Array;
  /** DER certificates that the user trusts: a signer among them is `pinned`, one issued under them is `ca`. */
  readonly roots?: readonly Uint8Array[];
  /** DER revocation lists. */
  readonly crls?: readonly Uint8Array[];
  /** The least that must be known of every signer. `ca` is satisfied by `pinned` too. */
  readonly require?: 'pinned' | 'ca';
  /** Seconds since 1970 at which certificates must be valid; default: the signing time. */
  readonly at?: number;
}

export interface VerdictSigner {
  /** As the document names the party; text that the parties agreed on. */
  readonly name: string;
  /** As the certificate names it; text from whoever issued it. */
  readonly subject: string;
  readonly role: string;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  /** ISO 8601, UTC. */
  readonly signingTime: string;
  readonly known: Known;
}

/** What one side gives. */
export interface VerdictContent {
  /** Role of the party. */
  readonly from: string;
  /** Of the tree over its chunks, hex. */
  readonly root: string;
  /** null: it is not said to be one. */
  readonly credential: CredentialView | null;
}

/** A file that the note of a delivery or swap names. */
export interface VerdictFile {
  readonly name: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** Role of the party that gives it. */
  readonly from: string;
  /** Whether a file that was given is this one; false if none was given. */
  readonly compared: boolean;
}

export interface Verdict {
  readonly ok: boolean;
  readonly type: 'asics' | 'files' | 'p7s' | 'unknown';
  /** `affidavit`: the arbiter's statement stands for the signatures. */
  readonly proof: 'contract' | 'affidavit' | 'delivery' | 'swap' | 'transfer' | null;
  readonly signers: readonly VerdictSigner[];
  readonly title: string | null;
  readonly deal: string | null;
  /** SHA-256 of the document, hex: where content is given, its note. */
  readonly document: string | null;
  /** SHA-256 of the documents that a note refers to, hex: of the contract that it fulfils. */
  readonly references: readonly string[];
  /** What was given, by whom: of a delivery one, of a swap two, the author's first. */
  readonly contents: readonly VerdictContent[];
  /** The files of all contents. */
  readonly files: readonly VerdictFile[];
  /** The first gap or mismatch; code as in fit-evidence(5), message ours. */
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** Entries of the log that were checked; null if the evidence has none. */
  readonly log: number | null;
  /** Names of attachments that the document lists and the evidence does not carry. */
  readonly missing: readonly string[];
}

/** Where every verdict begins. */
export const NOTHING: Verdict = {
  ok: false,
  type: 'unknown',
  proof: null,
  signers: [],
  title: null,
  deal: null,
  document: null,
  contents: [],
  references: [],
  files: [],
  problem: null,
  log: null,
  missing: [],
};

/** Thrown and caught inside `src/evidence`: what is wrong first. */
export class Refused extends Error {
  override name = 'Refused' as const;
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export function refuse(code: string, message: string): never {
  throw new Refused(code, message);
}

/** A verdict, and the files as they follow from parts that were found good: any difference is an alteration. */
export interface Judged {
  readonly verdict: Verdict;
  readonly made: () => readonly EvidenceFile[];
}

/** `judge` throws `Refused`, `PeerFault` or `FitError` for what is missing or malformed. */
export interface EvidenceKind {
  readonly is: (files: readonly EvidenceFile[]) => boolean;
  readonly judge: (base: Verdict, files: readonly EvidenceFile[], options: VerifyOptions) => Judged;
}
