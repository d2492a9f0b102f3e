/** Credentials: what they say of themselves, before they are offered and after they were opened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import { noteOf } from '../../src/commerce/note.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import {
  type CredentialTerms,
  checkValidity,
  describeCredential,
  isCredential,
  TEXT_KINDS,
} from '../../src/exchange/credential.ts';
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { attributeCertificate } from '../support/attribute-certificates.ts';
import { NOW, trader, YEAR } from '../support/identities.ts';

/** The credential as it is read out of a note that gives it. */
function inTerms(credential: CredentialTerms, change = (note: string) => note): CredentialTerms | null | undefined {
  const digest = new Uint8Array(32).fill(1);
  const content = { root: digest, bytes: 8, chunks: 1, credential, files: [{ name: 'c', size: 8, sha256: digest }] };
  const check = 'window=3600';
  const text = completeDocument(utf8(noteOf(content, 3600, '')), {
    deal: 'd7q2m3xdp9aa',
    author: { name: 'First Trader', certificate: digest },
    addressee: { name: 'Second Trader', certificate: new Uint8Array(32).fill(2) },
    arbiter: { name: 'Notary', certificate: new Uint8Array(32).fill(3), terms: digest },
    mode: 'invisible',
    offerUntil: NOW,
    notAfter: NOW + YEAR,
    margin: 90_000,
    delivery: { content, check },
  });
  return parseDocument(utf8(change(fromUtf8(text)))).terms.content?.credential;
}

const holder = await trader('Access to the archive');
const pem = utf8(toPem('CERTIFICATE', holder.certificate.der));
const is = (code: string) => (error: unknown) => error instanceof FitError && error.code === code;

test('a certificate is described by what it says; another one, or other fields, are not it', async () => {
  const terms = describeCredential(pem);
  assert.equal(terms.kind, 'certificate');
  assert.deepEqual(terms.certificate?.fingerprint, holder.certificate.hash);
  assert.equal(terms.certificate?.validUntil, holder.certificate.notAfter);
  assert.ok(isCredential(pem, terms));
  const other = await trader('Access to the archive');
  assert.ok(!isCredential(utf8(toPem('CERTIFICATE', other.certificate.der)), terms));
  assert.ok(!isCredential(utf8('a token'), terms));
  assert.ok(!isCredential(Uint8Array.of(0xff, 0xfe), terms));
});

