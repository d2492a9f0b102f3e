import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { controlMessage, signControl, verifyControl } from '../../src/crypto/control.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { compare, concat, utf8 } from '../../src/lib/bytes.ts';
import type { Cbor } from '../../src/lib/cbor.ts';
import { enc } from '../../src/lib/cbor.ts';

const key = generateSigningKey();
const publicKey = createPublicKey(key);
const hash = new Uint8Array(32).fill(7);

test('the message is the purpose, a NUL and the canonical items', () => {
  assert.deepEqual(controlMessage('abort', [hash, 1]), concat(utf8('fit abort v1\0'), enc(hash, 1)));
});

test('a signature serves one purpose and one list of items', () => {
  const signature = signControl(key, 'abort', hash, 'will not be completed');
  assert.ok(verifyControl(publicKey, 'abort', signature, hash, 'will not be completed'));
  assert.ok(!verifyControl(publicKey, 'status', signature, hash, 'will not be completed'));
  assert.ok(!verifyControl(publicKey, 'abort', signature, hash));
  assert.ok(!verifyControl(publicKey, 'abort', signature, [hash, 'will not be completed']));
  assert.ok(!verifyControl(createPublicKey(generateSigningKey()), 'abort', signature, hash, 'will not be completed'));
});

for (const purpose of ['', 'Abort', 'abort\0', 'abort v1', '-abort', ' abort', 'abört', 'a'.repeat(41)]) {
  test(`${JSON.stringify(purpose)} is no purpose`, () => {
    assert.throws(() => controlMessage(purpose, []), { name: 'AssertionFailed' });
  });
}

const purpose = fc.stringMatching(/^[a-z][a-z -]{0,8}$/);
const items: fc.Arbitrary<readonly Cbor[]> = fc.array(
  fc.oneof(fc.nat(3), fc.constant(null), fc.uint8Array({ maxLength: 3 }), fc.string({ maxLength: 2 })),
  { maxLength: 3 },
);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

test('no message is the beginning of one with another purpose or other items', () => {
  fc.assert(
    fc.property(purpose, items, purpose, items, (p, i, q, j) => {
      const [a, b] = [controlMessage(p, i), controlMessage(q, j)];
      const isSame = p === q && compare(enc(...i), enc(...j)) === 0;
      assert.equal(text(b).startsWith(text(a)), isSame);
    }),
    { numRuns: 500 },
  );
});

test('the purpose can be read back from the message: its first NUL ends it', () => {
  fc.assert(
    fc.property(purpose, items, (p, i) => {
      const message = text(controlMessage(p, i));
      assert.equal(message.slice(0, message.indexOf('\0')), `fit ${p} v1`);
      assert.notEqual(message[0], '0', 'not a certificate or request (0x30)');
      assert.notEqual(message[0], '1', 'not signed attributes (0x31)');
    }),
  );
});
