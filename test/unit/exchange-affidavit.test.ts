/** Affidavit mode: signed promises, and the arbiter's statement that stands for both signatures. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import {
  AFFIDAVIT_CLAUSE,
  type Affidavit,
  parseStatement,
  statementText,
  verifyAffidavit,
} from '../../src/exchange/affidavit.ts';
import { contradiction, encodeAnswer, makeResolved, makeToken, verifyAnswer } from '../../src/exchange/answers.ts';
import { completeContract, type Parties } from '../../src/exchange/contract.ts';
import { ROLES } from '../../src/exchange/items.ts';
import { affidavitPromise, checkRelease, encodeRelease, promiseCheck } from '../../src/exchange/promise.ts';
import { type ExchangeRecord, xidOf } from '../../src/exchange/record.ts';
import type { Promises } from '../../src/exchange/requests.ts';
import { AssertionFailed } from '../../src/lib/assert.ts';
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { type Cast, type Made, makeCast, NOW, partiesOf, promiseOf, recordOf } from '../support/exchange.ts';

let cast: Cast;
let parties: Parties;
let record: ExchangeRecord;
let made: { readonly O: Made; readonly R: Made };
let promises: Promises;

before(async () => {
  cast = await makeCast();
  parties = partiesOf(cast);
  record = recordOf(cast, 'affidavit');
  made = { O: promiseOf(cast, record, 'O'), R: promiseOf(cast, record, 'R') };
  promises = { O: made.O.promise, R: made.R.promise };
});

const keys = () => ({ signing: cast.T.key, kemSecret: cast.kem.secret });
const certificates = () => ({ O: cast.O.certificate, R: cast.R.certificate, T: cast.T.certificate });

/** What the arbiter hands out, or null. */
function affidavit(both: Promises, now = NOW) {
  const answer = makeResolved(record, parties, both, 'R', keys(), now);
  if (answer === null) return null;
  const verified = verifyAnswer(record, parties, answer);
  assert.ok(verified.kind === 'affidavit');
  return { answer, ...verified.affidavit };
}

/** Whatever text, signed by the arbiter. */
function statedBy(text: Uint8Array): Affidavit {
  const { certificate, key } = cast.T;
  const attributes = signedAttributes({ digest: sha256(text), signingTime: NOW, certificateHash: certificate.hash });
  const signature = signP256(key, attributes);
  return { text, signature: assembleSignedData([{ certificate, signedAttributes: attributes, signature }]) };
}

test('undisturbed it ends with the same contract as any other mode', () => {
  for (const role of ROLES)
    assert.deepEqual(promiseCheck(record, role, promises[role], parties), { kind: 'affidavit' });
  const O = checkRelease(record, 'O', encodeRelease(record, 'O', made.O.signature), promises.O, parties);
  const R = checkRelease(record, 'R', encodeRelease(record, 'R', made.R.signature), promises.R, parties);
  assert.ok(completeContract(record, parties, { O, R }).length > 0);
});

test('a promise binds its sender to one exchange, role and recipient', () => {
  const refused = (x: ExchangeRecord, role: 'O' | 'R', promise: Uint8Array, among = parties) =>
    assert.throws(() => promiseCheck(x, role, promise, among), PeerFault);
  refused({ ...record, nonce: systemRng(32) }, 'O', promises.O);
  refused(record, 'R', promises.O);
  refused(record, 'O', promises.R);
  refused(record, 'O', promises.O, { ...parties, R: { ...parties.R, certificate: cast.T.certificate } });
  refused(record, 'O', affidavitPromise(record, 'O', cast.R.key, parties));
  refused({ ...record, mode: 'invisible' }, 'O', promises.O);
  assert.throws(() => affidavitPromise({ ...record, mode: 'invisible' }, 'O', cast.O.key, parties), AssertionFailed);
});

test('the statement is one text, which a third person checks', () => {
  const made = affidavit(promises);
  assert.ok(made !== null);
  assert.deepEqual(parseStatement(made.text), { record, promises });
  assert.ok(fromUtf8(made.text).includes(AFFIDAVIT_CLAUSE));
  assert.deepEqual(verifyAffidavit(made, record.document, certificates()), record);
});

test('the arbiter states nothing without both promises, and cannot alone', () => {
  const forgedR = affidavitPromise(record, 'R', cast.T.key, parties);
  for (const both of [
    { O: promises.O, R: promises.O },
    { O: promises.R, R: promises.R },
    { O: promises.O, R: forgedR },
    { O: promises.O, R: new Uint8Array(3) },
  ])
    assert.equal(affidavit(both), null);
  const alone = statedBy(statementText(record, { O: promises.O, R: forgedR }));
  assert.throws(() => verifyAffidavit(alone, record.document, certificates()), /a promise is not signed/);
});

test('the arbiter cannot say more than the text says', () => {
  const text = fromUtf8(statementText(record, promises));
  for (const more of [
    `${text}The price is doubled.\n`,
    text.replace('deal: ', 'deal:  '),
    text.replace('before', 'after'),
  ]) {
    assert.notEqual(more, text);
    assert.throws(() => verifyAffidavit(statedBy(utf8(more)), record.document, certificates()), /not the text/);
  }
  assert.throws(() => parseStatement(utf8(text.replace(/^record: .*$/m, ''))), /no record/);
  assert.throws(() => parseStatement(utf8(text.replace(/^record: /m, 'record: XY'))), PeerFault);
  assert.throws(() => parseStatement(Uint8Array.of(0xff)), /not UTF-8/);
  assert.throws(() => parseStatement(new Uint8Array(5000)), PeerFault);
});

test('a statement counts for its document, its people and its time only', () => {
  const made = affidavit(promises);
  const late = makeResolved(record, parties, promises, 'R', keys(), record.notAfter);
  assert.ok(made !== null && late !== null);
  assert.throws(() => verifyAffidavit(made, sha256(utf8('another')), certificates()), /another document/);
  for (const role of ['O', 'R', 'T'] as const)
    assert.throws(
      () =>
        verifyAffidavit(made, record.document, {
          ...certificates(),
          [role]: cast[role === 'O' ? 'R' : 'O'].certificate,
        }),
      /other parties/,
    );
  assert.throws(() => verifyAnswer(record, parties, late), /after the time limit/);
  assert.throws(() => verifyAnswer({ ...record, nonce: systemRng(32) }, parties, made.answer), PeerFault);
  assert.throws(() => verifyAnswer({ ...record, mode: 'invisible' }, parties, made.answer), /another mode/);
});

test('every changed byte of text or signature is found', () => {
  const made = affidavit(promises);
  assert.ok(made !== null);
  const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  for (let at = 0; at < made.text.length; at += 11)
    assert.throws(
      () => verifyAffidavit({ ...made, text: flip(made.text, at) }, record.document, certificates()),
      PeerFault,
    );
  for (let at = 0; at < made.signature.length; at += 11)
    assert.throws(
      () => verifyAffidavit({ ...made, signature: flip(made.signature, at) }, record.document, certificates()),
      PeerFault,
    );
});

test('token and statement together prove that the arbiter broke its word', () => {
  const made = affidavit(promises);
  assert.ok(made !== null);
  const token = makeToken(xidOf(record), cast.T.key);
  assert.ok(contradiction(record, parties, token, made.answer));
  const signatures = { O: new Uint8Array(64), R: new Uint8Array(64) };
  const other = encodeAnswer({ kind: 'resolved', witnesses: signatures, signature: new Uint8Array(64) });
  assert.equal(contradiction(record, parties, token, other), false);
});
