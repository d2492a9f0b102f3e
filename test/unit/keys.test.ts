import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { decryptPkcs8, encryptPkcs8, generateSigningKey } from '../../src/crypto/keys.ts';
import { integer, octetString, oid, sequence, TAG, tlv } from '../../src/crypto/pki/der.ts';
import { importIdentity } from '../../src/crypto/pki/import.ts';
import { fromPem, toPem } from '../../src/crypto/pki/pem.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { issue, trader } from '../support/identities.ts';

const key = generateSigningKey();
const stored = await encryptPkcs8(key, 'correct horse');

test('a stored key opens with its passphrase, and with no other', async () => {
  assert.ok((await decryptPkcs8(stored, 'correct horse')).equals(key));
  for (const wrong of ['', 'Correct horse', 'correct horse '])
    await assert.rejects(decryptPkcs8(stored, wrong), { name: 'FitError', code: 'wrong-passphrase' });
});

test('the event loop runs while a key is opened', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await decryptPkcs8(stored, 'correct horse');
  clearInterval(timer);
  assert.ok(turns > 3, `${turns} turns`);
});

test('two files of one key differ', async () => {
  assert.notEqual(await encryptPkcs8(key, 'correct horse'), stored);
});

test('an empty passphrase is refused', async () => {
  await assert.rejects(encryptPkcs8(key, ''), { code: 'usage' });
});

test('another kind of key in the file', async () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  await assert.rejects(decryptPkcs8(await encryptPkcs8(other, 'pw'), 'pw'), { code: 'bad-key' });
});

test('files that hold no single encrypted key', async () => {
  const plain = String(key.export({ format: 'pem', type: 'pkcs8' }));
  for (const text of ['', plain, stored + stored]) await assert.rejects(decryptPkcs8(text, 'x'), { code: 'bad-key' });
  await assert.rejects(decryptPkcs8(stored.slice(0, -40), 'x'), { code: 'bad-file' });
});

/** EncryptedPrivateKeyInfo with a key derivation of our choice. */
function encryptedWith(kdf: Uint8Array, cipher = '2.16.840.1.101.3.4.1.42', iv = new Uint8Array(16)): string {
  const scheme = sequence(oid(cipher), octetString(iv));
  const algorithm = sequence(oid('1.2.840.113549.1.5.13'), sequence(kdf, scheme));
  return toPem('ENCRYPTED PRIVATE KEY', sequence(algorithm, octetString(new Uint8Array(32))));
}
const scrypt = (N: number, r: number, p: number) =>
  sequence(oid('1.3.6.1.4.1.11591.4.11'), sequence(octetString(new Uint8Array(8)), integer(N), integer(r), integer(p)));
const pbkdf2 = (...parts: Uint8Array[]) =>
  sequence(oid('1.2.840.113549.1.5.12'), sequence(octetString(new Uint8Array(8)), ...parts));

for (const [why, text] of [
  ['scrypt with too much memory', encryptedWith(scrypt(1 << 21, 8, 1))],
  ['scrypt with too many lanes', encryptedWith(scrypt(1 << 14, 8, 17))],
  ['scrypt whose N is no power of two', encryptedWith(scrypt(1000, 8, 1))],
  ['scrypt without lanes', encryptedWith(scrypt(1024, 8, 0))],
  ['PBKDF2 with too many rounds', encryptedWith(pbkdf2(integer(100_000_000)))],
  ['PBKDF2 with none', encryptedWith(pbkdf2(integer(0)))],
  ['PBKDF2 with an unknown function', encryptedWith(pbkdf2(integer(10), sequence(oid('1.2.3'))))],
  ['another key length', encryptedWith(pbkdf2(integer(10), integer(16)))],
  ['an unknown derivation', encryptedWith(sequence(oid('1.2.3'), sequence()))],
  ['an unknown cipher', encryptedWith(pbkdf2(integer(10)), '1.2.840.113549.3.7')],
  ['a short initialisation vector', encryptedWith(pbkdf2(integer(10)), undefined, new Uint8Array(8))],
  ['something behind the parameters', encryptedWith(pbkdf2(integer(10), tlv(TAG.null)))],
] as const) {
  test(`refuses ${why}`, async () => {
    await assert.rejects(decryptPkcs8(text, 'x'), { name: 'FitError', code: 'bad-key' });
  });
}

