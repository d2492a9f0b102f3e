/** What the arbiter is asked, what it checks, what it answers, and what a party believes of it. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { signControl, verifyControl } from '../../src/crypto/control.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import {
  contradiction,
  decodeAnswer,
  encodeAnswer,
  makeResolved,
  makeToken,
  makeVoid,
  openAnswer,
  sealAnswer,
  verifyAnswer,
} from '../../src/exchange/answers.ts';
import { type ArbiterInput, initialArbiterState, stepArbiter } from '../../src/exchange/arbiter.ts';
import { completeContract, type DocumentTerms, makeRecord, type Parties } from '../../src/exchange/contract.ts';
import { ROLES } from '../../src/exchange/items.ts';
import { encodePromise } from '../../src/exchange/promise.ts';
import { type ExchangeRecord, recordToCbor, xidOf } from '../../src/exchange/record.ts';
import {
  type ArbiterSelf,
  checkRequest,
  kemKeyOf,
  makeRequest,
  openRequest,
  type Promises,
  REQUEST_KINDS,
  type RequestFailure,
  sealRequest,
} from '../../src/exchange/requests.ts';
import { AssertionFailed } from '../../src/lib/assert.ts';
import { equal } from '../../src/lib/bytes.ts';
import { type Cbor, decode, enc, encode } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import {
  type Cast,
  DAY,
  type Made,
  makeCast,
  NOW,
  partiesOf,
  person,
  promiseOf,
  recordOf,
  requestOf,
  selfOf,
  signedRequest,
  termsOf,
} from '../support/exchange.ts';

let cast: Cast;
let parties: Parties;
let record: ExchangeRecord;
let self: ArbiterSelf;
let made: { readonly O: Made; readonly R: Made };
let promises: Promises;
const answerKeys = generateKem();
const to = (xid: Uint8Array) => ({ answerKey: answerKeys.public, xid });

before(async () => {
  cast = await makeCast();
  parties = partiesOf(cast);
  record = recordOf(cast);
  self = selfOf(cast);
  made = { O: promiseOf(cast, record, 'O'), R: promiseOf(cast, record, 'R') };
  promises = { O: made.O.promise, R: made.R.promise };
});

const keys = () => ({ signing: cast.T.key, kemSecret: cast.kem.secret });

function fails(bytes: Uint8Array, reason: RequestFailure, arbiter = self, now = NOW): void {
  const outcome = checkRequest(bytes, arbiter, now);
  assert.deepEqual(outcome.kind === 'failed' ? outcome.reason : outcome.kind, reason);
}

test('a request arrives whole, and only at the holder of the KEM key', () => {
  for (const kind of REQUEST_KINDS.filter((one) => one !== 'misbehaviour')) {
    const by = kind === 'abort' ? 'O' : 'R';
    const request = signedRequest(cast, record, kind, by, answerKeys.public, kind === 'resolve' ? promises : null);
    const sealed = sealRequest(cast.kem.public, request);
    const opened = openRequest(sealed, [generateKem(), cast.kem]);
    assert.deepEqual(opened, { request, key: cast.kem });
    assert.throws(() => openRequest(sealed, [generateKem()]), PeerFault);
    const outcome = checkRequest(opened.request, self, NOW);
    assert.ok(outcome.kind === 'authentic');
    assert.deepEqual(outcome.xid, xidOf(record));
    assert.deepEqual(
      outcome.request,
      requestOf(cast, record, kind, by, answerKeys.public, kind === 'resolve' ? promises : null),
    );
    assert.deepEqual(outcome.parties.O.certificate.hash, cast.O.certificate.hash);
    assert.deepEqual(outcome.parties.R.verifier, cast.R.verifier.public);
  }
});

test('a resolve request has promises, the others have none', () => {
  assert.throws(() => signedRequest(cast, record, 'resolve', 'R', answerKeys.public), AssertionFailed);
  assert.throws(() => signedRequest(cast, record, 'abort', 'O', answerKeys.public, promises), AssertionFailed);
});

/** The request with one element of its signed body replaced, signed anew by `by` unless `signature` is kept. */
function forged(change: (body: readonly Cbor[]) => readonly Cbor[], options: { readonly resign: boolean }): Uint8Array {
  const [version, body, signature] = decode(
    signedRequest(cast, record, 'abort', 'O', answerKeys.public),
    1 << 20,
  ) as readonly [number, Uint8Array, Uint8Array];
  const changed = encode(change(decode(body, 1 << 20) as readonly Cbor[]));
  return enc(version, changed, options.resign ? signControl(cast.O.key, 'abort request', changed) : signature);
}

test('⚔ an abort belongs to its X: moved to another exchange it fails', () => {
  const other = { ...record, nonce: systemRng(32) };
  fails(
    forged((body) => body.with(2, recordToCbor(other)), { resign: false }),
    'bad-signature',
  );
});