test('a token is a short text; a private key, junk and what is too long are refused', () => {
  assert.deepEqual(describeCredential(utf8('K3Y-0001\n')), { kind: 'token', certificate: null });
  for (const bytes of [
    utf8(' \n'),
    Uint8Array.of(0xff),
    new Uint8Array(64 * 1024 + 1).fill(65),
    new Uint8Array(16 * 1024 + 1).fill(65),
    utf8('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
    utf8('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
  ])
    assert.throws(() => describeCredential(bytes), is('bad-file'));
});

test('a certificate that ends before the arbiter’s help does is neither offered nor accepted', () => {
  const terms = describeCredential(pem);
  const end = holder.certificate.notAfter;
  checkValidity(terms, end);
  checkValidity(null, end + 86_400);
  checkValidity(describeCredential(utf8('a token')), NOW + 100 * 365 * 86_400);
  assert.throws(() => checkValidity(terms, end + 1), is('wrong-state'));
});

const library = await trader('The Library');
const attributes = attributeCertificate(library, 'A Reader');
const attributesPem = toPem('ATTRIBUTE CERTIFICATE', attributes);
const libraryPem = toPem('CERTIFICATE', library.certificate.der);

test('an attribute certificate is described by what it says, and by the issuer whose signature it has', async () => {
  const alone = describeCredential(utf8(attributesPem));
  assert.equal(alone.kind, 'attribute-certificate');
  assert.equal(alone.certificate?.subject, 'A Reader');
  assert.equal(alone.certificate?.validUntil, NOW + YEAR);
  assert.equal(alone.attributes?.issuer, 'The Library');
  assert.equal(alone.attributes?.issuerFingerprint, null, 'nothing is said of a signature that was not checked');
  for (const text of [attributesPem + libraryPem, libraryPem + attributesPem]) {
    const terms = describeCredential(utf8(text));
    assert.deepEqual(terms.attributes?.issuerFingerprint, library.certificate.hash);
    assert.ok(isCredential(utf8(text), terms));
    assert.ok(!isCredential(utf8(attributesPem), terms), 'the issuer is part of what was promised');
  }
  const other = utf8(toPem('ATTRIBUTE CERTIFICATE', attributeCertificate(library, 'A Reader', { notAfter: NOW + 1 })));
  assert.ok(!isCredential(other, alone));
  const namesake = toPem('CERTIFICATE', (await trader('The Library')).certificate.der);
  assert.throws(() => describeCredential(utf8(attributesPem + namesake)), is('bad-file'));
  assert.deepEqual(describeCredential(utf8(attributesPem + namesake + libraryPem)).attributes, {
    ...alone.attributes,
    issuerFingerprint: library.certificate.hash,
  });
  for (const bad of [attributesPem + attributesPem, attributesPem + libraryPem.repeat(6), attributesPem.slice(0, -40)])
    assert.throws(() => describeCredential(utf8(bad)), is('bad-file'));
  checkValidity(alone, NOW + YEAR);
  assert.throws(() => checkValidity(alone, NOW + YEAR + 1), is('wrong-state'));
});

const jwt = (claims: object, head: object = { alg: 'ES256', typ: 'JWT' }): string =>
  [head, claims].map((one) => Buffer.from(JSON.stringify(one)).toString('base64url')).join('.');

test('a ticket says its own times if it is a signed JSON Web Token, and nothing else does', () => {
  const text = `${jwt({ sub: 'seat 7', nbf: NOW, exp: NOW + 60.5 })}.c2lnbmF0dXJl\n`;
  const terms = describeCredential(utf8(text), 'ticket');
  assert.deepEqual(terms, { kind: 'ticket', certificate: null, times: { validFrom: NOW, validUntil: NOW + 60 } });
  assert.ok(isCredential(utf8(text), terms));
  assert.ok(!isCredential(utf8(text), { kind: 'ticket', certificate: null }));
  checkValidity(terms, NOW + 60);
  assert.throws(() => checkValidity(terms, NOW + 61), is('wrong-state'));
  assert.deepEqual(describeCredential(utf8(text), 'token'), { kind: 'token', certificate: null });
  // One that was over before 1970 is over, and not one that never ends.
  const old = describeCredential(utf8(`${jwt({ nbf: -7, exp: -1 })}.c2ln`), 'ticket');
  assert.deepEqual(old.times, { validFrom: 0, validUntil: 0 });
  assert.throws(() => checkValidity(old, NOW), is('wrong-state'));
  for (const other of [
    'row 3, seat 7',
    `${jwt({ exp: NOW }, { alg: 'none' })}.`,
    `${jwt({ exp: NOW }, {})}.c2ln`,
    `${jwt({ exp: 'soon', nbf: null })}.c2ln`,
    `${jwt({})}.c2ln`,
    `${jwt([NOW])}.c2ln`,
    'e30.%%.c2ln',
  ])
    assert.deepEqual(describeCredential(utf8(other), 'ticket'), { kind: 'ticket', certificate: null }, other);
});

test('a licence key is one plain line; a text is no certificate and a certificate no text', () => {
  assert.deepEqual(describeCredential(utf8('K3Y-0001\r\n'), 'licence'), { kind: 'licence', certificate: null });
  for (const wrong of ['', 'two\nlines\n', 'a\u0000b', 'hidden\u202e', 'x'.repeat(1025), ' led'])
    assert.throws(() => describeCredential(utf8(wrong), 'licence'), is('bad-file'), JSON.stringify(wrong));
  for (const kind of TEXT_KINDS) {
    assert.throws(() => describeCredential(pem, kind), is('bad-file'));
    assert.throws(() => describeCredential(new Uint8Array(16 * 1024 + 1).fill(65), kind), is('bad-file'));
  }
  assert.ok(!isCredential(utf8('K3Y-0001'), describeCredential(pem)));
  assert.ok(isCredential(utf8('K3Y-0001'), { kind: 'licence', certificate: null }));
  assert.ok(!isCredential(pem, { kind: 'licence', certificate: null }));
});

test('what is said of a credential stands in the terms in one way, and what is said of another kind is refused', () => {
  const said = [
    describeCredential(pem),
    describeCredential(utf8(attributesPem)),
    describeCredential(utf8(attributesPem + libraryPem)),
    describeCredential(utf8(`${jwt({ nbf: NOW })}.c2ln`), 'ticket'),
    describeCredential(utf8(`${jwt({ exp: NOW + YEAR })}.c2ln`), 'ticket'),
    ...TEXT_KINDS.map((kind) => describeCredential(utf8('K3Y-0001'), kind)),
  ];
  for (const credential of said) assert.deepEqual(inTerms(credential), credential, credential.kind);
  const lines = (text: string) => (note: string) => note.replace(/credential = "token"\n/, text);
  const token = describeCredential(utf8('K3Y-0001'));
  for (const wrong of [
    'credential = "key"\n',
    'credential = "token"\nvalid_until = 2027-01-01T00:00:00Z\n',
    'credential = "licence"\nvalid_from = 2027-01-01T00:00:00Z\n',
    'credential = "ticket"\nsubject = "x"\n',
    'credential = "token"\nissuer = "x"\n',
    'credential = "attribute-certificate"\n',
    `credential = "certificate"\nsubject = "x"\nfingerprint = "${'0'.repeat(64)}"\n`,
  ])
    assert.throws(() => inTerms(token, lines(wrong)), is('bad-document'), wrong);
});
