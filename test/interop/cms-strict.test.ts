/**
 * What our verifier refuses, each as a file really built that way with good signatures, and what `openssl cms -verify`
 * says of the same file: many it accepts. `cades` is with `-cades`, `plain` only without, `no` neither.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../src/crypto/hash.ts';
import { type CmsFault, verifySignedData } from '../../src/crypto/pki/cms.ts';
import { contextTag, integer, octetString, oid, sequence, TAG, tlv } from '../../src/crypto/pki/der.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { concat, utf8 } from '../../src/lib/bytes.ts';
import {
  attribute,
  attributesOf,
  CONTENT,
  ECDSA_SHA256,
  type ForgedSigner,
  type Forgery,
  forge,
  NULL,
  OIDS,
  SHA256,
  sorted,
  withIndefiniteLength,
  withLongLength,
} from '../support/cms-forge.ts';
import { crl, issue, NOW, trader } from '../support/identities.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { temporaryFolder } from '../support/temporary.ts';

type Witness = 'cades' | 'plain' | 'no';
interface Case {
  readonly code: CmsFault | 'ok';
  readonly openssl: Witness;
  readonly p7s: Uint8Array;
}

const [alice, bob] = await Promise.all([trader('Alice'), trader('Bob')]);
const root = issue({ name: 'Root', ca: true });
const p384 = issue({ name: 'Large', kind: 'p384' });
const aliceAgain = issue({ name: 'Alice again', key: alice.key });
const sameSerial = issue({
  name: 'Alice',
  issuerName: alice.certificate.issuerDer,
  serial: alice.certificate.serialDer.slice(2),
});
const certificates = [alice, bob, root, p384, aliceAgain, sameSerial].map((one) => one.certificate.der);

/** The four attributes of Alice with some replaced, left out (undefined) or added. */
function attributes(changes: Record<string, Uint8Array | undefined>): Uint8Array[] {
  const all = { ...attributesOf(alice), ...changes };
  return sorted(Object.values(all).filter((one) => one !== undefined));
}
const by = (signer: Omit<ForgedSigner, 'identity'>, more: Partial<Forgery> = {}) =>
  forge({ signers: [{ identity: alice, ...signer }], ...more });
const changed = (changes: Record<string, Uint8Array | undefined>) => by({ attributes: attributes(changes) });
const both = (more: Partial<Forgery> = {}) => forge({ signers: [{ identity: alice }, { identity: bob }], ...more });
const certId = (...parts: Uint8Array[]) => attribute(OIDS.signingCertificateV2, sequence(sequence(sequence(...parts))));
const time = (tag: number, text: string) => attribute(OIDS.signingTime, tlv(tag, utf8(text)));
const digestAttribute = attribute(OIDS.messageDigest, octetString(sha256(CONTENT)));
const SHA512 = sequence(oid('2.16.840.1.101.3.4.2.3'));
const sha512Digest = attribute(OIDS.messageDigest, octetString(new Uint8Array(64)));
const issuerSerial = sequence(sequence(tlv(contextTag(4), alice.certificate.issuerDer)), alice.certificate.serialDer);

