/** Promises, releases and the contract, with real keys and proofs, and the attacks on them that have a name. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { signControl } from '../../src/crypto/control.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { prove, verify } from '../../src/crypto/escrow.ts';
import { SCHEME } from '../../src/crypto/escrow-scheme.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { noncePoint, ORDER, publicPoint, signatureStatement } from '../../src/crypto/p256.ts';
import { signedAttributes } from '../../src/crypto/pki/cms.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import { completeContract, endsOf, type Parties, template } from '../../src/exchange/contract.ts';
import { otherRole, ROLES } from '../../src/exchange/items.ts';
import {
  checkRelease,
  decodePromise,
  encodePromise,
  encodeRelease,
  openPromises,
  promiseCheck,
  promiseJob,
} from '../../src/exchange/promise.ts';
import { type ExchangeRecord, xidOf } from '../../src/exchange/record.ts';
import { AssertionFailed, present } from '../../src/lib/assert.ts';
import { concat, equal, fromInt, toInt, utf8 } from '../../src/lib/bytes.ts';
import { enc } from '../../src/lib/cbor.ts';
import { PeerFault, type PeerFaultCode } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { simulate } from '../support/escrow.ts';
import { accepts, type Cast, type Made, makeCast, NOW, partiesOf, promiseOf, recordOf } from '../support/exchange.ts';

let cast: Cast;
let parties: Parties;
let record: ExchangeRecord;
let made: { readonly O: Made; readonly R: Made };
let promises: { readonly O: Uint8Array; readonly R: Uint8Array };

before(async () => {
  cast = await makeCast();
  parties = partiesOf(cast);
  record = recordOf(cast);
  made = { O: promiseOf(cast, record, 'O'), R: promiseOf(cast, record, 'R') };
  promises = { O: made.O.promise, R: made.R.promise };
});

const fault = (code: PeerFaultCode) => (error: unknown) => error instanceof PeerFault && error.code === code;

test('undisturbed: both sides end with the same bytes', () => {
  for (const role of ROLES) assert.ok(accepts(record, role, promises[role], parties));
  const received = {
    O: checkRelease(record, 'O', encodeRelease(record, 'O', made.O.signature), promises.O, parties),
    R: checkRelease(record, 'R', encodeRelease(record, 'R', made.R.signature), promises.R, parties),
  };
  const ofO = completeContract(record, parties, { O: made.O.signature, R: received.R });
  const ofR = completeContract(record, parties, { O: received.O, R: made.R.signature });
  assert.deepEqual(ofO, ofR);
});

test('resolved: the arbiter’s bytes are the very same, whoever asks', () => {
  const undisturbed = completeContract(record, parties, { O: made.O.signature, R: made.R.signature });
  for (const by of ROLES) {
    const opened = openPromises(record, parties, promises, cast.kem.secret, by);
    assert.ok(opened !== null);
    assert.deepEqual(completeContract(record, parties, opened), undisturbed);
  }
});

test('what is signed follows from the record: same bytes at every side, other bytes for every other record', () => {
  const of = (x: ExchangeRecord, role: 'O' | 'R') => template(x, role, parties).signedAttributes;
  assert.deepEqual(of(record, 'O'), of({ ...record }, 'O'));
  assert.ok(!equal(of(record, 'O'), of(record, 'R')));
  assert.ok(!equal(of(record, 'O'), of({ ...record, signingTime: NOW + 1 }, 'O')));
  assert.ok(!equal(of(record, 'O'), of({ ...record, document: sha256(utf8('another')) }, 'O')));
  assert.deepEqual(template(record, 'R', parties).digest, sha256(of(record, 'R')));
});

test('we never promise a signature that is not over the template', () => {
  const wrong = signP256(cast.O.key, template(record, 'R', parties).signedAttributes);
  assert.throws(() => promiseJob(record, 'O', wrong, parties), AssertionFailed);
});

test('a promise holds for one exchange, one role, one pair of parties', () => {
  const elsewhere: readonly (readonly [string, () => boolean])[] = [
    ['another exchange', () => accepts({ ...record, nonce: systemRng(32) }, 'O', promises.O, parties)],
    ['the other role', () => accepts(record, 'R', promises.O, parties)],
    [
      'roles exchanged between the same people',
      () => {
        const turned = { ...parties, O: parties.R, R: parties.O };
        const x = { ...record, originator: record.responder, responder: record.originator };
        return accepts({ ...x, verifierO: record.verifierR, verifierR: record.verifierO }, 'R', promises.O, turned);
      },
    ],
    [
      'another recipient with the same verifier key',
      () => {
        const R = { ...parties.R, certificate: cast.T.certificate };
        return accepts(record, 'O', promises.O, { ...parties, R });
      },
    ],
    [
      'another verifier key of the recipient',
      () =>
        accepts(record, 'O', promises.O, { ...parties, R: { ...parties.R, verifier: generateVerifierKey().public } }),
    ],
    [
      'another KEM key of the arbiter',
      () => accepts(record, 'O', promises.O, { ...parties, T: { ...parties.T, kem: systemRng(32) } }),
    ],
  ];
  for (const [name, accepted] of elsewhere) assert.equal(accepted(), false, name);
});

test('the label names exchange, role, both ends and the statement; the keys are the arbiter’s and the receiver’s', () => {
  for (const role of ROLES) {
    const check = promiseCheck(record, role, promises[role], parties);
    const decoded = decodePromise(promises[role], 'invisible');
    assert.ok(check.kind === 'escrow' && decoded.kind === 'escrow');
    const [from, to] = role === 'O' ? [cast.O, cast.R] : [cast.R, cast.O];
    const { digest } = template(record, role, parties);
    const key = present(from.certificate.point, 'point');
    assert.deepEqual(check.label, {
      xid: xidOf(record),
      role,
      sender: from.certificate.hash,
      recipient: to.certificate.hash,
      anchor: null,
      statements: [signatureStatement(digest, decoded.noncePoint, key)],
    });
    assert.deepEqual(check.keys, { kem: cast.kem.public, verifier: to.verifier.public });
    const job = promiseJob(record, role, made[role].signature, parties);
    assert.deepEqual({ label: job.label, keys: job.keys }, { label: check.label, keys: check.keys });
  }
});

test('⚔ a promise proven under a verifier key from X convinces only who takes V from X', () => {
  // The liar knows the secret of the V that it writes into X, and simulates a promise of a signature nobody ever made.
  const { digest } = template(record, 'O', parties);
  const point = publicPoint(fromInt(12345n, 32));
  const liar = generateVerifierKey();
  const lie = { ...record, verifierR: liar.public };
  const statement = signatureStatement(digest, point, present(cast.O.certificate.point, 'point'));
  const label = { xid: xidOf(lie), role: 'O', ...endsOf(parties, 'O'), anchor: null, statements: [statement] } as const;
  const keys = { kem: cast.kem.public, verifier: liar.public };
  const promise = encodePromise({ noncePoint: point, proof: simulate(SCHEME, label, keys, liar.secret) });
  assert.equal(accepts(lie, 'O', promise, parties), false);
  const mutant: Parties = { ...parties, R: { ...parties.R, verifier: lie.verifierR } };
  assert.equal(accepts(lie, 'O', promise, mutant), true, 'the attack is real');
});

/** A promise that proves correctly, but of a signature on other attributes than X yields. */
function junk(role: 'O' | 'R', attributes: Uint8Array): Uint8Array {
  const signature = signP256(cast[role].key, attributes);
  const key = present(cast[role].certificate.point, 'point');
  const point = noncePoint(sha256(attributes), signature, key);
  const statements = [signatureStatement(sha256(attributes), point, key)];
  const label = { xid: xidOf(record), role, ...endsOf(parties, role), anchor: null, statements } as const;
  const keys = { kem: cast.kem.public, verifier: parties[otherRole(role)].verifier };
  const proof = prove(label, [signature.slice(32)], keys, systemRng(32));
  assert.ok(verify(label, proof, keys), 'the proof itself is good');
  return encodePromise({ noncePoint: point, proof });
}

