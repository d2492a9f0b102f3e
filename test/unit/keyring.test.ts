import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkBinding } from '../../src/commerce/binding.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { peerIdOf } from '../../src/crypto/transport.ts';
import { createKeys, openKeyring } from '../../src/daemon/keyring.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PASSPHRASE = 'seven quiet words';
const now = Math.floor(Date.now() / 1000);

async function made(t: TestContext): Promise<string> {
  const folder = join(await temporaryFolder(t), 'keys');
  const ports = { clock: systemClock, rng: systemRng };
  await createKeys(folder, { name: 'Elm', passphrase: PASSPHRASE, arbiter: false }, ports);
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