const cases: Record<string, () => Case> = {
  'one signer': () => ({ code: 'ok', openssl: 'cades', p7s: by({}) }),
  'two signers': () => ({ code: 'ok', openssl: 'cades', p7s: both() }),
  'no signed attributes': () => ({ code: 'no-signed-attributes', openssl: 'cades', p7s: by({ attributes: null }) }),
  'another content type in the attributes': () => ({
    code: 'wrong-attributes',
    openssl: 'cades',
    p7s: changed({ contentType: attribute(OIDS.contentType, OIDS.tstInfo) }),
  }),
  'another content type in both places': () => ({
    code: 'wrong-content-type',
    openssl: 'cades',
    p7s: by(
      { attributes: attributes({ contentType: attribute(OIDS.contentType, OIDS.tstInfo) }) },
      { encapsulated: sequence(OIDS.tstInfo) },
    ),
  }),
  'no content type': () => ({ code: 'wrong-attributes', openssl: 'no', p7s: changed({ contentType: undefined }) }),
  'no signing time': () => ({ code: 'wrong-attributes', openssl: 'cades', p7s: changed({ signingTime: undefined }) }),
  'signing time as GeneralizedTime': () => ({
    code: 'wrong-attributes',
    openssl: 'cades',
    p7s: changed({ signingTime: time(TAG.generalizedTime, '20261120120000Z') }),
  }),
  'signing time that does not exist': () => ({
    code: 'malformed',
    openssl: 'cades',
    p7s: changed({ signingTime: time(TAG.utcTime, '261131120000Z') }),
  }),
  'signing time before 1970': () => ({
    code: 'malformed',
    openssl: 'cades',
    p7s: changed({ signingTime: time(TAG.utcTime, '601120120000Z') }),
  }),
  'no signing certificate': () => ({
    code: 'wrong-attributes',
    openssl: 'plain',
    p7s: changed({ signingCertificateV2: undefined }),
  }),
  'the hash of another certificate': () => ({
    code: 'wrong-certificate-hash',
    openssl: 'plain',
    p7s: changed({ signingCertificateV2: certId(octetString(bob.certificate.hash)) }),
  }),
  'the default hash algorithm spelt out': () => ({
    code: 'wrong-attributes',
    openssl: 'cades',
    p7s: changed({ signingCertificateV2: certId(SHA256, octetString(alice.certificate.hash)) }),
  }),
  'issuer and serial number beside the hash': () => ({
    code: 'wrong-attributes',
    openssl: 'cades',
    p7s: changed({ signingCertificateV2: certId(octetString(alice.certificate.hash), issuerSerial) }),
  }),
  'two certificate hashes': () => ({
    code: 'wrong-attributes',
    openssl: 'plain',
    p7s: changed({
      signingCertificateV2: attribute(
        OIDS.signingCertificateV2,
        sequence(sequence(sequence(octetString(alice.certificate.hash)), sequence(octetString(bob.certificate.hash)))),
      ),
    }),
  }),
  'an extra attribute': () => ({
    code: 'wrong-attributes',
    openssl: 'cades',
    p7s: changed({
      extra: attribute(OIDS.commitmentType, sequence(oid('1.2.840.113549.1.9.16.6.1'))),
    }),
  }),
  'an attribute twice': () => ({
    code: 'wrong-attributes',
    openssl: 'no',
    p7s: changed({ again: time(TAG.utcTime, '271120120000Z') }),
  }),
  'the digest twice': () => ({ code: 'wrong-attributes', openssl: 'no', p7s: changed({ again: digestAttribute }) }),
  'an attribute with two values': () => ({
    code: 'wrong-attributes',
    openssl: 'no',
    p7s: changed({
      signingTime: attribute(
        OIDS.signingTime,
        tlv(TAG.utcTime, utf8('261120120000Z')),
        tlv(TAG.utcTime, utf8('271120120000Z')),
      ),
    }),
  }),
  'the digest of another content': () => ({
    code: 'wrong-digest',
    openssl: 'no',
    p7s: changed({ messageDigest: attribute(OIDS.messageDigest, octetString(sha256(utf8('other')))) }),
  }),
  'unsorted attributes': () => ({
    code: 'wrong-attributes',
    openssl: 'cades',
    p7s: by({ attributes: sorted(Object.values(attributesOf(alice))).reverse() }),
  }),
  'digest parameters NULL': () => ({
    code: 'algorithm-parameters',
    openssl: 'cades',
    p7s: by({ digestAlgorithm: sequence(SHA256.slice(2), NULL) }),
  }),
  'digest parameters NULL in the list': () => ({
    code: 'algorithm-parameters',
    openssl: 'cades',
    p7s: by({}, { digestAlgorithms: [sequence(SHA256.slice(2), NULL)] }),
  }),
  'signature parameters NULL': () => ({
    code: 'algorithm-parameters',
    openssl: 'cades',
    p7s: by({ signatureAlgorithm: sequence(ECDSA_SHA256.slice(2), NULL) }),
  }),
  'SHA-512': () => ({
    code: 'unknown-algorithm',
    openssl: 'no',
    p7s: by(
      { digestAlgorithm: SHA512, hash: 'sha512', attributes: attributes({ messageDigest: sha512Digest }) },
      { digestAlgorithms: [SHA512] },
    ),
  }),
  'ecdsa-with-SHA512 over a SHA-256 digest': () => ({
    code: 'unknown-algorithm',
    openssl: 'cades',
    p7s: by({ signatureAlgorithm: sequence(oid('1.2.840.10045.4.3.4')) }),
  }),
  'the key type as signature algorithm': () => ({
    code: 'unknown-algorithm',
    openssl: 'cades',
    p7s: by({ signatureAlgorithm: sequence(oid('1.2.840.10045.2.1')) }),
  }),
  'a second digest algorithm in the list': () => ({
    code: 'malformed',
    openssl: 'cades',
    p7s: by({}, { digestAlgorithms: [SHA256, SHA512] }),
  }),
  'no digest algorithm in the list': () => ({
    code: 'malformed',
    openssl: 'no',
    p7s: by({}, { digestAlgorithms: [] }),
  }),
  'a P-384 key': () => ({
    code: 'unknown-algorithm',
    openssl: 'cades',
    p7s: forge({ signers: [{ identity: p384 }] }),
  }),
  'two signers with one certificate': () => ({
    code: 'same-signer',
    openssl: 'cades',
    p7s: forge({
      signers: [
        { identity: alice },
        { identity: alice, attributes: attributes({ signingTime: time(TAG.utcTime, '261120120001Z') }) },
      ],
      certificates: [alice.certificate.der],
    }),
  }),
  'two certificates with one key': () => ({
    code: 'same-signer',
    openssl: 'cades',
    p7s: forge({ signers: [{ identity: alice }, { identity: aliceAgain }] }),
  }),
  'a certificate twice': () => ({
    code: 'bad-certificates',
    openssl: 'cades',
    p7s: by({}, { certificates: [alice.certificate.der, alice.certificate.der] }),
  }),
  'two certificates with one issuer and serial number': () => ({
    code: 'same-signer',
    openssl: 'no',
    p7s: forge({ signers: [{ identity: alice }, { identity: sameSerial }] }),
  }),
  'the certificate of an authority too': () => ({
    code: 'unused-certificate',
    openssl: 'cades',
    p7s: both({ certificates: sorted([alice, bob, root].map((one) => one.certificate.der)) }),
  }),
  'no certificates': () => ({ code: 'bad-certificates', openssl: 'no', p7s: by({}, { certificates: null }) }),
  'an empty list of certificates': () => ({
    code: 'bad-certificates',
    openssl: 'no',
    p7s: by({}, { certificates: [] }),
  }),
  'the certificate of one signer missing': () => ({
    code: 'unknown-signer',
    openssl: 'no',
    p7s: both({ certificates: [alice.certificate.der] }),
  }),
  'an attribute certificate among the certificates': () => ({
    code: 'malformed',
    openssl: 'cades',
    p7s: by({}, { certificates: [alice.certificate.der, tlv(contextTag(2), integer(1))] }),
  }),
  'a revocation list inside': () => ({
    code: 'unexpected-crls',
    openssl: 'cades',
    p7s: both({ crls: [crl({ issuer: root })] }),
  }),
  'no signers': () => ({
    code: 'bad-signers',
    openssl: 'no',
    p7s: forge({ signers: [], certificates: [alice.certificate.der] }),
  }),
  'signer version 3': () => ({ code: 'bad-version', openssl: 'cades', p7s: by({ version: 3 }) }),
  'signed data version 3': () => ({ code: 'bad-version', openssl: 'cades', p7s: by({}, { version: 3 }) }),
  'signed data version 4': () => ({ code: 'bad-version', openssl: 'cades', p7s: by({}, { version: 4 }) }),
  'a signer named by key identifier': () => ({
    code: 'malformed',
    openssl: 'cades',
    p7s: by({ sid: tlv(0x80, alice.certificate.subjectKeyId ?? new Uint8Array()) }),
  }),
  'embedded content': () => ({
    code: 'embedded-content',
    openssl: 'cades',
    p7s: by({}, { encapsulated: sequence(OIDS.data, tlv(contextTag(0), octetString(CONTENT))) }),
  }),
  'unsigned attributes': () => ({
    code: 'unsigned-attributes',
    openssl: 'cades',
    p7s: by({ unsigned: [attribute(OIDS.timestamp, sequence())] }),
  }),
  'a high s': () => ({ code: 'high-s', openssl: 'cades', p7s: by({ s: 'high' }) }),
  'signers not sorted': () => ({ code: 'unsorted', openssl: 'cades', p7s: both({ order: 'signers reversed' }) }),
  'certificates not sorted': () => ({
    code: 'unsorted',
    openssl: 'cades',
    p7s: both({ order: 'certificates reversed' }),
  }),
  'a length that is not minimal': () => ({ code: 'malformed', openssl: 'cades', p7s: withLongLength(both()) }),
  'an indefinite length': () => ({ code: 'malformed', openssl: 'cades', p7s: withIndefiniteLength(both()) }),
  'trailing bytes': () => ({ code: 'trailing-bytes', openssl: 'cades', p7s: concat(both(), Uint8Array.of(0)) }),
  'a padded integer in a signature': () => ({
    code: 'malformed',
    openssl: 'no',
    p7s: by({
      encodeSignature: (der) =>
        sequence(
          tlv(TAG.integer, Uint8Array.of(0, 0), der.subarray(4, 4 + (der[3] ?? 0))),
          der.subarray(4 + (der[3] ?? 0)),
        ),
    }),
  }),
  'the signature of another message': () => ({
    code: 'bad-signature',
    openssl: 'no',
    p7s: by({ signatureAlgorithm: ECDSA_SHA256, hash: 'sha384' }),
  }),
  'not signed data': () => ({
    code: 'not-signed-data',
    openssl: 'no',
    p7s: by({}, { contentType: oid('1.2.840.113549.1.7.3') }),
  }),
  'an empty file': () => ({ code: 'malformed', openssl: 'no', p7s: new Uint8Array() }),
  'a file that is cut off': () => ({ code: 'malformed', openssl: 'no', p7s: both().slice(0, -1) }),
};

for (const [name, make] of Object.entries(cases)) {
  test(name, async (t) => {
    const { code, openssl: witness, p7s } = make();
    const result = verifySignedData(p7s, sha256(CONTENT));
    assert.equal(result.ok ? 'ok' : result.code, code, result.ok ? '' : result.message);
    if (needsOpenssl.skip !== undefined) return t.skip(needsOpenssl.skip);
    assert.equal(ask(p7s, await temporaryFolder(t)), witness);
  });
}

/** What openssl says with every certificate of this file trusted. */
function ask(p7s: Uint8Array, folder: string): Witness {
  writeFileSync(join(folder, 'x.p7s'), p7s);
  writeFileSync(join(folder, 'doc'), CONTENT);
  writeFileSync(join(folder, 'certs.pem'), certificates.map((der) => toPem('CERTIFICATE', der)).join(''));
  const files = ['-inform', 'der', '-in', 'x.p7s', '-content', 'doc', '-CAfile', 'certs.pem', '-out', 'out'];
  const ok = (...more: string[]) =>
    openssl(['cms', '-verify', '-binary', '-attime', String(NOW), ...more, ...files], { cwd: folder }).ok;
  return ok('-cades') ? 'cades' : ok() ? 'plain' : 'no';
}
