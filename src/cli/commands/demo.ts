/**
 * `fit demo`: a whole trade by real `fit` and `fitd` processes on 127.0.0.1, in a temporary folder. Three deals: one signed
 * without anybody's help, one in which a trader falls silent and the arbiter completes it, one that is aborted. Nothing is
 * staged but the silence (a stopped process). Ends by itself and leaves nothing running, whatever happens in between.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { FitError } from '../../lib/errors.ts';
import { jsonLine } from '../output.ts';

export interface DemoOptions {
  readonly json: boolean;
  /** A new or empty folder that is left as it is at the end. */
  readonly keep?: string;
}

type Json = Readonly<Record<string, unknown>>;

interface Trader {
  readonly label: string;
  readonly name: string;
  readonly home: string;
  pid: number;
}

/** Short, so that nobody has to wait long for a trader who has fallen silent. */
const PATIENCE = '2s';
/** From the moment the silent trader's promise is stored until it has left; it is stopped then. */
const PROMISE_LEAVES_MS = 10;
const TRIES = 5;

const OFFER = `# Sale of a bicycle

Trader Oak sells one blue bicycle to Trader Elm for EUR 120.00
and hands it over on 1 December in Vienna.
`;
const COUNTER = OFFER.replace('EUR 120.00', 'EUR 110.00');
const SECOND = `# Translation of forty pages

Trader Oak translates forty pages until the end of January.
Trader Elm pays EUR 900.00 when they are there.
`;
const THIRD = `# Sale of a domain name

Trader Oak transfers the name example.org to Trader Elm.
`;

