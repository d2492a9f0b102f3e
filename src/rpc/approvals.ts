/**
 * Consent, policy and audit as clients see them (DESIGN §9): types of what `Agent` says about requests, rules and the log.
 * Names of programs and of peers are others' text and are shown through the output boundary.
 */

/** How a consent was given: at a terminal, from where a script keeps the passphrase, or by a rule. */
export const CONSENT_SOURCES = ['terminal', 'descriptor', 'file', 'command', 'credential', 'policy'] as const;
export type ConsentSource = (typeof CONSENT_SOURCES)[number];

/** `granted`: stands unused. `used`: its promise is made. `freed`: used, and the arbiter's token says that nothing came of it. */
export const REQUEST_STATES = ['pending', 'granted', 'used', 'freed', 'refused', 'expired', 'withdrawn'] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

/** Which program asks. `kernel`: the system names the process at the other end of the socket; `claimed`: it says so itself. */
export interface Asker {
  readonly pid: number | null;
  readonly name: string;
  /** Its command line, shortened; null if the system does not tell. */
  readonly command: string | null;
  readonly known: 'kernel' | 'claimed' | 'unknown';
}

/** A statement is signed for whoever reads it: without a peer, an arbiter or a deal. */
export const REQUEST_KINDS = ['offer', 'acceptance', 'statement'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export interface RequestItem {
  readonly from: 'you' | 'them';
  readonly kind: string;
  readonly description: string;
  /** `EUR 120.00` */
  readonly amount: string | null;
}

/** A request for one signature over one digest, from the asking to what came of it. */
export interface ApprovalRequest {
  readonly id: string;
  readonly kind: RequestKind;
  /** Empty for a statement, as are the names of peer and arbiter. */
  readonly deal: string;
  readonly title: string;
  /** SHA-256 of the exact bytes, hex. */
  readonly digest: string;
  readonly peer: {
    readonly contact: string | null;
    readonly name: string;
    readonly fingerprint: string;
    readonly verified: boolean;
  };
  readonly arbiter: {
    readonly contact: string | null;
    readonly name: string;
    readonly fingerprint: string;
    readonly mode: 'invisible' | 'affidavit';
  };
  /** What the exchange record will say: who begins, until when the arbiter helps, how long before that daemons act (seconds). */
  readonly record: {
    readonly role: 'originator' | 'responder';
    readonly notAfter: string;
    readonly margin: number;
    readonly check: string;
  };
  /** Without the two signatures on the text itself. */
  readonly items: readonly RequestItem[];
  /** Six words for the digest, to compare aloud or at a glance. */
  readonly words: string;
  /** One sentence of ours: what happens if the other side stops half-way. */
  readonly fairness: string;
  readonly asker: Asker;
  readonly asked: string;
  /** End of the request while pending, of the consent once granted. */
  readonly expires: string;
  readonly state: RequestState;
  /** Why no rule decided: one sentence of ours. */
  readonly why: string;
  /** Belongs to the connection that asked, which reads and decides it itself; ends with it. */
  readonly held: boolean;
  readonly decision: {
    readonly at: string;
    /** Null for what no one decided: expiry, withdrawal. */
    readonly source: ConsentSource | null;
    readonly rule: string | null;
    /** SHA-256 of policy.toml, hex. */
    readonly policy: string | null;
  } | null;
}

/** The facts that rules look at. Amounts are `UNIT decimal`. */
export interface PolicyFacts {
  readonly kind: RequestKind;
  readonly contact: string | null;
  readonly certificate: string;
  /** Verified with the passphrase given: what a rule's `verified` asks for. */
  readonly verified: boolean;
  /** SHA-256 of the body after the front matter, hex. */
  readonly template: string;
  readonly items: readonly RequestItem[];
  /** Sum of all amounts of the text, by unit. */
  readonly amounts: readonly string[];
  readonly arbiter: { readonly contact: string | null; readonly certificate: string };
  readonly mode: 'invisible' | 'affidavit';
  readonly notAfter: string;
  readonly time: string;
}

export interface RuleTrace {
  readonly rule: string;
  readonly matched: boolean;
  /** One sentence of ours: the first condition that does not hold, or that all do. */
  readonly why: string;
}

export interface PolicyVerdict {
  readonly outcome: 'approve' | 'reject' | 'ask';
  /** Null if no rule matched, or the policy is not in force. */
  readonly rule: string | null;
  readonly why: string;
  readonly trace: readonly RuleTrace[];
  readonly facts: PolicyFacts;
}

export interface PolicyStatus {
  readonly path: string;
  /** Only `confirmed` decides anything. */
  readonly state: 'none' | 'unreadable' | 'unconfirmed' | 'edited' | 'confirmed';
  /** Line and reason, for `unreadable`. */
  readonly problem: string | null;
  /** SHA-256 of the file as it is, hex. */
  readonly hash: string | null;
  readonly confirmed: { readonly hash: string; readonly at: string } | null;
  readonly text: string | null;
  readonly rules: readonly {
    readonly name: string;
    readonly outcome: 'approve' | 'reject' | 'ask';
    /** One sentence each. */
    readonly conditions: readonly string[];
    /** What is reserved now, for rules with totals. */
    readonly reserved: readonly { readonly what: string; readonly amount: string; readonly limit: string }[];
  }[];
  /** Names in the file and the certificates they stand for since it was confirmed. */
  readonly bindings: readonly { readonly contact: string; readonly certificate: string; readonly holds: boolean }[];
}

export interface AuditEntry {
  readonly seq: number;
  readonly at: string;
  /** asked, granted, refused, expired, withdrawn, used, freed; policy-confirmed. */
  readonly kind: string;
  /** The request's id, or empty. */
  readonly request: string;
  /** SHA-256 of the entry, hex; the next entry contains it. */
  readonly hash: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AuditVerdict {
  readonly ok: boolean;
  readonly entries: number;
  /** Hash of the last entry, hex. */
  readonly head: string;
  readonly problem: string | null;
}

/** A folder of a container, as the statement about it names it; hashes are SHA-256, hex. */
export interface StatedPackage {
  readonly container: string;
  readonly path: string;
  readonly folder: string;
  readonly leaves: number;
  readonly bytes: number;
}

export interface StatementResult {
  readonly request: string;
  readonly state: RequestState;
  /** Base64; `p7s` is null until it is signed. */
  readonly text: string;
  readonly p7s: string | null;
  /** Seconds since 1970: the signing time, which the text names. */
  readonly time: number;
}

/** Becomes part of `Agent`. */
export interface ApprovalAgent {
  /** [key] Pending ones, oldest first; with `all` also the decided ones, newest first, at most `limit` (default 100). */
  approveList(params: {
    readonly all?: boolean;
    readonly limit?: number;
  }): Promise<{ readonly requests: readonly ApprovalRequest[] }>;
  /** [key] `request`: any unique beginning. `text`: the exact bytes, base64. */
  approveShow(params: {
    readonly request: string;
  }): Promise<{ readonly request: ApprovalRequest; readonly text: string; readonly verdict: PolicyVerdict }>;
  /** [key][consent] `digest`: what was shown; another one is refused with `wrong-state`, as is whatever changed since. */
  approveGrant(params: { readonly request: string; readonly digest?: string }): Promise<{
    readonly request: ApprovalRequest;
    readonly deal: string;
    readonly state: string;
  }>;
  /** [key] */
  approveRefuse(params: { readonly request: string }): Promise<{ readonly request: ApprovalRequest }>;
  /**
   * [key] Signs a statement about a folder of a container: with the passphrase proven, by a rule, or when a request is granted.
   * `waits`: whoever asks stays and waits; else nothing is left waiting.
   */
  statementSign(params: {
    readonly about: StatedPackage;
    /** That it comes from us, or that we have received it. */
    readonly as: 'signed' | 'receipt';
    readonly waits?: boolean;
    readonly hold?: boolean;
  }): Promise<StatementResult>;
  /** [key] What became of a request for a statement. */
  statementShow(params: { readonly request: string }): Promise<StatementResult>;
  /** Ends this connection's proof of the passphrase. */
  forget(): Promise<{ readonly proven: false }>;

  /** [key] */
  policyShow(): Promise<PolicyStatus>;
  /** [key] What would be decided about accepting a deal's current offer, or about a pending request. */
  policyCheck(params: { readonly deal?: string; readonly request?: string }): Promise<PolicyVerdict>;
  /** [key][consent] `hash`: of the file that was shown. */
  policyConfirm(params: { readonly hash: string }): Promise<PolicyStatus>;

  /** [key] Oldest first, from `from` on (default: the last `limit`). `limit` at most 1000, default 100. */
  auditList(params: { readonly from?: number; readonly limit?: number }): Promise<{
    readonly entries: readonly AuditEntry[];
    readonly head: { readonly seq: number; readonly hash: string };
  }>;
  /** [key] Everything about one request (any unique beginning of its id). */
  auditShow(params: { readonly request: string }): Promise<{ readonly entries: readonly AuditEntry[] }>;
  /** [key] */
  auditVerify(): Promise<AuditVerdict>;
}
