/**
 * Hooks (fit.toml(5)): programs of the user's that are run on an event.
 *
 * Guarantees: a program is run with the arguments that stand in fit.toml, never through a shell, and gets the event as one
 * line of JSON on its standard input; of our environment it sees only what finds this daemon, no passphrase nor where one
 * lies, and no descriptor of ours; one at a time for each hook, in the order of events, with a bounded queue; it has ended,
 * with all of its process group, when its time is over or the daemon stops. What it prints is bounded and logged at debug
 * alone. A failure is told as an event that no hook can be set on.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { safeJsonLine } from '../lib/json.ts';
import type { Logger } from '../lib/log.ts';
import { type HomePaths, homePaths } from '../lib/paths.ts';
import { type FitEvent, SCHEMA } from '../rpc/agent.ts';
import type { Hook } from './config.ts';
import type { Events } from './events.ts';
import { programFault } from './hook-program.ts';

const MAX_WAITING = 1000;
/** Of what it prints to each of its two outputs; the rest is read and forgotten. */
const MAX_OUTPUT_BYTES = 4096;
/** Between being asked to end and being made to. */
const GRACE_MS = 2000;
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whatever finds the same home and socket, where home is not FIT_HOME. */
const WHERE = ['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR', 'TMPDIR'];

/**
 * What a hook sees of ours. Chosen by name: what is not here (FIT_PASSPHRASE_*, CREDENTIALS_DIRECTORY, NOTIFY_SOCKET and
 * all that may be invented) would let `fit` in the hook give the passphrase by itself.
 */
export function hookEnvironment(environment: Environment, paths: HomePaths): Record<string, string> {
  const isFitHome = homePaths({ FIT_HOME: paths.home }).config === paths.config;
  const names = ['HOME', 'LANG', ...(isFitHome ? ['TMPDIR', 'XDG_RUNTIME_DIR'] : WHERE)];
  const kept = names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]] as const]));
  return {
    PATH: environment.PATH ?? DEFAULT_PATH,
    ...Object.fromEntries(kept),
    ...(isFitHome ? { FIT_HOME: paths.home } : {}),
    FIT_NON_INTERACTIVE: '1',
  };
}

/** The beginning of a stream, which is read to its end. */
function beginningOf(stream: Readable): () => { readonly text: string; readonly bytes: number } {
  const parts: Buffer[] = [];
  let kept = 0;
  let bytes = 0;
  stream.on('error', () => {});
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    const part = chunk.subarray(0, MAX_OUTPUT_BYTES - kept);
    kept += part.length;
    if (part.length > 0) parts.push(Buffer.from(part));
  });
  return () => ({ text: Buffer.concat(parts).toString('utf8'), bytes });
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nobody of it is left.
  }
}

export interface HooksPorts {
  readonly hooks: readonly Hook[];
  readonly paths: HomePaths;
  readonly environment: Environment;
  readonly events: Events;
  readonly log: Logger;
}

export interface Hooks {
  /** Runs what has waited since the start, and from now on at once. Before, the socket would not answer a hook. */
  begin(): void;
  /** Ends what runs; what waits is forgotten. */
  stop(): Promise<void>;
}

interface Line {
  readonly hook: Hook;
  readonly waiting: FitEvent[];
  running: boolean;
  /** The queue has been full since it was last empty: told once. */
  overflowed: boolean;
}

export function createHooks({ hooks, paths, environment, events, log }: HooksPorts): Hooks {
  const lines: Line[] = hooks.map((hook) => ({ hook, waiting: [], running: false, overflowed: false }));
  const ends = new Set<() => void>();
  let begun = false;
  let stopped = false;

  const failed = (hook: Hook, event: FitEvent, why: string): void => {
    const program = hook.run[0] ?? '';
    log.warn({ program, kind: event.kind, seq: event.seq, why: why.replaceAll(' ', '-') }, 'a hook failed');
    const { deal, request } = event;
    events.emit({
      kind: 'hook-failed',
      ...(deal === undefined ? {} : { deal }),
      ...(request === undefined ? {} : { request }),
      detail: `${program} on ${event.kind}: ${why}`,
    });
  };

  /** Resolves when the program has ended and its group with it. */
  const run = async (hook: Hook, event: FitEvent): Promise<void> => {
    const [program = '', ...args] = hook.run;
    const fault = programFault(program);
    if (fault !== undefined) return failed(hook, event, fault);
    const child = spawn(program, args, {
      cwd: paths.home,
      env: hookEnvironment(environment, paths),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A session of its own: no terminal to ask at, and one group to end.
      detached: true,
      shell: false,
    });
    const outputs = [beginningOf(child.stdout), beginningOf(child.stderr)] as const;
    // It may have no interest in the event.
    child.stdin.on('error', () => {});
    child.stdin.end(safeJsonLine({ schema: SCHEMA, home: paths.home, ...event }));

    let late = false;
    let hard: NodeJS.Timeout | undefined;
    const end = (): void => {
      signalGroup(child, 'SIGTERM');
      hard ??= setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    };
    const timer = setTimeout(() => {
      late = true;
      end();
    }, hook.timeout * 1000);
    ends.add(end);
    const why = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve(`cannot be run (${error.code ?? 'unknown'})`));
      child.once('exit', (code, signal) => {
        // What it left behind in its group ends with it.
        signalGroup(child, 'SIGKILL');
        if (late) resolve(`not done after ${hook.timeout} s`);
        else if (signal !== null) resolve(`ended by ${signal}`);
        else resolve(code === 0 ? undefined : `exit ${code}`);
      });
    });
    clearTimeout(timer);
    clearTimeout(hard);
    ends.delete(end);
    for (const [at, name] of (['stdout', 'stderr'] as const).entries()) {
      const { text, bytes } = outputs[at]?.() ?? { text: '', bytes: 0 };
      if (bytes > 0) log.debug({ program, seq: event.seq, stream: name, bytes, text }, 'a hook printed');
    }
    // Somebody who left the group may hold the other ends.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    if (stopped) return;
    if (why === undefined) log.debug({ program, kind: event.kind, seq: event.seq }, 'a hook is done');
    else failed(hook, event, why);
  };

  const next = (line: Line): void => {
    if (!begun || stopped || line.running) return;
    const event = line.waiting.shift();
    if (event === undefined) {
      line.overflowed = false;
      return;
    }
    line.running = true;
    void tracked(line, event);
  };

  const current = new Set<Promise<void>>();
  const tracked = async (line: Line, event: FitEvent): Promise<void> => {
    const done = run(line.hook, event).catch((error) => log.error({ error }, 'a hook could not be run'));
    current.add(done);
    await done;
    current.delete(done);
    line.running = false;
    next(line);
  };

  const offer = (line: Line, event: FitEvent): void => {
    if (line.waiting.length >= MAX_WAITING) {
      if (!line.overflowed) failed(line.hook, event, `${MAX_WAITING} events wait and further ones are dropped`);
      line.overflowed = true;
      return;
    }
    line.waiting.push(event);
    next(line);
  };

  const stopListening = events.listen(undefined, (event) => {
    for (const line of lines) if (line.hook.on.some((kind) => kind === event.kind)) offer(line, event);
  });

  return {
    begin() {
      begun = true;
      for (const line of lines) next(line);
    },
    async stop() {
      stopListening();
      stopped = true;
      for (const end of ends) end();
      await Promise.all(current);
    },
  };
}