test('⚔ a promise of a signature on something else is accepted by nobody, least of all by the arbiter', () => {
  const { hash } = cast.R.certificate;
  const things = [
    signedAttributes({ digest: record.document, signingTime: NOW + 1, certificateHash: hash }),
    signedAttributes({ digest: sha256(utf8('junk')), signingTime: NOW, certificateHash: hash }),
    signedAttributes({ digest: record.document, signingTime: NOW, certificateHash: cast.O.certificate.hash }),
    utf8('junk'),
  ];
  for (const attributes of things) {
    const promise = junk('R', attributes);
    assert.equal(accepts(record, 'R', promise, parties), false);
    for (const by of ROLES)
      assert.equal(openPromises(record, parties, { O: promises.O, R: promise }, cast.kem.secret, by), null);
  }
});

test('the arbiter opens both or neither', () => {
  const empty = encodePromise({ noncePoint: new Uint8Array(33).fill(2), proof: new Uint8Array() });
  const off = encodePromise({ noncePoint: new Uint8Array(33).fill(0xff), proof: new Uint8Array() });
  const bad = [empty, off, promises.R, new Uint8Array(), Uint8Array.of(0xff), enc(1, 'affidavit', new Uint8Array(64))];
  for (const by of ROLES) {
    for (const one of bad) {
      assert.equal(openPromises(record, parties, { O: one, R: promises.R }, cast.kem.secret, by), null);
      if (one !== promises.R)
        assert.equal(openPromises(record, parties, { O: promises.O, R: one }, cast.kem.secret, by), null);
    }
    assert.equal(openPromises(record, parties, { O: promises.R, R: promises.O }, cast.kem.secret, by), null);
    assert.equal(openPromises(record, parties, promises, systemRng(32), by), null);
    assert.equal(openPromises({ ...record, nonce: systemRng(32) }, parties, promises, cast.kem.secret, by), null);
  }
});