test('every other part of a request is signed as well', () => {
  const changes: readonly ((body: readonly Cbor[]) => readonly Cbor[])[] = [
    (body) => body.with(1, 'status'),
    (body) => body.with(3, 'R'),
    (body) => body.with(4, [cast.O.certificate.der, cast.T.certificate.der]),
    (body) => body.with(7, generateKem().public),
  ];
  for (const change of changes) fails(forged(change, { resign: false }), 'bad-signature');
});

test('requests of another form are told to be malformed', () => {
  const changes: readonly ((body: readonly Cbor[]) => readonly Cbor[])[] = [
    (body) => body.with(0, 2),
    (body) => body.with(1, 'misbehaviour'),
    (body) => body.with(2, recordToCbor(record).with(10, 'visible')),
    (body) => body.with(3, 'T'),
    (body) => body.with(4, []),
    (body) =>
      body.with(
        4,
        Array.from({ length: 5 }, () => cast.O.certificate.der),
      ),
    (body) => body.with(5, [new Uint8Array(8193)]),
    (body) => body.with(6, [promises.O, promises.R]),
    (body) => body.with(1, 'resolve'),
    (body) => body.with(1, 'resolve').with(6, [promises.O]),
    (body) => body.with(1, 'resolve').with(6, [promises.O, new Uint8Array(3)]),
    (body) => body.with(7, new Uint8Array(31)),
    (body) => body.slice(1),
    (body) => [...body, 0],
  ];
  for (const [i, change] of changes.entries()) {
    const outcome = checkRequest(forged(change, { resign: true }), self, NOW);
    assert.deepEqual(outcome, { kind: 'failed', reason: 'malformed', to: null }, `change ${i}`);
  }
  for (const bytes of [new Uint8Array(), new Uint8Array(1 << 20), enc(1), enc(2, new Uint8Array(), new Uint8Array(64))])
    fails(bytes, 'malformed');
});

test('the arbiter’s checks come in the order of the specification and are told', async () => {
  const abort = (x: ExchangeRecord, people = cast) => signedRequest(people, x, 'abort', 'O', answerKeys.public);
  const strangers = await makeCast();
  fails(abort(record), 'not-ours', { ...self, certificate: strangers.T.certificate });
  fails(abort(record), 'not-ours', { ...self, kems: [] });
  fails(abort(record), 'not-ours', { ...self, terms: [] });

  const garbage = requestOf(cast, record, 'abort', 'O', answerKeys.public);
  const without = { ...garbage, certificates: { ...garbage.certificates, R: [new Uint8Array(100)] } };
  fails(makeRequest(without, cast.O.key), 'bad-certificates');
  const swapped = { ...garbage, certificates: { ...garbage.certificates, R: [cast.T.certificate.der] } };
  fails(makeRequest(swapped, cast.O.key), 'bad-record');

  fails(abort(record), 'bad-record', { ...self, kems: [{ public: cast.kem.public, notAfter: NOW }] });
  fails(abort(record), 'bad-record', self, NOW - 301);
  fails(abort({ ...record, margin: 0 }), 'bad-record');
  fails(abort({ ...record, notAfter: NOW + 31 * DAY }), 'bad-record');
  fails(abort({ ...record, itemR: { kind: 'statement', template: 'receipt/1' } }), 'bad-record');
  fails(makeRequest(garbage, cast.R.key), 'bad-signature');
  fails(makeRequest(garbage, cast.T.key), 'bad-signature');
});

test('⚔ the arbiter is no party, by certificate or by key', async () => {
  for (const T of [cast.R, await person('renamed', { key: cast.O.key })]) {
    const people = { ...cast, T };
    const x = makeRecord(termsOf(people), partiesOf(people), { ...record, sealed: null });
    fails(signedRequest(people, x, 'abort', 'O', answerKeys.public), 'bad-record', selfOf(people));
  }
});

test('whatever a party lets pass, the arbiter lets pass', () => {
  const changes: readonly Partial<DocumentTerms>[] = [
    {},
    { mode: 'affidavit' },
    { margin: 3600 },
    { notAfter: NOW + 30 * DAY, margin: 29 * DAY },
    { deal: '000000000000' },
  ];
  for (const change of changes) {
    const x = makeRecord({ ...termsOf(cast), ...change }, parties, {
      nonce: systemRng(32),
      signingTime: NOW,
      sealed: null,
    });
    const outcome = checkRequest(signedRequest(cast, x, 'status', 'R', answerKeys.public), self, NOW + DAY);
    assert.equal(outcome.kind, 'authentic');
  }
});

