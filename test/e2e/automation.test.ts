/** docs/automation.md, run: every block of the page as it stands there, by a shell or Node, against real daemons. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import type { FitEvent } from '../../src/rpc/agent.ts';
import type { ApprovalRequest, PolicyStatus, PolicyVerdict } from '../../src/rpc/approvals.ts';
import { connect } from '../../src/rpc/client.ts';
import { CONTRACT, endAll, introduce, runProgram, type Said, Trader, temporary } from '../support/traders.ts';

const PAGE = 'docs/automation.md';
const page = readFileSync(PAGE, 'utf8');
const blocks = Array.from(page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm), ([, language = '', text = '']) => ({
  language,
  text,
}));
const run = new Set<string>();

/** The one block of this language with these words in it. */
function block(language: string, words: string): string {
  const [found, other] = blocks.filter((one) => one.language === language && one.text.includes(words));
  assert.ok(found !== undefined && other === undefined, `one block ${language} with ${words}`);
  run.add(found.text);
  return found.text;
}

const folder = temporary();
const [elm, oak, notary] = [new Trader(folder, 'elm'), new Trader(folder, 'oak'), new Trader(folder, 'notary')];
const PATH = `${resolve('bin')}:${process.env.PATH ?? ''}`;
/** Where the reader's scripts are, and where he calls them. */
const desk = join(folder, 'desk');

before(async () => {
  mkdirSync(desk);
  for (const name of ['accept.sh', 'ended.sh', 'watch.sh', 'call.sh', 'confirm.sh', 'account.sh'])
    writeFileSync(join(desk, name), block('sh', `# ${name}`));
  writeFileSync(join(desk, 'ask.mjs'), block('js', '// ask.mjs'));
  const hook = join(desk, 'keep-contract');
  writeFileSync(hook, block('sh', '# keep-contract'), { mode: 0o755 });
  await Promise.all([elm.init(), oak.init(), notary.init({ role: 'arbiter' })]);
  const named = '"/usr/local/lib/fit/keep-contract"';
  const setting = block('toml', '[[hook]]');
  assert.ok(setting.includes(named));
  appendFileSync(oak.paths.config, `\n${setting.replace(named, JSON.stringify(hook))}`);
  await Promise.all([elm.start(), oak.start({ env: { PATH } }), notary.start()]);
  await introduce([elm, oak, notary]);
});
after(endAll);

interface Options {
  readonly passphrase?: string;
  readonly meanwhile?: (child: ChildProcess) => void;
}

function program(command: string, args: readonly string[], { passphrase, meanwhile }: Options = {}): Promise<Said> {
  const env = { PATH, FIT_HOME: oak.home, FIT_NON_INTERACTIVE: '1', FIT_PASSPHRASE_FILE: passphrase };
  return runProgram(command, args, { cwd: desk, env, ...(meanwhile === undefined ? {} : { meanwhile }) });
}
const script = (name: string, args: readonly string[] = [], options: Options = {}): Promise<Said> =>
  program('sh', [join(desk, name), ...args], options);
const accept = async (deal: string, options: Options = {}): Promise<string> =>
  (await script('accept.sh', [deal], options)).stdout;

async function offered(text = CONTRACT, mode: 'invisible' | 'affidavit' = 'invisible'): Promise<string> {
  const deal = await elm.offer(oak, text, mode);
  await oak.waitFor(deal, ['offered']);
  return deal;
}

async function requestFor(deal: string): Promise<ApprovalRequest> {
  const { requests } = await oak.ok<{ requests: ApprovalRequest[] }>('approve', 'list');
  return requests.find((one) => one.deal === deal) ?? assert.fail(`no request for ${deal}`);
}

/** Calls back with all that was printed, whenever there is more of it. */
const printing =
  (look: (text: string) => void) =>
  (child: ChildProcess): void => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      look(text);
    });
  };

