/** The evidence of a swap: good as it is, and whatever is changed in it is found; void only with the arbiter's word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signControl } from '../../src/crypto/control.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import { readAsics, writeAsics } from '../../src/evidence/asics.ts';
import { type EvidenceFile, FILE } from '../../src/evidence/bundle.ts';
import { compareContent, judgeCredential, judgeDescription } from '../../src/evidence/contents.ts';
import { buildDelivery } from '../../src/evidence/delivery.ts';
import { buildSwap, ORIGIN_FILES } from '../../src/evidence/swap.ts';
import { type Verdict, verifyEvidence, verifyFiles } from '../../src/evidence/verify.ts';
import { encodeAnswer, makeToken, makeVoid } from '../../src/exchange/answers.ts';
import { ROLES, type Role } from '../../src/exchange/items.ts';
import { type ExchangeRecord, encodeRecord, xidOf } from '../../src/exchange/record.ts';
import { contentStatement } from '../../src/exchange/statements.ts';
import { concat, fromUtf8, toHex, utf8 } from '../../src/lib/bytes.ts';
import { enc } from '../../src/lib/cbor.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { makeContract, makeScene, NOW, YEAR } from '../support/evidence.ts';
import { makeDelivery } from '../support/evidence-delivery.ts';
import { CONTRACT, makeSwap, type SwapParts } from '../support/evidence-swap.ts';
import { type Identity, issue, trader } from '../support/identities.ts';

const scene = await makeScene();
const swap = makeSwap(scene);
const { input, record } = swap;
const files = buildSwap(input);
const container = writeAsics(files);
const signing = { signing: scene.arbiter.key };
const voidOf = (of: SwapParts) => makeVoid(xidOf(of.record), signing.signing);

/** What the author gave was wrong: what is left is its statement, the proof and the arbiter's word. */
const cheat = makeSwap(scene, { wrong: 'R' });
const cheated = { ...cheat.input, origins: { O: null, R: cheat.input.origins.R }, answer: voidOf(cheat) };
const voided = buildSwap({ ...cheated, proof: cheat.proof('R') });

function problem(verdict: Verdict): string | undefined {
  assert.equal(verdict.ok, false, 'accepted');
  return verdict.problem?.code;
}

const dataOf = (name: string, of: readonly EvidenceFile[] = files): Uint8Array => {
  const found = of.find((file) => file.name === name);
  assert.ok(found !== undefined, name);
  return found.data;
};
const withFiles = (
  changed: Readonly<Record<string, Uint8Array>>,
  of: readonly EvidenceFile[] = files,
): EvidenceFile[] => of.map(({ name, data }) => ({ name, data: changed[name] ?? data }));
const without = (name: string, of: readonly EvidenceFile[] = files): EvidenceFile[] =>
  of.filter((file) => file.name !== name);

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
    assert.deepEqual([verdict.type, verdict.proof, verdict.deal], [type, 'swap', 'd7q2m3xdp9aa']);
    assert.equal(verdict.document, toHex(sha256(input.note)));
    assert.deepEqual(verdict.references, [toHex(CONTRACT)]);
    assert.deepEqual([verdict.missing, verdict.log], [[], 1]);
    // The originator first: who accepted is the addressee of the note.
    const [author, addressee] = swap.note.terms.parties;
    assert.deepEqual(
      verdict.signers.map(({ name, role, fingerprint }) => [name, role, fingerprint]),
      [
        ['Second Trader', addressee.role, toHex(scene.addressee.certificate.hash)],
        ['First Trader', author.role, toHex(scene.author.certificate.hash)],
      ],
    );
    assert.deepEqual(
      verdict.files.map(({ name, from, sha256: digest, compared }) => [name, from, digest, compared]),
      [
        ...swap.files.R.map(({ name, data }) => [name, author.role, toHex(sha256(data)), false]),
        ...swap.files.O.map(({ name, data }) => [name, addressee.role, toHex(sha256(data)), false]),
      ],
    );
    assert.deepEqual(
      verdict.contents.map(({ from, credential }) => [from, credential?.kind]),
      [
        [author.role, 'token'],
        [addressee.role, undefined],
      ],
    );
  }
});

test('at the root of the container lies the statement of who accepted; no key is in it', () => {
  const text = Buffer.from(container).toString('latin1');
  const at = (name: string) => text.indexOf(name);
  assert.ok(at(FILE.originO) > 0 && at(FILE.originO) < at('META-INF/signature.p7s'));
  assert.ok(at(`META-INF/fit/${FILE.originR}`) > at('META-INF/signature.p7s'));
  assert.deepEqual(
    readAsics(container)
      ?.map((file) => file.name)
      .toSorted(),
    files.map((file) => file.name).toSorted(),
  );
  for (const role of ROLES)
    assert.ok(!text.includes(Buffer.from(swap.witnesses[role].subarray(64)).toString('latin1')), role);
  const reversed = { ...input, certificates: [...input.certificates].reverse() };
  assert.deepEqual(writeAsics(buildSwap(reversed)), container);
});

