/**
 * Traders for end-to-end tests: real `fit` and `fitd` processes in temporary homes on 127.0.0.1.
 *
 * Nothing outlives the test file: every process is known by its id and killed when the file ends, however it ends. Waiting
 * is for something that happens, never for time to pass.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type HomePaths, homePaths } from '../../src/lib/paths.ts';
import type { DealStateName, FitEvent } from '../../src/rpc/agent.ts';
import { type AgentClient, connect } from '../../src/rpc/client.ts';
import { openssl } from './openssl.ts';

/** The runner starts test files at the project's root. */
const FIT = resolve('bin/fit');
const FITD = resolve('bin/fitd');
export const PASSPHRASE = 'seven quiet words of a test';
export const CONTRACT = '# Sale of a bicycle\n\nThe seller hands over one blue bicycle for 120 euros.\n';
const START_MS = 30_000;
const COMMAND_MS = 40_000;

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Handed the child as soon as it runs. */
  readonly meanwhile?: (child: ChildProcess) => void;
}

const children = new Set<ChildProcess>();
const folders = new Set<string>();

/** Daemons in the background, that a command started: each has left its number in its home. */
function killDetached(folder: string): void {
  for (const name of readdirSync(folder)) {
    const home = join(folder, name);
    try {
      const pid = Number(readFileSync(join(home, 'state', 'fitd.lock'), 'utf8'));
      // The number may have been given to somebody else meanwhile.
      if (readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`FIT_HOME=${home}`)) process.kill(pid, 'SIGKILL');
    } catch {
      // No home, or nobody in it.
    }
  }
}

/** Ends everything at once; for the end of a file, also an unexpected one. */
export function endAll(): void {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) {
    killDetached(folder);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  folders.clear();
}

process.on('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fit-e2e-'));
  folders.add(folder);
  return folder;
}

const textOf = async (stream: Readable): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
};

const exitOf = (child: ChildProcess): Promise<number> =>
  new Promise((done, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => done(code ?? 128 + (signal === 'SIGINT' ? 2 : 9)));
  });

/** A program to its end. Its failure is an outcome, not an exception. */
export async function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<Said> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    timeout: COMMAND_MS,
    killSignal: 'SIGKILL',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  children.add(child);
  const exited = exitOf(child);
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  options.meanwhile?.(child);
  const [code, stdout, stderr] = await Promise.all([exited, textOf(child.stdout), textOf(child.stderr)]);
  children.delete(child);
  return { code, stdout, stderr };
}

/** `fit` without a home: `fit verify`, for example. */
export function fit(args: readonly string[], options: RunOptions = {}): Promise<Said> {
  const env = { FIT_NON_INTERACTIVE: '1', FIT_HOME: '/nonexistent', ...options.env };
  return runProgram(process.execPath, [FIT, ...args], { ...options, env });
}

/** The one line of JSON on stdout. */
export function parsed<T>(said: Said): T & { readonly schema: number } {
  const lines = said.stdout.split('\n');
  assert.equal(lines.length, 2, `one line of JSON: ${said.stdout}${said.stderr}`);
  const value = JSON.parse(lines[0] ?? '') as T & { readonly schema: number };
  assert.equal(value.schema, 1);
  return value;
}

