// Bytes of a full-size proof, sampled: none may be changed. (A file of its own: it takes seconds and runs beside the others.)
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { prove, verify } from '../../src/crypto/escrow.ts';
import { sample } from '../support/escrow.ts';

const FLIPS = 300;

test(`${FLIPS} altered bytes of a 144/48 proof are refused`, () => {
  const { label, witnesses, keys } = sample('signature');
  const proof = prove(label, witnesses, keys, randomBytes(32));
  assert.equal(verify(label, proof, keys), true);
  for (let flip = 0; flip < FLIPS; flip++) {
    // One from each stretch of the proof, so that all of it is covered.
    const at = Math.floor(((flip + randomInt(1000) / 1000) * proof.length) / FLIPS);
    const altered = Uint8Array.from(proof);
    altered[at] = (altered[at] ?? 0) ^ (1 << randomInt(8));
    assert.equal(verify(label, altered, keys), false, `byte ${at}`);
  }
  assert.equal(verify(label, proof, keys), true);
});
