// Wycheproof vectors for what sealing uses: X25519 with keys imported as kem.ts does, AES-256-GCM through aead.ts, HKDF-SHA-256.
import assert from 'node:assert/strict';
import { diffieHellman, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openAes } from '../../src/crypto/aead.ts';
import { isLowOrder, kemPrivateKey, kemPublicKey } from '../../src/crypto/kem.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, fromHex, toHex } from '../../src/lib/bytes.ts';
import { sharedPath, unlessShared } from '../support/shared.ts';

type Case = Readonly<Record<string, string>> & {
  readonly tcId: number;
  readonly size: number;
  readonly flags: readonly string[];
};
interface Group {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly Case[];
}

const place = (name: string) => ['vectors', 'wycheproof', `${name}_test.json`] as const;

function groups(name: string): readonly Group[] {
  const file = present(sharedPath(...place(name)), name);
  return (JSON.parse(readFileSync(file, 'utf8')) as { testGroups: readonly Group[] }).testGroups;
}

const bytes = (one: Case, field: string): Uint8Array => fromHex(one[field] ?? '');

test('X25519', unlessShared(...place('x25519')), () => {
  let ran = 0;
  let refused = 0;
  for (const one of groups('x25519').flatMap((group) => group.tests)) {
    const shared = () =>
      new Uint8Array(
        diffieHellman({
          privateKey: kemPrivateKey(bytes(one, 'private')),
          publicKey: kemPublicKey(bytes(one, 'public')),
        }),
      );
    // A shared secret of zero is refused here, which Wycheproof leaves open; and it is refused for those keys only.
    const isZero = /^0*$/.test(one.shared ?? '');
    assert.equal(isLowOrder(bytes(one, 'public')), isZero, `case ${one.tcId}`);
    if (isZero) {
      assert.throws(shared, `case ${one.tcId}`);
      refused++;
    } else {
      assert.equal(toHex(shared()), one.shared, `case ${one.tcId}`);
    }
    ran++;
  }
  assert.ok(ran > 500 && refused > 10, `${ran} cases, ${refused} refused`);
});

test('AES-256-GCM with 12-byte nonces and whole tags', unlessShared(...place('aes_gcm')), () => {
  let valid = 0;
  let invalid = 0;
  const fitting = groups('aes_gcm').filter((one) => one.keySize === 256 && one.ivSize === 96 && one.tagSize === 128);
  for (const one of fitting.flatMap((group) => group.tests)) {
    const sealed = concat(bytes(one, 'iv'), bytes(one, 'ct'), bytes(one, 'tag'));
    const open = () => openAes(bytes(one, 'key'), sealed, bytes(one, 'aad'));
    if (one.result === 'valid') {
      assert.equal(toHex(open()), one.msg, `case ${one.tcId}`);
      valid++;
    } else {
      assert.throws(open, `case ${one.tcId}`);
      invalid++;
    }
  }
  assert.ok(valid > 20 && invalid > 10, `${valid} valid, ${invalid} invalid`);
});

test('HKDF-SHA-256', unlessShared(...place('hkdf_sha256')), () => {
  let ran = 0;
  for (const one of groups('hkdf_sha256').flatMap((group) => group.tests)) {
    const derive = () =>
      new Uint8Array(hkdfSync('sha256', bytes(one, 'ikm'), bytes(one, 'salt'), bytes(one, 'info'), one.size));
    if (one.result === 'valid') assert.equal(toHex(derive()), one.okm, `case ${one.tcId}`);
    else assert.throws(derive, `case ${one.tcId}`);
    ran++;
  }
  assert.ok(ran > 50, `${ran} cases`);
});
