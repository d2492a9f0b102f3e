/** `check = "full"` where it is written: in a text, in the note and the receipt, and in the request that a locked daemon sends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noteOf } from '../../src/commerce/note.ts';
import { chunksOf } from '../../src/crypto/content.ts';
import { decodeSpooled, encodeSpooled } from '../../src/daemon/spool.ts';
import { joinFrontMatter, parseDocument } from '../../src/exchange/document.ts';
import { MAX_FULL_BYTES, readCheck, windowOf } from '../../src/exchange/items.ts';
import { type ContentTerms, type DocumentFormat, exchangedItems, type Terms } from '../../src/exchange/terms.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { encode } from '../../src/lib/cbor.ts';

const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const parties = [
  { role: 'sender', name: 'Elm', certificate: hash(1) },
  { role: 'receiver', name: 'Oak', certificate: hash(2) },
] as const;
const contentOf = (bytes: number): ContentTerms => ({
  root: hash(3),
  bytes,
  chunks: chunksOf(bytes),
  credential: null,
  files: [{ name: 'plan.pdf', size: bytes, sha256: hash(4) }],
});

function text(bytes: number, changes: Partial<Terms> = {}, format: DocumentFormat = 'delivery/1'): Uint8Array {
  const content = contentOf(bytes);
  const terms: Terms = {
    format,
    content,
    other: null,
    want: null,
    title: 'Delivery',
    deal: 'aaaaaaaaaaaa',
    references: [],
    parties,
    arbiter: { name: 'Notary', certificate: hash(5), terms: hash(6), mode: 'invisible' },
    transfer: null,
    items: exchangedItems(format, parties),
    check: 'full',
    offerUntil: 1_900_000_000,
    notAfter: 1_900_100_000,
    margin: 3600,
    attachments: [],
    ...changes,
  };
  return utf8(joinFrontMatter(terms, noteOf(content, windowOf(terms.check))));
}

test('a full check stands in a delivery’s text, up to its bound, and in no swap', () => {
  assert.equal(parseDocument(text(MAX_FULL_BYTES)).terms.check, 'full');
  assert.throws(() => parseDocument(text(MAX_FULL_BYTES + 1)), /more content than a full check takes/);
  parseDocument(text(MAX_FULL_BYTES + 1, { check: 'window=3600' }));
  assert.throws(() => parseDocument(text(10, { want: 'a scan' }, 'swap/1')), /a full check is for deliveries/);
  for (const other of ['Full', 'full ', 'full=1', 'fu']) assert.equal(readCheck(other), undefined);
});

test('the note says that an asked arbiter can read the content', () => {
  assert.match(noteOf(contentOf(10), 0), /compares all of it, and can read\nit/);
  assert.doesNotMatch(noteOf(contentOf(10), 0), /first asked/);
});

test('a prepared request says where the ciphertext lies; one of before full checks is still read', () => {
  const request = { certificate: 'c', peer: 'p', addresses: ['a'], due: 7, request: hash(1), answer: null };
  for (const ciphertext of [null, { folder: 'f', bytes: 10, root: hash(9) }]) {
    const spooled = { ...request, ciphertext };
    assert.deepEqual(decodeSpooled(encodeSpooled(spooled)), spooled);
  }
  const old = encode([1, 'c', 'p', ['a'], 7, hash(1), null]);
  assert.deepEqual(decodeSpooled(old), { ...request, ciphertext: null });
  assert.throws(() => decodeSpooled(encode([3, 'c', 'p', ['a'], 7, hash(1), null, null])));
});
