/**
 * What a client may ask of a daemon: the one interface that the daemon implements, the socket server exposes as JSON-RPC 2.0
 * (method name = key of `Agent`) and the client calls. Parameters and results are plain JSON: bytes as base64, hashes as
 * lower-case hex, times as ISO 8601 UTC. Failures are `FitError`s; their code, hint and data cross the socket.
 *
 * Methods marked [consent] need a connection that has proven the passphrase (`prove`), else `needs-passphrase`.
 * Methods marked [ask] sign something: over a proven connection at once; else a rule of the policy decides, or they fail with
 * `needs-approval` and the request waits (`data.request`). With `hold` the request waits for this connection's own
 * `approveGrant` or `approveRefuse` and ends with it: so that a person reads exactly the bytes that are signed.
 * Methods marked [key] need an unlocked daemon, else `locked`.
 */

import type { CredentialView, TextKind } from '../exchange/credential.ts';
import type { ApprovalAgent, ConsentSource } from './approvals.ts';

/** Sent with every request; another major version is refused with `version-mismatch`. */
export const RPC_VERSION = 1;
/** Credentials that are texts: which of them one is, only its owner knows. */
export const CREDENTIAL_TEXTS = ['token', 'ticket', 'licence'] as const satisfies readonly TextKind[];
export type CredentialText = TextKind;
/** The `schema` field of every JSON result of the CLI. */
export const SCHEMA = 1;

export const DEAL_STATES = [
  'offered',
  'signing',
  'contracted',
  'completed',
  'declined',
  'withdrawn',
  'expired',
  'aborted',
  'failed',
] as const;
export type DealStateName = (typeof DEAL_STATES)[number];

export interface StatusResult {
  readonly pid: number;
  readonly version: string;
  readonly name: string;
  readonly home: string;
  readonly locked: boolean;
  readonly addresses: readonly string[];
  readonly roles: readonly string[];
  readonly certificate: string;
  readonly started: string;
  /** Requests received since the home was made (durable). */
  readonly received: { readonly arbiter: number };
  readonly deals: number;
  /** Messages that wait in the outbox. */
  readonly waiting: number;
}

export interface WhoamiResult {
  readonly name: string;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  readonly peer: string;
  readonly addresses: readonly string[];
  readonly roles: readonly string[];
  readonly notAfter: string;
  /** What files for this trader are encrypted to (`age1…`); null before the first unlock. */
  readonly recipient: string | null;
}

export interface ContactResult {
  /** The name this trader gave it (`--as`). */
  readonly contact: string;
  /** The name in its card: peer-supplied text. */
  readonly name: string;
  readonly fingerprint: string;
  readonly peer: string;
  readonly addresses: readonly string[];
  readonly roles: readonly string[];
  /** The 16 words that both sides compare, separated by single spaces. */
  readonly words: string;
  readonly verified: boolean;
  /** Verified over a connection that had proven the passphrase: only this do rules of the policy trust. */
  readonly attested: boolean;
  readonly online: boolean;
  readonly serial: number;
  readonly added: string;
  /** What files for it are encrypted to (`age1…`), if its card says so. */
  readonly recipient: string | null;
}

/** A contract exchanges signatures, a delivery content for a receipt, a swap content for content; a transfer goes one way. */
export type DealKind = 'contract' | 'delivery' | 'swap' | 'transfer';

export interface DealSummary {
  readonly deal: string;
  readonly kind: DealKind;
  /** SHA-256 of earlier documents that the text names, hex: of the contract, for a delivery that fulfils one. */
  readonly references: readonly string[];
  readonly title: string;
  readonly state: DealStateName;
  /** Contact's local name, or the fingerprint's first 16 digits if it was removed. */
  readonly with: string;
  readonly verified: boolean;
  /** Number of the current version, from 1. */
  readonly version: number;
  /** SHA-256 of the current document, hex. */
  readonly document: string;
  readonly offeredBy: 'you' | 'them';
  /** Whose move it is. */
  readonly waitsFor: 'you' | 'them' | 'arbiter' | 'nobody';
  /** End of the offer while offered, notAfter while signing. */
  readonly until: string | null;
  readonly updated: string;
}

