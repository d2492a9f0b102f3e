// Trees of containers: what is accepted, what is refused and how much of it, and what folders ask for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { signOnce } from '../../src/crypto/one-time.ts';
import { parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import {
  type Attribute,
  createUnframer,
  decodeHead,
  decodeRecord,
  decodeSeal,
  encodeHead,
  encodeRecord,
  encodeSeal,
  framed,
  MAX_LEVELS,
  MAX_NODES,
  MAX_PATHS,
  type Seal,
} from '../../src/exchange/container-format.ts';
import { judge, packageOf, packageStatement, type Stated } from '../../src/exchange/container-seals.ts';
import {
  checkShown,
  createEntries,
  createTreeReader,
  findPath,
  pathOf,
  show,
  type Tree,
} from '../../src/exchange/container-tree.ts';
import { present } from '../../src/lib/assert.ts';
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts';
import { encode } from '../../src/lib/cbor.ts';
import { PeerFault } from '../../src/lib/errors.ts';
import { attributeCertificate } from '../support/attribute-certificates.ts';
import { build, container, hashOf, readTree, rootOf, type Spec, saltFor } from '../support/containers.ts';
import { NOW, trader, YEAR } from '../support/identities.ts';

const file = (name: string, content = `content of ${name}\n`): Spec => ({ name, content });
const folder = (name: string, ...entries: readonly Spec[]): Spec => ({ name, entries });
const marked = (name: string, attributes: readonly Attribute[], ...entries: readonly Spec[]): Spec => ({
  name,
  attributes,
  entries,
});

const refusedIn = (tree: Tree, seals: readonly Seal[] = [], signer?: string): Record<string, string> => {
  const { refused } = judge(tree, seals, { now: NOW, ...(signer === undefined ? {} : { signer }) });
  return Object.fromEntries([...refused].map(([index, why]) => [pathOf(tree.nodes, index) || '.', why]));
};

const isMalformed = (pattern: RegExp) => (error: unknown) => error instanceof PeerFault && pattern.test(error.message);

/** A seal as a packer makes it, or by `forge`d bytes. */
function sealOf(tree: Tree, path: string, attribute: Stated, sign: (text: Uint8Array) => Uint8Array, time = NOW): Seal {
  const about = packageOf(tree, present(findPath(tree.nodes, path), path));
  const bytes = sign(utf8(packageStatement(attribute, about, time)));
  return { folder: fromHex(about.folder), attribute, time, bytes };
}

const MIXED = container(
  file('a.txt'),
  folder('b', file('c.txt'), folder('d', file('e'), file('f'), file('g')), folder('empty')),
  file('z.txt'),
);

test('a tree has the root that the description says, at every number of entries', () => {
  for (let count = 0; count <= 40; count += 1) {
    const hashes = Array.from({ length: count }, (_, at) => sha256(Uint8Array.of(at)));
    const entries = createEntries();
    for (const hash of hashes) entries.add(hash, 1, count);
    assert.deepEqual(entries.root(), rootOf(hashes), `${count}`);
  }
  const tree = readTree(MIXED);
  assert.deepEqual([...tree.faults], []);
  assert.deepEqual(
    tree.nodes.map((_, index) => pathOf(tree.nodes, index)),
    ['', 'a.txt', 'b', 'b/c.txt', 'b/d', 'b/d/e', 'b/d/f', 'b/d/g', 'b/empty', 'z.txt'],
  );
  assert.equal(findPath(tree.nodes, 'b/d/g'), 7);
  assert.equal(findPath(tree.nodes, 'b/g'), undefined);
});

test('each entry of folders of every size is shown alone, with the same root and nothing else named', () => {
  for (let count = 1; count <= 20; count += 1) {
    const names = Array.from({ length: count }, (_, at) => `n${String(at).padStart(2, '0')}`);
    const whole = readTree(container(folder('in', ...names.map((name) => file(name))), file('out')));
    for (const name of names) {
      const { records } = show(whole, present(findPath(whole.nodes, `in/${name}`), name));
      const shown = checkShown(whole.root, records);
      assert.deepEqual([...shown.faults], []);
      assert.deepEqual(
        shown.nodes.filter(({ kind }) => kind !== 'hidden').map((node) => node.name),
        ['', 'in', name],
      );
      assert.ok(records.length <= 5 + Math.ceil(Math.log2(count)), 'only the hashes beside the way');
      const said = Buffer.concat(records).toString('latin1');
      for (const other of names) assert.equal(said.includes(other), other === name);
    }
  }
});

test('one of twenty thousand entries is shown in a few kilobytes', () => {
  const many = Array.from({ length: 20_000 }, (_, at) => file(`n${String(at).padStart(5, '0')}`, ''));
  const whole = readTree(container(folder('in', ...many)));
  const { records } = show(whole, present(findPath(whole.nodes, 'in/n12345'), 'n12345'));
  assert.ok(Buffer.concat(records).length < 2048);
  assert.equal(checkShown(whole.root, records).faults.size, 0);
});

test('what is shown is shown of one container, at one place', () => {
  const whole = readTree(MIXED);
  const { records } = show(whole, present(findPath(whole.nodes, 'b/d/f'), 'f'));
  assert.throws(() => checkShown(new Uint8Array(32), records), isMalformed(/another container/));
  const hidden = records.map((record) => decodeRecord(record));
  const last = hidden.findLastIndex(({ kind }) => kind === 'hidden');
  // The same entries hidden as two ranges, or elsewhere, are no part of their folder any more.
  const moved = [...records.slice(0, last), ...records.slice(last + 1), present(records[last], 'hidden')];
  assert.deepEqual(checkShown(whole.root, moved).faults.size, 0, 'the last one is the last one');
  const swapped = [...records];
  const at = swapped.findIndex((record) => decodeRecord(record).kind === 'file');
  [swapped[at - 1], swapped[at]] = [present(swapped[at], 'file'), present(swapped[at - 1], 'hidden')];
  assert.ok(checkShown(whole.root, swapped).faults.size > 0);
});

test('hidden ranges that are no subtree are refused', () => {
  const entries = createEntries();
  entries.add(new Uint8Array(32), 1, 8);
  for (const count of [2, 3, 4, 7])
    assert.throws(() => entries.add(new Uint8Array(32), count, 8), isMalformed(/no part/));
  const odd = createEntries();
  odd.add(new Uint8Array(32), 4, 7);
  odd.add(new Uint8Array(32), 3, 7);
});

test('a folder that is not what it says is refused alone, with what is in it', () => {
  const tree = readTree(
    container({ name: 'count', entries: [file('x')], lies: { leaves: 2 } }, folder('good', file('x')), {
      name: 'root',
      entries: [file('x'), folder('y', file('z'))],
      lies: { root: new Uint8Array(32) },
    }),
  );
  assert.deepEqual(refusedIn(tree), {
    count: 'it is not as large as it says',
    'count/x': 'count, which it is in, is refused',
    root: 'what is in it is not what it was packed with',
    'root/x': 'root, which it is in, is refused',
    'root/y': 'root, which it is in, is refused',
    'root/y/z': 'root/y, which it is in, is refused',
  });
});

test('a cycle by hash is refused: no folder has the entries of one that it is in', () => {
  const inner = (root: Uint8Array): Spec => ({ name: 'again', entries: [file('x')], lies: { root } });
  // What its author would need is a hash that it is part of itself; the nearest he gets is that of the round before.
  const first = build({ name: '', entries: [inner(new Uint8Array(32))] });
  const second = build({ name: '', entries: [inner(first.hash)] });
  assert.deepEqual(Object.keys(refusedIn(readTree(second))), ['again', 'again/x']);
  // And one that holds the record of the container itself.
  const outer = present(first.records[0], 'record');
  assert.throws(() => readTree({ hash: hashOf(outer), records: [outer, outer] }), isMalformed(/without a name/));
});

test('folders are 64 levels deep and no deeper; 1 000 levels are refused without a stack overflow', () => {
  const nested = (levels: number): Spec => {
    let spec: Spec = file('x');
    for (let level = 0; level < levels; level += 1) spec = folder('d', spec);
    return spec;
  };
  assert.equal(readTree(container(nested(MAX_LEVELS))).faults.size, 0);
  for (const levels of [MAX_LEVELS + 1, 1000])
    assert.throws(() => readTree(container(nested(levels))), isMalformed(/more than 64 levels/));
  // Also where nobody has built it: records that only claim to be folders, a hundred thousand deep.
  const reader = createTreeReader(new Uint8Array(32));
  const claim = (name: string) =>
    encodeRecord({
      kind: 'folder',
      salt: saltFor(name),
      name,
      attributes: [],
      count: 1,
      root: new Uint8Array(32),
      leaves: 0,
      bytes: 0,
    });
  reader.add(claim(''));
  assert.throws(
    () => {
      for (let level = 0; level < 100_000; level += 1) reader.add(claim('d'));
    },
    isMalformed(/more than 64 levels/),
  );
});

test('names are one entry of one folder everywhere', () => {
  const salt = saltFor('x');
  for (const name of [
    '..',
    '.',
    'a/b',
    '/etc',
    'a\\b',
    'CON',
    'com1.txt',
    '.hidden',
    '-rf',
    'x.',
    'e\u0301',
    'x'.repeat(201),
  ]) {
    const record = encodeRecord({ kind: 'file', salt, name, bytes: 0, root: salt });
    assert.throws(() => decodeRecord(record), PeerFault, name);
  }
  assert.throws(() => readTree(container(file('A'), file('a'))), isMalformed(/same name/));
  assert.throws(() => readTree(container(file('Straße'), file('STRASSE'))), isMalformed(/not in the order|same name/));
  assert.throws(() => readTree(container(file('b'), file('a'))), isMalformed(/order/));
  assert.throws(() => readTree(container(file('a'), file('a'))), isMalformed(/same name/));
});

test('records that begin, continue or end wrongly are refused', () => {
  const { hash, records } = MIXED;
  assert.throws(() => readTree({ hash, records: [] }), isMalformed(/no end/));
  assert.throws(() => readTree({ hash, records: records.slice(0, -1) }), isMalformed(/no end/));
  assert.throws(
    () => readTree({ hash, records: [...records, present(records.at(-1), 'last')] }),
    isMalformed(/after the end/),
  );
  assert.throws(() => readTree({ hash, records: records.slice(1) }), isMalformed(/not the container/));
  const tree = readTree({ hash: new Uint8Array(32), records });
  assert.equal(Object.keys(refusedIn(tree)).length, tree.nodes.length, 'under another root nothing is usable');
});

test('records have one encoding', () => {
  const salt = saltFor('x');
  const wrong = [
    encode([6, salt, 'x']),
    encode([1, salt, 'x', 1]),
    encode([1, salt.subarray(1), 'x', 1, salt]),
    encode([1, salt, 'x', 2 ** 41, salt]),
    encode([4, salt, 'x', ['encrypted', 'signed'], 0, salt, 0, 0]),
    encode([4, salt, 'x', ['signed', 'signed'], 0, salt, 0, 0]),
    encode([4, salt, 'x', ['golden'], 0, salt, 0, 0]),
    encode([5, MAX_NODES + 1, salt]),
    // A size in more bytes than it needs.
    Uint8Array.from([0x85, 0x01, 0x58, 32, ...salt, 0x61, 0x78, 0x18, 0x01, 0x58, 32, ...salt]),
  ];
  for (const record of wrong) assert.throws(() => decodeRecord(record), PeerFault, toHex(record));
});

test('a million entries are read in bounded time, and not one more', () => {
  const salt = new Uint8Array(32);
  const reader = createTreeReader(salt);
  reader.add(
    encodeRecord({ kind: 'folder', salt, name: '', attributes: [], count: MAX_NODES, root: salt, leaves: 0, bytes: 0 }),
  );
  const record = (at: number) =>
    encodeRecord({ kind: 'file', salt, name: `n${String(at).padStart(7, '0')}`, bytes: 0, root: salt });
  for (let at = 0; at < MAX_NODES - 1; at += 1) reader.add(record(at));
  assert.throws(() => reader.add(record(MAX_NODES - 1)), isMalformed(/more than 1000000 entries/));
});

test('paths are bounded together: long names of folders that much lies in are refused before anything is said of it', () => {
  const salt = new Uint8Array(32);
  const reader = createTreeReader(salt);
  const folder = (name: string, count: number) =>
    encodeRecord({ kind: 'folder', salt, name, attributes: [], count, root: salt, leaves: 0, bytes: 0 });
  const [levels, long, count] = [64, 'a'.repeat(200), 20_000];
  reader.add(folder('', 1));
  for (let level = 1; level <= levels; level += 1) reader.add(folder(long, level < levels ? 1 : count));
  const record = (at: number) =>
    encodeRecord({ kind: 'file', salt, name: `n${String(at).padStart(7, '0')}`, bytes: 0, root: salt });
  const most = Math.floor(MAX_PATHS / (levels * 201 + 10));
  assert.throws(
    () => {
      for (let at = 0; at <= most; at += 1) reader.add(record(at));
    },
    isMalformed(/paths that are too long together/),
  );
});

test('heads, frames and seals', () => {
  const head = { root: saltFor('r'), treeBytes: 100, contentBytes: 2 ** 40, sealsBytes: 7 };
  assert.deepEqual(decodeHead(encodeHead(head)), head);
  assert.throws(() => decodeHead(encodeHead({ ...head, contentBytes: 2 ** 40 + 1 })), isMalformed(/content: more/));
  assert.throws(() => decodeHead(encodeHead({ ...head, treeBytes: 2 ** 30 })), isMalformed(/tree: more/));
  const seal: Seal = { folder: saltFor('f'), attribute: 'signed', time: NOW, bytes: Uint8Array.of(1, 2) };
  assert.deepEqual(decodeSeal(encodeSeal(seal)), seal);
  assert.equal(decodeSeal(encode([1, seal.folder, 'golden', NOW, seal.bytes])), null);
  const pieces = createUnframer(10);
  const bytes = Buffer.concat([framed(Uint8Array.of(1, 2, 3)), framed(new Uint8Array())]);
  const found = [...bytes].flatMap((byte) => [...pieces.feed(Uint8Array.of(byte))]);
  assert.deepEqual(found, [Uint8Array.of(1, 2, 3), new Uint8Array()]);
  assert.ok(pieces.isEven());
  assert.throws(() => pieces.feed(framed(new Uint8Array(11))), isMalformed(/more than 10/));
});

test('an anonymous folder is under its one-time key, or refused', () => {
  const tree = readTree(container(marked('letters', ['anonymous'], file('one')), file('other')));
  assert.deepEqual(refusedIn(tree), {
    letters: 'it must be under a one-time key and is not',
    'letters/one': 'letters, which it is in, is refused',
  });
  const seal = sealOf(tree, 'letters', 'anonymous', signOnce);
  assert.deepEqual(refusedIn(tree, [seal]), {});
  assert.notDeepEqual(sealOf(tree, 'letters', 'anonymous', signOnce).bytes.slice(0, 91), seal.bytes.slice(0, 91));
  for (let at = 0; at < seal.bytes.length; at += 1) {
    const bytes = seal.bytes.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    assert.equal(refusedIn(tree, [{ ...seal, bytes }]).letters, 'its one-time key has not signed it', `${at}`);
  }
  assert.ok('letters' in refusedIn(tree, [{ ...seal, time: NOW + 1 }]));
  assert.ok('letters' in refusedIn(tree, [{ ...seal, attribute: 'signed' }]));
});

test('a signed folder is signed by one, at a time of its certificate, over this folder of this container', async () => {
  const elm = await trader('Trader Elm');
  const oak = await trader('Trader Oak');
  const sign =
    (by: readonly (typeof elm)[], time = NOW) =>
    (text: Uint8Array) =>
      assembleSignedData(
        by.map(({ key, certificate }) => {
          const attributes = signedAttributes({
            digest: sha256(text),
            signingTime: time,
            certificateHash: certificate.hash,
          });
          return { certificate, signedAttributes: attributes, signature: signP256(key, attributes) };
        }),
      );
  const tree = readTree(container(marked('plans', ['signed'], file('one')), marked('works', ['signed'], file('two'))));
  const plans = sealOf(tree, 'plans', 'signed', sign([elm]));
  const works = sealOf(tree, 'works', 'signed', sign([oak]));
  assert.deepEqual(refusedIn(tree, [plans, works]), {});
  const { signers } = judge(tree, [plans, works], { now: NOW });
  assert.deepEqual(
    [...signers.values()].map(({ name, time }) => [name, time]),
    [
      ['Trader Elm', NOW],
      ['Trader Oak', NOW],
    ],
  );
  const why = (seal: Seal | undefined, signer?: string) =>
    refusedIn(tree, [works, ...(seal ? [seal] : [])], signer).plans;
  assert.equal(why(undefined), 'it must be signed and is not');
  assert.match(why({ ...plans, bytes: works.bytes }) ?? '', /^its signature does not hold: /);
  assert.match(why({ ...plans, bytes: plans.bytes.slice(1) }) ?? '', /^its signature does not hold: /);
  assert.match(why({ ...plans, time: NOW + 1 }) ?? '', /^its signature does not hold: /);
  assert.equal(why(sealOf(tree, 'plans', 'signed', sign([elm], NOW + 5))), 'its signature names another time');
  assert.equal(why(sealOf(tree, 'plans', 'signed', sign([elm, oak]))), 'it is signed by more than one');
  const late = sealOf(tree, 'plans', 'signed', sign([elm], NOW + 2 * YEAR), NOW + 2 * YEAR);
  assert.match(why(late) ?? '', /at a time at which the certificate was not valid/);
  assert.match(why(plans, toHex(oak.certificate.hash)) ?? '', /somebody else/);
  // Of the same folder in another container.
  const other = readTree(container(marked('plans', ['signed'], file('one')), file('x')));
  assert.match(refusedIn(other, [plans]).plans ?? '', /does not hold/);
  // It holds in what is shown.
  const { records } = show(tree, present(findPath(tree.nodes, 'plans/one'), 'one'));
  assert.deepEqual(refusedIn(checkShown(tree.root, records), [plans]), {});
});

test('an attribute that cannot be checked, or that contradicts another, refuses its folder', () => {
  const tree = readTree(
    container(
      marked('a', ['encrypted'], file('x')),
      marked('b', ['receipt'], file('x')),
      marked('c', ['signed', 'anonymous'], file('x')),
      marked('d', ['anonymous'], marked('e', ['signed'], file('x'))),
      file('good'),
    ),
  );
  const refused = refusedIn(tree, [sealOf(tree, 'd', 'anonymous', signOnce)]);
  assert.equal(refused.a, 'it must be encrypted and is not');
  assert.equal(refused.b, 'it is given for a signed receipt only');
  assert.equal(judge(tree, [], { now: NOW, receipts: true }).refused.has(3), false);
  assert.equal(refused.c, 'it cannot be signed and anonymous');
  assert.equal(refused['d/e'], 'it is signed in something anonymous');
  assert.deepEqual([refused.d, refused.good], [undefined, undefined]);
});

test('statements and credentials are what they have to be, or refused alone', async () => {
  const certificate = (notBefore: number, notAfter: number) =>
    selfSigned({ key: generateSigningKey(), name: 'Oak', notBefore, notAfter });
  const library = await trader('The Library');
  const tree = readTree(
    container(
      { name: 'bad.txt', statement: 'You owe me \u202e10 EUR.\n' },
      { name: 'good.pem', der: await certificate(NOW - 60, NOW + 60) },
      { name: 'good.txt', statement: 'You owe me 10 EUR.\n' },
      { name: 'none.pem', der: Uint8Array.of(1, 2, 3) },
      { name: 'old.pem', der: await certificate(NOW - YEAR, NOW - 60) },
      { name: 'past.pem', der: attributeCertificate(library, 'Oak', { notAfter: NOW - 60 }) },
      { name: 'rights.pem', der: attributeCertificate(library, 'Oak') },
      { name: 'young.pem', der: await certificate(NOW + 60, NOW + YEAR) },
    ),
  );
  const refused = refusedIn(tree);
  assert.deepEqual(Object.keys(refused), ['bad.txt', 'none.pem', 'old.pem', 'past.pem', 'young.pem']);
  assert.match(refused['bad.txt'] ?? '', /may not be signed: line 1: U\+202E is a control of writing direction/);
  assert.equal(refused['none.pem'], 'it is not an X.509 certificate or attribute certificate');
  assert.match(refused['old.pem'] ?? '', /expired on 2026-11-20T11:59:00Z/);
  assert.match(refused['past.pem'] ?? '', /expired on 2026-11-20T11:59:00Z/);
  assert.match(refused['young.pem'] ?? '', /not valid before/);
  assert.ok(parseCertificate(await certificate(NOW, NOW + 1)));
});
