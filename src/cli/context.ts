/**
 * What every command works with: its output, the connection to the daemon and the passphrase. Made once per run;
 * loads the client and the passphrase readers only when they are asked for.
 */
import { type HomePaths, homePaths } from '../lib/paths.ts';
import type { AgentClient } from '../rpc/client.ts';
import { closeAll } from './at-end.ts';
import { connectOrStart } from './autostart.ts';
import { type ColorChoice, createOutput, type Output } from './output.ts';
import type { PassphraseOptions } from './passphrase.ts';

/** Options that every command takes. */
export interface GlobalOptions extends PassphraseOptions {
  readonly json?: boolean;
  readonly home?: string;
  readonly color: ColorChoice;
  readonly nonInteractive?: boolean;
  readonly autostart: boolean;
  readonly waitDaemon?: boolean;
  readonly waitTimeout?: string;
}

export interface Context {
  readonly options: GlobalOptions;
  /** The environment of this run and of what it starts: --home is FIT_HOME in it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly out: Output;
  /** No questions may be asked. */
  readonly nonInteractive: boolean;
  paths(): HomePaths;
  /** Connects; starts the daemon (locked) if it is not running, unless --no-autostart. */
  agent(): Promise<AgentClient>;
  /** From a source that the user named; undefined if there is none. Read once. */
  givenPassphrase(): Promise<string | undefined>;
  /** Where the passphrase comes from, for the audit log. */
  passphraseSource(): Promise<ReturnType<typeof import('./passphrase.ts').sourceOf>>;
  /** From a source, else asked at the terminal, else `needs-passphrase`. */
  passphrase(question?: string): Promise<string>;
  close(): void;
}

export type Handler<Args extends readonly unknown[], Options> = (
  context: Context,
  options: Options & GlobalOptions,
  ...args: Args
) => Promise<number | undefined>;

export function createContext(options: GlobalOptions): Context {
  const environment = options.home === undefined ? process.env : { ...process.env, FIT_HOME: options.home };
  const nonInteractive = options.nonInteractive === true || (environment.FIT_NON_INTERACTIVE ?? '') !== '';
  const out = createOutput({ json: options.json === true, color: options.color });
  let client: Promise<AgentClient> | undefined;
  let given: Promise<string | undefined> | undefined;

  const context: Context = {
    options,
    environment,
    out,
    nonInteractive,
    paths: () => homePaths(environment),
    agent() {
      client ??= connectOrStart(context);
      return client;
    },
    givenPassphrase() {
      given ??= import('./passphrase.ts').then(({ givenPassphrase }) => givenPassphrase(options, environment));
      return given;
    },
    async passphraseSource() {
      const { sourceOf } = await import('./passphrase.ts');
      return sourceOf(options, environment);
    },
    async passphrase(question = 'passphrase') {
      const found = await context.givenPassphrase();
      if (found !== undefined) return found;
      const { askPassphrase } = await import('./prompts.ts');
      return askPassphrase(question, nonInteractive);
    },
    close() {
      closeAll();
      client?.then(
        (open) => open.close(),
        () => {},
      );
    },
  };
  return context;
}
