// Bundles the product into dist/; run.mjs has it bundle test and bench programs too.
// Only what runs: types are checked by `npm run types`.
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
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

const daemon = {
  fitd: 'src/daemon/main.ts',
  'escrow-worker': 'src/crypto/escrow-worker.ts',
  'content-worker': 'src/daemon/content-worker.ts',
  'lane-worker': 'src/daemon/lane-worker.ts',
};

/**
 * The command line pays for every file that it loads, not for code that it does not run: so each of these is one file with
 * all that it imports, and only what is heavy or seldom wanted is a file of its own, loaded where the source says import().
 * They are CommonJS, because Node starts sooner without its loader of ES modules (4 of 19 ms) and because an ES module loads
 * what it imports of Node itself at once, also for a command that does not use it.
 */
const commandLine = {
  fit: 'src/cli/main.ts',
  'cli/program': 'src/cli/program.ts',
  'cli/context': 'src/cli/context.ts',
  'cli/overview': 'src/cli/actions/overview.ts',
  'cli/verify': 'src/cli/actions/verify.ts',
  'cli/pack': 'src/cli/actions/pack.ts',
  'cli/unpack': 'src/cli/actions/unpack.ts',
  'cli/age': 'src/crypto/age.ts',
  'cli/demo': 'src/cli/commands/demo.ts',
  'cli/diff': 'src/cli/diff.ts',
  'cli/inquirer': 'inquirer',
  'cli/uqr': 'uqr',
  'cli/ui': 'src/cli/actions/ui.ts',
  'cli/strength': 'src/cli/strength.ts',
};

/** The screens: React and Ink wait at their top level, which only ES modules can, so this one is imported and not required. */
const screens = { 'cli/terminal': 'src/cli/terminal/main.tsx' };

const commonJs = {
  format: 'cjs',
  splitting: false,
  banner: {},
  outExtension: { '.js': '.cjs' },
  supported: { 'dynamic-import': false },
};

function apart(entry) {
  const outputs = new Map(Object.entries(commandLine).map(([output, file]) => [file, `${output}.cjs`]));
  return {
    name: 'apart',
    setup(plugins) {
      plugins.onResolve({ filter: /./ }, ({ kind, path, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        if (path.startsWith('.') && relative(root, resolve(resolveDir, path)) === screens['cli/terminal'])
          return { path: './terminal.mjs', external: true };
        const output = outputs.get(path.startsWith('.') ? relative(root, resolve(resolveDir, path)) : path);
        return output === undefined ? undefined : { path: `./${relative(dirname(entry), output)}`, external: true };
      });
    },
  };
}

/** Ink asks for React's development tools, which are not installed, if an environment variable says so. */
const withoutDevtools = {
  name: 'without-devtools',
  setup(plugins) {
    plugins.onLoad({ filter: /ink[\\/]build[\\/]devtools\.js$/ }, () => ({ contents: 'export {}' }));
  },
};

/** Written in place, old files removed afterwards: programs that run from dist/ meanwhile keep working. */
async function buildProduct() {
  const built = await Promise.all([
    build({
      ...common,
      entryPoints: daemon,
      outdir: 'dist',
      external,
      chunkNames: 'chunks/[name]-[hash]',
      metafile: true,
    }),
    ...Object.entries(commandLine).map(([entry, file]) =>
      build({
        ...common,
        ...commonJs,
        entryPoints: { [entry]: file },
        outdir: 'dist',
        plugins: [apart(entry)],
        ...(entry === 'cli/ui' ? { supported: {} } : {}),
        metafile: true,
      }),
    ),
    build({
      ...common,
      splitting: false,
      minify: true,
      jsx: 'automatic',
      entryPoints: screens,
      outdir: 'dist',
      outExtension: { '.js': '.mjs' },
      define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"', fetch: 'undefined' },
      plugins: [withoutDevtools],
      metafile: true,
    }),
  ]);
  const kept = new Set(built.flatMap((made) => Object.keys(made.metafile.outputs)).map((file) => join(file)));
  for (const name of readdirSync('dist', { recursive: true })) {
    const file = join('dist', name);
    if (/\.[cm]?js$/.test(name) && !kept.has(file)) rmSync(file);
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