test('each statement says whose content it is about, and when it is void', () => {
  for (const role of ROLES) {
    const text = fromUtf8(dataOf(ORIGIN_FILES[role].text));
    assert.match(text, /^Statement of origin in a swap \(fit, version 1\)\n/);
    assert.match(
      text,
      /is void if the arbiter named below has signed that\nthe exchange is void; for that each side had 3600 seconds/,
    );
    assert.ok(text.includes(`swap note:     ${toHex(record.document)}\n`), text);
    const item = role === 'O' ? record.itemO : record.itemR;
    assert.ok(item.kind === 'content' && text.includes(toHex(item.plaintextRoot)));
  }
  assert.notDeepEqual(dataOf(FILE.originO), dataOf(FILE.originR));
});

test('every flipped byte of the container and of every file is found', () => {
  for (let at = 0; at < container.length; at++)
    assert.equal(verifyEvidence(flipped(container, at)).ok, false, `byte ${at}`);
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
  const { swap: note, originO, originOSignature, originR, originRSignature, record: x, certificates } = FILE;
  for (const name of [note, originO, originOSignature, originR, originRSignature, x, certificates])
    assert.equal(problem(verifyFiles(without(name))), 'missing-file', name);
  assert.equal(problem(verifyFiles(without(FILE.readme))), 'altered');
  assert.ok(verifyFiles(without(FILE.log)).ok, 'the history may be kept back');
  assert.equal(problem(verifyFiles([...files, { name: 'extra.txt', data: utf8('x') }])), 'altered');
  assert.equal(problem(verifyEvidence(writeAsics([...files.slice(0, 3), ...files.slice(3).reverse()]))), 'altered');
  const alone = { ...input, origins: { O: input.origins.O, R: null } };
  assert.throws(
    () => buildSwap(alone),
    (error) => isFitError(error) && error.code === 'internal',
  );
});

/** The files with both statements of a changed record, signed by whoever is named, for whatever time. */
function signedOver(
  changed: ExchangeRecord,
  by: { readonly O?: Identity; readonly R?: Identity; readonly at?: number } = {},
): EvidenceFile[] {
  const sign = (role: Role, { key, certificate }: Identity) => {
    const text = contentStatement(changed, role) ?? new Uint8Array();
    const attributes = signedAttributes({
      digest: sha256(text),
      signingTime: by.at ?? changed.signingTime,
      certificateHash: certificate.hash,
    });
    const signature = signP256(key, attributes);
    return { text, p7s: assembleSignedData([{ certificate, signedAttributes: attributes, signature }]) };
  };
  const [O, R] = [sign('O', by.O ?? scene.addressee), sign('R', by.R ?? scene.author)];
  return withFiles({
    [FILE.record]: encodeRecord(changed),
    [FILE.originO]: O.text,
    [FILE.originOSignature]: O.p7s,
    [FILE.originR]: R.text,
    [FILE.originRSignature]: R.p7s,
  });
}

test('others than both sides, each in its own place and for one time, are refused', async () => {
  assert.ok(verifyFiles(signedOver(record)).ok);
  const other = await trader('First');
  assert.equal(problem(verifyFiles(signedOver(record, { O: other }))), 'wrong-signers');
  assert.equal(problem(verifyFiles(signedOver(record, { R: other }))), 'wrong-signers');
  assert.equal(problem(verifyFiles(signedOver(record, { O: scene.author, R: scene.addressee }))), 'wrong-signers');
  assert.equal(problem(verifyFiles(signedOver(record, { at: NOW + 1 }))), 'signing-times');
  assert.equal(problem(verifyFiles(signedOver({ ...record, signingTime: record.notAfter }))), 'too-late');
  assert.equal(problem(verifyFiles(signedOver({ ...record, signingTime: NOW - YEAR }))), 'not-yet-valid');
  // One side's statement twice: it says nothing of the other's.
  const twice = { [FILE.originR]: dataOf(FILE.originO), [FILE.originRSignature]: dataOf(FILE.originOSignature) };
  assert.equal(problem(verifyFiles(withFiles(twice))), 'altered');
});

