// Containers as files: out comes what went in; any changed byte refuses what it is part of and never passes; parts verify alone.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import {
  closeContainer,
  demand,
  findPath,
  openContainer,
  pack,
  pathOf,
  plan,
  sealOnce,
  showAs,
  takeOut,
} from '../../src/evidence/container.ts';
import { decodeHead, HEAD_BYTES } from '../../src/exchange/container-format.ts';
import { present } from '../../src/lib/assert.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { NOW } from '../support/identities.ts';

let home: string;
let counter = 0;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'fit-containers-'));
});
after(() => rmSync(home, { recursive: true, force: true }));
const fresh = (): string => join(home, `n${counter++}`);
const work = () => ({ bytes: 0, entries: 0 });

type Files = Readonly<Record<string, Uint8Array>>;

/** Relative path → bytes; folders without files end with a slash. */
function readAll(folder: string, prefix = ''): Record<string, Uint8Array> {
  const found: Record<string, Uint8Array> = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (!statSync(path).isDirectory()) found[prefix + name] = new Uint8Array(readFileSync(path));
    else if (readdirSync(path).length === 0) found[`${prefix}${name}/`] = new Uint8Array();
    else Object.assign(found, readAll(path, `${prefix}${name}/`));
  }
  return found;
}

function write(folder: string, files: Files): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(folder, path, path.endsWith('/') ? '.' : '..'), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(join(folder, path), bytes);
  }
}

async function packed(files: Files, anonymous: readonly string[] = []): Promise<string> {
  const [source, out] = [fresh(), fresh()];
  mkdirSync(source);
  write(source, files);
  const top = readdirSync(source).map((name) => join(source, name));
  const nodes = await plan({ files: top, statements: [], credentials: [] }, NOW, work());
  demand(nodes, new Map(anonymous.map((path) => [path, ['anonymous' as const]])));
  await pack(nodes, out, async (_, about) => sealOnce(about, NOW), work());
  return out;
}

async function opened<T>(
  file: string,
  use: (container: Awaited<ReturnType<typeof openContainer>>) => Promise<T>,
): Promise<T> {
  const container = await openContainer(file, async () => ({ now: NOW }), work());
  try {
    return await use(container);
  } finally {
    closeContainer(container);
  }
}

async function unpacked(file: string, path = '') {
  const to = fresh();
  const taken = await opened(file, (container) =>
    takeOut(container, present(findPath(container.tree.nodes, path), path), to, work()),
  );
  return { files: readAll(to), taken };
}

const name = fc
  .stringMatching(/^[a-z0-9][a-z0-9_ ]{0,5}[a-z0-9]$/)
  .filter((one) => !/^(con|prn|aux|nul|com\d|lpt\d)$/.test(one));
/** Around the ends of chunks and blocks, and small ones. */
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 300 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(65_535, 65_536, 65_537, 131_072, 1_048_575, 1_048_576, 1_048_577, 2_100_000),
  },
);
const bytesOf = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  for (let at = 0, state = seed + 1; at < length; at += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    bytes[at] = state >>> 16;
  }
  return bytes;
};
/** No file is a folder of another, nor are two names the same on some system. */
const files: fc.Arbitrary<Files> = fc
  .array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 4 }), size, fc.nat(1000), fc.boolean()), {
    minLength: 1,
    maxLength: 12,
  })
  .map((all) => {
    const found: Record<string, Uint8Array> = {};
    for (const [path, length, seed, isEmptyFolder] of all) {
      const key = path.join('/');
      const taken = Object.keys(found).some(
        (one) =>
          `${one.replace(/\/$/, '')}/`.startsWith(`${key}/`) || `${key}/`.startsWith(`${one.replace(/\/$/, '')}/`),
      );
      if (!taken)
        found[isEmptyFolder && path.length > 1 ? `${key}/` : key] =
          isEmptyFolder && path.length > 1 ? new Uint8Array() : bytesOf(length, seed);
    }
    return found;
  });

const SORTED = (all: Files) => Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));

test('out comes what went in', async () => {
  await fc.assert(
    fc.asyncProperty(files, async (all) => {
      const { files: found, taken } = await unpacked(await packed(all));
      assert.deepEqual(SORTED(found), SORTED(all));
      assert.deepEqual(taken.refused, []);
    }),
    { numRuns: 60 },
  );
});

