/** The evidence of a delivery: good as it is, and whatever is changed in it is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signControl } from '../../src/crypto/control.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { readAsics, writeAsics } from '../../src/evidence/asics.ts';
import { buildEvidence, type EvidenceFile, FILE } from '../../src/evidence/bundle.ts';
import { compareContent } from '../../src/evidence/contents.ts';
import { buildDelivery } from '../../src/evidence/delivery.ts';
import { type Verdict, type VerifyOptions, verifyEvidence, verifyFiles } from '../../src/evidence/verify.ts';
import { encodeAnswer, makeToken, makeVoid } from '../../src/exchange/answers.ts';
import { type ExchangeRecord, encodeRecord, xidOf } from '../../src/exchange/record.ts';
import { contentStatement } from '../../src/exchange/statements.ts';
import { concat, fromUtf8, toHex, utf8 } from '../../src/lib/bytes.ts';
import { enc } from '../../src/lib/cbor.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { makeContract, makeScene, NOW, YEAR } from '../support/evidence.ts';
import { CONTRACT, makeDelivery } from '../support/evidence-delivery.ts';
import { type Identity, issue, trader } from '../support/identities.ts';

const scene = await makeScene();
const delivery = makeDelivery(scene);
const { input, record } = delivery;
const files = buildDelivery(input);
const container = writeAsics(files);

function problem(verdict: Verdict): string | undefined {
  assert.equal(verdict.ok, false, 'accepted');
  return verdict.problem?.code;
}

const dataOf = (name: string, of: readonly EvidenceFile[] = files): Uint8Array => {
  const found = of.find((file) => file.name === name);
  assert.ok(found !== undefined, name);
  return found.data;
};
const withFiles = (changed: Readonly<Record<string, Uint8Array>>): EvidenceFile[] =>
  files.map(({ name, data }) => ({ name, data: changed[name] ?? data }));
const without = (name: string): EvidenceFile[] => files.filter((file) => file.name !== name);
const keys = { signing: scene.arbiter.key };
const voidAnswer = makeVoid(xidOf(record), keys.signing);

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const altered = new Uint8Array(bytes);
  altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
  return altered;
}

test('a container and a folder are told by content and are good', () => {
  for (const [type, verdict] of [
    ['asics', verifyEvidence(container)],
    ['files', verifyFiles(files)],
  ] as const) {
    assert.equal(verdict.problem, null);
    assert.ok(verdict.ok);
    assert.deepEqual([verdict.type, verdict.proof, verdict.deal], [type, 'delivery', 'd7q2m3xdp9aa']);
    assert.equal(verdict.document, toHex(sha256(input.note)));
    assert.deepEqual(verdict.references, [toHex(CONTRACT)]);
    assert.deepEqual(verdict.missing, []);
    assert.equal(verdict.log, 1);
    assert.deepEqual(
      verdict.signers.map(({ name, subject, role, fingerprint, signingTime, known }) => {
        return [name, subject, role, fingerprint, signingTime, known];
      }),
      [
        [
          'First Trader',
          'First',
          delivery.note.terms.parties[0].role,
          toHex(scene.author.certificate.hash),
          '2026-11-20T12:00:00Z',
          'embedded',
        ],
        [
          'Second Trader',
          'Second',
          delivery.note.terms.parties[1].role,
          toHex(scene.addressee.certificate.hash),
          '2026-11-20T12:00:00Z',
          'embedded',
        ],
      ],
    );
    assert.deepEqual(
      verdict.files,
      delivery.files.map(({ name, data }) => ({
        name,
        size: data.length,
        sha256: toHex(sha256(data)),
        from: delivery.note.terms.parties[0].role,
        compared: false,
      })),
    );
  }
});

test('at the root of the container lies what META-INF/signature.p7s signs; the key is nowhere', () => {
  const names = Object.fromEntries(files.map(({ name, data }) => [name, data]));
  assert.deepEqual(
    readAsics(container)
      ?.map((file) => file.name)
      .toSorted(),
    Object.keys(names).toSorted(),
  );
  const text = Buffer.from(container).toString('latin1');
  const at = (name: string) =>
    text.indexOf(
      `${name}${Buffer.from(names[name] ?? [])
        .toString('latin1')
        .slice(0, 40)}`,
    );
  assert.ok(at(FILE.receipt) > 0 && at(FILE.receipt) < text.indexOf('META-INF/signature.p7s'));
  assert.ok(!text.includes(Buffer.from(delivery.witnesses.O.subarray(64)).toString('latin1')));
  const reversed = { ...input, certificates: [...input.certificates].reverse() };
  assert.deepEqual(writeAsics(buildDelivery(reversed)), container);
});

test('every flipped byte of the container is found', () => {
  for (let at = 0; at < container.length; at++)
    assert.equal(verifyEvidence(flipped(container, at)).ok, false, `byte ${at}`);
});

test('every flipped byte of every file is found', () => {
  for (const { name, data } of files)
    for (let at = 0; at < data.length; at++)
      assert.equal(verifyFiles(withFiles({ [name]: flipped(data, at) })).ok, false, `${name}, byte ${at}`);
});

test('every truncation and appended byte is a verdict', () => {
  for (let length = 0; length < container.length; length += 97)
    assert.equal(verifyEvidence(container.subarray(0, length)).ok, false);
  assert.equal(verifyEvidence(concat(container, Uint8Array.of(0))).ok, false);
  for (const { name, data } of files) {
    assert.equal(verifyFiles(withFiles({ [name]: data.subarray(0, -1) })).ok, false, name);
    assert.equal(verifyFiles(withFiles({ [name]: concat(data, utf8('\n')) })).ok, false, name);
    assert.equal(verifyFiles(withFiles({ [name]: new Uint8Array() })).ok, false, name);
  }
});

test('a missing file is named, one more or another order is refused', () => {
  const { note, receiptSignature, origin, originSignature, receipt, certificates } = FILE;
  for (const name of [note, receiptSignature, origin, originSignature, receipt, certificates, FILE.record])
    assert.equal(problem(verifyFiles(without(name))), 'missing-file', name);
  assert.equal(problem(verifyFiles(without(FILE.readme))), 'altered');
  assert.ok(verifyFiles(without(FILE.log)).ok, 'the history may be kept back');
  assert.equal(problem(verifyFiles([...files, { name: 'extra.txt', data: utf8('x') }])), 'altered');
  assert.equal(problem(verifyEvidence(writeAsics([...files.slice(0, 3), ...files.slice(3).reverse()]))), 'altered');
  const stranger = toPem('CERTIFICATE', makeRoot().certificate.der);
  const pem = concat(dataOf(FILE.certificates), utf8(stranger));
  assert.equal(problem(verifyFiles(withFiles({ [FILE.certificates]: pem }))), 'altered');
});

const makeRoot = () => issue({ name: 'Root', ca: true });

/** Evidence in which everything follows from this record, signed by these. */
function signedOver(
  changed: ExchangeRecord,
  by: { readonly O?: Identity; readonly R?: Identity; readonly at?: number } = {},
): EvidenceFile[] {
  const item = changed.itemO;
  assert.ok(item.kind === 'content');
  const sign = (role: 'O' | 'R', { key, certificate }: Identity) => {
    const text = contentStatement(changed, role) ?? new Uint8Array();
    const attributes = signedAttributes({
      digest: sha256(text),
      signingTime: by.at ?? changed.signingTime,
      certificateHash: certificate.hash,
    });
    const signature = signP256(key, attributes);
    return { text, p7s: assembleSignedData([{ certificate, signedAttributes: attributes, signature }]) };
  };
  const origin = sign('O', by.O ?? scene.author);
  const receipt = sign('R', by.R ?? scene.addressee);
  return withFiles({
    [FILE.record]: encodeRecord(changed),
    [FILE.origin]: origin.text,
    [FILE.originSignature]: origin.p7s,
    [FILE.receipt]: receipt.text,
    [FILE.receiptSignature]: receipt.p7s,
  });
}

