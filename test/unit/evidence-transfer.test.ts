/** The evidence of a transfer: good as it is, and whatever is changed, added or left out in it is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import { logEntryOf, makeTransaction } from '../../src/commerce/transaction.ts';
import { transferNoteOf } from '../../src/commerce/transfer-note.ts';
import {
  chunkKeys,
  contentLeaf,
  encodeWrongChunk,
  merkleRoot,
  saltOf,
  sealChunk,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../../src/crypto/p256.ts';
import { writeAsics } from '../../src/evidence/asics.ts';
import { type EvidenceFile, FILE } from '../../src/evidence/bundle.ts';
import { compareContent } from '../../src/evidence/contents.ts';
import { buildTransfer, type TransferInput } from '../../src/evidence/transfer.ts';
import { type Verdict, verifyEvidence, verifyFiles } from '../../src/evidence/verify.ts';
import type { TransferTerms } from '../../src/exchange/terms.ts';
import { encodeTransferProof, encodeTransferRecord, type TransferRecord } from '../../src/exchange/transfer-record.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { NOW, trader } from '../support/identities.ts';
import { signedTransfer } from '../support/transfers.ts';

const [elm, oak, ash] = await Promise.all([trader('Elm'), trader('Oak'), trader('Ash')]);
const DATA = utf8('a drawing\n');
const DEAL = 'd7q2m3xdp9aa';

interface Made {
  readonly record: TransferRecord;
  readonly input: TransferInput;
  readonly proof: Uint8Array;
}

/** `wrong`: the chunk does not open to the leaf that the note's root is of. */
function make(transfer: TransferTerms, wrong = false): Made {
  const [x, seed] = [scalarBytes(scalarFromWide(systemRng(48))), systemRng(32)];
  const point = publicPoint(x);
  const leaf = contentLeaf(0, saltOf(seed, 0), DATA);
  const sealed = sealChunk(chunkKeys(x, point)(0), saltOf(seed, 0), wrong ? utf8('a drawimg\n') : DATA);
  const root = merkleRoot('content', leaf);
  const content = {
    root,
    bytes: DATA.length,
    chunks: 1,
    credential: null,
    files: [{ name: 'plan.txt', size: DATA.length, sha256: sha256(DATA) }],
  };
  const note = completeDocument(utf8(transferNoteOf(content, transfer)), {
    deal: DEAL,
    author: { name: 'Elm', certificate: elm.certificate.hash },
    addressee: { name: 'Oak', certificate: oak.certificate.hash },
    arbiter: null,
    mode: 'invisible',
    offerUntil: NOW + 86_400,
    notAfter: NOW + 86_400,
    margin: 0,
    delivery: { content, check: 'none', transfer },
  });
  const { digest, terms } = parseDocument(note);
  const record: TransferRecord = {
    deal: DEAL,
    document: digest,
    sender: elm.certificate.hash,
    receiver: oak.certificate.hash,
    content: {
      point,
      ciphertextRoot: merkleRoot('sealed', sealedLeaf(0, sealed)),
      plaintextRoot: root,
      bytes: DATA.length,
      chunks: 1,
    },
  };
  const offer = makeTransaction({
    deal: DEAL,
    parent: null,
    by: elm.certificate.hash,
    time: NOW - 60,
    payload: { kind: 'offer', version: 1, document: digest, arbiterCard: null, offerUntil: terms.offerUntil },
  });
  const chunk = encodeWrongChunk({ index: 0, sealed, sealedPath: [], leaf, leafPath: [] });
  return {
    record,
    proof: encodeTransferProof(x, chunk),
    input: {
      note,
      record,
      origin: transfer.origin ? signedTransfer(record, 'origin', elm) : null,
      receipt: transfer.receipt === 'asked' && !wrong ? signedTransfer(record, 'receipt', oak, NOW + 5) : null,
      proof: null,
      certificates: [oak.certificate.der, elm.certificate.der],
      log: [logEntryOf(offer)],
    },
  };
}

const BOTH = make({ origin: true, receipt: 'asked' });
const files = buildTransfer(BOTH.input);

const problem = (verdict: Verdict): string | undefined => {
  assert.equal(verdict.ok, false, 'accepted');
  return verdict.problem?.code;
};
const withFile = (name: string, data: Uint8Array): EvidenceFile[] =>
  files.map((file) => (file.name === name ? { name, data } : file));
const without = (...names: readonly string[]): EvidenceFile[] => files.filter((file) => !names.includes(file.name));

for (const [origin, receipt] of [
  [true, 'asked'],
  [true, 'none'],
  [false, 'asked'],
] as const) {
  test(`origin ${origin}, receipt ${receipt}: good as files and as a container, which names who signed`, () => {
    const made = buildTransfer(make({ origin, receipt }).input);
    for (const verdict of [verifyFiles(made), verifyEvidence(writeAsics(made))]) {
      assert.equal(verdict.problem, null);
      assert.deepEqual([verdict.ok, verdict.proof, verdict.deal, verdict.log], [true, 'transfer', DEAL, 1]);
      assert.deepEqual(
        verdict.signers.map(({ role, name }) => [role, name]),
        [...(origin ? [['sender', 'Elm']] : []), ...(receipt === 'asked' ? [['receiver', 'Oak']] : [])],
      );
      const given = { name: 'plan.txt', size: DATA.length, sha256: toHex(sha256(DATA)) };
      assert.ok(compareContent(verdict, [given]).files[0]?.compared);
      assert.equal(problem(compareContent(verdict, [{ ...given, size: 1 }])), 'other-content');
    }
  });
}