test('every part can be shown alone, also of what is shown, under the same root', async () => {
  await fc.assert(
    fc.asyncProperty(files, fc.nat(), fc.nat(), async (all, first, second) => {
      const whole = await packed(all);
      let [file, shown] = [whole, ''];
      for (const choice of [first, second]) {
        const out = fresh();
        const [target, path] = await opened(file, async ({ tree: { nodes } }) => {
          const below = nodes
            .flatMap((node, index) => (node.kind === 'hidden' ? [] : [index]))
            .filter((index) => pathOf(nodes, index).startsWith(shown));
          const index = present(below[choice % below.length], 'a node');
          return [index, pathOf(nodes, index)] as const;
        });
        const roots = await opened(file, async (container) => {
          await showAs(container, target, out, work());
          return toHex(container.tree.root);
        });
        [file, shown] = [out, path];
        assert.equal(await opened(out, async ({ tree }) => toHex(tree.root)), roots);
      }
      const there = await unpacked(file);
      const expected = Object.entries(all).filter(
        ([path]) => shown === '' || path === shown || path.startsWith(`${shown}/`),
      );
      const found = Object.entries(there.files).filter(([path]) => !path.endsWith('/'));
      assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected.filter(([path]) => !path.endsWith('/'))));
      assert.deepEqual(there.taken.refused, []);
    }),
    { numRuns: 60 },
  );
});

/** Whatever was changed: what is taken out is what went in, or not there, and whatever is not there is accounted for. */
async function checkChanged(file: string, all: Files, at: string): Promise<readonly string[] | null> {
  let result: Awaited<ReturnType<typeof unpacked>>;
  try {
    result = await unpacked(file);
  } catch (error) {
    assert.ok(isFitError(error) && error.code === 'bad-file', `${at}: ${String(error)}`);
    return null;
  }
  const { files: found, taken } = result;
  for (const [path, bytes] of Object.entries(found))
    if (!path.endsWith('/')) assert.deepEqual(bytes, all[path], `${at}: ${path}`);
  const refused = taken.refused.map(({ path }) => path);
  assert.ok(refused.length > 0, `${at}: nothing was refused`);
  for (const path of Object.keys(all)) {
    const isRefused = refused.some((one) => one === '.' || one === path || path.startsWith(`${one}/`));
    assert.equal(path in found, !isRefused, `${at}: ${path}`);
  }
  return refused;
}

test('any changed byte refuses what it is part of', async () => {
  const all: Files = {
    'a.txt': bytesOf(40, 1),
    'letters/one': bytesOf(30, 2),
    'letters/two': bytesOf(20, 3),
    'plans/roof/north': bytesOf(10, 4),
    'plans/roof/south': bytesOf(10, 5),
  };
  const file = await packed(all, ['letters']);
  const bytes = readFileSync(file);
  const head = decodeHead(bytes.subarray(0, HEAD_BYTES));
  const contentAt = HEAD_BYTES + head.treeBytes;
  const sealsAt = contentAt + head.contentBytes;
  const ends: { readonly path: string; readonly end: number }[] = [];
  for (const [path, { length }] of Object.entries(all))
    ends.push({ path, end: (ends.at(-1)?.end ?? contentAt) + length });
  const changed = fresh();
  let usable = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(changed, copy);
    const refused = await checkChanged(changed, all, `byte ${at}`);
    if (at >= sealsAt) assert.deepEqual(refused, ['letters'], `byte ${at}`);
    else if (at >= contentAt) assert.deepEqual(refused, [ends.find(({ end }) => at < end)?.path], `byte ${at}`);
    else if (refused !== null && !refused.includes('.')) usable += 1;
  }
  assert.ok(usable > 200, `a change in the tree leaves the other folders usable (${usable})`);
});

test('a container that is cut anywhere, or longer, is refused', async () => {
  const all: Files = { 'a/b': bytesOf(70_000, 1), 'a/c': bytesOf(200, 2), d: bytesOf(100, 3) };
  const bytes = readFileSync(await packed(all, ['a']));
  const cut = fresh();
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), async (length) => {
      writeFileSync(cut, bytes.subarray(0, length));
      assert.equal(await checkChanged(cut, all, `cut at ${length}`), null);
    }),
    { numRuns: 200 },
  );
  writeFileSync(cut, Buffer.concat([bytes, Buffer.from('x')]));
  assert.equal(await checkChanged(cut, all, 'one byte more'), null);
});
