/** Timestamps in the eyes of `openssl ts` and pkijs, and those of `openssl ts` in ours; and what must be refused. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as pkijs from 'pkijs';
import { sha256 } from '../../src/crypto/hash.ts';
import { type Certificate, parseCertificate, selfSignedTimestamping } from '../../src/crypto/pki/certificate.ts';
import { contextTag, DerReader, octetString, sequence, TAG, tlv } from '../../src/crypto/pki/der.ts';
import {
  type TimestampFault,
  type TimestampResult,
  timestampRefusal,
  timestampRequest,
  timestampResponse,
  verifyTimestamp,
} from '../../src/crypto/pki/timestamp.ts';
import { equal, toHex, utf8 } from '../../src/lib/bytes.ts';
import { type Authority, extension, issue, KEY_CERT_SIGN, keyOf } from '../support/identities.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { FOR_TIMESTAMPS, opensslAuthority, PRESENT, pemOf, purposes, stamper, VALID } from '../support/timestamps.ts';

pkijs.setEngine('node', new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto }));

const DATA = utf8('Elm sells Oak a boat.\n');
const digest = sha256(DATA);
const POLICY = '1.2.3.4.1';
const nonceOf = (): Uint8Array => new Uint8Array(randomBytes(16));
const buffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

function good(result: TimestampResult) {
  assert.ok(result.ok, result.ok ? '' : `${result.code}: ${result.message}`);
  return result.timestamp;
}

function codeOf(result: TimestampResult): TimestampFault | 'ok' {
  return result.ok ? 'ok' : result.code;
}

function own(time = PRESENT): Authority {
  const key = keyOf('p256');
  const span = { notBefore: time - 3600, notAfter: time + 3600 };
  return { key, kind: 'p256', certificate: parseCertificate(selfSignedTimestamping({ key, name: 'Elm', ...span })) };
}

function answer(request: Uint8Array, authority: Authority, time = PRESENT, serial = 1): Uint8Array {
  return timestampResponse(request, { ...authority, policy: POLICY, serial, time });
}

const root = (name: string, options = {}): Authority => issue({ name, ca: true, ...VALID, ...options });

test('a request of ours, answered by openssl, verifies here', needsOpenssl, async (t) => {
  const above = root('Root', { kind: 'rsa' });
  // As public authorities have it: the authorities under the root may only issue for timestamps.
  const between = issue({ name: 'Between', issuer: above, ca: true, ...VALID, extensions: [FOR_TIMESTAMPS] });
  const rsa3072 = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
  const ec = root('EC root');
  const alone = stamper();
  const cases: readonly (readonly [string, Authority, readonly Authority[], Authority])[] = [
    ['P-256 under an authority', stamper({ issuer: ec }), [], ec],
    ['P-384', stamper({ kind: 'p384', issuer: ec }), [], ec],
    ['RSA 2048 with the whole chain', stamper({ kind: 'rsa', issuer: between }), [between, above], above],
    ['RSA 3072, the chain without its root', stamper({ kind: 'rsa', key: rsa3072, issuer: between }), [between], above],
    ['its own root', alone, [], alone],
  ];
  for (const [what, signer, chain, trusted] of cases) {
    const authority = opensslAuthority(await temporaryFolder(t), signer, chain);
    for (const serial of [1, 2]) {
      const nonce = nonceOf();
      const before = Math.floor(Date.now() / 1000);
      const response = authority.answer(timestampRequest(digest, nonce));
      const stamp = good(verifyTimestamp(response, { digest, nonce, authorities: [trusted.certificate] }));
      assert.ok(stamp.time >= before && stamp.time <= Date.now() / 1000, what);
      assert.equal(stamp.policy, POLICY);
      assert.equal(Number.parseInt(stamp.serial, 16), serial, 'openssl counts');
      assert.equal(stamp.chain[0], signer.certificate);
      assert.equal(stamp.chain.at(-1), trusted.certificate);
      const again = good(verifyTimestamp(stamp.token, { digest, authorities: [trusted.certificate] }));
      assert.equal(again.time, stamp.time, 'the token alone is as good');
    }
  }
});

test('a time with a fraction, larger hashes, a chain of certificate hashes', needsOpenssl, async (t) => {
  const above = root('Root');
  const signer = stamper({ issuer: above });
  const settings = [
    'clock_precision_digits = 6',
    'signer_digest = sha512',
    'ess_cert_id_alg = sha384',
    'ess_cert_id_chain = yes',
  ];
  const authority = opensslAuthority(await temporaryFolder(t), signer, [above], settings);
  const nonce = nonceOf();
  const response = authority.answer(timestampRequest(digest, nonce));
  const { time } = good(verifyTimestamp(response, { digest, nonce, authorities: [above.certificate] }));
  assert.ok(Number.isInteger(time) && Math.abs(time - Date.now() / 1000) < 60);
});

test('a response of ours is verified by openssl', needsOpenssl, async (t) => {
  const cwd = await temporaryFolder(t);
  const above = root('Root');
  for (const [signer, trusted] of [
    [own(), undefined],
    [stamper({ issuer: above }), above],
  ] as const) {
    writeFileSync(join(cwd, 'ca.pem'), pemOf(trusted ?? signer));
    writeFileSync(join(cwd, 'data'), DATA);
    writeFileSync(join(cwd, 'other'), 'other');
    const nonce = nonceOf();
    const ours = timestampRequest(digest, nonce);
    assert.ok(openssl('ts -query -data data -sha256 -cert -out theirs.tsq'.split(' '), { cwd }).ok);
    for (const request of [ours, new Uint8Array(readFileSync(join(cwd, 'theirs.tsq')))]) {
      writeFileSync(join(cwd, 'q.tsq'), request);
      const response = answer(request, signer);
      writeFileSync(join(cwd, 'r.tsr'), response);
      for (const how of ['-queryfile q.tsq', '-data data', `-digest ${toHex(digest)}`]) {
        const said = openssl(`ts -verify ${how} -in r.tsr -CAfile ca.pem`.split(' '), { cwd });
        assert.ok(said.ok && /Verification: OK/.test(said.text), `${how}: ${said.text}`);
      }
      const stamp = good(verifyTimestamp(response, { digest, authorities: [(trusted ?? signer).certificate] }));
      writeFileSync(join(cwd, 't.tst'), stamp.token);
      assert.ok(openssl('ts -verify -data data -token_in -in t.tst -CAfile ca.pem'.split(' '), { cwd }).ok);
      assert.ok(!openssl('ts -verify -data other -in r.tsr -CAfile ca.pem'.split(' '), { cwd }).ok);
    }
    const said = openssl('ts -reply -in r.tsr -text'.split(' '), { cwd });
    assert.match(
      said.text,
      /Status: Granted\.[\s\S]*Policy OID: (?:1\.2\.3\.4\.1|tsa_policy1)[\s\S]*Serial number: 0x01/,
    );
  }
});

test(
  'openssl finds no certificate where none was asked for, and verifies with one at hand',
  needsOpenssl,
  async (t) => {
    const cwd = await temporaryFolder(t);
    const signer = own();
    writeFileSync(join(cwd, 'ca.pem'), pemOf(signer));
    writeFileSync(join(cwd, 'data'), DATA);
    assert.ok(openssl('ts -query -data data -sha256 -no_nonce -out q.tsq'.split(' '), { cwd }).ok);
    const response = answer(new Uint8Array(readFileSync(join(cwd, 'q.tsq'))), signer);
    writeFileSync(join(cwd, 'r.tsr'), response);
    const verify = 'ts -verify -queryfile q.tsq -in r.tsr -CAfile ca.pem'.split(' ');
    assert.ok(!openssl(verify, { cwd }).ok);
    assert.ok(openssl([...verify, '-untrusted', 'ca.pem'], { cwd }).ok);
    good(verifyTimestamp(response, { digest, authorities: [signer.certificate] }));
    assert.equal(codeOf(verifyTimestamp(response, { digest, authorities: [own().certificate] })), 'unknown-signer');
  },
);

test('pkijs reads the request and verifies the response', async () => {
  const signer = own();
  const nonce = nonceOf();
  const request = timestampRequest(digest, nonce);
  const asked = pkijs.TimeStampReq.fromBER(buffer(request));
  assert.deepEqual(new Uint8Array(asked.toSchema().toBER()), request);
  const response = pkijs.TimeStampResp.fromBER(buffer(answer(request, signer, PRESENT, 77)));
  assert.equal(response.status.status, 0);
  const trustedCerts = [pkijs.Certificate.fromBER(buffer(signer.certificate.der))];
  assert.equal(await response.verify({ signer: 0, trustedCerts, data: buffer(DATA) }), true);
  assert.ok(response.timeStampToken !== undefined);
  const signedData = new pkijs.SignedData({ schema: response.timeStampToken.content });
  const content = signedData.encapContentInfo.eContent?.getValue() ?? assert.fail();
  const info = pkijs.TSTInfo.fromBER(content);
  assert.equal(info.genTime.getTime(), PRESENT * 1000);
  assert.equal(info.serialNumber.valueBlock.valueDec, 77);
  assert.deepEqual(
    new Uint8Array(info.nonce?.valueBlock.valueHexView ?? []),
    new Uint8Array(asked.nonce?.valueBlock.valueHexView ?? [1]),
  );
});

/** Every byte changed, once in its lowest and once in its highest bit: nothing that results is accepted. */
function assertFlips(bytes: Uint8Array, authorities: readonly Certificate[], nonce: Uint8Array): void {
  const changed = bytes.slice();
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [0x01, 0x80]) {
      changed[at] = (bytes[at] ?? 0) ^ bit;
      assert.notEqual(
        codeOf(verifyTimestamp(changed, { digest, nonce, authorities })),
        'ok',
        `byte ${at} of ${bytes.length}`,
      );
    }
    changed[at] = bytes[at] ?? 0;
  }
  for (const length of [0, 1, bytes.length - 1])
    assert.notEqual(codeOf(verifyTimestamp(bytes.subarray(0, length), { digest, nonce, authorities })), 'ok');
  const longer = Uint8Array.of(...bytes, 0);
  assert.notEqual(codeOf(verifyTimestamp(longer, { digest, nonce, authorities })), 'ok');
}

