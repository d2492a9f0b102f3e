/** What the direct DER path builds, in the eyes of pkijs and of `openssl`; and what pkijs and openssl build, in ours. */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { type Certificate, certificateConflict } from '../../src/crypto/pki/certificate.ts';
import { buildChain } from '../../src/crypto/pki/chain.ts';
import { assembleSignedData, signedAttributes, verifySignedData } from '../../src/crypto/pki/cms.ts';
import { createCsr } from '../../src/crypto/pki/csr.ts';
import { octetString } from '../../src/crypto/pki/der.ts';
import { fromPem, toPem } from '../../src/crypto/pki/pem.ts';
import { concat, utf8 } from '../../src/lib/bytes.ts';
import { CONTENT } from '../support/cms-forge.ts';
import { crl, extension, type Identity, issue, NOW, trader } from '../support/identities.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { temporaryFolder } from '../support/temporary.ts';

pkijs.setEngine('node', new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto }));

const digest = sha256(CONTENT);

function contract(...identities: readonly Identity[]): Uint8Array {
  return assembleSignedData(
    identities.map(({ key, certificate }) => {
      const attributes = signedAttributes({ digest, signingTime: NOW, certificateHash: certificate.hash });
      return { certificate, signedAttributes: attributes, signature: signP256(key, attributes) };
    }),
  );
}

const buffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

test('pkijs verifies both signers and writes the same bytes again', async () => {
  const p7s = contract(await trader('Alice'), await trader('Bob'));
  const info = pkijs.ContentInfo.fromBER(buffer(p7s));
  const signedData = new pkijs.SignedData({ schema: info.content });
  assert.equal(signedData.signerInfos.length, 2);
  for (const signer of [0, 1]) {
    assert.equal(await signedData.verify({ signer, data: buffer(CONTENT) }), true);
    await assert.rejects(signedData.verify({ signer, data: buffer(utf8('other')) }), /digest/);
  }
  const again = new pkijs.ContentInfo({ contentType: info.contentType, content: signedData.toSchema(true) });
  assert.deepEqual(new Uint8Array(again.toSchema().toBER()), p7s);
});

test('pkijs reads certificates and requests', async () => {
  const { key, certificate } = await trader('Zoë');
  const parsed = pkijs.Certificate.fromBER(buffer(certificate.der));
  assert.equal(await parsed.verify(), true);
  assert.equal(parsed.subject.typesAndValues[0]?.value.valueBlock.value, 'Zoë');
  assert.deepEqual(new Uint8Array(parsed.toSchema().toBER()), certificate.der);
  const [request] = fromPem(await createCsr(key, 'Zoë'), 'CERTIFICATE REQUEST');
  assert.ok(request !== undefined);
  assert.equal(await pkijs.CertificationRequest.fromBER(buffer(request)).verify(), true);
});

test('the same attributes in pkijs, sorted, are our bytes', async () => {
  const { certificate } = await trader('Alice');
  const attribute = (type: string, value: asn1js.AsnType) => new pkijs.Attribute({ type, values: [value] });
  const hash = octetString(certificate.hash);
  const certId = new asn1js.Sequence({ value: [asn1js.fromBER(buffer(hash)).result] });
  const attributes = [
    attribute('1.2.840.113549.1.9.3', new asn1js.ObjectIdentifier({ value: '1.2.840.113549.1.7.1' })),
    attribute('1.2.840.113549.1.9.5', new asn1js.UTCTime({ valueDate: new Date(NOW * 1000) })),
    attribute('1.2.840.113549.1.9.4', new asn1js.OctetString({ valueHex: buffer(digest) })),
    attribute('1.2.840.113549.1.9.16.2.47', new asn1js.Sequence({ value: [new asn1js.Sequence({ value: [certId] })] })),
  ].map((one) => new Uint8Array(one.toSchema().toBER()));
  const all = concat(...attributes.sort((a, b) => Buffer.compare(a, b)));
  const ours = signedAttributes({ digest, signingTime: NOW, certificateHash: certificate.hash });
  assert.deepEqual(ours.subarray(3), all);
});

// ---- openssl

const verify = [
  'cms',
  '-verify',
  '-cades',
  '-binary',
  '-inform',
  'der',
  '-in',
  'x.p7s',
  '-content',
  'doc',
  '-out',
  'out',
];

function ask(folder: string, p7s: Uint8Array, trusted: readonly Certificate[], more: readonly string[] = []) {
  writeFileSync(join(folder, 'x.p7s'), p7s);
  writeFileSync(join(folder, 'doc'), CONTENT);
  writeFileSync(join(folder, 'certs.pem'), trusted.map((one) => toPem('CERTIFICATE', one.der)).join(''));
  return openssl([...verify, '-CAfile', 'certs.pem', '-attime', String(NOW), ...more], { cwd: folder });
}