test('others than sender and receiver, each in its own place and for one time, are refused', async () => {
  assert.ok(verifyFiles(signedOver(record)).ok);
  const other = await trader('First');
  assert.equal(problem(verifyFiles(signedOver(record, { O: other }))), 'wrong-signers');
  assert.equal(problem(verifyFiles(signedOver(record, { R: other }))), 'wrong-signers');
  assert.equal(problem(verifyFiles(signedOver(record, { O: scene.addressee, R: scene.author }))), 'wrong-signers');
  assert.equal(problem(verifyFiles(signedOver(record, { at: NOW + 1 }))), 'signing-times');
  const late = record.notAfter;
  assert.equal(problem(verifyFiles(signedOver({ ...record, signingTime: late }))), 'too-late');
  assert.equal(problem(verifyFiles(signedOver({ ...record, signingTime: NOW - YEAR }))), 'not-yet-valid');
  // The receipt's signature for both, and the statement of origin in the place of the receipt.
  const twice = { [FILE.originSignature]: dataOf(FILE.receiptSignature), [FILE.origin]: dataOf(FILE.receipt) };
  assert.equal(problem(verifyFiles(withFiles(twice))), 'altered');
  const crossed = { [FILE.receiptSignature]: dataOf(FILE.originSignature), [FILE.receipt]: dataOf(FILE.origin) };
  assert.equal(problem(verifyFiles(withFiles(crossed))), 'altered');
});

