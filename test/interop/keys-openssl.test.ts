/** Keys, requests and identities exchanged with the `openssl` program in both directions. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { changePassphrase, decryptPkcs8, encryptPkcs8, generateSigningKey } from '../../src/crypto/keys.ts';
import { isCertificateOf, parseCertificate } from '../../src/crypto/pki/certificate.ts';
import { buildChain } from '../../src/crypto/pki/chain.ts';
import { createCsr } from '../../src/crypto/pki/csr.ts';
import { importIdentity } from '../../src/crypto/pki/import.ts';
import { fromPem, toPem } from '../../src/crypto/pki/pem.ts';
import { concat, utf8 } from '../../src/lib/bytes.ts';
import { issue, NOW, trader } from '../support/identities.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { temporaryFolder } from '../support/temporary.ts';

const key = generateSigningKey();

interface Bench {
  write(name: string, data: string | Uint8Array): void;
  read(name: string): Uint8Array;
  /** Fails the test unless openssl succeeds; gives what it printed. */
  run(...args: string[]): string;
}

async function bench(t: TestContext): Promise<Bench> {
  const cwd = await temporaryFolder(t);
  return {
    write: (name, data) => writeFileSync(join(cwd, name), data),
    read: (name) => new Uint8Array(readFileSync(join(cwd, name))),
    run: (...args) => {
      const said = openssl(args, { cwd });
      assert.ok(said.ok, `openssl ${args.join(' ')}: ${said.text}`);
      return said.text;
    },
  };
}

const pemOf = (...certificates: { readonly der: Uint8Array }[]) =>
  certificates.map((one) => toPem('CERTIFICATE', one.der)).join('');
const publicPem = String(createPublicKey(key).export({ format: 'pem', type: 'spki' }));

test('openssl pkey reads our key file, which says scrypt and AES-256', needsOpenssl, async (t) => {
  const { write, run } = await bench(t);
  write('key.pem', await encryptPkcs8(key, 'pässword'));
  assert.equal(run('pkey', '-in', 'key.pem', '-passin', 'pass:pässword', '-pubout'), publicPem);
  const structure = run('asn1parse', '-in', 'key.pem').replace(/\s+/g, ' ');
  for (const part of ['PBES2', 'scrypt', 'INTEGER :4000', 'INTEGER :08', 'INTEGER :05', 'aes-256-cbc'])
    assert.ok(structure.includes(part), part);
});

test('we read key files of openssl: scrypt, PBKDF2, its defaults', needsOpenssl, async (t) => {
  const { write, read, run } = await bench(t);
  write('plain.pem', String(key.export({ format: 'pem', type: 'pkcs8' })));
  for (const options of [
    ['-scrypt'],
    [],
    ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512', '-iter', '5000'],
    ['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA1'],
  ]) {
    run('pkcs8', '-topk8', ...options, '-in', 'plain.pem', '-out', 'key.pem', '-passout', 'pass:pw');
    const pem = Buffer.from(read('key.pem')).toString();
    assert.ok((await decryptPkcs8(pem, 'pw')).equals(key), options.join(' '));
    await assert.rejects(decryptPkcs8(pem, 'PW'), { code: 'wrong-passphrase' });
  }
  run('pkcs8', '-topk8', '-v2', 'des3', '-in', 'plain.pem', '-out', 'key.pem', '-passout', 'pass:pw');
  await assert.rejects(decryptPkcs8(Buffer.from(read('key.pem')).toString(), 'pw'), { code: 'bad-key' });
});

test('a changed passphrase: the new one opens, the old one does not', needsOpenssl, async (t) => {
  const { write, run } = await bench(t);
  const changed = await changePassphrase(await encryptPkcs8(key, 'old'), 'old', 'new');
  write('key.pem', changed);
  assert.equal(run('pkey', '-in', 'key.pem', '-passin', 'pass:new', '-pubout'), publicPem);
  await assert.rejects(decryptPkcs8(changed, 'old'), { code: 'wrong-passphrase' });
});

test('openssl verify -x509_strict accepts a self-signed identity', needsOpenssl, async (t) => {
  const { write, run } = await bench(t);
  write('c.pem', pemOf((await trader('Zoë')).certificate));
  const purpose = ['-purpose', 'smimesign', '-attime', String(NOW)];
  assert.match(run('verify', '-x509_strict', '-check_ss_sig', ...purpose, '-CAfile', 'c.pem', 'c.pem'), /OK/);
  assert.doesNotMatch(run('x509', '-in', 'c.pem', '-noout', '-text'), /Extended Key Usage/);
});