test('openssl: CAdES verification of self-signed signers', needsOpenssl, async (t) => {
  const folder = await temporaryFolder(t);
  const [alice, bob] = [await trader('Alice'), await trader('Bob')];
  const p7s = contract(alice, bob);
  const said = ask(folder, p7s, [alice.certificate, bob.certificate]);
  assert.ok(said.ok, said.text);
  assert.match(said.text, /CAdES Verification successful/);
  assert.deepEqual(new Uint8Array(readFileSync(join(folder, 'out'))), new Uint8Array(CONTENT));
  assert.ok(!ask(folder, p7s, [alice.certificate]).ok, 'both must be trusted');
});

test('openssl: signers under authorities, whose certificates are beside the signature', needsOpenssl, async (t) => {
  const folder = await temporaryFolder(t);
  for (const kind of ['rsa', 'p384', 'ed25519', 'rsa-pss'] as const) {
    const root = issue({ name: 'Root', kind, ca: true });
    const middle = issue({ name: 'Middle', ca: true, issuer: root });
    const alice = issue({ name: 'Alice', issuer: middle });
    const bob = await trader('Bob');
    const trusted = [alice, middle, root, bob].map((one) => one.certificate);
    const said = ask(folder, contract(alice, bob), trusted, ['-x509_strict']);
    assert.ok(said.ok, `${kind}: ${said.text}`);
    assert.ok(buildChain(alice.certificate, [middle.certificate], [root.certificate], { at: NOW }).ok);
  }
});

test('openssl reads our test lists as we do', needsOpenssl, async (t) => {
  const folder = await temporaryFolder(t);
  const root = issue({ name: 'Root', ca: true });
  const alice = issue({ name: 'Alice', issuer: root });
  writeFileSync(join(folder, 'root.pem'), toPem('CERTIFICATE', root.certificate.der));
  writeFileSync(join(folder, 'alice.pem'), toPem('CERTIFICATE', alice.certificate.der));
  for (const revoked of [[], [{ certificate: alice.certificate, at: NOW - 60 }]]) {
    const list = crl({ issuer: root, revoked });
    writeFileSync(join(folder, 'crl.pem'), toPem('X509 CRL', list));
    const files = ['-CAfile', 'root.pem', '-CRLfile', 'crl.pem', 'alice.pem'];
    const theirs = openssl(['verify', '-crl_check', '-attime', String(NOW), ...files], { cwd: folder }).ok;
    const ours = buildChain(alice.certificate, [], [root.certificate], { at: NOW, crls: [list] }).ok;
    assert.equal(theirs, revoked.length === 0);
    assert.equal(ours, theirs);
  }
});

test('openssl confuses parties whose certificates we call in conflict, and no others', needsOpenssl, async (t) => {
  const folder = await temporaryFolder(t);
  const alice = await trader('Alice');
  const keyId = alice.certificate.subjectKeyId ?? new Uint8Array();
  const accepts = (other: Identity) => ask(folder, contract(alice, other), [other.certificate, alice.certificate]).ok;
  assert.ok(accepts(await trader('Alice')), 'the same name alone does no harm');
  const twin = issue({
    name: 'Alice',
    noKeyIds: true,
    extensions: [extension('2.5.29.14', false, octetString(keyId))],
  });
  assert.ok(!accepts(twin), 'the same name and key identifier');
  assert.equal(certificateConflict(alice.certificate, twin.certificate), 'the same name and key identifier');
});

test('openssl’s own signature is not ours: capabilities, other order, certificates', needsOpenssl, async (t) => {
  const folder = await temporaryFolder(t);
  const { key, certificate } = await trader('Alice');
  writeFileSync(join(folder, 'key.pem'), String(key.export({ format: 'pem', type: 'pkcs8' })));
  writeFileSync(join(folder, 'c.pem'), toPem('CERTIFICATE', certificate.der));
  writeFileSync(join(folder, 'doc'), CONTENT);
  const files = ['-in', 'doc', '-signer', 'c.pem', '-inkey', 'key.pem', '-outform', 'der', '-out', 'x.p7s'];
  assert.ok(openssl(['cms', '-sign', '-cades', '-binary', '-md', 'sha256', ...files], { cwd: folder }).ok);
  const result = verifySignedData(new Uint8Array(readFileSync(join(folder, 'x.p7s'))), digest);
  assert.equal(result.ok ? 'ok' : result.code, 'wrong-attributes');
});
