import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { signControl } from '../../src/crypto/control.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { readAsics, writeAsics } from '../../src/evidence/asics.ts';
import { buildEvidence, type EvidenceFile, FILE } from '../../src/evidence/bundle.ts';
import { type Verdict, type VerifyOptions, verifyEvidence, verifyFiles } from '../../src/evidence/verify.ts';
import { AFFIDAVIT_CLAUSE } from '../../src/exchange/affidavit.ts';
import { encodeAnswer } from '../../src/exchange/answers.ts';
import { entryId, formatLog, type LogEntry } from '../../src/exchange/log.ts';
import { xidOf } from '../../src/exchange/record.ts';
import { AFFIDAVIT_NOTICE } from '../../src/exchange/terms.ts';
import { concat, fromUtf8, toHex, utf8 } from '../../src/lib/bytes.ts';
import { makeContract, makeScene, NOW, YEAR } from '../support/evidence.ts';
import { crl, type Identity, issue, trader } from '../support/identities.ts';

const scene = await makeScene();
const contract = makeContract(scene);
const files = buildEvidence(contract.input);
const container = writeAsics(files);
const p7s = contract.input.proof.p7s;
const content = contract.input.document;

function problem(verdict: Verdict): string | undefined {
  assert.equal(verdict.ok, false, 'accepted');
  return verdict.problem?.code;
}

const withFile = (name: string, data: Uint8Array, of: readonly EvidenceFile[] = files): EvidenceFile[] =>
  of.map((file) => (file.name === name ? { name, data } : file));
const dataOf = (name: string, of: readonly EvidenceFile[] = files): Uint8Array => {
  const found = of.find((file) => file.name === name);
  assert.ok(found !== undefined, name);
  return found.data;
};
const asics = (changed: readonly EvidenceFile[], options?: VerifyOptions) =>
  verifyEvidence(writeAsics(changed), options);

test('a container, a folder and a plain signature are told by content and are good', () => {
  for (const [type, verdict] of [
    ['asics', verifyEvidence(container)],
    ['files', verifyFiles(files)],
    ['p7s', verifyEvidence(p7s, { content })],
  ] as const) {
    assert.equal(verdict.problem, null);
    assert.ok(verdict.ok);
    assert.equal(verdict.type, type);
    assert.equal(verdict.title, 'Sale of a bicycle');
    assert.equal(verdict.deal, 'k7q2m3xdp9aa');
    assert.equal(verdict.document, toHex(sha256(content)));
    assert.equal(verdict.log, type === 'p7s' ? null : 2);
    assert.deepEqual(
      verdict.signers.map(({ name, subject, fingerprint, signingTime, known }) => [
        name,
        subject,
        fingerprint,
        signingTime,
        known,
      ]),
      [
        ['First Trader', 'First', toHex(scene.author.certificate.hash), '2026-11-20T12:00:00Z', 'embedded'],
        ['Second Trader', 'Second', toHex(scene.addressee.certificate.hash), '2026-11-20T12:00:00Z', 'embedded'],
      ],
    );
  }
});

test('the container is the one canonical ZIP: mimetype first, stored, no times, the same bytes in every time zone', () => {
  const text = Buffer.from(container).toString('latin1');
  assert.equal(text.slice(30, 38), 'mimetype');
  assert.equal(text.slice(38, 69), 'application/vnd.etsi.asic-s+zip');
  const zone = process.env.TZ;
  for (const other of ['Pacific/Kiritimati', 'America/St_Johns', 'Africa/Monrovia']) {
    process.env.TZ = other;
    assert.deepEqual(writeAsics(files), container);
  }
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
  assert.deepEqual(
    readAsics(container)
      ?.map((file) => file.name)
      .sort(),
    files.map((file) => file.name).sort(),
  );
  const shuffled = { ...contract.input, certificates: [...contract.input.certificates].reverse() };
  assert.deepEqual(writeAsics(buildEvidence(shuffled)), container);
});

test('every flipped byte of the container is found', () => {
  for (let at = 0; at < container.length; at++) {
    const altered = new Uint8Array(container);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
    assert.equal(verifyEvidence(altered).ok, false, `byte ${at}`);
  }
});