test('no byte of a token can be changed: ours', () => {
  const signer = own();
  const nonce = nonceOf();
  const response = answer(timestampRequest(digest, nonce), signer);
  const { token } = good(verifyTimestamp(response, { digest, nonce, authorities: [signer.certificate] }));
  assertFlips(token, [signer.certificate], nonce);
  assertFlips(response, [signer.certificate], nonce);
});

test(
  'no byte of a token can be changed: openssl’s, with the certificates of the whole path',
  needsOpenssl,
  async (t) => {
    const above = root('Root', { kind: 'rsa' });
    const between = issue({ name: 'Between', issuer: above, ca: true, ...VALID });
    const signer = stamper({ kind: 'rsa', issuer: between });
    const authority = opensslAuthority(await temporaryFolder(t), signer, [between, above]);
    const nonce = nonceOf();
    const response = authority.answer(timestampRequest(digest, nonce));
    const { token } = good(verifyTimestamp(response, { digest, nonce, authorities: [above.certificate] }));
    assertFlips(token, [above.certificate], nonce);
  },
);

test('what was not asked, and whom nobody trusts', () => {
  const signer = own();
  const nonce = nonceOf();
  const authorities = [signer.certificate];
  const response = answer(timestampRequest(digest, nonce), signer);
  assert.equal(
    codeOf(verifyTimestamp(response, { digest: sha256(utf8('other')), nonce, authorities })),
    'wrong-digest',
  );
  assert.equal(codeOf(verifyTimestamp(response, { digest, nonce: nonceOf(), authorities })), 'wrong-nonce');
  assert.equal(codeOf(verifyTimestamp(response, { digest, nonce, authorities: [] })), 'untrusted');
  assert.equal(codeOf(verifyTimestamp(response, { digest, nonce, authorities: [own().certificate] })), 'untrusted');
  assert.equal(codeOf(verifyTimestamp(new Uint8Array(65_537), { digest, authorities })), 'oversized');
  assert.equal(codeOf(verifyTimestamp(signer.certificate.der, { digest, authorities })), 'malformed');
  // A request without nonce, whose answer somebody gives out as that to one with a nonce.
  const body = new DerReader(timestampRequest(digest, nonce)).enter(TAG.sequence, 'request');
  const withoutNonce = sequence(body.whole(TAG.integer, 'version'), body.whole(TAG.sequence, 'imprint'));
  assert.equal(codeOf(verifyTimestamp(answer(withoutNonce, signer), { digest, nonce, authorities })), 'wrong-nonce');
});

