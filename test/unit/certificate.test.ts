import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import {
  CERTIFICATE_MAX_BYTES,
  certificateConflict,
  isCertificateOf,
  parseCertificate,
  selfSigned,
} from '../../src/crypto/pki/certificate.ts';
import { contextTag, integer, octetString, oid, sequence, setOf, TAG, tlv } from '../../src/crypto/pki/der.ts';
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts';
import { withIndefiniteLength, withLongLength } from '../support/cms-forge.ts';
import { extension, issue, issueDer, keyOf, NOW, trader, YEAR } from '../support/identities.ts';

const key = generateSigningKey();

test('a self-signed identity says what it should', async () => {
  const der = await selfSigned({ key, name: 'Zoë Trader', notBefore: NOW, notAfter: NOW + YEAR });
  const certificate = parseCertificate(der);
  assert.equal(certificate.subject, 'Zoë Trader');
  assert.deepEqual(certificate.subjectDer, certificate.issuerDer);
  assert.ok(certificate.selfIssued);
  assert.equal(certificate.notBefore, NOW);
  assert.equal(certificate.notAfter, NOW + YEAR);
  assert.equal(certificate.ca, false);
  assert.deepEqual(certificate.keyUsage, ['digitalSignature', 'nonRepudiation']);
  assert.equal(certificate.extendedKeyUsage, null);
  assert.equal(certificate.unsupported, null);
  assert.equal(certificate.serialDer.length, 18);
  assert.deepEqual(certificate.authorityKeyId, certificate.subjectKeyId);
  assert.ok(certificate.publicKey.equals(createPublicKey(key)));
  assert.ok(isCertificateOf(certificate, key));
  assert.ok(!isCertificateOf(certificate, generateSigningKey()));
  assert.equal(certificate.point?.length, 33);
});

test('node reads the same out of it', async () => {
  const der = await selfSigned({ key, name: 'Zoë', notBefore: NOW, notAfter: NOW + YEAR });
  const [ours, theirs] = [parseCertificate(der), new X509Certificate(der)];
  assert.ok(theirs.verify(createPublicKey(key)));
  assert.equal(theirs.subject, 'CN=Zoë');
  assert.equal(Date.parse(theirs.validFrom) / 1000, ours.notBefore);
  assert.equal(Date.parse(theirs.validTo) / 1000, ours.notAfter);
  assert.equal(theirs.serialNumber.toLowerCase(), toHex(ours.serialDer.slice(2)));
  assert.equal(theirs.fingerprint256.replaceAll(':', '').toLowerCase(), toHex(ours.hash));
});

test('two identities differ in their serial numbers', async () => {
  const [one, two] = [await trader('Same', key), await trader('Same', key)];
  assert.notDeepEqual(one.certificate.serialDer, two.certificate.serialDer);
});

test('certificates may end after 2049', async () => {
  const notAfter = Date.UTC(2060, 1, 29) / 1000;
  const certificate = parseCertificate(await selfSigned({ key, name: 'Late', notBefore: NOW, notAfter }));
  assert.equal(certificate.notAfter, notAfter);
});

for (const name of ['', 'x'.repeat(65), 'line\nfeed', 'esc\u001b[0m', 'bidi\u202e', 'lone\ud800', 'zero\u200bwidth']) {
  test(`${JSON.stringify(name)} is no name`, async () => {
    await assert.rejects(selfSigned({ key, name, notBefore: NOW, notAfter: NOW + 1 }), { code: 'usage' });
  });
}

test('a certificate that ends before it begins is not made', async () => {
  await assert.rejects(selfSigned({ key, name: 'x', notBefore: NOW, notAfter: NOW - 1 }), { code: 'usage' });
});

test('parsed certificates are kept by hash and own their bytes', async () => {
  const der = await selfSigned({ key, name: 'Kept', notBefore: NOW, notAfter: NOW + 1 });
  const first = parseCertificate(der);
  assert.equal(parseCertificate(der.slice()), first);
  const before = toHex(first.der);
  der.fill(0);
  assert.equal(toHex(first.der), before);
});

for (const [kind, type] of [
  ['p384', 'ec'],
  ['rsa', 'rsa'],
  ['ed25519', 'ed25519'],
] as const) {
  test(`a ${kind} certificate parses and has no P-256 point`, () => {
    const { certificate } = issue({ name: kind, kind });
    assert.equal(certificate.point, null);
    assert.equal(certificate.publicKey.asymmetricKeyType, type);
  });
}