/** Commands of somebody who need be no trader. */
export function commands(options: RunOptions) {
  const ended = async (code: number, args: readonly string[]): Promise<Said> => {
    const ran = await fit(args, options);
    assert.equal(ran.code, code, `fit ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
    return ran;
  };
  return {
    /** `fit … --json`, which must end with this code. */
    said: async <T>(code: number, ...args: readonly string[]) => parsed<T>(await ended(code, [...args, '--json'])),
    async refused(code: number, pattern: RegExp, ...args: readonly string[]): Promise<void> {
      assert.match((await ended(code, args)).stderr, pattern);
    },
  };
}

export interface StartSetup {
  /** Another program with the real daemon in it. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly locked?: boolean;
  /** In front of the command: `['prlimit', '--fsize=…']`. */
  readonly under?: readonly string[];
}

export interface Setup {
  readonly role?: 'arbiter' | 'timestamp';
  readonly patience?: string;
}

export class Trader {
  readonly name: string;
  readonly folder: string;
  readonly home: string;
  readonly paths: HomePaths;
  /** Options that give the passphrase. */
  readonly pw: readonly [string, string];
  /** What the daemon's programs wrote to stdout and stderr. */
  readonly log: string;
  #daemon: ChildProcess | undefined;
  #exited: Promise<number> = Promise.resolve(0);
  #agent: Promise<AgentClient> | undefined;
  #proven: Promise<AgentClient> | undefined;

  constructor(folder: string, name: string) {
    this.name = name;
    this.folder = folder;
    this.home = join(folder, name);
    this.paths = homePaths({ FIT_HOME: this.home });
    const file = join(folder, `${name}.pw`);
    writeFileSync(file, `${PASSPHRASE}\n`, { mode: 0o600 });
    this.pw = ['--passphrase-file', file];
    this.log = join(folder, `${name}.log`);
  }

  fit(...args: readonly string[]): Promise<Said> {
    return this.fitWith({}, ...args);
  }

  fitWith(options: RunOptions, ...args: readonly string[]): Promise<Said> {
    return fit(args, { cwd: this.folder, ...options, env: { FIT_HOME: this.home, ...options.env } });
  }

  /** `fit … --json`, which must succeed; its result. */
  async ok<T>(...args: readonly string[]): Promise<T & { readonly schema: number }> {
    const said = await this.fit(...args, '--json');
    assert.equal(said.code, 0, `fit ${args.join(' ')}: ${said.stderr}`);
    return parsed<T>(said);
  }

  /** `fit …`, which must fail with this exit code, say why on stderr in our voice, and print no result. */
  async fails(code: number, ...args: readonly string[]): Promise<Said> {
    const said = await this.fit(...args);
    assert.equal(said.code, code, `fit ${args.join(' ')}: ${said.stdout}${said.stderr}`);
    assert.equal(said.stdout, '', 'no result on stdout');
    assert.match(said.stderr, /(^|\n)fit: [^\n]+\n$/, 'stderr ends in our voice');
    return said;
  }

  async init(setup: Setup = {}): Promise<void> {
    const role = setup.role === undefined ? [] : ['--role', setup.role];
    const args = ['--listen', '127.0.0.1:0', '--patience', setup.patience ?? '2m', ...role, ...this.pw];
    await this.ok('init', '--name', `Trader ${this.name}`, ...args);
  }

  /** Starts `fitd` as our child; resolves when its socket answers and its link listens. */
  async start(setup: StartSetup = {}): Promise<void> {
    assert.equal(this.#daemon, undefined, `${this.name} runs already`);
    const program = setup.program ?? FITD;
    const [command = '', ...args] = [
      ...(setup.under ?? []),
      process.execPath,
      program,
      'run',
      '--ready-fd',
      '4',
      ...(setup.locked === true ? [] : ['--passphrase-fd', '3']),
    ];
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...setup.env, FIT_HOME: this.home },
    });
    children.add(child);
    this.#daemon = child;
    this.#agent = undefined;
    this.#proven = undefined;
    this.#exited = exitOf(child).finally(() => {
      children.delete(child);
      if (this.#daemon === child) this.#daemon = undefined;
    });
    // Whoever waits for it sees the failure.
    this.#exited.catch(() => {});
    const out = createWriteStream(this.log, { flags: 'a' });
    (child.stdout as Readable).pipe(out, { end: false });
    (child.stderr as Readable).pipe(out);
    const secret = child.stdio[3] as Writable;
    secret.on('error', () => {});
    secret.end(`${PASSPHRASE}\n`);
    const ready = child.stdio[4] as Readable;
    const isReady = new Promise<boolean>((done) => {
      ready.once('data', () => done(true));
      ready.once('close', () => done(false));
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    const began = await isReady;
    clearTimeout(timer);
    ready.destroy();
    if (!began) {
      await this.#exited;
      // What it said last is still on its way to the file.
      if (!out.closed) await new Promise<void>((done) => void out.once('close', () => done()));
    }
    if (!began)
      assert.fail(`${this.name} did not start: code ${await this.#exited}: ${readFileSync(this.log, 'utf8')}`);
  }

  /** Resolves at the next thing that a program in place of `fitd` prints. Ask before it can happen. */
  speaks(): Promise<void> {
    const daemon = this.#daemon ?? assert.fail(`${this.name} does not run`);
    return new Promise((done) => daemon.stdout?.once('data', () => done()));
  }

  /** Resolves with the exit code (137 for SIGKILL) when the daemon has ended. */
  get exited(): Promise<number> {
    return this.#exited;
  }

  get running(): boolean {
    return this.#daemon !== undefined;
  }

  get pid(): number {
    return this.#daemon?.pid ?? assert.fail(`${this.name} does not run`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#daemon?.kill(signal);
  }

  /** SIGKILL, and over. */
  async kill(): Promise<void> {
    this.#daemon?.kill('SIGKILL');
    await this.#exited;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** A connection to the daemon that runs now. */
  agent(): Promise<AgentClient> {
    this.#agent ??= connect(this.paths.socket).then((agent) => {
      void agent.closed.then(() => {
        this.#agent = undefined;
        this.#proven = undefined;
      });
      return agent;
    });
    return this.#agent;
  }

  /** The same, once it has shown the passphrase: it may consent. */
  consenting(): Promise<AgentClient> {
    this.#proven ??= this.agent().then(async (agent) => {
      await agent.prove({ passphrase: PASSPHRASE });
      return agent;
    });
    return this.#proven;
  }

  /** Closes the connections of this file's own. */
  disconnect(): void {
    this.#agent?.then(
      (agent) => agent.close(),
      () => {},
    );
  }

  /** The first event that fits, also one that was before; over a connection of its own. */
  async event(fits: (event: FitEvent) => boolean, timeoutMs = 20_000): Promise<FitEvent> {
    const agent = await connect(this.paths.socket);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<FitEvent>((done, reject) => {
        timer = setTimeout(() => reject(new Error(`${this.name}: no such event in ${timeoutMs} ms`)), timeoutMs);
        agent.onEvent((event) => {
          if (fits(event)) done(event);
        });
        agent.closed.then(() => reject(new Error(`${this.name}: the daemon ended`)));
        agent.subscribe({ since: 0 }).catch(reject);
      });
    } finally {
      clearTimeout(timer);
      agent.close();
    }
  }

  async waitFor(deal: string, states: readonly DealStateName[], timeoutMs = 25_000): Promise<DealStateName> {
    const agent = await this.agent();
    return (await agent.dealWait({ deal, for: states, timeoutMs })).state;
  }

  /** Offers `text` with the arbiter `notary`; the deal's id. */
  async offer(to: Trader, text = CONTRACT, mode: 'invisible' | 'affidavit' = 'invisible'): Promise<string> {
    const agent = await this.consenting();
    const document = Buffer.from(text).toString('base64');
    return (await agent.dealPropose({ document, to: to.name, arbiter: 'notary', mode })).deal;
  }

  /** The files of a contract's evidence, by name. */
  async evidence(deal: string): Promise<ReadonlyMap<string, Buffer>> {
    const { files } = await (await this.agent()).dealExport({ deal, form: 'files' });
    return new Map(files.map((file) => [file.name, Buffer.from(file.data, 'base64')]));
  }
}