export interface DealResult extends DealSummary {
  /** null: a transfer has none. */
  readonly arbiter: {
    readonly contact: string | null;
    readonly name: string;
    readonly fingerprint: string;
    readonly mode: 'invisible' | 'affidavit';
    /** The card that came with the offer, text form. */
    readonly card: string;
  } | null;
  /** How wrong content is found out: `none` without content, `window=` with seconds, or `full`. */
  readonly check: string;
  /** Of a transfer: whether its sender signs a statement of origin, and whether its receiver is asked for a receipt. */
  readonly transfer: { readonly origin: boolean; readonly receipt: 'asked' | 'none' } | null;
  readonly versions: readonly {
    readonly version: number;
    readonly document: string;
    readonly by: 'you' | 'them';
    readonly at: string;
  }[];
  /** Hash-linked tree, oldest first. */
  readonly transactions: readonly {
    readonly id: string;
    readonly parent: string | null;
    readonly kind: string;
    readonly by: 'you' | 'them' | 'arbiter';
    readonly at: string;
    /** Peer-supplied text for messages and reasons. */
    readonly text: string | null;
  }[];
  readonly exchange: {
    readonly xid: string;
    readonly role: 'originator' | 'responder';
    readonly phase: string;
    readonly notAfter: string;
  } | null;
  /** contracted: how it came about. */
  readonly via: 'peer' | 'arbiter' | null;
  /** Why the deal ended, for states other than contracted; our words. */
  readonly reason: string | null;
}

/** How far the content of a delivery is. */
export interface DeliveryResult {
  readonly deal: string;
  readonly direction: 'out' | 'in';
  /** `offered`: ours. Of theirs `waiting` until it is accepted, `opened` once the files can be had, `taken` once they were. */
  readonly phase: 'offered' | 'waiting' | 'fetching' | 'fetched' | 'opened' | 'taken' | 'failed';
  /** Bytes of the ciphertext that are here, of so many. */
  readonly done: number;
  readonly total: number;
  readonly trouble: string | null;
  /** Names are the sender's, checked to be names. `path`: where the daemon keeps an opened file. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly path: string | null }[];
  /** Where the daemon keeps the salts that prove with the opened files that the note describes one wrongly. */
  readonly salts: string | null;
}

export interface DealChange {
  readonly deal: string;
  readonly document: string;
  readonly state: DealStateName;
  /** Present when `wait` was not asked for: the document as completed. */
  readonly text?: string;
  /** Our sentences: for example that the contact is unverified. */
  readonly warnings: readonly string[];
  /** What a note of ours gives, as it describes it, if that is a credential. */
  readonly credential?: CredentialView;
}

export interface ExplainResult {
  readonly deal: string;
  readonly state: DealStateName;
  readonly youHold: string;
  readonly theyHold: string;
  readonly ifYouStop: string;
  readonly ifTheyStop: string;
  readonly whoCouldCheat: string;
  /** Further sentences: a short margin, clocks, "arbiter gone". */
  readonly notes: readonly string[];
}

export interface LintFinding {
  readonly line: number;
  readonly column: number;
  readonly code: string;
  readonly message: string;
}

export interface FileContent {
  /** Relative path with forward slashes, made by us. */
  readonly name: string;
  readonly data: string;
}

export interface CaseResult {
  readonly xid: string;
  readonly state: 'aborted' | 'resolved' | 'pending' | 'voided';
  readonly cause: string | null;
  readonly originator: string;
  readonly responder: string;
  readonly decided: string;
}

export interface TimestampMade {
  /** TimeStampResp (RFC 3161). */
  readonly response: string;
  readonly time: string;
  /** Hex. */
  readonly serial: string;
  readonly policy: string;
  /** The name in the signer's certificate: the authority's text. */
  readonly authority: string;
  readonly fingerprint: string;
  readonly trustedBy: string;
}

export interface TimestampAuthority {
  /** Null for a configured certificate, or this trader's own. */
  readonly contact: string | null;
  /** DER. */
  readonly certificate: string;
}