test('a token says that this exchange will not be completed, and nothing more', () => {
  const token = makeToken(xidOf(record), cast.T.key);
  const verified = verifyAnswer(record, parties, token);
  assert.ok(verified.kind === 'token');
  const { publicKey } = cast.T.certificate;
  assert.ok(verifyControl(publicKey, 'token', verified.token, xidOf(record), 'will not be completed'));
  assert.throws(() => verifyAnswer({ ...record, nonce: systemRng(32) }, parties, token), PeerFault);
  for (const key of [cast.O.key, cast.R.key])
    assert.throws(() => verifyAnswer(record, parties, makeToken(xidOf(record), key)), PeerFault);
});

test('a resolved answer carries the contract, believed because it verifies', () => {
  const undisturbed = completeContract(record, parties, { O: made.O.signature, R: made.R.signature });
  for (const by of ROLES) {
    const answer = makeResolved(record, parties, promises, by, keys(), NOW);
    assert.ok(answer !== null);
    const verified = verifyAnswer(record, parties, answer);
    assert.ok(verified.kind === 'resolved' && verified.signed);
    assert.deepEqual(verified.contract, undisturbed);
  }
  const signatures = { O: made.O.signature, R: made.R.signature };
  const unsigned = encodeAnswer({ kind: 'resolved', witnesses: signatures, signature: new Uint8Array(64) });
  const verified = verifyAnswer(record, parties, unsigned);
  assert.ok(verified.kind === 'resolved' && !verified.signed, 'the contract needs nobody’s word');
  const swapped = encodeAnswer({
    kind: 'resolved',
    witnesses: { O: made.R.signature, R: made.O.signature },
    signature: new Uint8Array(64),
  });
  assert.throws(() => verifyAnswer(record, parties, swapped), PeerFault);
});

test('token and resolution together prove that the arbiter broke its word', () => {
  const token = makeToken(xidOf(record), cast.T.key);
  const resolved = makeResolved(record, parties, promises, 'R', keys(), NOW);
  assert.ok(resolved !== null);
  assert.ok(contradiction(record, parties, token, resolved));
  const other = { ...record, nonce: systemRng(32) };
  const signatures = { O: made.O.signature, R: made.R.signature };
  const unsigned = encodeAnswer({ kind: 'resolved', witnesses: signatures, signature: new Uint8Array(64) });
  for (const [a, b] of [
    [resolved, token],
    [token, token],
    [token, unsigned],
    [makeToken(xidOf(other), cast.T.key), resolved],
    [makeToken(xidOf(record), cast.O.key), resolved],
    [token, new Uint8Array()],
    [new Uint8Array(), resolved],
  ] as const)
    assert.equal(contradiction(record, parties, a, b), false);
});

test('promises open with the key that X names, whatever key the request was sealed to', () => {
  const newer = generateKem();
  const sealed = sealRequest(newer.public, signedRequest(cast, record, 'resolve', 'R', answerKeys.public, promises));
  const all = [newer, cast.kem];
  const { request, key } = openRequest(sealed, all);
  assert.deepEqual(key, newer);
  assert.equal(checkRequest(request, self, NOW).kind, 'authentic');
  assert.deepEqual(kemKeyOf(record, all), cast.kem);
  assert.equal(kemKeyOf(record, [newer]), undefined);
});

/** The arbiter as a daemon runs it: machine, checks and answers put together. Returns the bytes before sealing. */
function answerTo(bytes: Uint8Array, now = NOW): Uint8Array {
  const outcome = checkRequest(bytes, self, now);
  if (outcome.kind === 'failed') return encodeAnswer({ kind: 'failed', reason: outcome.reason });
  const { request, xid } = outcome;
  const times = { notAfter: request.record.notAfter, retention: 365 * DAY };
  const ports = { token: () => makeToken(xid, cast.T.key), voidToken: () => makeVoid(xid, cast.T.key) };
  let state = initialArbiterState<Uint8Array>();
  assert.notEqual(request.kind, 'misbehaviour');
  const kind = request.kind === 'misbehaviour' ? 'status' : request.kind;
  let input: ArbiterInput<Uint8Array> | null = { kind, by: request.by, now };
  while (input !== null) {
    const [after, effects]: ReturnType<typeof stepArbiter<Uint8Array>> = stepArbiter(ports, times, state, input);
    state = after;
    input = null;
    for (const effect of effects) {
      if (effect.kind === 'open' && request.promises !== null) {
        const answer = makeResolved(request.record, outcome.parties, request.promises, request.by, keys(), now);
        input = { kind: 'opened', by: request.by, answer, now };
      } else if (effect.kind === 'answer') return effect.value;
      else if (effect.kind === 'refuse') return encodeAnswer({ kind: 'refused' });
      else if (effect.kind !== 'record')
        return encodeAnswer({ kind: effect.kind === 'unknown' ? 'unknown' : 'undecided' });
    }
  }
  throw new Error('no answer');
}

