/**
 * May this file be run in the user's name? Not if another user of the machine could have written it: neither the file nor a
 * folder on the way to it may belong to, or be writable by, anybody but this user and root.
 */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const GROUP_OR_OTHERS = 0o022;
/** In such a folder (/tmp) only the owner of a file can replace it. */
const STICKY = 0o1000;

function isOurs(uid: number): boolean {
  return uid === 0 || uid === (process.getuid?.() ?? uid);
}

/** Why not, in a few words of ours; undefined if it may be run. Looks at the disk. */
export function programFault(program: string): string | undefined {
  let file: string;
  try {
    file = realpathSync(program);
    const found = statSync(file);
    if (!found.isFile()) return 'not a file';
    accessSync(file, constants.X_OK);
    if (!isOurs(found.uid)) return 'belongs to another user';
    if ((found.mode & GROUP_OR_OTHERS) !== 0) return 'others can write it';
    for (let folder = dirname(file); ; folder = dirname(folder)) {
      const { uid, mode } = statSync(folder);
      if (!isOurs(uid)) return 'a folder on its path belongs to another user';
      if ((mode & GROUP_OR_OTHERS) !== 0 && (mode & STICKY) === 0) return 'others can write a folder on its path';
      if (folder === dirname(folder)) return undefined;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'ENOENT' ? 'does not exist' : code === 'EACCES' ? 'may not be executed' : 'cannot be looked at';
  }
}
