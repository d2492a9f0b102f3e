/** The text, the record, the statements and the messages of a transfer, and what is said of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { completeDocument, type DocumentContext, parseDocument } from '../../src/commerce/document.ts';
import { transferNoteOf } from '../../src/commerce/transfer-note.ts';
import {
  CHUNK_BYTES,
  chunkKeys,
  contentLeaf,
  encodeWrongChunk,
  merklePath,
  merkleRoot,
  saltOf,
  sealChunk,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../../src/crypto/p256.ts';
import { explainTransfer, fairnessOfTransfer, type TransferPosition } from '../../src/exchange/explain-transfer.ts';
import { decodeMessage, encodeMessage } from '../../src/exchange/messages.ts';
import type { ContentTerms, TransferTerms } from '../../src/exchange/terms.ts';
import { TRANSFER_FAULTS } from '../../src/exchange/transfer.ts';
import {
  decodeTransferMessage,
  encodeTransferMessage,
  type TransferMessage,
} from '../../src/exchange/transfer-messages.ts';
import {
  decodeTransferRecord,
  encodeTransferProof,
  encodeTransferRecord,
  isTransferKey,
  provesTransferWrong,
  type TransferRecord,
  transferId,
  transferText,
  verifyTransferStatement,
} from '../../src/exchange/transfer-record.ts';
import { concat, fromUtf8, utf8 } from '../../src/lib/bytes.ts';
import { isFitError, PeerFault } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { NOW, trader } from '../support/identities.ts';
import { signedTransfer } from '../support/transfers.ts';

const bytes32 = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const [elm, oak] = await Promise.all([trader('Elm'), trader('Oak')]);

const CONTENT: ContentTerms = {
  root: bytes32(9),
  bytes: 3,
  chunks: 1,
  credential: null,
  files: [{ name: 'a.txt', size: 3, sha256: bytes32(8) }],
};

const contextOf = (transfer: TransferTerms): DocumentContext => ({
  deal: '0123456789ab',
  author: { name: 'Elm', certificate: bytes32(1) },
  addressee: { name: 'Oak', certificate: bytes32(2) },
  arbiter: null,
  mode: 'invisible',
  offerUntil: 1_800_000_000,
  notAfter: 1_800_000_000,
  margin: 0,
  delivery: { content: CONTENT, check: 'none', transfer },
});

const noteOf = (transfer: TransferTerms): string =>
  fromUtf8(completeDocument(utf8(transferNoteOf(CONTENT, transfer)), contextOf(transfer)));

const ALL = [true, false].flatMap((origin) =>
  (['asked', 'none'] as const).map((receipt): TransferTerms => ({ origin, receipt })),
);

test('the front matter has the attributes and no arbiter, and is read back', () => {
  const text = noteOf({ origin: true, receipt: 'asked' });
  assert.equal(
    text.slice(0, text.indexOf('+++\n', 4)),
    `+++
fit = "transfer/1"
title = "Transfer: a.txt"
deal = "0123456789ab"

[[party]]
role = "sender"
name = "Elm"
certificate = "${'01'.repeat(32)}"

[[party]]
role = "receiver"
name = "Oak"
certificate = "${'02'.repeat(32)}"

[transfer]
origin = true
receipt = "asked"

[[item]]
from = "sender"
to = "receiver"
kind = "content"
description = "the files that this text names"

[[item]]
from = "receiver"
to = "sender"
kind = "receipt"
description = "signed receipt for them"

[content]
root = "${'09'.repeat(32)}"
bytes = 3
chunks = 1

[[file]]
name = "a.txt"
size = 3
sha256 = "${'08'.repeat(32)}"

[exchange]
offer_until = 2027-01-15T08:00:00Z
`,
  );
  for (const transfer of ALL) {
    const { terms } = parseDocument(utf8(noteOf(transfer)));
    assert.deepEqual(terms.transfer, transfer);
    assert.deepEqual([terms.arbiter, terms.check, terms.margin, terms.notAfter], [null, 'none', 0, terms.offerUntil]);
    assert.equal(terms.items.length, transfer.receipt === 'asked' ? 2 : 1);
  }
});

test('every attribute is said in words in the note', () => {
  const [both, , none] = [noteOf({ origin: true, receipt: 'asked' }), 0, noteOf({ origin: false, receipt: 'none' })];
  assert.match(both, /The sender signs a statement of origin/);
  assert.match(both, /There is no arbiter: a receiver who keeps the files and signs nothing\ncannot be made to/);
  assert.match(none, /The sender signs nothing but this offer/);
  assert.match(none, /The receiver signs no receipt/);
});

const REFUSED: readonly (readonly [what: string, from: string | RegExp, to: string])[] = [
  [
    'an arbiter',
    '[transfer]',
    `[arbiter]\nname = "N"\ncertificate = "${'03'.repeat(32)}"\nterms = "${'04'.repeat(32)}"\nmode = "invisible"\n\n[transfer]`,
  ],
  ['a window', '[exchange]\n', '[exchange]\ncheck = "window=3600"\n'],
  ['an end of help', /offer_until = (.*)\n/, 'offer_until = $1\nnot_after = 2028-01-15T08:00:00Z\n'],
  ['a margin', /offer_until = (.*)\n/, 'offer_until = $1\nmargin = 60\n'],
  ['no attributes', /\[transfer\]\norigin = true\nreceipt = "asked"\n\n/, ''],
  ['half of the attributes', 'receipt = "asked"\n', ''],
  ['another word for the receipt', 'receipt = "asked"', 'receipt = "fair"'],
  ['origin in words', 'origin = true', 'origin = "yes"'],
  ['an unknown attribute', 'origin = true\n', 'origin = true\nsecret = true\n'],
  ['attributes that do not fit its items', 'receipt = "asked"', 'receipt = "none"'],
  ['the attributes of a delivery', 'fit = "transfer/1"', 'fit = "delivery/1"'],
  ['the attributes of a contract', 'fit = "transfer/1"', 'fit = "contract/1"'],
  ['attributes in another order', 'origin = true\nreceipt = "asked"', 'receipt = "asked"\norigin = true'],
];

for (const [what, from, to] of REFUSED) {
  test(`a note with ${what} is refused`, () => {
    const text = noteOf({ origin: true, receipt: 'asked' });
    const changed = text.replace(from, to);
    assert.notEqual(changed, text);
    assert.throws(
      () => parseDocument(utf8(changed)),
      (error) => isFitError(error) && error.code === 'bad-document',
    );
  });
}

test('a contract, a delivery or a swap with the attributes of a transfer is refused with the field named', () => {
  const text = noteOf({ origin: true, receipt: 'asked' }).replace('transfer/1', 'delivery/1');
  try {
    parseDocument(utf8(text));
    assert.fail('accepted');
  } catch (error) {
    assert.ok(isFitError(error));
    assert.match(error.message, /transfer: only a transfer has it/);
  }
});

const x = scalarBytes(scalarFromWide(systemRng(48)));
const RECORD: TransferRecord = {
  deal: '0123456789ab',
  document: bytes32(5),
  sender: elm.certificate.hash,
  receiver: oak.certificate.hash,
  content: { point: publicPoint(x), ciphertextRoot: bytes32(6), plaintextRoot: bytes32(7), bytes: 70_000, chunks: 2 },
};

test('a record has one encoding and one name, which every field is part of', () => {
  const encoded = encodeTransferRecord(RECORD);
  assert.deepEqual(decodeTransferRecord(encoded), RECORD);
  const { content } = RECORD;
  const others: readonly TransferRecord[] = [
    { ...RECORD, deal: '0123456789ac' },
    { ...RECORD, document: bytes32(4) },
    { ...RECORD, sender: bytes32(4) },
    { ...RECORD, receiver: bytes32(4) },
    { ...RECORD, content: { ...content, point: publicPoint(bytes32(1)) } },
    { ...RECORD, content: { ...content, ciphertextRoot: bytes32(4) } },
    { ...RECORD, content: { ...content, plaintextRoot: bytes32(4) } },
    { ...RECORD, content: { ...content, bytes: 70_001 } },
  ];
  const names = [RECORD, ...others].map((one) => Buffer.from(transferId(one)).toString('hex'));
  assert.equal(new Set(names).size, names.length);
  const texts = [RECORD, ...others].flatMap((one) =>
    (['origin', 'receipt'] as const).map((which) => fromUtf8(transferText(one, which))),
  );
  assert.equal(new Set(texts).size, texts.length);
  assert.throws(() => decodeTransferRecord(concat(encoded, Uint8Array.of(0))), PeerFault);
  assert.throws(
    () => decodeTransferRecord(encodeTransferRecord({ ...RECORD, content: { ...content, chunks: 3 } })),
    PeerFault,
  );
});

test('a statement is good for its record, its kind, its signer and the time of its certificate alone', () => {
  assert.equal(verifyTransferStatement(RECORD, 'origin', signedTransfer(RECORD, 'origin', elm)).signingTime, NOW);
  assert.equal(verifyTransferStatement(RECORD, 'receipt', signedTransfer(RECORD, 'receipt', oak)).signingTime, NOW);
  const bad: readonly (readonly ['origin' | 'receipt', Uint8Array])[] = [
    ['origin', signedTransfer(RECORD, 'origin', oak)],
    ['receipt', signedTransfer(RECORD, 'receipt', elm)],
    ['receipt', signedTransfer(RECORD, 'origin', oak)],
    ['origin', signedTransfer({ ...RECORD, document: bytes32(0) }, 'origin', elm)],
    ['origin', signedTransfer(RECORD, 'origin', elm, elm.certificate.notBefore - 1)],
    ['origin', signedTransfer(RECORD, 'origin', elm, elm.certificate.notAfter + 1)],
    ['origin', new Uint8Array(0)],
  ];
  for (const [which, p7s] of bad) assert.throws(() => verifyTransferStatement(RECORD, which, p7s), PeerFault);
});

test('only the logarithm of the point is the key', () => {
  assert.ok(isTransferKey(RECORD, x));
  for (const key of [bytes32(1), bytes32(0), bytes32(255), new Uint8Array(31), concat(x, x)])
    assert.ok(!isTransferKey(RECORD, key));
});

/** Content of two chunks; `spoiled`: the second does not open to its leaf. */
function sealed(spoiled: boolean) {
  const [data, seed, point] = [systemRng(70_000), systemRng(32), publicPoint(x)];
  const keyOf = chunkKeys(x, point);
  const chunks = [0, 1].map((index) => {
    const chunk = data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    const ciphertext = sealChunk(keyOf(index), saltOf(seed, index), chunk);
    if (spoiled && index === 1) ciphertext[30] = (ciphertext[30] ?? 0) ^ 1;
    return { leaf: contentLeaf(index, saltOf(seed, index), chunk), ciphertext };
  });
  const leaves = concat(...chunks.map((one) => one.leaf));
  const sealedLeaves = concat(...chunks.map((one, index) => sealedLeaf(index, one.ciphertext)));
  const record: TransferRecord = {
    ...RECORD,
    content: {
      point,
      plaintextRoot: merkleRoot('content', leaves),
      ciphertextRoot: merkleRoot('sealed', sealedLeaves),
      bytes: 70_000,
      chunks: 2,
    },
  };
  const chunk = encodeWrongChunk({
    index: 1,
    sealed: chunks[1]?.ciphertext ?? new Uint8Array(),
    sealedPath: merklePath('sealed', sealedLeaves, 1),
    leaf: chunks[1]?.leaf ?? new Uint8Array(),
    leafPath: merklePath('content', leaves, 1),
  });
  return { record, chunk };
}