test('⚔ every refusal after authentication is the same bytes', () => {
  const request = (kind: 'abort' | 'resolve', by: 'O' | 'R', both: Promises | null) =>
    answerTo(signedRequest(cast, record, kind, by, answerKeys.public, both));
  const junk = encodePromise({ noncePoint: new Uint8Array(33).fill(2), proof: new Uint8Array(5) });
  const elsewhere = promiseOf(cast, { ...record, nonce: systemRng(32) }, 'R').promise;
  const refusals = [
    request('abort', 'R', null),
    request('resolve', 'R', { O: promises.O, R: junk }),
    request('resolve', 'R', { O: junk, R: promises.R }),
    request('resolve', 'O', { O: promises.O, R: junk }),
    request('resolve', 'O', { O: junk, R: promises.R }),
    request('resolve', 'O', { O: junk, R: junk }),
    request('resolve', 'R', { O: promises.R, R: promises.O }),
    request('resolve', 'R', { O: promises.O, R: elsewhere }),
  ];
  for (const refusal of refusals) assert.ok(equal(refusal, encodeAnswer({ kind: 'refused' })));
  const good = verifyAnswer(record, parties, request('resolve', 'R', promises));
  assert.equal(good.kind, 'resolved');
});

test('machine and checks together: abort, status, expiry, oblivion', () => {
  const ask = (kind: 'abort' | 'resolve' | 'status', by: 'O' | 'R', now: number) =>
    verifyAnswer(
      record,
      parties,
      answerTo(signedRequest(cast, record, kind, by, answerKeys.public, kind === 'resolve' ? promises : null), now),
    ).kind;
  assert.equal(ask('abort', 'O', NOW), 'token');
  assert.equal(ask('status', 'R', NOW), 'undecided');
  assert.equal(ask('resolve', 'R', record.notAfter - 1), 'resolved');
  assert.equal(ask('resolve', 'R', record.notAfter), 'token');
  assert.equal(ask('status', 'O', record.notAfter), 'token');
  assert.equal(ask('resolve', 'R', record.notAfter + 365 * DAY), 'unknown');
});

test('answers travel sealed, padded to one length, and bound to their exchange', () => {
  const xid = xidOf(record);
  const resolved = makeResolved(record, parties, promises, 'R', keys(), NOW);
  assert.ok(resolved !== null);
  const answers = [
    resolved,
    makeToken(xid, cast.T.key),
    ...(['refused', 'unknown', 'undecided'] as const).map((kind) => encodeAnswer({ kind })),
    encodeAnswer({ kind: 'failed', reason: 'bad-record' }),
  ];
  const lengths = new Set<number>();
  for (const answer of answers) {
    const reply = sealAnswer(to(xid), answer);
    lengths.add(reply.length);
    assert.ok(equal(openAnswer(reply, xid, answerKeys.secret), answer));
    assert.throws(() => openAnswer(reply, systemRng(32), answerKeys.secret), PeerFault);
    assert.throws(() => openAnswer(reply, xid, generateKem().secret), PeerFault);
  }
  assert.equal(lengths.size, 1);
  const open = sealAnswer(null, encodeAnswer({ kind: 'failed', reason: 'malformed' }));
  assert.equal(decodeAnswer(openAnswer(open, xid, answerKeys.secret)).kind, 'failed');
  for (const kind of ['refused', 'unknown', 'undecided'] as const)
    assert.throws(() => openAnswer(sealAnswer(null, encodeAnswer({ kind })), xid, answerKeys.secret), PeerFault);
  assert.throws(() => openAnswer(sealAnswer(null, resolved), xid, answerKeys.secret), PeerFault);
});

test('answers decode strictly', () => {
  const sig = new Uint8Array(64);
  const wrong: readonly (readonly [Cbor, string])[] = [
    [[2, 'refused'], 'unknown-version'],
    [[1], 'malformed'],
    [[1, 'aborted'], 'malformed'],
    [[1, 'refused', 0], 'malformed'],
    [[1, 'token'], 'malformed'],
    [[1, 'token', new Uint8Array(63)], 'malformed'],
    [[1, 'token', sig, sig], 'malformed'],
    [[1, 'resolved', sig, sig], 'malformed'],
    [[1, 'resolved', sig, sig, new Uint8Array(65)], 'malformed'],
    [[1, 'failed'], 'malformed'],
    [[1, 'failed', 'because'], 'malformed'],
    [[1, 'affidavit', sig, sig], 'malformed'],
  ];
  for (const [value, code] of wrong)
    assert.throws(
      () => decodeAnswer(encode(value)),
      (error) => error instanceof PeerFault && error.code === code,
      JSON.stringify(value),
    );
});
