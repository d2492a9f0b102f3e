/** Credentials: what they say of themselves, before they are offered and after they were opened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { checkValidity, describeCredential, isCredential } from '../../src/exchange/credential.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { FitError } from '../../src/lib/errors.ts';
import { NOW, trader } from '../support/identities.ts';

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