export interface Trio {
  /** Proposes in most tests. */
  readonly elm: Trader;
  readonly oak: Trader;
  readonly notary: Trader;
}

/** Everyone pins everyone's card under its name. */
export async function introduce(traders: readonly Trader[]): Promise<void> {
  const cards = await Promise.all(traders.map(async (one) => (await (await one.agent()).card()).card));
  await Promise.all(
    traders.map(async (one) => {
      const agent = await one.agent();
      for (const [i, other] of traders.entries()) {
        if (other !== one) await agent.contactAdd({ card: cards[i] ?? '', as: other.name });
      }
    }),
  );
}

/** Two traders and an arbiter that know each other, their daemons running as our children. */
export async function startTrio(setup: Setup = {}): Promise<Trio> {
  const folder = temporary();
  const [elm, oak, notary] = ['elm', 'oak', 'notary'].map((name) => new Trader(folder, name)) as [
    Trader,
    Trader,
    Trader,
  ];
  await Promise.all([elm.init(setup), oak.init(setup), notary.init({ ...setup, role: 'arbiter' })]);
  await Promise.all([elm.start(), oak.start(), notary.start()]);
  await introduce([elm, oak, notary]);
  return { elm, oak, notary };
}

/** `openssl` on the plain files of a contract, as the README beside them says. */
export function opensslVerifies(folder: string): void {
  const command = 'cms -verify -cades -binary -inform der -in contract.p7s -content contract.md';
  const said = openssl([...command.split(' '), '-CAfile', 'certificates.pem', '-out', '/dev/null'], { cwd: folder });
  assert.ok(said.ok && /successful/.test(said.text), said.text);
}

/** Both sides hold the same contract, byte for byte, and `openssl` says that it is one. */
export async function sameContract(one: Trader, other: Trader, deal: string): Promise<void> {
  const [mine, theirs] = await Promise.all([one.evidence(deal), other.evidence(deal)]);
  for (const name of ['contract.md', 'contract.p7s'])
    assert.deepEqual(mine.get(name), theirs.get(name), `${name} of both sides`);
  const folder = join(one.folder, `evidence-${deal}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, data] of mine) writeFileSync(join(folder, name), data);
  opensslVerifies(folder);
}
