/**
 * Errors of three of the four kinds (the fourth, an outcome, is a plain value):
 * `FitError` is operational, coded and has a hint; `PeerFault` says that a peer broke the protocol and ends only what it
 * was part of; `AssertionFailed` (assert.ts) is our bug. Codes are stable, travel over RPC, decide the exit code and are
 * listed in docs/errors.md (test/tidy.test.ts compares).
 */

/** Exit codes of `fit` (fit(1), EXIT STATUS). */
export const EXIT = {
  done: 0,
  negative: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  needsInput: 5,
  peer: 6,
  /** Of no code yet: daemons ask an arbiter by themselves, and no command waits for its answer. */
  arbiter: 7,
  locked: 8,
  passphrase: 9,
  daemon: 10,
  internal: 70,
  interrupted: 130,
} as const;

/** Code → exit code. The one list of codes. */
export const FIT_ERRORS = {
  usage: EXIT.usage,
  'bad-document': EXIT.usage,
  'bad-card': EXIT.usage,
  'bad-key': EXIT.usage,
  'bad-config': EXIT.usage,
  'bad-file': EXIT.usage,
  'file-exists': EXIT.usage,
  'home-exists': EXIT.usage,
  'not-found': EXIT.notFound,
  ambiguous: EXIT.notFound,
  'wrong-state': EXIT.notFound,
  'no-home': EXIT.notFound,
  'arbiter-not-pinned': EXIT.notFound,
  'card-conflict': EXIT.refused,
  'words-differ': EXIT.negative,
  'timed-out': EXIT.notFound,
  refused: EXIT.refused,
  'needs-approval': EXIT.needsInput,
  'needs-passphrase': EXIT.needsInput,
  'needs-terminal': EXIT.needsInput,
  'peer-unreachable': EXIT.peer,
  'peer-refused': EXIT.peer,
  'peer-fault': EXIT.peer,
  locked: EXIT.locked,
  'wrong-passphrase': EXIT.passphrase,
  'rate-limited': EXIT.passphrase,
  'daemon-unreachable': EXIT.daemon,
  'daemon-running': EXIT.daemon,
  'version-mismatch': EXIT.daemon,
  'archive-corrupt': EXIT.internal,
  'disk-full': EXIT.internal,
  'file-changed': EXIT.notFound,
  'disk-failed': EXIT.internal,
  'clock-wrong': EXIT.refused,
  busy: EXIT.refused,
  interrupted: EXIT.interrupted,
  internal: EXIT.internal,
} as const;

export type FitCode = keyof typeof FIT_ERRORS;

export interface FitErrorOptions {
  /** What the person can do next: a sentence in lower case without a full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Machine-readable details (document positions, for example); plain JSON. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Operational failure. `message` is what `fit: ` prints: lower case, no full stop, and never peer-supplied text. */
export class FitError extends Error {
  override name = 'FitError' as const;
  readonly code: FitCode;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;

  constructor(code: FitCode, message: string, options: FitErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.data = options.data;
  }
}

export function exitCodeOf(error: unknown): number {
  return isFitError(error) ? FIT_ERRORS[error.code] : EXIT.internal;
}

/** By shape, so that it holds across bundles and RPC. */
export function isFitError(error: unknown): error is FitError {
  return error instanceof Error && error.name === 'FitError' && 'code' in error && String(error.code) in FIT_ERRORS;
}

/** Codes of peer faults: what the peer did. */
export const PEER_FAULTS = [
  'malformed',
  'oversized',
  'unknown-version',
  'out-of-order',
  'bad-signature',
  'bad-binding',
  'bad-proof',
  'bad-record',
  'flood',
] as const;

export type PeerFaultCode = (typeof PEER_FAULTS)[number];

/** The peer broke the protocol. Ends the exchange or message concerned and nothing else. */
export class PeerFault extends Error {
  override name = 'PeerFault' as const;
  readonly code: PeerFaultCode;

  constructor(code: PeerFaultCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }
}