test('a record that differs from the note is refused, even if both signed what it makes', () => {
  assert.ok(record.itemO.kind === 'content');
  const changes: readonly Partial<ExchangeRecord>[] = [
    { itemO: { ...record.itemO, plaintextRoot: sha256(utf8('other')) } },
    { itemO: { ...record.itemO, bytes: 11 } },
    { check: 'window=60' },
    { margin: record.margin - 1 },
    { document: sha256(utf8('other')) },
    { deal: 'aaaaaaaaaaaa' },
    { itemR: { kind: 'statement', template: 'other' } },
    { originator: record.responder, responder: record.originator },
  ];
  for (const change of changes)
    assert.equal(problem(verifyFiles(signedOver({ ...record, ...change }))), 'wrong-record', Object.keys(change)[0]);
  const contract = makeContract(scene);
  assert.equal(verifyFiles(withFiles({ [FILE.record]: encodeRecord(contract.record) })).ok, false);
  assert.equal(verifyFiles(withFiles({ [FILE.note]: contract.document.bytes })).ok, false);
  // Another run over the same note: its statements do not fit this record.
  const again = buildDelivery(makeDelivery(scene).input);
  assert.equal(problem(verifyFiles(withFiles({ [FILE.record]: dataOf(FILE.record, again) }))), 'altered');
});

test('a delivery note signed as if it were a contract is none', () => {
  const attributes = (one: Identity) =>
    signedAttributes({ digest: sha256(input.note), signingTime: NOW, certificateHash: one.certificate.hash });
  const p7s = assembleSignedData(
    [scene.author, scene.addressee].map((one) => {
      return {
        certificate: one.certificate,
        signedAttributes: attributes(one),
        signature: signP256(one.key, attributes(one)),
      };
    }),
  );
  assert.equal(problem(verifyEvidence(p7s, { content: input.note })), 'bad-document');
});

test('files of a contract and of a delivery together are neither', () => {
  const contract = buildEvidence(makeContract(scene).input);
  const names = new Set(files.map((file) => file.name));
  assert.equal(problem(verifyFiles([...files, ...contract.filter((file) => !names.has(file.name))])), 'altered');
  assert.equal(problem(verifyEvidence(writeAsics([...files, ...contract.slice(0, 2)]))), 'altered');
});

test('the arbiter’s word that it is void makes the verdict negative, whatever else is there', () => {
  const enclosed = (answer: Uint8Array) =>
    verifyFiles([...files, { name: FILE.answer, data: enc(encodeRecord(record), answer) }]);
  assert.equal(problem(enclosed(voidAnswer)), 'void');
  const whole = buildDelivery({ ...input, answer: voidAnswer });
  assert.equal(problem(verifyFiles(whole)), 'void');
  assert.equal(problem(verifyEvidence(writeAsics(whole))), 'void');
  assert.equal(problem(enclosed(makeVoid(xidOf(record), scene.author.key))), 'bad-signature');
  assert.equal(problem(enclosed(makeVoid(sha256(utf8('another')), keys.signing))), 'bad-signature');
  assert.equal(problem(enclosed(makeToken(xidOf(record), keys.signing))), 'wrong-answer');
  const foreign = enc(encodeRecord({ ...record, nonce: sha256(record.nonce) }), voidAnswer);
  assert.equal(problem(verifyFiles([...files, { name: FILE.answer, data: foreign }])), 'wrong-record');
});

test('a void delivery shows the sender’s statement and the arbiter’s word, and no receipt', () => {
  const made = buildDelivery({ ...input, receipt: null, answer: voidAnswer });
  assert.ok(!made.some(({ name }) => name === FILE.receipt || name === FILE.receiptSignature));
  for (const verdict of [verifyFiles(made), verifyEvidence(writeAsics(made))]) {
    assert.equal(problem(verdict), 'void');
    assert.deepEqual(
      verdict.signers.map((one) => one.name),
      ['First Trader'],
    );
  }
  assert.equal(problem(verifyFiles(made.filter(({ name }) => name !== FILE.answer))), 'missing-file');
  assert.throws(
    () => buildDelivery({ ...input, receipt: null }),
    (error) => isFitError(error) && error.code === 'internal',
  );
});

