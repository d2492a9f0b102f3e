// The published vectors of the escrow: an independent implementation made them; ours has to make the same bytes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openEscrow, prove, SUITE, verify } from '../../src/crypto/escrow.ts';
import { labelHash, SCHEME } from '../../src/crypto/escrow-scheme.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { kemPrivateKey, kemPublicBytes } from '../../src/crypto/kem.ts';
import { noncePoint, publicPoint, rOf, signatureStatement } from '../../src/crypto/p256.ts';
import { concat, equal, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts';

const text = readFileSync('test/vectors/escrow-v1.json', 'utf8');
const vectors = JSON.parse(text) as Record<
  | 'suite'
  | 'message'
  | 'messageHash'
  | 'signerPublic'
  | 'verifierSecret'
  | 'V'
  | 'kemPublic'
  | 'kemSecret'
  | 'r'
  | 's'
  | 'x'
  | 'xid'
  | 'sender'
  | 'recipient',
  string
> & {
  readonly role: 'O';
  readonly cases: readonly {
    readonly name: string;
    readonly statements: readonly (readonly [string, string])[];
    readonly fresh32: string;
    readonly label: string;
    readonly ctx: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly verdict: boolean;
    readonly proof?: string;
  }[];
};

const keys = { kem: fromHex(vectors.kemPublic), verifier: fromHex(vectors.V) };
const s = fromHex(vectors.s);
const x = fromHex(vectors.x);
const digest = sha256(utf8(vectors.message));
const signer = fromHex(vectors.signerPublic);

test('the suite and the keys of the vectors', () => {
  assert.equal(SUITE, vectors.suite);
  assert.equal(toHex(digest), vectors.messageHash);
  assert.equal(toHex(publicPoint(fromHex(vectors.verifierSecret))), vectors.V);
  assert.equal(toHex(kemPublicBytes(kemPrivateKey(fromHex(vectors.kemSecret)))), vectors.kemPublic);
});

test('the statement of the signature', () => {
  const nonce = noncePoint(digest, concat(fromHex(vectors.r), s), signer);
  assert.equal(toHex(rOf(nonce)), vectors.r);
  const { base, point } = signatureStatement(digest, nonce, signer);
  assert.deepEqual([toHex(base), toHex(point)], vectors.cases[0]?.statements[0]);
});

assert.equal(vectors.cases.length, 4);
for (const one of vectors.cases) {
  const label = {
    xid: fromHex(vectors.xid),
    role: vectors.role,
    sender: fromHex(vectors.sender),
    recipient: fromHex(vectors.recipient),
    anchor: null,
    statements: one.statements.map(([base, point]) => ({ base: fromHex(base), point: fromHex(point) })),
  };
  const witnesses = one.statements.length === 1 ? [s] : [x, s];

  test(`${one.name}: label, context and proof are the same bytes, and it verifies and opens`, () => {
    assert.equal(toHex(labelHash(label)), one.label);
    assert.equal(toHex(SCHEME.context(SCHEME, label, keys)), one.ctx);
    const proof = prove(label, witnesses, keys, fromHex(one.fresh32));
    assert.equal(proof.length, one.bytes);
    assert.equal(toHex(sha256(proof)), one.sha256);
    if (one.proof !== undefined) assert.equal(Buffer.from(proof).toString('base64'), one.proof);
    assert.equal(verify(label, proof, keys), one.verdict);
    const accept = (j: number, candidate: Uint8Array) => equal(candidate, witnesses[j] ?? new Uint8Array(0));
    assert.deepEqual(openEscrow(label, proof, fromHex(vectors.kemSecret), keys.verifier, accept), witnesses);
  });
}