test('every truncation, appended byte and arbitrary input is a verdict', () => {
  for (let length = 0; length < container.length; length += 97)
    assert.equal(verifyEvidence(container.subarray(0, length)).ok, false);
  assert.equal(verifyEvidence(concat(container, Uint8Array.of(0))).ok, false);
  assert.equal(problem(verifyEvidence(new Uint8Array())), 'unknown-type');
  assert.equal(problem(verifyEvidence(utf8('hello'))), 'unknown-type');
  assert.equal(problem(verifyEvidence(content)), 'unknown-type');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom([], [0x50, 0x4b, 3, 4], [0x30]), (bytes, start) => {
      assert.equal(verifyEvidence(Uint8Array.of(...start, ...bytes), { content: bytes }).ok, false);
      assert.equal(verifyFiles(withFile(FILE.log, bytes)).ok, false);
      assert.equal(verifyFiles(withFile(FILE.certificates, bytes)).ok, false);
    }),
  );
});

test('every flipped byte of signature and document is found', () => {
  for (let at = 0; at < p7s.length; at++) {
    const altered = new Uint8Array(p7s);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
    assert.equal(verifyEvidence(altered, { content }).ok, false, `byte ${at}`);
  }
  for (let at = 0; at < content.length; at++) {
    const altered = new Uint8Array(content);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
    assert.equal(verifyEvidence(p7s, { content: altered }).ok, false, `byte ${at}`);
  }
  assert.equal(problem(verifyEvidence(p7s)), 'no-content');
  assert.equal(problem(verifyEvidence(p7s.subarray(0, -1), { content })), 'malformed');
});

test('a container rebuilt around other contents is refused', () => {
  const readme = fromUtf8(dataOf(FILE.readme));
  assert.equal(problem(asics(withFile(FILE.readme, utf8(readme.replace('openssl', 'opensls'))))), 'altered');
  const pem = fromUtf8(dataOf(FILE.certificates));
  const blocks = pem.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----\n/g) ?? [];
  assert.equal(blocks.length, 2);
  assert.equal(problem(asics(withFile(FILE.certificates, utf8(blocks.toReversed().join(''))))), 'altered');
  assert.equal(problem(asics(withFile(FILE.certificates, utf8(`a remark\n${pem}`)))), 'altered');
  const stranger = toPem('CERTIFICATE', scene.arbiter.certificate.der);
  assert.equal(problem(asics(withFile(FILE.certificates, utf8(pem + stranger)))), 'altered');
  assert.equal(problem(asics(withFile('attachments/plan 1.txt', utf8('another!!\n')))), 'altered');
  assert.equal(problem(asics([...files, { name: 'extra.txt', data: utf8('x') }])), 'altered');
  assert.equal(problem(verifyFiles([...files, { name: 'attachments/extra.txt', data: utf8('x') }])), 'altered');
  const moved = [...files.slice(0, 2), ...files.slice(2).reverse()];
  assert.notDeepEqual(writeAsics(moved), container);
  assert.equal(problem(asics(moved)), 'altered');
  for (const name of [FILE.document, FILE.signature, FILE.certificates])
    assert.equal(problem(verifyFiles(files.filter((file) => file.name !== name))), 'missing-file');
  assert.equal(problem(verifyFiles(files.filter((file) => file.name !== FILE.readme))), 'altered');
});

test('attachments that are not at hand are named', () => {
  const bare = buildEvidence({ ...contract.input, attachments: [] });
  const verdict = asics(bare);
  assert.ok(verdict.ok);
  assert.deepEqual(verdict.missing, ['plan 1.txt']);
  assert.deepEqual(verifyEvidence(container).missing, []);
});

