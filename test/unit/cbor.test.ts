import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cbor, decode, encode } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';

const { value } = fc.letrec<{ value: Cbor; list: Cbor }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeNat(),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 40 }),
    tie('list'),
  ),
  list: fc.array(tie('value'), { maxLength: 5 }),
}));

test('decode undoes encode, and encode undoes decode', () => {
  fc.assert(
    fc.property(value, (original) => {
      const bytes = encode(original);
      assert.deepEqual(encode(decode(bytes, 1 << 20)), bytes);
    }),
  );
});

for (const [why, hex] of [
  ['a long form of a small integer', '1805'],
  ['an indefinite array', '9f01ff'],
  ['a map', 'a0'],
  ['a float', 'f93c00'],
  ['a negative integer', '20'],
  ['a tag', 'c000'],
  ['trailing bytes', '0101'],
  ['truncation', '8201'],
  ['invalid UTF-8', '61ff'],
  ['an integer beyond 2^53', '1b0020000000000000'],
  ['17 nested arrays', `${'81'.repeat(18)}00`],
  ['nothing', ''],
] as const) {
  test(`refuses ${why}`, () => {
    assert.throws(
      () => decode(new Uint8Array(Buffer.from(hex, 'hex')), 100),
      (error) => error instanceof PeerFault && error.code === 'malformed',
    );
  });
}

test('refuses more bytes than allowed before it looks at them', () => {
  assert.throws(
    () => decode(new Uint8Array(11), 10),
    (error) => error instanceof PeerFault && error.code === 'oversized',
  );
});