test('a request goes out, the certificate of an openssl authority comes in', needsOpenssl, async (t) => {
  const { write, read, run } = await bench(t);
  write('r.pem', await createCsr(key, 'Zoë'));
  const shown = run('req', '-verify', '-in', 'r.pem', '-noout', '-text');
  assert.match(shown, /verify OK/);
  assert.match(shown, /Digital Signature, Non Repudiation/);
  run('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=CA');
  const ca = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-copy_extensions', 'copy', '-days', '30'];
  run('x509', '-req', '-in', 'r.pem', ...ca, '-out', 'issued.pem');
  const { chain } = await importIdentity(concat(read('ca.pem'), read('issued.pem')));
  const [leaf, root] = chain;
  assert.ok(leaf !== undefined && root !== undefined);
  assert.equal(leaf.subject, 'Zoë');
  assert.ok(isCertificateOf(leaf, key));
  assert.deepEqual(leaf.keyUsage, ['digitalSignature', 'nonRepudiation']);
  assert.ok(buildChain(leaf, [], [root], { at: leaf.notBefore }).ok);
  run('x509', '-in', 'issued.pem', '-outform', 'der', '-out', 'issued.der');
  assert.deepEqual((await importIdentity(read('issued.der'))).chain, [leaf]);
});

test('PKCS#12 of openssl: key and chain, with the right passphrase only', needsOpenssl, async (t) => {
  const { write, read, run } = await bench(t);
  const root = issue({ name: 'Root', ca: true });
  const middle = issue({ name: 'Middle', ca: true, issuer: root });
  const own = issue({ name: 'Own', issuer: middle, key });
  write('key.pem', String(key.export({ format: 'pem', type: 'pkcs8' })));
  write('own.pem', pemOf(own.certificate));
  write('rest.pem', pemOf(root.certificate, middle.certificate));
  const files = ['-inkey', 'key.pem', '-in', 'own.pem', '-certfile', 'rest.pem', '-out', 'id.p12'];
  for (const options of [
    ['-passout', 'pass:pässword'],
    ['-passout', 'pass:pässword', '-macalg', 'sha512', '-keypbe', 'AES-128-CBC', '-iter', '100'],
    ['-passout', 'pass:pässword', '-nomac'],
    ['-passout', 'pass:pässword', '-certpbe', 'NONE'],
  ]) {
    run('pkcs12', '-export', ...options, ...files);
    const imported = await importIdentity(read('id.p12'), 'pässword');
    assert.ok(imported.key?.equals(key), options.join(' '));
    assert.deepEqual(
      imported.chain.map((one) => one.hash),
      [own, middle, root].map((one) => one.certificate.hash),
    );
    await assert.rejects(importIdentity(read('id.p12'), 'password'), { code: 'wrong-passphrase' });
    await assert.rejects(importIdentity(read('id.p12')), { code: 'needs-passphrase' });
  }
});

test('damaged and old PKCS#12', needsOpenssl, async (t) => {
  const { write, read, run } = await bench(t);
  write('key.pem', String(key.export({ format: 'pem', type: 'pkcs8' })));
  write('own.pem', pemOf((await trader('Own', key)).certificate));
  const files = ['-inkey', 'key.pem', '-in', 'own.pem', '-out', 'id.p12', '-passout', 'pass:pw'];
  run('pkcs12', '-export', ...files);
  const file = read('id.p12');
  await assert.rejects(importIdentity(file.slice(0, -20), 'pw'), { code: 'bad-file' });
  for (let at = 0; at < file.length; at += 23) {
    const changed = file.slice();
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    await assert.rejects(importIdentity(changed, 'pw'), { name: 'FitError' }, `byte ${at}`);
  }
  run('pkcs12', '-export', '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', ...files);
  await assert.rejects(importIdentity(read('id.p12'), 'pw'), { code: 'bad-key' });
});

test('PEM in every form that openssl writes', needsOpenssl, async (t) => {
  const { write, read, run } = await bench(t);
  const { certificate } = await trader('Own', key);
  write('key.pem', String(key.export({ format: 'pem', type: 'pkcs8' })));
  run('ec', '-in', 'key.pem', '-out', 'sec1.pem', '-param_enc', 'named_curve');
  run('pkcs8', '-topk8', '-in', 'key.pem', '-out', 'enc.pem', '-passout', 'pass:pw');
  write('c.pem', pemOf(certificate));
  run('x509', '-in', 'c.pem', '-text', '-out', 'text.pem');
  for (const [file, passphrase] of [['key.pem'], ['sec1.pem'], ['enc.pem', 'pw']] as const) {
    const imported = await importIdentity(concat(read('text.pem'), read(file)), passphrase);
    assert.ok(imported.key?.equals(key), file);
    assert.deepEqual(imported.chain, [certificate]);
  }
  await assert.rejects(importIdentity(read('enc.pem')), { code: 'needs-passphrase' });
  await assert.rejects(importIdentity(read('enc.pem'), 'no'), { code: 'wrong-passphrase' });
  run('ec', '-in', 'key.pem', '-aes128', '-passout', 'pass:pw', '-out', 'old.pem');
  await assert.rejects(importIdentity(read('old.pem'), 'pw'), { name: 'FitError' }, 'the old encrypted PEM');
});

test('openssl and we agree on blocks with Windows line ends', needsOpenssl, async (t) => {
  const { write, run } = await bench(t);
  const { certificate } = await trader('Own');
  const text = pemOf(certificate).replaceAll('\n', '\r\n');
  write('c.pem', text);
  run('x509', '-in', 'c.pem', '-noout');
  const [der] = fromPem(text, 'CERTIFICATE');
  assert.equal(der === undefined ? undefined : parseCertificate(der), certificate);
  assert.deepEqual((await importIdentity(utf8(text))).chain, [certificate]);
});
