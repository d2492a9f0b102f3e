/**
 * The built `fit` in a folder of its own, beside a `fitd` that is fake-fitd.program.ts: tests of the command line without
 * keys and peers. Everything started is stopped by `close`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const PASSPHRASE = 'correct horse';

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Called with the child once it runs. */
  readonly started?: (child: ChildProcess) => void;
}

export interface FakeInstallation {
  readonly folder: string;
  readonly home: string;
  readonly program: string;
  /** Path of a file that holds the passphrase. */
  readonly passphraseFile: string;
  readonly environment: NodeJS.ProcessEnv;
  fit(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Writes a file and gives its path. */
  file(name: string, text: string | Uint8Array): string;
  close(): Promise<void>;
}

/** `fakeFitd`: the path of the built fake program. */
export function createFakeInstallation(fakeFitd: string): FakeInstallation {
  const folder = mkdtempSync(join(tmpdir(), 'fit-cli-'));
  const home = join(folder, 'home');
  const program = join(folder, 'bin', 'fit');
  mkdirSync(join(folder, 'bin'));
  writeFileSync(program, `require(${JSON.stringify(resolve('dist/fit.cjs'))});\n`);
  writeFileSync(join(folder, 'bin', 'fitd'), `import(${JSON.stringify(fakeFitd)});\n`);
  const passphraseFile = join(folder, 'pw');
  writeFileSync(passphraseFile, `${PASSPHRASE}\nsecond line\n`);
  chmodSync(passphraseFile, 0o600);
  const environment = { PATH: process.env.PATH, HOME: folder, FIT_HOME: home, TZ: 'UTC' };

  function fit(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return new Promise((resolveRan, reject) => {
      const child = spawn(process.execPath, [program, ...args], {
        cwd: folder,
        env: { ...environment, ...options.environment },
        stdio: ['pipe', 'pipe', 'pipe'],
        // Without a controlling terminal, also when a person runs the tests at one.
        detached: true,
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text) => {
        stderr += text;
      });
      child.once('error', reject);
      child.once('close', (code, signal) => resolveRan({ code, signal, stdout, stderr }));
      child.stdin.on('error', () => {});
      child.stdin.end(options.input ?? '');
      options.started?.(child);
    });
  }

  return {
    folder,
    home,
    program,
    passphraseFile,
    environment,
    fit,
    file(name, text) {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    async close() {
      await fit(['daemon', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
