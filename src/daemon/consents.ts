/**
 * Requests for a signature and the consents that come of them: one record from the asking to what became of it (DESIGN §9).
 *
 *   pending → granted | refused | expired | withdrawn      granted → used | withdrawn      used → freed
 *
 * Guarantees: a consent is for one signature over one digest, against the named peer's signature on the same bytes, through
 * the named arbiter, once (PROTOCOL §6); every change of state has its entry in the audit log, in the same write; memory
 * follows the disk.
 */
import type { NewEntry } from '../archive/chain.ts';
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import { FitError } from '../lib/errors.ts';
import {
  type Asker,
  CONSENT_SOURCES,
  type ConsentSource,
  REQUEST_KINDS,
  REQUEST_STATES,
  type RequestKind,
  type RequestState,
} from '../rpc/approvals.ts';
import type { Reserved } from './policy/port.ts';

export interface Decision {
  /** Seconds since 1970. */
  readonly at: number;
  /** Null for what nobody decided: an expiry, a withdrawal. */
  readonly source: ConsentSource | null;
  readonly rule: string | null;
  /** SHA-256 of policy.toml, hex. */
  readonly policy: string | null;
}

export interface Consent {
  readonly id: string;
  readonly kind: RequestKind;
  /** Empty for a statement, as are peer, arbiter and card. */
  readonly deal: string;
  /** SHA-256 of the document, hex. */
  readonly document: string;
  /** Certificates, SHA-256, hex. */
  readonly peer: string;
  readonly arbiter: string;
  /** SHA-256 of the arbiter's card, under which it is kept. */
  readonly arbiterCard: string;
  /** The version that a counter-offer answers, hex; null for a first offer. */
  readonly base: string | null;
  readonly asker: Asker;
  /** Seconds since 1970, as all times here. */
  readonly asked: number;
  /** Why no rule decided. */
  readonly why: string;
  /** End of the request while pending, of the consent once granted. */
  readonly expires: number;
  readonly status: RequestState;
  /** Read and decided by the connection that asked, and gone with it. */
  readonly held: boolean;
  readonly decision: Decision | null;
  /** What a rule's totals count. */
  readonly amounts: readonly string[];
  /** Time of the promise. */
  readonly usedAt: number | null;
  /** Hex; the exchange that used it. */
  readonly xid: string | null;
}

const MAX_CONSENT_BYTES = 32 * 1024;
/** More waiting for a person than anybody reads is a program gone wild. */
export const MAX_PENDING = 1000;
const MAX_AMOUNTS = 64;

const UNKNOWN_ASKER: Asker = { pid: null, name: 'a program', command: null, known: 'unknown' };

export function encodeConsent(one: Consent): Uint8Array {
  const { asker, decision } = one;
  return encode([
    2,
    one.id,
    one.kind,
    one.deal,
    one.document,
    one.peer,
    one.arbiter,
    one.arbiterCard,
    one.base,
    [asker.pid, asker.name, asker.command, asker.known],
    one.asked,
    one.why,
    one.expires,
    one.status,
    one.held,
    decision === null ? null : [decision.at, decision.source, decision.rule, decision.policy],
    [...one.amounts],
    one.usedAt,
    one.xid,
  ]);
}

const maybe = <T>(value: Cbor | undefined, of: (value: Cbor | undefined) => T): T | null =>
  value === null ? null : of(value);
const hex = (value: Cbor | undefined): string => read.text(value, 64, 'digest');

type Field = Cbor | undefined;

/** What both versions have in common. */
const about = (id: Field, kind: Field, deal: Field, document: Field, peer: Field, arbiter: Field) => ({
  id: read.text(id, 64, 'id'),
  kind: read.oneOf(kind, REQUEST_KINDS, 'kind'),
  deal: read.text(deal, 12, 'deal'),
  document: hex(document),
  peer: hex(peer),
  arbiter: hex(arbiter),
});

/** Of before there were requests: given by a person, asked for by nobody that is known. */
function decodeFirst(fields: readonly Cbor[]): Consent {
  const [, id, kind, deal, document, peer, arbiter, granted, expires, status, xid] = fields;
  const was = read.oneOf(status, ['standing', 'used', 'withdrawn'], 'status');
  const at = read.uint(granted, 'granted');
  return {
    ...about(id, kind, deal, document, peer, arbiter),
    arbiterCard: '',
    base: null,
    asker: UNKNOWN_ASKER,
    asked: at,
    why: '',
    expires: read.uint(expires, 'expires'),
    status: was === 'standing' ? 'granted' : was,
    held: false,
    decision: { at, source: null, rule: null, policy: null },
    amounts: [],
    usedAt: was === 'used' ? at : null,
    xid: maybe(xid, hex),
  };
}

export function decodeConsent(bytes: Uint8Array): Consent {
  const fields = read.list(decode(bytes, MAX_CONSENT_BYTES), 19, 'consent');
  if (fields[0] === 1 && fields.length === 11) return decodeFirst(fields);
  const [version, id, kind, deal, document, peer, arbiter, card, base, asker, asked, why, expires, ...rest] =
    read.array(fields, 19, 'consent');
  read.literal(version, 2, 'consent version');
  const [status, held, decision, amounts, usedAt, xid] = rest;
  const [pid, name, command, known] = read.array(asker, 4, 'asker');
  return {
    ...about(id, kind, deal, document, peer, arbiter),
    arbiterCard: hex(card),
    base: maybe(base, hex),
    asker: {
      pid: maybe(pid, (value) => read.uint(value, 'pid')),
      name: read.text(name, 256, 'name'),
      command: maybe(command, (value) => read.text(value, 1024, 'command')),
      known: read.oneOf(known, ['kernel', 'claimed', 'unknown'], 'known'),
    },
    asked: read.uint(asked, 'asked'),
    why: read.text(why, 1024, 'why'),
    expires: read.uint(expires, 'expires'),
    status: read.oneOf(status, REQUEST_STATES, 'status'),
    held: held === true,
    decision: maybe(decision, (value) => {
      const [at, source, rule, policy] = read.array(value, 4, 'decision');
      return {
        at: read.uint(at, 'at'),
        source: maybe(source, (one) => read.oneOf(one, CONSENT_SOURCES, 'source')),
        rule: maybe(rule, (one) => read.text(one, 64, 'rule')),
        policy: maybe(policy, hex),
      };
    }),
    amounts: read.list(amounts, MAX_AMOUNTS, 'amounts').map((one) => read.text(one, 64, 'amount')),
    usedAt: maybe(usedAt, (value) => read.uint(value, 'used at')),
    xid: maybe(xid, hex),
  };
}