test('every changed byte of every file is found', () => {
  for (const { name, data } of files)
    for (let at = 0; at < data.length; at += Math.max(1, Math.floor(data.length / 40))) {
      const altered = Uint8Array.from(data);
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
      assert.equal(verifyFiles(withFile(name, altered)).ok, false, `${name}, byte ${at}`);
    }
  const container = writeAsics(files);
  for (let at = 0; at < container.length; at += 37) {
    const altered = Uint8Array.from(container);
    altered[at] = (altered[at] ?? 0) ^ 1;
    assert.equal(verifyEvidence(altered).ok, false, `byte ${at}`);
  }
});

test('every file left out or added is found; the log alone may be missing', () => {
  for (const { name } of files) {
    const verdict = verifyFiles(without(name));
    if (name === FILE.log) assert.equal(verdict.ok, true);
    else assert.equal(verdict.ok, false, name);
  }
  assert.equal(problem(verifyFiles(without(FILE.receipt, FILE.receiptSignature))), 'missing-file');
  assert.equal(problem(verifyFiles(without(FILE.origin, FILE.originSignature))), 'missing-file');
  assert.equal(problem(verifyFiles([...files, { name: 'more.txt', data: utf8('x') }])), 'altered');
});

test('a statement that its note does not ask for is no evidence of a transfer without it', () => {
  const bare = make({ origin: true, receipt: 'none' });
  // It verifies; whoever signs more than was asked has done so.
  const more = buildTransfer({ ...bare.input, receipt: signedTransfer(bare.record, 'receipt', oak) });
  assert.ok(verifyFiles(more).ok);
  assert.throws(() => buildTransfer({ ...bare.input, origin: null }), isFitError);
});

const swapped = (name: string, p7s: Uint8Array) => verifyFiles(withFile(name, p7s));

test('signatures of others, over other records or at a time when the certificate was not valid are none', () => {
  const { record } = BOTH;
  const other = { ...record, content: { ...record.content, ciphertextRoot: new Uint8Array(32) } };
  assert.equal(problem(swapped(FILE.originSignature, signedTransfer(record, 'origin', oak))), 'wrong-signers');
  assert.equal(problem(swapped(FILE.receiptSignature, signedTransfer(record, 'receipt', ash))), 'wrong-signers');
  assert.equal(problem(swapped(FILE.receiptSignature, signedTransfer(record, 'origin', oak))), 'wrong-digest');
  assert.equal(problem(swapped(FILE.originSignature, signedTransfer(other, 'origin', elm))), 'wrong-digest');
  const early = elm.certificate.notBefore - 10;
  assert.equal(problem(swapped(FILE.originSignature, signedTransfer(record, 'origin', elm, early))), 'not-yet-valid');
});

test('a record that is not that of the note is refused, also with statements made from it', () => {
  const { record, input } = BOTH;
  const others: readonly TransferRecord[] = [
    { ...record, document: new Uint8Array(32) },
    { ...record, deal: 'd7q2m3xdp9ab' },
    { ...record, receiver: ash.certificate.hash },
    { ...record, content: { ...record.content, plaintextRoot: new Uint8Array(32) } },
    { ...record, content: { ...record.content, bytes: 11 } },
  ];
  for (const one of others) {
    const made = buildTransfer({
      ...input,
      record: one,
      origin: signedTransfer(one, 'origin', elm),
      receipt: signedTransfer(one, 'receipt', oak),
    });
    assert.equal(problem(verifyFiles(made)), 'wrong-record');
  }
  assert.equal(
    problem(verifyFiles(withFile(FILE.record, encodeTransferRecord({ ...record, deal: 'd7q2m3xdp9ab' })))),
    'wrong-record',
  );
});

test('another note, of a contract or a delivery say, is refused', () => {
  const text = Buffer.from(BOTH.input.note).toString('utf8').replace('transfer/1', 'delivery/1');
  assert.equal(problem(verifyFiles(withFile(FILE.transfer, utf8(text)))), 'bad-document');
  assert.equal(problem(verifyFiles(withFile(FILE.transfer, utf8('hello\n')))), 'bad-document');
});

test('with a proof of wrong content it is never good: it stands against the origin, if it proves anything', () => {
  const wrong = make({ origin: true, receipt: 'asked' }, true);
  const against = buildTransfer({ ...wrong.input, proof: wrong.proof });
  for (const verdict of [verifyFiles(against), verifyEvidence(writeAsics(against))]) {
    assert.equal(problem(verdict), 'wrong-content');
    assert.deepEqual(
      verdict.signers.map((one) => one.role),
      ['sender'],
    );
  }
  // Not whole: nobody is accused by evidence that somebody has changed.
  const readme = against.map((file) => (file.name === FILE.readme ? { ...file, data: utf8('hello\n') } : file));
  assert.equal(problem(verifyFiles(readme)), 'altered');
  // Nor by a certificate that only calls itself theirs, if whoever asks wants to know it.
  assert.equal(problem(verifyFiles(against, { require: 'pinned' })), 'not-known');
  assert.equal(problem(verifyFiles(against, { roots: [elm.certificate.der], require: 'pinned' })), 'wrong-content');
  // A proof that proves nothing, of right content or against the statement about another.
  assert.equal(problem(verifyFiles(buildTransfer({ ...BOTH.input, receipt: null, proof: BOTH.proof }))), 'wrong-proof');
  assert.equal(
    problem(verifyFiles(buildTransfer({ ...BOTH.input, receipt: null, proof: wrong.proof }))),
    'wrong-proof',
  );
  assert.equal(problem(verifyFiles([...files, { name: FILE.proof, data: wrong.proof }])), 'wrong-proof');
  assert.throws(() => buildTransfer({ ...BOTH.input, proof: BOTH.proof }), isFitError);
});
