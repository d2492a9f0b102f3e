// Encrypted folders that somebody made wrong on purpose, and files that change under the packer.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encrypt, encryptedBytes, generateAgeKey, type Lock } from '../../src/crypto/age.ts';
import {
  type Attribute,
  closeContainer,
  demand,
  openContainer,
  openSealed,
  type Planned,
  pack,
  plan,
  type Sealer,
  sealFolders,
  sealOnce,
  takeOut,
} from '../../src/evidence/container.ts';
import { type ContainerRecord, decodeRecord, encodeRecord } from '../../src/exchange/container-format.ts';
import { fromUtf8 } from '../../src/lib/bytes.ts';
import { isFitError, PeerFault } from '../../src/lib/errors.ts';
import { NOW } from '../support/identities.ts';

const folder = mkdtempSync(join(tmpdir(), 'fit-sealed-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let names = 0;
const fresh = (): string => {
  names += 1;
  return join(folder, `n${names}`);
};

const work = () => ({ bytes: 0, entries: 0 });
const seal: Sealer = async (_, about) => sealOnce(about, NOW);
const key = await generateAgeKey();
const lock: Lock = { kind: 'recipients', recipients: [key.recipient] };
const identity = { kind: 'identity', identity: fromUtf8(key.secret) } as const;

const source = fresh();
mkdirSync(join(source, 'in', 'below'), { recursive: true });
writeFileSync(join(source, 'in', 'file'), 'content\n');
writeFileSync(join(source, 'in', 'below', 'other'), 'other content\n');
writeFileSync(join(source, 'open'), 'for all\n');

async function planned(wanted: Readonly<Record<string, readonly Attribute[]>>): Promise<readonly Planned[]> {
  const files = ['in', 'open'].map((name) => join(source, name));
  const nodes = await plan({ files, statements: [], credentials: [] }, NOW, work());
  demand(nodes, new Map(Object.entries(wanted)));
  return nodes;
}

async function packed(nodes: readonly Planned[]): Promise<string> {
  const out = fresh();
  await pack(nodes, out, seal, work());
  return out;
}

/** What is refused with the right key, and what appears. */
async function unpacked(file: string): Promise<{ refused: Record<string, string>; names: readonly string[] }> {
  const to = fresh();
  const demands = async () => ({ now: NOW });
  const container = await openContainer(file, demands, work());
  try {
    const keys = async () => ({ openers: [identity], otherwise: 'not to you' });
    await openSealed(container, 0, keys, demands, to, work());
    const taken = await takeOut(container, 0, to, work());
    assert.deepEqual(readdirSync(to), [...taken.names], 'nothing else is left there');
    return {
      refused: Object.fromEntries(taken.refused.map(({ path, why }) => [path, why])),
      names: readdirSync(to, { recursive: true, encoding: 'utf8' }).sort(),
    };
  } finally {
    closeContainer(container);
  }
}

/** A container whose folder `in` is sealed over these bytes, whatever they are, under the name of this root. */
async function forged(inner: Uint8Array, plain: Uint8Array, isEncrypted = true): Promise<string> {
  const nodes = await sealFolders(await planned({ in: ['encrypted'] }), () => lock, seal, work());
  async function* parts() {
    yield plain;
  }
  const bytes = isEncrypted ? await encryptedBytes(lock, plain.length) : plain.length;
  const open = () => (isEncrypted ? encrypt(lock, parts()) : parts());
  const total = nodes.find(({ kind }) => kind === 'file')?.bytes ?? 0;
  return packed(
    nodes.map((node) => {
      if (node.kind === 'sealed') return { ...node, bytes, sealed: { inner, open } };
      if (node.kind !== 'folder') return node;
      return { ...node, bytes: node.parent < 0 ? bytes + total : bytes };
    }),
  );
}

/** The bytes and the root of a container on its own. */
async function container(wanted: Readonly<Record<string, readonly Attribute[]>> = {}) {
  const nodes = await sealFolders(await planned(wanted), () => lock, seal, work());
  const out = fresh();
  const { root } = await pack(nodes, out, seal, work());
  return { bytes: new Uint8Array(readFileSync(out)), root: new Uint8Array(Buffer.from(root, 'hex')) };
}

test('what was sealed comes out again, with what folders in it ask for', async () => {
  const nodes = await planned({ in: ['encrypted'], 'in/below': ['anonymous'] });
  const file = await packed(await sealFolders(nodes, () => lock, seal, work()));
  assert.deepEqual(await unpacked(file), {
    refused: {},
    names: ['in', 'in/below', 'in/below/other', 'in/file', 'open'],
  });
  const forgets: Sealer = async () => ({ time: NOW, bytes: new Uint8Array(155) });
  const unsealed = await packed(await sealFolders(nodes, () => lock, forgets, work()));
  assert.deepEqual(await unpacked(unsealed), {
    refused: { 'in/below': 'its one-time key has not signed it' },
    names: ['in', 'in/file', 'open'],
  });
});

test('a folder that asks to be encrypted and is not, is refused, as is what is sealed without being asked', async () => {
  const bare = await packed(await planned({ in: ['encrypted'] }));
  assert.deepEqual(await unpacked(bare), { refused: { in: 'it must be encrypted and is not' }, names: ['open'] });
  const nodes = await sealFolders(await planned({ in: ['encrypted'] }), () => lock, seal, work());
  const unasked = await packed(nodes.map((node) => ({ ...node, attributes: [] })));
  const { refused, names: found } = await unpacked(unasked);
  assert.deepEqual(refused, { 'in/sealed.age': 'it is sealed in a folder that is not encrypted' });
  assert.deepEqual(found, ['in', 'open']);
});

test('what opens to something else than the folder names is refused', async () => {
  const { bytes, root } = await container();
  assert.deepEqual((await unpacked(await forged(root, bytes))).refused, {});
  const cases: readonly (readonly [string, RegExp])[] = [
    [await forged(new Uint8Array(32), bytes), /^what is encrypted is something else than it names$/],
    [await forged(root, bytes.subarray(0, -1)), /^what is encrypted is no container: it is cut off$/],
    [await forged(root, new Uint8Array()), /^what is encrypted is no container: /],
    [await forged(root, bytes, false), /^it must be encrypted and is not: what is in it is no age file$/],
    [await forged(root, new Uint8Array(), false), /no age file$/],
    [
      await forged(root, Buffer.from('age-encryption.org/v1\n-> X25519 x\n\n--- y\n'), false),
      /^it does not open: its encryption is not whole$/,
    ],
  ];
  for (const [file, why] of cases) {
    const { refused, names: found } = await unpacked(file);
    assert.deepEqual(Object.keys(refused), ['in']);
    assert.match(refused.in ?? '', why);
    assert.deepEqual(found, ['open']);
  }
});

test('what is held at once is bounded over all that is encrypted, and each can be had alone', async () => {
  const files = [join(source, 'in'), join(source, 'in', 'below')];
  const asked = await plan({ files, statements: [], credentials: [] }, NOW, work());
  demand(
    asked,
    new Map([
      ['in', ['encrypted']],
      ['below', ['encrypted']],
    ]),
  );
  const nodes = await sealFolders(asked, () => lock, seal, work());
  const file = await packed(nodes);
  const demands = async () => ({ now: NOW });
  const keys = async () => ({ openers: [identity], otherwise: 'not to you' });
  const openedWith = async (most: number) => {
    const container = await openContainer(file, demands, work());
    try {
      await openSealed(container, 0, keys, demands, fresh(), work(), most);
      return [...container.opened.values()].map((one) => (typeof one === 'string' ? one : one.tree.nodes.length));
    } finally {
      closeContainer(container);
    }
  };
  const outer = nodes.length;
  const [first = 0, second = 0] = (await openedWith(1_000_000)).map(Number);
  assert.deepEqual(await openedWith(outer + first + second), [first, second]);
  const [kept, refused] = await openedWith(outer + first + second - 1);
  assert.equal(kept, first);
  assert.match(String(refused), /more than \d+ entries/);
});

test('an encrypted folder in an encrypted one is neither made nor opened', async () => {
  await assert.rejects(
    planned({ in: ['encrypted'], 'in/below': ['encrypted'] }),
    (error) => isFitError(error) && /encrypted in something encrypted/.test(error.message),
  );
  const { bytes, root } = await container({ in: ['encrypted'] });
  const { refused, names: found } = await unpacked(await forged(root, bytes));
  assert.deepEqual(refused, { 'in/in': 'it is encrypted in something encrypted' });
  assert.deepEqual(found, ['in', 'in/open', 'open']);
});

test('what is anonymous inside is refused in something signed, on both sides of the encryption', async () => {
  const { bytes, root } = await container({ in: ['anonymous'] });
  const nodes = await sealFolders(await planned({ in: ['encrypted'] }), () => lock, seal, work());
  async function* parts() {
    yield bytes;
  }
  const length = await encryptedBytes(lock, bytes.length);
  const file = await packed(
    nodes.map((node) => {
      if (node.kind === 'sealed')
        return { ...node, bytes: length, sealed: { inner: root, open: () => encrypt(lock, parts()) } };
      if (node.kind !== 'folder') return node;
      const attributes: readonly Attribute[] = node.parent < 0 ? ['signed'] : node.attributes;
      return { ...node, attributes, bytes: length + (node.parent < 0 ? 8 : 0) };
    }),
  );
  const to = fresh();
  // The signature of the container is wrong too, which is not what is looked at here.
  const demands = async () => ({ now: NOW });
  const outer = await openContainer(file, demands, work());
  try {
    const opener = { ...outer, verdicts: { ...outer.verdicts, refused: new Map<number, string>() } };
    const keys = async () => ({ openers: [identity], otherwise: 'not to you' });
    await openSealed(opener, 0, keys, demands, to, work());
    const [inner] = [...outer.opened.values()];
    assert.ok(inner !== undefined && typeof inner !== 'string');
    assert.deepEqual([...inner.verdicts.refused.values()].slice(0, 1), ['it is anonymous in something signed']);
  } finally {
    closeContainer(outer);
  }
});

test('a file that changes between the two readings ends the packing, and leaves nothing', async () => {
  const nodes = await sealFolders(await planned({ in: ['encrypted'] }), () => lock, seal, work());
  const file = join(source, 'in', 'file');
  const isChanged = (error: unknown) => isFitError(error) && error.code === 'file-changed';
  const out = fresh();
  writeFileSync(file, 'CONTENT\n');
  await assert.rejects(pack(nodes, out, seal, work()), isChanged);
  appendFileSync(file, 'more');
  await assert.rejects(pack(nodes, out, seal, work()), isChanged);
  writeFileSync(file, 'content\n');
  assert.deepEqual(
    readdirSync(folder).filter((name) => out.endsWith(name) || name.includes('.part')),
    [],
  );
  await pack(nodes, out, seal, work());
});

/** No divisor of the bits of a byte, so that each of them is changed somewhere. */
const STEP = 3;

test('any changed byte refuses what it is part of, and what appears is what was packed', async () => {
  const nodes = await sealFolders(await planned({ in: ['encrypted'] }), () => lock, seal, work());
  const file = await packed(nodes);
  const bytes = readFileSync(file);
  const changed = fresh();
  const whole = ['in', 'in/below', 'in/below/other', 'in/file', 'open'];
  let refusedAlone = 0;
  for (let place = 0; place < bytes.length; place += STEP) {
    const copy = Uint8Array.from(bytes);
    copy[place] = (copy[place] ?? 0) ^ (1 << (place % 8));
    writeFileSync(changed, copy);
    try {
      const { refused, names: found } = await unpacked(changed);
      assert.ok(Object.keys(refused).length > 0, `byte ${place}`);
      assert.ok(found.length < whole.length && found.every((name) => whole.includes(name)), `byte ${place}`);
      if (found.includes('in')) assert.ok(found.includes('in/file'), 'encrypted folders appear whole or not at all');
      else refusedAlone += found.includes('open') ? 1 : 0;
    } catch (error) {
      assert.ok(isFitError(error) && error.code === 'bad-file', `byte ${place}: ${String(error)}`);
    }
  }
  const sealed = nodes.find(({ kind }) => kind === 'sealed')?.bytes ?? 0;
  assert.ok(refusedAlone >= Math.floor(sealed / STEP), 'a change in what is sealed leaves the other file');
});

test('a record of what is sealed has one encoding', () => {
  const record: ContainerRecord = {
    kind: 'sealed',
    salt: new Uint8Array(32),
    name: 'sealed.age',
    bytes: 10,
    root: new Uint8Array(32).fill(1),
    inner: new Uint8Array(32).fill(2),
  };
  assert.deepEqual(decodeRecord(encodeRecord(record)), record);
  for (const wrong of [{ name: 'other.age' }, { name: '' }, { inner: new Uint8Array(31) }, { bytes: 2 ** 41 }])
    assert.throws(() => decodeRecord(encodeRecord({ ...record, ...wrong })), PeerFault, JSON.stringify(wrong));
});
