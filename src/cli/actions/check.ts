/** fit lint: what the daemon will refuse, told beforehand and without a daemon. */
import { EXIT, isFitError } from '../../lib/errors.ts';
import { lint, MAX_TEXT_BYTES } from '../../lib/lint.ts';
import type { Context } from '../context.ts';
import { readInput } from '../files.ts';
import { peer } from '../voice.ts';

/** One byte more than may be signed, so that lint itself says that it is too large. */
async function readText(file: string): Promise<Uint8Array> {
  try {
    return await readInput(file, MAX_TEXT_BYTES);
  } catch (error) {
    if (!isFitError(error) || !error.message.includes('is larger than')) throw error;
    return new Uint8Array(MAX_TEXT_BYTES + 1);
  }
}

export async function lintFile(context: Context, _options: object, file: string): Promise<number> {
  const { out } = context;
  const findings = lint(await readText(file));
  if (out.isJson) out.json({ file, ok: findings.length === 0, findings });
  else {
    const name = file === '-' ? 'standard input' : file;
    for (const one of findings) out.line(`${name}:${one.line}:${one.column}: ${peer(one.message, 300)} (${one.code})`);
    if (findings.length === 0) out.talk('this text may be signed');
    else out.talk('this text may not be signed: nothing is repaired, correct the lines above');
  }
  return findings.length === 0 ? EXIT.done : EXIT.negative;
}