function folderFor(keep: string | undefined): string {
  if (keep === undefined) return mkdtempSync(join(tmpdir(), 'fit-demo-'));
  const folder = resolve(keep);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new FitError('file-exists', `${folder} is not empty`, { hint: 'give a new or an empty folder' });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** The children of this run: ended with it. */
const children = new Set<ReturnType<typeof spawn>>();

/** Runs `fit --home HOME … --json`; its result, also where the answer is "not so" (exit 1). */
function fit(home: string, ...args: readonly string[]): Promise<Json> {
  return new Promise((resolveResult, reject) => {
    const program = process.argv[1] ?? '';
    const child = spawn(process.execPath, [program, '--home', home, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      stderr += String(chunk);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      children.delete(child);
      if ((code === 0 || code === 1) && stdout !== '') resolveResult(JSON.parse(stdout) as Json);
      else if (code === 0) resolveResult({});
      else reject(new FitError('internal', `fit ${args[0]} ${args[1]} failed: ${stderr.trim().split('\n').at(-1)}`));
    });
  });
}

/** Calls `act` at the first event of this kind in the deal; the returned function stops listening. */
async function onEvent(trader: Trader, kind: string, act: () => void): Promise<() => void> {
  const program = process.argv[1] ?? '';
  const child = spawn(process.execPath, [program, '--home', trader.home, 'events', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.add(child);
  child.once('close', () => children.delete(child));
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((ready) => {
    lines.on('line', (line) => {
      const event = JSON.parse(line) as Json;
      if (event.kind === kind) act();
    });
    // A listener that is not connected yet misses what happens: a status call that this process makes after it is answered later.
    child.once('spawn', () => void fit(trader.home, 'daemon', 'status').then(() => ready()));
  });
  return () => child.kill();
}

function openssl(folder: string): Promise<string> {
  const args = [
    'cms',
    '-verify',
    '-cades',
    '-binary',
    '-inform',
    'der',
    '-in',
    'contract.p7s',
    '-content',
    'contract.md',
  ];
  return new Promise((resolveResult) => {
    execFile(
      'openssl',
      [...args, '-CAfile', 'certificates.pem', '-out', '/dev/null'],
      { cwd: folder },
      (error, _out, stderr) => {
        if (error === null) resolveResult('verified');
        else
          resolveResult(
            (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'not installed' : `failed: ${stderr.trim()}`,
          );
      },
    );
  });
}

export async function runDemo(options: DemoOptions): Promise<number> {
  const folder = folderFor(options.keep);
  const demo = createDemo(folder, options);
  const interrupted = (): void => {
    for (const child of children) child.kill();
    demo.killAll();
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', demo.killAll);
  process.once('SIGINT', interrupted);
  try {
    await demo.run();
    return 0;
  } finally {
    await demo.stop();
    process.off('exit', demo.killAll);
    process.off('SIGINT', interrupted);
  }
}

function createDemo(folder: string, options: DemoOptions) {
  const passphrase = join(folder, 'passphrase');
  const trader = (label: string, name: string): Trader => ({ label, name, home: join(folder, label), pid: 0 });
  const elm = trader('elm', 'Trader Elm');
  const oak = trader('oak', 'Trader Oak');
  const notary = trader('notary', 'Notary Ash');
  const traders = [elm, oak, notary];
  const secret = ['--passphrase-file', passphrase];
  const say = (line = ''): void => {
    if (!options.json) process.stdout.write(`${line}\n`);
  };
  const report: Record<string, unknown>[] = [];

  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const state = async (who: Trader, deal: string, wanted: string): Promise<Json> =>
    fit(who.home, 'deal', 'wait', deal, '--for', wanted, '--timeout', '20');
  const asked = async (): Promise<number> => {
    const { received } = await fit(notary.home, 'daemon', 'status');
    return (received as { readonly arbiter: number }).arbiter;
  };
  const freeze = (who: Trader): void => void process.kill(who.pid, 'SIGSTOP');
  const thaw = (who: Trader): void => void process.kill(who.pid, 'SIGCONT');

  const propose = async (text: string, name: string): Promise<string> => {
    const offered = await fit(
      oak.home,
      'deal',
      'propose',
      file(name, text),
      '--to',
      'elm',
      '--arbiter',
      'notary',
      ...secret,
    );
    const deal = String(offered.deal);
    await state(elm, deal, 'offered');
    return deal;
  };

  /** Both sides' evidence, compared byte by byte and shown to openssl. */
  const evidence = async (deal: string, name: string): Promise<Json> => {
    const folders = [elm, oak].map((who) => join(folder, 'evidence', `${name}-${who.label}`));
    mkdirSync(join(folder, 'evidence'), { recursive: true });
    for (const [i, who] of [elm, oak].entries()) await fit(who.home, 'deal', 'export', deal, '--dir', folders[i] ?? '');
    await fit(elm.home, 'deal', 'export', deal, '--out', join(folder, 'evidence', `${name}.asics`));
    const [one, other] = folders.map((path) => readFileSync(join(path, 'contract.p7s')));
    const verdict = await fit(elm.home, 'verify', join(folder, 'evidence', `${name}.asics`));
    return {
      folder: folders[0],
      identical: one !== undefined && other !== undefined && one.equals(other),
      openssl: await openssl(folders[0] ?? ''),
      fit: verdict.ok === true ? 'verified' : 'refused',
    };
  };

  const tell = (proof: Json): void => {
    say(
      `  both hold the same ${proof.identical === true ? 'bytes' : 'DIFFERENT BYTES'}; openssl: ${proof.openssl}; fit verify: ${proof.fit}`,
    );
    if (proof.identical !== true || proof.fit !== 'verified' || String(proof.openssl).startsWith('failed')) {
      throw new FitError('internal', 'the evidence does not hold');
    }
  };

  const begin = async (): Promise<void> => {
    writeFileSync(passphrase, 'only for this demo\n', { mode: 0o600 });
    await Promise.all(
      traders.map(async (who) => {
        const role = who === notary ? ['--role', 'arbiter'] : [];
        await fit(
          who.home,
          'init',
          '--name',
          who.name,
          '--listen',
          '127.0.0.1:0',
          '--patience',
          PATIENCE,
          ...role,
          ...secret,
        );
        who.pid = Number((await fit(who.home, 'daemon', 'start', ...secret)).pid);
        await fit(who.home, 'card').then(({ card }) => file(`${who.label}.card`, `${String(card)}\n`));
      }),
    );
    await Promise.all(
      traders.map(async (who) => {
        for (const other of traders) {
          if (other !== who)
            await fit(who.home, 'contact', 'add', join(folder, `${other.label}.card`), '--as', other.label);
        }
      }),
    );
    say('three traders on this machine: Elm and Oak want to trade, Ash is their arbiter');
  };

  const first = async (): Promise<void> => {
    say();
    say('1  a contract, with a counter-offer');
    const deal = await propose(OFFER, 'offer.md');
    say(`  Oak proposes the sale of a bicycle for EUR 120.00   (deal ${deal.slice(0, 4)})`);
    await fit(elm.home, 'deal', 'counter', deal, file('counter.md', COUNTER), ...secret);
    say('  Elm answers with EUR 110.00');
    await waitForVersion(oak, deal, 2);
    const began = performance.now();
    await fit(oak.home, 'deal', 'accept', deal, ...secret);
    await Promise.all([state(elm, deal, 'contracted'), state(oak, deal, 'contracted')]);
    const took = (performance.now() - began) / 1000;
    const messages = await asked();
    say(`  Oak accepts; both have signed after ${took.toFixed(1)} s; messages that the arbiter saw: ${messages}`);
    const proof = await evidence(deal, 'bicycle');
    tell(proof);
    report.push({ deal, state: 'contracted', arbiter: messages, evidence: proof });
  };

  /** Offers and counter-offers cross the network: the state alone does not tell that one has arrived. */
  const waitForVersion = async (who: Trader, deal: string, version: number): Promise<void> => {
    const stop = await onEvent(who, 'counter-offer', () => undefined);
    try {
      while (Number((await fit(who.home, 'deal', 'show', deal)).version) < version)
        await new Promise((later) => setImmediate(later));
    } finally {
      stop();
    }
  };

  const second = async (): Promise<void> => {
    say();
    say('2  a trader falls silent');
    for (let attempt = 1; ; attempt++) {
      const before = await asked();
      const deal = await propose(SECOND, `translation-${attempt}.md`);
      const stop = await onEvent(oak, 'promise', () => setTimeout(() => freeze(oak), PROMISE_LEAVES_MS));
      await fit(elm.home, 'deal', 'accept', deal, ...secret);
      const reached = await fit(elm.home, 'deal', 'wait', deal, '--for', 'contracted,aborted', '--timeout', '8').catch(
        () => undefined,
      );
      stop();
      const requests = (await asked()) - before;
      thaw(oak);
      if (reached?.state !== 'contracted' || reached.via !== 'arbiter') {
        // Oak was stopped a moment too early or too late; every outcome is fair, but this chapter is about another one.
        await Promise.all([elm, oak].map((who) => state(who, deal, 'contracted,aborted')));
        if (attempt === TRIES) throw new FitError('internal', 'the silence could not be shown on this machine');
        continue;
      }
      say(
        `  Elm accepts, Oak promises, Elm sends its signature, and Oak’s process is stopped   (deal ${deal.slice(0, 4)})`,
      );
      say(`  after ${PATIENCE} of silence Elm’s daemon asks the arbiter: contracted; requests: ${requests}`);
      await state(oak, deal, 'contracted');
      say('  Oak goes on and finds the same contract');
      const proof = await evidence(deal, 'translation');
      tell(proof);
      report.push({ deal, state: 'contracted', via: 'arbiter', evidence: proof });
      return;
    }
  };

  const third = async (): Promise<void> => {
    say();
    say('3  a trader thinks better of it');
    const deal = await propose(THIRD, 'domain.md');
    freeze(oak);
    await fit(elm.home, 'deal', 'accept', deal, ...secret);
    say(`  Elm accepts while Oak is away, then aborts: no signature has left Elm   (deal ${deal.slice(0, 4)})`);
    await fit(elm.home, 'deal', 'abort', deal);
    await state(elm, deal, 'aborted');
    thaw(oak);
    await state(oak, deal, 'aborted');
    say('  the arbiter will not complete it; Oak comes back and learns the same: aborted on both sides');
    report.push({ deal, state: 'aborted' });
  };

  const killAll = (): void => {
    for (const { pid } of traders) {
      if (pid === 0) continue;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has stopped already.
      }
    }
  };

  return {
    killAll,
    async run(): Promise<void> {
      await begin();
      await first();
      await second();
      await third();
      const where = join(folder, 'evidence');
      if (options.json) {
        process.stdout.write(jsonLine({ deals: report, evidence: where, arbiter: await asked() }));
        return;
      }
      say();
      say(`the evidence is in ${where}; this proves the first contract without fit:`);
      say(`  cd ${join(where, 'bicycle-elm')}`);
      say('  openssl cms -verify -cades -binary -inform der -in contract.p7s \\');
      say('    -content contract.md -CAfile certificates.pem -out /dev/null');
      say();
      say('to start for real:');
      for (const line of [
        'fit init --name "Your Name"',
        'fit daemon start',
        'fit card > my.card                            give this to the other side and the arbiter',
        'fit contact add their.card --as them          and their cards here',
        'fit deal propose contract.md --to them --arbiter notary',
      ]) {
        say(`  ${line}`);
      }
    },
    async stop(): Promise<void> {
      for (const who of traders) if (who.pid !== 0) process.kill(who.pid, 'SIGCONT');
      await Promise.allSettled(traders.filter((who) => who.pid !== 0).map((who) => fit(who.home, 'daemon', 'stop')));
      for (const who of traders) who.pid = 0;
      if (options.keep !== undefined) return;
      for (const who of traders) rmSync(who.home, { recursive: true, force: true });
      for (const name of readdirSync(folder))
        if (name !== 'evidence') rmSync(join(folder, name), { recursive: true, force: true });
      if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true, force: true });
    },
  };
}