test('one wrong chunk and a signed origin prove it; a right chunk, another key or nobody’s signature do not', () => {
  const wrong = sealed(true);
  const origin = signedTransfer(wrong.record, 'origin', elm);
  const proof = encodeTransferProof(x, wrong.chunk);
  assert.ok(provesTransferWrong(wrong.record, origin, proof));
  assert.ok(!provesTransferWrong(wrong.record, signedTransfer(wrong.record, 'origin', oak), proof));
  assert.ok(!provesTransferWrong(wrong.record, signedTransfer(RECORD, 'origin', elm), proof));
  assert.ok(!provesTransferWrong(wrong.record, origin, encodeTransferProof(bytes32(1), wrong.chunk)));
  assert.ok(!provesTransferWrong(wrong.record, origin, proof.slice(0, -1)));
  const right = sealed(false);
  const theirs = signedTransfer(right.record, 'origin', elm);
  assert.ok(!provesTransferWrong(right.record, theirs, encodeTransferProof(x, right.chunk)));
  assert.ok(!provesTransferWrong(right.record, theirs, proof));
});

const about = { deal: RECORD.deal, document: RECORD.document, id: transferId(RECORD) };
const MESSAGES: readonly TransferMessage[] = [
  { ...about, kind: 'transfer-key', key: x, origin: signedTransfer(RECORD, 'origin', elm) },
  { ...about, kind: 'transfer-key', key: x, origin: null },
  { ...about, kind: 'transfer-done', receipt: signedTransfer(RECORD, 'receipt', oak) },
  { ...about, kind: 'transfer-done', receipt: null },
  { ...about, kind: 'transfer-fault', fault: 'wrong-origin' },
  { ...about, kind: 'transfer-fault', fault: 'wrong-content' },
];

