/**
 * The audit log, read: what was asked for and what was decided, each entry bound to all before it (archive/chain.ts). Entries
 * are written by consents.ts and policy.ts, in the write of what they are about.
 *
 * Guarantee of `createAuditCheck`: of every request the asking stands before its decision, a signature's use before nothing
 * but a grant that was unused, and what is stored of a request is what the log says became of it.
 */
import type { ChainEntry } from '../archive/chain.ts';
import { toHex } from '../lib/bytes.ts';
import { type Cbor, decode, read } from '../lib/cbor.ts';
import { isoTime } from '../lib/clock.ts';
import type { AuditEntry, RequestState } from '../rpc/approvals.ts';
import type { Consent } from './consents.ts';

const MAX_DETAILS_BYTES = 16 * 1024;

const digest = (value: Cbor | undefined): string | null =>
  value === null || (value instanceof Uint8Array && value.length === 0) ? null : toHex(read.bytes(value, 32, 'digest'));
const text = (value: Cbor | undefined): string | null => (value === null ? null : read.text(value, 1024, 'text'));

function detailsOf(kind: string, payload: Uint8Array): Readonly<Record<string, unknown>> {
  const [version, ...fields] = read.list(decode(payload, MAX_DETAILS_BYTES), 10, 'details');
  read.literal(version, 1, 'details version');
  if (kind === 'asked') {
    const [what, deal, document, peer, arbiter, asker, expires, why] = fields;
    const [pid, name, command, known] = read.array(asker, 4, 'asker');
    return {
      kind: text(what),
      deal: text(deal),
      digest: digest(document),
      peer: digest(peer),
      arbiter: digest(arbiter),
      asker: {
        pid: pid === null ? null : read.uint(pid, 'pid'),
        name: text(name),
        command: text(command),
        known: text(known),
      },
      expires: isoTime(read.uint(expires, 'expires')),
      why: text(why),
    };
  }
  if (kind === 'used' || kind === 'freed') return { digest: digest(fields[0]), xid: digest(fields[1]) };
  if (kind === 'policy-confirmed') return { policy: digest(fields[0]) };
  const [document, source, rule, policy, amounts] = fields;
  return {
    digest: digest(document),
    source: text(source),
    rule: text(rule),
    policy: digest(policy),
    amounts: read.list(amounts, 64, 'amounts').map(text),
  };
}

export function auditEntry(entry: ChainEntry): AuditEntry {
  return {
    seq: entry.seq,
    at: isoTime(entry.time),
    kind: entry.kind,
    request: entry.ref,
    hash: toHex(entry.hash),
    details: detailsOf(entry.kind, entry.payload),
  };
}

/** What may follow what. */
const AFTER: Readonly<Record<string, readonly (RequestState | 'asked')[]>> = {
  granted: ['asked'],
  refused: ['asked'],
  expired: ['asked'],
  withdrawn: ['asked', 'granted'],
  used: ['granted'],
  freed: ['used'],
};

/** Feed it every entry in order; then compare with what is stored. Each answers with a sentence of ours, or null. */
export function createAuditCheck() {
  const states = new Map<string, string>();
  let problem: string | null = null;
  return {
    step(entry: ChainEntry): void {
      if (problem !== null) return;
      const { kind, ref, seq } = entry;
      if (kind === 'policy-confirmed') return;
      const before = states.get(ref);
      const fits = kind === 'asked' ? before === undefined : (AFTER[kind] ?? []).some((one) => one === before);
      if (!fits) problem = `entry ${seq} of the audit log says ${kind} of a request that was ${before ?? 'not asked'}`;
      states.set(ref, kind);
    },
    end(
      stored: Iterable<Consent>,
      promised: Iterable<{ readonly xid: string; readonly consent: string }>,
    ): string | null {
      if (problem !== null) return problem;
      const byId = new Map<string, Consent>();
      for (const consent of stored) {
        byId.set(consent.id, consent);
        // Given before there was an audit log.
        if (consent.arbiterCard === '' && consent.arbiter !== '') continue;
        const said = states.get(consent.id) ?? 'nothing';
        const is = consent.status === 'pending' ? 'asked' : consent.status;
        if (said !== is) return `request ${consent.id} is ${consent.status}, but the audit log says ${said}`;
      }
      for (const [id, said] of states)
        if (!byId.has(id)) return `the audit log says ${said} of a request that is not stored`;
      for (const { xid, consent } of promised) {
        const found = byId.get(consent);
        if (found === undefined || found.xid !== xid)
          return `a promise was made without a consent of its own: exchange ${xid}`;
      }
      return null;
    },
  };
}