/** A change of one record: its writes, its entries in the audit log, and what to do when they are durable. */
export interface Change {
  readonly consent: Consent;
  readonly ops: readonly StoreOp[];
  readonly audit: readonly NewEntry[];
  readonly done: () => void;
}

const digestBytes = (digest: string): Uint8Array => new Uint8Array(Buffer.from(digest, 'hex'));

/** What an entry of the audit log says, by kind; audit.ts reads it back. */
function details(kind: RequestState | 'asked', one: Consent): Uint8Array {
  const { decision, asker } = one;
  if (kind === 'asked') {
    return encode([
      1,
      one.kind,
      one.deal,
      digestBytes(one.document),
      digestBytes(one.peer),
      digestBytes(one.arbiter),
      [asker.pid, asker.name, asker.command, asker.known],
      one.expires,
      one.why,
    ]);
  }
  if (kind === 'used' || kind === 'freed') return encode([1, digestBytes(one.document), digestBytes(one.xid ?? '')]);
  return encode([
    1,
    digestBytes(one.document),
    decision?.source ?? null,
    decision?.rule ?? null,
    decision?.policy == null ? null : digestBytes(decision.policy),
    [...one.amounts],
  ]);
}

export interface Consents {
  load(): Promise<void>;
  unload(): void;
  get(id: string): Consent | undefined;
  /** Any unique beginning of an id. Throws `not-found` or `ambiguous`. */
  find(prefix: string): Consent;
  of(deal: string): readonly Consent[];
  all(): Iterable<Consent>;
  pending(): readonly Consent[];
  /** Rule-granted ones that count in totals. */
  reserved(): Iterable<Reserved>;
  /** A record that is new: asked, and decided at once unless it is pending. */
  enter(consent: Consent, now: number): Change;
  /** The next state of a record. */
  move(consent: Consent, status: Exclude<RequestState, 'pending'>, now: number, more?: Partial<Consent>): Change;
}

export function createConsents(archive: Archive): Consents {
  const consents = new Map<string, Consent>();
  /** By deal: few each, and asked for with every version. */
  const byDeal = new Map<string, Set<string>>();
  const open = new Set<string>();
  /** Granted by rules and not undone: what totals are summed over. */
  const counted = new Set<string>();

  const keep = (consent: Consent): void => {
    consents.set(consent.id, consent);
    byDeal.set(consent.deal, (byDeal.get(consent.deal) ?? new Set()).add(consent.id));
    if (consent.status === 'pending') open.add(consent.id);
    else open.delete(consent.id);
    const counts = consent.decision?.source === 'policy' && (consent.status === 'granted' || consent.status === 'used');
    if (counts) counted.add(consent.id);
    else counted.delete(consent.id);
  };

  const listed = (ids: Iterable<string>): Consent[] => [...ids].flatMap((id) => consents.get(id) ?? []);

  const change = (consent: Consent, entries: readonly (RequestState | 'asked')[], now: number): Change => ({
    consent,
    ops: [{ kind: 'put', space: 'consents', key: consent.id, value: encodeConsent(consent) }],
    audit: entries.map((kind) => ({ time: now, kind, ref: consent.id, payload: details(kind, consent) })),
    done: () => keep(consent),
  });

  return {
    async load() {
      for await (const [, value] of archive.list('consents')) keep(decodeConsent(value));
    },
    unload() {
      for (const map of [consents, byDeal, open, counted]) map.clear();
    },
    get: (id) => consents.get(id),
    find(prefix) {
      const exact = consents.get(prefix);
      if (exact !== undefined) return exact;
      const [one, two] = prefix === '' ? [] : [...consents.values()].filter((consent) => consent.id.startsWith(prefix));
      if (one === undefined) throw new FitError('not-found', 'there is no such request', { hint: 'fit approve list' });
      if (two !== undefined)
        throw new FitError('ambiguous', 'more than one request begins like this', { hint: 'give more of the id' });
      return one;
    },
    of: (deal) => listed(byDeal.get(deal) ?? []),
    all: () => consents.values(),
    pending: () => listed(open).sort((one, other) => one.asked - other.asked || (one.id < other.id ? -1 : 1)),
    *reserved() {
      for (const { decision, peer, amounts, usedAt } of listed(counted)) {
        if (decision?.rule != null) yield { rule: decision.rule, peer, amounts, usedAt };
      }
    },
    enter: (consent, now) => change(consent, consent.status === 'pending' ? ['asked'] : ['asked', consent.status], now),
    move(consent, status, now, more = {}) {
      const decided =
        status === 'used' || status === 'freed'
          ? {}
          : { decision: { at: now, source: null, rule: null, policy: null } };
      return change({ ...consent, ...decided, ...more, status }, [status], now);
    },
  };
}
