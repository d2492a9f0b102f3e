/**
 * What every item that an exchange hands over must do (PROTOCOL §4), whichever it is exchanged for: signature, content,
 * receipt. A credential is content that its text describes. Money will be one more pair here.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { prove, verify } from '../../src/crypto/escrow.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../../src/crypto/p256.ts';
import { makeResolved, verifyAnswer } from '../../src/exchange/answers.ts';
import { complete, itemOf, joinWitness, keyIn } from '../../src/exchange/completion.ts';
import { checkRecord, type DocumentTerms, makeRecord, type Parties, template } from '../../src/exchange/contract.ts';
import { itemFromCbor, itemToCbor, otherRole, RECEIPT, ROLES, type Role } from '../../src/exchange/items.ts';
import { provesMisbehaviour } from '../../src/exchange/misbehaviour.ts';
import {
  checkRelease,
  encodePromise,
  encodeRelease,
  openPromises,
  promiseCheck,
  promiseJob,
} from '../../src/exchange/promise.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord } from '../../src/exchange/record.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { LIMITS, makeCast, NOW, partiesOf, termsOf } from '../support/exchange.ts';

const cast = await makeCast();
const parties = partiesOf(cast);
const content = () => ({ kind: 'content', plaintextRoot: systemRng(32), bytes: 200_000, chunks: 4 }) as const;
const receipt = { kind: 'statement', template: RECEIPT } as const;
const { itemO: signature } = termsOf(cast);

/** Originator's item for the responder's. */
const PAIRS: readonly (readonly [name: string, Pick<DocumentTerms, 'itemO' | 'itemR' | 'check'>])[] = [
  ['signature for signature', { itemO: signature, itemR: signature, check: 'none' }],
  ['content for receipt', { itemO: content(), itemR: receipt, check: 'window=3600' }],
  ['content for content', { itemO: content(), itemR: content(), check: 'window=3600' }],
];

interface Side {
  readonly witness: Uint8Array;
  readonly promise: Uint8Array;
}

/** A record of the pair, and what both sides make of it. */
function begin(pair: Pick<DocumentTerms, 'itemO' | 'itemR' | 'check'>) {
  const terms = { ...termsOf(cast), ...pair };
  const keys = { O: scalarBytes(scalarFromWide(systemRng(48))), R: scalarBytes(scalarFromWide(systemRng(48))) };
  const chosen = (role: Role) => ({ point: publicPoint(keys[role]), ciphertextRoot: systemRng(32) });
  const sealed = { O: chosen('O'), R: chosen('R') };
  const record = makeRecord(terms, parties, { nonce: systemRng(32), signingTime: NOW, sealed });
  checkRecord(record, terms, parties, LIMITS);
  const side = (role: Role): Side => {
    const signed = signP256(cast[role].key, template(record, role, parties).signedAttributes);
    const witness = joinWitness(signed, itemOf(record, role).kind === 'content' ? keys[role] : null);
    const job = promiseJob(record, role, witness, parties);
    const proof = prove(job.label, job.witnesses, job.keys, systemRng(32));
    return { witness, promise: encodePromise({ noncePoint: job.noncePoint, proof }) };
  };
  return { record, made: { O: side('O'), R: side('R') } };
}

function accepts(record: ExchangeRecord, sender: Role, promise: Uint8Array, among: Parties = parties): boolean {
  const check = promiseCheck(record, sender, promise, among);
  return check.kind === 'escrow' && verify(check.label, check.proof, check.keys);
}

for (const [name, pair] of PAIRS) {
  describe(`items: ${name}`, () => {
    const { record, made } = begin(pair);
    const promises = { O: made.O.promise, R: made.R.promise };
    const witnesses = { O: made.O.witness, R: made.R.witness };

    test('is named in the record by one encoding', () => {
      assert.deepEqual(decodeRecord(encodeRecord(record)), record);
      for (const role of ROLES) {
        const item = itemOf(record, role);
        assert.deepEqual(itemFromCbor(itemToCbor(item)), item);
        assert.throws(() => itemFromCbor([...(itemToCbor(item) as unknown[]), 0] as never), PeerFault);
      }
    });

    test('a promise is accepted by its receiver in its exchange, and in no other and by nobody else', () => {
      const other = begin(pair);
      for (const role of ROLES) {
        assert.ok(accepts(record, role, made[role].promise));
        assert.ok(!accepts(other.record, role, made[role].promise), 'another exchange');
        const receiver = otherRole(role);
        const changed = { ...parties, [receiver]: { ...parties[receiver], verifier: parties[role].verifier } };
        assert.ok(!accepts(record, role, made[role].promise, changed), 'another receiver');
      }
    });

    test('a release is what was promised and nothing else', () => {
      for (const role of ROLES) {
        const release = encodeRelease(record, role, made[role].witness);
        assert.deepEqual(checkRelease(record, role, release, made[role].promise, parties), made[role].witness);
        const again = begin(pair);
        assert.throws(
          () =>
            checkRelease(
              record,
              role,
              encodeRelease(again.record, role, again.made[role].witness),
              made[role].promise,
              parties,
            ),
          PeerFault,
        );
        for (let at = 4; at < release.length; at += 9) {
          const flipped = release.map((byte, i) => (i === at ? byte ^ 1 : byte));
          assert.throws(
            () => checkRelease(record, role, flipped, made[role].promise, parties),
            PeerFault,
            `${role} ${at}`,
          );
        }
      }
    });

    test('the arbiter takes out of both promises the same bytes that the sides would release', () => {
      for (const by of ROLES) {
        const opened = openPromises(record, parties, promises, cast.kem.secret, by);
        assert.deepEqual(opened, witnesses);
      }
      const swapped = { O: made.R.promise, R: made.O.promise };
      assert.equal(openPromises(record, parties, swapped, cast.kem.secret, 'O'), null);
    });

    test('both sides come to the same outcome, also through the arbiter’s answer', () => {
      const outcome = complete(record, parties, witnesses);
      const keys = { signing: cast.T.key, kemSecret: cast.kem.secret };
      const answer = makeResolved(record, parties, promises, 'R', keys, NOW);
      assert.ok(answer !== null);
      const verified = verifyAnswer(record, parties, answer);
      assert.ok(verified.kind === 'resolved' && verified.signed);
      assert.deepEqual(verified.contract, outcome);
      const swapped = { O: made.R.witness, R: made.O.witness };
      assert.throws(() => complete(record, parties, swapped), PeerFault);
    });

    test('only content has a key and can be proven wrong, by what its sender signed', () => {
      for (const role of ROLES) {
        const isContent = itemOf(record, role).kind === 'content';
        assert.equal(keyIn(made[role].witness) !== null, isContent);
        for (const junk of [new Uint8Array(), systemRng(40), made[role].witness])
          assert.ok(!provesMisbehaviour(record, parties, role, junk));
      }
    });
  });
}
