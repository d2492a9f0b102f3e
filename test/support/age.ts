/** The `age` tool, as an independent witness. */
import { spawnSync } from 'node:child_process';

/** The option that skips a test where there is no `age`, which is none of Node's: `.ci/run` installs it and takes no skip. */
export const needsAge: { readonly skip?: string } =
  spawnSync('age', ['--version']).error === undefined ? {} : { skip: 'the age tool is not installed' };
