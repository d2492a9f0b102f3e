// The first step of every npm script: on a fresh clone it installs and builds what is missing, then runs the command.
// Uses nothing but Node and npm. `npm test -- PATH…` runs only the test files whose path contains PATH.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`fit: needs Node 20.19 or later, this is ${process.versions.node}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (done.error) throw done.error;
  return done.status ?? 1;
}

function must(command, args, options) {
  const status = run(command, args, options);
  if (status !== 0) process.exit(status);
}

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);
const newest = (folder) =>
  Math.max(0, ...readdirSync(folder, { recursive: true }).map((name) => modified(join(folder, name))));

const isInstalled = () => modified('node_modules/.package-lock.json') >= modified('package-lock.json');

/** `npm ci` empties node_modules first: two runs at once would take each other's packages away. */
function alone(task) {
  const lock = 'build/.installing';
  const stale = () => Date.now() - modified(lock) > 10 * 60_000;
  mkdirSync('build', { recursive: true });
  while (true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (stale()) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    }
  }
  process.once('exit', () => rmSync(lock, { recursive: true, force: true }));
  task();
  rmSync(lock, { recursive: true, force: true });
}

function ensureInstalled() {
  if (!isInstalled()) alone(install);
}

function install() {
  if (isInstalled()) return;
  console.error('fit: installing packages');
  // The build is made below; npm's progress belongs on stderr because stdout may be JSON.
  must('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
}

function ensureBuilt() {
  if (modified('dist/fitd.js') > Math.max(newest('src'), modified('package-lock.json'))) return;
  must(process.execPath, ['scripts/build.mjs'], { stdio: ['ignore', 2, 2] });
}

/** Builds the programs into a folder of this run's own, so that two runs do not disturb each other. */
async function withPrograms(kind, wanted, use) {
  const { buildPrograms } = await import('./build.mjs');
  const outdir = join('build', `${kind}-${process.pid}`);
  try {
    await buildPrograms(kind, outdir, wanted);
    return use(outdir);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

const [command, ...rest] = process.argv.slice(2);
ensureInstalled();
ensureBuilt();

if (command === 'start') {
  process.exit(run(process.execPath, ['bin/fit', 'demo', ...rest]));
} else if (command === 'test') {
  const wanted = rest.filter((arg) => !arg.startsWith('-')).map((arg) => arg.replace(/\.ts$/, ''));
  const flags = rest.filter((arg) => arg.startsWith('-'));
  const isWanted = (file) => wanted.length === 0 || wanted.some((part) => file.includes(part));
  process.exit(
    await withPrograms('test', isWanted, (outdir) => {
      const names = readdirSync(outdir, { recursive: true }).filter((name) => name.endsWith('.test.js'));
      const files = names.map((name) => join(outdir, name)).sort();
      const unknown = wanted.find((part) => !names.some((name) => join('test', name).includes(part)));
      // Without a file Node would run whatever it finds.
      if (unknown !== undefined || files.length === 0) {
        console.error(`fit: no test file has ${unknown ?? 'any of this'} in its path`);
        return 2;
      }
      return run(process.execPath, ['--test', '--enable-source-maps', '--test-concurrency=2', ...flags, ...files]);
    }),
  );
} else if (command === 'bench') {
  process.exit(
    await withPrograms(
      'bench',
      () => true,
      (outdir) => run(process.execPath, [join(outdir, 'main.js'), ...rest]),
    ),
  );
} else if (command === 'captures') {
  // Programs of the tests are built with any of them; this one writes docs/terminal.md.
  process.exit(
    await withPrograms(
      'test',
      () => false,
      (outdir) => run(process.execPath, ['--enable-source-maps', join(outdir, 'support/captures.program.js')]),
    ),
  );
} else if (command === 'check') {
  must('npx', ['--no-install', 'biome', 'ci', '.']);
  must('npx', ['--no-install', 'tsc', '-p', 'tsconfig.json']);
  process.exit(run(process.execPath, ['scripts/run.mjs', 'test', ...rest]));
} else {
  console.error('fit: usage: run.mjs start|test|bench|captures|check');
  process.exit(2);
}
