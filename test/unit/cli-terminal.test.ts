/** Reading and consenting at a terminal, in a real pty made by script(1). */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createFakeInstallation, type FakeInstallation, PASSPHRASE } from '../support/cli.ts';

const FAKE = fileURLToPath(new URL('../support/fake-fitd.program.js', import.meta.url));
const LONG = `# Sale\n\n${Array.from({ length: 40 }, (_, at) => `Clause ${at + 1}.`).join('\n')}\n${'wide '.repeat(39)}end\n`;
const hasScript = spawnSync('script', ['--version']).error === undefined;
const needsScript = { skip: hasScript ? false : 'script(1) is not installed' };
const CTRL_C = '\u0003';
const ENTER = '\r';

let at: FakeInstallation;
let deal: string;

before(async () => {
  at = createFakeInstallation(FAKE);
  await at.fit(['init', '--name', 'Elm', '--passphrase-file', at.passphraseFile]);
  await at.fit(['daemon', 'start', '--passphrase-file', at.passphraseFile]);
});
after(() => at.close());

interface Seen {
  readonly code: number | null;
  readonly text: string;
}

/** Types each answer once its question has appeared after the one before. `meanwhile` runs before the last answer. */
function atTerminal(
  args: readonly string[],
  answers: readonly (readonly [RegExp, string])[],
  meanwhile?: () => Promise<unknown>,
): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const command = [process.execPath, at.program, ...args].map((word) => `'${word}'`).join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: at.folder,
      env: { ...at.environment, TERM: 'xterm', NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    let seen = 0;
    let next = 0;
    let isBusy = false;
    const type = async () => {
      const answer = answers[next];
      if (answer === undefined || isBusy || !answer[0].test(text.slice(seen))) return;
      isBusy = true;
      next++;
      seen = text.length;
      if (next === answers.length) await meanwhile?.();
      child.stdin.write(answer[1]);
      isBusy = false;
    };
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      type().catch(reject);
    });
    child.stdin.on('error', () => {});
    // A question that never comes must fail with what was seen.
    const limit = setTimeout(() => child.kill('SIGKILL'), 20_000);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve({ code, text });
    });
  });
}

async function offer(text = LONG): Promise<void> {
  const file = at.file('contract.md', text);
  const pw = ['--passphrase-file', at.passphraseFile];
  const { stdout } = await at.fit(['deal', 'propose', file, '--to', 'oak', '--arbiter', 'notary', ...pw, '--json']);
  deal = JSON.parse(stdout).deal;
}

async function state(): Promise<string> {
  return JSON.parse((await at.fit(['deal', 'show', deal, '--json'])).stdout).state;
}

const read = [
  [/next page/, ENTER],
  [/page 2 of 3[\s\S]*next page/, ' '],
] as const;

test('accept: every page, then s, then the passphrase', needsScript, async () => {
  await offer();
  const { code, text } = await atTerminal(
    ['deal', 'accept', deal],
    [...read, [/s sign/, 's'], [/passphrase/, `${PASSPHRASE}\r`]],
  );
  assert.equal(code, 0, text);
  assert.equal(await state(), 'contracted');
  for (const part of [/ 42│ Clause 40\./, /↪│ .*end/, /NOT verified/, /who could cheat/, /arbiter +notary/])
    assert.match(text, part);
  assert.ok(!text.includes(PASSPHRASE), 'the passphrase is not shown');
  assert.ok(!text.includes('\u202e'), 'nothing from a peer steers the terminal');
});

test('s does nothing before the last page; q leaves with 4 and signs nothing', needsScript, async () => {
  await offer();
  const { code, text } = await atTerminal(
    ['deal', 'accept', deal],
    [
      [/next page/, `s${ENTER}`],
      [/page 2 of 3[\s\S]*next page/, 'q'],
    ],
  );
  assert.equal(code, 4, text);
  assert.match(text, /nothing was signed/);
  assert.doesNotMatch(text, /passphrase/);
  assert.equal(await state(), 'offered');
});

test('Ctrl-C while reading and at the passphrase gives 130 and signs nothing', needsScript, async () => {
  await offer();
  assert.equal((await atTerminal(['deal', 'accept', deal], [[/next page/, CTRL_C]])).code, 130);
  const late = await atTerminal(['deal', 'accept', deal], [...read, [/s sign/, 's'], [/passphrase/, CTRL_C]]);
  assert.equal(late.code, 130);
  assert.equal(await state(), 'offered');
});

test('a text that is countered while it is read is not signed', needsScript, async () => {
  await offer();
  const other = at.file('other.md', '# Sale\n\nSomething else.\n');
  const { code, text } = await atTerminal(
    ['deal', 'accept', deal],
    [...read, [/s sign/, 's'], [/passphrase/, `${PASSPHRASE}\r`]],
    () => at.fit(['deal', 'counter', deal, other, '--passphrase-file', at.passphraseFile]),
  );
  assert.equal(code, 3, text);
  assert.match(text, /changed while you were reading/);
  assert.equal(await state(), 'offered');
});

test('a wrong passphrase is asked for again, three times at most', needsScript, async () => {
  await at.fit(['lock']);
  const wrong = [/passphrase/, 'wrong\r'] as const;
  const again = [/once more[\s\S]*passphrase/, `${PASSPHRASE}\r`] as const;
  const first = await atTerminal(['unlock'], [wrong, again]);
  assert.equal(first.code, 0, JSON.stringify(first.text));
  const more = [/once more[\s\S]*passphrase/, 'wrong\r'] as const;
  assert.equal((await atTerminal(['unlock'], [wrong, more, more])).code, 9);
});

test('propose: the text is read before it is offered', needsScript, async () => {
  const file = at.file('short.md', '# Short\n\nText.\n');
  const answers = [
    [/s propose/, 's'],
    [/passphrase/, `${PASSPHRASE}\r`],
  ] as const;
  const { code, text } = await atTerminal(['deal', 'propose', file, '--to', 'oak', '--arbiter', 'notary'], answers);
  assert.equal(code, 0, text);
  assert.match(text, /1│ # Short/);
  assert.match(text, /offered/);
});
