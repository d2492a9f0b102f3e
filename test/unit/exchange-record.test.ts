/** X: one encoding, strict decoding, and every difference from text, cards and rules found before anything is promised. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import { checkRecord, type DocumentTerms, makeRecord, type Parties } from '../../src/exchange/contract.ts';
import { checkFrame } from '../../src/exchange/frame.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord, recordToCbor, xidOf } from '../../src/exchange/record.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { type Cbor, encode } from '../../src/lib/cbor.ts';
import { PeerFault, type PeerFaultCode } from '../../src/lib/errors.ts';
import { type Cast, DAY, LIMITS, makeCast, NOW, partiesOf, person, recordOf, termsOf } from '../support/exchange.ts';

let cast: Cast;
let parties: Parties;
let terms: DocumentTerms;
let record: ExchangeRecord;

before(async () => {
  cast = await makeCast();
  parties = partiesOf(cast);
  terms = termsOf(cast);
  record = recordOf(cast);
});

function fault(code: PeerFaultCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PeerFault, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

const other = sha256(utf8('other'));

test('X has the nineteen elements of the specification in their order', () => {
  const x = recordToCbor(record);
  assert.equal(x.length, 19);
  assert.deepEqual(x.slice(0, 2), [1, 'p256-x25519-144-48/1']);
  assert.deepEqual(x.slice(10, 16), ['invisible', 'none', NOW, NOW + 14 * DAY, 25 * 3600, 'k7q2m3xdp9aa']);
  assert.deepEqual(x.slice(17), [
    [1, record.document],
    [1, record.document],
  ]);
  assert.deepEqual(
    x.slice(2, 10),
    [record.nonce, cast.O.certificate.hash, cast.R.certificate.hash, cast.T.certificate.hash].concat([
      cast.O.verifier.public,
      cast.R.verifier.public,
      sha256(cast.kem.public),
      record.terms,
    ]),
  );
});

test('a fixed record has a fixed name', () => {
  const fixed: ExchangeRecord = {
    ...record,
    nonce: new Uint8Array(32),
    originator: new Uint8Array(32).fill(1),
    responder: new Uint8Array(32).fill(2),
    arbiter: new Uint8Array(32).fill(3),
    verifierO: new Uint8Array(33).fill(2),
    verifierR: new Uint8Array(33).fill(3),
    kem: new Uint8Array(32).fill(4),
    terms: new Uint8Array(32).fill(5),
  };
  assert.equal(toHex(xidOf(fixed)), '1d70636f75bd2b3b0f33ab851fabfca27d5c733fc7fc9b4f6883bd78dd487259');
});

test('decode undoes encode, for every kind of item', () => {
  const items = [
    { kind: 'document', digest: other },
    {
      kind: 'content',
      point: cast.O.verifier.public,
      ciphertextRoot: other,
      plaintextRoot: other,
      bytes: 9,
      chunks: 1,
    },
    { kind: 'statement', template: 'receipt/1' },
  ] as const;
  for (const itemO of items)
    for (const itemR of items) {
      const one = { ...record, itemO, itemR };
      assert.deepEqual(decodeRecord(encodeRecord(one)), one);
    }
});

const MUTATIONS: readonly (readonly [name: string, field: number, value: Cbor, code: PeerFaultCode])[] = [
  ['another version', 0, 2, 'unknown-version'],
  ['another suite', 1, 'p256-x25519-144-47/1', 'bad-record'],
  ['a suite that is no text', 1, 7, 'malformed'],
  ['a short nonce', 2, new Uint8Array(31), 'malformed'],
  ['a long originator', 3, new Uint8Array(33), 'malformed'],
  ['a missing responder', 4, null, 'malformed'],
  ['an arbiter as text', 5, 'notary', 'malformed'],
  ['an uncompressed verifier key', 6, new Uint8Array(65).fill(4), 'malformed'],
  ['a hybrid verifier key', 7, new Uint8Array(33).fill(6), 'malformed'],
  ['a verifier key at infinity', 7, new Uint8Array(33), 'malformed'],
  ['a KEM key instead of its hash', 8, new Uint8Array(31), 'malformed'],
  ['short terms', 9, new Uint8Array(1), 'malformed'],
  ['an unknown mode', 10, 'visible', 'malformed'],
  ['a mode as number', 10, 1, 'malformed'],
  ['a content check that does not exist yet', 11, 'window', 'malformed'],
  ['a signing time after 2049', 12, 2_524_608_000, 'malformed'],
  ['a signing time as text', 12, '2026', 'malformed'],
  ['notAfter after 2049', 13, 2_524_608_000, 'malformed'],
  ['a margin that is no number', 14, null, 'malformed'],
  ['a deal id in capitals', 15, 'K7Q2M3XDP9AA', 'malformed'],
  ['a short deal id', 15, 'k7q2', 'malformed'],
  ['a long deal id', 15, 'k7q2m3xdp9aaa', 'malformed'],
  ['a short digest', 16, new Uint8Array(20), 'malformed'],
  ['an empty item', 17, [], 'malformed'],
  ['an unknown item', 17, [4, new Uint8Array(32)], 'malformed'],
  ['a document item with two digests', 18, [1, new Uint8Array(32), new Uint8Array(32)], 'malformed'],
  ['a content item without roots', 18, [2, new Uint8Array(33)], 'malformed'],
  ['a statement with a long name', 18, [3, 'x'.repeat(65)], 'malformed'],
];

for (const [name, field, value, code] of MUTATIONS) {
  test(`decode refuses ${name}`, () => {
    assert.throws(() => decodeRecord(encode(recordToCbor(record).with(field, value))), fault(code));
  });
}

test('decode refuses one element more, one less, trailing bytes, and a large record unread', () => {
  assert.throws(() => decodeRecord(encode([...recordToCbor(record), 0])), fault('malformed'));
  assert.throws(() => decodeRecord(encode(recordToCbor(record).slice(0, 18))), fault('malformed'));
  assert.throws(() => decodeRecord(Uint8Array.of(...encodeRecord(record), 0)), fault('malformed'));
  assert.throws(() => decodeRecord(new Uint8Array(1025)), fault('oversized'));
});

test('every element has its part in the name of the exchange', () => {
  const names = new Set<string>([toHex(xidOf(record))]);
  const changes: readonly Partial<ExchangeRecord>[] = [
    ...(['nonce', 'originator', 'responder', 'arbiter', 'kem', 'terms', 'document'] as const).map((field) => ({
      [field]: other,
    })),
    { suite: 'other' },
    { verifierO: record.verifierR },
    { verifierR: record.verifierO },
    { mode: 'affidavit' },
    { signingTime: NOW + 1 },
    { notAfter: NOW },
    { margin: 0 },
    { deal: 'k7q2m3xdp9ab' },
    { itemO: { kind: 'document', digest: other } },
    { itemR: { kind: 'statement', template: 'receipt/1' } },
  ];
  for (const change of changes) names.add(toHex(xidOf({ ...record, ...change })));
  assert.equal(names.size, changes.length + 1);
});

/** What a dishonest originator could put into X, and the first difference that the responder names. */
const LIES: readonly (readonly [name: string, change: () => Partial<ExchangeRecord>, message: RegExp])[] = [
  ['another originator', () => ({ originator: other }), /differs from the text: originator$/],
  ['another responder', () => ({ responder: other }), /differs from the text: responder$/],
  ['another arbiter', () => ({ arbiter: other }), /differs from the text: arbiter$/],
  [
    'a verifier key for O that its card does not show',
    () => ({ verifierO: generateVerifierKey().public }),
    /originator/,
  ],
  [
    'a verifier key for R whose secret the liar knows',
    () => ({ verifierR: generateVerifierKey().public }),
    /responder/,
  ],
  ['verifier keys exchanged', () => ({ verifierO: record.verifierR, verifierR: record.verifierO }), /verifier key/],
  ['another KEM key', () => ({ kem: other }), /key of the arbiter/],
  ['other terms', () => ({ terms: other }), /terms/],
  ['another mode', () => ({ mode: 'affidavit' }), /mode/],
  ['another notAfter', () => ({ notAfter: record.notAfter + 1 }), /notAfter/],
  ['another margin', () => ({ margin: record.margin - 1 }), /margin/],
  ['another deal', () => ({ deal: 'k7q2m3xdp9ab' }), /deal/],
  ['another document', () => ({ document: other }), /document/],
  ['another item of O', () => ({ itemO: { kind: 'document', digest: other } }), /item of the originator/],
  ['another item of R', () => ({ itemR: { kind: 'statement', template: 'x' } }), /item of the responder/],
  ['a signing time in the future', () => ({ signingTime: NOW + 301 }), /future/],
  ['a backdated signing time', () => ({ signingTime: LIMITS.offeredAt - 301 }), /before this version was offered/],
];

