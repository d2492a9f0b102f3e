/**
 * How errors cross the socket: a `FitError` keeps code, message, hint and data; a peer's fault becomes `peer-fault`;
 * everything else is our bug and becomes `internal` without its text or stack, which stay in the daemon's log.
 */
import { FIT_ERRORS, type FitCode, FitError, isFitError, PeerFault } from '../lib/errors.ts';

/** Range of JSON-RPC 2.0 that is left to servers; the exact code is in `data.code`. */
const FIT_FAULT = -32000;

export interface WireFault {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly code: string; readonly hint?: string; readonly data?: unknown };
}

export function encodeFault(error: unknown): WireFault {
  if (isFitError(error)) {
    return {
      code: FIT_FAULT,
      message: error.message,
      data: {
        code: error.code,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        ...(error.data === undefined ? {} : { data: error.data }),
      },
    };
  }
  if (error instanceof PeerFault) {
    return { code: FIT_FAULT, message: `the peer broke the protocol (${error.code})`, data: { code: 'peer-fault' } };
  }
  return {
    code: FIT_FAULT,
    message: 'an error inside the daemon; its log has the details',
    data: { code: 'internal', hint: 'fit doctor says where the log is' },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCode(value: unknown): value is FitCode {
  return typeof value === 'string' && Object.hasOwn(FIT_ERRORS, value);
}

/** The `FitError` that the daemon threw. A code of a later version counts as `internal`, with its message. */
export function decodeFault(code: number, message: string, data: unknown): FitError {
  if (code === -32601) {
    return new FitError('version-mismatch', 'the daemon does not know this command', {
      hint: 'it is of another version: fit daemon stop, then fit daemon start',
    });
  }
  const details = isRecord(data) ? data : {};
  return new FitError(isCode(details.code) ? details.code : 'internal', message, {
    ...(typeof details.hint === 'string' ? { hint: details.hint } : {}),
    ...(isRecord(details.data) ? { data: details.data } : {}),
  });
}