test('exit codes: what a script is told when it asks for a signature, and how the deal ended', async () => {
  const deal = await offered();
  const waits = await accept(deal);
  assert.equal(waits, `waits for a person: fit approve grant ${(await requestFor(deal)).id}\n`);
  const wrong = join(folder, 'wrong.pw');
  writeFileSync(wrong, 'not it\n', { mode: 0o600 });
  assert.equal(await accept(deal, { passphrase: wrong }), 'the passphrase is wrong\n');
  assert.equal(await accept('zzzz'), 'no such deal, not in this state, or not in time\n');
  await oak.ok('lock');
  assert.equal(await accept(deal), 'locked: somebody must run fit unlock\n');
  await oak.ok('unlock', ...oak.pw);
  assert.equal(await oak.waitFor(deal, ['offered']), 'offered', 'nothing was signed');
  assert.equal(await accept(deal, { passphrase: oak.pw[1] }), 'contracted\n');

  const ended = await script('ended.sh', [deal]);
  assert.deepEqual([ended.code, (JSON.parse(ended.stdout) as { state: string }).state], [0, 'contracted']);
  const declined = await offered();
  await oak.ok('deal', 'decline', declined);
  assert.equal((await script('ended.sh', [declined])).code, 1);
});

test('events drive a script: it names what waits and keeps the evidence; the daemon’s end is its end', async () => {
  const deal = await offered();
  let granting: Promise<unknown> | undefined;
  let stopping: Promise<unknown> | undefined;
  const meanwhile = printing((text) => {
    if (text.includes(`${deal} waits for a person\n`))
      granting ??= requestFor(deal).then((one) => oak.ok('approve', 'grant', one.id, ...oak.pw));
    if (text.includes(`${deal} is kept\n`)) stopping ??= oak.kill();
  });
  const watching = script('watch.sh', [], { meanwhile });
  assert.match(await accept(deal), /^waits for a person/);
  const said = await watching;
  await Promise.all([granting, stopping]);
  await oak.start({ env: { PATH } });
  assert.ok(stopping !== undefined, `${said.stdout}${said.stderr}`);
  assert.match(said.stderr, /the daemon has stopped/);
  for (const [name, data] of await oak.evidence(deal))
    assert.deepEqual(readFileSync(join(desk, 'contracts', deal, name)), data, name);
});

test('a hook keeps the evidence of a contract by itself', async () => {
  const deal = await offered();
  assert.equal(await accept(deal, { passphrase: oak.pw[1] }), 'contracted\n');
  const evidence = await oak.evidence(deal);
  const agent = await oak.agent();
  const isKept = (name: string, data: Buffer): boolean => {
    const file = join(oak.home, 'contracts', deal, name);
    return existsSync(file) && readFileSync(file).equals(data);
  };
  // A hook that succeeds tells nobody: each look is a question to the daemon, which has other things to do between two.
  const until = Date.now() + 20_000;
  while (![...evidence].every(([name, data]) => isKept(name, data))) {
    assert.ok(Date.now() < until, 'not kept in time');
    await agent.status();
  }
});

interface Answer {
  readonly id: number;
  readonly result?: { readonly deal: string; readonly state: string };
  readonly error?: { readonly data: { readonly code: string } };
}

test('the socket from a shell: a question, a request, an error', async () => {
  const deal = await offered();
  const call = async (...args: readonly string[]): Promise<Answer> => {
    const said = await script('call.sh', args);
    assert.equal(said.code, 0, said.stderr);
    return JSON.parse(said.stdout) as Answer;
  };
  const shown = await call('dealShow', JSON.stringify({ deal: deal.slice(0, 8) }));
  assert.deepEqual([shown.id, shown.result?.deal, shown.result?.state], [1, deal, 'offered']);
  assert.equal((await call('dealAccept', JSON.stringify({ deal }))).error?.data.code, 'needs-approval');
  const { id } = await requestFor(deal);
  assert.equal((await call('approveGrant', JSON.stringify({ request: id }))).error?.data.code, 'needs-passphrase');
  assert.ok((await call('status')).result !== undefined);
  await oak.ok('approve', 'refuse', id);
});

