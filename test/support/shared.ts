/** Test data from outside the project, read in place where it is present. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Path of a file or folder beside the project, or undefined where there is none. Tests run in the project's root. */
export function sharedPath(...parts: readonly string[]): string | undefined {
  const path = join(process.cwd(), '..', 'shared', ...parts);
  return existsSync(path) ? path : undefined;
}

/** The option that skips a test for want of that data, with the reason. */
export function unlessShared(...parts: readonly string[]): { readonly skip?: string } {
  return sharedPath(...parts) === undefined ? { skip: `${parts.join('/')} is not here` } : {};
}
