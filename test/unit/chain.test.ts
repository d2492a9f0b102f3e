import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { type Certificate, parseCertificate } from '../../src/crypto/pki/certificate.ts';
import { buildChain, CHAIN_MAX, type ChainFault, type ChainOptions } from '../../src/crypto/pki/chain.ts';
import { integer, octetString, oid, sequence, TAG, tlv } from '../../src/crypto/pki/der.ts';
import {
  type Authority,
  crl,
  DIGITAL_SIGNATURE,
  extension,
  type IssueOptions,
  issue,
  KEY_CERT_SIGN,
  type KeyKind,
  NOW,
  trader,
  YEAR,
} from '../support/identities.ts';

const root = issue({ name: 'Root', ca: true });
const middle = issue({ name: 'Middle', ca: true, issuer: root });
const leaf = issue({ name: 'Leaf', issuer: middle });

interface Case {
  readonly leaf?: Authority;
  readonly extra?: readonly Authority[];
  readonly roots?: readonly Authority[];
  readonly at?: number;
  readonly crls?: readonly Uint8Array[];
}

function outcome(one: Case): ChainFault | readonly string[] {
  const of = (list: readonly Authority[]): readonly Certificate[] => list.map((each) => each.certificate);
  const options: ChainOptions = { at: one.at ?? NOW, ...(one.crls === undefined ? {} : { crls: one.crls }) };
  const result = buildChain(
    (one.leaf ?? leaf).certificate,
    of(one.extra ?? [middle]),
    of(one.roots ?? [root]),
    options,
  );
  return result.ok ? result.chain.map((each) => each.subject) : result.code;
}

const WHOLE = ['Leaf', 'Middle', 'Root'];
/** Under the usual root and middle. */
const leafWith = (options: Partial<IssueOptions>) => issue({ name: 'Leaf', issuer: middle, ...options });
/** A leaf and the middle above it, both made anew. */
function below(options: Partial<IssueOptions>): Case {
  const authority = issue({ name: 'Middle', ca: true, issuer: root, ...options });
  return { leaf: issue({ name: 'Leaf', issuer: authority }), extra: [authority] };
}
const usage = (...purposes: string[]) => extension('2.5.29.37', false, sequence(...purposes.map(oid)));

test('a path through an intermediate authority', () => assert.deepEqual(outcome({}), WHOLE));

test('a pinned self-signed certificate is its own path', async () => {
  const own = { ...(await trader('Own')), kind: 'p256' } as const;
  assert.deepEqual(outcome({ leaf: own, extra: [], roots: [own] }), ['Own']);
  assert.equal(outcome({ leaf: own, extra: [], roots: [root] }), 'no-root');
  assert.equal(outcome({ leaf: own, extra: [own], roots: [] }), 'no-root');
});

test('a pinned certificate under an unknown authority is its own path', () => {
  assert.deepEqual(outcome({ extra: [], roots: [leaf] }), ['Leaf']);
});

test('a configured intermediate authority ends the path', () => {
  assert.deepEqual(outcome({ extra: [], roots: [middle] }), ['Leaf', 'Middle']);
});

for (const kind of ['p256', 'p384', 'rsa', 'rsa-pss', 'ed25519'] satisfies KeyKind[]) {
  test(`an authority with ${kind} above a P-256 identity`, () => {
    const authority = issue({ name: 'Root', kind, ca: true });
    assert.deepEqual(outcome({ leaf: issue({ name: 'Leaf', issuer: authority }), roots: [authority] }), [
      'Leaf',
      'Root',
    ]);
    const impostor = issue({ name: 'Root', kind, ca: true, noKeyIds: true });
    assert.equal(outcome({ leaf: issue({ name: 'Leaf', issuer: authority }), roots: [impostor] }), 'bad-signature');
  });
}

test('an algorithm that is not the one of the key', () => {
  const authority = issue({ name: 'Root', kind: 'rsa', ca: true });
  const claiming = issue({ name: 'Leaf', issuer: authority, claims: 'p256' });
  assert.equal(outcome({ leaf: claiming, roots: [authority] }), 'bad-signature');
});

test('keys that are too weak to certify anything', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
  for (const [kind, key] of [
    ['rsa', weak],
    ['p256', odd],
  ] as const) {
    const authority = issue({ name: 'Root', kind, key, ca: true });
    assert.equal(outcome({ leaf: issue({ name: 'Leaf', issuer: authority }), roots: [authority] }), 'bad-signature');
  }
});

