/** Properties of the formats and machines under arbitrary input. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { chunksOf } from '../../src/crypto/content.ts';
import { decodeAnswer, encodeAnswer } from '../../src/exchange/answers.ts';
import { decodeMessage, encodeMessage } from '../../src/exchange/messages.ts';
import { begin, type PartyInput, type PartyRole, step } from '../../src/exchange/party.ts';
import { decodePromise } from '../../src/exchange/promise.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord, xidOf } from '../../src/exchange/record.ts';
import { checkRequest } from '../../src/exchange/requests.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { type Cast, makeCast, NOW, recordOf, selfOf, signedRequest } from '../support/exchange.ts';

let cast: Cast;
let record: ExchangeRecord;
before(async () => {
  cast = await makeCast();
  record = recordOf(cast);
});

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const point = fc.uint8Array({ minLength: 33, maxLength: 33 }).map((bytes) => Uint8Array.of(2, ...bytes.slice(1)));
const item = fc.oneof(
  fc.record({ kind: fc.constant('document' as const), digest: hash }),
  fc
    .record({
      kind: fc.constant('content' as const),
      point,
      ciphertextRoot: hash,
      plaintextRoot: hash,
      bytes: fc.nat({ max: 2 ** 31 - 1 }),
    })
    .map((one) => ({ ...one, chunks: chunksOf(one.bytes) })),
  fc.record({ kind: fc.constant('statement' as const), template: fc.string({ maxLength: 20 }) }),
);
const time = fc.nat({ max: 2_147_483_647 });
const anyRecord: fc.Arbitrary<ExchangeRecord> = fc.record({
  suite: fc.constant('p256-x25519-144-48/1'),
  nonce: hash,
  originator: hash,
  responder: hash,
  arbiter: hash,
  verifierO: point,
  verifierR: point,
  kem: hash,
  terms: hash,
  mode: fc.constantFrom('invisible' as const, 'affidavit' as const),
  check: fc.constant('none' as const),
  signingTime: time,
  notAfter: time,
  margin: time,
  deal: fc.constant('k7q2m3xdp9aa'),
  document: hash,
  itemO: item,
  itemR: item,
});

test('records: decode undoes encode, and different records have different names', () => {
  fc.assert(
    fc.property(anyRecord, anyRecord, (a, b) => {
      assert.deepEqual(encodeRecord(decodeRecord(encodeRecord(a))), encodeRecord(a));
      const same = toHex(encodeRecord(a)) === toHex(encodeRecord(b));
      assert.equal(toHex(xidOf(a)) === toHex(xidOf(b)), same);
    }),
    { numRuns: 200 },
  );
});

/** Valid bytes with one byte changed, cut, or followed by more; or noise. */
const damage = fc.oneof(
  fc.record({ at: fc.nat(), with: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ cut: fc.nat() }),
  fc.record({ more: fc.uint8Array({ minLength: 1, maxLength: 5 }) }),
  fc.record({ noise: fc.uint8Array({ maxLength: 200 }) }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(bytes: Uint8Array, how: Damage): Uint8Array {
  if ('at' in how) return bytes.map((byte, i) => (i === how.at % bytes.length ? byte ^ how.with : byte));
  if ('cut' in how) return bytes.slice(0, how.cut % bytes.length);
  if ('more' in how) return Uint8Array.of(...bytes, ...how.more);
  return how.noise;
}

test('decoders throw peer faults, or return what encodes to the very same bytes', () => {
  const formats = [
    { good: () => encodeRecord(record), read: (bytes: Uint8Array) => encodeRecord(decodeRecord(bytes)) },
    {
      good: () => encodeMessage({ kind: 'promise', role: 'O', record, promise: new Uint8Array(50) }),
      read: (bytes: Uint8Array) => encodeMessage(decodeMessage(bytes)),
    },
    {
      good: () => encodeAnswer({ kind: 'token', token: new Uint8Array(64) }),
      read: (bytes: Uint8Array) => encodeAnswer(decodeAnswer(bytes)),
    },
  ];
  fc.assert(
    fc.property(fc.constantFrom(...formats), damage, ({ good, read }, how) => {
      const bytes = damaged(good(), how);
      try {
        assert.equal(toHex(read(bytes)), toHex(bytes));
      } catch (error) {
        if (!(error instanceof PeerFault)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});

test('promises decode or fault', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom('invisible' as const, 'affidavit' as const),
      (bytes, mode) => {
        assert.throws(() => decodePromise(bytes, mode), PeerFault);
      },
    ),
  );
});

test('a damaged request is never authentic, and never an exception', () => {
  const request = signedRequest(cast, record, 'abort', 'O', new Uint8Array(32).fill(9));
  const self = selfOf(cast);
  fc.assert(
    fc.property(damage, (how) => {
      const bytes = damaged(request, how);
      if (toHex(bytes) === toHex(request)) return;
      assert.equal(checkRequest(bytes, self, NOW).kind, 'failed');
    }),
    { numRuns: 300 },
  );
});

const now = fc.integer({ min: 800, max: 1100 });
const input: fc.Arbitrary<PartyInput<string>> = fc.oneof(
  fc.record({
    kind: fc.constant('proved' as const),
    promise: fc.constant('own'),
    release: fc.constant('rel'),
    resolve: fc.constant('req'),
    consent: fc.boolean(),
    now,
  }),
  fc.record({
    kind: fc.constant('promise' as const),
    promise: fc.constant('theirs'),
    resolve: fc.constant('req'),
    now,
  }),
  fc.record({ kind: fc.constantFrom('release' as const, 'resolved' as const), contract: fc.constant('c'), now }),
  fc.record({ kind: fc.constant('token' as const), token: fc.constant('t'), now }),
  fc.record({
    kind: fc.constantFrom(...(['declined', 'patience', 'deadline', 'abort', 'resolve', 'resumed'] as const)),
    now,
  }),
);

test('machines under any inputs: one consumption, no abort after a release, no release inside the margin, ends stay', () => {
  const times = { notAfter: 1000, margin: 100 };
  fc.assert(
    fc.property(
      fc.constantFrom<PartyRole>('originator', 'responder'),
      fc.array(input, { maxLength: 12 }),
      (role, inputs) => {
        let state = begin<string>(role, times, role === 'responder' ? 'theirs' : null);
        let consumed = 0;
        let released = false;
        let recorded = state;
        for (const one of inputs) {
          const [after, effects] = step(state, one);
          if (state.contract !== null) assert.equal(after.phase, 'contracted');
          if (state.phase === 'aborted' || state.phase === 'dropped') assert.equal(after, state);
          state = after;
          for (const effect of effects) {
            if (effect.kind === 'record') {
              recorded = effect.state;
              if (effect.consume) consumed++;
            } else {
              assert.equal(recorded, state, 'what justifies an effect is durable before it');
            }
            if (effect.kind === 'send' && effect.message === 'release') {
              assert.ok(state.peerPromise !== null);
              if (role === 'originator') assert.ok(one.now < times.notAfter - times.margin);
              released = true;
            }
            if (effect.kind === 'ask' && effect.request === 'abort') {
              assert.equal(role, 'originator');
              assert.equal(released, false);
            }
            if (effect.kind === 'ask' && effect.request === 'resolve') assert.equal(effect.value, 'req');
          }
        }
        assert.ok(consumed <= 1);
      },
    ),
    { numRuns: 1000 },
  );
});
