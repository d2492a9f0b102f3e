/** LevelDB's and the file system's errors as ours. Messages name no content. */
import { FitError, isFitError } from '../lib/errors.ts';

/** LevelDB reports only the text of the system's error, which is that of the C locale: no space, quota, limit of a file. */
const FULL = /No space left on device|Disk quota exceeded|File too large|ENOSPC|EDQUOT|EFBIG/;

export function closedError(): FitError {
  return new FitError('internal', 'the archive is closed');
}

export function lockedError(cause?: unknown): FitError {
  return new FitError('daemon-running', 'the archive is open already', { hint: 'fit daemon status', cause });
}

/** The codes and messages of an error and of its causes, outermost first. */
function trail(error: unknown): string[] {
  const found: string[] = [];
  for (let at = error; at instanceof Error && found.length < 10; at = at.cause)
    found.push(`${'code' in at ? String(at.code) : ''} ${at.message}`);
  return found;
}

export function corrupt(what: string, cause?: unknown): FitError {
  return new FitError('archive-corrupt', what, {
    hint: 'keep the folder as it is, and restore a backup beside it',
    cause,
  });
}

export function storeError(error: unknown): unknown {
  if (isFitError(error)) return error;
  const found = trail(error);
  const has = (pattern: RegExp) => found.some((text) => pattern.test(text));
  if (has(/LEVEL_LOCKED/)) return lockedError(error);
  if (has(/LEVEL_CORRUPTION/)) return corrupt('the files of the archive are damaged', error);
  if (has(FULL))
    return new FitError('disk-full', 'the disk is full: nothing was stored', {
      hint: 'free some space and try again; nothing stored before is lost',
      cause: error,
    });
  if (has(/No such file or directory/)) return corrupt('a file of the archive is missing', error);
  if (has(/LEVEL_IO_ERROR|\bE[A-Z]{3,}\b/))
    return new FitError('disk-failed', 'the disk does not take or give data', { cause: error });
  if (has(/LEVEL_DATABASE_NOT_OPEN|LEVEL_ITERATOR_NOT_OPEN/)) return closedError();
  return error;
}