for (const kind of ['p384', 'rsa', 'ed25519'] satisfies KeyKind[]) {
  test(`an identity with ${kind} is refused`, () => {
    assert.equal(outcome({ leaf: leafWith({ kind }) }), 'not-p256');
  });
}

test('the middle missing', () => assert.equal(outcome({ extra: [] }), 'no-root'));
test('no roots', () => assert.equal(outcome({ roots: [] }), 'no-root'));
test('the root only among the extra certificates', () =>
  assert.equal(outcome({ extra: [middle, root], roots: [] }), 'no-root'));

test('every certificate must be valid at the time', () => {
  assert.equal(outcome({ at: NOW - 2 * 86400 }), 'not-yet-valid');
  assert.equal(outcome({ at: NOW + YEAR + 1 }), 'expired');
  assert.deepEqual(outcome({ at: NOW + YEAR }), WHOLE, 'the last second counts');
  assert.deepEqual(outcome({ at: NOW - 86400 }), WHOLE, 'the first too');
  assert.equal(outcome(below({ notAfter: NOW - 1 })), 'expired');
  assert.equal(outcome(below({ notBefore: NOW + 1 })), 'not-yet-valid');
  const old = issue({ name: 'Root', ca: true, notAfter: NOW - 1 });
  assert.equal(outcome({ leaf: issue({ name: 'Leaf', issuer: old }), roots: [old] }), 'expired');
});

test('an issuer that is no authority', () => {
  assert.equal(outcome(below({ ca: false })), 'not-an-authority');
  assert.equal(outcome(below({ ca: false, keyUsage: KEY_CERT_SIGN })), 'not-an-authority');
  assert.equal(outcome(below({ keyUsage: DIGITAL_SIGNATURE })), 'not-an-authority');
  assert.equal(outcome(below({ keyUsage: null })), 'not-an-authority', 'only a root may lack the extension');
  const old = issue({ name: 'Root', ca: true, keyUsage: null });
  assert.deepEqual(outcome({ leaf: issue({ name: 'Leaf', issuer: old }), roots: [old] }), ['Leaf', 'Root']);
});

test('a trader cannot issue certificates', async () => {
  const mallory = { ...(await trader('Mallory')), kind: 'p256' } as const;
  const forged = issue({ name: 'Victim', issuer: mallory, noKeyIds: true });
  assert.equal(outcome({ leaf: forged, extra: [], roots: [mallory] }), 'not-an-authority');
});

test('path lengths', () => {
  assert.deepEqual(outcome(below({ pathLength: 0 })), WHOLE);
  const narrow = issue({ name: 'Root', ca: true, pathLength: 0 });
  const between = issue({ name: 'Middle', ca: true, issuer: narrow });
  assert.equal(
    outcome({ leaf: issue({ name: 'Leaf', issuer: between }), extra: [between], roots: [narrow] }),
    'path-length',
  );
  assert.deepEqual(outcome({ leaf: issue({ name: 'Leaf', issuer: narrow }), roots: [narrow] }), ['Leaf', 'Root']);
});

test('self-issued certificates do not count for path lengths', () => {
  const narrow = issue({ name: 'Root', ca: true, pathLength: 0 });
  const renewed = issue({ name: 'Root', ca: true, issuer: narrow });
  const one = issue({ name: 'Leaf', issuer: renewed });
  assert.deepEqual(outcome({ leaf: one, extra: [renewed], roots: [narrow] }), ['Leaf', 'Root', 'Root']);
});

test('at most five certificates', () => {
  const line = [root];
  for (let i = 1; i < CHAIN_MAX; i++) line.unshift(issue({ name: `Level ${i}`, ca: true, issuer: line[0] ?? root }));
  const fits = issue({ name: 'Leaf', issuer: line[1] ?? root });
  assert.equal((outcome({ leaf: fits, extra: line, roots: [root] }) as readonly string[]).length, CHAIN_MAX);
  const long = issue({ name: 'Leaf', issuer: line[0] ?? root });
  assert.equal(outcome({ leaf: long, extra: line, roots: [root] }), 'too-long');
});

