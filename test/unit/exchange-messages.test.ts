/** The five payloads of /fit/exchange/1. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { decodeMessage, type ExchangeMessage, encodeMessage } from '../../src/exchange/messages.ts';
import { type ExchangeRecord, recordToCbor, xidOf } from '../../src/exchange/record.ts';
import { type Cbor, encode } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { makeCast, recordOf } from '../support/exchange.ts';

let record: ExchangeRecord;
let messages: readonly ExchangeMessage[];
const promise = new Uint8Array(100).fill(7);
const release = new Uint8Array(68).fill(8);

before(async () => {
  record = recordOf(await makeCast());
  const xid = xidOf(record);
  messages = [
    { kind: 'promise', role: 'O', record, promise },
    { kind: 'promise', role: 'R', xid, promise },
    { kind: 'release', role: 'O', xid, release },
    { kind: 'release', role: 'R', xid, release },
    { kind: 'declined', xid },
  ];
});

test('decode undoes encode', () => {
  for (const message of messages) {
    assert.deepEqual(decodeMessage(encodeMessage(message)), message);
  }
});

test('every element changed, left out or added is refused', () => {
  const x = recordToCbor(record);
  const xid = xidOf(record);
  const wrong: readonly (readonly [Cbor, string])[] = [
    [[2, 'promise-o', x, promise], 'unknown-version'],
    [[0, 'declined', xid], 'unknown-version'],
    [['1', 'declined', xid], 'unknown-version'],
    [[], 'unknown-version'],
    [[1], 'malformed'],
    [[1, 'promise', xid, promise], 'malformed'],
    [[1, 7, xid, promise], 'malformed'],
    [[1, 'promise-o', xid, promise], 'malformed'],
    [[1, 'promise-o', x.slice(1), promise], 'unknown-version'],
    [[1, 'promise-o', x], 'malformed'],
    [[1, 'promise-o', x, promise, promise], 'malformed'],
    [[1, 'promise-o', x, 'promise'], 'malformed'],
    [[1, 'promise-r', x, promise], 'malformed'],
    [[1, 'promise-r', xid.slice(1), promise], 'malformed'],
    [[1, 'promise-r', xid], 'malformed'],
    [[1, 'promise-r', xid, null], 'malformed'],
    [[1, 'release-o', xid], 'malformed'],
    [[1, 'release-o', xid, new Uint8Array(101)], 'malformed'],
    [[1, 'release-r', xid, release, release], 'malformed'],
    [[1, 'release-r', null, release], 'malformed'],
    [[1, 'declined'], 'malformed'],
    [[1, 'declined', xid, xid], 'malformed'],
    [[1, 'declined', new Uint8Array(33)], 'malformed'],
    [null, 'malformed'],
  ];
  for (const [value, code] of wrong) {
    assert.throws(
      () => decodeMessage(encode(value)),
      (error) => error instanceof PeerFault && error.code === code,
      JSON.stringify(value),
    );
  }
});

test('sizes are bounded before anything is read', () => {
  assert.throws(
    () => decodeMessage(new Uint8Array(1 << 16)),
    (error) => error instanceof PeerFault && error.code === 'oversized',
  );
});

test('no frame reads as another message: kinds hold the sender’s role', () => {
  const frames = new Set(messages.map((message) => Buffer.from(encodeMessage(message)).toString('hex')));
  assert.equal(frames.size, messages.length);
});
