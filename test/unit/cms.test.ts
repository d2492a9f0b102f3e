import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import {
  assembleSignedData,
  type CmsResult,
  P7S_MAX_BYTES,
  type Signer,
  signedAttributes,
  verifySignedData,
} from '../../src/crypto/pki/cms.ts';
import { setOf } from '../../src/crypto/pki/der.ts';
import { concat, equal, fromInt, toInt, utf8 } from '../../src/lib/bytes.ts';
import { attributesOf, CONTENT, forge } from '../support/cms-forge.ts';
import { type Identity, issue, NOW, trader } from '../support/identities.ts';

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const digest = sha256(CONTENT);
const [alice, bob] = await Promise.all([trader('Alice'), trader('Bob')]);

function signerOf({ key, certificate }: Identity, signingTime = NOW): Signer {
  const attributes = signedAttributes({ digest, signingTime, certificateHash: certificate.hash });
  return { certificate, signedAttributes: attributes, signature: signP256(key, attributes) };
}
const signers = [signerOf(alice), signerOf(bob)] as const;
const contract = assembleSignedData(signers);

function verified(result: CmsResult) {
  assert.ok(result.ok, result.ok ? '' : `${result.code}: ${result.message}`);
  return result.signers;
}

test('the signed attributes are the four, as any DER encoder writes them', () => {
  const expected = setOf(...Object.values(attributesOf(alice)));
  assert.deepEqual(signers[0].signedAttributes, expected);
  assert.equal(expected.length, 165);
});

test('verification gives back certificates, time and signatures', () => {
  const found = verified(verifySignedData(contract, digest));
  assert.equal(found.length, 2);
  for (const signer of signers) {
    const same = found.find((one) => one.certificate === signer.certificate);
    assert.ok(same !== undefined);
    assert.equal(same.signingTime, NOW);
    assert.deepEqual(same.signature, signer.signature);
    assert.deepEqual(same.signedAttributes, signer.signedAttributes);
  }
});

test('the order in which signers are named makes no difference', () => {
  assert.deepEqual(assembleSignedData([signers[1], signers[0]]), contract);
});

test('a high s is written as the low one', () => {
  const [{ signature, ...rest }, other] = signers;
  const high = concat(signature.subarray(0, 32), fromInt(ORDER - toInt(signature.subarray(32)), 32));
  assert.deepEqual(assembleSignedData([{ ...rest, signature: high }, other]), contract);
});

test('an independent builder makes the same bytes around the same signatures', () => {
  const one = forge({ signers: [{ identity: alice }] });
  const [signer] = verified(verifySignedData(one, digest));
  assert.ok(signer !== undefined);
  assert.deepEqual(assembleSignedData([signer]), one);
});

test('signers may differ in time, and sixteen fit', async () => {
  const many = await Promise.all(Array.from({ length: 16 }, (_, i) => trader(`Trader ${i}`)));
  const p7s = assembleSignedData(many.map((one, i) => signerOf(one, NOW + i)));
  const found = verified(verifySignedData(p7s, digest));
  assert.deepEqual(found.map((one) => one.signingTime).sort(), [...Array(16).keys()].map((i) => NOW + i).sort());
});

test('another content is refused', () => {
  const result = verifySignedData(contract, sha256(utf8('I sell, you pay.\n')));
  assert.equal(result.ok ? 'ok' : result.code, 'wrong-digest');
});

for (const [time, why] of [
  [Date.UTC(2050, 0, 1) / 1000, 'in 2050'],
  [-1, 'before 1970'],
  [NOW + 0.5, 'with a fraction'],
  [Number.NaN, 'that is no number'],
] as const) {
  test(`a signing time ${why} is refused`, () => {
    assert.throws(() => signedAttributes({ digest, signingTime: time, certificateHash: digest }), {
      name: 'PeerFault',
      code: 'malformed',
    });
  });
}

test('the last second of 2049 can be signed', () => {
  const last = Date.UTC(2050, 0, 1) / 1000 - 1;
  const [signer] = verified(verifySignedData(assembleSignedData([signerOf(alice, last)]), digest));
  assert.equal(signer?.signingTime, last);
});

test('more than 64 KiB is not read', () => {
  const result = verifySignedData(new Uint8Array(P7S_MAX_BYTES + 1), digest);
  assert.equal(result.ok ? 'ok' : result.code, 'oversized');
});

test('seventeen signers are refused', async () => {
  const many = await Promise.all(Array.from({ length: 17 }, (_, i) => trader(`Trader ${i}`)));
  const result = verifySignedData(forge({ signers: many.map((identity) => ({ identity })) }), digest);
  assert.equal(result.ok ? 'ok' : result.code, 'bad-certificates');
});

test('a name of 127 to 129 bytes around the signer identifier', () => {
  for (const length of [40, 41, 42, 43, 44, 64]) {
    const { key, certificate } = issue({ name: 'é'.repeat(length) });
    verified(verifySignedData(assembleSignedData([signerOf({ key, certificate })]), digest));
  }
});

test('every byte counts: any bit of it changed, the file is refused', () => {
  for (let at = 0; at < contract.length; at++) {
    for (let bit = 0; bit < 8; bit += at % 3 === 0 ? 1 : 3) {
      const changed = contract.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      const result = verifySignedData(changed, digest);
      assert.ok(!result.ok, `bit ${bit} of byte ${at}`);
    }
  }
});

test('every byte counts: left out, doubled or cut off there, the file is refused', () => {
  for (let at = 0; at < contract.length; at++) {
    const [before, after] = [contract.subarray(0, at), contract.subarray(at)];
    const files = [before, concat(before, after.subarray(1)), concat(before, after.subarray(0, 1), after)];
    for (const file of files) assert.ok(!verifySignedData(file, digest).ok, `at ${at}`);
  }
});

test('signatures of one signer under the other’s name are refused', () => {
  const [first, second] = signers;
  const swapped = assembleSignedData([
    { ...first, signature: second.signature },
    { ...second, signature: first.signature },
  ]);
  const result = verifySignedData(swapped, digest);
  assert.equal(result.ok ? 'ok' : result.code, 'bad-signature');
  const attributes = assembleSignedData([{ ...first, certificate: second.certificate }]);
  const other = verifySignedData(attributes, digest);
  assert.equal(other.ok ? 'ok' : other.code, 'wrong-certificate-hash');
});

test('the parts of a verified file are its own, not views that change with the input', () => {
  const file = contract.slice();
  const found = verified(verifySignedData(file, digest));
  file.fill(0);
  assert.ok(equal(assembleSignedData(found), contract));
});
