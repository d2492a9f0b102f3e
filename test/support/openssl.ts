/** The `openssl` program as an independent witness. */
import { spawnSync } from 'node:child_process';

export interface Said {
  readonly ok: boolean;
  readonly text: string;
}

/** Runs `openssl` to its end; secrets here are test values. */
export function openssl(
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string } = {},
): Said {
  const done = spawnSync('openssl', args, { encoding: 'utf8', timeout: 20_000, ...options });
  return { ok: done.status === 0, text: `${done.stdout}${done.stderr}` };
}

/** The option that skips a test where there is no `openssl`. */
export const needsOpenssl: { readonly skip?: string } =
  spawnSync('openssl', ['version']).status === 0 ? {} : { skip: 'openssl is not installed' };
