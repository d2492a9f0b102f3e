/**
 * Deals on disk and in memory: the log of each deal, the documents and cards it names by digest, its evidence.
 * Guarantee: what `reduce` accepted is what is stored, record by record; memory follows the disk, never runs ahead of it.
 */
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { type Deal, replay } from '../commerce/deal.ts';
import { decodeTransaction, encodeTransaction, type Transaction } from '../commerce/transaction.ts';
import { decode, encode, read } from '../lib/cbor.ts';
import { FitError } from '../lib/errors.ts';

/** How an exchange ended, with what proves it. */
export interface Evidence {
  readonly xid: string;
  readonly via: 'peer' | 'arbiter';
  /** contract.p7s, or the arbiter's statement (exchange-effects.ts, `encodeAffidavit`). */
  readonly contract: Uint8Array;
  readonly mode: 'invisible' | 'affidavit';
  /** DER: originator, responder, arbiter. */
  readonly certificates: readonly [Uint8Array, Uint8Array, Uint8Array];
}

const MAX_VALUE = 256 * 1024;

function encodeEvidence({ xid, via, contract, mode, certificates }: Evidence): Uint8Array {
  return encode([1, xid, via, contract, mode, [...certificates]]);
}

function decodeEvidence(bytes: Uint8Array): Evidence {
  const [version, xid, via, contract, mode, certificates] = read.array(decode(bytes, MAX_VALUE), 6, 'evidence');
  read.literal(version, 1, 'evidence version');
  const [o, r, t] = read.array(certificates, 3, 'certificates').map((der) => read.blob(der, 8192, 'certificate'));
  return {
    xid: read.text(xid, 64, 'xid'),
    via: read.oneOf(via, ['peer', 'arbiter'], 'via'),
    contract: read.blob(contract, MAX_VALUE, 'contract'),
    mode: read.oneOf(mode, ['invisible', 'affidavit'], 'mode'),
    certificates: [o ?? new Uint8Array(), r ?? new Uint8Array(), t ?? new Uint8Array()],
  };
}

const logKey = (deal: string, n: number): string => `${deal}/${String(n).padStart(4, '0')}`;
/** The two certificates between which the deal is: ours may be another one today. */
const partiesKey = (deal: string): string => `${deal}/parties`;

export interface DealStore {
  load(): Promise<void>;
  unload(): void;
  /** Throws `not-found` or `ambiguous`. `id`: any unique prefix. */
  find(prefix: string): Deal;
  get(id: string): Deal | undefined;
  all(): Iterable<Deal>;
  /** The writes that take a deal from what is stored to `after`, and what to do when they are durable. */
  save(after: Deal): { readonly ops: readonly StoreOp[]; readonly done: () => void };
  /** Documents and cards by SHA-256, hex. */
  keep(kind: 'document' | 'card', digest: string, bytes: Uint8Array): StoreOp;
  fetch(kind: 'document' | 'card', digest: string): Promise<Uint8Array>;
  keepEvidence(document: string, evidence: Evidence): StoreOp;
  evidence(document: string): Promise<Evidence | undefined>;
}

export function createDealStore(archive: Archive): DealStore {
  const deals = new Map<string, Deal>();
  return {
    async load() {
      const logs = new Map<string, { parties?: readonly [us: Uint8Array, them: Uint8Array]; log: Transaction[] }>();
      for await (const [key, value] of archive.list('deals')) {
        const id = key.slice(0, key.indexOf('/'));
        const stored = logs.get(id) ?? { log: [] };
        logs.set(id, stored);
        if (key === partiesKey(id)) {
          const [us, them] = read.array(decode(value, 128), 2, 'parties');
          stored.parties = [read.bytes(us, 32, 'us'), read.bytes(them, 32, 'them')];
        } else stored.log.push(decodeTransaction(value));
      }
      for (const [id, { parties, log }] of logs) {
        if (parties === undefined) throw new FitError('archive-corrupt', 'a deal without its parties');
        deals.set(id, replay(id, ...parties, log));
      }
    },
    unload() {
      deals.clear();
    },
    find(prefix) {
      const exact = deals.get(prefix);
      if (exact !== undefined) return exact;
      const found = prefix === '' ? [] : [...deals.values()].filter((deal) => deal.id.startsWith(prefix));
      const [one, two] = found;
      if (one === undefined) throw new FitError('not-found', 'there is no such deal', { hint: 'fit deal list' });
      if (two !== undefined)
        throw new FitError('ambiguous', 'more than one deal begins like this', { hint: 'give more of the id' });
      return one;
    },
    get: (id) => deals.get(id),
    all: () => deals.values(),
    save(after) {
      const stored = deals.get(after.id)?.transactions.length ?? 0;
      const put = (key: string, value: Uint8Array): StoreOp => ({ kind: 'put', space: 'deals', key, value });
      const ops = after.transactions
        .slice(stored)
        .map((transaction, i) => put(logKey(after.id, stored + i), encodeTransaction(transaction)));
      if (stored === 0) ops.push(put(partiesKey(after.id), encode([after.us, after.them])));
      return { ops, done: () => void deals.set(after.id, after) };
    },
    keep: (kind, digest, bytes) => ({ kind: 'put', space: 'evidence', key: `${kind}/${digest}`, value: bytes }),
    async fetch(kind, digest) {
      const bytes = await archive.get('evidence', `${kind}/${digest}`);
      if (bytes === undefined) throw new FitError('archive-corrupt', `a ${kind} is missing from the archive`);
      return bytes;
    },
    keepEvidence: (document, evidence) => ({
      kind: 'put',
      space: 'evidence',
      key: `contract/${document}`,
      value: encodeEvidence(evidence),
    }),
    async evidence(document) {
      const bytes = await archive.get('evidence', `contract/${document}`);
      return bytes === undefined ? undefined : decodeEvidence(bytes);
    },
  };
}
