/** Makes a trader's home: settings and keys. Leaves nothing half-made behind when it fails. */
import { existsSync, rmSync } from 'node:fs';
import { toHex } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import { ensureDirs, type HomePaths } from '../lib/paths.ts';
import { systemRng } from '../lib/rng.ts';
import { writeInitialConfig } from './config.ts';
import { createKeys, openKeyring } from './keyring.ts';

export interface InitRequest {
  readonly name: string;
  readonly listen?: string;
  readonly roles: readonly string[];
  readonly patience?: string;
  readonly passphrase: string;
}

export interface InitResult {
  readonly name: string;
  readonly home: string;
  readonly fingerprint: string;
  readonly roles: readonly string[];
}

const MIN_PASSPHRASE = 4;

export async function initHome(paths: HomePaths, request: InitRequest): Promise<InitResult> {
  if (existsSync(paths.config) || existsSync(paths.keys)) {
    throw new FitError('home-exists', 'there is a trader here already', { hint: 'choose another FIT_HOME or --home' });
  }
  if (request.passphrase.length < MIN_PASSPHRASE) {
    throw new FitError('usage', `the passphrase is shorter than ${MIN_PASSPHRASE} characters`, {
      hint: 'a few random words are good',
    });
  }
  ensureDirs(paths);
  const config = writeInitialConfig(paths.config, request);
  try {
    const ports = { clock: systemClock, rng: systemRng };
    await createKeys(
      paths.keys,
      { name: config.name, passphrase: request.passphrase, arbiter: config.roles.includes('arbiter') },
      ports,
    );
  } catch (error) {
    rmSync(paths.config, { force: true });
    rmSync(paths.keys, { recursive: true, force: true });
    throw error;
  }
  const leaf = openKeyring(paths.keys, systemClock).chain[0];
  return {
    name: config.name,
    home: paths.home,
    fingerprint: leaf === undefined ? '' : toHex(leaf.hash),
    roles: config.roles,
  };
}