test('a record that differs from the note is refused, even if both signed what it makes', () => {
  const { itemO, itemR } = record;
  assert.ok(itemO.kind === 'content' && itemR.kind === 'content');
  const changes: readonly Partial<ExchangeRecord>[] = [
    { itemO: { ...itemO, plaintextRoot: sha256(utf8('other')) } },
    { itemR: { ...itemR, plaintextRoot: sha256(utf8('other')) } },
    { itemO: itemR, itemR: itemO },
    { check: 'window=60' },
    { document: sha256(utf8('other')) },
    { deal: 'aaaaaaaaaaaa' },
    { originator: record.responder, responder: record.originator },
  ];
  for (const change of changes)
    assert.equal(problem(verifyFiles(signedOver({ ...record, ...change }))), 'wrong-record', Object.keys(change)[0]);
  const again = buildSwap(makeSwap(scene).input);
  assert.equal(problem(verifyFiles(withFiles({ [FILE.record]: dataOf(FILE.record, again) }))), 'altered');
});

test('notes of another kind, and files of two kinds together, are neither', () => {
  const delivery = makeDelivery(scene);
  assert.equal(problem(verifyFiles(withFiles({ [FILE.swap]: delivery.input.note }))), 'bad-document');
  assert.equal(problem(verifyFiles(withFiles({ [FILE.swap]: makeContract(scene).document.bytes }))), 'bad-document');
  const both = new Map([...buildDelivery(delivery.input), ...files].map((file) => [file.name, file]));
  assert.equal(problem(verifyFiles([...both.values()])), 'altered');
  assert.equal(
    problem(verifyFiles(files.map((file) => (file.name === FILE.swap ? { ...file, name: FILE.note } : file)))),
    'missing-file',
  );
});

test('the arbiter’s word that it is void makes it not good, whoever puts it there', () => {
  const withVoid = buildSwap({ ...input, answer: voidOf(swap) });
  for (const verdict of [verifyFiles(withVoid), verifyEvidence(writeAsics(withVoid))])
    assert.equal(problem(verdict), 'void');
  const answered = (bytes: Uint8Array) =>
    verifyFiles([...files, { name: FILE.answer, data: enc(encodeRecord(record), bytes) }]);
  assert.equal(problem(answered(voidOf(swap))), 'void');
  assert.equal(problem(answered(makeVoid(xidOf(record), scene.author.key))), 'bad-signature');
  assert.equal(problem(answered(voidOf(cheat))), 'bad-signature');
  assert.equal(problem(answered(makeToken(xidOf(record), signing.signing))), 'wrong-answer');
  const foreign = enc(encodeRecord(cheat.record), voidOf(cheat));
  assert.equal(problem(verifyFiles([...files, { name: FILE.answer, data: foreign }])), 'wrong-record');
});

test('a void swap shows what its cheat signed, the proof and the arbiter’s word, and nothing of the other side', () => {
  assert.deepEqual(
    voided.map((file) => file.name),
    [
      FILE.swap,
      FILE.originR,
      FILE.originRSignature,
      FILE.record,
      FILE.certificates,
      FILE.log,
      FILE.answer,
      FILE.proof,
      FILE.readme,
    ],
  );
  const [author] = cheat.note.terms.parties;
  for (const verdict of [verifyFiles(voided), verifyEvidence(writeAsics(voided))]) {
    assert.equal(problem(verdict), 'void');
    assert.ok(verdict.problem?.message.includes(`what ${author.role} gave was proven wrong`));
    assert.deepEqual(
      verdict.signers.map((one) => one.name),
      ['First Trader'],
    );
  }
  assert.equal(problem(verifyFiles(without(FILE.answer, voided))), 'proven-wrong');
  // Whoever wants to know the signer is told of nobody else's.
  assert.equal(problem(verifyFiles(voided, { require: 'pinned' })), 'not-known');
  assert.equal(problem(verifyFiles(voided, { roots: [scene.author.certificate.der], require: 'pinned' })), 'void');
  assert.equal(problem(verifyFiles(without(FILE.originR, voided))), 'missing-file');
});

test('of a void swap too every flipped byte is found', () => {
  for (const { name, data } of voided)
    for (let at = 0; at < data.length; at++)
      assert.notEqual(
        problem(verifyFiles(withFiles({ [name]: flipped(data, at) }, voided))),
        'void',
        `${name}, byte ${at}`,
      );
});

test('a proof of right content, or of another exchange, proves nothing; one without the arbiter’s word stands against its swap', () => {
  const judged = (proof: Uint8Array) => verifyFiles(buildSwap({ ...input, proof }));
  for (const role of ROLES) assert.equal(problem(judged(swap.proof(role))), 'wrong-proof');
  assert.equal(problem(judged(cheat.proof('R'))), 'wrong-proof');
  assert.equal(problem(judged(new Uint8Array())), 'wrong-proof');
  assert.equal(problem(verifyFiles(buildSwap({ ...cheat.input, proof: cheat.proof('R') }))), 'proven-wrong');
  const other = makeSwap(scene, { wrong: 'O' });
  const shown = verifyFiles(
    buildSwap({
      ...other.input,
      origins: { O: other.input.origins.O, R: null },
      answer: voidOf(other),
      proof: other.proof('O'),
    }),
  );
  assert.equal(problem(shown), 'void');
  assert.ok(shown.problem?.message.includes(other.note.terms.parties[1].role));
});

