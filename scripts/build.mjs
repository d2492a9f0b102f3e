// Bundles the product into dist/; run.mjs has it bundle test and bench programs too.
// Only what runs: types are checked by `npm run types`.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const { build } = await import('esbuild');

const common = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  splitting: true,
  sourcemap: false,
  logLevel: 'warning',
  legalComments: 'none',
  // CommonJS packages inside the bundle call require() for node's own modules.
  banner: { js: "import{createRequire as __fitRequire}from'node:module';const require=__fitRequire(import.meta.url);" },
};

/** classic-level loads a native addon relative to its own package, so it stays outside the bundle. */
const external = ['classic-level'];

function testFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((name) => /\.(test|program)\.ts$/.test(name));
}

const entries = {
  fit: 'src/cli/main.ts',
  fitd: 'src/daemon/main.ts',
  'escrow-worker': 'src/crypto/escrow-worker.ts',
};

/** Written in place, old files removed afterwards: programs that run from dist/ meanwhile keep working. */
async function buildProduct() {
  const entryPoints = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));
  const made = await build({
    ...common,
    entryPoints,
    outdir: 'dist',
    external,
    chunkNames: 'chunks/[name]-[hash]',
    metafile: true,
  });
  const kept = new Set(Object.keys(made.metafile.outputs).map((file) => join(file)));
  for (const name of readdirSync('dist', { recursive: true })) {
    const file = join('dist', name);
    if (name.endsWith('.js') && !kept.has(file)) rmSync(file);
  }
}

/** Tests and benches keep packages outside the bundle, so that they use what is installed, and carry source maps. */
export async function buildPrograms(kind, outdir, wanted) {
  const all =
    kind === 'test'
      ? testFiles('test')
      : readdirSync('bench')
          .filter((name) => name.endsWith('.ts'))
          .map((name) => join('bench', name));
  const entryPoints = all.filter((file) => !file.endsWith('.test.ts') || wanted(file));
  await build({
    ...common,
    banner: {},
    entryPoints,
    outbase: kind,
    outdir,
    packages: 'external',
    sourcemap: 'linked',
    chunkNames: 'chunks/[name]-[hash]',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildProduct();
