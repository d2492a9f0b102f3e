/**
 * The house rules that a machine can check: who may import whom, what pure code may not name, no dead files, no leftovers,
 * every error code documented, one version.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { FIT_ERRORS, PEER_FAULTS } from '../src/lib/errors.ts';
import { VERSION } from '../src/lib/version.ts';

/** DESIGN: a folder may import the folders named here and itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  crypto: ['lib'],
  exchange: ['crypto', 'lib'],
  commerce: ['exchange', 'crypto', 'lib'],
  evidence: ['exchange', 'crypto', 'lib'],
  archive: ['crypto', 'lib'],
  p2p: ['lib'],
  rpc: ['lib'],
  daemon: ['rpc', 'p2p', 'archive', 'evidence', 'commerce', 'exchange', 'crypto', 'lib'],
  cli: ['rpc', 'evidence', 'lib'],
};
/** Types only: they leave nothing behind. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = { rpc: ['exchange', 'commerce'] };
const PKIJS_ONLY_IN = 'src/crypto/pki/';
const AGE_ONLY_IN = 'src/crypto/age.ts';
const PURE = ['src/exchange/', 'src/commerce/'];

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => join('src', name))
  .sort();
const text = new Map(sources.map((file) => [file, readFileSync(file, 'utf8')]));
const folderOf = (file: string): string => file.split('/')[1] ?? '';

async function valueImports(): Promise<Map<string, { readonly path: string; readonly external: boolean }[]>> {
  const { metafile } = await build({
    entryPoints: sources,
    bundle: true,
    write: false,
    outdir: 'unused',
    metafile: true,
    platform: 'node',
    format: 'esm',
    jsx: 'automatic',
    packages: 'external',
    logLevel: 'silent',
  });
  return new Map(
    Object.entries(metafile.inputs).map(([file, input]) => [
      file,
      input.imports.map((one) => ({ path: one.path, external: one.external === true })),
    ]),
  );
}

function typeImports(file: string): string[] {
  return [...(text.get(file) ?? '').matchAll(/import type [^;]*? from '(\.[^']+)'/g)].map((match) =>
    join(file, '..', match[1] ?? ''),
  );
}

test('imports go one way', async () => {
  const wrong: string[] = [];
  const imports = await valueImports();
  for (const file of sources) {
    const folder = folderOf(file);
    const allowed = new Set([folder, ...(MAY_IMPORT[folder] ?? [])]);
    for (const { path, external } of imports.get(file) ?? []) {
      if (external) {
        if (/^(pkijs|asn1js)$/.test(path) && !file.startsWith(PKIJS_ONLY_IN)) wrong.push(`${file} → ${path}`);
        if (path === 'age-encryption' && file !== AGE_ONLY_IN) wrong.push(`${file} → ${path}`);
      } else if (path.startsWith('src/') && !allowed.has(folderOf(path))) {
        wrong.push(`${file} → ${path}`);
      }
    }
    const types = new Set([...allowed, ...(MAY_IMPORT_TYPES[folder] ?? [])]);
    for (const path of typeImports(file)) if (!types.has(folderOf(path))) wrong.push(`${file} → type ${path}`);
  }
  assert.deepEqual(wrong, []);
});

test('exchange and commerce are pure', () => {
  const wrong: string[] = [];
  for (const [file, content] of text) {
    if (!PURE.some((folder) => file.startsWith(folder))) continue;
    const code = content.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*/g, '');
    for (const word of [
      /\basync\b/,
      /\bawait\b/,
      /\bnode:/,
      /\bDate\b/,
      /\bMath\.random\b/,
      /\bprocess\b/,
      /\bsetTimeout\b/,
      /\bperformance\b/,
    ]) {
      if (word.test(code)) wrong.push(`${file}: ${word.source}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('every source file is used by the product', async () => {
  const imports = await valueImports();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { path, external } of imports.get(file) ?? []) if (!external) visit(path);
    for (const path of typeImports(file)) visit(path);
  };
  for (const entry of ['src/cli/main.ts', 'src/daemon/main.ts', 'src/crypto/escrow-worker.ts']) visit(entry);
  /** Ports' second versions and tools that tests, docs and the simulator use. */
  const forTests = new Set([
    'src/archive/memory-store.ts',
    'src/p2p/memory-link.ts',
    'src/p2p/memory-network.ts',
    'src/exchange/diagram.ts',
  ]);
  assert.deepEqual(
    sources.filter((file) => !seen.has(file) && !forTests.has(file)),
    [],
  );
});

test('no leftovers, no way round the compiler', () => {
  const wrong: string[] = [];
  const everywhere = ['src', 'test', 'bench', 'scripts'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(tsx?|mjs)$/.test(name))
      .map((name) => join(folder, name)),
  );
  // The type `any` is biome's to refuse.
  const leftover = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X\\b', '@ts-' + 'ignore', '@ts-' + 'expect-error', 'biome-' + 'ignore'].join(
      '|',
    ),
  );
  for (const file of everywhere) {
    if (file === 'test/tidy.test.ts') continue;
    readFileSync(file, 'utf8')
      .split('\n')
      .forEach((line, i) => {
        if (leftover.test(line)) wrong.push(`${file}:${i + 1}: ${line.trim()}`);
      });
  }
  assert.deepEqual(wrong, []);
});

test('every error code is explained in docs/errors.md, and no other', () => {
  const documented = new Set(
    [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1] ?? ''),
  );
  assert.deepEqual([...documented].sort(), [...Object.keys(FIT_ERRORS), ...PEER_FAULTS].sort());
  const code = [...text].filter(([file]) => file !== 'src/lib/errors.ts').map(([, content]) => content);
  const unused = [...documented].filter((one) => !code.some((content) => content.includes(`'${one}'`)));
  assert.deepEqual(unused, []);
});

test('one version', () => {
  assert.equal((JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version, VERSION);
});

test('dependencies are pinned, explained and used', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const docs = readFileSync('docs/dependencies.md', 'utf8');
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^[0-9]+\.[0-9]+\.[0-9]+$/, name);
    assert.ok(docs.includes(`\`${name}\``), `${name} is not in docs/dependencies.md`);
  }
  const code = [...text.values()].join('\n');
  for (const name of Object.keys(manifest.dependencies)) {
    assert.match(code, new RegExp(`(from|import\\()\\s*'${name}[/']`), `${name} is not imported`);
  }
  assert.ok(!readFileSync('package-lock.json', 'utf8').includes('"resolved": "http'), 'the lock file names a registry');
});