test('the arbiter’s completion, carried along, must be its own and about these signatures', () => {
  const { O, R } = swap.witnesses;
  const resolved = (by: Identity) =>
    encodeAnswer({
      kind: 'resolved',
      witnesses: { O, R },
      signature: signControl(by.key, 'resolved', xidOf(record), O, R),
    });
  const check = (answer: Uint8Array) => verifyFiles(buildSwap({ ...input, answer }));
  assert.equal(check(resolved(scene.arbiter)).problem, null);
  for (const witness of [O, R]) assert.equal(check(encodeAnswer({ kind: 'released', witness })).problem, null);
  assert.equal(problem(check(resolved(scene.author))), 'wrong-answer');
  assert.equal(check(encodeAnswer({ kind: 'released', witness: concat(O.subarray(0, 64), sha256(O)) })).ok, false);
});

test('how the signers are known, and what is required of it', () => {
  const root = issue({ name: 'Root', ca: true });
  const author = issue({ name: 'First', issuer: root });
  const bundle = writeAsics(buildSwap(makeSwap({ ...scene, author }, { extra: [root.certificate] }).input));
  const [ca, addressee] = [root.certificate.der, scene.addressee.certificate.der];
  const known = (options: Parameters<typeof verifyEvidence>[1]) => {
    const verdict = verifyEvidence(bundle, options);
    return verdict.ok ? verdict.signers.map((signer) => signer.known).join(' ') : verdict.problem?.code;
  };
  assert.equal(known({}), 'embedded embedded');
  assert.equal(known({ roots: [ca] }), 'embedded ca');
  assert.equal(known({ roots: [ca], require: 'ca' }), 'not-known');
  assert.equal(known({ roots: [ca, addressee], require: 'ca' }), 'pinned ca');
  assert.equal(known({ roots: [ca, addressee], require: 'pinned' }), 'not-known');
  assert.equal(known({ at: NOW + 2 * YEAR }), 'expired');
});

test('given files are compared with those of either side, by name, size and digest', () => {
  const good = verifyFiles(files);
  const given = good.files.map(({ name, size, sha256: digest }) => ({ name, size, sha256: digest }));
  const [theirs, own] = given;
  assert.ok(theirs !== undefined && own !== undefined);
  const compared = (verdict: Verdict) => verdict.files.map((file) => file.compared);
  assert.deepEqual(compared(compareContent(good, [theirs])), [true, false, false]);
  assert.deepEqual(compared(compareContent(good, [own])), [false, true, false]);
  for (const other of [
    { ...own, size: own.size + 1 },
    { ...own, sha256: theirs.sha256 },
    { ...own, name: 'x' },
  ]) {
    const judged = compareContent(good, [theirs, other]);
    assert.equal(problem(judged), 'other-content');
    assert.deepEqual(compared(judged), [false, false, false]);
    const { itemO, itemR } = record;
    assert.ok(itemO.kind === 'content' && itemR.kind === 'content');
    for (const { plaintextRoot } of [itemO, itemR])
      assert.equal(problem(judgeDescription(judged, plaintextRoot)), 'misdescribed');
    assert.equal(problem(judgeDescription(judged, sha256(utf8('other')))), 'other-content');
  }
});

test('who called a file a credential that it is not is told', () => {
  const [author] = swap.note.terms.parties;
  const data = swap.files.R[0]?.data ?? new Uint8Array();
  assert.ok(judgeCredential(verifyFiles(files), author.role, data).ok);
  const certificate = { subject: 'CN=First', fingerprint: sha256(data), validUntil: NOW + YEAR };
  const lie = makeSwap(scene, { credential: { kind: 'certificate', certificate } });
  const verdict = verifyFiles(buildSwap(lie.input));
  assert.ok(verdict.ok);
  assert.deepEqual(verdict.contents[0]?.credential, {
    kind: 'certificate',
    subject: 'CN=First',
    fingerprint: toHex(sha256(data)),
    issuer: null,
    issuerFingerprint: null,
    attributes: null,
    validFrom: null,
    validUntil: '2027-11-20T12:00:00Z',
  });
  assert.equal(problem(judgeCredential(verdict, author.role, data)), 'misdescribed');
  assert.equal(problem(judgeCredential(verifyFiles(files), author.role, new Uint8Array(70_000))), 'misdescribed');
});
