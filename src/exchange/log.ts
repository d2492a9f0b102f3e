/**
 * The hash-linked log of a deal in the form that its evidence carries: one JSON object a line, pure ASCII, so that it can be
 * read without `fit` and shown on any terminal. What the payloads mean is for the commerce layer; that the ids are the
 * hashes of their entries and that each entry follows what it answers can be checked here.
 *
 *     id = H("fit transaction v1", deal, parent | null, kind, by, time, H("fit payload v1", payload …))
 *
 * Guarantees: of each log there is one text, and `parseLog` accepts no other.
 */
import { H } from '../crypto/hash.ts';
import { equal, fromHex, fromUtf8, toHex, utf8 } from '../lib/bytes.ts';
import type { Cbor } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';

/** Bytes in JSON are `{"hex":"…"}`; a payload has no lists in it. */
export type LogValue = null | boolean | number | string | Uint8Array;

export interface LogEntry {
  readonly id: Uint8Array;
  readonly deal: string;
  readonly parent: Uint8Array | null;
  readonly kind: string;
  /** SHA-256 of the certificate of who did it. */
  readonly by: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  readonly payload: readonly LogValue[];
}

const LOG_MAX_BYTES = 32 * 1024 * 1024;
const MAX_ENTRIES = 10_000;

export function entryId(entry: Omit<LogEntry, 'id'>): Uint8Array {
  const { deal, parent, kind, by, time } = entry;
  const payload: readonly Cbor[] = entry.payload;
  return H('fit transaction v1', deal, parent, kind, by, time, H('fit payload v1', ...payload));
}

function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export function formatLog(entries: readonly LogEntry[]): Uint8Array {
  const lines = entries.map(({ id, deal, parent, kind, by, time, payload }) => {
    const values = payload.map((value) => (value instanceof Uint8Array ? { hex: toHex(value) } : value));
    const object = { id: toHex(id), deal, parent: parent && toHex(parent), kind, by: toHex(by), time, payload: values };
    return `${ascii(JSON.stringify(object))}\n`;
  });
  return utf8(lines.join(''));
}

function malformed(what: string, cause?: unknown): PeerFault {
  return new PeerFault('malformed', `log: ${what}`, cause === undefined ? {} : { cause });
}

function hash(value: unknown, what: string): Uint8Array {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) throw malformed(what);
  return fromHex(value);
}

function logValue(value: unknown): LogValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  if (typeof value === 'object' && 'hex' in value && typeof value.hex === 'string') return fromHex(value.hex);
  throw malformed('payload');
}

function parseEntry(line: string): LogEntry {
  const { id, deal, parent, kind, by, time, payload } = JSON.parse(line) as Record<string, unknown>;
  if (typeof deal !== 'string' || typeof kind !== 'string') throw malformed('entry');
  if (typeof time !== 'number' || !Number.isSafeInteger(time) || time < 0) throw malformed('time');
  if (!Array.isArray(payload) || payload.length > 16) throw malformed('payload');
  return {
    id: hash(id, 'id'),
    deal,
    parent: parent === null ? null : hash(parent, 'parent'),
    kind,
    by: hash(by, 'by'),
    time,
    payload: payload.map(logValue),
  };
}

/** Throws `PeerFault('malformed')`, also for a wrong id, a parent that does not come before, or two deals in one log. */
export function parseLog(bytes: Uint8Array): readonly LogEntry[] {
  if (bytes.length > LOG_MAX_BYTES) throw new PeerFault('oversized', 'log');
  let entries: readonly LogEntry[];
  try {
    const lines = fromUtf8(bytes).split('\n');
    if (lines.pop() !== '' || lines.length > MAX_ENTRIES) throw malformed('lines');
    entries = lines.map(parseEntry);
    if (!equal(formatLog(entries), bytes)) throw malformed('not the one form');
  } catch (error) {
    if (error instanceof PeerFault) throw error;
    throw malformed('not JSON lines', error);
  }
  const known = new Set<string>();
  for (const entry of entries) {
    if (entry.deal !== entries[0]?.deal) throw malformed('another deal');
    if (!wellFormed(entry) || !equal(entryId(entry), entry.id)) throw malformed('an id that is not its hash');
    if (entry.parent !== null && !known.has(toHex(entry.parent))) throw malformed('an answer to nothing');
    known.add(toHex(entry.id));
  }
  return entries;
}

/** Lone surrogates have no UTF-8, hence no hash. */
function wellFormed({ deal, kind, payload }: LogEntry): boolean {
  return [deal, kind, ...payload].every((value) => typeof value !== 'string' || value.isWellFormed());
}
