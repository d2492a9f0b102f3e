/**
 * Where a trader's files are: the daemon writes them, the CLI only needs the socket and whether the home exists.
 * `FIT_HOME` overrides all; without it the XDG base directories are used. Only `ensureDirs` touches the disk.
 */
import { mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ensurePrivateFolder } from './private-folder.ts';

export interface HomePaths {
  /** What identifies this trader to a person: FIT_HOME or the data folder. */
  readonly home: string;
  /** fit.toml; `fit init` writes it last, so the home exists when it exists. */
  readonly config: string;
  /** The rules that may decide in a person's place: policy.toml, fit-policy(5). */
  readonly policy: string;
  readonly keys: string;
  readonly archive: string;
  /** Contents that are sent or fetched; each in a folder of its own. */
  readonly content: string;
  /** The daemon's log and its lock file are here. */
  readonly state: string;
  readonly lock: string;
  readonly log: string;
  readonly socket: string;
}

/** sun_path holds 108 bytes on Linux and 104 on macOS and the BSDs, its final zero byte included. */
const MAX_SOCKET_PATH_BYTES = 103;

type Environment = Readonly<Record<string, string | undefined>>;

/** XDG says that a relative path in its variables is to be ignored. */
function xdg(value: string | undefined, fallback: string): string {
  return value?.startsWith('/') ? value : fallback;
}

/** A socket path that fits: beside the files, else in the runtime or temporary folder under a name made from the home. */
function socketPath(preferred: string, home: string, environment: Environment): string {
  if (Buffer.byteLength(preferred) <= MAX_SOCKET_PATH_BYTES) return preferred;
  // Loaded only here: it would be a tenth of the start of every command.
  const { createHash } = process.getBuiltinModule('node:crypto');
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const runtime = xdg(environment.XDG_RUNTIME_DIR, '');
  const inRuntime = join(runtime, 'fit', name, 'fitd.sock');
  if (runtime !== '' && Buffer.byteLength(inRuntime) <= MAX_SOCKET_PATH_BYTES) return inRuntime;
  return join(tmpdir(), `fit-${process.getuid?.() ?? 0}-${name}`, 'fitd.sock');
}

export function homePaths(environment: Environment = process.env): HomePaths {
  if (environment.FIT_HOME !== undefined && environment.FIT_HOME !== '') {
    const home = resolve(environment.FIT_HOME);
    return {
      home,
      config: join(home, 'fit.toml'),
      policy: join(home, 'policy.toml'),
      keys: join(home, 'keys'),
      archive: join(home, 'archive'),
      content: join(home, 'content'),
      state: join(home, 'state'),
      lock: join(home, 'state', 'fitd.lock'),
      log: join(home, 'state', 'fitd.log'),
      socket: socketPath(join(home, 'run', 'fitd.sock'), home, environment),
    };
  }
  const user = environment.HOME !== undefined && environment.HOME !== '' ? environment.HOME : homedir();
  const config = join(xdg(environment.XDG_CONFIG_HOME, join(user, '.config')), 'fit');
  const data = join(xdg(environment.XDG_DATA_HOME, join(user, '.local', 'share')), 'fit');
  const state = join(xdg(environment.XDG_STATE_HOME, join(user, '.local', 'state')), 'fit');
  const runtime = xdg(environment.XDG_RUNTIME_DIR, '');
  const preferred = runtime === '' ? join(state, 'run', 'fitd.sock') : join(runtime, 'fit', 'fitd.sock');
  return {
    home: data,
    config: join(config, 'fit.toml'),
    policy: join(config, 'policy.toml'),
    keys: join(data, 'keys'),
    archive: join(data, 'archive'),
    content: join(data, 'content'),
    state,
    lock: join(state, 'fitd.lock'),
    log: join(state, 'fitd.log'),
    socket: socketPath(preferred, data, environment),
  };
}

/** The folder that must be 0700 and ours. */
function socketFolder(paths: HomePaths): string {
  return dirname(paths.socket);
}

/**
 * Makes the folders, but those of keys and archive, which their owners make. Home and configuration may be folders that
 * the user made with other rights; those inside, and the socket's, are for their owner alone. Throws
 * `FitError('bad-config')` if one of them belongs to somebody else.
 */
export function ensureDirs(paths: HomePaths): void {
  for (const folder of [dirname(paths.config), paths.home]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const folder of [paths.state, socketFolder(paths)]) ensurePrivateFolder(folder);
}