test('the log must be the one of this deal, linked, with the offer of this document', () => {
  const log = contract.input.log ?? [];
  const rebuilt = (change: (entry: LogEntry, index: number) => LogEntry) => {
    let parent: Uint8Array | null = null;
    const changed = log.map((entry, index) => {
      const { id, ...rest } = change({ ...entry, parent }, index);
      parent = entryId(rest);
      return { ...rest, id: parent };
    });
    return problem(asics(withFile(FILE.log, formatLog(changed))));
  };
  assert.equal(
    rebuilt((entry) => ({ ...entry, deal: 'aaaaaaaaaaaa' })),
    'bad-log',
  );
  assert.equal(
    rebuilt((entry) => ({ ...entry, by: sha256(entry.by) })),
    'bad-log',
  );
  assert.equal(
    rebuilt((entry, index) => (index === 0 ? { ...entry, payload: [] } : entry)),
    'bad-log',
  );
  assert.equal(problem(asics(withFile(FILE.log, formatLog(log.map((entry) => ({ ...entry, time: 1 })))))), 'malformed');
  assert.equal(problem(asics(withFile(FILE.log, formatLog([])))), 'bad-log');
  assert.equal(problem(asics(withFile(FILE.log, formatLog(log.slice(1))))), 'malformed');
});

/** A signature file over the document by anybody, at any time. */
function signedBy(...signers: readonly (readonly [Identity, number])[]): Uint8Array {
  return assembleSignedData(
    signers.map(([{ key, certificate }, signingTime]) => {
      const attributes = signedAttributes({
        digest: sha256(content),
        signingTime,
        certificateHash: certificate.hash,
      });
      return { certificate, signedAttributes: attributes, signature: signP256(key, attributes) };
    }),
  );
}

test('others than the two parties, or not both, or not for one time, are refused', async () => {
  const other = await trader('First');
  const { author, addressee } = scene;
  const check = (...signers: readonly (readonly [Identity, number])[]) =>
    problem(verifyEvidence(signedBy(...signers), { content }));
  assert.equal(check([other, NOW], [addressee, NOW]), 'wrong-signers');
  assert.equal(check([author, NOW]), 'wrong-signers');
  assert.equal(check([author, NOW], [addressee, NOW], [other, NOW]), 'wrong-signers');
  assert.equal(check([author, NOW], [addressee, NOW + 1]), 'signing-times');
  const late = NOW + 14 * 86_400;
  assert.equal(check([author, late], [addressee, late]), 'too-late');
  assert.equal(check([author, NOW - YEAR], [addressee, NOW - YEAR]), 'not-yet-valid');
  assert.ok(verifyEvidence(signedBy([author, NOW + 5], [addressee, NOW + 5]), { content }).ok);
});

test('certificates are judged at the signing time, or at the time asked for', () => {
  assert.ok(verifyEvidence(container, { at: NOW + 100 }).ok);
  assert.equal(problem(verifyEvidence(container, { at: NOW + 2 * YEAR })), 'expired');
});

test('how the signers are known: embedded, pinned, ca; and what is required of it', () => {
  const root = issue({ name: 'Root', ca: true });
  const middle = issue({ name: 'Middle', ca: true, issuer: root });
  const author = issue({ name: 'First', issuer: middle });
  const chained = makeContract({ ...scene, author }, { extra: [root.certificate, middle.certificate] });
  const bundle = writeAsics(buildEvidence(chained.input));
  const known = (options: VerifyOptions) => {
    const verdict = verifyEvidence(bundle, options);
    return verdict.ok ? verdict.signers.map((signer) => signer.known).join(' ') : verdict.problem?.code;
  };
  const pins = { author: author.certificate.der, addressee: scene.addressee.certificate.der };
  assert.equal(known({}), 'embedded embedded');
  assert.equal(known({ roots: [root.certificate.der] }), 'ca embedded');
  assert.equal(known({ roots: [pins.author, root.certificate.der] }), 'pinned embedded');
  assert.equal(known({ roots: [root.certificate.der, pins.addressee], require: 'ca' }), 'ca pinned');
  assert.equal(known({ roots: [root.certificate.der, pins.addressee], require: 'pinned' }), 'not-known');
  assert.equal(known({ roots: [pins.author, pins.addressee], require: 'pinned' }), 'pinned pinned');
  assert.equal(known({ roots: [root.certificate.der], require: 'ca' }), 'not-known');
  assert.equal(known({ require: 'ca' }), 'not-known');
  assert.equal(known({ roots: [utf8('junk')] }), 'bad-root');
  const revoked = (at: number) => crl({ issuer: middle, revoked: [{ certificate: author.certificate, at }] });
  for (const roots of [[], [root.certificate.der], [pins.author]]) {
    assert.equal(known({ roots, crls: [revoked(NOW - 10)] }), 'revoked');
    assert.notEqual(known({ roots, crls: [revoked(NOW + 10)] }), 'revoked');
  }
});