test('certificates that may not stamp, or not then', () => {
  const above = root('Root');
  const nonce = nonceOf();
  const request = timestampRequest(digest, nonce);
  const check = (signer: Authority, trusted: Authority = signer, time = PRESENT): TimestampFault | 'ok' =>
    codeOf(verifyTimestamp(answer(request, signer, time), { digest, nonce, authorities: [trusted.certificate] }));
  assert.equal(check(stamper()), 'ok');
  assert.equal(check(stamper({ issuer: above }), above), 'ok');
  assert.equal(check(stamper({ extensions: [] })), 'bad-usage');
  assert.equal(check(stamper({ extensions: [purposes(false, '1.3.6.1.5.5.7.3.8')] })), 'bad-usage');
  assert.equal(check(stamper({ extensions: [purposes(true, '1.3.6.1.5.5.7.3.8', '1.3.6.1.5.5.7.3.4')] })), 'bad-usage');
  assert.equal(check(stamper({ extensions: [purposes(true, '1.3.6.1.5.5.7.3.3')] })), 'bad-usage');
  assert.equal(check(stamper({ keyUsage: KEY_CERT_SIGN })), 'bad-usage');
  const mail = issue({
    name: 'Mail',
    ca: true,
    issuer: above,
    ...VALID,
    extensions: [purposes(false, '1.3.6.1.5.5.7.3.4')],
  });
  assert.equal(check(stamper({ issuer: mail }), mail), 'bad-usage', 'its issuer is for something else');
  assert.equal(check(stamper(), undefined, PRESENT - 2 * 86_400), 'untrusted', 'before it was valid');
  assert.equal(check(stamper(), undefined, PRESENT + 2 * 86_400), 'untrusted', 'after it had expired');
  const old = root('Root', { notAfter: PRESENT - 60 });
  assert.equal(check(stamper({ issuer: old }), old), 'untrusted', 'its authority had expired');
  assert.equal(check(stamper({ issuer: old }), old, PRESENT - 120), 'ok', 'it had not yet');
  const plain = stamper({
    keyUsage: null,
    extensions: [FOR_TIMESTAMPS, extension('1.2.3.4', true, octetString(digest))],
  });
  assert.equal(check(plain), 'untrusted', 'a critical extension that is not known');
});