const good = issueDer({ name: 'Good' }).der;
/** Replaces one run of bytes, which must be there exactly once; lengths stay as they are. */
function patched(from: string, to: string): Uint8Array {
  const hex = toHex(good);
  assert.equal(hex.split(from).length, 2, `${from} once`);
  assert.equal(from.length, to.length);
  return fromHex(hex.replace(from, to));
}
const malformed: Record<string, () => Uint8Array> = {
  nothing: () => new Uint8Array(),
  'trailing bytes': () => concat(good, Uint8Array.of(0)),
  truncation: () => good.slice(0, -1),
  'a length that is not minimal': () => withLongLength(good),
  'an indefinite length': () => withIndefiniteLength(good),
  'version 1': () => issueDer({ name: 'x', version: 0 }).der,
  'version 4': () => issueDer({ name: 'x', version: 3 }).der,
  'a negative serial number': () => issueDer({ name: 'x', serial: Uint8Array.of(0x80) }).der,
  'a padded serial number': () => issueDer({ name: 'x', serial: Uint8Array.of(0, 1) }).der,
  'a serial number of 22 bytes': () => issueDer({ name: 'x', serial: new Uint8Array(22).fill(1) }).der,
  'another algorithm outside than inside': () => issueDer({ name: 'x', outerKind: 'p384' }).der,
  'the same extension twice': () => issueDer({ name: 'x', extensions: [extension('2.5.29.19', true, sequence())] }).der,
  'an explicit FALSE': () => patched('0603551d130101ff04023000', '0603551d1301010004023000'),
  'a boolean that is neither 00 nor ff': () => patched('0603551d130101ff04023000', '0603551d1301010104023000'),
  'unused bits that are set': () => patched('030206c0', '030206ff'),
  'a key usage with trailing zeros': () => patched('030206c0', '030205c0'),
  'a path length without authority': () => issueDer({ name: 'x', pathLength: 0 }).der,
  'an empty extended key usage': () =>
    issueDer({ name: 'x', extensions: [extension('2.5.29.37', false, sequence())] }).der,
  'a point off the curve': () => {
    const at = toHex(good).indexOf('03420004') / 2 + 4 + 63;
    const bytes = good.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  },
  'a hybrid point': () => patched('03420004', '03420006'),
  'a key of an unknown kind': () => patched('06072a8648ce3d0201', '06072a8648ce3d0209'),
  'a UTF-8 name that is not UTF-8': () => {
    const hex = toHex(good);
    return fromHex(hex.replaceAll('0c04476f6f64', '0c04476f6fff'));
  },
  'a month 13': () => patched(toHex(utf8('271120')), toHex(utf8('271320'))),
  'GeneralizedTime before 2050': () => {
    const issuer = issue({ name: 'I', ca: true });
    const early = tlv(TAG.generalizedTime, utf8('20270101000000Z'));
    const validity = sequence(early, early);
    const body = sequence(
      tlv(contextTag(0), integer(2)),
      integer(1),
      sequence(oid('1.2.840.10045.4.3.2')),
      issuer.certificate.subjectDer,
      validity,
      issuer.certificate.subjectDer,
      new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })),
      tlv(contextTag(3), sequence(extension('2.5.29.19', true, sequence()))),
    );
    return sequence(body, sequence(oid('1.2.840.10045.4.3.2')), tlv(TAG.bitString, new Uint8Array(70)));
  },
  'a name part that is not sorted': () => {
    const attribute = (type: string, text: string) => sequence(oid(type), tlv(TAG.utf8String, utf8(text)));
    const [a, b] = [attribute('2.5.4.3', 'a'), attribute('2.5.4.10', 'b')];
    const name = sequence(tlv(TAG.set, b, a));
    assert.notDeepEqual(name, sequence(setOf(a, b)));
    return issueDer({ name: 'x', issuerName: name }).der;
  },
  'extensions under another tag': () => fromHex(toHex(good).replace(/a3(..30..300c0603551d13)/, 'a4$1')),
};

for (const [why, make] of Object.entries(malformed)) {
  test(`refuses ${why}`, () => {
    assert.throws(() => parseCertificate(make()), { name: 'PeerFault', code: 'malformed' });
  });
}

test('refuses more than 8 KiB', () => {
  const big = extension('1.2.3.4', false, octetString(new Uint8Array(CERTIFICATE_MAX_BYTES)));
  assert.throws(() => parseCertificate(issueDer({ name: 'x', extensions: [big] }).der), { code: 'oversized' });
});

test('a name is shown by its last common name, else by its first part', () => {
  const part = (type: string, tag: number, text: Uint8Array) => setOf(sequence(oid(type), tlv(tag, text)));
  const shown = (...parts: Uint8Array[]) =>
    parseCertificate(issueDer({ name: 'x', subjectName: sequence(...parts) }).der).subject;
  const organisation = part('2.5.4.10', TAG.printableString, utf8('Org'));
  assert.equal(shown(organisation, part('2.5.4.3', TAG.utf8String, utf8('Ann'))), 'Ann');
  assert.equal(shown(organisation), 'Org');
  assert.equal(shown(part('2.5.4.3', TAG.bmpString, Uint8Array.of(0, 0x5a, 0, 0xeb))), 'Zë');
  assert.equal(shown(part('2.5.4.3', TAG.teletexString, Uint8Array.of(0x5a, 0xeb))), 'Zë');
  assert.equal(shown(part('2.5.4.3', 0x1c, Uint8Array.of(0, 0, 0, 1))), '#00000001');
  assert.equal(shown(), '');
});

test('conflicts between parties’ certificates', async () => {
  const a = await trader('A', key);
  const none = await trader('B');
  assert.equal(certificateConflict(a.certificate, none.certificate), null);
  assert.equal(certificateConflict(a.certificate, (await trader('A')).certificate), null, 'a name is not owned');
  assert.equal(certificateConflict(a.certificate, a.certificate), 'the same certificate');
  assert.equal(certificateConflict(a.certificate, (await trader('C', key)).certificate), 'the same key');
  const copiedSerial = issue({
    name: 'D',
    issuerName: a.certificate.issuerDer,
    serial: a.certificate.serialDer.slice(2),
  });
  assert.equal(certificateConflict(a.certificate, copiedSerial.certificate), 'the same issuer and serial number');
  for (const twin of [
    issue({ name: 'A', noKeyIds: true }),
    issue({
      name: 'A',
      noKeyIds: true,
      extensions: [extension('2.5.29.14', false, octetString(a.certificate.subjectKeyId ?? new Uint8Array()))],
    }),
  ])
    assert.equal(certificateConflict(a.certificate, twin.certificate), 'the same name and key identifier');
});

test('keys of other kinds are not P-256 identities', () => {
  for (const kind of ['p384', 'rsa', 'ed25519'] as const) {
    const { certificate } = issue({ name: 'x', kind, key: keyOf(kind) });
    assert.ok(!isCertificateOf(certificate, key));
  }
});