test('an issuer in the evidence that did not issue is refused', () => {
  const root = issue({ name: 'Root', ca: true });
  const other = issue({ name: 'Root', ca: true });
  const author = issue({ name: 'First', issuer: root });
  const chained = buildEvidence(makeContract({ ...scene, author }, { extra: [root.certificate] }).input);
  const pem = fromUtf8(dataOf(FILE.certificates, chained));
  assert.ok(asics(chained).ok);
  const swapped = pem.replace(toPem('CERTIFICATE', root.certificate.der), toPem('CERTIFICATE', other.certificate.der));
  assert.notEqual(swapped, pem);
  assert.equal(problem(asics(withFile(FILE.certificates, utf8(swapped), chained))), 'altered');
});

test('changed bytes of issuers’ certificates are found, also of one whose own issuer is not there', () => {
  const root = issue({ name: 'Root', ca: true });
  const middle = issue({ name: 'Middle', ca: true, issuer: root });
  const author = issue({ name: 'First', issuer: middle });
  for (const extra of [[root.certificate, middle.certificate], [middle.certificate]]) {
    const chained = buildEvidence(makeContract({ ...scene, author }, { extra }).input);
    assert.ok(verifyFiles(chained).ok);
    const pem = dataOf(FILE.certificates, chained);
    for (let at = 0; at < pem.length; at += 3) {
      const altered = new Uint8Array(pem);
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
      assert.equal(verifyFiles(withFile(FILE.certificates, altered, chained)).ok, false, `byte ${at}`);
    }
  }
});

test('the arbiter’s answer, carried along, must be its own and lead to this contract', () => {
  const { record } = contract;
  const { signatures } = contract;
  const answered = (by: Identity, change: Partial<typeof record> = {}) => {
    const signature = signControl(by.key, 'resolved', xidOf(record), signatures.O, signatures.R);
    const bytes = encodeAnswer({ kind: 'resolved', witnesses: signatures, signature });
    return asics(buildEvidence({ ...contract.input, answer: { record: { ...record, ...change }, bytes } }));
  };
  const good = answered(scene.arbiter);
  assert.equal(good.problem, null);
  assert.equal(problem(answered(scene.author)), 'wrong-answer');
  assert.equal(problem(answered(scene.arbiter, { margin: 1 })), 'wrong-record');
});

test('affidavit: the arbiter’s statement stands for the signatures if the document says so', () => {
  assert.equal(AFFIDAVIT_NOTICE, AFFIDAVIT_CLAUSE);
  const sworn = makeContract(scene, { mode: 'affidavit' });
  const made = buildEvidence(sworn.input);
  for (const verdict of [verifyFiles(made), asics(made)]) {
    assert.equal(verdict.problem, null);
    assert.equal(verdict.proof, 'affidavit');
    assert.deepEqual(
      verdict.signers.map((signer) => [signer.name, signer.role]),
      [['Notary', 'arbiter']],
    );
  }
  const bytes = writeAsics(made);
  for (let at = 0; at < bytes.length; at += 7) {
    const altered = new Uint8Array(bytes);
    altered[at] = (altered[at] ?? 0) ^ 4;
    assert.equal(verifyEvidence(altered).ok, false, `byte ${at}`);
  }
  const plain = withFile(FILE.document, content, made);
  assert.equal(problem(verifyFiles(plain)), 'wrong-mode');
  const another = makeContract(scene, { mode: 'affidavit' });
  assert.equal(
    verifyFiles(withFile(FILE.statement, dataOf(FILE.statement, buildEvidence(another.input)), made)).ok,
    false,
  );
});