/** What events tell; fit-events(1) explains each. A kind keeps its meaning; kinds may be added. */
export const EVENT_KINDS = [
  // A deal's transactions, ours and theirs.
  'message',
  'offer',
  'counter-offer',
  'decline',
  'withdraw',
  'acceptance',
  'promise',
  'release',
  'abort',
  'resolve',
  'contract',
  'aborted',
  'end',
  'expiry',
  'failure',
  // Of a delivery.
  'key',
  'complaint',
  'completion',
  'void',
  'fetched',
  'file-changed',
  // How far its content is; not kept for `since`, and no hook is run on it.
  'progress',
  'refused-by-peer',
  // Requests for approval, and the policy.
  'request',
  'granted',
  'refused',
  'request-expired',
  'request-withdrawn',
  'policy-confirmed',
  'policy-edited',
  // Contacts.
  'contact-added',
  'contact-updated',
  'contact-verified',
  'contact-removed',
  'online',
  'offline',
  'clock-differs',
  'peer-fault',
  // An arbiter's.
  'case',
  'arbiter-request',
  // The daemon itself.
  'unlocked',
  'locked',
  'hook-failed',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What is done to content: ours is read for its note and served, theirs is fetched and, with the key, opened. */
export type ProgressPhase = 'reading' | 'serving' | 'fetching' | 'opening';

export interface FitEvent {
  readonly seq: number;
  readonly at: string;
  readonly kind: EventKind;
  readonly deal?: string;
  readonly state?: DealStateName;
  readonly contact?: string;
  /** A request for approval (rpc/approvals.ts). */
  readonly request?: string;
  readonly detail?: string;
  /** Of `progress`: bytes of so many. While it is read, the deal is the one that it will be. */
  readonly direction?: 'out' | 'in';
  readonly phase?: ProgressPhase;
  readonly done?: number;
  readonly total?: number;
}

export interface Agent extends ApprovalAgent {
  status(): Promise<StatusResult>;
  /** Rate-limited; `wrong-passphrase` or `rate-limited`. Leaves an unlocked daemon as it is (after checking the passphrase). */
  unlock(params: { readonly passphrase: string }): Promise<StatusResult>;
  lock(): Promise<StatusResult>;
  /**
   * Proves the passphrase for this connection only, until it is unused for `consent.idle`. Also unlocks nothing. `source`: where
   * the passphrase came from, for the audit log (default: `terminal`).
   */
  prove(params: {
    readonly passphrase: string;
    readonly source?: Exclude<ConsentSource, 'policy'>;
  }): Promise<{ readonly proven: true }>;
  stop(): Promise<{ readonly stopped: true }>;
  whoami(): Promise<WhoamiResult>;
  /** [key] The text form `fit1…`. */
  card(): Promise<{ readonly card: string; readonly serial: number }>;

  /** `replace`: accept another certificate, V or lower serial under the same local name (the contact becomes unverified). */
  contactAdd(params: {
    readonly card: string;
    readonly as: string;
    readonly replace?: boolean;
  }): Promise<ContactResult>;
  contactList(): Promise<{ readonly contacts: readonly ContactResult[] }>;
  contactShow(params: { readonly contact: string }): Promise<ContactResult>;
  /** All 16 words, any white space between them, case ignored. `words-differ` otherwise. */
  contactVerify(params: { readonly contact: string; readonly words: string }): Promise<ContactResult>;
  /** Refused while a deal with it is offered or signing. */
  contactRemove(params: { readonly contact: string }): Promise<{ readonly removed: string }>;

  /** [key][ask unless dryRun] `document`: base64 of the user's bytes. `expires`, `notAfter`: seconds from now. */
  dealPropose(params: {
    readonly document: string;
    readonly to: string;
    readonly arbiter: string;
    readonly expires?: number;
    readonly mode?: 'invisible' | 'affidavit';
    readonly dryRun?: boolean;
    readonly hold?: boolean;
  }): Promise<DealChange>;
  /** [key][ask unless dryRun] */
  dealCounter(params: {
    readonly deal: string;
    readonly document: string;
    readonly expires?: number;
    readonly dryRun?: boolean;
    readonly hold?: boolean;
  }): Promise<DealChange>;
  /** [key][ask] `document`: the digest that was shown; another current version is refused with `wrong-state`. */
  dealAccept(params: {
    readonly deal: string;
    readonly document?: string;
    /** Of a delivery: bytes a second at most. */
    readonly rate?: number;
    readonly hold?: boolean;
  }): Promise<DealChange>;
  /**
   * [key][ask unless dryRun] Offers files for a signed receipt. `files`: whole paths. `deal`: the contract that is fulfilled; else
   * `to` and `arbiter`. `window`: seconds in which wrong content can be proven to the arbiter. `text`: added to the note.
   */
  dealDeliver(params: {
    readonly files: readonly string[];
    readonly deal?: string;
    readonly to?: string;
    readonly arbiter?: string;
    readonly window?: number;
    /** Instead of a window: the arbiter, if it is asked, is brought the content and compares it. */
    readonly full?: true;
    readonly expires?: number;
    readonly text?: string;
    /** For content instead of a receipt: what is wanted; without it the files answer a swap of theirs, `deal`. */
    readonly swap?: boolean;
    readonly want?: string;
    /** The one file is a credential: what a text is, or true for a certificate (or a token). */
    readonly credential?: boolean | CredentialText;
    /** One way, without arbiter and window: whether we sign a statement of origin, and whether a receipt is asked for. */
    readonly transfer?: { readonly origin: boolean; readonly receipt: 'asked' | 'none' };
    readonly dryRun?: boolean;
    readonly hold?: boolean;
  }): Promise<DealChange>;
  /** [key] */
  deliveryShow(params: { readonly deal: string }): Promise<DeliveryResult>;
  /** [key] The opened files are where they belong: the daemon's own go. */
  deliveryTaken(params: { readonly deal: string }): Promise<DeliveryResult>;
  dealDecline(params: { readonly deal: string; readonly reason?: string }): Promise<DealChange>;
  dealWithdraw(params: { readonly deal: string }): Promise<DealChange>;
  dealMessage(params: { readonly deal: string; readonly text: string }): Promise<DealChange>;
  dealAbort(params: { readonly deal: string }): Promise<DealChange>;
  dealResolve(params: { readonly deal: string }): Promise<DealChange>;
  dealList(): Promise<{ readonly deals: readonly DealSummary[] }>;
  dealShow(params: { readonly deal: string }): Promise<DealResult>;
  /** The exact bytes of a version (default: current), base64. */
  dealText(params: {
    readonly deal: string;
    readonly version?: number;
  }): Promise<{ readonly deal: string; readonly version: number; readonly document: string; readonly data: string }>;
  /** Waits for an unknown id too. Resolves when a wanted or a final state is reached; `timed-out` otherwise. */
  dealWait(params: {
    readonly deal: string;
    readonly for: readonly DealStateName[];
    readonly timeoutMs: number;
  }): Promise<{
    readonly deal: string;
    readonly state: DealStateName;
    readonly reached: boolean;
    readonly via: 'peer' | 'arbiter' | null;
  }>;
  dealExplain(params: { readonly deal: string }): Promise<ExplainResult>;
  /** The evidence: `asics` is one file, `files` the plain ones (contract.md, contract.p7s, certificates.pem, README …). */
  dealExport(params: {
    readonly deal: string;
    readonly form: 'asics' | 'files';
  }): Promise<{ readonly deal: string; readonly files: readonly FileContent[] }>;

  arbiterCases(): Promise<{ readonly cases: readonly CaseResult[] }>;
  arbiterTerms(): Promise<{ readonly terms: string; readonly sha256: string }>;

  /**
   * Asks an authority for a timestamp and verifies it: the contact `by` [key], else the one at `url`, else the configured one.
   * `certificates`: DER, in place of the configured ones.
   */
  timestampMake(params: {
    readonly digest: string;
    readonly by?: string;
    readonly url?: string;
    readonly certificates?: readonly string[];
  }): Promise<TimestampMade>;
  /** [key] Whose timestamps this trader believes. */
  timestampAuthorities(): Promise<{ readonly authorities: readonly TimestampAuthority[] }>;

  /**
   * [key] The file key in the header of an age file (base64) that was encrypted to this trader; null for one that was not. The
   * header's MAC has been checked with it.
   */
  sealedKey(params: { readonly header: string }): Promise<{ readonly key: string | null }>;

  /** [consent] PKCS#10 request for the identity key, PEM. */
  keyCsr(): Promise<{ readonly csr: string }>;
  /** [consent] A certificate (chain, PEM, leaf first) issued for the identity key, or a PKCS#12 / PEM key with its chain, base64. A new identity certificate means a new card serial; contacts must pin it again. */
  keyImport(params: {
    readonly data: string;
    readonly dataPassphrase?: string;
    /** This trader's own, to protect a key that comes along; needed only then. */
    readonly passphrase?: string;
  }): Promise<WhoamiResult>;
  /** [consent] The encrypted PKCS#8 file as it lies on disk, and the certificate chain, PEM. */
  keyExport(): Promise<{ readonly key: string; readonly certificates: string }>;
  keyPassphrase(params: { readonly old: string; readonly new: string }): Promise<{ readonly changed: true }>;

  archiveVerify(): Promise<{
    readonly ok: boolean;
    readonly records: number;
    readonly entries: number;
    readonly problem: string | null;
  }>;
  configGet(params: { readonly key: string }): Promise<{ readonly key: string; readonly value: string }>;
  configSet(params: {
    readonly key: string;
    readonly value: string;
  }): Promise<{ readonly key: string; readonly value: string }>;
  configList(): Promise<{ readonly config: Readonly<Record<string, string>> }>;
  /** Events as notifications `event` on this connection, from now or from `since` (exclusive) on, until it closes. */
  subscribe(params: { readonly since?: number }): Promise<{ readonly seq: number }>;
  doctor(): Promise<{
    readonly checks: readonly { readonly check: string; readonly ok: boolean; readonly detail: string }[];
  }>;
}

export type AgentMethod = keyof Agent;

/** The notification that `subscribe` turns on. */
export const EVENT_NOTIFICATION = 'event';
