import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkBinding } from '../../src/commerce/binding.ts';
import { unwrapSecret, wrapSecret } from '../../src/crypto/aead.ts';
import { isRecipient } from '../../src/crypto/age.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { isCertificateOf, parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { peerIdOf } from '../../src/crypto/transport.ts';
import { createKeys, openKeyring, timestampKeyOf } from '../../src/daemon/keyring.ts';
import { decodeVault } from '../../src/daemon/vault.ts';
import { encode } from '../../src/lib/cbor.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PASSPHRASE = 'seven quiet words';
const now = Math.floor(Date.now() / 1000);

async function made(t: TestContext, timestamp = false): Promise<string> {
  const folder = join(await temporaryFolder(t), 'keys');
  const ports = { clock: systemClock, rng: systemRng };
  await createKeys(folder, { name: 'Elm', passphrase: PASSPHRASE, arbiter: false, timestamp }, ports);
  return folder;
}

async function another() {
  const key = generateSigningKey();
  const der = await selfSigned({ key, name: 'Elm again', notBefore: now - 60, notAfter: now + 86_400 });
  return { key, certificate: parseCertificate(der) };
}

const proven = (keyring: ReturnType<typeof openKeyring>) =>
  checkBinding(peerIdOf(keyring.transportSeed), keyring.binding, now).hash;

test('an import that was cut off before the binding is finished at the next unlock', async (t) => {
  const folder = await made(t);
  const before = join(folder, 'binding');
  copyFileSync(before, `${before}.old`);
  const keyring = openKeyring(folder, systemClock);
  await keyring.unlock(PASSPHRASE);
  const { key, certificate } = await another();
  await keyring.replaceIdentity([certificate], { key, passphrase: PASSPHRASE });
  writeFileSync(before, readFileSync(`${before}.old`));

  const again = openKeyring(folder, systemClock);
  assert.notDeepEqual(proven(again), certificate.hash);
  await again.unlock(PASSPHRASE);
  assert.deepEqual(proven(again), certificate.hash);
  assert.deepEqual(proven(openKeyring(folder, systemClock)), certificate.hash, 'also on disk');
});

test('the timestamping key is one of its own, and stays through a new passphrase and another identity', async (t) => {
  const folder = await made(t, true);
  const keyring = openKeyring(folder, systemClock);
  await keyring.unlock(PASSPHRASE);
  const { key, certificate } = timestampKeyOf(keyring);
  assert.ok(isCertificateOf(certificate, key));
  assert.ok(!isCertificateOf(certificate, keyring.secrets().signing));
  assert.deepEqual(certificate.extendedKeyUsage, ['1.3.6.1.5.5.7.3.8']);
  assert.ok(certificate.extendedKeyUsageCritical);
  assert.equal(certificate.subject, 'Timestamps of Elm');
  await keyring.changePassphrase(PASSPHRASE, 'a new one');
  const other = await another();
  await keyring.replaceIdentity([other.certificate], { key: other.key, passphrase: 'a new one' });
  const again = openKeyring(folder, systemClock);
  await again.unlock('a new one');
  assert.deepEqual(timestampKeyOf(again).certificate.der, certificate.der);
  assert.ok(isCertificateOf(certificate, timestampKeyOf(again).key));
  again.lock();
  assert.throws(
    () => timestampKeyOf(again),
    (error) => isFitError(error) && error.code === 'locked',
  );
});

test('a trader that was made without a timestamping key says so', async (t) => {
  const keyring = openKeyring(await made(t), systemClock);
  await keyring.unlock(PASSPHRASE);
  assert.equal(keyring.secrets().timestamp, null);
  assert.throws(
    () => timestampKeyOf(keyring),
    (error) => isFitError(error) && error.code === 'bad-config',
  );
});

test('a key that is imported while the passphrase changes never lies under another one than the vault', async (t) => {
  const folder = await made(t);
  const keyring = openKeyring(folder, systemClock);
  await keyring.unlock(PASSPHRASE);
  const { key, certificate } = await another();
  const change = keyring.changePassphrase(PASSPHRASE, 'a new one');
  const imported = keyring.replaceIdentity([certificate], { key, passphrase: PASSPHRASE });
  await change;
  await assert.rejects(imported, (error) => isFitError(error) && error.code === 'wrong-passphrase');
  await openKeyring(folder, systemClock).unlock('a new one');
});

test('a vault of before there were age keys gets one at the first unlock, once', async (t) => {
  const folder = await made(t, true);
  const file = join(folder, 'vault.sealed');
  const { archiveKey, verifier, timestamp, age } = decodeVault(await unwrapSecret(PASSPHRASE, readFileSync(file)));
  assert.ok(age !== null && timestamp !== null);
  const pkcs8 = new Uint8Array(timestamp.key.export({ format: 'der', type: 'pkcs8' }));
  const second = encode([2, archiveKey, verifier.secret, verifier.public, [], [pkcs8, timestamp.certificate.der]]);
  const first = encode([1, archiveKey, verifier.secret, verifier.public, []]);
  for (const before of [first, second]) {
    writeFileSync(file, await wrapSecret(PASSPHRASE, before));
    const keyring = openKeyring(folder, systemClock);
    await assert.rejects(keyring.unlock('wrong'), isWrong);
    await keyring.unlock(PASSPHRASE);
    const { recipient } = keyring.secrets().age;
    assert.ok(isRecipient(recipient) && recipient !== age.recipient);
    assert.deepEqual(keyring.secrets().archiveKey, archiveKey);
    assert.equal(keyring.secrets().timestamp === null, before === first);
    const again = openKeyring(folder, systemClock);
    await again.unlock(PASSPHRASE);
    assert.equal(again.secrets().age.recipient, recipient);
    const { secret } = again.secrets().age;
    again.lock();
    assert.ok(
      secret.every((byte) => byte === 0),
      'it is not left in memory',
    );
  }
});

const isWrong = (error: unknown): boolean => isFitError(error) && error.code === 'wrong-passphrase';