test('what openssl may write and is refused: certificate hashes by SHA-1, other imprints', needsOpenssl, async (t) => {
  const signer = stamper();
  const authorities = [signer.certificate];
  const old = opensslAuthority(await temporaryFolder(t), signer, [], ['ess_cert_id_alg = sha1']);
  assert.equal(
    codeOf(verifyTimestamp(old.answer(timestampRequest(digest, nonceOf())), { digest, authorities })),
    'wrong-attributes',
  );
  const cwd = await temporaryFolder(t);
  writeFileSync(join(cwd, 'data'), DATA);
  assert.ok(openssl('ts -query -data data -sha512 -cert -out q.tsq'.split(' '), { cwd }).ok);
  const authority = opensslAuthority(cwd, signer);
  const other = authority.answer(new Uint8Array(readFileSync(join(cwd, 'q.tsq'))));
  assert.equal(codeOf(verifyTimestamp(other, { digest, authorities })), 'wrong-digest');
  // Ours refuses it in words that openssl understands, and openssl's refusal is understood here.
  const refused = timestampRefusal(new Uint8Array(readFileSync(join(cwd, 'q.tsq'))), POLICY) ?? assert.fail();
  writeFileSync(join(cwd, 'r.tsr'), refused);
  const said = openssl('ts -reply -in r.tsr -text'.split(' '), { cwd });
  assert.match(said.text, /Status: Rejected\.[\s\S]*Failure info: unrecognized or unsupported algorithm/);
  assert.ok(openssl('ts -query -data data -sha256 -tspolicy 1.2.3.4.9 -out p.tsq'.split(' '), { cwd }).ok);
  const result = verifyTimestamp(authority.answer(new Uint8Array(readFileSync(join(cwd, 'p.tsq')))), {
    digest,
    authorities,
  });
  assert.ok(!result.ok && result.code === 'not-granted' && /policy/.test(result.message));
});

test('every request has an answer: a token, or a refusal that says why', () => {
  const signer = own();
  const request = timestampRequest(digest, nonceOf());
  assert.equal(timestampRefusal(request, POLICY), null);
  const authorities = [signer.certificate];
  const refusals = [
    new Uint8Array(),
    utf8('GET / HTTP/1.1'),
    new Uint8Array(2000),
    request.subarray(1),
    request.subarray(0, -1),
    tlv(TAG.set, request),
    sequence(request, tlv(contextTag(0), request)),
  ];
  for (const bytes of refusals) {
    const said = verifyTimestamp(answer(bytes, signer), { digest, authorities });
    assert.ok(!said.ok && said.code === 'not-granted', said.ok ? 'ok' : said.message);
    assert.ok(equal(answer(bytes, signer), timestampRefusal(bytes, POLICY) ?? new Uint8Array()));
  }
  for (let at = 0; at < request.length; at++) {
    const changed = request.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    assert.notEqual(codeOf(verifyTimestamp(answer(changed, signer), { digest, authorities })), 'malformed');
  }
});
