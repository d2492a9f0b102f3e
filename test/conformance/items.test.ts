/**
 * What every item that an exchange hands over must do (PROTOCOL §4), whichever it is exchanged for: signature, receipt, and
 * content of every kind: files, containers, credentials. Money will be one more pair here.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import { noteOf } from '../../src/commerce/note.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { prove, verify } from '../../src/crypto/escrow.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { makeResolved, verifyAnswer } from '../../src/exchange/answers.ts';
import { complete, itemOf, joinWitness, keyIn } from '../../src/exchange/completion.ts';
import { checkRecord, type DocumentTerms, makeRecord, type Parties, template } from '../../src/exchange/contract.ts';
import { itemFromCbor, itemToCbor, otherRole, RECEIPT, ROLES, type Role } from '../../src/exchange/items.ts';
import { provesMisbehaviour } from '../../src/exchange/misbehaviour.ts';
import {
  checkRelease,
  encodePromise,
  encodeRelease,
  openPromises,
  promiseCheck,
  promiseJob,
} from '../../src/exchange/promise.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord } from '../../src/exchange/record.ts';
import { sameContent } from '../../src/exchange/terms.ts';
import { present } from '../../src/lib/assert.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { type ContentKind, contentKinds, makeContent, type SealedContent } from '../support/contents.ts';
import { DAY, LIMITS, makeCast, NOW, partiesOf, termsOf } from '../support/exchange.ts';

const cast = await makeCast();
const parties = partiesOf(cast);
const folder = mkdtempSync(join(tmpdir(), 'fit-items-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const kinds = await contentKinds(folder);

/** What a side gives. */
type Given = 'signature' | 'receipt' | ContentKind;
type Pair = Readonly<Record<Role, Given>>;

const called = (name: string): ContentKind =>
  kinds.find((kind) => kind.name === name) ?? assert.fail(`no kind ${name}`);

/** The originator's item for the responder's. */
const PAIRS: readonly (readonly [name: string, pair: Pair])[] = [
  ['signature for signature', { O: 'signature', R: 'signature' }],
  ...kinds.map((kind) => [`${kind.name} for a receipt`, { O: kind, R: 'receipt' }] as const),
  ['a file for several', { O: called('a file'), R: called('several files') }],
  ['a file for a licence key', { O: called('a file'), R: called('a licence key') }],
  ['a certificate for a container', { O: called('a certificate'), R: called('a container') }],
];

/** What the text names of it: content has key and ciphertext besides, which its sender chooses. */
function itemFor(given: Given, content: SealedContent | null): DocumentTerms['itemO'] {
  if (content === null) return given === 'signature' ? termsOf(cast).itemO : { kind: 'statement', template: RECEIPT };
  const { root: plaintextRoot, bytes, chunks } = content.terms;
  return { kind: 'content', plaintextRoot, bytes, chunks };
}

interface Side {
  readonly witness: Uint8Array;
  readonly promise: Uint8Array;
}

/** A record of the pair, and what both sides make of it. `wrong`: whose first chunk does not open. */
function begin(pair: Pair, wrong?: Role) {
  const contentOf = (role: Role): SealedContent | null => {
    const given = pair[role];
    if (typeof given === 'string') return null;
    const { files, credential } = given;
    return makeContent(files, { credential, ...(role === wrong ? { wrongChunk: 0 } : {}) });
  };
  const contents = { O: contentOf('O'), R: contentOf('R') };
  const terms: DocumentTerms = {
    ...termsOf(cast),
    check: ROLES.some((role) => contents[role] !== null) ? 'window=3600' : 'none',
    itemO: itemFor(pair.O, contents.O),
    itemR: itemFor(pair.R, contents.R),
  };
  const sealed = {
    ...(contents.O === null ? {} : { O: contents.O.sealed }),
    ...(contents.R === null ? {} : { R: contents.R.sealed }),
  };
  const record = makeRecord(terms, parties, { nonce: systemRng(32), signingTime: NOW, sealed });
  checkRecord(record, terms, parties, LIMITS);
  const side = (role: Role): Side => {
    const signed = signP256(cast[role].key, template(record, role, parties).signedAttributes);
    const witness = joinWitness(signed, contents[role]?.key ?? null);
    const job = promiseJob(record, role, witness, parties);
    const proof = prove(job.label, job.witnesses, job.keys, systemRng(32));
    return { witness, promise: encodePromise({ noncePoint: job.noncePoint, proof }) };
  };
  return { record, contents, made: { O: side('O'), R: side('R') } };
}

function accepts(record: ExchangeRecord, sender: Role, promise: Uint8Array, among: Parties = parties): boolean {
  const check = promiseCheck(record, sender, promise, among);
  return check.kind === 'escrow' && verify(check.label, check.proof, check.keys);
}