test('a ciphertext that does not decrypt is a wrong passphrase, also by PBKDF2', async () => {
  await assert.rejects(decryptPkcs8(encryptedWith(pbkdf2(integer(10))), 'x'), { code: 'wrong-passphrase' });
});

// ---- import

const pem = (label: string, der: Uint8Array) => utf8(toPem(label, der));
const pkcs8 = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));

test('what cannot be imported, and why', async () => {
  const mine = (await trader('Mine', key)).certificate;
  const other = (await trader('Other')).certificate;
  const rsa = issue({ name: 'RSA', kind: 'rsa' });
  const rsaKey = new Uint8Array(rsa.key.export({ format: 'der', type: 'pkcs8' }));
  const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const keyFile = pem('PRIVATE KEY', pkcs8);
  for (const [code, data] of [
    ['bad-file', new Uint8Array()],
    ['bad-file', utf8('hello')],
    ['bad-file', Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x03)],
    ['bad-file', Uint8Array.of(0x30, 0x00)],
    ['bad-file', pem('CERTIFICATE', mine.der.slice(0, -1))],
    ['bad-file', new Uint8Array(256 * 1024 + 1)],
    ['bad-key', join(keyFile, pem('CERTIFICATE', other.der))],
    ['bad-key', join(keyFile, keyFile)],
    ['bad-key', pem('PRIVATE KEY', pkcs8.slice(0, -1))],
    ['bad-key', pem('RSA PRIVATE KEY', pkcs8)],
    ['bad-key', pem('PRIVATE KEY', rsaKey)],
    ['bad-key', pem('CERTIFICATE', rsa.certificate.der)],
  ] as const)
    await assert.rejects(importIdentity(data, 'x'), { name: 'FitError', code });
  assert.ok((await importIdentity(keyFile)).key?.equals(key));
  const only = await importIdentity(pem('CERTIFICATE', mine.der));
  assert.deepEqual(only, { chain: [mine] });
  const strangers = join(pem('CERTIFICATE', other.der), pem('CERTIFICATE', mine.der), keyFile);
  assert.deepEqual((await importIdentity(strangers)).chain, [mine], 'what is not of this chain is left out');
});

test('a chain is put in order without a key too', async () => {
  const root = issue({ name: 'Root', ca: true });
  const middle = issue({ name: 'Middle', ca: true, issuer: root });
  const leaf = issue({ name: 'Leaf', issuer: middle });
  const file = [root, leaf, middle].map((one) => toPem('CERTIFICATE', one.certificate.der)).join('');
  const { chain } = await importIdentity(utf8(file));
  assert.deepEqual(
    chain.map((one) => one.subject),
    ['Leaf', 'Middle', 'Root'],
  );
});

// ---- PEM

test('PEM there and back, with text around it', () => {
  const der = new Uint8Array(100).map((_, i) => i);
  const text = `some text\n${toPem('A', der)}more\n${toPem('B', der)}${toPem('A', der.slice(1))}`;
  assert.deepEqual(fromPem(text, 'A'), [der, der.slice(1)]);
  assert.deepEqual(fromPem(text, 'C'), []);
});

for (const [why, text] of [
  ['has no end', '-----BEGIN A-----\nAAAA\n'],
  ['ends as another', '-----BEGIN A-----\nAAAA\n-----END B-----\n'],
  ['ends without beginning', '-----END A-----\n'],
  ['begins twice', '-----BEGIN A-----\n-----BEGIN A-----\nAAAA\n-----END A-----\n'],
  ['is empty', '-----BEGIN A-----\n-----END A-----\n'],
  ['is not base64', '-----BEGIN A-----\nAA*A\n-----END A-----\n'],
  ['has loose bits', '-----BEGIN A-----\nAB==\n-----END A-----\n'],
  ['lacks padding', '-----BEGIN A-----\nAA\n-----END A-----\n'],
  ['is larger than 1 MiB', 'x'.repeat(1024 * 1024 + 1)],
] as const) {
  test(`a PEM file that ${why} is refused`, () => {
    assert.throws(() => fromPem(text, 'A'), { name: 'FitError', code: 'bad-file' });
  });
}
