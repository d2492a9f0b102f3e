import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  currentVersion,
  type Deal,
  expiryOf,
  MAX_TRANSACTIONS,
  newDeal,
  openExchange,
  reduce,
  replay,
  tipOf,
  turnOf,
} from '../../src/commerce/deal.ts';
import {
  decodeTransaction,
  encodeTransaction,
  logEntryOf,
  makeTransaction,
  type Payload,
  type Transaction,
} from '../../src/commerce/transaction.ts';
import { entryId, formatLog, parseLog } from '../../src/exchange/log.ts';
import { fromUtf8, toHex, utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';

const bytes = (byte: number) => new Uint8Array(32).fill(byte);
const [A, B, CARD] = [bytes(0xa), bytes(0xb), bytes(0xc)];
const DEAL = '0123456789ab';
const NOW = 1_800_000_000;
const END = NOW + 1000;

const start = (us = A): Deal => newDeal(DEAL, us, us === A ? B : A);

function transaction(by: Uint8Array, parent: Uint8Array | null, payload: Payload, time = NOW): Transaction {
  return makeTransaction({ deal: DEAL, parent, by, time, payload });
}

const offer = (by: Uint8Array, document: number, version = 1, parent: Uint8Array | null = null, until = END) =>
  transaction(by, parent, {
    kind: version === 1 ? 'offer' : 'counter-offer',
    version,
    document: bytes(document),
    arbiterCard: CARD,
    offerUntil: until,
  });

const ending = (kind: 'decline' | 'withdraw', by: Uint8Array, document: number, parent: Uint8Array | null) =>
  transaction(by, parent, { kind, document: bytes(document), text: 'because' });

type ExchangeKind = 'acceptance' | 'promise' | 'release' | 'abort' | 'resolve' | 'contract' | 'aborted' | 'end';
const event = (kind: ExchangeKind, by: Uint8Array, document: number, xid: number, parent: Uint8Array | null) =>
  transaction(by, parent, { kind, document: bytes(document), xid: bytes(xid) }, NOW + 1);

function take(deal: Deal, transaction: Transaction, now = NOW): Deal {
  const reduction = reduce(deal, transaction, now);
  assert.ok(reduction.ok, reduction.ok ? '' : reduction.code);
  return reduction.deal;
}

function refusal(deal: Deal, transaction: Transaction, now = NOW): string {
  const reduction = reduce(deal, transaction, now);
  assert.ok(!reduction.ok, 'taken');
  return reduction.code;
}

/** A offers 1; `us` is who looks at it. */
function offered(us = A): { readonly deal: Deal; readonly first: Transaction } {
  const first = offer(A, 1);
  return { deal: take(start(us), first), first };
}

function accepted(us = A): { readonly deal: Deal; readonly tip: Uint8Array } {
  const { deal, first } = offered(us);
  return { deal: take(deal, event('acceptance', B, 1, 9, first.id)), tip: first.id };
}

test('offer, counter-offer, acceptance, contract', () => {
  let { deal, first } = offered();
  assert.equal(deal.state, 'offered');
  assert.equal(turnOf(deal), 'them');
  assert.equal(toHex(tipOf(deal) ?? A), toHex(first.id));
  const second = offer(B, 2, 2, first.id);
  deal = take(deal, second);
  assert.equal(turnOf(deal), 'us');
  assert.equal(currentVersion(deal)?.number, 2);
  deal = take(deal, event('acceptance', A, 2, 9, second.id));
  assert.equal(deal.state, 'signing');
  assert.deepEqual(openExchange(deal)?.acceptor, A);
  for (const kind of ['promise', 'release'] as const) deal = take(deal, event(kind, A, 2, 9, second.id));
  deal = take(deal, event('contract', A, 2, 9, second.id));
  assert.equal(deal.state, 'contracted');
  assert.equal(turnOf(deal), 'nobody');
  assert.equal(refusal(deal, offer(A, 3, 3, second.id)), 'ended');
  assert.deepEqual(replay(DEAL, A, B, deal.transactions), deal);
});

test('a transaction taken twice is one', () => {
  const { deal, first } = offered();
  const again = reduce(deal, first, NOW);
  assert.ok(again.ok && !again.changed && again.deal === deal);
  const acceptance = event('acceptance', B, 1, 9, first.id);
  const signing = take(deal, acceptance);
  const later = makeTransaction({ ...acceptance, time: NOW + 9 });
  const twice = reduce(signing, later, NOW);
  assert.ok(twice.ok && !twice.changed, 'the same xid is the same acceptance');
});

test('only the current version can be accepted, by the other party, in time', () => {
  const { deal, first } = offered();
  const second = offer(B, 2, 2, first.id);
  const countered = take(deal, second);
  assert.equal(refusal(countered, event('acceptance', B, 1, 9, first.id)), 'not-current');
  assert.equal(refusal(countered, event('acceptance', B, 2, 9, second.id)), 'not-yours');
  assert.equal(refusal(deal, event('acceptance', B, 7, 9, first.id)), 'not-current');
  assert.equal(refusal(deal, event('acceptance', B, 1, 9, first.id), END), 'expired');
  assert.equal(refusal(deal, event('acceptance', CARD, 1, 9, first.id)), 'not-yours');
  const withdrawn = take(deal, ending('withdraw', A, 1, first.id));
  assert.equal(refusal(withdrawn, event('acceptance', B, 1, 9, first.id)), 'ended');
});

test('a newer version from the proposer takes the place of the older', () => {
  const { deal, first } = offered(B);
  const newer = offer(A, 2, 2, first.id);
  const after = take(deal, newer);
  assert.deepEqual(currentVersion(after)?.document, bytes(2));
  assert.equal(refusal(after, event('acceptance', B, 1, 9, first.id)), 'not-current');
  assert.equal(refusal(after, offer(A, 3, 3, first.id), END), 'expired');
  assert.equal(refusal(after, offer(A, 1, 3, first.id)), 'not-current');
  assert.equal(refusal(after, offer(A, 3, 4, first.id)), 'not-current');
});

test('only the author withdraws, only the addressee declines', () => {
  const { deal, first } = offered();
  assert.equal(refusal(deal, ending('decline', A, 1, first.id)), 'not-yours');
  assert.equal(refusal(deal, ending('withdraw', B, 1, first.id)), 'not-yours');
  assert.equal(refusal(deal, ending('decline', B, 2, first.id)), 'not-current');
  const declined = take(deal, ending('decline', B, 1, first.id));
  assert.equal(declined.state, 'declined');
  assert.equal(declined.reason, 'because');
});

test('while an exchange is open nothing else is negotiated', () => {
  const { deal, tip } = accepted();
  assert.equal(refusal(deal, offer(B, 2, 2, tip)), 'under-way');
  assert.equal(refusal(deal, event('acceptance', B, 1, 8, tip)), 'exchange-open');
  assert.equal(refusal(deal, ending('withdraw', A, 1, tip)), 'under-way');
  assert.equal(take(deal, ending('decline', B, 1, tip)).state, 'signing');
});

test('a withdrawal that crossed the acceptance ends the deal only if the exchange comes to nothing', () => {
  const { deal, tip } = accepted(B);
  const crossed = take(deal, ending('withdraw', A, 1, tip));
  assert.equal(crossed.state, 'signing');
  assert.equal(take(crossed, event('end', B, 1, 9, tip)).state, 'withdrawn');
  assert.equal(take(crossed, event('aborted', B, 1, 9, tip)).state, 'aborted');
  assert.equal(take(crossed, event('contract', B, 1, 9, tip)).state, 'contracted');
});

test('after an exchange that bound nobody the offer stands again', () => {
  const { deal, tip } = accepted();
  const again = take(deal, event('end', B, 1, 9, tip));
  assert.equal(again.state, 'offered');
  const second = take(again, event('acceptance', B, 1, 8, tip));
  assert.equal(second.state, 'signing');
  assert.equal(second.exchanges.length, 2);
  assert.equal(refusal(second, event('promise', A, 1, 9, tip)), 'ended');
});

test('a contract counts in every state', () => {
  const { deal, tip } = accepted();
  const aborted = take(deal, event('aborted', B, 1, 9, tip));
  assert.equal(aborted.state, 'aborted');
  assert.equal(refusal(aborted, event('acceptance', B, 1, 8, tip)), 'ended');
  assert.equal(take(aborted, event('contract', B, 1, 9, tip)).state, 'contracted');
  assert.equal(refusal(deal, event('contract', B, 2, 9, tip)), 'not-current');
  assert.equal(refusal(deal, event('contract', B, 1, 8, tip)), 'not-current');
});

test('an offer runs out, but not under an open exchange', () => {
  const { deal, first } = offered();
  assert.equal(expiryOf(deal, END - 1), undefined);
  const due = expiryOf(deal, END);
  assert.ok(due !== undefined);
  assert.equal(take(deal, due).state, 'expired');
  const signing = take(deal, event('acceptance', B, 1, 9, first.id));
  assert.equal(expiryOf(signing, END), undefined);
  assert.equal(refusal(signing, due), 'wrong-state');
});

test('what answers nothing known, or another deal, is refused', () => {
  const { deal, first } = offered();
  assert.equal(refusal(deal, offer(B, 2, 2, null)), 'unknown-parent');
  assert.equal(refusal(deal, offer(B, 2, 2, bytes(1))), 'unknown-parent');
  assert.equal(refusal(start(), offer(B, 2, 2, null)), 'not-current');
  assert.equal(refusal(start(), transaction(B, null, { kind: 'message', text: 'hi' })), 'unknown-deal');
  const other = makeTransaction({ ...first, deal: 'aaaaaaaaaaaa' });
  assert.equal(refusal(deal, other), 'unknown-deal');
  assert.equal(refusal(deal, transaction(CARD, first.id, { kind: 'message', text: 'hi' })), 'not-yours');
});

test('messages and offers have a limit, the end of a deal has not', () => {
  const { deal, first } = offered();
  const message = (index: number) => transaction(B, first.id, { kind: 'message', text: `${index}` });
  const full = {
    ...deal,
    transactions: [...deal.transactions, ...Array.from({ length: MAX_TRANSACTIONS }, (_, i) => message(i))],
  };
  assert.equal(refusal(full, message(MAX_TRANSACTIONS)), 'full');
  assert.equal(refusal(full, offer(B, 2, 2, first.id)), 'full');
  assert.equal(take(full, ending('withdraw', A, 1, first.id)).state, 'withdrawn');
});

test('crossing versions: whatever the order of arrival, both sides have the same current one', () => {
  const first = offer(A, 1);
  fc.assert(
    fc.property(
      fc.array(fc.record({ byA: fc.boolean(), seen: fc.boolean() }), { maxLength: 12 }),
      fc.infiniteStream(fc.boolean()),
      (moves, deliveries) => {
        const sides = { a: take(start(A), first), b: take(start(B), first) };
        const queues: { a: Transaction[]; b: Transaction[] } = { a: [], b: [] };
        const deliver = (to: 'a' | 'b') => {
          const next = queues[to].shift();
          if (next === undefined) return;
          const reduction = reduce(sides[to], next, NOW);
          // An offer with a number that skips one cannot come up: what a side knew it had sent on before.
          assert.ok(reduction.ok || reduction.code === 'not-current');
          if (reduction.ok) sides[to] = reduction.deal;
        };
        let document = 2;
        for (const { byA } of moves) {
          const [own, other] = byA ? (['a', 'b'] as const) : (['b', 'a'] as const);
          const [next] = deliveries;
          if (next === true) deliver(own);
          const current = currentVersion(sides[own]);
          // Digests run up and down so that either side may have the lower one.
          const digest = document++ % 2 === 0 ? document : 200 - document;
          const sent = offer(byA ? A : B, digest, (current?.number ?? 0) + 1, current?.transaction ?? null);
          sides[own] = take(sides[own], sent);
          queues[other].push(sent);
        }
        while (queues.a.length + queues.b.length > 0) {
          deliver('a');
          deliver('b');
        }
        assert.deepEqual(currentVersion(sides.a)?.document, currentVersion(sides.b)?.document);
      },
    ),
    { numRuns: 300 },
  );
});

const kinds = fc.constantFrom('acceptance', 'promise', 'release', 'abort', 'resolve', 'contract', 'aborted', 'end');
const anyTransaction = fc.oneof(
  fc.record({
    kind: fc.constant('offer'),
    by: fc.boolean(),
    n: fc.integer({ min: 1, max: 4 }),
    v: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    kind: fc.constantFrom('decline', 'withdraw'),
    by: fc.boolean(),
    n: fc.integer({ min: 1, max: 4 }),
    v: fc.constant(0),
  }),
  fc.record({ kind: kinds, by: fc.boolean(), n: fc.integer({ min: 1, max: 4 }), v: fc.integer({ min: 1, max: 3 }) }),
);

test('whatever comes in: at most one exchange is open, a contract stays, refusals change nothing, the log can be replayed', () => {
  fc.assert(
    fc.property(fc.array(anyTransaction, { maxLength: 40 }), (inputs) => {
      let deal = take(start(), offer(A, 1));
      const [root] = deal.transactions;
      for (const { kind, by, n, v } of inputs) {
        const who = by ? A : B;
        const parent = root?.id ?? null;
        const input =
          kind === 'offer'
            ? offer(who, n, v, parent)
            : kind === 'decline' || kind === 'withdraw'
              ? ending(kind, who, n, parent)
              : event(kind as ExchangeKind, who, n, v, parent);
        const before = deal;
        const reduction = reduce(deal, input, NOW);
        if (!reduction.ok) continue;
        deal = reduction.deal;
        assert.ok(deal.exchanges.filter((exchange) => exchange.outcome === 'open').length <= 1);
        if (before.state === 'contracted') assert.equal(deal.state, 'contracted');
        assert.equal(deal.state === 'signing', openExchange(deal) !== undefined && deal.state !== 'contracted');
        if (deal.state === 'aborted') assert.equal(openExchange(deal), undefined);
      }
      assert.deepEqual(replay(DEAL, A, B, deal.transactions), deal);
    }),
    { numRuns: 300 },
  );
});

test('transactions survive their encoding, and every flipped byte is found', () => {
  const { deal, tip } = accepted();
  const all = [
    ...deal.transactions,
    ending('decline', B, 1, tip),
    transaction(A, tip, { kind: 'message', text: 'né' }),
  ];
  for (const one of all) {
    const encoded = encodeTransaction(one);
    assert.deepEqual(decodeTransaction(encoded), one);
    for (let at = 0; at < encoded.length; at++) {
      const altered = new Uint8Array(encoded);
      altered[at] = (altered[at] ?? 0) ^ 1;
      assert.throws(() => decodeTransaction(altered), PeerFault);
    }
  }
});

test('the log of a deal is ASCII lines that can be checked', () => {
  const { deal, tip } = accepted();
  const message = transaction(B, tip, { kind: 'message', text: 'né\u202e\u001b[31m\u0085 \u{1f600}' });
  const log = [...deal.transactions, message].map(logEntryOf);
  const text = formatLog(log);
  assert.match(fromUtf8(text), /^[\x20-\x7e\n]*$/);
  assert.deepEqual(parseLog(text), log);
  assert.deepEqual(parseLog(new Uint8Array()), []);
  for (let at = 0; at < text.length; at++) {
    const altered = new Uint8Array(text);
    altered[at] = (altered[at] ?? 0) ^ 1;
    assert.throws(() => parseLog(altered), PeerFault, `byte ${at}`);
  }
  const lines = fromUtf8(text).split('\n');
  for (const other of [lines.slice(1), [...lines].reverse(), [lines[0], ...lines]]) {
    if (other[0] === lines[0]) continue;
    assert.throws(() => parseLog(utf8(other.join('\n'))), PeerFault);
  }
  const [entry] = log;
  assert.ok(entry !== undefined);
  const lone = { ...entry, payload: ['\ud800'] };
  assert.throws(() => parseLog(formatLog([lone])), PeerFault);
  const elsewhere = { ...entry, deal: 'aaaaaaaaaaaa' };
  const foreign = { ...elsewhere, id: entryId(elsewhere) };
  assert.throws(() => parseLog(formatLog([entry, foreign])), PeerFault);
});

test('an author cannot put another text behind a number of its own that was read already', () => {
  const { deal: one, first } = offered(B);
  const ours = offer(B, 5, 2, first.id);
  const crossing = offer(A, 4, 2, first.id);
  const both = take(take(one, ours), crossing);
  assert.equal(both.versions.length, 3, 'crossing versions of both sides');
  assert.equal(refusal(both, offer(A, 3, 2, first.id)), 'not-current', 'a second one of the same number');
  const third = take(both, offer(A, 9, 3, crossing.id));
  assert.equal(refusal(third, offer(A, 2, 2, first.id)), 'not-current', 'an older number');
});

test('what a peer repeats while an exchange is open does not make the log grow, and the log reads as it was written', () => {
  let { deal, tip } = accepted(B);
  for (let n = 0; n < 20; n += 1) {
    const again = transaction(A, tip, { kind: 'withdraw', document: bytes(1), text: `${n}` }, NOW + n);
    deal = take(deal, again);
  }
  assert.equal(deal.transactions.filter((one) => one.payload.kind === 'withdraw').length, 1);
  const done = take(deal, event('contract', A, 1, 9, tip));
  assert.deepEqual(replay(DEAL, B, A, done.transactions), done);
});

test('times that no calendar can write are refused', () => {
  const late = { ...offer(A, 1), time: 253_402_300_800 };
  assert.throws(() => decodeTransaction(encodeTransaction(late)), PeerFault);
});
