/**
 * Makes a trader's home: keys, then settings. Refused settings make nothing; whatever else fails, or a crash, leaves nothing
 * that counts as a trader: the keys appear whole, by a rename, and the settings last.
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { toHex } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import { ensureDirs, type HomePaths } from '../lib/paths.ts';
import { systemRng } from '../lib/rng.ts';
import { checkInitialConfig, writeInitialConfig } from './config.ts';
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

function homeExists(cause?: unknown): FitError {
  return new FitError('home-exists', 'there is a trader here already', {
    hint: 'choose another FIT_HOME or --home',
    cause,
  });
}

export async function initHome(paths: HomePaths, request: InitRequest): Promise<InitResult> {
  if (existsSync(paths.config) || existsSync(paths.keys)) {
    throw homeExists();
  }
  if (request.passphrase.length < MIN_PASSPHRASE) {
    throw new FitError('usage', `the passphrase is shorter than ${MIN_PASSPHRASE} characters`, {
      hint: 'a few random words are good',
    });
  }
  const config = checkInitialConfig(request);
  ensureDirs(paths);
  // A folder of its own: of two at once, the second finds the first one's keys in the way of its rename.
  const fresh = mkdtempSync(`${paths.keys}.new-`);
  let made = fresh;
  try {
    const ports = { clock: systemClock, rng: systemRng };
    await createKeys(
      fresh,
      {
        name: config.name,
        passphrase: request.passphrase,
        arbiter: config.roles.includes('arbiter'),
        timestamp: config.roles.includes('timestamp'),
      },
      ports,
    );
    renameSync(fresh, paths.keys);
    made = paths.keys;
    writeInitialConfig(paths.config, request);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    throw made === fresh && existsSync(paths.keys) ? homeExists(error) : error;
  }
  const leaf = openKeyring(paths.keys, systemClock).chain[0];
  return {
    name: config.name,
    home: paths.home,
    fingerprint: leaf === undefined ? '' : toHex(leaf.hash),
    roles: config.roles,
  };
}