test('messages survive the wire, and are none of an exchange', () => {
  for (const message of MESSAGES) {
    const encoded = encodeTransferMessage(message);
    assert.deepEqual(decodeTransferMessage(encoded), message);
    assert.throws(() => decodeMessage(encoded), PeerFault);
  }
  const ready = encodeMessage({ kind: 'ready', deal: RECORD.deal, document: RECORD.document });
  assert.equal(decodeTransferMessage(ready), undefined);
});

test('property: altered messages are refused with a PeerFault, are others, or none of a transfer', () => {
  const encoded = MESSAGES.map(encodeTransferMessage);
  fc.assert(
    fc.property(fc.nat(encoded.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, by) => {
      const bytes = Uint8Array.from(encoded[which] ?? []);
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ by;
      try {
        assert.notDeepEqual(decodeTransferMessage(bytes), MESSAGES[which]);
      } catch (error) {
        assert.ok(error instanceof PeerFault, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('sizes are bounded', () => {
  const long = new Uint8Array(16 * 1024 + 1);
  assert.throws(
    () => decodeTransferMessage(encodeTransferMessage({ ...about, kind: 'transfer-done', receipt: long })),
    PeerFault,
  );
  assert.throws(
    () => decodeTransferMessage(encodeTransferMessage({ ...about, kind: 'transfer-key', key: long, origin: null })),
    PeerFault,
  );
});

const PHASES: readonly TransferPosition['phase'][] = ['offered', 'keyed', 'opening', 'completed', 'failed', 'over'];

test('wherever a trader stands, every sentence says something, and nothing claims to be fair', () => {
  for (const terms of ALL)
    for (const side of ['sender', 'receiver'] as const)
      for (const phase of PHASES)
        for (const [at, fault] of [null, ...TRANSFER_FAULTS, 'wrong-content' as const].entries()) {
          const isProven = at > TRANSFER_FAULTS.length;
          const said = explainTransfer({ side, phase, fault, isProven }, terms, { them: 'oak', verified: false });
          const { notes, ...sentences } = said;
          for (const sentence of [...Object.values(sentences), ...notes]) {
            assert.ok(sentence.length > 5 && !sentence.endsWith('.'), sentence);
            assert.doesNotMatch(sentence, /undefined|null|arbiter (helps|completes)/);
          }
          if (phase === 'offered')
            assert.ok(notes.includes('a transfer has no arbiter: nothing here is exchanged fairly'));
        }
});

test('before consent it is said what is signed and what the other side can do', () => {
  assert.equal(
    fairnessOfTransfer('sender', { origin: true, receipt: 'asked' }, 'oak'),
    'no arbiter: you sign that they are yours and what the note says, and oak can keep the files without signing a receipt',
  );
  assert.match(
    fairnessOfTransfer('receiver', { origin: true, receipt: 'asked' }, 'elm'),
    /^you sign a receipt once all/,
  );
  assert.match(fairnessOfTransfer('receiver', { origin: true, receipt: 'none' }, 'elm'), /^you sign nothing;/);
});
