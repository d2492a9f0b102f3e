// Wycheproof Ed25519 vectors through the transport key's verification: what a peer's card and binding rest on.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { verifyTransport } from '../../src/crypto/transport.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, fromHex } from '../../src/lib/bytes.ts';
import { sharedPath, unlessShared } from '../support/shared.ts';

const PLACE = ['vectors', 'wycheproof', 'ed25519_test.json'] as const;
/** A PeerId is the identity multihash of this and the key. */
const PEER_ID_HEAD = fromHex('002408011220');

interface Group {
  readonly publicKey: { readonly pk: string };
  readonly tests: readonly {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: 'valid' | 'invalid';
  }[];
}

test('Ed25519 vectors get their verdict', unlessShared(...PLACE), () => {
  const file = present(sharedPath(...PLACE), 'vectors');
  const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { readonly testGroups: readonly Group[] };
  let valid = 0;
  for (const { publicKey, tests } of testGroups) {
    const peer = concat(PEER_ID_HEAD, fromHex(publicKey.pk));
    for (const { tcId, msg, sig, result } of tests) {
      const verdict = verifyTransport(peer, fromHex(msg), fromHex(sig));
      assert.equal(verdict, result === 'valid', `vector ${tcId}`);
      if (verdict) valid += 1;
    }
  }
  assert.ok(valid > 50, 'vectors were read');
});