test('key usage of the identity', () => {
  const keyUsage = (last: number, unused: number) => Uint8Array.of(TAG.bitString, 2, unused, last);
  assert.deepEqual(outcome({ leaf: leafWith({ keyUsage: DIGITAL_SIGNATURE }) }), WHOLE);
  assert.deepEqual(outcome({ leaf: leafWith({ keyUsage: keyUsage(0x40, 6) }) }), WHOLE, 'nonRepudiation alone');
  assert.deepEqual(outcome({ leaf: leafWith({ keyUsage: null }) }), WHOLE);
  assert.equal(outcome({ leaf: leafWith({ keyUsage: keyUsage(0x20, 5) }) }), 'bad-usage');
});

test('extended key usage: what openssl’s purpose check accepts', () => {
  assert.equal(outcome({ leaf: leafWith({ extensions: [usage('1.3.6.1.5.5.7.3.36')] }) }), 'bad-usage');
  assert.deepEqual(
    outcome({ leaf: leafWith({ extensions: [usage('1.3.6.1.5.5.7.3.36', '1.3.6.1.5.5.7.3.4')] }) }),
    WHOLE,
  );
  assert.deepEqual(outcome({ leaf: leafWith({ extensions: [usage('2.5.29.37.0')] }) }), WHOLE);
  assert.equal(outcome(below({ extensions: [usage('1.3.6.1.5.5.7.3.1')] })), 'bad-usage');
});

test('extensions that limit in a way not understood', () => {
  const unknown = (critical: boolean) => extension('1.2.3.4', critical, integer(1));
  assert.equal(outcome({ leaf: leafWith({ extensions: [unknown(true)] }) }), 'unsupported-extension');
  assert.deepEqual(outcome({ leaf: leafWith({ extensions: [unknown(false)] }) }), WHOLE);
  assert.equal(outcome(below({ extensions: [unknown(true)] })), 'unsupported-extension');
  const names = extension('2.5.29.30', false, sequence());
  assert.equal(outcome(below({ extensions: [names] })), 'unsupported-extension', 'name constraints, critical or not');
  const policies = extension('2.5.29.32', true, sequence(sequence(oid('1.2.3'))));
  assert.deepEqual(outcome({ leaf: leafWith({ extensions: [policies] }) }), WHOLE);
});

test('key identifiers tell apart authorities of one name', () => {
  const other = issue({ name: 'Middle', ca: true, issuer: root });
  assert.deepEqual(outcome({ extra: [other, middle] }), WHOLE);
  assert.equal(outcome({ extra: [other] }), 'no-root', 'not even tried');
  const plain = issue({ name: 'Middle', ca: true, issuer: root, noKeyIds: true });
  assert.deepEqual(outcome({ extra: [plain, middle] }), WHOLE, 'the wrong key is tried and left');
});

test('cross-certified authorities: the way that leads to the root is found', () => {
  const elsewhere = issue({ name: 'Elsewhere', ca: true });
  const crossed = issue({ name: 'Middle', ca: true, key: middle.key, issuer: elsewhere });
  assert.deepEqual(outcome({ extra: [crossed, elsewhere, middle] }), WHOLE);
});

test('loops of authorities end', () => {
  const [a, b] = [issue({ name: 'A', ca: true }), issue({ name: 'B', ca: true })];
  const ab = issue({ name: 'A', ca: true, key: a.key, issuer: b });
  const ba = issue({ name: 'B', ca: true, key: b.key, issuer: a });
  assert.equal(outcome({ leaf: issue({ name: 'Leaf', issuer: ab }), extra: [a, b, ab, ba] }), 'no-root');
});

test('many authorities of one name do not cost more than a bounded search', () => {
  const key = middle.key;
  const many = Array.from({ length: 40 }, () =>
    issue({ name: 'Same', ca: true, key, noKeyIds: true, issuerName: issue({ name: 'Same' }).certificate.subjectDer }),
  );
  const started = performance.now();
  const result = outcome({ leaf: issue({ name: 'Leaf', issuer: many[0] ?? root }), extra: many });
  assert.ok(result === 'too-long' || result === 'no-root');
  assert.ok(performance.now() - started < 1000);
});

test('a root whose own signature is wrong', () => {
  const broken = issue({ name: 'Leaf' }).certificate.der.slice();
  const last = broken.length - 1;
  broken[last] = (broken[last] ?? 0) ^ 1;
  const certificate = parseCertificate(broken);
  const result = buildChain(certificate, [], [certificate], { at: NOW });
  assert.equal(result.ok ? 'ok' : result.code, 'bad-signature');
});

// ---- revocation

const revoke = (certificate: Certificate, at: number) => [{ certificate, at }];