test('a release is the promised signature with low s and nothing else', () => {
  const check = (release: Uint8Array) => checkRelease(record, 'O', release, promises.O, parties);
  const { signature } = made.O;
  const again = signP256(cast.O.key, template(record, 'O', parties).signedAttributes);
  const high = concat(signature.slice(0, 32), fromInt(ORDER - toInt(signature.slice(32)), 32));
  const other = signP256(cast.O.key, utf8('something else'));
  assert.throws(
    () => check(encodeRelease(record, 'O', again)),
    fault('bad-signature'),
    'good, but not the promised one',
  );
  assert.throws(() => check(encodeRelease(record, 'O', high)), fault('bad-signature'), 'high s');
  assert.throws(() => check(encodeRelease(record, 'O', other)), fault('bad-signature'), 'of something else');
  assert.throws(
    () => check(encodeRelease(record, 'R', made.R.signature)),
    fault('bad-signature'),
    'of the other party',
  );
  assert.throws(() => check(enc(2, signature)), fault('unknown-version'));
  assert.throws(() => check(enc(1, signature, 0)), fault('malformed'));
  assert.throws(() => check(enc(1, signature.slice(1))), fault('malformed'));
  for (let at = 3; at < 68; at += 7) {
    const flipped = encodeRelease(record, 'O', signature).map((byte, i) => (i === at ? byte ^ 1 : byte));
    assert.throws(() => check(flipped), PeerFault, `byte ${at}`);
  }
});

test('the contract takes both signatures and no others', () => {
  const good = { O: made.O.signature, R: made.R.signature };
  const other = signP256(cast.O.key, utf8('something else'));
  assert.throws(() => completeContract(record, parties, { ...good, O: other }), fault('bad-signature'));
  assert.throws(() => completeContract(record, parties, { O: good.R, R: good.O }), fault('bad-signature'));
  const high = concat(good.R.slice(0, 32), fromInt(ORDER - toInt(good.R.slice(32)), 32));
  assert.throws(() => completeContract(record, parties, { ...good, R: high }), fault('bad-signature'));
  assert.throws(() => completeContract({ ...record, signingTime: NOW + 1 }, parties, good), fault('bad-signature'));
});

test('promises decode strictly', () => {
  const decoded = decodePromise(promises.O, 'invisible');
  assert.equal(decoded.kind, 'escrow');
  assert.deepEqual(decoded.kind === 'escrow' && encodePromise(decoded), promises.O);
  const point = new Uint8Array(33).fill(2);
  const proof = new Uint8Array(3);
  for (const [bytes, code] of [
    [enc(2, 'escrow', point, proof), 'unknown-version'],
    [enc(1, 'other', point, proof), 'malformed'],
    [enc(1, 'escrow', point.slice(1), proof), 'malformed'],
    [enc(1, 'escrow', point), 'malformed'],
    [enc(1, 'escrow', point, proof, proof), 'malformed'],
    [enc(1, 'escrow', point, 'proof'), 'malformed'],
    [enc(1, 'affidavit', new Uint8Array(64)), 'malformed'],
    [new Uint8Array(1 << 20), 'oversized'],
  ] as const)
    assert.throws(() => decodePromise(bytes, 'invisible'), fault(code));
  assert.throws(() => decodePromise(promises.O, 'affidavit'), fault('malformed'));
});

test('a nonce point that is none is refused before any proof is looked at', () => {
  for (const point of [
    new Uint8Array(33),
    new Uint8Array(33).fill(2, 0, 1),
    new Uint8Array(33).fill(0xff),
    new Uint8Array(33).fill(6),
  ]) {
    const promise = encodePromise({ noncePoint: point, proof: new Uint8Array(3) });
    assert.throws(() => promiseCheck(record, 'O', promise, parties), fault('bad-proof'));
  }
});

test('no promise of an invisible exchange carries a signature of its sender', () => {
  // Abuse-freeness: nothing in message 1 verifies under the certificate of O, so R alone could have made it.
  const control = signControl(cast.O.key, 'affidavit promise', xidOf(record), 'O');
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  assert.ok(!hex(promises.O).includes(hex(control).slice(0, 32)));
  assert.ok(!hex(promises.O).includes(hex(made.O.signature.slice(32))), 's is not in the promise');
  const decoded = decodePromise(promises.O, 'invisible');
  assert.ok(decoded.kind === 'escrow');
  const { label, keys } = promiseJob(record, 'O', made.O.signature, parties);
  const simulated = simulate(SCHEME, label, keys, cast.R.verifier.secret);
  assert.ok(verify(label, simulated, keys), 'the receiver can make such a promise alone');
});
