/** Whatever bytes arrive: parsers answer with a refusal, never with another error, and never take two spellings for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { derToRaw, lowS, rawToDer, signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { parseCertificate } from '../../src/crypto/pki/certificate.ts';
import { buildChain } from '../../src/crypto/pki/chain.ts';
import { assembleSignedData, type Signer, signedAttributes, verifySignedData } from '../../src/crypto/pki/cms.ts';
import { parseCrl } from '../../src/crypto/pki/crl.ts';
import { assertDer } from '../../src/crypto/pki/der.ts';
import { concat, equal } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { CONTENT } from '../support/cms-forge.ts';
import { crl, issue, NOW, trader, YEAR } from '../support/identities.ts';

const digest = sha256(CONTENT);
const root = issue({ name: 'Root', ca: true });
const leaf = issue({ name: 'Leaf', issuer: root });
const list = crl({ issuer: root, revoked: [{ certificate: leaf.certificate, at: NOW }] });
const traders = await Promise.all(['A', 'B', 'C', 'D'].map((name) => trader(name)));
const signers: readonly Signer[] = traders.map(({ key, certificate }) => {
  const attributes = signedAttributes({ digest, signingTime: NOW, certificateHash: certificate.hash });
  return { certificate, signedAttributes: attributes, signature: signP256(key, attributes) };
});
const contract = assembleSignedData(signers.slice(0, 2));

/** Some bytes of the original replaced, put in or taken out, at one to three places. */
function damaged(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(original.length),
    remove: fc.nat(3),
    insert: fc.uint8Array({ maxLength: 3 }),
  });
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) =>
    edits.reduce((bytes, { at, remove, insert }) => {
      const from = Math.min(at, bytes.length);
      return concat(bytes.subarray(0, from), insert, bytes.subarray(from + remove));
    }, original),
  );
}

test('damaged signatures are refused unless nothing changed', () => {
  fc.assert(
    fc.property(damaged(contract), (bytes) => {
      assert.equal(verifySignedData(bytes, digest).ok, equal(bytes, contract));
    }),
    { numRuns: 2000 },
  );
});

test('damaged certificates are refused as malformed, or lead nowhere', () => {
  fc.assert(
    fc.property(damaged(leaf.certificate.der), (bytes) => {
      try {
        const result = buildChain(parseCertificate(bytes), [], [root.certificate], { at: NOW });
        assert.equal(result.ok, equal(bytes, leaf.certificate.der));
      } catch (error) {
        assert.ok(error instanceof PeerFault && error.code === 'malformed');
      }
    }),
    { numRuns: 2000 },
  );
});

test('damaged revocation lists are refused', () => {
  fc.assert(
    fc.property(damaged(list), (bytes) => {
      try {
        parseCrl(bytes);
      } catch (error) {
        assert.ok(error instanceof PeerFault && error.code === 'malformed');
      }
    }),
    { numRuns: 2000 },
  );
});

test('any order of any signers gives the same bytes, and they verify', () => {
  const order = fc.shuffledSubarray([...signers], { minLength: 1 });
  fc.assert(
    fc.property(order, (some) => {
      const sorted = signers.filter((one) => some.includes(one));
      const file = assembleSignedData(some);
      assert.deepEqual(file, assembleSignedData(sorted));
      assertDer(file, 'contract');
      const result = verifySignedData(file, digest);
      assert.ok(result.ok);
      assert.deepEqual(
        new Set(result.signers.map((one) => one.certificate)),
        new Set(some.map((one) => one.certificate)),
      );
    }),
    { numRuns: 50 },
  );
});

test('raw and DER signatures correspond one to one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(31), fc.nat(31), (raw, r, s) => {
      raw.fill(0, 0, r);
      raw.fill(0, 32, 32 + s);
      const der = rawToDer(raw);
      assertDer(der, 'signature');
      assert.deepEqual(derToRaw(der), raw);
    }),
  );
});

test('the low s is idempotent', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (raw) => {
      raw[32] = (raw[32] ?? 0) & 0xf7; // below the order
      assert.deepEqual(lowS(lowS(raw)), lowS(raw));
    }),
  );
});

test('signing times of every second keep', async () => {
  const [first] = signers;
  assert.ok(first !== undefined);
  fc.assert(
    fc.property(fc.nat(Date.UTC(2050, 0, 1) / 1000 - 1), (signingTime) => {
      const { certificate } = first;
      const attributes = signedAttributes({ digest, signingTime, certificateHash: certificate.hash });
      const key = traders[0]?.key;
      assert.ok(key !== undefined);
      const file = assembleSignedData([
        { certificate, signedAttributes: attributes, signature: signP256(key, attributes) },
      ]);
      const result = verifySignedData(file, digest);
      assert.equal(result.ok && result.signers[0]?.signingTime, signingTime);
    }),
    { numRuns: 200 },
  );
});

test('validity decides at both ends, exactly', () => {
  const { certificate } = leaf;
  fc.assert(
    fc.property(fc.integer({ min: NOW - 2 * 86400, max: NOW + YEAR + 86400 }), (at) => {
      const ok = buildChain(certificate, [], [root.certificate], { at }).ok;
      assert.equal(ok, at >= certificate.notBefore && at <= certificate.notAfter);
    }),
  );
});