for (const [name, pair] of PAIRS) {
  describe(`items: ${name}`, () => {
    const { record, contents, made } = begin(pair);
    const promises = { O: made.O.promise, R: made.R.promise };
    const witnesses = { O: made.O.witness, R: made.R.witness };

    test('is named in the record by one encoding', () => {
      assert.deepEqual(decodeRecord(encodeRecord(record)), record);
      for (const role of ROLES) {
        const item = itemOf(record, role);
        assert.deepEqual(itemFromCbor(itemToCbor(item)), item);
        assert.throws(() => itemFromCbor([...(itemToCbor(item) as unknown[]), 0] as never), PeerFault);
      }
    });

    test('a promise is accepted by its receiver in its exchange, and in no other and by nobody else', () => {
      const other = begin(pair);
      for (const role of ROLES) {
        assert.ok(accepts(record, role, made[role].promise));
        assert.ok(!accepts(other.record, role, made[role].promise), 'another exchange');
        const receiver = otherRole(role);
        const changed = { ...parties, [receiver]: { ...parties[receiver], verifier: parties[role].verifier } };
        assert.ok(!accepts(record, role, made[role].promise, changed), 'another receiver');
      }
    });

    test('a release is what was promised and nothing else', () => {
      for (const role of ROLES) {
        const release = encodeRelease(record, role, made[role].witness);
        assert.deepEqual(checkRelease(record, role, release, made[role].promise, parties), made[role].witness);
        const again = begin(pair);
        assert.throws(
          () =>
            checkRelease(
              record,
              role,
              encodeRelease(again.record, role, again.made[role].witness),
              made[role].promise,
              parties,
            ),
          PeerFault,
        );
        for (let at = 4; at < release.length; at += 9) {
          const flipped = release.map((byte, i) => (i === at ? byte ^ 1 : byte));
          assert.throws(
            () => checkRelease(record, role, flipped, made[role].promise, parties),
            PeerFault,
            `${role} ${at}`,
          );
        }
      }
    });

    test('the arbiter takes out of both promises the same bytes that the sides would release', () => {
      for (const by of ROLES) {
        const opened = openPromises(record, parties, promises, cast.kem.secret, by);
        assert.deepEqual(opened, witnesses);
      }
      const swapped = { O: made.R.promise, R: made.O.promise };
      assert.equal(openPromises(record, parties, swapped, cast.kem.secret, 'O'), null);
    });

    test('both sides come to the same outcome, also through the arbiter’s answer', () => {
      const outcome = complete(record, parties, witnesses);
      const keys = { signing: cast.T.key, kemSecret: cast.kem.secret };
      const answer = makeResolved(record, parties, promises, 'R', keys, NOW);
      assert.ok(answer !== null);
      const verified = verifyAnswer(record, parties, answer);
      assert.ok(verified.kind === 'resolved' && verified.signed);
      assert.deepEqual(verified.contract, outcome);
      const swapped = { O: made.R.witness, R: made.O.witness };
      assert.throws(() => complete(record, parties, swapped), PeerFault);
    });

    test('only content has a key and can be proven wrong, by what its sender signed', () => {
      for (const role of ROLES) {
        const isContent = itemOf(record, role).kind === 'content';
        assert.equal(keyIn(made[role].witness) !== null, isContent);
        for (const junk of [new Uint8Array(), systemRng(40), made[role].witness])
          assert.ok(!provesMisbehaviour(record, parties, role, junk));
      }
    });

    const giving = ROLES.filter((role) => contents[role] !== null);
    if (giving.length === 0) return;

    test('the key that is handed over opens the content, which is what its text says', async () => {
      for (const role of giving) {
        const { terms, open } = present(contents[role], 'content');
        const data = open(present(keyIn(made[role].witness), 'a key'));
        assert.ok(data !== null);
        let at = 0;
        for (const { size, sha256: digest } of terms.files) {
          assert.deepEqual(sha256(data.subarray(at, at + size)), digest);
          at += size;
        }
        assert.equal(at, data.length);
        const given = pair[role];
        assert.ok(typeof given !== 'string' && (await given.isIt(data)));
        if (given.credential !== null) assert.ok(!(await given.isIt(utf8('another text\n-----BEGIN \n'))));
        assert.equal(
          open(begin(pair).contents[role]?.key ?? systemRng(32)),
          null,
          'another exchange’s key opens nothing',
        );
      }
    });

    test('the text that names it is read back as it was', () => {
      const [one, two] = giving.map((role) => present(contents[role], 'content').terms);
      const own = present(one, 'content');
      const text = noteOf(own, 3600, '', two === undefined ? undefined : { other: two });
      const digest = (at: number) => new Uint8Array(32).fill(at);
      const note = completeDocument(utf8(text), {
        deal: 'd7q2m3xdp9aa',
        author: { name: 'First Trader', certificate: digest(1) },
        addressee: { name: 'Second Trader', certificate: digest(2) },
        arbiter: { name: 'Notary', certificate: digest(3), terms: digest(4) },
        mode: 'invisible',
        offerUntil: NOW,
        notAfter: NOW + DAY,
        margin: 3600,
        delivery: { content: own, check: 'window=3600', ...(two === undefined ? {} : { swap: { other: two } }) },
      });
      const { content, other } = parseDocument(note).terms;
      assert.ok(content !== null && sameContent(content, own));
      assert.deepEqual([content, other], [own, two ?? null]);
    });

    test('one wrong chunk of it is proven by anybody who has the record, a right one by nobody', () => {
      for (const role of giving) {
        const witness = made[role].witness;
        const right = present(contents[role], 'content');
        for (let index = 0; index < right.terms.chunks; index += 1)
          assert.ok(!provesMisbehaviour(record, parties, role, right.proof(witness, index)), `${role} ${index}`);
        const cheat = begin(pair, role);
        const wrong = present(cheat.contents[role], 'content');
        assert.equal(wrong.open(wrong.key), null);
        const proof = wrong.proof(cheat.made[role].witness, 0);
        assert.ok(provesMisbehaviour(cheat.record, parties, role, proof));
        assert.ok(!provesMisbehaviour(cheat.record, parties, otherRole(role), proof), 'it is against its sender');
        assert.ok(!provesMisbehaviour(record, parties, role, proof), 'it is about its own exchange');
        assert.ok(!provesMisbehaviour(cheat.record, parties, role, wrong.proof(witness, 0)), 'it takes the signature');
      }
    });
  });
}