for (const [name, change, message] of LIES) {
  test(`checkRecord refuses ${name}`, () => {
    assert.throws(() => checkRecord({ ...record, ...change() }, terms, parties, LIMITS), fault('bad-record', message));
  });
}

test('clock differences within the skew are no lie', () => {
  for (const signingTime of [NOW + 300, LIMITS.offeredAt - 300])
    checkRecord({ ...record, signingTime }, terms, parties, LIMITS);
});

test('an acceptance that waited for days in the outbox is no lie', () => {
  checkRecord(record, terms, parties, { ...LIMITS, now: NOW + 9 * DAY });
});

/** Texts whose own terms cannot be served: refused although X agrees with them. */
const BAD_TERMS: readonly (readonly [name: string, change: Partial<DocumentTerms>, message: RegExp])[] = [
  ['a margin below the minimum', { margin: 3599 }, /margin below/],
  ['no time before the margin', { notAfter: NOW + DAY, margin: DAY }, /no time/],
  ['more time than the terms allow', { notAfter: NOW + 31 * DAY }, /terms allow/],
  [
    'content against a signature',
    {
      itemO: {
        kind: 'content',
        plaintextRoot: other,
        bytes: 1,
        chunks: 1,
      },
    },
    /something else than a receipt or content/,
  ],
  [
    'content that nobody could dispute',
    {
      itemO: { kind: 'content', plaintextRoot: other, bytes: 1, chunks: 1 },
      itemR: { kind: 'statement', template: 'receipt' },
    },
    /nobody could dispute/,
  ],
  ['a window without content', { check: 'window=3600' }, /without content/],
  ['a full check without content', { check: 'full' }, /without content/],
  [
    'more content than a full check takes',
    {
      check: 'full',
      itemO: { kind: 'content', plaintextRoot: other, bytes: 2 ** 24 + 1, chunks: 257 },
      itemR: { kind: 'statement', template: 'receipt' },
    },
    /more content than a full check takes/,
  ],
  [
    'a full check of a swap',
    {
      check: 'full',
      itemO: { kind: 'content', plaintextRoot: other, bytes: 1, chunks: 1 },
      itemR: { kind: 'content', plaintextRoot: other, bytes: 1, chunks: 1 },
    },
    /a full check of a swap/,
  ],
  ['a statement against a signature', { itemR: { kind: 'statement', template: 'receipt' } }, /cannot exchange/],
  ['an item that is another document', { itemR: { kind: 'document', digest: other } }, /not the document/],
];