test('of a void delivery too every flipped byte is found: it is not called void then', () => {
  const made = buildDelivery({ ...input, receipt: null, answer: voidAnswer });
  for (const { name, data } of made)
    for (let at = 0; at < data.length; at++) {
      const changed = made.map((file) => (file.name === name ? { name, data: flipped(data, at) } : file));
      assert.notEqual(problem(verifyFiles(changed)), 'void', `${name}, byte ${at}`);
    }
  assert.equal(problem(verifyFiles(made.filter(({ name }) => name !== FILE.readme))), 'altered');
});

test('the arbiter’s completion, carried along, must be its own and about these signatures', () => {
  const { O, R } = delivery.witnesses;
  const resolved = (by: Identity, witnesses = { O, R }) =>
    encodeAnswer({
      kind: 'resolved',
      witnesses,
      signature: signControl(by.key, 'resolved', xidOf(record), witnesses.O, witnesses.R),
    });
  const check = (answer: Uint8Array) => verifyFiles(buildDelivery({ ...input, answer }));
  assert.equal(check(resolved(scene.arbiter)).problem, null);
  assert.equal(check(encodeAnswer({ kind: 'released', witness: O })).problem, null);
  assert.equal(problem(check(resolved(scene.author))), 'wrong-answer');
  assert.equal(check(encodeAnswer({ kind: 'released', witness: concat(O.subarray(0, 64), sha256(O)) })).ok, false);
});

test('how the signers are known: embedded, pinned, ca; and what is required of it', () => {
  const root = makeRoot();
  const author = issue({ name: 'First', issuer: root });
  const issued = makeDelivery({ ...scene, author }, { extra: [root.certificate] });
  const bundle = writeAsics(buildDelivery(issued.input));
  const known = (options: VerifyOptions) => {
    const verdict = verifyEvidence(bundle, options);
    return verdict.ok ? verdict.signers.map((signer) => signer.known).join(' ') : verdict.problem?.code;
  };
  const [sender, receiver, ca] = [author, scene.addressee, root].map((one) => one.certificate.der);
  assert.ok(sender !== undefined && receiver !== undefined && ca !== undefined);
  assert.equal(known({}), 'embedded embedded');
  assert.equal(known({ roots: [ca] }), 'ca embedded');
  assert.equal(known({ roots: [ca], require: 'ca' }), 'not-known');
  assert.equal(known({ roots: [ca, receiver], require: 'ca' }), 'ca pinned');
  assert.equal(known({ roots: [ca, receiver], require: 'pinned' }), 'not-known');
  assert.equal(known({ roots: [sender, receiver], require: 'pinned' }), 'pinned pinned');
  assert.equal(known({ at: NOW + 2 * YEAR }), 'expired');
});

test('given files are compared by name, size and digest', () => {
  const good = verifyFiles(files);
  const given = good.files.map(({ name, size, sha256: digest }) => ({ name, size, sha256: digest }));
  const [first, second] = given;
  assert.ok(first !== undefined && second !== undefined);
  const all = compareContent(good, given);
  assert.ok(all.ok && all.files.every((file) => file.compared));
  assert.deepEqual(
    compareContent(good, [second]).files.map((file) => file.compared),
    [false, true],
  );
  for (const other of [
    { ...first, size: first.size + 1 },
    { ...first, sha256: second.sha256 },
    { ...first, name: 'other.txt' },
    { ...first, name: second.name },
  ])
    assert.equal(problem(compareContent(good, [second, other])), 'other-content');
  const bad = verifyFiles(without(FILE.note));
  assert.equal(compareContent(bad, given), bad);
});

test('the README names the note and the certificates', () => {
  const readme = fromUtf8(dataOf(FILE.readme));
  for (const hash of [sha256(input.note), CONTRACT, record.originator, record.responder, record.arbiter])
    assert.ok(readme.includes(toHex(hash)));
});

test('flipped bytes of issuers’ certificates are found', () => {
  const [root, receiver] = [makeRoot(), makeRoot()];
  const middle = issue({ name: 'Middle', ca: true, issuer: root });
  const author = issue({ name: 'First', issuer: middle });
  const addressee = issue({ name: 'Second', issuer: receiver });
  const extra = [root, middle, receiver].map((one) => one.certificate);
  const bundle = buildDelivery(makeDelivery({ ...scene, author, addressee }, { extra }).input);
  assert.ok(verifyFiles(bundle).ok);
  const pem = dataOf(FILE.certificates, bundle);
  const missed: number[] = [];
  for (let at = 0; at < pem.length; at += 3) {
    const changed = bundle.map((file) =>
      file.name === FILE.certificates ? { ...file, data: flipped(pem, at) } : file,
    );
    if (verifyFiles(changed).ok) missed.push(at);
  }
  assert.deepEqual(missed, []);
});
