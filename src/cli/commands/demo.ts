/**
 * `fit demo`: real `fit` and `fitd` processes in a temporary folder. Starts three traders, shows that they are there, and
 * stops them again, whatever happens in between.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { FitError } from '../../lib/errors.ts';
import { jsonLine } from '../output.ts';

export interface DemoOptions {
  readonly json: boolean;
  /** A new or empty folder that is left as it is at the end. */
  readonly keep?: string;
}

const TRADERS = [
  { folder: 'elm', name: 'Trader Elm', roles: [] },
  { folder: 'oak', name: 'Trader Oak', roles: [] },
  { folder: 'notary', name: 'Notary Ash', roles: ['arbiter'] },
] as const;

function folderFor(keep: string | undefined): string {
  if (keep === undefined) return mkdtempSync(join(tmpdir(), 'fit-demo-'));
  const folder = resolve(keep);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new FitError('file-exists', `${folder} is not empty`, { hint: 'give a new or an empty folder' });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Runs `fit --home HOME … --json` and gives its result. */
function fit(home: string, ...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolveResult, reject) => {
    const program = process.argv[1] ?? '';
    const child = spawn(process.execPath, [program, '--home', home, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      stderr += String(chunk);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolveResult(stdout === '' ? {} : JSON.parse(stdout));
      else reject(new FitError('internal', `fit ${args[0]} ${args[1]} failed: ${stderr.trim().split('\n').at(-1)}`));
    });
  });
}

export async function runDemo(options: DemoOptions): Promise<number> {
  const folder = folderFor(options.keep);
  const passphrase = join(folder, 'passphrase');
  writeFileSync(passphrase, 'only for this demo\n', { mode: 0o600 });
  const homes = TRADERS.map((trader) => ({ ...trader, home: join(folder, trader.folder) }));
  try {
    const started = [];
    for (const { home, name, roles } of homes) {
      const role = roles.flatMap((one) => ['--role', one]);
      await fit(home, 'init', '--name', name, '--listen', '127.0.0.1:0', ...role, '--passphrase-file', passphrase);
      started.push(await fit(home, 'daemon', 'start', '--passphrase-file', passphrase));
      if (!options.json) process.stdout.write(`${name} is online\n`);
    }
    if (options.json) process.stdout.write(jsonLine({ traders: started }));
    return 0;
  } finally {
    await Promise.allSettled(homes.map(({ home }) => fit(home, 'daemon', 'stop')));
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