for (const [name, change, message] of BAD_TERMS) {
  test(`checkRecord refuses ${name}, though the text says so`, () => {
    const agreed = { ...terms, ...change };
    const sealed = {
      O: { point: new Uint8Array(33).fill(2), ciphertextRoot: other },
      R: { point: new Uint8Array(33).fill(3), ciphertextRoot: other },
    };
    const x = makeRecord(agreed, parties, { nonce: record.nonce, signingTime: NOW, sealed });
    assert.throws(() => checkRecord(x, agreed, parties, LIMITS), fault('bad-record', message));
  });
}

test('notAfter within the life of the arbiter’s KEM key and of three certificates', async () => {
  const limits = { ...LIMITS, kemNotAfter: record.notAfter - 1 };
  assert.throws(() => checkRecord(record, terms, parties, limits), fault('bad-record', /key serves/));
  for (const role of ['O', 'R', 'T'] as const) {
    const short = { ...cast, [role]: await person('short', { notAfter: record.notAfter - 1 }) };
    const young = { ...cast, [role]: await person('young', { notBefore: NOW + 1 }) };
    for (const [people, message] of [
      [short, /ends before notAfter/],
      [young, /begins after/],
    ] as const) {
      const x = makeRecord(termsOf(people), partiesOf(people), { ...record, sealed: null });
      assert.throws(() => checkRecord(x, termsOf(people), partiesOf(people), LIMITS), fault('bad-record', message));
    }
  }
});

test('nobody is two parties: not by certificate and not by key', async () => {
  for (const [one, two] of [
    ['O', 'R'],
    ['O', 'T'],
    ['R', 'T'],
  ] as const) {
    const same = { ...cast, [two]: cast[one] };
    const renamed = { ...cast, [two]: await person('other name, same key', { key: cast[one].key }) };
    for (const people of [same, renamed]) {
      const x = makeRecord(termsOf(people), partiesOf(people), { ...record, sealed: null });
      assert.throws(
        () => checkRecord(x, termsOf(people), partiesOf(people), LIMITS),
        fault('bad-record', /two roles with the same/),
      );
    }
  }
});

test('checkFrame alone holds every name in X against the parties', () => {
  checkFrame(record, parties, LIMITS);
  const stranger = { certificate: cast.T.certificate, verifier: generateVerifierKey().public };
  const wrong: readonly (readonly [Parties, RegExp])[] = [
    [{ ...parties, O: { ...parties.O, certificate: stranger.certificate } }, /another originator/],
    [{ ...parties, R: { ...parties.R, certificate: stranger.certificate } }, /another responder/],
    [{ ...parties, T: { ...parties.T, certificate: parties.O.certificate } }, /another arbiter/],
    [{ ...parties, O: { ...parties.O, verifier: stranger.verifier } }, /verifier key of the originator/],
    [{ ...parties, R: { ...parties.R, verifier: stranger.verifier } }, /verifier key of the responder/],
    [{ ...parties, T: { ...parties.T, kem: other } }, /key of the arbiter/],
    [{ ...parties, T: { ...parties.T, terms: other } }, /other terms/],
  ];
  for (const [people, message] of wrong)
    assert.throws(() => checkFrame(record, people, LIMITS), fault('bad-record', message));
});
