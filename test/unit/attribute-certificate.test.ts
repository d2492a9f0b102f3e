// Attribute certificates: what they say, what is refused, and that pkijs reads the same.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { AttributeCertificateV2 } from 'pkijs';
import { isAttributeCertificateOf, parseAttributeCertificate } from '../../src/crypto/pki/attribute-certificate.ts';
import { contextTag, oid, sequence, setOf, TAG, tlv } from '../../src/crypto/pki/der.ts';
import { commonName } from '../../src/crypto/pki/name.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import {
  type AttributeFields,
  attributeCertificate,
  byCertificate,
  byEntity,
  role,
} from '../support/attribute-certificates.ts';
import { extension, NOW, trader, YEAR } from '../support/identities.ts';

const library = await trader('The Library');
const reader = await trader('A Reader');

test('an attribute certificate says who has what, by whom and for how long', () => {
  const der = attributeCertificate(library, 'A Reader', { rest: [sequence(extension('2.5.29.56', false, utf8('')))] });
  const one = parseAttributeCertificate(der);
  assert.equal(one.holder, 'A Reader');
  assert.equal(one.issuer, 'The Library');
  assert.deepEqual([one.notBefore, one.notAfter], [NOW - 3600, NOW + YEAR]);
  assert.ok(isAttributeCertificateOf(one, library.certificate));
  assert.ok(!isAttributeCertificateOf(one, reader.certificate));
  const digest = createHash('sha256')
    .update(sequence(role('urn:library:reader')))
    .digest('hex');
  assert.equal(toHex(one.attributes), digest);
  const other = parseAttributeCertificate(attributeCertificate(library, 'A Reader', { attributes: [role('urn:x')] }));
  assert.notDeepEqual(other.attributes, one.attributes);
  const named = parseAttributeCertificate(attributeCertificate(library, '', { holder: byCertificate(reader) }));
  assert.match(named.holder, /^certificate [0-9a-f]+ of A Reader$/);
});

test('pkijs reads the same', () => {
  const der = attributeCertificate(library, 'A Reader');
  const theirs = AttributeCertificateV2.fromBER(der);
  assert.equal(theirs.acinfo.version, 1);
  assert.equal(theirs.acinfo.attrCertValidityPeriod.notAfterTime.getTime() / 1000, NOW + YEAR);
  assert.equal(theirs.acinfo.attributes[0]?.type, '2.5.4.72');
  // Written by pkijs and read here.
  const again = new Uint8Array(theirs.toSchema().toBER());
  assert.deepEqual(again, der);
  assert.equal(parseAttributeCertificate(again).holder, 'A Reader');
});

test('whatever is not one is refused', () => {
  const good = attributeCertificate(library, 'A Reader');
  const wrong: readonly (readonly [string, AttributeFields])[] = [
    ['version 1', { version: 0 }],
    ['no holder', { holder: new Uint8Array() }],
    ['a digest for a holder', { holder: tlv(contextTag(2), sequence()) }],
    [
      'two names',
      { holder: tlv(contextTag(1), tlv(contextTag(4), commonName('a')), tlv(contextTag(4), commonName('b'))) },
    ],
    ['a holder that is an address', { holder: tlv(contextTag(1), tlv(0x81, utf8('a@b.example'))) }],
    ['issuer of version 1', { issuer: sequence(tlv(contextTag(4), commonName('The Library'))) }],
    ['another algorithm inside', { algorithm: sequence(oid('1.2.840.10045.4.3.3')) }],
    ['an end before the beginning', { notBefore: NOW + 2, notAfter: NOW + 1 }],
    ['no attributes', { attributes: [] }],
    ['an attribute without a value', { attributes: [sequence(oid('2.5.4.72'), setOf())] }],
    ['too many attributes', { attributes: Array.from({ length: 65 }, (_, at) => role(`urn:${at}`)) }],
    ['something behind it', { rest: [tlv(TAG.null)] }],
  ];
  parseAttributeCertificate(good);
  for (const [what, fields] of wrong)
    assert.throws(() => parseAttributeCertificate(attributeCertificate(library, 'A Reader', fields)), PeerFault, what);
  parseAttributeCertificate(attributeCertificate(library, '', { holder: byEntity('another') }));
  assert.throws(() => parseAttributeCertificate(library.certificate.der), PeerFault);
  assert.throws(() => parseAttributeCertificate(new Uint8Array([...good, 0])), PeerFault);
  assert.throws(() => parseAttributeCertificate(new Uint8Array(17_000)), PeerFault);
});

test('any changed byte is another one, is refused, or has no signature that holds', () => {
  const good = attributeCertificate(library, 'A Reader');
  const hash = toHex(parseAttributeCertificate(good).hash);
  for (let at = 0; at < good.length; at += 1) {
    const copy = Uint8Array.from(good);
    copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
    try {
      const one = parseAttributeCertificate(copy);
      assert.notEqual(toHex(one.hash), hash);
      assert.ok(!isAttributeCertificateOf(one, library.certificate), `byte ${at}`);
    } catch (error) {
      assert.ok(error instanceof PeerFault, String(error));
    }
  }
});
