import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Body,
  decodeMessage,
  encodeMessage,
  MESSAGE_MAX_BYTES,
  type Message,
  transactionOf,
} from '../../src/commerce/messages.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { type Cbor, decode, encode } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { MAX_FRAME_BYTES } from '../../src/p2p/link.ts';

const DEAL = '0123456789ab';
const plain = { noNullPrototype: true };
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const text = fc.string({ maxLength: 50, unit: 'grapheme' });
const body: fc.Arbitrary<Body> = fc.oneof(
  fc.record({ kind: fc.constant('message' as const), text: text.map((one) => `${one}.`) }, plain),
  fc.record(
    {
      kind: fc.constantFrom('offer' as const, 'counter-offer' as const),
      version: fc.integer({ min: 1, max: 1000 }),
      document: fc.uint8Array({ maxLength: 300 }),
      arbiterCard: fc.uint8Array({ maxLength: 300 }),
      offerUntil: fc.maxSafeNat(),
    },
    plain,
  ),
  fc.record({ kind: fc.constantFrom('decline' as const, 'withdraw' as const), document: hash, text }, plain),
);
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('negotiation' as const),
      deal: fc.constant(DEAL),
      parent: fc.option(hash),
      time: fc.nat({ max: 253_402_300_799 }),
      body,
    },
    plain,
  ),
  fc.record({ kind: fc.constant('card' as const), card: fc.uint8Array({ maxLength: 300 }) }, plain),
);

const fault = (code: string) => (error: unknown) => error instanceof PeerFault && error.code === code;

test('messages survive the wire', () => {
  fc.assert(
    fc.property(message, (one) => {
      assert.deepEqual(decodeMessage(encodeMessage(one)), one);
    }),
  );
});

test('arbitrary bytes and altered messages throw PeerFault or are another message', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, where, change) => {
      const bytes = encodeMessage(one);
      const at = where % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ change;
      let read: Message;
      try {
        read = decodeMessage(bytes);
      } catch (error) {
        assert.ok(error instanceof PeerFault);
        return;
      }
      assert.deepEqual(encodeMessage(read), bytes);
      assert.notDeepEqual(read, one);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeMessage(bytes);
      } catch (error) {
        assert.ok(error instanceof PeerFault);
      }
    }),
  );
});

const offerItems = (change: (items: Cbor[]) => void): Uint8Array => {
  const items: Cbor[] = [1, 'negotiation', DEAL, null, 5, 'offer', [1, new Uint8Array(3), new Uint8Array(3), 9]];
  change(items);
  return encode(items);
};

for (const [what, code, change] of [
  ['another version', 'unknown-version', (items: Cbor[]) => items.splice(0, 1, 2)],
  ['an unknown message', 'malformed', (items: Cbor[]) => items.splice(1, 1, 'gossip')],
  ['an unknown kind', 'malformed', (items: Cbor[]) => items.splice(5, 1, 'acceptance')],
  ['a deal id with a look-alike', 'malformed', (items: Cbor[]) => items.splice(2, 1, '0123456789ai')],
  ['a short parent', 'malformed', (items: Cbor[]) => items.splice(3, 1, new Uint8Array(31))],
  ['a missing item', 'malformed', (items: Cbor[]) => items.pop()],
  ['version 0', 'malformed', (items: Cbor[]) => items.splice(6, 1, [0, new Uint8Array(3), new Uint8Array(3), 9])],
  [
    'an item too many',
    'malformed',
    (items: Cbor[]) => items.splice(6, 1, [1, new Uint8Array(3), new Uint8Array(3), 9, 9]),
  ],
  [
    'an oversized document',
    'malformed',
    (items: Cbor[]) => items.splice(6, 1, [1, new Uint8Array(65_537), new Uint8Array(3), 9]),
  ],
] as const) {
  test(`refuses ${what}`, () => {
    assert.throws(() => decodeMessage(offerItems(change)), fault(code));
  });
}

test('refuses oversized, truncated and non-canonical input', () => {
  const bytes = offerItems(() => {});
  assert.equal(decodeMessage(bytes).kind, 'negotiation');
  assert.throws(() => decodeMessage(new Uint8Array(MESSAGE_MAX_BYTES + 1)), fault('oversized'));
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeMessage(bytes.subarray(0, length)), PeerFault);
  assert.throws(() => decodeMessage(Uint8Array.of(...bytes, 0)), fault('malformed'));
  const [head, ...rest] = bytes;
  assert.throws(() => decodeMessage(Uint8Array.of(0x98, (head ?? 0) & 31, ...rest)), fault('malformed'));
});

test('the largest message fits into a frame of the link', () => {
  assert.ok(MESSAGE_MAX_BYTES <= MAX_FRAME_BYTES);
});

test('both sides make the same transaction of a message', () => {
  const by = new Uint8Array(32).fill(3);
  const sent = decodeMessage(offerItems(() => {}));
  assert.ok(sent.kind === 'negotiation');
  const one = transactionOf(sent, by);
  assert.ok(one.payload.kind === 'offer');
  assert.deepEqual(one.payload.document, sha256(new Uint8Array(3)));
  assert.deepEqual(transactionOf(decodeMessage(encodeMessage(sent)) as typeof sent, by), one);
  assert.notDeepEqual(transactionOf(sent, new Uint8Array(32)).id, one.id);
  assert.ok(decode(encodeMessage(sent), 1000) !== null);
});
