/** What a disk says, and names that are to outlast a loss of power. */
import { closeSync, constants, fsyncSync, openSync } from 'node:fs';

/** The system's code of an error (`ENOENT`); empty for what is none of the system's. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** No space, no quota, or a file that may grow no more. */
export function isDiskFull(error: unknown): boolean {
  return FULL.has(codeOf(error));
}

/** Makes durable which names are in a folder. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some file systems of other systems know no such thing.
    if (!['EINVAL', 'ENOTSUP', 'EISDIR'].includes(codeOf(error))) throw error;
  } finally {
    closeSync(fd);
  }
}