test('the socket from Node: asks, is told, and stays until a person has decided', async () => {
  const ask = async (deal: string, decide: (request: string) => Promise<unknown>): Promise<Said> => {
    let deciding: Promise<unknown> | undefined;
    const meanwhile = printing((text) => {
      if (text.includes('needs-approval\n')) deciding ??= requestFor(deal).then((one) => decide(one.id));
    });
    const said = await program(process.execPath, [join(desk, 'ask.mjs'), oak.paths.socket, deal], { meanwhile });
    await deciding;
    return said;
  };
  const signed = await ask(await offered(), (id) => oak.ok('approve', 'grant', id, ...oak.pw));
  assert.equal(signed.code, 0, signed.stderr);
  assert.match(signed.stdout, /^request\nneeds-approval\n(granted\n)[\s\S]*\ncontract\n$/);
  const refused = await ask(await offered(), (id) => oak.ok('approve', 'refuse', id));
  assert.deepEqual([refused.code, refused.stdout], [0, 'request\nneeds-approval\nrefused\n']);
  const never = await program(process.execPath, [join(desk, 'ask.mjs'), oak.paths.socket, 'zzzz']);
  assert.deepEqual([never.code, never.stdout], [0, 'not-found\n']);
});

test('rules: confirmed with the passphrase alone, they sign what they name; the log accounts for it', async () => {
  const deal = await offered();
  const { facts } = await oak.ok<PolicyVerdict>('policy', 'check', deal);
  const policy = block('toml', 'fit = "policy/1"');
  assert.ok(policy.includes('"TEMPLATE"'));
  writeFileSync(oak.paths.policy, policy.replace('TEMPLATE', facts.template));
  assert.equal((await script('confirm.sh')).code, 5);
  assert.match(await accept(deal), /^waits for a person/);
  await oak.ok('approve', 'refuse', (await requestFor(deal)).id);
  const confirmed = await script('confirm.sh', [], { passphrase: oak.pw[1] });
  assert.equal(confirmed.code, 0, confirmed.stderr);
  assert.equal((JSON.parse(confirmed.stdout) as PolicyStatus).state, 'confirmed');

  // Twice a day, this text, without anybody.
  assert.equal(await accept(deal), 'contracted\n');
  assert.equal(await accept(await offered()), 'contracted\n');
  const third = await offered();
  assert.match(await accept(third), /^waits for a person/);
  assert.match(await accept(await offered(CONTRACT.replace('120', '12'))), /^waits for a person/);
  const affidavit = await offered(CONTRACT, 'affidavit');
  assert.equal(await accept(affidavit), 'refused: by a rule, or too much waits\n');

  const account = await script('account.sh');
  assert.equal(account.code, 0, account.stderr);
  const lines = account.stdout.trimEnd().split('\n');
  assert.equal(lines.filter((line) => /^granted \w{12} policy small-sales$/.test(line)).length, 2);
  assert.equal(lines.filter((line) => /^refused \w{12} policy never-affidavit$/.test(line)).length, 1);
  assert.ok(lines.some((line) => line.trimEnd() === `asked ${lines.at(-1)?.split(' ')[1]}`));

  appendFileSync(oak.paths.policy, '# another\n');
  assert.match(await accept(await offered()), /^waits for a person/);
});

test('no hook has failed', async () => {
  const listener = await connect(oak.paths.socket);
  const failed: FitEvent[] = [];
  listener.onEvent((event) => {
    if (event.kind === 'hook-failed') failed.push(event);
  });
  // What was before comes before the answer.
  await listener.subscribe({ since: 0 });
  listener.close();
  assert.deepEqual(failed, []);
});

test('no block of the page was left out, and what it refers to is there', () => {
  assert.deepEqual(
    blocks.filter((one) => !run.has(one.text)).map((one) => one.text),
    [],
  );
  assert.equal(page.split('\n').filter((line) => line.startsWith('```')).length, 2 * blocks.length);
  for (const [, target = ''] of page.matchAll(/\]\(([^)]+)\)/g))
    assert.ok(existsSync(join(dirname(PAGE), target)), target);
  for (const [, file = ''] of page.matchAll(/`((?:src|test)\/[^`]+)`/g)) assert.ok(existsSync(file), file);
  assert.ok(readFileSync('README.md', 'utf8').includes(`](${PAGE})`));
});