test('a list that does not name the certificate', () => {
  const list = crl({ issuer: middle, revoked: revoke(root.certificate, NOW - 9) });
  assert.deepEqual(outcome({ crls: [list] }), WHOLE);
  assert.deepEqual(outcome({ crls: [crl({ issuer: middle })] }), WHOLE, 'an empty one');
});

test('revocation counts from its date on', () => {
  const list = crl({ issuer: middle, revoked: revoke(leaf.certificate, NOW) });
  assert.equal(outcome({ crls: [list] }), 'revoked');
  assert.equal(outcome({ crls: [list], at: NOW + 10 }), 'revoked');
  assert.deepEqual(outcome({ crls: [list], at: NOW - 1 }), WHOLE);
});

test('a revoked authority', () => {
  assert.equal(outcome({ crls: [crl({ issuer: root, revoked: revoke(middle.certificate, NOW - 1) })] }), 'revoked');
});

test('a revoked certificate that is pinned, if its issuer is known', () => {
  const crls = [crl({ issuer: middle, revoked: revoke(leaf.certificate, NOW - 1) })];
  assert.equal(outcome({ roots: [leaf], extra: [middle], crls }), 'revoked');
  assert.deepEqual(outcome({ roots: [leaf], extra: [], crls }), ['Leaf']);
});

test('lists that are not the issuer’s', () => {
  const revoked = revoke(leaf.certificate, NOW - 1);
  assert.equal(outcome({ crls: [crl({ issuer: middle, revoked, by: root })] }), 'bad-crl');
  assert.deepEqual(outcome({ crls: [crl({ issuer: issue({ name: 'Stranger', ca: true }), revoked })] }), WHOLE);
  const cannot = issue({ name: 'Middle', ca: true, issuer: root, keyUsage: Uint8Array.of(TAG.bitString, 2, 2, 0x04) });
  const one = issue({ name: 'Leaf', issuer: cannot });
  assert.equal(outcome({ leaf: one, extra: [cannot], crls: [crl({ issuer: cannot })] }), 'bad-crl');
});

test('a list that is out of date', () => {
  const stale = crl({ issuer: middle, thisUpdate: NOW - 9000, nextUpdate: NOW - 1 });
  assert.equal(outcome({ crls: [stale] }), 'stale-crl');
  assert.deepEqual(outcome({ crls: [stale, crl({ issuer: middle })] }), WHOLE, 'a newer one beside it');
  const both = crl({ issuer: middle, nextUpdate: NOW - 1, revoked: revoke(leaf.certificate, NOW - 2) });
  assert.equal(outcome({ crls: [both] }), 'revoked', 'revoked stays revoked');
});

test('lists of a kind that is not supported, and no lists at all', () => {
  const partial = (id: string, critical: boolean) => extension(id, critical, sequence());
  for (const one of [
    partial('2.5.29.28', true),
    partial('2.5.29.28', false),
    partial('2.5.29.27', true),
    partial('1.2.3', true),
  ])
    assert.equal(outcome({ crls: [crl({ issuer: middle, extensions: [one] })] }), 'bad-crl');
  const indirect = sequence(extension('2.5.29.29', true, sequence()));
  const entry = { certificate: root.certificate, at: NOW, extensions: indirect };
  assert.equal(outcome({ crls: [crl({ issuer: middle, revoked: [entry] })] }), 'bad-crl');
  const reason = sequence(extension('2.5.29.21', false, tlv(0x0a, Uint8Array.of(1))));
  const named = { certificate: leaf.certificate, at: NOW, extensions: reason };
  assert.equal(outcome({ crls: [crl({ issuer: middle, revoked: [named] })] }), 'revoked');
  assert.equal(outcome({ crls: [octetString(new Uint8Array(3))] }), 'bad-crl');
  assert.equal(outcome({ crls: Array.from({ length: 17 }, () => crl({ issuer: middle })) }), 'bad-crl');
});

test('a flipped byte in a list', () => {
  const list = crl({ issuer: middle, revoked: revoke(leaf.certificate, NOW - 1) });
  for (let at = 0; at < list.length; at++) {
    const changed = list.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    const result = outcome({ crls: [changed] });
    // With another issuer's name it is a list about something else; everything else must show.
    const found = Buffer.from(changed).includes(Buffer.from(middle.certificate.subjectDer));
    if (found) assert.equal(result, 'bad-crl', `byte ${at}`);
  }
});
